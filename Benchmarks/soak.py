#!/usr/bin/env python3
"""What stays behind of 100,000 tasks: descriptors, threads, processes, mounts, cgroups, memory?

Batches of one size, run one after the other by one server, agent and launcher: containers that succeed, fail, are killed by their time
limit, and are tried again. What each of the three holds is counted after every batch, at rest; the bar is no growth from the second
batch to the last. Memory is what no other process shares (smaps_rollup of proc(5)), and grows with what a server remembers of jobs.
"""
import argparse
import json
import os
import shutil
import subprocess
import tempfile
import time

import bench

DAEMONS = ("martlet", "martlet-agent", "martlet-runtime")
# By the task's index: one in a hundred fails, is tried again and fails again; one in a thousand would go on for ever.
WORK = r"""
#include <stdlib.h>
#include <unistd.h>
int main(int count, char **words) {
    int index = count > 1 ? atoi(words[1]) : 0;
    if (index % 1000 == 500) pause();
    return index % 100 == 50;
}
"""


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def processes(home):
    """Pids of all processes of this home, by the name of their executable."""
    found = {}
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        if f"MARTLET_HOME={home}\0".encode() not in read(f"/proc/{pid}/environ") + b"\0":
            continue
        name = os.path.basename(read(f"/proc/{pid}/cmdline").split(b"\0")[0].split(b" ")[0].decode(errors="replace"))
        found.setdefault(name, []).append(pid)
    return found


def private(pid):
    return sum(int(line.split()[1]) << 10 for line in read(f"/proc/{pid}/smaps_rollup").decode().splitlines()
               if line.startswith("Private_"))


def cgroups():
    return sum(1 for top in ("/sys/fs/cgroup",) for folder, _, _ in os.walk(top) if "/martlet" in folder)


def count(home):
    """What is held now."""
    found, counts = processes(home), {}
    for name in DAEMONS:
        for pid in found.get(name, []):
            counts[f"{name}: descriptors"] = len(os.listdir(f"/proc/{pid}/fd"))
            counts[f"{name}: threads"] = len(os.listdir(f"/proc/{pid}/task"))
            counts[f"{name}: mounts"] = read(f"/proc/{pid}/mountinfo").count(b"\n")
            counts[f"{name}: MiB"] = round(private(pid) / 2**20, 1)
    counts["processes"] = sum(len(pids) for pids in found.values())
    counts["mounts of this machine"] = read("/proc/self/mountinfo").count(b"\n")
    counts["cgroups"] = cgroups()
    run = os.path.join(home, "run")
    counts["files below run/"] = sum(len(files) for _, _, files in os.walk(run))
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=".build/bin")
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--json")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="martlet-soak-")
    home = os.path.join(folder, "home")
    root, _ = bench.static_true(folder)
    bench.compiled(WORK, os.path.join(root, "bin", "work"))
    environment = dict(os.environ, MARTLET_HOME=home)
    program = os.path.join(os.path.abspath(options.bin), "martlet")
    size, counts = options.tasks // options.batches, []

    def martlet(*arguments):
        return subprocess.run([program, *arguments], env=environment, capture_output=True, text=True)

    try:
        for batch in range(options.batches):
            seconds = bench.timed(
                martlet, "run", "--quiet", "--name", f"batch{batch}", "--image", root, "--sweep", f"i=1..{size}", "--time", "1s",
                "--grace", "0", "--attempts", "2", "--retry-on", "exit 1", "--", "/bin/work", "{i}")
            ended = json.loads(martlet("ls", "--json").stdout)["jobs"][-1]["counts"]
            if ended["succeeded"] + ended["failed"] != size:
                raise RuntimeError(f"batch {batch}: {ended}")
            # Ends are acknowledged, and layers put away, in the moments after the last one.
            time.sleep(3)
            counts.append(count(home))
            bench.say(f"  batch {batch + 1}/{options.batches}: {size / seconds:.0f} tasks/s; {ended['failed']} failed")
        database = os.path.getsize(os.path.join(home, "state", "state.db"))
    finally:
        martlet("server", "stop", "--tasks")
        shutil.rmtree(folder, ignore_errors=True)
    first, last = counts[1 if len(counts) > 1 else 0], counts[-1]
    names = sorted(set(first) | set(last))
    bench.table(f"{options.tasks} tasks in {options.batches} batches",
                ["held at rest", "after the second batch", "after the last", "growth"],
                [[name, first.get(name, 0), last.get(name, 0), f"{last.get(name, 0) - first.get(name, 0):+.1f}"
                  if name.endswith("MiB") else f"{last.get(name, 0) - first.get(name, 0):+d}"] for name in names])
    print(f"\n  database: {database / 2**20:.1f} MiB, {database / options.tasks:.0f} bytes a task")
    bench.write_json(options.json, {"benchmark": "soak", "tasks": options.tasks, "counts": counts, "database": database})


main()
