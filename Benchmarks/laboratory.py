"""A laboratory of nodes and a server with nodes, as the benchmarks of nodes use them. LABORATORY_DRIVER names a driver that is built."""
import http.client
import json
import os
import socket
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")


class Laboratory:
    """The driver's laboratory of so many nodes."""

    def __init__(self, count):
        program = os.environ.get("LABORATORY_DRIVER")
        if not program:
            program = ".build/release/LaboratoryDriver"
            subprocess.run(["swift", "build", "-c", "release", "--product", "LaboratoryDriver"], check=True, stdout=subprocess.DEVNULL)
        self.driver = subprocess.Popen([program, str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        facts = json.loads(self.driver.stdout.readline())
        self.ssh, self.nodes = facts["ssh"], facts["nodes"]

    def ask(self, *words):
        self.driver.stdin.write(" ".join(words) + "\n")
        self.driver.stdin.flush()
        return self.driver.stdout.readline().strip()

    def tell(self, *words):
        answer = self.ask(*words)
        if answer != "done":
            raise RuntimeError(answer)

    def close(self):
        self.driver.stdin.close()
        self.driver.wait()


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("martlet")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Head:
    """A server of its own in a home of its own."""

    def __init__(self, program, folder, **environment):
        self.program = program
        self.environment = dict(os.environ, MARTLET_HOME=os.path.join(folder, "home"), **environment)
        self.martlet("server", "start")
        status = json.loads(self.martlet("server", "status", "--json"))
        self.pid, self.socket = status["pid"], os.path.join(folder, "home", "run", "server.sock")
        self.local = self.nodes()[0]["name"]

    def martlet(self, *arguments):
        ended = subprocess.run([self.program, *arguments], env=self.environment, capture_output=True, text=True)
        if ended.returncode != 0:
            raise RuntimeError(f"martlet {' '.join(arguments)}: {(ended.stderr or ended.stdout).strip()[-500:]}")
        return ended.stdout

    def nodes(self):
        """As the API tells them, without the start of a program."""
        connection = UnixConnection(self.socket)
        connection.request("GET", "/v1/nodes")
        nodes = json.loads(connection.getresponse().read())
        connection.close()
        return nodes

    def await_node(self, name, connected=True):
        """Seconds until the server says so."""
        start = time.perf_counter()
        while not any(node["name"] == name and (node["state"] == "connected") == connected for node in self.nodes()):
            if time.perf_counter() - start > 120:
                raise RuntimeError(f"{name} never {'came' if connected else 'went'}")
            time.sleep(0.005)
        return time.perf_counter() - start

    def memory(self):
        """Bytes of the server's alone: what it shares with nobody (smaps_rollup of proc(5))."""
        with open(f"/proc/{self.pid}/smaps_rollup") as file:
            return sum(int(line.split()[1]) << 10 for line in file if line.startswith("Private_"))

    def cpu(self):
        """Seconds of CPU that the server has taken, its children's not."""
        with open(f"/proc/{self.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def stop(self):
        subprocess.run([self.program, "server", "stop", "--tasks"], env=self.environment, stdout=subprocess.DEVNULL)


def use(head, laboratory, nodes):
    """Lets tasks run on these nodes alone."""
    for name in [head.local, *laboratory.nodes]:
        head.martlet("nodes", "undrain" if name in nodes else "drain", name)
