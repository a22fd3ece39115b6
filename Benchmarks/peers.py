"""HyperQueue beside ours, as bare processes."""
import os
import subprocess
import sys


def hyperqueue_python():
    """A Python that can import hyperqueue, made once in a virtual environment; None where PyPI does not answer."""
    venv = os.path.abspath(os.path.join(".build", "bench", "hyperqueue"))
    python = os.path.join(venv, "bin", "python3")
    if not os.path.exists(python):
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    if subprocess.run([python, "-c", "import hyperqueue"], capture_output=True).returncode == 0:
        return python
    if subprocess.run([python, "-m", "pip", "install", "-q", "hyperqueue"], capture_output=True).returncode == 0:
        return python
    return None


HYPERQUEUE = """
import os, sys, tempfile, time
from hyperqueue import Job, LocalCluster
from hyperqueue.cluster import WorkerConfig
tasks, command = int(sys.argv[1]), sys.argv[3:]
os.chdir(tempfile.mkdtemp(dir=sys.argv[2]))
with LocalCluster() as cluster:
    cluster.start_worker(WorkerConfig(cores=os.cpu_count()))
    client = cluster.client()
    warm = Job()
    warm.program(command)
    client.wait_for_jobs([client.submit(warm)])
    start = time.perf_counter()
    job = Job()
    for _ in range(tasks):
        job.program(command)
    client.wait_for_jobs([client.submit(job)])
    print(time.perf_counter() - start)
"""


def hyperqueue(python, command, tasks, folder):
    """Seconds that so many runs of the command take. Its tasks' logs stay in `folder` until all has been measured."""
    out = subprocess.run([python, "-c", HYPERQUEUE, str(tasks), folder, *command], capture_output=True, text=True, check=True)
    return float(out.stdout.strip().split("\n")[-1])
