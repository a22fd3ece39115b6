#!/usr/bin/env python3
"""How long until an image of a registry is ready to run, with nothing of it here?

A four-layer image of at least 500 MB (compressed, gzip level 6, files of this machine's own /usr) is served by a
docker-registry on loopback. Each contender pulls it into an empty store: martlet and podman (and docker, where a daemon
answers) until it is unpacked; skopeo only copies it to an OCI layout, unpacking nothing.
"""
import argparse
import gzip
import hashlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request

import bench

LAYERS = 4
TREES = ["/usr/lib", "/usr/share", "/usr/bin", "/usr/include", "/usr/libexec", "/usr/local", "/opt"]
LARGEST_FILE = 64 << 20


class CountingWriter:
    """Hashes and counts what goes into a file."""

    def __init__(self, path):
        self.file = open(path, "wb")
        self.hash = hashlib.sha256()
        self.size = 0

    def write(self, data):
        self.file.write(data)
        self.hash.update(data)
        self.size += len(data)
        return len(data)

    def flush(self):
        self.file.flush()

    def close(self):
        self.file.close()


class HashingStream:
    """The uncompressed archive on its way into gzip."""

    def __init__(self, target):
        self.target = target
        self.hash = hashlib.sha256()

    def write(self, data):
        self.hash.update(data)
        return self.target.write(data)


def files():
    """Paths of ordinary files and links below the trees, again and again with another prefix when they are used up."""
    for copy in range(100):
        prefix = f"copy-{copy}" if copy else ""
        for tree in TREES:
            for folder, folders, names in os.walk(tree):
                folders.sort()
                for name in sorted(names):
                    path = os.path.join(folder, name)
                    try:
                        status = os.lstat(path)
                    except OSError:
                        continue
                    if status.st_size <= LARGEST_FILE:
                        yield path, os.path.join(prefix, path.lstrip("/"))


def write_layer(path, source, wanted):
    """One gzip layer of at least `wanted` bytes; returns its descriptor and diff id."""
    out = CountingWriter(path)
    with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=out, mtime=0) as compressed:
        stream = HashingStream(compressed)
        # USTAR's successor in every builder today.
        with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
            made = set()
            for origin, name in source:
                for parent in parents(name):
                    if parent not in made:
                        made.add(parent)
                        entry = tarfile.TarInfo(parent + "/")
                        entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, 0o755, 1_700_000_000
                        archive.addfile(entry)
                try:
                    archive.add(origin, arcname=name, recursive=False)
                except OSError:
                    continue
                if out.size >= wanted:
                    break
    out.close()
    descriptor = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                  "digest": "sha256:" + out.hash.hexdigest(), "size": out.size}
    return descriptor, "sha256:" + stream.hash.hexdigest()


def parents(name):
    parts = name.split("/")[:-1]
    return ["/".join(parts[:count + 1]) for count in range(len(parts))]


def make_image(folder, size):
    """Writes blobs and `image.json` once; returns (manifest, config bytes)."""
    index = os.path.join(folder, "image.json")
    if not os.path.exists(index):
        bench.say(f"making an image of {size >> 20} MB in {folder} …")
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        source, layers, diff_ids = files(), [], []
        for _ in range(LAYERS):
            path = os.path.join(folder, "layer")
            descriptor, diff_id = write_layer(path, source, size // LAYERS + 1)
            os.rename(path, os.path.join(folder, descriptor["digest"].split(":")[1]))
            layers.append(descriptor)
            diff_ids.append(diff_id)
        with open(index, "w") as file:
            json.dump({"layers": layers, "diff_ids": diff_ids}, file)
    with open(index) as file:
        image = json.load(file)
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    config = json.dumps({"architecture": architecture, "os": "linux", "config": {"Cmd": ["/bin/sh"]},
                         "rootfs": {"type": "layers", "diff_ids": image["diff_ids"]}}).encode()
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": len(config),
                           "digest": "sha256:" + hashlib.sha256(config).hexdigest()},
                "layers": image["layers"]}
    return manifest, config


