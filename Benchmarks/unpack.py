#!/usr/bin/env python3
"""How long does it take to unpack a layer?

The largest layer of the image that pull.py makes is unpacked by martlet from an OCI layout on the same disk (verified, both
digests) and by `igzip -dc | tar x` (which verifies only gzip's own sum), with its blob in the page cache and without.
"""
import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

import bench
import images


def warm(blob):
    with open(blob, "rb") as file:
        while file.read(1 << 20):
            pass


def cold(blob):
    descriptor = os.open(blob, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=".build/bin")
    parser.add_argument("--size", type=int, default=500, help="compressed megabytes (10^6 bytes) of the image")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", help="where layers are unpacked (default: the temporary directory)")
    parser.add_argument("--json")
    options = parser.parse_args()
    for program in ("igzip", "tar"):
        if not shutil.which(program):
            sys.exit(f"unpack: {program} is not installed")

    image = images.Image(f"pull-{options.size}", options.size * 1_000_000, 4)
    largest = max(range(len(image.layers)), key=lambda index: image.layers[index]["size"])
    martlet = os.path.join(os.path.abspath(options.bin), "martlet")
    folder = tempfile.mkdtemp(prefix="martlet-bench-", dir=options.folder)
    # On the disk of the stores: the blob is read from there by both.
    blob = os.path.join(folder, "blob")
    shutil.copyfile(image.blob(image.layers[largest]), blob)
    image.elsewhere[image.layers[largest]["digest"]] = blob
    layout = image.layout(os.path.join(folder, "layout"), [largest])
    contenders = {
        "martlet": lambda store: bench.used([martlet, "image", "pull", "-q", layout], MARTLET_HOME=store),
        "igzip -dc | tar x": lambda store: bench.used(["sh", "-c", 'igzip -dc "$0" | tar -x -C "$1"', blob, store]),
    }
    tables, rows = {}, []
    try:
        for name, prepare in (("warm", warm), ("cold", cold)):
            def measure(unpack):
                # Stores stay until the end, as in pull.py.
                store = tempfile.mkdtemp(dir=folder)
                os.sync()
                prepare(blob)
                return unpack(store)
            used = bench.paired(contenders, options.runs, measure, seconds=lambda use: use.seconds)
            first = [use.seconds for use in used["martlet"]]
            for contender, uses in used.items():
                seconds = [use.seconds for use in uses]
                rows.append([f"{contender}, {name}", f"{statistics.median(seconds):.2f} s",
                             f"{statistics.median(use.cpu for use in uses):.2f} s",
                             f"{max(use.memory for use in uses) >> 20} MiB", f"{bench.ratio(first, seconds):.2f}"])
                tables[f"{contender}, {name}"] = [vars(use) for use in uses]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    size = image.layers[largest]["size"]
    bench.table(f"unpacking a layer of {size / 1e6:.0f} MB (compressed), {os.cpu_count()} cores, median of {options.runs}",
                ["", "time", "CPU", "peak memory", "martlet / it"], rows)
    bench.write_json(options.json, {"benchmark": "unpack", "bytes": size, "uses": tables,
                                    "versions": {"tar": bench.version(["tar", "--version"])}})


main()
