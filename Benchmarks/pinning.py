#!/usr/bin/env python3
"""What is it worth to have memory and CPUs that lie together?

One static C program follows a chain of pointers (nanoseconds a step) and adds arrays as STREAM's triad does (GB/s), as a task:
pinned with its memory beside it (`numa: strict`), pinned with its memory on the node that is furthest away, and pinned to
nothing. On a machine with one NUMA node there is nothing to compare, which is said and is no failure.
"""
import argparse
import os
import re
import shutil
import statistics
import subprocess
import tempfile

import bench

SOURCE = r"""
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The node with memory that is furthest from `here`. */
static int furthest(int here) {
    char path[64], line[4096] = "";
    snprintf(path, sizeof path, "/sys/devices/system/node/node%d/distance", here);
    FILE *file = fopen(path, "r");
    if (!file || !fgets(line, sizeof line, file)) return -1;
    int best = -1, most = 0, node = 0;
    for (char *word = strtok(line, " \n"); word; word = strtok(NULL, " \n"), node++)
        if (atoi(word) > most) { most = atoi(word); best = node; }
    return best;
}

/* MPOL_BIND, linux/mempolicy.h. Distances are in the order of the nodes, whose numbers have no gaps on the usual machine. */
static int bind_away(void) {
    unsigned cpu, node;
    if (syscall(SYS_getcpu, &cpu, &node, NULL) < 0) return -1;
    int away = furthest((int)node);
    if (away < 0 || away > 63 || away == (int)node) return -1;
    unsigned long mask = 1ul << away;
    return (int)syscall(SYS_set_mempolicy, 2, &mask, 65);
}

/* Each line of memory points to another one, in one ring that no prefetcher foresees. */
static double latency(size_t lines, long steps) {
    struct line { struct line *next; char rest[56]; } *all = malloc(lines * sizeof *all);
    uint32_t *order = malloc(lines * sizeof *order);
    if (!all || !order) return -1;
    uint64_t x = 88172645463325252ull;
    for (size_t i = 0; i < lines; i++) order[i] = (uint32_t)i;
    for (size_t i = lines - 1; i > 0; i--) {
        x ^= x << 13; x ^= x >> 7; x ^= x << 17;
        size_t j = x % (i + 1);
        uint32_t swap = order[i]; order[i] = order[j]; order[j] = swap;
    }
    for (size_t i = 0; i < lines; i++) all[order[i]].next = &all[order[(i + 1) % lines]];
    struct line *at = all;
    double start = now();
    for (long i = 0; i < steps; i++) at = at->next;
    double taken = now() - start;
    return at ? taken / (double)steps * 1e9 : -1;
}

static double triad(size_t n, int rounds) {
    double *a = malloc(n * 8), *b = malloc(n * 8), *c = malloc(n * 8);
    if (!a || !b || !c) return -1;
    for (size_t i = 0; i < n; i++) { a[i] = 1; b[i] = 2; c[i] = (double)i; }
    double start = now();
    for (int round = 0; round < rounds; round++) {
        for (size_t i = 0; i < n; i++) a[i] = b[i] + 3.0 * c[i];
        double *swap = a; a = b; b = swap;
    }
    double taken = now() - start;
    return a[n / 2] != 0 ? 24.0 * (double)n * rounds / taken * 1e-9 : -1;
}

int main(int count, char **words) {
    if (count != 3) return 2;
    if (!strcmp(words[1], "away") && bind_away() < 0) { perror("set_mempolicy"); return 1; }
    size_t mebibytes = (size_t)atol(words[2]);
    printf("latency %.2f ns\n", latency(mebibytes << 14, 1000000));
    printf("triad %.3f GB/s\n", triad(mebibytes << 20 >> 5, 5));
    return 0;
}
"""

# Name -> options of the task, and where the program has its memory.
PLACES = {
    "local": (["--cpus", "1", "--numa", "strict"], "here"),
    "remote": (["--cpus", "1", "--numa", "none"], "away"),
    "unpinned": (["--cpus", "0"], "here"),
}
MEASURES = {"latency": "ns", "triad": "GB/s"}


def nodes_with_memory():
    try:
        text = open("/sys/devices/system/node/has_memory").read().strip()
    except OSError:
        return 1
    ends = [[int(end) for end in part.split("-")] for part in text.split(",")]
    return sum(end[-1] - end[0] + 1 for end in ends)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=".build/bin")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=256, help="of memory, in MiB: far more than the caches")
    parser.add_argument("--json")
    options = parser.parse_args()

    count = nodes_with_memory()
    if count < 2:
        print("this machine has one NUMA node: all memory is local, and pinning cannot show anything")
        bench.write_json(options.json, {"benchmark": "pinning", "numa_nodes": count})
        return

    folder = tempfile.mkdtemp(prefix="martlet-bench-")
    os.chmod(folder, 0o755)
    root = os.path.join(folder, "root")
    bench.compiled(SOURCE, os.path.join(root, "bin", "probe"))
    environment = dict(os.environ, MARTLET_HOME=os.path.join(folder, "home"))
    program = os.path.join(os.path.abspath(options.bin), "martlet")

    def martlet(*arguments):
        return subprocess.run([program, *arguments], env=environment, check=True, capture_output=True, text=True).stdout

    def measure(place):
        arguments, memory = place
        martlet("run", "--quiet", "--image", root, *arguments, "--", "/bin/probe", memory, str(options.megabytes))
        said = martlet("logs", "last")
        return {name: float(re.search(name + r" ([0-9.]+)", said).group(1)) for name in MEASURES}

    try:
        results = bench.paired(PLACES, options.runs, measure, lambda measured: measured["latency"])
    finally:
        subprocess.run([program, "server", "stop", "--tasks"], env=environment, stdout=subprocess.DEVNULL)
        shutil.rmtree(folder, ignore_errors=True)

    medians = {place: {name: statistics.median(run[name] for run in runs) for name in MEASURES}
               for place, runs in results.items()}
    bench.table(f"memory of {options.megabytes} MiB on {count} NUMA nodes, medians of {options.runs}",
                ["", *(f"{name} {unit}" for name, unit in MEASURES.items()), "latency to local"],
                [[place, *(f"{value:.2f}" for value in values.values()),
                  f"{values['latency'] / medians['local']['latency']:.2f}"] for place, values in medians.items()])
    bench.write_json(options.json, {"benchmark": "pinning", "numa_nodes": count, "results": results})


main()
