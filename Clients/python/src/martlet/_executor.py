"""Functions as tasks, as ``concurrent.futures`` has them."""

from __future__ import annotations

import atexit
import concurrent.futures
import os
import sys
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar

from ._calls import CallFolder, last_words, pickled_arguments, pickled_function, value_of
from ._client import Client, EventStream, default_client
from ._errors import MartletError, TaskFailed
from ._job import Event, Job

if TYPE_CHECKING:
    from typing_extensions import ParamSpec

    P = ParamSpec("P")

T = TypeVar("T")

#: Seconds in which calls gather into one job.
_GATHERING = 0.01
#: Calls of one job, at most.
_LARGEST = 10_000


class Future(concurrent.futures.Future[T]):
    """A call that runs as a task. ``job`` and ``index`` say which, once it was submitted."""

    def __init__(self) -> None:
        super().__init__()
        self.job: Optional[Job] = None
        self.index = 0
        self._beginning = threading.Lock()
        self._has_begun = False

    def begin(self) -> bool:
        """For the executor: it runs from now on. False where it was taken back; whoever waits for it knows then."""
        with self._beginning:
            if self._has_begun:
                return not self.cancelled()
            self._has_begun = True
            return self.set_running_or_notify_cancel()

    def cancel(self) -> bool:
        """Takes the call back where it has not begun."""
        if self.cancelled():
            return True
        if self.job is None:
            return super().cancel()
        if self.done() or self.running() or self.job.task(self.index).state != "queued":
            return False
        return self.job.cancel(self.index) > 0 and self.give_up()

    def terminate(self) -> None:
        """Ends the task though it runs; ``result()`` throws CancelledError then."""
        if not self.cancel() and self.job is not None and not self.done():
            self.job.cancel(self.index)

    def give_up(self) -> bool:
        """For the executor: it will not run."""
        return super().cancel() and not self.begin()


class _Batch:
    """A job of calls, with the futures that wait for it."""

    def __init__(self, job: Job, folder: CallFolder, futures: list[Future[Any]]) -> None:
        self.job = job
        self.folder = folder
        self.directory = job.directory
        self.left: dict[int, Future[Any]] = dict(enumerate(futures))
        self.has_succeeded = True

    def resolve(self, event: Event) -> None:
        if event.kind == "task_sent":
            future = self.left.get(event.task if event.task is not None else -1)
            if future is not None:
                future.begin()
        elif event.is_end:
            for index in event.tasks:
                self._end(index, event.state or "", event.attempt or 0, event.reason)
        elif event.kind == "job_ended":
            self._end_all()

    def _end_all(self) -> None:
        """Whatever was not told of one by one."""
        if not self.left:
            return
        for task in self.job.tasks("succeeded", "failed", "cancelled", "lost", "stopped"):
            self._end(task.index, task.state, task.attempt, task.reason)

    def _end(self, index: int, state: str, attempt: int, reason: Optional[str]) -> None:
        future = self.left.pop(index, None)
        if future is None:
            return
        self.has_succeeded = self.has_succeeded and state == "succeeded"
        place = os.path.join(self.directory, "tasks", str(index), str(attempt))
        if state == "cancelled" and reason in (None, "cancelled"):
            if future.running():
                future.set_exception(concurrent.futures.CancelledError())
            else:
                future.give_up()
            return
        if not future.begin():
            return
        found = value_of(place)
        task = f"{self.job.id}_{index}"
        if found is None or state in ("lost", "cancelled"):
            if state == "succeeded":
                reason = "it left no value: the function may have ended its process"
            future.set_exception(TaskFailed(task, reason or state, last_words(place)))
        elif found[1] is not None:
            future.set_exception(found[1])
        else:
            future.set_result(found[0])


