"""Functions as tasks, against a real server."""

from __future__ import annotations

import concurrent.futures
import os
import pickle
import shutil
import sys
import threading
from pathlib import Path

import pytest

import martlet
from martlet import _calls


@pytest.fixture
def executor(client: martlet.Client) -> martlet.Executor:
    return martlet.Executor(resources={"cpus": 0}, client=client)


def test_values_come_back(executor: martlet.Executor) -> None:
    offset = 10

    def add(x: int, y: int = 0) -> int:
        return x + y + offset

    with executor:
        futures = [executor.submit(add, x, y=1) for x in range(5)]
        assert isinstance(futures[0], concurrent.futures.Future)
        assert [future.result(60) for future in futures] == [11, 12, 13, 14, 15]
        assert len({future.job for future in futures}) == 1, "calls in a row are one job"
        assert set(concurrent.futures.as_completed(futures)) == set(futures)
        assert list(executor.map(add, range(7), range(7), chunksize=3)) == [10 + 2 * x for x in range(7)]
        assert os.path.isabs(executor.submit(os.getcwd).result(60))
    with pytest.raises(RuntimeError):
        executor.submit(add, 1)


def test_exceptions_come_back_with_their_traceback(executor: martlet.Executor) -> None:
    def fail() -> None:
        raise KeyError("not here")

    with executor:
        future = executor.submit(fail)
        with pytest.raises(KeyError, match="not here") as caught:
            future.result(60)
        assert "in fail" in str(caught.value.__cause__)
        assert future.job is not None and "KeyError" in future.job.task(0).stderr
        lock = executor.submit(threading.Lock)
        with pytest.raises(RuntimeError, match="cannot be pickled"):
            lock.result(60)


def test_what_leaves_no_value_is_a_failure_of_its_task(executor: martlet.Executor) -> None:
    def leave(status: int) -> None:
        os.write(2, b"last words\n")
        os._exit(status)

    with executor:
        futures = executor.map_array(leave, [0, 9])
        for future, reason in zip(futures, ["no value", "exit code 9"]):
            error = future.exception(60)
            assert isinstance(error, martlet.TaskFailed) and reason in str(error)
            assert error.stderr == "last words"
            assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_job_that_cannot_be_fails_its_futures(client: martlet.Client) -> None:
    with martlet.Executor(image="/nowhere", client=client) as executor:
        assert isinstance(executor.submit(os.getpid).exception(60), martlet.MartletError)


def test_calls_are_taken_back_and_ended(client: martlet.Client, tmp_path: Path) -> None:
    fifo = tmp_path / "go"
    os.mkfifo(fifo)
    # Both ends: nobody waits for anybody to open the other one.
    ours = os.open(fifo, os.O_RDWR)

    def read(path: str) -> str:
        with open(path) as file:
            return file.readline()

    mounts = [f"{tmp_path}:{tmp_path}"]
    with martlet.Executor(max_workers=1, mounts=mounts, client=client) as executor:
        first, second = executor.map_array(read, [str(fifo)] * 2)
        assert second.cancel() and second.cancelled()
        os.write(ours, b"done\n")
        assert first.result(60) == "done\n"
        third = executor.submit(read, str(fifo))
        while not third.running():
            assert not third.done()
        assert not third.cancel()
        third.terminate()
        with pytest.raises((concurrent.futures.CancelledError, martlet.TaskFailed)):
            third.result(60)
    os.close(ours)


def test_map_array_needs_no_executor(client: martlet.Client) -> None:
    futures = martlet.map_array(pow, range(4), [2] * 4, client=client, resources={"cpus": 0})
    assert [future.result(60) for future in futures] == [0, 1, 4, 9]
    assert [future.index for future in futures] == [0, 1, 2, 3]


@pytest.mark.skipif(os.geteuid() != 0, reason="an image that is a directory is root's")
def test_another_image(client: martlet.Client, tmp_path: Path) -> None:
    """A directory of this machine's Python, without cloudpickle and without this package."""
    if not os.path.realpath(sys.executable).startswith("/usr/bin/"):
        pytest.skip("this Python is not the system's")
    root = tmp_path / "root"
    for name in ["tmp", "usr"]:
        (root / name).mkdir(parents=True)
    for name in ["bin", "lib", "lib64"]:
        if os.path.islink(f"/{name}"):
            (root / name).symlink_to(f"usr/{name}")
    version = f"python3.{sys.version_info.minor}"
    mounts = ["/usr:/usr:ro"]
    assert shutil.which("python3", path="/usr/bin")
    with martlet.Executor(image=str(root), mounts=mounts, python=f"/usr/bin/{version}", client=client) as executor:
        assert executor.submit(lambda: os.listdir("/")).result(60).count("usr") == 1


def test_without_cloudpickle_functions_of_a_script_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def local() -> None: ...

    monkeypatch.setattr(_calls, "_dumps", pickle.dumps)
    with pytest.raises(pickle.PicklingError, match="install cloudpickle"):
        _calls.pickled_function(local)
    assert pickle.loads(_calls.pickled_function(os.getcwd)) is os.getcwd
