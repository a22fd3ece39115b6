"""Speaks to martlet-runtime as its agent does, so that a benchmark can time the launcher alone."""
import array
import os
import socket
import struct
import subprocess
import time


def _int(value):
    return struct.pack("<q", value)


def _text(value):
    data = value.encode()
    return _int(len(data)) + data


def _list(values):
    return _int(len(values)) + b"".join(values)


# Which system calls a container may make.
STANDARD, UNCONFINED = b"\x00", b"\x01"


def start_message(ident, arguments, layers=None, mounts=(), cpus=(), seccomp=STANDARD):
    """A start request; `layers` None means the machine's own root."""
    root = b"\x00" if layers is None else b"\x01" + _list([_text(layer) for layer in layers])
    binds = [b"\x00" + _text(source) + _text(target) + b"\x00" + b"\x00" for source, target in mounts]
    spec = (root + b"\x00\x00" + _list([_text(a) for a in arguments]) + _list([]) + _text("/") + _text("")
            + _text("bench") + b"\x00" + _list(binds) + b"\x00" + _list([_int(c) for c in cpus]) + _list([]) + b"\x00" + b"\x00"
            + _list([]) + b"\x00" + seccomp + b"\x00\x00")
    return b"\x00\x01" + _text(ident) + spec + b"\x00" + _int(15) + _int(1000)


class Launcher:
    def __init__(self, binaries, directory, wrap=()):
        os.makedirs(directory, mode=0o700, exist_ok=True)
        self.log = open(os.path.join(directory, "log"), "w")
        program = os.path.join(os.path.abspath(binaries), "martlet-runtime")
        self.process = subprocess.Popen([*wrap, program, "serve", directory], stdout=self.log, stderr=self.log)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        deadline = time.monotonic() + 10
        while True:
            try:
                self.socket.connect(os.path.join(directory, "launcher.sock"))
                break
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise RuntimeError("the launcher does not start: " + open(self.log.name).read())
                time.sleep(0.01)
        self.socket.recv(1 << 18)
        self.null = os.open("/dev/null", os.O_RDWR)

    def send(self, message, stdout=None):
        fds = array.array("i", [stdout or self.null, self.null])
        self.socket.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])

    def run(self, message, stdout=None):
        """From the request to the exit record: (seconds, status kind, code or (step, subject, errno))."""
        begin = time.perf_counter()
        self.send(message, stdout)
        while True:
            event = self.socket.recv(1 << 18)
            if event[1] == 3:
                return time.perf_counter() - begin, *self.outcome(event)

    def outcome(self, event):
        length = struct.unpack_from("<q", event, 2)[0]
        ident = event[10:10 + length]
        at = 10 + length
        kind = event[at]
        self.socket.send(b"\x00\x03" + _list([_int(len(ident)) + ident]))
        if kind < 2:
            return kind, struct.unpack_from("<q", event, at + 1)[0]
        texts = []
        at += 1
        for _ in range(2):
            size = struct.unpack_from("<q", event, at)[0]
            texts.append(event[at + 8:at + 8 + size].decode())
            at += 8 + size
        return kind, (*texts, struct.unpack_from("<q", event, at)[0])

    def resident(self):
        """Kilobytes."""
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmRSS"):
                return int(line.split()[1])
        return 0

    def close(self):
        self.socket.send(b"\x00\x04")
        self.process.wait()
