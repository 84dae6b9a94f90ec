# SPDX-License-Identifier: GPL-2.0-or-later
"""Run a command in a terminal, and answer its question:
answer.py ANSWER COMMAND...  The status is the command's.  ANSWER may be ^D;
a command that ends without a question is an error (99)."""

import os
import pty
import sys

answer, command = sys.argv[1], sys.argv[2:]
pid, master = pty.fork ()
if pid == 0:
    os.execvp (command[0], command)
output = b""
asked = False
while True:
    try:
        part = os.read (master, 4096)
    except OSError:             # the command has closed the terminal
        part = b""
    if not part:
        break
    output += part
    if not asked and output.endswith (b"? [y/N] "):
        asked = True
        os.write (master, b"\x04" if answer == "^D"
                  else answer.encode () + b"\n")
status = os.waitstatus_to_exitcode (os.waitpid (pid, 0)[1])
sys.stdout.write (output.decode ().replace ("\r\n", "\n"))
sys.exit (status if asked else 99)
