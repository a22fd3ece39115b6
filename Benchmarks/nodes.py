#!/usr/bin/env python3
"""What do nodes over ssh cost: tasks, joining, images, the head's memory, a cut link, and a thousand nodes?

Eight machines that are none, as the tests make them: a real sshd each, in namespaces of its own, joined by veth pairs; so they share
the cores with the head, and with each other. Each question is asked beside its own measure in the same run: the rate of tasks beside
one local agent's, an image to eight beside one to one. The thousand nodes are pretended by a program behind a pretended ssh.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time

import bench
import images
from laboratory import Head, Laboratory, use

BARS = {"rate": 0.8, "start_ms": 300, "image_time": 2, "image_bytes": 1.3, "memory_mib": 1, "reconnect_s": 2, "core": 0.20}


# Questions

def rate(head, laboratory, options):
    """Tasks a second, on this machine's agent and on the nodes, in turn."""
    def run(nodes):
        use(head, laboratory, nodes)
        return bench.timed(head.martlet, "run", "--quiet", "--name", "rate", "--image", "host", "--sweep", f"i=1..{options.tasks}",
                           "--", "/bin/true")
    found = bench.paired({"one local agent": [head.local], f"{len(laboratory.nodes)} nodes": laboratory.nodes}, options.runs, run)
    local, far = found.values()
    bench.table(f"{options.tasks} tasks of /bin/true, median of {options.runs}", ["", "total", "rate"],
                [[name, f"{statistics.median(s):.2f} s", f"{options.tasks / statistics.median(s):.0f}/s"] for name, s in found.items()]
                + [["nodes / local", "", f"{bench.ratio(local, far):.2f} (bar {BARS['rate']})"]])
    head.martlet("nodes", "undrain", head.local)
    return {"seconds": found, "ratio": bench.ratio(local, far)}


def start(head, laboratory, options):
    """From `nodes add` to a node that takes tasks, its programs being there and its agent not."""
    name, seconds = laboratory.nodes[0], []
    for _ in range(options.runs * 3):
        head.martlet("nodes", "rm", name)
        laboratory.tell("stop", name)
        seconds.append(bench.timed(head.martlet, "nodes", "add", name))
    bench.table("an idle node's start, by `martlet nodes add`", ["", "median", "fastest", "bar"],
                [["", f"{1000 * statistics.median(seconds):.0f} ms", f"{1000 * min(seconds):.0f} ms", f"{BARS['start_ms']} ms"]])
    return {"seconds": seconds}


def image(head, laboratory, options):
    """An image that no node has, to one of them and to all, over links of one rate."""
    made = images.Image(f"nodes-{options.image}", options.image * 1_000_000, 4)
    layout = os.path.join(made.folder, "layout")
    if not os.path.exists(layout):
        _, program = bench.static_true(made.folder)
        made.top(program, "bin/true")
        made.layout(layout, None)
    # The head has it before: what is asked is how it comes to the nodes.
    use(head, laboratory, [head.local])
    head.martlet("run", "--quiet", "--name", "image", "--image", layout, "--", "/bin/true")
    laboratory.tell("rate", options.rate)
    found = {"one node": [], f"{len(laboratory.nodes)} nodes": []}
    sent = {name: [] for name in found}
    for round_number in range(options.runs):
        for name in found:
            nodes = laboratory.nodes[:1] if name == "one node" else laboratory.nodes
            for node in laboratory.nodes:
                laboratory.tell("empty", node)
            use(head, laboratory, nodes)
            before = int(laboratory.ask("sent"))
            # A task for each, which the others cannot take over before it has begun.
            seconds = bench.timed(head.martlet, "run", "--quiet", "--name", "image", "--image", layout, "--exclusive",
                                  "--sweep", f"i=1..{len(nodes)}", "--", "/bin/true")
            found[name].append(seconds)
            sent[name].append(int(laboratory.ask("sent")) - before)
            bench.say(f"  round {round_number + 1}/{options.runs}: {name}: {seconds:.2f} s, {sent[name][-1] / 1e6:.0f} MB")
    one, many = found.values()
    size = made.size
    rows = [[name, f"{statistics.median(s):.2f} s", f"{statistics.median(sent[name]) / size:.2f}"] for name, s in found.items()]
    ratio = bench.ratio(many, one)
    bench.table(f"an image of {size / 1e6:.0f} MB over links of {options.rate}", ["", "time", "leaves the head / its size"],
                rows + [["ratio", f"{ratio:.2f} (bar {BARS['image_time']})", f"(bar {BARS['image_bytes']})"]])
    return {"bytes": size, "seconds": found, "sent": sent, "ratio": ratio}


def memory(program, laboratory):
    """The server's memory without nodes and with them, ssh's own apart."""
    with tempfile.TemporaryDirectory() as folder:
        head = Head(program, folder, MARTLET_SSH=laboratory.ssh)
        try:
            time.sleep(2)
            before = head.memory()
            head.martlet("nodes", "add", "--take-over", *laboratory.nodes)
            time.sleep(2)
            each = (head.memory() - before) / len(laboratory.nodes)
        finally:
            head.stop()
    bench.table("the server's private memory", ["", "", "bar"],
                [["without nodes", f"{before / 2**20:.1f} MiB", ""],
                 ["each of its nodes", f"{each / 2**20:.2f} MiB", f"{BARS['memory_mib']} MiB"]])
    return {"without": before, "each": each}


