"""One user's server: HTTP and JSON on its Unix socket (the same interface that the command line uses)."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Optional, TypeVar, Union

from ._errors import MartletError
from ._job import Event, Job

_T = TypeVar("_T")

#: Milliseconds for which one question about ends stays open.
_PATIENCE = 10_000


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self._path)


class EventStream(Iterator[Event]):
    """Events one after the other; ends when there is nothing more to come. ``close`` may be called by another thread."""

    def __init__(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        # The response takes the connection's socket over where the answer has no length.
        self._socket = connection.sock
        self._connection = connection
        self._response = response
        #: Whether all that was asked for has come; None before the end.
        self.complete: Optional[bool] = None

    def __next__(self) -> Event:
        fields: dict[str, str] = {}
        while self.complete is None:
            line = self._readline()
            line = line.rstrip("\n")
            if line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                fields[name] = value
                continue
            if "data" not in fields:
                continue
            data = json.loads(fields["data"])
            if fields.get("event") != "end":
                return Event.of(data)
            self.complete = bool(data["complete"])
            self._release()
        raise StopIteration

    def _readline(self) -> str:
        try:
            line = self._response.readline().decode()
        except http.client.HTTPException:
            line = ""  # cut within a chunk
        except OSError:
            self._release()
            raise
        if not line:
            self._release()
            raise ConnectionResetError("the server went away")
        return line

    def _release(self) -> None:
        """By whoever reads: nothing is taken away under them."""
        self._response.close()
        self._connection.close()

    def close(self) -> None:
        """Ends whoever waits in it."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has ended by itself


