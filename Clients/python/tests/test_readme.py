"""The README's examples do what they say."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import MARTLET

PACKAGE = Path(__file__).resolve().parents[1]
EXAMPLES = re.findall(
    r"<!-- example -->\n```python\n(.*?)```", (PACKAGE / "README.md").read_text(), re.DOTALL
)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_example(number: int, home: str, tmp_path: Path) -> None:
    script = tmp_path / "example.py"
    script.write_text(EXAMPLES[number])
    environment = {**os.environ, "MARTLET_HOME": home, "MARTLET": str(MARTLET)}
    environment["PYTHONPATH"] = str(PACKAGE / "src")
    run = subprocess.run(
        [sys.executable, str(script)], env=environment, cwd=tmp_path, capture_output=True, text=True,
        timeout=300, check=False,
    )
    assert run.returncode == 0, run.stderr
    # What a print's comment promises.
    for promised in re.findall(r"print\(.*\) +# (.+)", EXAMPLES[number]):
        assert promised in run.stdout.splitlines()


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 2


def test_installs(tmp_path: Path) -> None:
    """With pip, from a copy: a build leaves files in its directory."""
    if not all(importlib.util.find_spec(name) for name in ("pip", "setuptools", "wheel")):
        pytest.skip("pip, setuptools and wheel are not here")
    copy = tmp_path / "python"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    target = tmp_path / "site"
    run = subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
            "--target", str(target), str(copy),
        ],
        capture_output=True, text=True, check=False,
    )
    assert run.returncode == 0, run.stderr
    assert (target / "martlet" / "py.typed").exists()
    imported = subprocess.run(
        [sys.executable, "-c", "import martlet; print(martlet.__file__)"], cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(target)}, capture_output=True, text=True, check=True,
    )
    assert imported.stdout.startswith(str(target))
