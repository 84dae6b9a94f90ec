# SPDX-License-Identifier: GPL-2.0-or-later
"""The plugin under a supervisor: who holds the pool when the server dies.

lock-keeper.py DIRECTORY PLUGIN [quick]
"""

import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import time

DIRECTORY, PLUGIN = sys.argv[1:3]
QUICK = len(sys.argv) > 3
SOCKET = DIRECTORY + "/nbd.sock"
URI = "nbd+unix:///?socket=" + SOCKET
PR_SET_CHILD_SUBREAPER = 36
NAME = "nbdzram-holder"

# Enough that a few pages more or less don't matter.
MEGABYTES = 32


def check(what, message):
    if not what:
        raise SystemExit("FAIL: " + message)


def read(pid, name):
    with open(f"/proc/{pid}/{name}", encoding="utf-8") as f:
        return f.read()


def is_alive(pid):
    try:
        return read(pid, "stat").rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def eventually(what, message, seconds=20):
    for _ in range(seconds * 20):
        if what():
            return
        time.sleep(0.05)
    raise SystemExit("FAIL: " + message)


def kib(pid, file, key):
    """The sum of the lines KEY: in kB."""
    return sum(int(line.split()[1]) for line in read(pid, file).splitlines()
               if line.startswith(key + ":"))


def pool_kib(pid, key):
    """The same of mappings of the pool alone."""
    total, inside = 0, False
    for line in read(pid, "smaps").splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            inside = "memfd:pool" in line
        elif inside and words[0] == key + ":":
            total += int(words[1])
    return total


class Server:
    """nbdkit as a supervisor starts it; its stderr goes to a file."""

    count = 0

    def __init__(self, pool, listener):
        self.ready, ready = os.pipe()
        self.hold = os.eventfd(0, os.EFD_CLOEXEC)
        moved = {listener: 3, pool: 4, ready: 5, self.hold: 6}
        # Out of the way of each other first.
        high = {os.dup(fd): at for fd, at in moved.items()}
        command = ["nbdkit", "-f", "-t", "4", PLUGIN, "64M", "mlock=on",
                   "name=h", "pool=/proc/self/fd/4"]
        script = "".join(f"exec {at}<&{fd} {fd}<&-;"
                         for fd, at in sorted(high.items()))
        script = script.replace("exec 5<&", "exec 5>&")
        Server.count += 1
        self.log = f"{DIRECTORY}/server{Server.count}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", script + 'LISTEN_PID=$$ exec "$@"', "bash",
                 *command], pass_fds=list(high), stderr=log,
                env={**os.environ, "LISTEN_FDS": "1",
                     "NBDZRAM_SUPERVISED": "5,6"})
        self.pid = self.process.pid
        for fd in high:
            os.close(fd)
        os.close(ready)
        self.buffer = b""

    def line(self):
        """What it says next."""
        while b"\n" not in self.buffer:
            check(select.select([self.ready], [], [], 60)[0],
                  "the server says nothing")
            more = os.read(self.ready, 4096)
            if not more:
                with open(self.log, encoding="utf-8") as log:
                    raise SystemExit("FAIL: the server ended: " + log.read())
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode()

    def wait_ready(self):
        words = self.line().split()
        check(len(words) == 3 and words[0] == "ready", f"it says {words}")
        self.holder = int(words[2])
        check(self.holder > 0, "there is no holder")

    def release(self):
        os.eventfd_write(self.hold, 1)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        check(self.process.wait(60) == 0, "nbdkit did not end properly")


