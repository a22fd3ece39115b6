"""Every document of ``--json`` is what ``Clients/Schemas/martlet-1.json`` says, and nothing more."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import martlet

from conftest import MARTLET, REPOSITORY

SCHEMA = json.loads((REPOSITORY / "Clients" / "Schemas" / "martlet-1.json").read_text())
Run = Any


def strict(schema: Any) -> Any:
    """The same, with keys refused that it does not name."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {key: strict(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and not schema.get("x-open"):
        copy["additionalProperties"] = False
    return copy


STRICT = strict(SCHEMA)
jsonschema.Draft202012Validator.check_schema(SCHEMA)


def check(definition: str, document: Any) -> None:
    validator = jsonschema.Draft202012Validator({"$ref": f"#/$defs/{definition}", "$defs": STRICT["$defs"]})
    errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]
    assert not errors, "\n".join(errors)
    # Whoever does not know which document it is finds one that fits.
    jsonschema.Draft202012Validator(SCHEMA).validate(document)


@pytest.fixture(scope="module")
def run(home: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("schema")
    environment = {**os.environ, "MARTLET_HOME": home, "REGISTRY_AUTH_FILE": str(folder / "auth.json")}

    def call(*arguments: str, status: int = 0) -> list[Any]:
        ran = subprocess.run(
            [str(MARTLET), *arguments], env=environment, cwd=folder, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=120, check=False,
        )
        assert ran.returncode == status, f"{arguments}: {ran.stderr}"
        try:
            return [json.loads(ran.stdout)]
        except ValueError:
            return [json.loads(line) for line in ran.stdout.splitlines()]

    call.folder = folder  # type: ignore[attr-defined]
    yield call


#: What prints which document, in an order in which each finds what it needs. ``tree.tar`` is a root filesystem.
JOBS = [
    ("submitted", ["submit", "--json", "--name", "one", "--sweep", "x=1,2", "--image", "host", "--metric", "loss=min",
                   "--metric", "acc=max", "--metric-file", "acc=acc.json", "--", "sh", "-c",
                   "echo '{\"loss\": 1}' >> $MARTLET_METRICS; exit $(({x} - 1))"]),
    ("jobList", ["wait", "--json", "one"]),
    ("jobList", ["ls", "--json"]),
    ("jobReport", ["show", "one", "--json"]),
    ("results", ["results", "one", "--json"]),
    ("results", ["run", "--json", "--image", "host", "--", "true"]),
    ("comparison", ["compare", "one", "last", "--json"]),
    ("explanation", ["explain", "one", "--json"]),
    ("event", ["events"]),
    ("nightReport", ["report", "--json"]),
    ("taskCounts", ["retry", "one", "--json"]),
    ("taskCounts", ["cancel", "one", "--json"]),
    ("submitted", ["submit", "--json", "--name", "two", "--image", "host", "--", "sleep", "600"]),
    ("jobList", ["set", "two", "parallel=1", "--json"]),
    ("jobList", ["hold", "two", "--json"]),
    ("jobList", ["release", "two", "--json"]),
    ("jobList", ["pause", "two", "--json"]),
    ("jobList", ["resume", "two", "--json"]),
    ("taskCounts", ["cancel", "two", "--json"]),
    ("simulation", ["simulate", str(REPOSITORY / "JobSpecs/cluster/cluster.yaml"),
                    str(REPOSITORY / "JobSpecs/cluster/train.yaml"), "--json"]),
    ("topology", ["topology", "--json"]),
    ("nodeList", ["nodes", "ls", "--json"]),
    ("nodeList", ["nodes", "check", "--json"]),
    ("nodeList", ["nodes", "drain", "HERE", "--reason", "a new fan", "--json"]),
    ("nodeList", ["nodes", "undrain", "HERE", "--json"]),
    ("status", ["server", "status", "--json"]),
    ("status", ["server", "start", "--json"]),
    ("imageChanges", ["image", "import", "tree.tar", "--tag", "tree:1", "--json"]),
    ("imageList", ["image", "ls", "--json"]),
    ("imageDetails", ["image", "inspect", "tree:1", "--json"]),
    ("imageHistory", ["image", "history", "tree:1", "--json"]),
    ("imageDiff", ["image", "diff", "tree:1", "--json"]),
    ("imageDiff", ["image", "diff", "tree:1", "tree:1", "--json"]),
    ("imageChanges", ["image", "tag", "tree:1", "tree:2", "--json"]),
    ("imageChanges", ["image", "untag", "tree:2", "--json"]),
    ("imageVerify", ["image", "verify", "--json"]),
    (None, ["image", "save", "tree:1", "-o", "saved.tar"]),
    ("imageChanges", ["image", "load", "-i", "saved.tar", "--json"]),
    ("transferLine", ["image", "copy", "--json", "oci-archive:saved.tar", "oci:layout:1"]),
    ("imagePrune", ["image", "prune", "--json"]),
    ("imageRemovals", ["image", "rm", "tree:1", "--json"]),
    ("login", ["logout", "--all", "--json"]),
]
#: Those that need a registry, another machine or root to say anything, and one whose end is tested apart.
ELSEWHERE = {"image pull", "image push", "image mount", "image unmount", "login", "nodes add", "nodes rm", "server stop"}
#: With ``1`` where some task is meant to fail.
STATUS = {"wait": 1}


def test_documents(run: Run) -> None:
    with tarfile.open(run.folder / "tree.tar", "w") as tar:
        tar.add(__file__, "etc/motd")
    here = ""
    for definition, arguments in JOBS:
        arguments = [here if word == "HERE" else word for word in arguments]
        documents = run(*arguments, status=STATUS.get(arguments[0], 0))
        for document in documents:
            if definition is not None:
                check(definition, document)
        if arguments[:2] == ["nodes", "ls"]:
            here = documents[0]["nodes"][0]["name"]


def test_every_verb_is_held_against_it() -> None:
    dump = subprocess.run([str(MARTLET), "--experimental-dump-help"], capture_output=True, text=True, check=True)

    def verbs(command: dict[str, Any], path: str) -> Iterator[str]:
        names = {name["name"] for argument in command.get("arguments", []) for name in argument.get("names", [])}
        if "json" in names:
            yield path
        for sub in command.get("subcommands", []):
            yield from verbs(sub, f"{path} {sub['commandName']}".strip())

    tested = set()
    for _, words in JOBS:
        tested |= {words[0], " ".join(words[:2])}
    assert set(verbs(json.loads(dump.stdout)["command"], "")) - tested - ELSEWHERE == set()


def test_the_end_of_a_server(run: Run, tmp_path: Path) -> None:
    environment = {**os.environ, "MARTLET_HOME": str(tmp_path)}
    for arguments, definition in [(["status"], "noServer"), (["stop"], "stopped")]:
        ran = subprocess.run(
            [str(MARTLET), "server", *arguments, "--json"], env=environment, capture_output=True, text=True, check=True
        )
        check(definition, json.loads(ran.stdout))


def test_what_the_interface_answers(client: martlet.Client) -> None:
    for job in client.jobs():
        check("job", job.summary())
    with pytest.raises(martlet.MartletError):
        client.get("/jobs/9999")
