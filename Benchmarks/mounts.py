#!/usr/bin/env python3
"""What does it cost to bring a mounted directory to a node: at first, where nothing has changed, and where a little has?

One machine that is none, as the tests make it, over a link of a rate. Each time is that of a whole job of one task that does nothing,
beside the same job without a mount, and beside rsync over the same ssh where it is installed. The bytes are those that left the head.
"""
import argparse
import os
import random
import shutil
import subprocess
import tempfile

import bench
from laboratory import Head, Laboratory, use


def many_files(folder, count):
    """So many files of 1 to 20 KB, which compress to about a half."""
    source = random.Random(1)
    for number in range(count):
        directory = os.path.join(folder, f"{number % 100:02}")
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, f"{number}.txt"), "wb") as file:
            file.write(source.randbytes(source.randrange(500, 10_000)).hex().encode())


def large_file(path, size):
    """Of bytes that do not compress."""
    source = random.Random(2)
    with open(path, "wb") as file:
        for _ in range(size >> 20):
            file.write(source.randbytes(1 << 20))


def insert(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        rest = file.read()
        file.seek(offset)
        file.write(data + rest)


def append(path, data):
    with open(path, "ab") as file:
        file.write(data)


class Bringer:
    """Ways to bring a directory to a node: ours, and rsync."""

    def __init__(self, head, laboratory):
        self.head, self.laboratory, self.node = head, laboratory, laboratory.nodes[0]
        self.has_rsync = shutil.which("rsync") is not None

    def job(self, *mount):
        self.head.martlet("run", "--quiet", "--name", "mount", "--image", "host", *mount, "--", "/bin/true")

    def rsync(self, folder):
        subprocess.run(["rsync", "-az", "-e", self.laboratory.ssh, folder + "/", f"{self.node}:/root/rsync-{os.path.basename(folder)}/"],
                       check=True)

    def measure(self, step, folder):
        """Seconds and bytes of each way."""
        ways = {"without": lambda: self.job(), "martlet": lambda: self.job("--mount", f"{folder}:{folder}:ro")}
        if self.has_rsync:
            ways["rsync"] = lambda: self.rsync(folder)
        found = {}
        for name, way in ways.items():
            before = int(self.laboratory.ask("sent"))
            seconds = bench.timed(way)
            found[name] = {"seconds": seconds, "bytes": int(self.laboratory.ask("sent")) - before}
        bench.say(f"  {step}: " + ", ".join(f"{name} {way['seconds']:.2f} s" for name, way in found.items()))
        return found


def size(folder):
    return sum(os.path.getsize(os.path.join(path, name)) for path, _, names in os.walk(folder) for name in names)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=".build/bin")
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=1024, help="in MiB")
    parser.add_argument("--rate", default="1gbit", help="of the link, as tc-tbf(8) writes it")
    parser.add_argument("--json")
    options = parser.parse_args()
    laboratory, found, sizes = Laboratory(1), {}, {}
    try:
        with tempfile.TemporaryDirectory() as folder:
            head = Head(os.path.join(os.path.abspath(options.bin), "martlet"), folder, MARTLET_SSH=laboratory.ssh)
            try:
                head.martlet("nodes", "add", "--take-over", *laboratory.nodes)
                use(head, laboratory, laboratory.nodes)
                laboratory.tell("rate", options.rate)
                bringer = Bringer(head, laboratory)
                # The first task of a connection starts what the others find.
                bringer.job()
                many, large = os.path.join(folder, "many"), os.path.join(folder, "large")
                many_files(many, options.files)
                os.makedirs(large)
                path = os.path.join(large, "file")
                large_file(path, options.large << 20)
                sizes = {"many": size(many), "large": size(large)}
                steps = [
                    (f"{options.files} files, at first", many, lambda: None),
                    ("nothing changed", many, lambda: None),
                    ("nothing changed, again", many, lambda: None),
                    ("one file changed", many, lambda: append(os.path.join(many, "00", "0.txt"), b"more")),
                    (f"a file of {options.large} MiB, at first", large, lambda: None),
                    ("1 KB inserted in the middle", large, lambda: insert(path, options.large << 19, b"x" * 1000)),
                    ("1 MB appended", large, lambda: append(path, random.Random(3).randbytes(1_000_000))),
                ]
                for step, where, change in steps:
                    change()
                    found[step] = bringer.measure(step, where)
            finally:
                head.stop()
    finally:
        laboratory.close()
    ways = list(next(iter(found.values())))
    rows = [[step, *(cell for way in ways for cell in (f"{f[way]['seconds']:.2f} s", f"{f[way]['bytes'] / 1e6:.2f} MB"))]
            for step, f in found.items()]
    bench.table(f"bringing {sizes['many'] / 1e6:.0f} MB in files and {sizes['large'] / 1e6:.0f} MB in one over {options.rate}",
                ["", *(cell for way in ways for cell in (way, "sent"))], rows)
    bench.write_json(options.json, {"benchmark": "mounts", "sizes": sizes, "steps": found, "rsync": bench.version(["rsync", "--version"])})


main()
