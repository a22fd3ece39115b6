"""Images of this machine's own files, and a registry that serves them: shared by the benchmarks of pulling and unpacking."""
import gzip
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import tarfile
import time
import urllib.error
import urllib.request

import bench

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


class Image:
    """Blobs in a folder of `.build/bench`, made once."""

    def __init__(self, name, size, layers):
        self.folder = os.path.abspath(os.path.join(".build", "bench", name))
        self.elsewhere = {}
        index = os.path.join(self.folder, "image.json")
        if not os.path.exists(index):
            bench.say(f"making an image of {size / 1e6:.0f} MB in {layers} layers in {self.folder} …")
            shutil.rmtree(self.folder, ignore_errors=True)
            os.makedirs(self.folder)
            source, made = files(), []
            for _ in range(layers):
                path = os.path.join(self.folder, "layer")
                descriptor, diff_id = write_layer(path, source, size // layers + 1)
                os.rename(path, self.blob(descriptor))
                made.append((descriptor, diff_id))
            with open(index, "w") as file:
                json.dump({"layers": [layer for layer, _ in made], "diff_ids": [diff_id for _, diff_id in made]}, file)
        with open(index) as file:
            image = json.load(file)
        self.layers, self.diff_ids = image["layers"], image["diff_ids"]

    def blob(self, descriptor):
        return self.elsewhere.get(descriptor["digest"]) or os.path.join(self.folder, descriptor["digest"].split(":")[1])

    def add(self, other):
        """Takes the layers of another image to its own."""
        self.elsewhere.update((layer["digest"], other.blob(layer)) for layer in other.layers)
        self.layers, self.diff_ids = self.layers + other.layers, self.diff_ids + other.diff_ids

    def top(self, path, name):
        """Takes one file in a layer of its own, uppermost; not kept for the next use of this image."""
        layer = os.path.join(self.folder, "top")
        descriptor, diff_id = write_layer(layer, [(path, name)], 1)
        self.elsewhere[descriptor["digest"]] = layer
        self.layers, self.diff_ids = self.layers + [descriptor], self.diff_ids + [diff_id]

    @property
    def size(self):
        return sum(layer["size"] for layer in self.layers)

    def documents(self, layers=None, label="bench"):
        """Manifest and configuration of these layers (all where none are named)."""
        chosen = range(len(self.layers)) if layers is None else layers
        architecture = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
        config = json.dumps({"architecture": architecture, "os": "linux",
                             "config": {"Cmd": ["/bin/sh"], "Labels": {"label": label}},
                             "rootfs": {"type": "layers", "diff_ids": [self.diff_ids[i] for i in chosen]}}).encode()
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": len(config),
                               "digest": "sha256:" + hashlib.sha256(config).hexdigest()},
                    "layers": [self.layers[i] for i in chosen]}
        return manifest, config

    def layout(self, folder, layers):
        """An OCI layout of some of the layers, its blobs hard links."""
        blobs = os.path.join(folder, "blobs", "sha256")
        os.makedirs(blobs)
        manifest, config = self.documents(layers)
        for layer in manifest["layers"]:
            os.link(self.blob(layer), os.path.join(blobs, layer["digest"].split(":")[1]))
        text = json.dumps(manifest).encode()
        for document in (config, text):
            with open(os.path.join(blobs, hashlib.sha256(document).hexdigest()), "wb") as file:
                file.write(document)
        index = {"schemaVersion": 2, "manifests": [{"mediaType": manifest["mediaType"], "size": len(text),
                                                    "digest": "sha256:" + hashlib.sha256(text).hexdigest()}]}
        for name, document in (("index.json", index), ("oci-layout", {"imageLayoutVersion": "1.0.0"})):
            with open(os.path.join(folder, name), "w") as file:
                json.dump(document, file)
        return folder


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Registry:
    """A docker-registry on a free loopback port, with a log of what was asked of it."""

    def __init__(self, folder):
        self.host = f"127.0.0.1:{free_port()}"
        path = os.path.join(folder, "registry.yml")
        self.log = os.path.join(folder, "registry.log")
        with open(path, "w") as file:
            file.write("version: 0.1\nlog: {level: error, accesslog: {disabled: false}}\n"
                       f"storage: {{filesystem: {{rootdirectory: {folder}/registry}}}}\nhttp: {{addr: '{self.host}'}}\n")
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", path], stdout=log, stderr=subprocess.DEVNULL)
        wait_for(f"http://{self.host}/v2/")

    def requests(self):
        """(method, path, bytes of the answer) of every request so far, by the combined log format."""
        with open(self.log) as file:
            found = re.findall(r'"([A-Z]+) (\S+) HTTP/[0-9.]+" \d+ (\d+)', file.read())
        return [(method, path, int(size)) for method, path, size in found]

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

    def has_blob(self, digest):
        try:
            self.send("HEAD", f"http://{self.host}/v2/bench/blobs/{digest}")
            return True
        except urllib.error.HTTPError:
            return False

    def push(self, image, tag, layers=None):
        """Under `bench`; returns the reference."""
        manifest, config = image.documents(layers, label=tag)
        self.put_blob(manifest["config"]["digest"], config, len(config))
        for layer in manifest["layers"]:
            if not self.has_blob(layer["digest"]):
                with open(image.blob(layer), "rb") as file:
                    self.put_blob(layer["digest"], file, layer["size"])
        self.send("PUT", f"http://{self.host}/v2/bench/manifests/{tag}", json.dumps(manifest).encode(),
                  {"Content-Type": manifest["mediaType"]})
        return f"{self.host}/bench:{tag}"

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Throttle:
    """An nginx before the registry that gives each connection so many bytes a second."""

    def __init__(self, folder, registry, rate):
        self.host = f"127.0.0.1:{free_port()}"
        home = os.path.join(folder, "nginx")
        os.makedirs(home)
        path = os.path.join(home, "nginx.conf")
        temporary = "".join(f"    {kind}_temp_path {home}/{kind};\n"
                            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(path, "w") as file:
            file.write(f"daemon off; user root; pid {home}/pid; error_log {home}/error.log;\nevents {{}}\nhttp {{\n"
                       f"    access_log off;\n{temporary}    server {{\n        listen {self.host};\n        location / {{\n"
                       f"            proxy_pass http://{registry.host};\n            proxy_set_header Host $http_host;\n"
                       f"            limit_rate {rate};\n        }}\n    }}\n}}\n")
        self.process = subprocess.Popen(["nginx", "-c", path, "-p", home], stderr=subprocess.DEVNULL)
        wait_for(f"http://{self.host}/v2/")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def wait_for(url):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=2)
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{url} does not answer")
