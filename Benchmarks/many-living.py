#!/usr/bin/env python3
"""What do a thousand containers cost that live at the same time, and do starts become slower as they pile up, or after
ten thousand? One launcher, as Martlet runs it; memory is the proportional share (PSS) of our own processes."""
import argparse
import os
import shutil
import tempfile

import bench
import launcher

SLEEPER = "#include <unistd.h>\nint main(void) { pause(); return 0; }\n"


def proportional(pid):
    """KiB, of smaps_rollup (proc(5))."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))


def start_living(ours, root, numbers, count):
    """Seconds in which `count` containers start that stay."""
    def all_of_them():
        for _ in range(count):
            ours.send(launcher.start_message(f"{next(numbers)}_0.1", ["/bin/sleeper"], layers=[root]))
            while True:
                event = ours.socket.recv(1 << 18)
                if event[1] == 2:
                    break
                if event[1] == 3:
                    raise RuntimeError(f"a container ended: {ours.outcome(event)}")
    return bench.timed(all_of_them)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=".build/bin")
    parser.add_argument("--living", type=int, default=1000)
    parser.add_argument("--starts", type=int, default=10_000)
    parser.add_argument("--json")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="martlet-bench-", dir="/var/tmp")
    ours = None
    try:
        root, _ = bench.static_true(folder)
        bench.compiled(SLEEPER, os.path.join(root, "bin", "sleeper"))
        ours = launcher.Launcher(options.bin, os.path.join(folder, "launcher"))
        numbers = iter(range(1, 1 << 30))
        blocks = 10
        # The first starts of a launcher warm it up; they are not what is asked.
        def brief(count):
            return bench.timed(lambda: [ours.run(launcher.start_message(f"{next(numbers)}_0.1", ["/bin/true"], layers=[root]))
                                        for _ in range(count)])
        brief(200)
        flat = [options.starts // blocks / brief(options.starts // blocks) for _ in range(blocks)]
        before = proportional(ours.process.pid)
        rates = [options.living // blocks / start_living(ours, root, numbers, options.living // blocks) for _ in range(blocks)]
        after = proportional(ours.process.pid)
    finally:
        if ours:
            ours.close()
        shutil.rmtree(folder, ignore_errors=True)

    each = (after - before) / options.living
    bench.table(f"{options.starts} starts one after the other, and {options.living} that stay", ["", "first tenth", "last tenth"], [
        ["starts a second", f"{flat[0]:.0f}", f"{flat[-1]:.0f}"],
        ["starts a second while they pile up", f"{rates[0]:.0f}", f"{rates[-1]:.0f}"]])
    print(f"  memory of our processes: {after} KiB with all of them living, {each:.1f} KiB each")
    bench.write_json(options.json, {"benchmark": "many-living", "startsPerSecond": flat, "startsPerSecondWhileLiving": rates,
                                    "kilobytesBefore": before, "kilobytesAfter": after, "living": options.living})


main()