class Registry:
    """A docker-registry on a free loopback port."""

    def __init__(self, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.host = f"127.0.0.1:{probe.getsockname()[1]}"
        path = os.path.join(folder, "registry.yml")
        with open(path, "w") as file:
            file.write("version: 0.1\nlog: {level: error}\n"
                       f"storage: {{filesystem: {{rootdirectory: {folder}/registry}}}}\nhttp: {{addr: '{self.host}'}}\n")
        self.process = subprocess.Popen(["docker-registry", "serve", path], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://{self.host}/v2/", timeout=2)
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("docker-registry does not answer")

    def send(self, method, url, data=None, headers=None, length=None):
        headers = dict(headers or {})
        if length is not None:
            headers["Content-Length"] = str(length)
        request = urllib.request.Request(url, data=data, method=method, headers=headers)
        return urllib.request.urlopen(request, timeout=300)

    def put_blob(self, digest, data, length):
        answer = self.send("POST", f"http://{self.host}/v2/bench/blobs/uploads/", data=b"")
        location = answer.headers["Location"]
        join = "&" if "?" in location else "?"
        self.send("PUT", f"{location}{join}digest={digest}", data, {"Content-Type": "application/octet-stream"}, length)

    def push(self, folder, manifest, config):
        self.put_blob(manifest["config"]["digest"], config, len(config))
        for layer in manifest["layers"]:
            with open(os.path.join(folder, layer["digest"].split(":")[1]), "rb") as file:
                self.put_blob(layer["digest"], file, layer["size"])
        self.send("PUT", f"http://{self.host}/v2/bench/manifests/latest", json.dumps(manifest).encode(),
                  {"Content-Type": manifest["mediaType"]})

    def stop(self):
        self.process.terminate()
        self.process.wait()


def quiet(command, **environment):
    out = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ, **environment))
    if out.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {out.stderr.strip()[-500:]}")


def contenders(options, folder, image):
    """Name -> function of an empty directory that pulls the image into it."""
    martlet = os.path.join(os.path.abspath(options.bin), "martlet")
    result = {"martlet": lambda store: quiet([martlet, "image", "pull", image], MARTLET_HOME=store)}
    if shutil.which("podman"):
        result["podman pull"] = lambda store: quiet(
            ["podman", "--root", store + "/root", "--runroot", store + "/run", "--storage-driver", "overlay", "pull", "-q",
             "--tls-verify=false", image])
    if shutil.which("docker") and subprocess.run(["docker", "version"], capture_output=True).returncode == 0:
        result["docker pull"] = lambda store: quiet(["docker", "pull", "-q", image])
    if shutil.which("skopeo"):
        result["skopeo copy (no unpacking)"] = lambda store: quiet(
            ["skopeo", "copy", "-q", "--src-tls-verify=false", "docker://" + image, f"oci:{store}/oci:latest"])

    def measure(pull):
        if "docker pull" in result:
            subprocess.run(["docker", "image", "rm", "-f", image], capture_output=True)
        # Stores stay until the end: for minutes ext4 searches long for inodes beside those just deleted, and whoever came
        # after a removal would pay for it. What the last one left to be written is not this one's burden either.
        store = tempfile.mkdtemp(dir=folder)
        os.sync()
        return bench.timed(pull, store)
    return result, measure


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=".build/bin")
    parser.add_argument("--size", type=int, default=500, help="compressed megabytes (10^6 bytes) of the image")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", help="where stores are made (default: the temporary directory)")
    parser.add_argument("--json")
    options = parser.parse_args()
    if not shutil.which("docker-registry"):
        sys.exit("pull: docker-registry is not installed")

    size = options.size * 1_000_000
    cache = os.path.abspath(os.path.join(".build", "bench", f"pull-{options.size}"))
    manifest, config = make_image(cache, size)
    total = sum(layer["size"] for layer in manifest["layers"])
    folder = tempfile.mkdtemp(prefix="martlet-bench-", dir=options.folder)
    registry = Registry(folder)
    try:
        registry.push(cache, manifest, config)
        image = f"{registry.host}/bench:latest"
        found, measure = contenders(options, folder, image)
        results = bench.paired(found, options.runs, measure)
    finally:
        registry.stop()
        shutil.rmtree(folder, ignore_errors=True)

    first = results["martlet"]
    rows = [[name, f"{statistics.median(seconds):.2f} s", f"{total / statistics.median(seconds) / 1e6:.0f} MB/s",
             f"{bench.ratio(first, seconds):.2f}"] for name, seconds in results.items()]
    bench.table(f"pull of {total / 1e6:.0f} MB (compressed) in {LAYERS} layers into an empty store, {os.cpu_count()} cores, "
                f"median of {options.runs}", ["", "time", "compressed", "martlet / it"], rows)
    bench.write_json(options.json, {
        "benchmark": "pull", "bytes": total, "layers": LAYERS, "seconds": results,
        "versions": {"podman": bench.version(["podman", "--version"]), "skopeo": bench.version(["skopeo", "--version"]),
                     "docker": bench.version(["docker", "--version"])},
        "ratio": {name: bench.ratio(first, seconds) for name, seconds in results.items()},
    })


main()
