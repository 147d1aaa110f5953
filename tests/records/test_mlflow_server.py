"""Servers of MLflow that answer, that are away, and that never answer."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from made_trackers import CONFIG, log_whole, row
from made_trackers import no_settings as no_settings

from lesionkit.records.trackers import tracker

pytestmark = pytest.mark.slow  # mlflow takes seconds to come up

NOWHERE = "http://127.0.0.1:9"  # nobody listens on this port


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a server that is away, with a password in it."""
    pytest.importorskip("mlflow", reason="the extra mlflow is missing")
    address = NOWHERE.replace("//", "//reader:hidden@")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    return address


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes every request and answers none."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


class Answering(BaseHTTPRequestHandler):
    """A server that answers every request the same and keeps what came."""

    status = 200
    info = {"run_id": "r", "run_uuid": "r", "experiment_id": "1", "status": "RUNNING"}
    run = {"info": info, "data": {}}
    answer = {"experiment": {"experiment_id": "1"}, "run": run, "run_info": info}

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.came.append((self.path.split("/runs/")[-1], content))
        body = json.dumps(self.answer).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def answering(nowhere: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[list]:
    """What came to a server that answers, as pairs of path and content."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.came = []
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}")
    yield server.came
    server.shutdown()
    server.server_close()


def test_a_server_gets_every_epoch_and_the_status(
    answering: list, capfd: pytest.CaptureFixture[str]
) -> None:
    with tracker("mlflow", CONFIG) as log:
        for epoch in (1, 2, 3):
            log.epoch(row(epoch))
    sent = b"".join(content for path, content in answering if path == "log-batch")
    assert all(f'"step": {epoch}'.encode() in sent for epoch in (1, 2, 3))
    path, content = answering[-1]
    assert path == "update"
    assert b'"status": "FINISHED"' in content
    assert capfd.readouterr() == ("", "")


def test_an_epoch_is_sent_while_the_training_goes_on(answering: list) -> None:
    with tracker("mlflow", CONFIG) as log:
        log.epoch(row(1))
        assert b'"step": 1' in answering[-1][1]


def test_epochs_that_a_server_refuses_cost_one_line(
    answering: list,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with tracker("mlflow", CONFIG) as log:
        log.epoch(row(1))
        monkeypatch.setattr(Answering, "status", 500)
        for epoch in (2, 3):
            log.epoch(row(epoch))
    out, err = capfd.readouterr()
    (line,) = err.splitlines()
    assert line.startswith("logging to mlflow fails, the run goes on: ")
    assert out == ""


def test_a_server_that_is_away_costs_one_line_and_no_time(
    nowhere: str, capfd: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    log_whole("mlflow", 1, 50)
    assert time.monotonic() - began < 5
    out, err = capfd.readouterr()
    (line,) = err.splitlines()
    assert line.startswith("logging to mlflow fails, the run goes on: ")
    assert "127.0.0.1" in line
    assert "hidden" not in line
    assert out == ""


def test_a_server_that_never_answers_is_waited_for_once(
    nowhere: str, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", silent)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    began = time.monotonic()
    log_whole("mlflow", 1, 50)
    assert 1 <= time.monotonic() - began < 5


def test_settings_of_the_user_hold(
    nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "7")
    log_whole("mlflow", 1, 1)
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "7"
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"


@pytest.mark.parametrize("address", ["nonsense://reader:hidden@there", "./mlruns"])
def test_an_address_that_mlflow_refuses_is_told_before_the_training(
    nowhere: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    allowed = "MLFLOW_TRACKING_URI must be http://SERVER, sqlite:///FILE or not set"
    with pytest.raises(ValueError, match=allowed) as found:
        tracker("mlflow", CONFIG)
    assert "hidden" not in str(found.value)


def test_mlflow_reports_no_use_to_its_makers(nowhere: str, tmp_path: Path) -> None:
    code = (
        "from lesionkit.records.trackers import tracker;"
        "from lesionkit.config import RunConfig;"
        "tracker('mlflow', RunConfig());"
        "import mlflow.telemetry as found; print(found.get_telemetry_client())"
    )
    # nothing may tell mlflow that this is a test: it does not report those
    kept = {
        name: os.environ[name] for name in os.environ.keys() & {"PATH", "PYTHONPATH"}
    }
    # should it report all the same, then to nobody
    clean = kept | {"MLFLOW_TRACKING_URI": nowhere, "HTTPS_PROXY": NOWHERE}
    command = [sys.executable, "-c", code]
    options = {"cwd": tmp_path, "capture_output": True, "text": True}
    done = subprocess.run(command, env=clean, **options)
    assert (done.stdout, done.stderr) == ("None\n", "")
