#!/usr/bin/env python3
"""Does work inside a container run at native speed?

One static C program does three kinds of work: arithmetic, memory traffic, and small files. It runs in turn outside and inside
a container, on the same CPU and the same file system, and times itself, so that start-up is left out.
"""
import argparse
import os
import shutil
import statistics
import subprocess
import tempfile

import bench
import launcher

SOURCE = r"""
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* xorshift and a few double multiplications: stays in registers. */
static double cpu(long scale) {
    uint64_t x = 88172645463325252ull;
    double sum = 0, start = now();
    for (long i = 0; i < scale * 1000000; i++) {
        x ^= x << 13; x ^= x >> 7; x ^= x << 17;
        sum = sum * 0.999 + (double)(x >> 11) * 0x1p-53;
    }
    double taken = now() - start;
    return sum > 0 ? taken : -1;
}

/* STREAM's triad on three arrays, together far larger than any cache. */
static double memory(long scale) {
    size_t n = 8u << 20;
    double *a = malloc(n * 8), *b = malloc(n * 8), *c = malloc(n * 8);
    if (!a || !b || !c) return -1;
    for (size_t i = 0; i < n; i++) { a[i] = 1; b[i] = 2; c[i] = (double)i; }
    double start = now();
    for (long round = 0; round < scale; round++) {
        for (size_t i = 0; i < n; i++) a[i] = b[i] + 3.0 * c[i];
        double *swap = a; a = b; b = swap;
    }
    double taken = now() - start;
    return a[n / 2] != 0 ? taken : -1;
}

/* Makes, writes, stats, reads and removes files of 4 KiB below the directory given. */
static double files(long scale, const char *directory) {
    char block[4096], name[64];
    memset(block, 'x', sizeof block);
    if (chdir(directory) < 0) return -1;
    double start = now();
    for (long round = 0; round < scale; round++) {
        for (int i = 0; i < 500; i++) {
            snprintf(name, sizeof name, "f%d", i);
            int fd = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0644);
            if (fd < 0 || write(fd, block, sizeof block) != sizeof block) return -1;
            close(fd);
        }
        for (int i = 0; i < 500; i++) {
            struct stat status;
            snprintf(name, sizeof name, "f%d", i);
            int fd = open(name, O_RDONLY);
            if (fd < 0 || stat(name, &status) < 0 || read(fd, block, sizeof block) != sizeof block) return -1;
            close(fd);
            unlink(name);
        }
    }
    return now() - start;
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    long scale = atol(argv[2]);
    double taken = argv[1][0] == 'c' ? cpu(scale) : argv[1][0] == 'm' ? memory(scale) : files(scale, argv[3]);
    printf("%.9f\n", taken);
    return taken < 0;
}
"""


class Place:
    """Where the work is done: outside, or in a container whose root holds the program alone."""

    def __init__(self, binaries, folder):
        os.chmod(folder, 0o755)
        self.root = os.path.join(folder, "root")
        self.program = bench.compiled(SOURCE, os.path.join(self.root, "work"))
        self.disk = os.path.join(folder, "disk")
        self.memory = tempfile.mkdtemp(prefix="martlet-bench-", dir="/dev/shm")
        os.mkdir(self.disk)
        self.launcher = launcher.Launcher(binaries, os.path.join(folder, "launcher"))
        # The last one: interrupts mostly go to the first.
        self.cpu = max(os.sched_getaffinity(0))
        self.output = os.path.join(folder, "output")
        self.count = 0

    def outside(self, work, scale, directory):
        out = subprocess.run([self.program, work, str(scale), directory], check=True, capture_output=True, text=True,
                             preexec_fn=lambda: os.sched_setaffinity(0, {self.cpu}))
        return float(out.stdout)

    def inside(self, work, scale, directory, mounts):
        self.count += 1
        message = launcher.start_message(f"1_{self.count}.1", ["/work", work, str(scale), directory],
                                         layers=[self.root], mounts=mounts, cpus=[self.cpu])
        with open(self.output, "w+") as output:
            _, kind, outcome = self.launcher.run(message, stdout=output.fileno())
            if (kind, outcome) != (0, 0):
                raise RuntimeError(f"the container did not end well: {outcome}")
            output.seek(0)
            return float(output.read())

    def pair(self, work, scale, directory="/", inner="/", mounts=()):
        return {"outside": lambda: self.outside(work, scale, directory),
                "inside": lambda: self.inside(work, scale, inner, mounts)}

    def close(self):
        self.launcher.close()
        shutil.rmtree(self.memory, ignore_errors=True)


def quartiles(values):
    return statistics.quantiles(values, n=4) if len(values) > 1 else [values[0]] * 3


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=".build/bin")
    parser.add_argument("--runs", type=int, default=31)
    parser.add_argument("--json")
    options = parser.parse_args()

    folder = tempfile.mkdtemp(prefix="martlet-bench-", dir="/var/tmp")
    place = None
    try:
        place = Place(options.bin, folder)
        pairs = {
            "arithmetic": place.pair("cpu", 200),
            "memory traffic": place.pair("memory", 40),
            "small files, bind mount": place.pair("files", 2, place.disk, "/data", [(place.disk, "/data")]),
            "small files, writable layer": place.pair("files", 20, place.memory, "/"),
        }
        results = {}
        for name, pair in pairs.items():
            bench.say(name)
            for action in pair.values():
                action()
            results[name] = bench.paired(pair, options.runs, lambda action: action())
    finally:
        if place:
            place.close()
        shutil.rmtree(folder, ignore_errors=True)

    rows, document = [], {}
    for name, seconds in results.items():
        ratios = [a / b for a, b in zip(seconds["inside"], seconds["outside"])]
        low, middle, high = quartiles(ratios)
        rows.append([name, f"{statistics.median(seconds['outside']):.4f} s", f"{statistics.median(seconds['inside']):.4f} s",
                     f"{middle:.3f}", f"{low:.3f} .. {high:.3f}"])
        document[name] = {"seconds": seconds, "ratio": middle, "quartiles": [low, high]}
    bench.table(f"the same work outside and inside, {options.runs} pairs; the writable layer is compared with a tmpfs",
                ["", "outside", "inside", "inside / outside", "middle half"], rows)
    bench.write_json(options.json, {"benchmark": "native", "work": document})


main()
