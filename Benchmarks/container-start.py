#!/usr/bin/env python3
"""What does starting one container cost, from the request to the exit record?

The program is a static /bin/true. Its bare posix_spawn is what everything else is compared with; bubblewrap, crun and runc
run it from the same root filesystem with the host's network, as Martlet does. martlet-runtime's own OCI command line, crun and
runc run one and the same bundle. Rounds go through all of them in turn. A table tells how many system calls each one makes.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading

import bench
import launcher

UNIFIED = "/sys/fs/cgroup/unified"


def enter_legacy_cgroups():
    """crun refuses a hybrid machine, where the v2 tree holds a controller too: all contenders then run without that tree."""
    if os.geteuid() != 0 or not os.path.ismount(UNIFIED) or not shutil.which("crun"):
        return
    script = f'umount {UNIFIED} && exec "$@"'
    os.execvp("unshare", ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh",
                          sys.executable, *sys.argv])


def spawn(arguments):
    """One process, from posix_spawn to its end; raises where it fails."""
    child = os.posix_spawn(arguments[0], arguments, {"PATH": os.environ["PATH"]}, file_actions=[
        (os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (0, 1, 2)])
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status != 0:
        raise RuntimeError(f"{' '.join(arguments[:3])} ended with {status}")


def bundle(binaries, folder, root):
    """One OCI bundle for every runtime, without terminal and network namespace."""
    place = os.path.join(folder, "bundle")
    os.makedirs(place)
    user = [] if os.geteuid() == 0 else ["--rootless"]
    subprocess.run([os.path.join(os.path.abspath(binaries), "martlet-runtime"), "spec", *user], cwd=place, check=True)
    path = os.path.join(place, "config.json")
    with open(path) as file:
        config = json.load(file)
    config["process"].update(terminal=False, args=["/bin/true"])
    config["root"] = {"path": root, "readonly": False}
    # The newest that Debian's crun knows.
    config["ociVersion"] = "1.0.2"
    namespaces = config["linux"]["namespaces"]
    config["linux"]["namespaces"] = [n for n in namespaces if n["type"] != "network"]
    with open(path, "w") as file:
        json.dump(config, file)
    return place


def oci(runtime, folder, place):
    """The command that runs the bundle, under a fresh name each time."""
    state = os.path.join(folder, "state-" + os.path.basename(runtime))
    numbers = iter(range(1 << 30))
    return lambda: [runtime, "--root", state, "run", "--bundle", place, f"bench{next(numbers)}"]


def system_calls(command):
    """How many calls one run makes, with its children: {name: count}, as strace counts them; None where strace is not there."""
    if not shutil.which("strace"):
        return None
    with tempfile.NamedTemporaryFile("r") as counts:
        done = subprocess.run(["strace", "-f", "-c", "-o", counts.name, *command], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if done.returncode != 0:
            return None
        lines = [line.split() for line in counts.read().splitlines()]
    return {line[-1]: int(line[3]) for line in lines if len(line) >= 5 and line[3].isdigit() and line[-1] != "total"}


def report_system_calls(calls):
    most = sorted({name for counts in calls.values() for name in counts},
                  key=lambda name: -max(counts.get(name, 0) for counts in calls.values()))[:16]
    rows = [["all", *(str(sum(counts.values())) for counts in calls.values())]]
    rows += [[name, *(str(counts.get(name, 0)) for counts in calls.values())] for name in most]
    bench.table("system calls of one run of the bundle", ["", *calls], rows)


class Martlet:
    def __init__(self, binaries, folder, root):
        self.launcher = launcher.Launcher(binaries, os.path.join(folder, "launcher"))
        self.root = root
        self.numbers = iter(range(1 << 30))

    def message(self, layers, program="/bin/true"):
        return launcher.start_message(f"1_{next(self.numbers)}.1", [program], layers=layers)

    def start(self, layers, program="/bin/true"):
        """Seconds of one container, from the request to the exit record."""
        seconds, kind, outcome = self.launcher.run(self.message(layers, program))
        if (kind, outcome) != (0, 0):
            raise RuntimeError(f"the container did not end well: {outcome}")
        return seconds

    def rate(self, starts, in_flight):
        """Containers a second with several under way at once."""
        def all_of_them():
            waiting, ended = 0, 0
            while ended < starts:
                while waiting < in_flight and ended + waiting < starts:
                    self.launcher.send(self.message([self.root]))
                    waiting += 1
                event = self.launcher.socket.recv(1 << 18)
                if event[1] == 3:
                    self.launcher.outcome(event)
                    waiting, ended = waiting - 1, ended + 1
        return starts / bench.timed(all_of_them)


def spawn_rate(program, starts, in_flight):
    """Bare processes a second, with several under way at once."""
    def worker():
        for _ in range(starts // in_flight):
            spawn([program])

    def all_of_them():
        workers = [threading.Thread(target=worker) for _ in range(in_flight)]
        for thread in workers:
            thread.start()
        for thread in workers:
            thread.join()
    return starts // in_flight * in_flight / bench.timed(all_of_them)


def contenders(martlet, folder, root, program, commands):
    """Name -> a function that gives the seconds of one start, and name -> why it is not there."""
    found = {
        "posix_spawn": lambda: bench.timed(spawn, [program]),
        "martlet": lambda: martlet.start([root]),
        "martlet, image: host": lambda: martlet.start(None, program),
    }
    absent = {}

    def add(name, make):
        if not shutil.which(name.split()[0] if name != "bubblewrap" else "bwrap"):
            absent[name] = "not installed"
            return
        try:
            action = make()
            action()
        except (RuntimeError, subprocess.SubprocessError, OSError) as error:
            absent[name] = str(error)
            return
        found[name] = lambda: bench.timed(action)

    bwrap = shutil.which("bwrap")
    add("bubblewrap", lambda: lambda: spawn(
        [bwrap, "--unshare-user-try", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent",
         "--bind", root, "/", "--proc", "/proc", "--dev", "/dev", "/bin/true"]))
    for runtime in ["crun", "runc"]:
        add(runtime, lambda runtime=runtime: lambda: spawn(commands[runtime]()))
    found["martlet-runtime run"] = lambda: bench.timed(lambda: spawn(commands["martlet-runtime"]()))
    return found, absent


def report(results, absent, rates, options):
    bare = results["posix_spawn"]
    ours = results["martlet"]
    rows = []
    for name, seconds in results.items():
        overhead = statistics.median(a - b for a, b in zip(seconds, bare))
        rows.append([name, f"{1000 * statistics.median(seconds):.2f} ms", f"{1000 * overhead:.2f} ms",
                     f"{bench.ratio(seconds, ours):.2f}"])
    rows += [[name, why, "", ""] for name, why in absent.items()]
    bench.table(f"one start of a static /bin/true, medians of {options.runs} rounds of {options.starts}",
                ["", "start", "over posix_spawn", "it / martlet"], rows)
    bench.table(f"{options.in_flight} under way at once", ["", "starts a second"],
                [[name, f"{rate:.0f}"] for name, rate in rates.items()])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=".build/bin")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--starts", type=int, default=25, help="starts of each contender in a round")
    parser.add_argument("--in-flight", type=int, default=2 * (os.cpu_count() or 1))
    parser.add_argument("--json")
    options = parser.parse_args()
    enter_legacy_cgroups()

    # Not /tmp, of which a container on the machine's own root has one of its own.
    folder = tempfile.mkdtemp(prefix="martlet-bench-", dir="/var/tmp")
    martlet = None
    try:
        root, program = bench.static_true(folder)
        martlet = Martlet(options.bin, folder, root)
        place = bundle(options.bin, folder, root)
        programs = {"martlet-runtime": os.path.join(os.path.abspath(options.bin), "martlet-runtime"),
                    **{name: shutil.which(name) for name in ["crun", "runc"] if shutil.which(name)}}
        commands = {name: oci(runtime, folder, place) for name, runtime in programs.items()}
        found, absent = contenders(martlet, folder, root, program, commands)
        calls = {name: system_calls(command()) for name, command in commands.items()}
        calls = {name: counts for name, counts in calls.items() if counts}
        for start in found.values():
            start()
        results = bench.paired(
            found, options.runs, lambda start: statistics.median(start() for _ in range(options.starts)))
        count = options.runs * options.starts
        rates = {"posix_spawn": spawn_rate(program, count, options.in_flight),
                 "martlet": martlet.rate(count, options.in_flight)}
        resident = martlet.launcher.resident()
    finally:
        if martlet:
            martlet.launcher.close()
        shutil.rmtree(folder, ignore_errors=True)

    report(results, absent, rates, options)
    if calls:
        report_system_calls(calls)
    oci_run = results["martlet-runtime run"]
    for peer in ["crun", "runc"]:
        if peer in results:
            print(f"  martlet-runtime run / {peer}: {bench.ratio(oci_run, results[peer]):.2f} (median of paired rounds)")
    print(f"  the launcher's resident memory: {resident / 1024:.1f} MiB")
    bench.write_json(options.json, {
        "benchmark": "container-start", "seconds": results, "absent": absent, "startsPerSecond": rates,
        "launcherKilobytes": resident, "systemCalls": calls,
        "overheadSeconds": {name: statistics.median(a - b for a, b in zip(seconds, results["posix_spawn"]))
                            for name, seconds in results.items()},
        "ratio": {name: bench.ratio(seconds, results["martlet"]) for name, seconds in results.items()},
        "versions": {name: bench.version([name, "--version"]) for name in ["bwrap", "crun", "runc"]},
    })


main()
