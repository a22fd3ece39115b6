#!/usr/bin/env python3
"""How much memory do the three processes hold with 100,000 tasks queued and 100 running?

The running tasks sleep in containers; `cpus: 0` lets a hundred of them run on any machine. Resident size is VmRSS of proc(5).
"""
import argparse
import json
import os
import shutil
import subprocess
import tempfile
import time

import bench

BARS = {"martlet": 80, "martlet-agent": 32, "martlet-runtime": 8}


def resident(pid):
    """MiB."""
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def processes(home):
    """Name of the executable -> pid, for the daemons of this home; a launcher's children are containers."""
    found = {}
    for pid in sorted((int(name) for name in os.listdir("/proc") if name.isdigit())):
        try:
            environment = open(f"/proc/{pid}/environ", "rb").read().split(b"\0")
            name = os.path.basename(open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")[0].decode())
        except OSError:
            continue
        if f"MARTLET_HOME={home}".encode() in environment and name in BARS:
            found.setdefault(name, pid)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=".build/bin")
    parser.add_argument("--queued", type=int, default=100_000)
    parser.add_argument("--running", type=int, default=100)
    parser.add_argument("--json")
    options = parser.parse_args()

    folder = tempfile.mkdtemp(prefix="martlet-bench-")
    home = os.path.join(folder, "home")
    root = os.path.join(folder, "root", "bin")
    os.makedirs(root)
    shutil.copy("/bin/busybox", os.path.join(root, "sleep"))
    environment = dict(os.environ, MARTLET_HOME=home)
    program = os.path.join(os.path.abspath(options.bin), "martlet")

    def martlet(*arguments):
        return subprocess.run([program, *arguments], env=environment, check=True, capture_output=True, text=True).stdout

    try:
        martlet("submit", "--quiet", "--image", os.path.dirname(root), "--sweep", f"i=1..{options.queued + options.running}",
                "--cpus", "0", "--parallel", str(options.running), "--", "sleep", "600")
        deadline = time.monotonic() + 60
        while json.loads(martlet("ls", "--json"))["jobs"][0]["counts"]["running"] < options.running:
            if time.monotonic() > deadline:
                raise SystemExit("the tasks do not all start")
            time.sleep(0.2)
        counts = json.loads(martlet("ls", "--json"))["jobs"][0]["counts"]
        sizes = {name: resident(pid) for name, pid in processes(home).items()}
    finally:
        subprocess.run([program, "server", "stop", "--tasks"], env=environment, stdout=subprocess.DEVNULL)
        shutil.rmtree(folder, ignore_errors=True)

    bench.table(f"resident memory with {counts['queued']} tasks queued and {counts['running']} running",
                ["", "MiB", "bar"], [[name, f"{size:.1f}", f"{BARS[name]}"] for name, size in sizes.items()])
    bench.write_json(options.json, {"benchmark": "memory", "counts": counts, "resident_MiB": sizes, "bars_MiB": BARS})


main()
