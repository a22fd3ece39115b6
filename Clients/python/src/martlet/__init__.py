"""Martlet from Python: sweeps of commands, and calls of functions, as tasks in containers.

``sweep`` submits a command for every point of a sweep and returns a ``Job``. ``Executor`` runs functions as
``concurrent.futures`` has them, and ``map_array`` many calls as one array. ``attach`` finds a job of before again.
Needs nothing beyond the standard library and the ``martlet`` executable, whose server it talks to on a Unix socket.
"""

from ._client import Client, default_client
from ._errors import JobFailed, MartletError, TaskFailed
from ._executor import Executor, Future, map_array
from ._job import Event, Job, Task
from ._sweep import as_completed, attach, jobs, sweep, wait

__all__ = [
    "Client",
    "Event",
    "Executor",
    "Future",
    "Job",
    "JobFailed",
    "MartletError",
    "Task",
    "TaskFailed",
    "as_completed",
    "attach",
    "default_client",
    "jobs",
    "map_array",
    "sweep",
    "wait",
]
