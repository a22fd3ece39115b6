#!/usr/bin/env python3
"""What does one task cost, end to end, where the task itself does nothing?

Martlet runs 10,000 tasks of a static /bin/true in containers, with logs kept and state durable, from submit to the last
exit record. Beside it, in the same run, GNU parallel and HyperQueue run the same program as bare processes.
"""
import argparse
import os
import shutil
import statistics
import subprocess
import tempfile

import bench
import peers

class Martlet:
    def __init__(self, binaries, folder, root):
        self.program = os.path.join(os.path.abspath(binaries), "martlet")
        self.environment = dict(os.environ, MARTLET_HOME=os.path.join(folder, "home"))
        self.root = root
        subprocess.run([self.program, "server", "start"], env=self.environment, check=True, stdout=subprocess.DEVNULL)

    def run(self, tasks):
        subprocess.run(
            [self.program, "run", "--quiet", "--name", "overhead", "--image", self.root,
             "--sweep", f"i=1..{tasks}", "--", "/bin/true"],
            env=self.environment, check=True, stdout=subprocess.DEVNULL)

    def stop(self):
        subprocess.run([self.program, "server", "stop", "--tasks"], env=self.environment, stdout=subprocess.DEVNULL)


def parallel(program, tasks):
    numbers = "".join(f"{n}\n" for n in range(tasks)).encode()
    # Its temporary files in memory: faster for it, and on ext4 whoever comes next would search long for inodes beside those
    # just deleted.
    subprocess.run(["parallel", "-n0", "--will-cite", "--tmpdir", "/dev/shm", program], input=numbers, check=True,
                   stdout=subprocess.DEVNULL)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=".build/bin")
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json")
    options = parser.parse_args()

    folder = tempfile.mkdtemp(prefix="martlet-bench-")
    root, program = bench.static_true(folder)
    ours = Martlet(options.bin, folder, root)
    try:
        contenders = {"martlet (containers)": lambda: bench.timed(ours.run, options.tasks)}
        if shutil.which("parallel"):
            contenders["GNU parallel (bare)"] = lambda: bench.timed(parallel, program, options.tasks)
        python = peers.hyperqueue_python()
        if python:
            contenders["HyperQueue (bare)"] = lambda: peers.hyperqueue(python, [program], options.tasks, folder)
        ours.run(min(200, options.tasks))
        results = bench.paired(contenders, options.runs, lambda contender: contender())
    finally:
        ours.stop()
        shutil.rmtree(folder, ignore_errors=True)

    first = results["martlet (containers)"]
    rows = []
    for name, seconds in results.items():
        median = statistics.median(seconds)
        rows.append([name, f"{median:.2f} s", f"{1000 * median / options.tasks:.3f} ms", f"{options.tasks / median:.0f}/s",
                     f"{bench.ratio(first, seconds):.2f}"])
    bench.table(f"{options.tasks} tasks of a static /bin/true, {os.cpu_count()} cores, median of {options.runs}",
                ["", "total", "per task", "rate", "martlet / it"], rows)
    bench.write_json(options.json, {
        "benchmark": "task-overhead", "tasks": options.tasks, "seconds": results,
        "versions": {"parallel": bench.version(["parallel", "--version"]),
                     "hyperqueue": python and bench.version(
                         [python, "-c", "from importlib.metadata import version; print(version('hyperqueue'))"])},
        "ratio": {name: bench.ratio(first, seconds) for name, seconds in results.items()},
    })


main()
