"""A server of its own for the tests, from the built executables."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import martlet

REPOSITORY = Path(__file__).resolve().parents[3]
MARTLET = REPOSITORY / ".build" / "bin" / "martlet"


@pytest.fixture(scope="session")
def home() -> Iterator[str]:
    """A ``MARTLET_HOME`` whose server, tasks included, is stopped in the end."""
    if not MARTLET.exists():
        pytest.skip("run `make build` first")
    # Short: a socket lies below it.
    folder = tempfile.mkdtemp(prefix="martlet-py-", dir="/tmp")
    yield folder
    subprocess.run(
        [MARTLET, "server", "stop", "--tasks"], env={**os.environ, "MARTLET_HOME": folder},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
    )
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def client(home: str) -> martlet.Client:
    """Of that server; the first question starts it."""
    return martlet.Client(home=home, executable=str(MARTLET))