def reconnect(head, laboratory, options):
    """From the moment that the network is back until the node takes tasks, after cuts that were noticed."""
    name, seconds = laboratory.nodes[0], []
    for length in [3, 30, 60][:options.runs]:
        laboratory.tell("silence", name)
        time.sleep(length)
        connected = any(node["name"] == name and node["state"] == "connected" for node in head.nodes())
        laboratory.tell("mend", name)
        seconds.append((length, connected, head.await_node(name)))
        bench.say(f"  cut for {length} s: {seconds[-1][2]:.2f} s")
    bench.table("a line that was dead, once its network is back", ["silent for", "noticed", "back after", "bar"],
                [[f"{length} s", "no" if connected else "yes", f"{back:.2f} s", f"{BARS['reconnect_s']} s"]
                 for length, connected, back in seconds])
    return {"cuts": seconds}


PRETENDED_SSH = """#!/bin/sh
# The command is the last word; all nodes share one home, in which the programs are installed once.
for word; do :; done
HOME=%s; export HOME; unset XDG_DATA_HOME XDG_STATE_HOME XDG_RUNTIME_DIR MARTLET_HOME
exec /bin/sh -c "$word"
"""


def thousand(options):
    """CPU of a head with a thousand nodes: idle, and with 1,000 starts and ends of tasks a second."""
    subprocess.run(["swift", "build", "-c", "release", "--product", "PretendedNode"], check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory() as folder:
        programs, home, ssh = (os.path.join(folder, name) for name in ("bin", "node", "ssh"))
        os.makedirs(programs)
        os.makedirs(home)
        for name in ("martlet", "martlet-runtime"):
            shutil.copy(os.path.join(options.bin, name), programs)
        shutil.copy(os.path.join(options.bin, "martlet-agent"), os.path.join(programs, "real-agent"))
        shutil.copy(".build/release/PretendedNode", os.path.join(programs, "martlet-agent"))
        with open(ssh, "w") as file:
            file.write(PRETENDED_SSH % home)
        os.chmod(ssh, 0o755)
        # A start and an end a task: that many of them make the rate.
        lasting = 2000 * options.nodes // options.events
        head = Head(os.path.join(programs, "martlet"), folder, MARTLET_SSH=ssh, MARTLET_PRETENDED=str(lasting))
        try:
            shares = {"no nodes": share(head)}
            head.martlet("nodes", "drain", head.local)
            head.martlet("nodes", "add", "n0")
            joined = bench.timed(head.martlet, "nodes", "add", f"n[1-{options.nodes - 1}]")
            bench.say(f"  {options.nodes} nodes joined in {joined:.1f} s")
            shares[f"{options.nodes} nodes, idle"] = share(head)
            head.martlet("submit", "--quiet", "--name", "events", "--image", "host", "--sweep", "i=1..1000000", "--", "/bin/true")
            time.sleep(10)
            done = finished(head)
            began = time.perf_counter()
            shares[f"and {options.events} events a second"] = share(head)
            events = 2 * (finished(head) - done) / (time.perf_counter() - began)
        finally:
            head.stop()
    bench.table(f"CPU of the head, {options.nodes} nodes; events reached: {events:.0f}/s", ["", "of a core", "bar"],
                [[name, f"{100 * value:.1f} %", f"{100 * BARS['core']:.0f} %" if "events" in name else ""]
                 for name, value in shares.items()])
    return {"shares": shares, "events_per_s": events, "joined_s": joined}


def share(head, seconds=20):
    before, began = head.cpu(), time.perf_counter()
    time.sleep(seconds)
    return (head.cpu() - before) / (time.perf_counter() - began)


def finished(head):
    return json.loads(head.martlet("ls", "--json"))["jobs"][0]["counts"]["succeeded"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=".build/bin")
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--nodes", type=int, default=1000, help="pretended ones")
    parser.add_argument("--events", type=int, default=1000, help="of pretended nodes, a second")
    parser.add_argument("--image", type=int, default=500, help="in MB")
    parser.add_argument("--rate", default="1gbit", help="of all links while images go, as tc-tbf(8) writes it")
    parser.add_argument("--json")
    parser.add_argument("questions", nargs="*", help="rate start memory reconnect image thousand; all of them where none is named")
    options = parser.parse_args()
    options.bin = os.path.abspath(options.bin)
    wanted = options.questions or ["rate", "start", "memory", "reconnect", "image", "thousand"]
    program, found = os.path.join(options.bin, "martlet"), {}
    if set(wanted) != {"thousand"}:
        laboratory = Laboratory(8)
        try:
            if "memory" in wanted:
                found["memory"] = memory(program, laboratory)
            with tempfile.TemporaryDirectory() as folder:
                head = Head(program, folder, MARTLET_SSH=laboratory.ssh)
                try:
                    head.martlet("nodes", "add", "--take-over", *laboratory.nodes)
                    for question in (rate, start, reconnect, image):
                        if question.__name__ in wanted:
                            found[question.__name__] = question(head, laboratory, options)
                finally:
                    head.stop()
        finally:
            laboratory.close()
    if "thousand" in wanted:
        found["thousand"] = thousand(options)
    bench.write_json(options.json, {"benchmark": "nodes", "bars": BARS, **found, "ssh": bench.version(["ssh", "-V"])})


main()
