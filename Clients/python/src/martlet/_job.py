"""Jobs, their tasks, and what happens to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Optional, Union

from ._errors import JobFailed

if TYPE_CHECKING:
    from ._client import Client

Value = Union[int, float, str, bool, None]


@dataclass(frozen=True)
class Event:
    """One line of ``martlet events``; ``document`` has all of it."""

    sequence: int
    kind: str
    time: str
    job: Optional[int]
    task: Optional[int]
    #: The last index, where several tasks from ``task`` on share the event.
    last: Optional[int]
    attempt: Optional[int]
    state: Optional[str]
    reason: Optional[str]
    document: dict[str, Any] = field(repr=False, compare=False)

    @classmethod
    def of(cls, document: dict[str, Any]) -> Event:
        """From the server's document."""
        return cls(
            document["sequence"], document["kind"], document["time"], document["job"], document["task"],
            document["last"], document["attempt"], document["state"], document["reason"], document,
        )

    @property
    def tasks(self) -> range:
        """Indexes of the tasks that it is about."""
        if self.task is None:
            return range(0)
        return range(self.task, (self.task if self.last is None else self.last) + 1)

    @property
    def is_end(self) -> bool:
        """Whether tasks ended with it, and will not be tried again."""
        return self.kind == "task_ended" and self.state != "queued"


@dataclass(frozen=True)
class Task:
    """One point of a job, with what became of its last attempt; ``document`` has all of it."""

    job: Job = field(repr=False)
    index: int
    attempt: int
    state: str
    params: dict[str, Value]
    metrics: dict[str, float]
    exit_code: Optional[int]
    reason: Optional[str]
    node: Optional[str]
    document: dict[str, Any] = field(repr=False, compare=False)

    @classmethod
    def of(cls, job: Job, document: dict[str, Any]) -> Task:
        """From the server's document."""
        return cls(
            job, document["index"], document["attempt"], document["state"], document["params"],
            document["metrics"], document["exitCode"], document["reason"], document["node"], document,
        )

    @property
    def stdout(self) -> str:
        """What it has written to standard output until now."""
        return _text(self.document["stdout"])

    @property
    def stderr(self) -> str:
        """What it has written to standard error until now."""
        return _text(self.document["stderr"])


def _text(path: Optional[str]) -> str:
    if path is None:
        return ""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""  # it has not started, or runs elsewhere and nothing has come yet


