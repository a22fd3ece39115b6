"""Calls on disk: what a job of calls finds, and what it leaves."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import sys
import uuid
from typing import Any, Callable, Optional

from ._client import Client
from ._errors import TaskFailed

try:
    import cloudpickle

    _dumps: Callable[[Any], bytes] = cloudpickle.dumps
except ImportError:
    _dumps = pickle.dumps


class _RemoteTraceback(Exception):
    """The cause of an exception that a task threw: where it was thrown there."""

    def __init__(self, text: str) -> None:
        super().__init__("\n" + text)


class CallFolder:
    """One job's calls, each in a file by its index, and the functions that they call, each once."""

    def __init__(self, client: Client, on_host: bool) -> None:
        self.path = os.path.join(client.state_directory, "calls", uuid.uuid4().hex)
        os.makedirs(self.path, mode=0o700)
        here = os.path.dirname(os.path.abspath(__file__))
        shutil.copyfile(os.path.join(here, "_task.py"), os.path.join(self.path, "task.py"))
        # Another image has its own modules, and its own files.
        setting: dict[str, Any] = {"path": [], "directory": None}
        #: What a spec has to mount.
        self.mounts = [f"{self.path}:{self.path}:ro"]
        if on_host:
            path = [os.path.abspath(entry) for entry in sys.path]
            setting = {"path": path, "directory": os.getcwd()}
            self._mount_temporary(os.getcwd(), [*path, sys.prefix])
        else:
            self._lend_cloudpickle()
        self._write("setting.pkl", pickle.dumps(setting))

    def _mount_temporary(self, current: str, modules: list[str]) -> None:
        """Tasks on the host's root have a /tmp of their own: what the caller uses of this one goes along."""
        if current.startswith("/tmp/"):
            self.mounts.append(f"{current}:{current}")
        for folder in dict.fromkeys(modules):
            if folder.startswith("/tmp/") and folder != current and os.path.isdir(folder):
                self.mounts.append(f"{folder}:{folder}:ro")

    def _lend_cloudpickle(self) -> None:
        """For images that lack it; it is one small package of plain Python."""
        if _dumps is pickle.dumps:
            return
        source = os.path.dirname(os.path.abspath(cloudpickle.__file__))
        shutil.copytree(
            source, os.path.join(self.path, "cloudpickle"),
            ignore=shutil.ignore_patterns("__pycache__", "*.dist-info"),
        )

    def add(self, index: int, function: bytes, arguments: bytes) -> None:
        """Puts down call ``index``."""
        name = hashlib.sha256(function).hexdigest()[:32] + ".function"
        if not os.path.exists(os.path.join(self.path, name)):
            self._write(name, function)
        self._write(f"{index}.pkl", pickle.dumps((name, arguments)))

    def _write(self, name: str, data: bytes) -> None:
        with open(os.path.join(self.path, name), "wb") as file:
            file.write(data)

    def remove(self) -> None:
        """Nobody will run it again."""
        shutil.rmtree(self.path, ignore_errors=True)


def pickled_function(function: Callable[..., Any]) -> bytes:
    """The function as the task can have it; says what to do where it cannot."""
    try:
        if _dumps is pickle.dumps and getattr(function, "__module__", "") == "__main__":
            raise pickle.PicklingError("it is defined in the script itself")
        return _dumps(function)
    except Exception as error:
        hint = (
            "install cloudpickle, or put it into a module" if _dumps is pickle.dumps
            else "what it refers to cannot go along"
        )
        raise pickle.PicklingError(f"{function!r} cannot be sent to a task: {error}; {hint}") from error


def pickled_arguments(args: tuple[Any, ...], kwargs: Optional[dict[str, Any]]) -> bytes:
    """What a call is given; without ``kwargs``, what several calls are given, whose values make a list."""
    return _dumps((args, kwargs))


def value_of(attempt: str) -> Optional[tuple[Any, Optional[BaseException]]]:
    """The value or the exception that an attempt left in its directory; None where it left neither."""
    try:
        with open(os.path.join(attempt, "results", "value.pkl"), "rb") as file:
            succeeded, value, trace = pickle.load(file)
    except FileNotFoundError:
        return None
    except Exception as error:
        return None, TaskFailed(attempt, f"its value cannot be read here: {error!r}")
    if succeeded:
        return value, None
    if not isinstance(value, BaseException):
        value = RuntimeError(str(value))
    value.__cause__ = _RemoteTraceback(trace)
    return None, value


def last_words(attempt: str, lines: int = 10) -> str:
    """The end of what an attempt said."""
    try:
        with open(os.path.join(attempt, "stderr"), encoding="utf-8", errors="replace") as file:
            return "\n".join(file.read().splitlines()[-lines:])
    except OSError:
        return ""  # it never started
