#!/usr/bin/env python3
"""How long until an image of a registry is ready to run, with nothing of it here?

Images of this machine's own files (gzip level 6) are served by a docker-registry on loopback: one of at least 500 MB in four
layers, one of 40 small layers. Each contender pulls them into an empty store: martlet, podman and docker (a daemon of its own)
until they are unpacked; skopeo only copies to an OCI layout, unpacking nothing. Then martlet alone: the same tag again, a new
tag that shares all layers but one, sixteen pulls at once, and a registry that gives each connection so many bytes a second.
"""
import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import bench
import images

LAYERS = 4
SMALL_LAYERS = 40
TOGETHER = 16


class Docker:
    """A dockerd of its own with an empty store; what it uses is its whole process group's."""

    def __init__(self, store):
        self.socket = f"unix://{store}/docker.sock"
        self.log = open(os.path.join(store, "log"), "w")
        self.daemon = subprocess.Popen(
            ["dockerd", "--bridge=none", "--iptables=false", "--data-root", store + "/data", "--exec-root", store + "/exec",
             "--pidfile", store + "/pid", "--host", self.socket], stdout=self.log, stderr=self.log, start_new_session=True)
        deadline = time.monotonic() + 30
        while subprocess.run(self.client("version"), capture_output=True).returncode != 0:
            if time.monotonic() > deadline or self.daemon.poll() is not None:
                self.stop()
                raise RuntimeError("dockerd does not answer")
            time.sleep(0.1)

    def client(self, *arguments):
        return ["docker", "--host", self.socket, *arguments]

    def processes(self):
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/stat") as file:
                    fields = file.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            # Group or session (proc(5)): containerd makes a group of its own.
            if str(self.daemon.pid) in (fields[2], fields[3]) or int(fields[1]) == self.daemon.pid:
                yield int(name), fields

    def cpu(self):
        # User and system time, those of children that ended included.
        return sum(sum(map(int, fields[11:15])) for _, fields in self.processes()) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        total = 0
        for pid, _ in self.processes():
            try:
                with open(f"/proc/{pid}/status") as file:
                    total += sum(int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM:"))
            except OSError:
                pass
        return total

    def pull(self, image):
        before = self.cpu()
        use = bench.used(self.client("pull", "-q", image))
        return bench.Use(use.seconds, use.cpu + self.cpu() - before, use.memory + self.memory())

    def stop(self):
        # An orderly end takes its containerd along.
        self.daemon.send_signal(signal.SIGTERM)
        self.daemon.wait()
        self.log.close()


def docker_pull(image, store):
    docker = Docker(store)
    try:
        return docker.pull(image)
    finally:
        docker.stop()


def podman_pull(image, store):
    # It takes no more than 50 bytes here.
    with tempfile.TemporaryDirectory(prefix="martlet-", dir="/tmp") as run:
        return bench.used(["podman", "--root", store + "/root", "--runroot", run, "--storage-driver", "overlay", "pull", "-q",
                           "--tls-verify=false", image])


def contenders(martlet, image):
    """Name -> function of an empty directory that pulls the image into it."""
    result = {"martlet": lambda store: bench.used([martlet, "image", "pull", image], MARTLET_HOME=store)}
    if shutil.which("podman"):
        result["podman pull"] = lambda store: podman_pull(image, store)
    if shutil.which("dockerd") and os.geteuid() == 0:
        result["docker pull"] = lambda store: docker_pull(image, store)
    if shutil.which("skopeo"):
        result["skopeo copy (no unpacking)"] = lambda store: bench.used(
            ["skopeo", "copy", "-q", "--src-tls-verify=false", "docker://" + image, f"oci:{store}/oci:latest"])
    return result


def new_store(folder):
    # Stores stay until the end: for minutes ext4 searches long for inodes beside those just deleted, and whoever came after a
    # removal would pay for it. What the last one left to be written is not this one's burden either.
    store = tempfile.mkdtemp(dir=folder)
    os.sync()
    return store


def compare(title, size, found, options, folder):
    uses = bench.paired(found, options.runs, lambda pull: pull(new_store(folder)), seconds=lambda use: use.seconds)
    first = uses["martlet"]
    rows = []
    for name, measured in uses.items():
        seconds = statistics.median(use.seconds for use in measured)
        rows.append([name, f"{seconds:.2f} s", f"{size / seconds / 1e6:.0f} MB/s",
                     f"{statistics.median(use.cpu for use in measured):.2f} s",
                     f"{max(use.memory for use in measured) >> 20} MiB",
                     f"{bench.ratio([use.seconds for use in first], [use.seconds for use in measured]):.2f}",
                     f"{bench.ratio([use.cpu for use in first], [use.cpu for use in measured]):.2f}"])
    bench.table(f"pull of {title}, {size / 1e6:.0f} MB compressed, into an empty store, {os.cpu_count()} cores, "
                f"median of {options.runs}",
                ["", "time", "compressed", "CPU", "peak memory", "time: martlet / it", "CPU: martlet / it"], rows)
    return {name: [vars(use) for use in measured] for name, measured in uses.items()}


def again(martlet, registry, folder, image, big):
    """The same tag again, and a tag that shares all but one layer, in a store that has the image."""
    store = new_store(folder)
    pull = lambda reference: bench.used([martlet, "image", "pull", reference], MARTLET_HOME=store)
    pull(image)
    results = {}
    for name, reference in (("the same tag again", image),
                            ("a tag with one new layer", registry.push(big, "shared", list(range(LAYERS - 1)) + [LAYERS]))):
        before = len(registry.requests())
        use = pull(reference)
        asked = registry.requests()[before:]
        results[name] = {"seconds": use.seconds, "requests": [f"{method} {path}" for method, path, _ in asked],
                         "bytes": sum(size for method, _, size in asked if method == "GET")}
    # A new process each time: what the pull itself takes, without the start of a program, is less.
    results["the same tag again"]["seconds"] = statistics.median(pull(image).seconds for _ in range(10))
    return results


def together(martlet, registry, folder, image):
    """Many pulls of one image by many processes: seconds, and GETs of blobs."""
    store = new_store(folder)
    before = len(registry.requests())
    start = time.perf_counter()
    threads = [threading.Thread(target=bench.used, args=([martlet, "image", "pull", image],),
                                kwargs={"MARTLET_HOME": store}) for _ in range(TOGETHER)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    blobs = [size for method, path, size in registry.requests()[before:] if method == "GET" and "/blobs/" in path]
    return {"seconds": seconds, "gets": len(blobs), "bytes": sum(blobs)}


def throttled(martlet, registry, folder, size, rate):
    """Bytes a second from a registry that gives each connection `rate`."""
    throttle = images.Throttle(folder, registry, rate)
    try:
        store = new_store(folder)
        use = bench.used([martlet, "image", "pull", f"{throttle.host}/bench:latest"], MARTLET_HOME=store)
    finally:
        throttle.stop()
    return {"seconds": use.seconds, "rate": size / use.seconds, "connection": rate, "times": size / use.seconds / rate}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=".build/bin")
    parser.add_argument("--size", type=int, default=500, help="compressed megabytes (10^6 bytes) of the image")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rate", type=int, default=4 << 20, help="bytes a second of each throttled connection")
    parser.add_argument("--folder", help="where stores are made (default: the temporary directory)")
    parser.add_argument("--json")
    options = parser.parse_args()
    if not shutil.which("docker-registry"):
        sys.exit("pull: docker-registry is not installed")

    # The last layer is for the tag that shares the others.
    big = images.Image(f"pull-{options.size}", options.size * 1_000_000, LAYERS)
    extra = images.Image("pull-extra", 5_000_000, 1)
    small = images.Image("pull-small", 40_000_000, SMALL_LAYERS)
    size = big.size
    martlet = os.path.join(os.path.abspath(options.bin), "martlet")
    folder = tempfile.mkdtemp(prefix="martlet-bench-", dir=options.folder)
    registry = images.Registry(folder)
    results = {}
    try:
        image = registry.push(big, "latest")
        results["big"] = compare(f"{LAYERS} layers", size, contenders(martlet, image), options, folder)
        many = registry.push(small, "small")
        results["small"] = compare(f"{SMALL_LAYERS} layers", small.size, contenders(martlet, many), options, folder)
        big.add(extra)
        results["again"] = again(martlet, registry, folder, image, big)
        results["together"] = together(martlet, registry, folder, image)
        if shutil.which("nginx"):
            results["throttled"] = throttled(martlet, registry, folder, size, options.rate)
    finally:
        registry.stop()
        shutil.rmtree(folder, ignore_errors=True)

    rows = [[name, f"{done['seconds'] * 1000:.0f} ms", f"{len(done['requests'])} requests", f"{done['bytes'] / 1e6:.2f} MB"]
            for name, done in results["again"].items()]
    done = results["together"]
    rows.append([f"{TOGETHER} pulls at once", f"{done['seconds'] * 1000:.0f} ms", f"{done['gets']} GETs of blobs",
                 f"{done['bytes'] / 1e6:.2f} MB"])
    if "throttled" in results:
        done = results["throttled"]
        rows.append([f"{done['connection'] / 1e6:.1f} MB/s a connection", f"{done['seconds'] * 1000:.0f} ms",
                     f"{done['times']:.1f} × a connection", f"{size / 1e6:.0f} MB"])
    bench.table("martlet alone", ["", "time", "", "fetched"], rows)
    bench.write_json(options.json, {
        "benchmark": "pull", "bytes": size, "results": results,
        "versions": {"podman": bench.version(["podman", "--version"]), "skopeo": bench.version(["skopeo", "--version"]),
                     "docker": bench.version(["dockerd", "--version"])},
    })


main()
