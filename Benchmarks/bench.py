"""Shared by the benchmark files: paired runs in turn, medians, a table on the terminal, JSON beside it."""
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time


def say(text):
    print(text, file=sys.stderr, flush=True)


def timed(function, *arguments):
    """Seconds that `function` takes, by the monotonic clock."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


class Use:
    """What a command took: seconds by the clock, seconds of CPU, and the most memory of one of its processes in bytes."""

    def __init__(self, seconds, cpu, memory):
        self.seconds, self.cpu, self.memory = seconds, cpu, memory


def used(command, **environment):
    """Runs a command to its end with more in its environment; what it and all that it waited for took."""
    with tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=dict(os.environ, **environment))
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            raise RuntimeError(f"{' '.join(command)}: {errors.read().decode(errors='replace').strip()[-500:]}")
    return Use(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10)


def paired(contenders, runs, measure, seconds=lambda measured: measured):
    """Measures every contender once per round, in turn, so that a drift of the machine meets all of them alike.

    `contenders` maps a name to what `measure` takes; returns name -> list of measurements. `seconds` is what is said of one.
    """
    results = {name: [] for name in contenders}
    for round_number in range(runs):
        for name, contender in contenders.items():
            results[name].append(measure(contender))
            say(f"  round {round_number + 1}/{runs}: {name}: {seconds(results[name][-1]):.4g}")
    return results


def ratio(ours, theirs):
    """Median of the ratios of paired runs."""
    return statistics.median(a / b for a, b in zip(ours, theirs))


def version(command):
    """First line of what a peer says of itself; None where it is not installed."""
    try:
        out = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return (out.stdout or out.stderr).strip().split("\n")[0] if out.returncode == 0 else None


def compiled(source, program):
    """A static C program at `program`, which runs in a root filesystem that holds nothing else."""
    os.makedirs(os.path.dirname(program), exist_ok=True)
    subprocess.run(["cc", "-O2", "-static", "-x", "c", "-o", program, "-"], input=source, text=True, check=True)
    return program


def static_true(folder):
    """A root filesystem that holds one program which does nothing: (root, program)."""
    os.chmod(folder, 0o755)
    root = os.path.join(folder, "root")
    return root, compiled("int main(void) { return 0; }\n", os.path.join(root, "bin", "true"))


def machine():
    return {"cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()}


def table(title, header, rows):
    widths = [max(len(str(row[i])) for row in [header] + rows) for i in range(len(header))]
    print(f"\n{title}")
    for row in [header] + rows:
        cells = [str(row[0]).ljust(widths[0])] + [str(c).rjust(w) for c, w in zip(row[1:], widths[1:])]
        print("  " + "  ".join(cells))
    sys.stdout.flush()


def write_json(path, document):
    if not path:
        return
    document = {"machine": machine(), **document}
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "w") as file:
        json.dump(document, file, indent=2)
        file.write("\n")
