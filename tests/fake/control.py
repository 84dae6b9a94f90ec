# SPDX-License-Identifier: GPL-2.0-or-later
"""Play a server's control socket: control.py SOCKET DIRECTORY.
The reply to a verb is what the file DIRECTORY/VERB has then, and each
request is a line of DIRECTORY/requests."""

import json
import os
import socketserver
import sys

path, directory = sys.argv[1:]


class Peer (socketserver.StreamRequestHandler):
    def handle (self):
        for line in self.rfile:
            with open (os.path.join (directory, "requests"), "ab") as f:
                f.write (line)
            try:
                with open (os.path.join (directory,
                                         json.loads (line)["verb"])) as f:
                    reply = json.load (f)
            except FileNotFoundError:
                reply = {"ok": False, "error": "played: unknown verb"}
            self.wfile.write (json.dumps (reply).encode () + b"\n")


class Server (socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


# The path is whole only when somebody listens.
server = Server (path + ".new", Peer)
os.rename (path + ".new", path)
server.serve_forever ()