def io(*commands):
    args = [word for c in commands for word in ("-c", c)]
    r = subprocess.run(["qemu-io", "-f", "raw", *args, URI], timeout=60,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    check(r.returncode == 0 and b"fail" not in r.stdout.lower(),
          r.stdout.decode())


def fill(server):
    """Pages that don't compress."""
    data = DIRECTORY + "/data"
    with open(data, "wb") as f:
        f.write(os.urandom(MEGABYTES * 1024 * 1024))
    subprocess.run(["nbdcopy", data, URI], check=True, timeout=60)
    check(pool_kib(server.pid, "Rss") > MEGABYTES * 1024, "nothing stored")


def holds(pid, what):
    """Is all of the pool there, and locked, in process PID?"""
    check(is_alive(pid), f"{what}: the holder has gone")
    check(read(pid, "comm").strip() == NAME, f"{what}: it is not the holder")
    check(kib(pid, "status", "VmLck") > 0, f"{what}: nothing is locked")
    rss, locked = pool_kib(pid, "Rss"), pool_kib(pid, "Locked")
    check(rss > MEGABYTES * 1024, f"{what}: only {rss} KiB are mapped")
    # Locked is the share of those who map it, which may be two.
    check(locked >= rss / 2 - 64, f"{what}: {locked} of {rss} KiB are locked")


def descriptors(pid):
    return sorted(os.listdir(f"/proc/{pid}/fd"), key=int)


def reap(pid, what):
    def gone():
        try:
            return os.waitpid(pid, os.WNOHANG)[0] == pid
        except ChildProcessError:
            return not is_alive(pid)
    eventually(gone, what + ": the holder stays", 90)


def killed_and_taken_over(pool, listener):
    first = Server(pool, listener)
    first.wait_ready()
    check(kib(first.holder, "status", "VmLck")
          == kib(first.pid, "status", "VmLck"), "not the same memory")
    check(len(descriptors(first.holder)) == 1,
          f"the holder has descriptors {descriptors(first.holder)}")
    fill(first)

    second = Server(pool, listener)
    check(second.line() == "waiting", "the standby does not wait")
    check(kib(second.pid, "status", "VmLck") > 0, "the standby is not locked")
    # What the server has, it has alone.
    check(os.path.exists(DIRECTORY + "/run/nbdzram/h.ctl"), "no control")

    client = socket.socket(socket.AF_UNIX)
    client.connect(SOCKET)
    check(client.recv(18, socket.MSG_WAITALL)[:8] == b"NBDMAGIC", "no NBD")
    client.settimeout(60)
    os.kill(second.pid, signal.SIGSTOP)
    first.kill()
    try:
        check(client.recv(1) == b"", "the dead server speaks")
    except ConnectionResetError:
        pass
    holds(first.holder, "killed")
    for sig in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
        os.kill(first.holder, sig)
    time.sleep(0.2)
    holds(first.holder, "signalled")

    os.kill(second.pid, signal.SIGCONT)
    second.wait_ready()
    # Everything is locked a second time, before it says so.
    check(pool_kib(second.pid, "Rss") > MEGABYTES * 1024,
          "the pool is not mapped when the server is ready")
    holds(second.holder, "taken over")
    first.release()
    reap(first.holder, "released")
    holds(second.holder, "the other released")
    subprocess.run(["bash", "-c", f"nbdcopy --synchronous '{URI}' - "
                    f"| head -c {MEGABYTES}M | cmp - {DIRECTORY}/data"],
                   check=True, timeout=60)
    return second


def ends_properly(second, pool, listener):
    third = Server(pool, listener)
    check(third.line() == "waiting", "the standby does not wait")
    os.kill(third.pid, signal.SIGSTOP)
    second.stop()
    holds(second.holder, "ended")
    os.kill(third.pid, signal.SIGCONT)
    third.wait_ready()
    second.release()
    reap(second.holder, "released after the end")
    io("write -P 7 60M 4k", "read -P 7 60M 4k")
    return third


def given_up(server):
    """A standby that is stopped while it waits; a holder that is left."""
    standby = Server(POOL, LISTENER)
    check(standby.line() == "waiting", "the standby does not wait")
    standby.process.terminate()
    standby.process.wait(60)
    server.kill()
    if QUICK:
        server.release()
    else:
        holds(server.holder, "left alone")
    reap(server.holder, "left alone")


ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
POOL = os.memfd_create("pool")
LISTENER = socket.socket(socket.AF_UNIX)
LISTENER.bind(SOCKET)
LISTENER.listen(16)
LISTENER = LISTENER.detach()
server2 = killed_and_taken_over(POOL, LISTENER)
server3 = ends_properly(server2, POOL, LISTENER)
given_up(server3)