class Executor(concurrent.futures.Executor):
    """Runs calls as tasks of jobs, in containers of ``image``, wherever the server places them.

    Calls that are submitted one after the other gather into one job. Functions go as cloudpickle has them where it is
    installed, else by their module's name. ``image="host"`` runs them with this Python and its modules; another image needs a
    Python of the same version, named by ``python``. ``max_workers`` bounds how many run at once; everything else has the name
    that it has in a spec: ``resources={"gpus": 1}``, ``mounts``, ``env``, ``retry``, ``limits``.
    """

    def __init__(
        self,
        max_workers: Optional[int] = None,
        *,
        image: str = "host",
        name: str = "calls",
        python: Optional[str] = None,
        client: Optional[Client] = None,
        **spec: Any,
    ) -> None:
        self._client = client or default_client()
        self._python = python or (sys.executable if image == "host" else "python3")
        self._spec: dict[str, Any] = {"image": image, "name": name, **spec}
        if max_workers is not None:
            self._spec["limits"] = {**self._spec.get("limits", {}), "parallel": max_workers}
        # Taken in this order by whoever needs several.
        self._flushing = threading.Lock()
        self._submitting = threading.Lock()
        self._lock = threading.Lock()
        self._pending: list[tuple[Future[Any], bytes, bytes]] = []
        self._flusher: Optional[threading.Timer] = None
        self._batches: dict[int, _Batch] = {}
        self._stream: Optional[EventStream] = None
        self._reader: Optional[threading.Thread] = None
        self._is_shut_down = False
        _open_executors.add(self)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Calls ``fn(*args, **kwargs)`` as a task."""
        call = (pickled_function(fn), pickled_arguments(args, kwargs))
        future: Future[T] = Future()
        with self._lock:
            self._check_open()
            self._pending.append((future, *call))
            if self._flusher is None:
                self._flusher = threading.Timer(_GATHERING, self._flush)
                self._flusher.daemon = True
                self._flusher.start()
        return future

    def map_array(self, fn: Callable[..., T], *iterables: Iterable[Any]) -> list[Future[T]]:
        """Calls ``fn`` with the first of each, the second of each, and so on, as one job; returns at once."""
        return self._array(fn, [pickled_arguments(args, {}) for args in zip(*iterables)])

    def _array(self, fn: Callable[..., Any], arguments: list[bytes]) -> list[Future[Any]]:
        function = pickled_function(fn)
        calls = [(Future[Any](), function, argument) for argument in arguments]
        with self._lock:
            self._check_open()
        self._flush()
        with self._flushing:
            for start in range(0, len(calls), _LARGEST):
                self._start(calls[start : start + _LARGEST])
        return [future for future, _, _ in calls]

    def map(
        self, fn: Callable[..., T], *iterables: Iterable[Any], timeout: Optional[float] = None, chunksize: int = 1
    ) -> Iterator[T]:
        """As ``concurrent.futures`` has it: values in order; ``chunksize`` calls are one task."""
        deadline = None if timeout is None else time.monotonic() + timeout
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        calls = list(zip(*iterables))
        chunks = [calls[start : start + chunksize] for start in range(0, len(calls), chunksize)]
        futures = self._array(fn, [pickled_arguments(tuple(chunk), None) for chunk in chunks])

        def values() -> Iterator[T]:
            try:
                for future in futures:
                    left = None if deadline is None else deadline - time.monotonic()
                    yield from future.result(left)
            finally:
                for future in futures:
                    if not future.done():
                        future.cancel()

        return values()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more calls. With ``wait``, returns when all have ended."""
        with self._lock:
            self._is_shut_down = True
        self._flush()
        if cancel_futures:
            for batch in list(self._batches.values()):
                for future in list(batch.left.values()):
                    future.cancel()
        self._close_if_done()
        if wait and self._reader is not None and self._reader is not threading.current_thread():
            self._reader.join()

    # Submitting

    def _check_open(self) -> None:
        if self._is_shut_down:
            raise RuntimeError("cannot schedule new futures after shutdown")

    def _flush(self) -> None:
        with self._flushing:
            with self._lock:
                flusher, self._flusher = self._flusher, None
                pending, self._pending = self._pending, []
            if flusher is not None:
                flusher.cancel()
            for start in range(0, len(pending), _LARGEST):
                self._start(pending[start : start + _LARGEST])

    def _start(self, calls: list[tuple[Future[Any], bytes, bytes]]) -> None:
        # Whoever waits for one that was taken back meanwhile is told.
        calls = [call for call in calls if not call[0].cancelled() or call[0].begin()]
        if not calls:
            return
        try:
            # Events of the job wait in the stream until it is known here.
            with self._submitting:
                self._listen()
                folder = CallFolder(self._client, self._spec["image"] == "host")
                for index, (_, function, arguments) in enumerate(calls):
                    folder.add(index, function, arguments)
                job = self._client.submit(self._document(folder, len(calls)))
                futures = [call[0] for call in calls]
                for index, future in enumerate(futures):
                    future.index = index
                    future.job = job
                self._batches[job.id] = _Batch(job, folder, futures)
        except Exception as error:
            for future, _, _ in calls:
                if future.begin():
                    future.set_exception(error)

    def _document(self, folder: CallFolder, count: int) -> dict[str, Any]:
        document = dict(self._spec)
        document["command"] = [self._python, folder.path + "/task.py"]
        document["mounts"] = [*document.get("mounts", []), *folder.mounts]
        if count > 1:
            document["sweep"] = {"grid": {"call": f"0..{count - 1}"}}
        return document

    # Listening

    def _listen(self) -> None:
        if self._reader is not None and self._reader.is_alive():
            return
        self._stream = self._client.events(follow=True)
        self._reader = threading.Thread(target=self._read, name="martlet events", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        last: Optional[int] = None
        while self._stream is not None:
            try:
                for event in self._stream:
                    last = event.sequence
                    self._take(event)
            except OSError:
                pass  # the server went away, or nobody wants to know more
            if self._is_over() or not self._resume(last):
                return

    def _take(self, event: Event) -> None:
        with self._submitting:
            batch = self._batches.get(event.job if event.job is not None else -1)
        if batch is None:
            return
        batch.resolve(event)
        if not batch.left:
            with self._submitting:
                self._batches.pop(batch.job.id, None)
            # What failed may be tried again with `martlet retry`.
            if batch.has_succeeded:
                batch.folder.remove()
            self._close_if_done()

    def _is_over(self) -> bool:
        with self._submitting:
            return self._is_shut_down and not self._batches

    def _close_if_done(self) -> None:
        if self._is_over() and self._stream is not None:
            self._stream.close()

    def _resume(self, last: Optional[int]) -> bool:
        """Behind what was told; nobody is left to tell where there is no server any more."""
        try:
            # Without an event before it nothing is known: all that is kept is told again.
            self._stream = self._client.events(since=last or 0, follow=True)
            return True
        except (MartletError, OSError) as error:
            for batch in list(self._batches.values()):
                for future in batch.left.values():
                    if future.begin() and not future.done():
                        future.set_exception(error)
            self._batches.clear()
            return False


_open_executors: weakref.WeakSet[Executor] = weakref.WeakSet()


@atexit.register
def _flush_all() -> None:
    """Calls that were submitted run, though the process does not wait for them."""
    for executor in list(_open_executors):
        executor._flush()


def map_array(fn: Callable[..., T], *iterables: Iterable[Any], **options: Any) -> list[Future[T]]:
    """``Executor(**options).map_array(fn, *iterables)``: one job, whose futures come back at once."""
    executor = Executor(**options)
    futures = executor.map_array(fn, *iterables)
    executor.shutdown(wait=False)
    return futures
