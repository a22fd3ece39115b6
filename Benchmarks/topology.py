"""What does it cost to know the machine? `martlet topology` beside hwloc's lstopo, and the start of martlet alone."""
import argparse
import os

import bench

LSTOPO = "lstopo-no-graphics"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", default=".build/bin")
    parser.add_argument("--json")
    parser.add_argument("--runs", type=int, default=20)
    options = parser.parse_args()
    martlet = os.path.join(os.path.abspath(options.bin), "martlet")
    contenders = {"martlet topology --json": [martlet, "topology", "--json"], "martlet --version": [martlet, "--version"]}
    hwloc = bench.version([LSTOPO, "--version"])
    if hwloc:
        contenders["lstopo --of xml"] = [LSTOPO, "--of", "xml", "-"]
    results = bench.paired(contenders, options.runs, bench.used, lambda use: use.seconds)
    medians = {name: sorted(use.seconds for use in uses)[len(uses) // 2] for name, uses in results.items()}
    reading = medians["martlet topology --json"] - medians["martlet --version"]
    rows = [[name, f"{seconds * 1e3:.1f} ms"] for name, seconds in medians.items()]
    rows.append(["of which reading and writing", f"{reading * 1e3:.1f} ms"])
    bench.table(f"Topology of this machine, {options.runs} runs, medians", ["", "time"], rows)
    if not hwloc:
        bench.say(f"no {LSTOPO} here (Debian package hwloc)")
    bench.write_json(options.json, {"medians": medians, "reading": reading, "hwloc": hwloc})


if __name__ == "__main__":
    main()