class Job:
    """A job of the server. Costs nothing to have; everything is asked for when it is wanted."""

    def __init__(self, client: Client, id: int, name: str) -> None:
        self._client = client
        self.id = id
        self.name = name

    def __repr__(self) -> str:
        return f"<martlet job {self.id}, {self.name}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and (self._client, self.id) == (other._client, other.id)

    def __hash__(self) -> int:
        return hash(self.id)

    # How it stands

    def summary(self) -> dict[str, Any]:
        """The document of ``martlet ls --json``, for this job."""
        summary: dict[str, Any] = self._client.get(f"/jobs/{self.id}")
        return summary

    @property
    def state(self) -> str:
        """waiting, queued, running, held, succeeded, failed or cancelled."""
        return str(self.summary()["state"])

    @property
    def counts(self) -> dict[str, int]:
        """Tasks by state."""
        counts: dict[str, int] = self.summary()["counts"]
        return counts

    @property
    def best(self) -> dict[str, Any] | None:
        """The best value so far of the spec's first metric, and whose it is: ``metric``, ``goal``, ``value``, ``task``, ``params`` and
        ``isRunning``. None where no task has left it yet."""
        best: dict[str, Any] | None = self.summary()["best"]
        return best

    @property
    def directory(self) -> str:
        """Logs and results lie below it."""
        return str(self.summary()["directory"])

    def tasks(self, *states: str) -> list[Task]:
        """All tasks, or those in one of these states."""
        body: dict[str, Any] = {"selection": {"job": self.id}}
        if states:
            body["states"] = list(states)
        found: list[Task] = []
        while True:
            page = self._client.ask("POST", "/report", body)
            found += [Task.of(self, task) for task in page["tasks"]]
            if page.get("next") is None:
                return found
            body["from"] = page["next"]

    def task(self, index: int) -> Task:
        """One of them."""
        selection = {"job": self.id, "ranges": [[index, index + 1]]}
        page = self._client.ask("POST", "/report", {"selection": selection})
        return Task.of(self, page["tasks"][0])

    # Results

    def results(self) -> list[dict[str, Value]]:
        """One dict a point: index, state, seconds, its parameters and its metrics by their names. A metric with the name of
        something else among them is ``metric.NAME``."""
        rows: list[dict[str, Value]] = []
        page = self._client.get(f"/jobs/{self.id}/results")
        parameters, metrics = page["parameterNames"], page["metricNames"]
        taken = {"index", "state", "seconds", *parameters}
        while True:
            for point in page["points"]:
                row: dict[str, Value] = {name: point[name] for name in ("index", "state", "seconds")}
                row.update({name: point["params"].get(name) for name in parameters})
                for name in metrics:
                    row[f"metric.{name}" if name in taken else name] = point["metrics"].get(name)
                rows.append(row)
            if page.get("next") is None:
                return rows
            page = self._client.get(f"/jobs/{self.id}/results?from={page['next']}")

    def dataframe(self) -> Any:
        """The same as a ``pandas.DataFrame``, with the points' indexes as its index."""
        try:
            import pandas
        except ImportError as error:
            raise ImportError("dataframe() needs pandas; results() has the same as dicts") from error
        return pandas.DataFrame(self.results()).set_index("index")

    # Waiting

    def wait(self, timeout: Optional[float] = None) -> Job:
        """Returns itself once it has ended. Throws TimeoutError after ``timeout`` seconds."""
        if not self._client.wait([self], timeout=timeout):
            raise TimeoutError(f"job {self.id} has not ended after {timeout} s")
        return self

    def check(self, timeout: Optional[float] = None) -> Job:
        """Waits, and throws ``JobFailed`` unless every task has succeeded."""
        summary = self.wait(timeout).summary()
        if summary["state"] != "succeeded":
            reason = summary["reason"] or summary["lastFailure"] or "some task did not succeed"
            raise JobFailed(f"job {self.id} {summary['state']}: {reason}", f"martlet show {self.id}")
        return self

    def events(self, *, since: int = 0, follow: bool = False) -> Iterator[Event]:
        """What has happened to it; followed, until it has ended. Goes on where the server was killed meanwhile."""
        while True:
            stream = self._client.events(since=since, jobs=[self], follow=follow)
            try:
                for event in stream:
                    since = event.sequence
                    yield event
                return
            except ConnectionError:
                continue
            finally:
                stream.close()

    def as_completed(self) -> Iterator[Task]:
        """Its tasks as they end, each once, to the last one."""
        seen: set[int] = set()
        for event in self.events(follow=True):
            if not event.is_end:
                continue
            fresh = [index for index in event.tasks if index not in seen]
            for index in fresh:
                task = self.task(index)
                # Queued again meanwhile: there will be another end.
                if task.state in ("queued", "running"):
                    continue
                seen.add(index)
                yield task

    # Changes

    def cancel(self, *indexes: int) -> int:
        """Ends it, or some of its tasks; returns how many had not ended."""
        # Twice does no harm.
        body = {"selections": [self._selection(indexes)]}
        counts: list[int] = self._client.ask("POST", "/cancel", body)["counts"]
        return counts[0]

    def retry(self, *indexes: int) -> int:
        """Queues tasks again that did not succeed, all or some of them; returns how many."""
        counts: list[int] = self._client.post("/retry", {"selections": [self._selection(indexes)]})["counts"]
        return counts[0]

    def _selection(self, indexes: tuple[int, ...]) -> dict[str, Any]:
        selection: dict[str, Any] = {"job": self.id}
        if indexes:
            selection["ranges"] = [[index, index + 1] for index in sorted(indexes)]
        return selection
