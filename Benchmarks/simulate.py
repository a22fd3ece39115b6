#!/usr/bin/env python3
"""How long does a simulation of 1,000,000 tasks on 1,000 nodes with 64 cores and 8 GPUs each take on one core?

One job of small tasks; and four jobs, one of them with a GPU a task, one with 16 cores a task, which are passed by and reserve.
"""
import argparse
import json
import os
import tempfile

import bench

BARS = {"seconds": 60, "bytes a task": 1024}
CLUSTER = """
nodes: [{name: n, count: %d, packages: 2, cores: 64, memory: 512GiB, gpus: {count: 8, model: H100, link: nvlink}}]
durations: {small: "lognormal(10m, 0.5)", gpu: "uniform(5m, 20m)", wide: 15m, two: "lognormal(200s, 1)"}
"""
SPEC = """
name: %s
image: host
command: ["true"]
sweep: {grid: {i: 1..%d}}
resources: {cpus: %d, gpus: %d}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=".build/bin")
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--json")
    options = parser.parse_args()
    program = os.path.join(os.path.abspath(options.bin), "martlet")
    mixes = {
        "one job": [("small", 1.0, 1, 0)],
        "four jobs": [("small", 0.5, 1, 0), ("gpu", 0.25, 4, 1), ("wide", 0.125, 16, 0), ("two", 0.125, 2, 0)],
    }
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        cluster = os.path.join(folder, "cluster.yaml")
        open(cluster, "w").write(CLUSTER % options.nodes)
        for mix, jobs in mixes.items():
            specs = []
            for name, part, cpus, gpus in jobs:
                specs.append(os.path.join(folder, name + ".yaml"))
                open(specs[-1], "w").write(SPEC % (name, int(options.tasks * part), cpus, gpus))
            use = bench.used([program, "simulate", cluster, *specs, "--json"])
            found[mix] = {
                "seconds": use.seconds, "cpu seconds": use.cpu, "bytes a task": use.memory / options.tasks,
                "microseconds a task": 1e6 * use.cpu / options.tasks,
            }
            print(f"{mix:10} {use.seconds:8.1f} s  {use.cpu:8.1f} s CPU  {1e6 * use.cpu / options.tasks:6.1f} µs a task"
                  f"  {use.memory / options.tasks:6.0f} bytes a task")
    print(f"bars: {BARS['seconds']} s, {BARS['bytes a task']} bytes a task")
    if options.json:
        json.dump({"nodes": options.nodes, "tasks": options.tasks, "bars": BARS, "results": found}, open(options.json, "w"), indent=2)


if __name__ == "__main__":
    main()
