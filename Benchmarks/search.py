#!/usr/bin/env python3
"""What does a search cost beside the full grid, and what does it find?

Branin's function with a learning curve and noise on it, by a plain command that reports each step. The same grid whole, with asha, and
with the median rule; and as many points from Optuna with asha where it can be imported. Ten seeds, task-seconds as the server
counts them, and the gap of the best point (without noise) to the grid's best.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

import bench

BARS = {"share": 0.5, "gap": 1.0}
STEPS = 27
TRAIN = """
import json, math, os, random, sys, time
x, y, seed, pause = (float(word) for word in sys.argv[1:])
def branin(x, y):
    return (y - 5.1 / (4 * math.pi ** 2) * x * x + 5 / math.pi * x - 6) ** 2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10
chance = random.Random(repr((x, y, seed)))
with open(os.environ["MARTLET_METRICS"], "a", buffering=1) as metrics:
    for step in range(1, %d + 1):
        time.sleep(pause)
        loss = branin(x, y) + (20 + branin(x, y)) * math.exp(-step / 4) + chance.gauss(0, 0.5)
        metrics.write(json.dumps({"step": step, "loss": loss, "true": branin(x, y)}) + "\\n")
""" % STEPS


class Bench:
    def __init__(self, arguments, folder):
        self.program = os.path.join(os.path.abspath(arguments.bin), "martlet")
        self.folder, self.arguments = folder, arguments
        self.environment = dict(os.environ, MARTLET_HOME=os.path.join(folder, "home"))

    def martlet(self, *words):
        return subprocess.run([self.program, *words], env=self.environment, check=True, stdout=subprocess.PIPE, text=True).stdout

    def run(self, name, seed, sweep, search):
        """Task-seconds, the best point's true value among those that ran to their end, and how many were stopped."""
        side = self.arguments.side
        spec = {"name": name, "image": "host", "workdir": "/", "resources": {"cpus": 0},
                "command": [sys.executable, "-c", TRAIN, "{x}", "{y}", str(seed), str(self.arguments.pause)],
                "limits": {"parallel": self.arguments.parallel}, "metrics": {"loss": "min"}, "sweep": sweep}
        if search:
            spec["search"] = search
        path = os.path.join(self.folder, f"{name}.json")
        with open(path, "w") as file:
            json.dump(spec, file)
        job = self.martlet("submit", "--quiet", path).strip()
        self.martlet("wait", job)
        points = json.loads(self.martlet("results", job, "--json"))["points"]
        assert len(points) == side * side, f"job {job} has {len(points)} points"
        whole = [point for point in points if point["state"] == "succeeded"]
        best = min(whole, key=lambda point: point["metrics"]["loss"])
        return {"seconds": sum(point["seconds"] or 0 for point in points), "best": best["metrics"]["true"],
                "stopped": sum(point["state"] == "stopped" for point in points)}


def contenders(bench_, seed):
    side = bench_.arguments.side
    # Each seed has a grid of its own: shifted by a part of its pitch.
    xs = [-5 + 15 * (i + seed % 10 / 10) / side for i in range(side)]
    ys = [15 * (i + seed * 7 % 10 / 10) / side for i in range(side)]
    grid = {"grid": {"x": xs, "y": ys}}
    asha = {"method": "asha", "min": 1, "max": STEPS, "reduction": 3}
    yield "grid", grid, None
    yield "asha", grid, asha
    yield "median", grid, {"method": "median", "min": 3, "max": STEPS}
    if bench_.arguments.optuna:
        sample = {"method": "external", "count": side * side, "seed": seed, "parallel": bench_.arguments.parallel,
                  "command": [bench_.arguments.optuna, "-m", "martlet_optuna"],
                  "space": {"x": "uniform(-5, 10)", "y": "uniform(0, 15)"}}
        yield "optuna + asha", {"sample": sample}, asha


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=".build/bin")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--side", type=int, default=9, help="points of the grid on each axis")
    parser.add_argument("--parallel", type=int, default=16)
    parser.add_argument("--pause", type=float, default=0.1, help="seconds of a step")
    parser.add_argument("--optuna", help="a Python that can import martlet_optuna")
    parser.add_argument("--json")
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="martlet-search-")
    machine = Bench(arguments, folder)
    results = {}
    try:
        for seed in range(arguments.seeds):
            for name, sweep, search in contenders(machine, seed):
                measured = machine.run(name.replace(" + ", "-"), seed, sweep, search)
                results.setdefault(name, []).append(measured)
                bench.say(f"  seed {seed}: {name}: {measured['seconds']:.1f} task-seconds, best {measured['best']:.3f}")
    finally:
        subprocess.run([machine.program, "server", "stop", "--tasks"], env=machine.environment, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)
    rows, verdict = [], {}
    for name, runs in results.items():
        shares = [run["seconds"] / whole["seconds"] for run, whole in zip(runs, results["grid"])]
        gaps = [run["best"] - whole["best"] for run, whole in zip(runs, results["grid"])]
        rows.append([name, f"{statistics.median(shares):.2f}", f"{max(shares):.2f}", f"{statistics.median(gaps):+.3f}",
                     f"{max(gaps):+.3f}", f"{statistics.median(run['stopped'] for run in runs):.0f}"])
        verdict[name] = {"share": max(shares), "gap": max(gaps)}
    bench.table(f"{arguments.side ** 2} points of {STEPS} steps, {arguments.seeds} seeds (Branin: 0.398 to 308)",
                ["", "share of the grid's task-seconds", "worst", "gap to the grid's best", "worst", "stopped"], rows)
    bench.write_json(arguments.json, {"results": results, "verdict": verdict, "bars": BARS})


if __name__ == "__main__":
    main()
