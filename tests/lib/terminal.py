# SPDX-License-Identifier: GPL-2.0-or-later
"""Run "nbdzram top" in a terminal of our own: terminal.py COMMAND...
It must show what it should, follow the size of the terminal, and leave it
as it was however it ends."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

LIMIT = 60                      # seconds: machines are busy


class Terminal:
    def __init__ (self, command, rows=24, columns=80):
        self.master, self.slave = pty.openpty ()
        self.resize (rows, columns, None)
        self.before = termios.tcgetattr (self.slave)
        self.output = b""
        self.pid = os.fork ()
        if self.pid == 0:
            os.setsid ()
            fcntl.ioctl (self.slave, termios.TIOCSCTTY, 0)
            for fd in 0, 1:
                os.dup2 (self.slave, fd)
            os.environ["TERM"] = "xterm"
            os.environ.pop ("LINES", None)
            os.environ.pop ("COLUMNS", None)
            os.execvp (command[0], command)

    def resize (self, rows, columns, pid):
        fcntl.ioctl (self.slave, termios.TIOCSWINSZ,
                     struct.pack ("HHHH", rows, columns, 0, 0))

    def read (self, seconds):
        if select.select ([self.master], [], [], seconds)[0]:
            self.output += os.read (self.master, 65536)

    def expect (self, pattern, seconds=LIMIT):
        """What was printed since the last time matches."""
        end = time.monotonic () + seconds
        while not re.search (pattern, self.output, re.S):
            if time.monotonic () > end:
                sys.exit ("no %r in %r" % (pattern, self.output))
            self.read (0.2)
        self.output = b""

    def wait (self, check):
        """It ends, and the terminal is as it was."""
        end = time.monotonic () + LIMIT
        rest = b""
        while True:
            self.read (0.1)
            pid, status = os.waitpid (self.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic () > end:
                sys.exit ("%s: it does not end: %r" % (check.__name__,
                                                       self.output))
        self.read (0.1)
        if not check (status):
            sys.exit ("it ended with %d: %r" % (status, self.output))
        if termios.tcgetattr (self.slave) != self.before:
            sys.exit ("the terminal's modes have changed")
        # Back to the normal screen, the cursor visible.
        for what in b"\x1b[?1049l", b"\x1b[?25h":
            if what not in self.output:
                sys.exit ("%r is missing in %r" % (what, self.output))
        os.close (self.master)
        os.close (self.slave)


def exited_well (status):
    return os.WIFEXITED (status) and os.WEXITSTATUS (status) == 0


def killed_by (sig):
    def check (status):
        return os.WIFSIGNALED (status) and os.WTERMSIG (status) == sig
    check.__name__ = sig.name
    return check


command = sys.argv[1:]

t = Terminal (command)
t.expect (rb"\x1b\[\?1049h.*zram0.*lz4.*reads.*writes.*memory.*q: quit")
os.write (t.master, b"x")
t.expect (rb"[0-9]")            # another sample
os.write (t.master, b"e")
t.expect (rb"HELD.*WRITES/s.*q: quit  e: the server")
os.write (t.master, b"e")
t.expect (rb"99 % below.*q: quit  e: exports")
os.write (t.master, b"q")
t.wait (exited_well)

# ^C, by the terminal; other signals by hand.
t = Terminal (command)
t.expect (rb"q: quit")
os.write (t.master, b"\x03")
t.wait (exited_well)
for sig in signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT:
    t = Terminal (command)
    t.expect (rb"q: quit")
    os.kill (t.pid, sig)
    t.wait (killed_by (sig))

# The lines below fit only once the terminal has grown; then it shrinks to
# next to nothing, and nothing breaks.
t = Terminal (command, 8, 30)
t.expect (rb"zram0")
t.resize (30, 100, t.pid)
t.expect (rb"99 % below.*q: quit")
for size in (5, 10), (1, 1), (2, 200), (60, 250):
    t.resize (*size, t.pid)
    time.sleep (0.3)
t.expect (rb"q: quit")
os.write (t.master, b"q")
t.wait (exited_well)

# It ends by itself.
t = Terminal (command + ["--iterations", "2"])
t.wait (exited_well)