class Client:
    """Talks to the server of these directories, and starts it where it does not run.

    ``home`` is ``MARTLET_HOME``: one directory for everything; without it the XDG directories hold, as for the command.
    ``executable`` is the ``martlet`` to start the server with: ``$MARTLET``, or the one on the path. Safe to share between threads.
    """

    def __init__(self, home: Optional[str] = None, executable: Optional[str] = None) -> None:
        self._environment = dict(os.environ)
        if home is not None:
            self._environment["MARTLET_HOME"] = os.path.abspath(home)
        self._executable = executable or self._environment.get("MARTLET")
        self._state, run = _directories(self._environment)
        self._socket = os.path.join(run, "server.sock")

    # Jobs

    def submit(
        self, spec: Mapping[str, Any], *, key: Optional[str] = None, directory: Optional[str] = None
    ) -> Job:
        """Submits a spec, with the keys that a YAML file has; on disk when it returns.

        Relative paths are taken from ``directory``, without one from the current one. The same ``key`` gives the same job.
        """
        body = {"spec": json.dumps(spec), "directory": os.path.abspath(directory or ".")}
        if key is not None:
            body["key"] = key
        reply = self.post("/specs", body)
        return Job(self, reply["id"], reply["name"])

    def job(self, selector: Union[int, str]) -> Job:
        """The job of a number or a name, or the ``last`` one; of several with one name the newest."""
        known: list[dict[str, Any]] = self.get("/jobs")
        for job in reversed(known):
            if selector in ("last", job["id"], str(job["id"]), job["name"]):
                return Job(self, job["id"], job["name"])
        raise MartletError(f"there is no job {selector!r}", "martlet.jobs() lists them", is_usage=True)

    def jobs(self) -> list[Job]:
        """All jobs, newest last."""
        return [Job(self, job["id"], job["name"]) for job in self.get("/jobs")]

    def wait(
        self, jobs: Sequence[Job], *, count: Optional[int] = None, timeout: Optional[float] = None
    ) -> list[Job]:
        """Those that have ended, or are held by what will not go away by itself, once there are ``count`` of them (all where
        it is None) or after ``timeout`` seconds."""
        by_id = {job.id: job for job in jobs}
        wanted = len(by_id) if count is None else min(count, len(by_id))
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _PATIENCE if deadline is None else max(0, int((deadline - time.monotonic()) * 1000))
            body = {"jobs": list(by_id), "count": wanted, "wait": min(left, _PATIENCE)}
            ended = self.ask("POST", "/ends", body)
            if len(ended) >= wanted or left == 0:
                return [by_id[job["id"]] for job in ended]

    # Events

    def events(
        self, *, since: Optional[int] = None, jobs: Sequence[Job] = (), follow: bool = False
    ) -> EventStream:
        """What has happened after number ``since``. With ``follow`` it goes on: for jobs until all of them have ended, else
        until it is closed. Without ``since`` it begins with all that is kept or, followed for all jobs, now: what
        happens once this has returned is among it."""
        query = f"follow={'true' if follow else 'false'}"
        if since is not None:
            query += f"&since={since}"
        if jobs:
            query += "&jobs=" + ",".join(str(job.id) for job in jobs)
        return self._again(lambda: self._events(query))

    def _events(self, query: str) -> EventStream:
        connection = self._connect()
        connection.request("GET", f"/v1/events?{query}")
        # Before the answer is read: it takes the socket over.
        stream_socket = connection.sock
        response = connection.getresponse()
        if response.status != 200:
            raise _error(response.status, response.read())
        connection.sock = stream_socket
        return EventStream(connection, response)

    @staticmethod
    def _again(ask: Callable[[], _T]) -> _T:
        """A server that was killed may still take a connection while it dies, and several may be killed under one long question."""
        attempt, since = 0, time.monotonic()
        while True:
            try:
                return ask()
            except (ConnectionError, http.client.HTTPException):
                if attempt == 0:
                    since = time.monotonic()
                attempt += 1
                if attempt >= 8 and time.monotonic() - since > 15:
                    raise
                time.sleep(0.01 * 2 ** min(attempt, 6))

    # Questions

    def get(self, path: str) -> Any:
        """A document of the interface, below ``/v1``."""
        return self.ask("GET", path)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Asks for a change. Never sent twice."""
        return self._exchange("POST", path, body)

    def ask(self, method: str, path: str, body: Optional[Mapping[str, Any]] = None) -> Any:
        """A question that changes nothing: asked again where the server went away under it."""

        def once() -> Any:
            return self._exchange(method, path, body)

        return self._again(once)

    @property
    def state_directory(self) -> str:
        """Where the server keeps jobs, logs and results."""
        return self._state

    def _exchange(self, method: str, path: str, body: Optional[Mapping[str, Any]]) -> Any:
        connection = self._connect()
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, "/v1" + path, text, {"content-type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise _error(response.status, answer)
        return json.loads(answer)

    def _connect(self) -> _UnixConnection:
        connection = _UnixConnection(self._socket)
        try:
            connection.connect()
        except OSError:
            self._start()
            connection.connect()
        return connection

    def _start(self) -> None:
        program = self._executable or shutil.which("martlet", path=self._environment.get("PATH"))
        if program is None:
            raise MartletError(
                "no server runs, and there is no martlet to start it with",
                "put martlet on the PATH, or name it: MARTLET=/path/to/martlet",
            )
        started = subprocess.run(
            [program, "server", "start"], env=self._environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False,
        )
        if started.returncode != 0:
            raise MartletError(f"the server does not start: {started.stderr.strip()}")


def _error(status: int, answer: bytes) -> MartletError:
    try:
        report = json.loads(answer)
        return MartletError(report["error"], report.get("hint"), bool(report.get("isUsage")))
    except (ValueError, KeyError):
        return MartletError(f"the server answered {status}")


def _directories(environment: Mapping[str, str]) -> tuple[str, str]:
    """State and run directory, as the command line finds them."""
    home = environment.get("MARTLET_HOME")
    if home:
        root = os.path.abspath(home)
        return os.path.join(root, "state"), os.path.join(root, "run")

    def base(variable: str, fallback: str) -> str:
        value = environment.get(variable, "")
        return os.path.join(value, "martlet") if value.startswith("/") else fallback

    user = environment.get("HOME", "/")
    return (
        base("XDG_STATE_HOME", os.path.join(user, ".local/state/martlet")),
        base("XDG_RUNTIME_DIR", f"/tmp/martlet-{os.getuid()}"),
    )


_default: Optional[Client] = None
_default_lock = threading.Lock()


def default_client() -> Client:
    """The client of everything that is not given one."""
    global _default
    with _default_lock:
        if _default is None:
            _default = Client()
        return _default
