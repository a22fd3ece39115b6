#!/usr/bin/env python3
"""Does a night's work stay as quick as its first minute, and what is lost when the server dies?

100,000 containers of /bin/true beside 10,000 of them; the makespan of short tasks over a bare spawner's on the same cores, HyperQueue
beside; a server that is killed in the middle; and a server that has a million tasks in its queue.
"""
import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

import bench
import peers

BARS = {"rate": 0.9, "cpu_ms": 0.3, "makespan_10ms": 1.10, "makespan_100ms": 1.03, "recovery_s": 2,
        "ls_ms": 50, "submit_ms": 200, "start_s": 2}
TICK = os.sysconf("SC_CLK_TCK")

# As many children at once as there are cores, each waited for and replaced: the least that running tasks can cost.
SPAWNER = r"""
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
extern char **environ;
int main(int count, char **words) {
    int tasks = atoi(words[1]), slots = atoi(words[2]), live = 0;
    while (tasks > 0 || live > 0) {
        pid_t pid;
        while (live < slots && tasks > 0) {
            if (posix_spawn(&pid, words[3], 0, 0, words + 3, environ) != 0) return 1;
            live++, tasks--;
        }
        if (wait(0) > 0) live--;
    }
    return 0;
}
"""
# Sleeps for so many milliseconds, which takes no CPU: what is left is what running it costs.
SLEEPER = r"""
#include <stdlib.h>
#include <time.h>
int main(int count, char **words) {
    int ms = count > 1 ? atoi(words[1]) : 0;
    struct timespec time = {ms / 1000, ms % 1000 * 1000000L};
    return nanosleep(&time, 0);
}
"""


class Server:
    def __init__(self, binaries, folder):
        self.program = os.path.join(os.path.abspath(binaries), "martlet")
        self.home = os.path.join(folder, "home")
        self.environment = dict(os.environ, MARTLET_HOME=self.home)
        self.martlet("server", "start")

    def martlet(self, *arguments):
        ended = subprocess.run([self.program, *arguments], env=self.environment, capture_output=True, text=True)
        if ended.returncode != 0:
            raise RuntimeError(f"martlet {' '.join(arguments)}: {(ended.stderr or ended.stdout).strip()[-500:]}")
        return ended.stdout

    @property
    def pid(self):
        return json.loads(self.martlet("server", "status", "--json"))["pid"]

    def use(self):
        """Seconds of CPU, and bytes that went to the disk (proc(5), stat and io)."""
        pid = self.pid
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        with open(f"/proc/{pid}/io") as file:
            written = next(int(line.split()[1]) for line in file if line.startswith("write_bytes"))
        return (int(fields[11]) + int(fields[12])) / TICK, written

    def run(self, name, tasks, *command):
        self.martlet("run", "--quiet", "--name", name, "--sweep", f"i=1..{tasks}", *command)

    def stop(self):
        subprocess.run([self.program, "server", "stop", "--tasks"], env=self.environment, stdout=subprocess.DEVNULL)


# Questions

