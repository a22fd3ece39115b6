"""Webhooks and mail, with a real HTTP server and a sendmail that keeps what it is given."""

from __future__ import annotations

import http.server
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import martlet

from conftest import MARTLET
from test_schema import check


class Post(http.server.BaseHTTPRequestHandler):
    """Keeps what it is sent, but refuses the first letter of an end: there is a second try."""

    letters: queue.Queue[tuple[str, Any]] = queue.Queue()
    refused = False

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if body["event"] == "failed" and not Post.refused:
            Post.refused = True
            self.send_response(500)
        else:
            self.letters.put((self.path, body))
            self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[martlet.Client]:
    """A server that finds our sendmail first."""
    folder = tempfile.mkdtemp(prefix="martlet-py-", dir="/tmp")
    program = Path(folder) / "sendmail"
    program.write_text(f'#!/bin/sh\n[ "$1" = -t ] && cat >{folder}/part.$$ && mv {folder}/part.$$ {folder}/mail && echo >{folder}/go\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", folder, prepend=":")
    yield martlet.Client(home=folder, executable=str(MARTLET))
    subprocess.run([MARTLET, "server", "stop", "--tasks", "-q"], env={"MARTLET_HOME": folder}, check=False)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.skipif(shutil.which("curl") is None or not MARTLET.exists(), reason="needs curl and `make build`")
def test_a_webhook_and_a_mail(own: martlet.Client) -> None:
    folder = Path(own.state_directory).parent
    os.mkfifo(folder / "go")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Post)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/secret"
    notify = {"on": ["failed", "first_failure"], "webhook": url, "mail": "me@example.org"}
    # Both ends: whoever mails never waits.
    go = os.open(folder / "go", os.O_RDWR)
    job = martlet.sweep("exit 3", name="told", notify=notify, client=own)
    letters = [Post.letters.get(timeout=60) for _ in range(2)]
    assert {path for path, _ in letters} == {"/secret"}
    assert {body["event"] for _, body in letters} == {"failed", "first_failure"}
    for _, body in letters:
        check("notification", body)
        assert body["job"]["id"] == job.id and "exit code 3" in body["text"]
    assert Post.refused
    # One line for each of the two mails.
    told = b""
    while told.count(b"\n") < 2:
        told += os.read(go, 64)
    assert (folder / "mail").read_text().startswith("To: me@example.org\nSubject: martlet: job 1, told: ")
    os.close(go)
    server.shutdown()


def test_what_cannot_be_told_is_refused(client: martlet.Client) -> None:
    for notify, word in [
        ({"on": "finished"}, "notify needs"), ({"webhook": "ftp://x"}, "no URL"),
        ({"mail": "me@x\nBcc: you@x"}, "no address"), ({"on": "failures many", "run": "true"}, "names no number"),
    ]:
        with pytest.raises(martlet.MartletError, match=word):
            martlet.sweep(["true"], notify=notify, client=client)
