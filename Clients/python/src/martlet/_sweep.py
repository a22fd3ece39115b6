"""Sweeps of commands, and what is done with jobs however they came to be."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Optional, TypeVar, Union, overload

from ._client import Client, default_client
from ._job import Job, Task

T = TypeVar("T")


def sweep(
    command: Union[str, Sequence[str]],
    *,
    image: str = "host",
    grid: Optional[Mapping[str, Any]] = None,
    zip: Optional[Mapping[str, Any]] = None,
    sample: Optional[Mapping[str, Any]] = None,
    points: Optional[Sequence[Mapping[str, Any]]] = None,
    where: Optional[str] = None,
    exclude: Optional[Sequence[Mapping[str, Any]]] = None,
    key: Optional[str] = None,
    client: Optional[Client] = None,
    **spec: Any,
) -> Job:
    """Submits a command for every point of a sweep. ``{name}`` in it becomes the point's value.

    A list of words is the command, a text a shell script. Axes are lists, or the texts of a spec: ``"1..5"``,
    ``"loguniform(1e-5, 1e-1)"``. ``points`` are whole points, in addition. Everything else has the name that it has in a
    spec: ``mounts``, ``resources={"cpus": 2}``, ``metrics={"loss": "min"}``, ``retry``, ``name``.
    """
    rule = {
        "grid": grid, "zip": zip, "sample": sample, "where": where, "exclude": exclude, "include": points,
    }
    document: dict[str, Any] = {"image": image, **spec}
    document["script" if isinstance(command, str) else "command"] = (
        command if isinstance(command, str) else list(command)
    )
    section = {name: value for name, value in rule.items() if value is not None}
    if section:
        document["sweep"] = section
    return (client or default_client()).submit(document, key=key)


def attach(selector: Union[int, str] = "last", client: Optional[Client] = None) -> Job:
    """A job of before: by its number, by its name (the newest of that name), or the last one."""
    return (client or default_client()).job(selector)


def jobs(client: Optional[Client] = None) -> list[Job]:
    """All jobs, newest last."""
    return (client or default_client()).jobs()


def wait(jobs: Iterable[Job], *, count: Optional[int] = None, timeout: Optional[float] = None) -> list[Job]:
    """Those of the jobs that have ended, once there are ``count`` of them (all where it is None) or the time is over."""
    listed = list(jobs)
    return listed[0]._client.wait(listed, count=count, timeout=timeout) if listed else []


@overload
def as_completed(items: Job, timeout: Optional[float] = None) -> Iterator[Task]: ...
@overload
def as_completed(items: Iterable[Job], timeout: Optional[float] = None) -> Iterator[Job]: ...
@overload
def as_completed(
    items: Iterable[concurrent.futures.Future[T]], timeout: Optional[float] = None
) -> Iterator[concurrent.futures.Future[T]]: ...
def as_completed(items: Any, timeout: Optional[float] = None) -> Iterator[Any]:
    """Tasks of one job, or jobs, or futures, as they end. Throws TimeoutError where jobs or futures are not all there after
    ``timeout`` seconds."""
    if isinstance(items, Job):
        return items.as_completed()
    listed = list(items)
    if listed and isinstance(listed[0], Job):
        return _jobs_as_completed(listed, timeout)
    return concurrent.futures.as_completed(listed, timeout)


def _jobs_as_completed(jobs: list[Job], timeout: Optional[float]) -> Iterator[Job]:
    import time

    deadline = None if timeout is None else time.monotonic() + timeout
    left = list(dict.fromkeys(jobs))
    while left:
        rest = None if deadline is None else max(0.0, deadline - time.monotonic())
        ended = wait(left, count=1, timeout=rest)
        if not ended:
            raise TimeoutError(f"{len(left)} jobs have not ended after {timeout} s")
        for job in ended:
            left.remove(job)
            yield job
