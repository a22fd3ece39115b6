#!/usr/bin/env python3
"""How long does a decision take, how does that grow with nodes, tasks and jobs, and how good are the places?

The driver beside this file asks the scheduler itself, as the server does; no container is started. Times are those of one whole
plan with all that it takes from the nodes. Quality is counted in GPU-CPU pairs of a task that lie on different NUMA nodes, and in
makespan: as if distance cost nothing, and as if a task all of whose pairs are far took 1.7 times as long. First-fit takes the
lowest CPUs and GPUs that are free, wherever they lie.
"""
import argparse
import json
import subprocess

import bench

DRIVER = "PlacementDriver"
QUESTIONS = ["decisions", "nodes", "tasks", "jobs", "memory", "million", "quality", "optimum", "makespan"]
BARS = {"decision_us": 10, "million_s": 60, "bytes_per_task": 1024}


def answers(options):
    """Question -> what the driver answers."""
    subprocess.run(["swift", "build", "-c", "release", "--product", DRIVER], check=True, stdout=subprocess.DEVNULL)
    found = {}
    for question in options.questions or QUESTIONS:
        # A process for each: what one leaves on the heap is not counted for the next.
        command = [f".build/release/{DRIVER}", *(["--short"] if options.short else []), question]
        found[question] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["answer"]
        bench.say(f"  {question}")
    return found


def times(title, name, rows):
    bench.table(title, [name, "median µs", "99 % µs"],
                [[f"{row[name]:,}" if name != "request" else row[name], f"{row['median_us']:.1f}", f"{row['p99_us']:.1f}"]
                 for row in rows])


def quality(rows):
    bench.table("random mixes of 60 tasks, eight GPUs in linked pairs: far GPU-CPU pairs for each GPU task, and makespan",
                ["NUMA nodes", "far: ours", "first-fit", "makespan: ours", "first-fit", "with far ones slower: ours", "first-fit"],
                [[row["numa_nodes"], f"{row['ours_crossings']:.2f}", f"{row['first_fit_crossings']:.2f}",
                  f"{row['ours_makespan_1.0']:.1f}", f"{row['first_fit_makespan_1.0']:.1f}",
                  f"{row['ours_makespan_1.7']:.1f}", f"{row['first_fit_makespan_1.7']:.1f}"] for row in rows])


def show(found):
    if "decisions" in found:
        times(f"one decision on a node of 256 CPUs and eight GPUs (bar: {BARS['decision_us']} µs)", "request", found["decisions"])
    if "nodes" in found:
        times("a task of a full cluster ends, ten kinds of tasks wait", "nodes", found["nodes"])
    if "tasks" in found:
        times("by tasks in the queue of one job, 100 nodes", "tasks", found["tasks"])
    if "jobs" in found:
        times("by jobs in the queue, 100 nodes", "jobs", found["jobs"])
    if "memory" in found:
        print(f"\n{found['memory']['queued']:,} queued tasks, each touched before: "
              f"{found['memory']['bytes_per_task']:.1f} bytes for each (bar: {BARS['bytes_per_task']})")
    if "million" in found:
        row = found["million"]
        print(f"\n{row['tasks']:,} tasks over {row['nodes']:,} nodes, placement alone: {row['seconds']:.1f} s, "
              f"{row['cpu_seconds']:.1f} s of one core, "
              f"{row['decisions_per_second']:,.0f} decisions/s (bar for the whole simulation: {BARS['million_s']} s)")
    if "quality" in found:
        quality(found["quality"])
    if "optimum" in found:
        bench.table("five tasks on eight CPUs and four GPUs: how many find room, and far pairs in all",
                    ["NUMA nodes", "placed: ours", "first-fit", "optimum", "far: ours", "first-fit", "optimum"],
                    [[row["numa_nodes"], *(f"{row[f'{who}_{what}']:.2f}" for what in ("placed", "crossings")
                                           for who in ("ours", "first_fit", "optimum"))] for row in found["optimum"]])
    if "makespan" in found:
        bench.table("makespan of seven tasks on eight CPUs and four GPUs; the optimum knows no NUMA nodes",
                    ["NUMA nodes", "ours", "first-fit", "optimum"],
                    [[row["numa_nodes"], *(f"{row[who]:.2f}" for who in ("ours", "first_fit", "optimum"))]
                     for row in found["makespan"]])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help=" ".join(QUESTIONS) + "; all where none is named")
    parser.add_argument("--bin", help="of no use here; the driver is built by swift build")
    parser.add_argument("--short", action="store_true", help="fewer rounds, and a tenth of the million")
    parser.add_argument("--json")
    options = parser.parse_args()
    found = answers(options)
    show(found)
    bench.write_json(options.json, {"benchmark": "placement", "bars": BARS, **found})


main()