def rate(server, root, options):
    """Many tasks beside a tenth of them, in turn."""
    found, cost = {options.tasks // 10: [], options.tasks: []}, []
    for round_number in range(options.runs):
        for tasks in found:
            cpu, written = server.use()
            seconds = bench.timed(server.run, f"rate-{tasks}", tasks, "--image", root, "--", "/bin/true")
            after, more = server.use()
            found[tasks].append(tasks / seconds)
            if tasks == options.tasks:
                cost.append((1000 * (after - cpu) / tasks, (more - written) / tasks))
            bench.say(f"  round {round_number + 1}/{options.runs}: {tasks} tasks: {found[tasks][-1]:.0f}/s")
    few, many = found.values()
    share = bench.ratio(many, few)
    cpu, written = (statistics.median(column) for column in zip(*cost))
    bench.table(f"containers of /bin/true, median of {options.runs}", ["", "", "bar"],
                [[f"{tasks} tasks", f"{statistics.median(rates):.0f}/s", ""] for tasks, rates in found.items()]
                + [["many / few", f"{share:.2f}", BARS["rate"]], ["server's CPU a task", f"{cpu:.2f} ms", f"{BARS['cpu_ms']} ms"],
                   ["server's writes a task", f"{written:.0f} bytes", ""]])
    return {"rates": found, "ratio": share, "cpu_ms": cpu, "bytes": written}


def makespan(server, root, options):
    """Tasks that sleep, on one slot a core, over a bare spawner's time for the same."""
    folder = os.path.dirname(root)
    spawner = bench.compiled(SPAWNER, os.path.join(folder, "spawner"))
    sleeper = bench.compiled(SLEEPER, os.path.join(root, "bin", "sleeper"))
    slots, python, found, rows = os.cpu_count(), peers.hyperqueue_python(), {}, []
    for length in (10, 100):
        tasks = options.seconds * 1000 * slots // length
        contenders = {
            "bare spawner": lambda: bench.timed(
                subprocess.check_call, [spawner, str(tasks), str(slots), sleeper, str(length)]),
            "martlet (containers)": lambda: bench.timed(
                server.run, f"sleep-{length}", tasks, "--image", root, "--", "/bin/sleeper", str(length)),
        }
        if python:
            contenders["HyperQueue (bare)"] = lambda: peers.hyperqueue(python, [sleeper, str(length)], tasks, folder)
        times = bench.paired(contenders, options.runs, lambda contender: contender())
        found[length] = times
        for name, seconds in times.items():
            bar = BARS[f"makespan_{length}ms"] if name.startswith("martlet") else ""
            rows.append([f"{tasks} tasks of {length} ms: {name}", f"{statistics.median(seconds):.2f} s",
                         f"{bench.ratio(seconds, times['bare spawner']):.3f}", bar])
    bench.table(f"makespan, median of {options.runs}", ["", "time", "over bare", "bar"], rows)
    return {"seconds": found}


def recovery(server, root, options):
    """The server is killed when half has finished; how much longer it takes, and what is run twice."""
    tasks = options.tasks // 10
    def whole(kills):
        started = time.perf_counter()
        server.martlet("submit", "--quiet", "--name", "recovery", "--image", root, "--sweep", f"i=1..{tasks}", "--", "/bin/true")
        if kills:
            # Looked at now and then: what it costs to be told is not the question.
            while json.loads(server.martlet("ls", "--json"))["jobs"][-1]["counts"]["succeeded"] < tasks // 2:
                time.sleep(0.05)
            os.kill(server.pid, signal.SIGKILL)
        server.martlet("wait", "recovery")
        return time.perf_counter() - started
    found = bench.paired({"undisturbed": False, "killed": True}, options.runs, whole)
    # An answer has a thousand tasks at most.
    job = json.loads(server.martlet("ls", "--json"))["jobs"][-1]["id"]
    shown = (server.martlet("show", f"{job}_[{first}-{min(first + 999, tasks - 1)}]", "--json") for first in range(0, tasks, 1000))
    again = sum(task["attempt"] > 1 for page in shown for task in json.loads(page)["tasks"])
    cost = statistics.median(b - a for a, b in zip(*found.values()))
    bench.table(f"kill -9 of the server in the midst of {tasks} tasks", ["", "", "bar"],
                [[name, f"{statistics.median(seconds):.2f} s", ""] for name, seconds in found.items()]
                + [["costs", f"{cost:.2f} s", f"{BARS['recovery_s']} s"], ["tasks run twice", again, 0]])
    return {"seconds": found, "cost_s": cost, "twice": again}


def queue(binaries, options):
    """The same tasks with a thousand and with a million others of a lower priority waiting behind them."""
    tasks, servers = 3000, {}
    with tempfile.TemporaryDirectory() as folder:
        root, _ = bench.static_true(folder)
        try:
            for name, jobs, size in (("1,000 in one job", 1, 1000), ("1,000,000 in 200 jobs", 200, 5000)):
                os.mkdir(os.path.join(folder, name))
                servers[name] = server = Server(binaries, os.path.join(folder, name))
                server.run("warm", 200, "--image", root, "--", "/bin/true")
                node = json.loads(server.martlet("server", "status", "--json"))["nodes"][0]["name"]
                server.martlet("nodes", "drain", node)
                for number in range(jobs):
                    server.martlet("submit", "--quiet", "--name", f"later{number}", "--priority=-100", "--image", root,
                                   "--sweep", f"i=1..{size}", "--", "/bin/true")
            cost = {name: [] for name in servers}

            def whole(name):
                server = servers[name]
                server.martlet("submit", "--quiet", "--name", "now", "--image", root, "--sweep", f"i=1..{tasks}", "--", "/bin/true")
                cpu, _ = server.use()
                started = time.perf_counter()
                server.martlet("nodes", "undrain", node)
                server.martlet("wait", "now")
                seconds = time.perf_counter() - started
                server.martlet("nodes", "drain", node)
                cost[name].append(1000 * (server.use()[0] - cpu) / tasks)
                return seconds
            found = bench.paired({name: name for name in servers}, options.runs, whole)
        finally:
            for server in servers.values():
                server.stop()
    few, many = found.values()
    bench.table(f"{tasks} tasks before others that wait, median of {options.runs}", ["waiting", "time", "server's CPU a task", "over the first"],
                [[name, f"{statistics.median(seconds):.2f} s", f"{statistics.median(cost[name]):.2f} ms", f"{bench.ratio(seconds, few):.3f}"]
                 for name, seconds in found.items()])
    return {"seconds": found, "cpu_ms": cost}


def strength(binaries, options):
    """A million tasks in 200 jobs, none of which can start."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(binaries, folder)
        try:
            node = json.loads(server.martlet("server", "status", "--json"))["nodes"][0]["name"]
            server.martlet("nodes", "drain", node)
            submits = []
            for number in range(200):
                submits.append(bench.timed(server.martlet, "submit", "--quiet", "--name", f"job{number}", "--image", "host",
                                           "--sweep", "i=1..5000", "--", "/bin/true"))
            lists = [bench.timed(server.martlet, "ls") for _ in range(9)]
            memory = json.loads(server.martlet("server", "status", "--json"))["residentMemory"]
            server.martlet("server", "stop")
            starts = []
            for _ in range(options.runs):
                starts.append(bench.timed(server.martlet, "server", "start"))
                server.martlet("server", "stop")
            state = os.path.join(server.home, "state")
            size = sum(os.path.getsize(os.path.join(state, name)) for name in os.listdir(state) if name.startswith("state.db"))
        finally:
            server.stop()
    bench.table("1,000,000 queued tasks in 200 jobs", ["", "median", "bar"],
                [["ls", f"{1000 * statistics.median(lists):.0f} ms", f"{BARS['ls_ms']} ms"],
                 ["submit, the last ten", f"{1000 * statistics.median(submits[-10:]):.0f} ms", f"{BARS['submit_ms']} ms"],
                 ["server start", f"{statistics.median(starts):.2f} s", f"{BARS['start_s']} s"],
                 ["server's memory", f"{memory / 2**20:.0f} MiB", ""], ["database", f"{size / 2**20:.1f} MiB", ""]])
    return {"ls": lists, "submit": submits, "start": starts, "memory": memory, "database": size}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=".build/bin")
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10, help="that a makespan takes at least")
    parser.add_argument("--json")
    parser.add_argument("questions", nargs="*", help="rate makespan recovery queue strength; all of them where none is named")
    options = parser.parse_args()
    wanted, found = options.questions or ["rate", "makespan", "recovery", "queue", "strength"], {}
    folder = tempfile.mkdtemp(prefix="martlet-bench-")
    root, _ = bench.static_true(folder)
    server = Server(options.bin, folder)
    try:
        server.run("warm", 200, "--image", root, "--", "/bin/true")
        for question in (rate, makespan, recovery):
            if question.__name__ in wanted:
                found[question.__name__] = question(server, root, options)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    for question in (queue, strength):
        if question.__name__ in wanted:
            found[question.__name__] = question(options.bin, options)
    bench.write_json(options.json, {"benchmark": "overnight", "bars": BARS, **found})


main()
