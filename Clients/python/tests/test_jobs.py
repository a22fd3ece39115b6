"""Sweeps of commands, against a real server."""

from __future__ import annotations

import os
import signal
import threading

import pytest

import martlet


def test_a_sweep_runs_and_its_table_comes_back(client: martlet.Client) -> None:
    job = martlet.sweep(
        ["/bin/sh", "-c", 'echo "{\\"loss\\": {x}.5, \\"seconds\\": 7}" >> $MARTLET_METRICS; echo at {x}'],
        name="table", grid={"x": [3, 1]}, points=[{"x": 2}], metrics={"loss": "min"}, client=client,
    )
    done = list(martlet.as_completed(job))
    assert sorted(task.index for task in done) == [0, 1, 2]
    assert {task.state for task in done} == {"succeeded"}
    rows = job.check().results()
    assert [row["x"] for row in rows] == [3, 1, 2]
    assert [row["loss"] for row in rows] == [3.5, 1.5, 2.5]
    # A metric that is called like a column of ours.
    assert [row["metric.seconds"] for row in rows] == [7, 7, 7]
    assert isinstance(rows[0]["seconds"], float)
    assert job.task(1).stdout == "at 1\n"
    assert job.counts["succeeded"] == 3 and os.path.isdir(job.directory)
    assert martlet.attach("table", client) == job == martlet.attach(job.id, client)
    assert job in martlet.jobs(client)


def test_metrics_of_plain_programs_and_the_best_so_far(client: martlet.Client) -> None:
    job = martlet.sweep(
        "echo loss={x}.5; echo {x} > $MARTLET_RESULTS/size", name="plain", grid={"x": [3, 1, 2]},
        metrics={"loss": {"goal": "min", "log": "loss=([0-9.]+)"}, "size": {"goal": "max", "file": "size"}},
        client=client,
    ).check()
    assert [(row["loss"], row["size"]) for row in job.results()] == [(3.5, 3), (1.5, 1), (2.5, 2)]
    assert job.best == {
        "metric": "loss", "goal": "min", "value": 1.5, "task": 1, "params": {"x": 1}, "isRunning": False,
    }
    assert martlet.sweep(["true"], name="none", client=client).check().best is None


def test_a_failure_is_told_with_its_reason(client: martlet.Client) -> None:
    job = martlet.sweep("echo no >&2; exit {code}", name="fails", grid={"code": [0, 3]}, client=client)
    with pytest.raises(martlet.JobFailed, match="exit code 3"):
        job.check()
    (failed,) = job.tasks("failed")
    assert (failed.index, failed.exit_code, failed.stderr) == (1, 3, "no\n")
    assert job.retry(1) == 1
    assert job.wait().counts["failed"] == 1
    assert job.task(1).attempt == 2


def test_a_wrong_spec_is_refused_with_every_mistake(client: martlet.Client) -> None:
    with pytest.raises(martlet.MartletError, match="colour") as caught:
        client.submit({"image": "host", "command": ["true"], "colour": "red", "resources": {"cpus": -1}})
    assert caught.value.is_usage and "cpus" in str(caught.value)
    with pytest.raises(martlet.MartletError, match="does not exist"):
        martlet.sweep(["true"], mounts=["./nowhere:/x"], client=client)
    with pytest.raises(martlet.MartletError, match="no job"):
        client.job("nobody")


def test_the_same_key_gives_the_same_job(client: martlet.Client) -> None:
    first, second = (martlet.sweep(["true"], name="once", key="k", client=client) for _ in range(2))
    assert first == second


def test_waiting_for_any_and_for_a_time(client: martlet.Client) -> None:
    long = martlet.sweep("sleep 600", name="long", resources={"cpus": 0}, client=client)
    short = martlet.sweep("true", name="short", resources={"cpus": 0}, client=client)
    assert martlet.wait([long, short], count=1) == [short]
    with pytest.raises(TimeoutError):
        long.wait(timeout=0)
    jobs = martlet.as_completed([long, short])
    assert next(jobs) == short
    assert long.cancel() == 1
    assert list(jobs) == [long]
    assert long.state == "cancelled"


def test_events_are_followed_over_a_killed_server(client: martlet.Client) -> None:
    job = martlet.sweep("sleep 600", name="told", resources={"cpus": 0}, client=client)
    kinds: list[str] = []
    started = threading.Event()

    def read() -> None:
        for event in job.events(follow=True):
            kinds.append(event.kind)
            if event.kind == "job_started":
                started.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert started.wait(60)
    pid = client.get("/status")["pid"]
    os.kill(pid, signal.SIGKILL)
    # A change is never asked for twice: not of one that is still dying.
    while os.path.exists(f"/proc/{pid}"):
        pass
    job.cancel()
    reader.join(60)
    assert not reader.is_alive()
    assert kinds.count("task_sent") == 1 and kinds[-1] == "job_ended"
    events = list(job.events())
    assert [event.kind for event in events] == kinds
    assert list(job.events(since=events[0].sequence)) == events[1:]


def test_dataframes(client: martlet.Client) -> None:
    job = martlet.sweep("true", name="frame", grid={"x": [1, 2]}, client=client).wait()
    try:
        import pandas  # noqa: F401
    except ImportError:
        with pytest.raises(ImportError, match="results()"):
            job.dataframe()
    else:
        assert list(job.dataframe()["x"]) == [1, 2]
