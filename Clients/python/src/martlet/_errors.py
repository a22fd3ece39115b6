"""What can go wrong, as exceptions."""

from __future__ import annotations

from typing import Optional


class MartletError(Exception):
    """The server refused, or cannot be had. ``hint`` says what to do, where somebody knows."""

    def __init__(self, error: str, hint: Optional[str] = None, is_usage: bool = False) -> None:
        super().__init__(error if hint is None else f"{error}\n    {hint}")
        self.error = error
        self.hint = hint
        #: Whoever asked has to ask otherwise: nothing is wrong with the server.
        self.is_usage = is_usage


class JobFailed(MartletError):
    """A job ended, and not all of its tasks succeeded."""


class TaskFailed(MartletError):
    """A task ended without a value: killed, lost, or never started. ``stderr`` is the end of what it said."""

    def __init__(self, task: str, reason: str, stderr: str = "") -> None:
        super().__init__(f"task {task}: {reason}", stderr.replace("\n", "\n    ") or None)
        self.task = task
        self.reason = reason
        self.stderr = stderr

    def __reduce__(self) -> tuple[type[TaskFailed], tuple[str, str, str]]:
        return TaskFailed, (self.task, self.reason, self.stderr)
