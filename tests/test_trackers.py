"""What is logged is read back by TensorBoard's and MLflow's own readers."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from made_records import metrics

from lesionkit import trackers
from lesionkit.config import RunConfig
from lesionkit.extras import install
from lesionkit.trackers import tracker

CONFIG = RunConfig(loss="dice")
PARAMETERS = {k: v for k, v in asdict(CONFIG.resolved()).items() if v is not None}
CURVES = ("train_loss", "validation_dice", "best_epoch")
METRICS = metrics(0.75)
SCORES = {"test/probability/image/dice": 0.75, "validation/raw_mean/pooled/dice": 0.72}
A_SCORE = "test/probability/image/dice"
NOWHERE = "http://127.0.0.1:9"  # nobody listens on this port


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a user who told mlflow nothing."""
    for name in ("MLFLOW_TRACKING_URI", *trackers.MLFLOW_SETTINGS):
        monkeypatch.delenv(name, raising=False)


def row(epoch: int, dice: float = 0.5) -> dict[str, float]:
    """A row of the history, told from all others by its values."""
    return {
        "epoch": epoch,
        "train_loss": 1 / epoch,
        "validation_dice": dice + epoch / 100,
        "best_epoch": epoch,
    }


def log_whole(name: str, first: int, last: int, dice: float = 0.5) -> None:
    """A session that reaches the end of its run."""
    with tracker(name, CONFIG) as log:
        for epoch in range(first, last + 1):
            log.epoch(row(epoch, dice))
        log.end(METRICS | {"epochs": last})


def log_killed(name: str, last: int) -> None:
    """A session that logs some epochs and is never closed."""
    log = tracker(name, CONFIG)
    for epoch in range(1, last + 1):
        log.epoch(row(epoch))


def log_failed(name: str, last: int) -> None:
    """A session that ends with an exception."""
    with pytest.raises(FloatingPointError), tracker(name, CONFIG) as log:
        for epoch in range(1, last + 1):
            log.epoch(row(epoch))
        raise FloatingPointError("the loss is nan")


def test_an_unknown_tracker_gets_the_nearest_name() -> None:
    with pytest.raises(ValueError, match="'tensorbord'. Did you mean 'tensorboard'?"):
        tracker("tensorbord", CONFIG)


def test_without_a_tracker_nothing_is_written_and_no_library_is_loaded(
    tmp_path: Path,
) -> None:
    code = (
        "import sys; from lesionkit.trackers import tracker;"
        "from lesionkit.config import RunConfig;"
        "log = tracker('none', RunConfig()); log.epoch({'epoch': 1}); log.close();"
        "print({'torch', 'tensorboard', 'mlflow'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("set()\n", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "library"),
    [
        ("tensorboard", "torch.utils.tensorboard"),
        ("mlflow", "mlflow.exceptions"),
        ("mlflow", "sqlalchemy"),
    ],
)
def test_a_missing_library_is_one_line_before_the_training(
    name: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ModuleNotFoundError) as found:
        tracker(name, CONFIG)
    needs = f"logging to {name} needs the extra: {install(name)}"
    assert str(found.value) == needs


def test_scores_are_named_by_their_path_and_counts_are_no_scores() -> None:
    image = {"dice": 1, "iou": None, "undefined": {"iou": 4}}
    nested = {"test": {"images": 4, "raw_mean": {"image": image}}}
    assert trackers.flat(nested) == {"test/raw_mean/image/dice": 1.0}


@pytest.fixture
def events(data_home: Path) -> Path:
    """Where the event files of the run will be."""
    pytest.importorskip("tensorboard", reason="the extra tensorboard is missing")
    return data_home / "tensorboard" / CONFIG.run_id


def shown(events: Path):
    """All that TensorBoard would show of the run."""
    from tensorboard.backend.event_processing import event_accumulator

    return event_accumulator.EventAccumulator(str(events)).Reload()


def curve(events: Path, name: str) -> list[tuple[int, float]]:
    """Step and value of every point that TensorBoard would show."""
    # event files hold float32
    return [(p.step, pytest.approx(p.value)) for p in shown(events).Scalars(name)]


@pytest.mark.parametrize("name", CURVES)
def test_tensorboard_has_every_value_of_the_history_at_its_epoch(
    events: Path, name: str
) -> None:
    log_whole("tensorboard", 1, 5)
    assert curve(events, name) == [(e, row(e)[name]) for e in range(1, 6)]


@pytest.mark.parametrize("name", SCORES)
def test_tensorboard_has_the_scores_one_step_after_the_last_epoch(
    events: Path, name: str
) -> None:
    log_whole("tensorboard", 1, 5)
    assert curve(events, name) == [(6, SCORES[name])]


def test_tensorboard_has_an_epoch_before_the_run_ends(events: Path) -> None:
    log_killed("tensorboard", 2)
    assert [step for step, _ in curve(events, "train_loss")] == [1, 2]


def test_tensorboard_has_the_epochs_of_a_resume_in_place_of_those_before(
    events: Path,
) -> None:
    log_killed("tensorboard", 5)
    log_whole("tensorboard", 4, 6, dice=0.6)
    whole = [row(e) for e in (1, 2, 3)] + [row(e, 0.6) for e in (4, 5, 6)]
    expected = [(r["epoch"], r["validation_dice"]) for r in whole]
    assert curve(events, "validation_dice") == expected


def test_tensorboard_has_no_score_twice_after_a_resume_at_the_end(events: Path) -> None:
    log_whole("tensorboard", 1, 5)
    log_whole("tensorboard", 6, 5)  # the first was killed before the seal
    assert [step for step, _ in curve(events, "train_loss")] == [1, 2, 3, 4, 5]
    assert [step for step, _ in curve(events, A_SCORE)] == [6]


def test_tensorboard_has_the_epochs_of_a_failure_and_the_success_of_its_resume(
    events: Path,
) -> None:
    success = "_hparams_/session_end_info"
    log_failed("tensorboard", 2)
    assert success not in shown(events).summary_metadata
    assert len(curve(events, "train_loss")) == 2
    log_whole("tensorboard", 3, 5)
    assert success in shown(events).summary_metadata


def test_tensorboard_has_every_parameter_that_is_set(events: Path) -> None:
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    log_killed("tensorboard", 1)
    found = shown(events).SummaryMetadata("_hparams_/session_start_info")
    content = HParamsPluginData.FromString(found.plugin_data.content)
    hparams = content.session_start_info.hparams
    assert set(hparams) == set(PARAMETERS)
    assert hparams["loss"].string_value == "dice"
    assert hparams["epochs"].number_value == PARAMETERS["epochs"]


def test_tensorboard_writes_nothing_elsewhere(events: Path, data_home: Path) -> None:
    log_whole("tensorboard", 1, 2)
    assert [path.name for path in data_home.iterdir()] == ["tensorboard"]
    assert all(path.name.startswith("events.") for path in events.iterdir())


def test_a_folder_that_cannot_be_made_costs_one_line(
    events: Path, data_home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data_home.mkdir()
    (data_home / "tensorboard").write_text("a file")
    log_whole("tensorboard", 1, 5)
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("logging to tensorboard fails, the run goes on: ")


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store made once, as mlflow takes seconds to create its tables."""
    pytest.importorskip("mlflow", reason="the extra mlflow is missing")
    home = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LESIONKIT_DATA", str(home))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        tracker("mlflow", CONFIG)
    return home / "mlflow" / "mlflow.db"


@pytest.fixture
def store(empty_store: Path, data_home: Path) -> Path:
    """The local store of this test, still empty."""
    folder = data_home / "mlflow"
    folder.mkdir(parents=True)
    return Path(shutil.copy(empty_store, folder))


def stored_runs(store: Path) -> list:
    """Every run of the demo protocol that mlflow's client finds."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{store}")
    experiment = client.get_experiment_by_name("lesionkit/demo")
    return client.search_runs([experiment.experiment_id])


def statuses(store: Path) -> list[str]:
    """The status of every run."""
    return [run.info.status for run in stored_runs(store)]


def points(store: Path, name: str) -> list[tuple[int, float]]:
    """Step and value of every point of one curve of the only run."""
    from mlflow import MlflowClient

    (run,) = stored_runs(store)
    client = MlflowClient(f"sqlite:///{store}")
    history = client.get_metric_history(run.info.run_id, name)
    return sorted((point.step, point.value) for point in history)


@pytest.mark.parametrize("name", CURVES)
def test_mlflow_has_every_value_of_the_history_at_its_epoch(
    store: Path, name: str
) -> None:
    log_whole("mlflow", 1, 5)
    assert points(store, name) == [(e, row(e)[name]) for e in range(1, 6)]


@pytest.mark.parametrize("name", SCORES)
def test_mlflow_has_the_scores_one_step_after_the_last_epoch(
    store: Path, name: str
) -> None:
    log_whole("mlflow", 1, 5)
    assert points(store, name) == [(6, SCORES[name])]


def test_mlflow_has_the_name_the_parameters_and_the_success_of_a_run(
    store: Path,
) -> None:
    log_whole("mlflow", 1, 1)
    (run,) = stored_runs(store)
    assert (run.info.run_name, run.info.status) == (CONFIG.run_id, "FINISHED")
    assert run.data.params == {name: str(v) for name, v in PARAMETERS.items()}


def test_mlflow_has_no_name_of_a_person_or_a_machine(store: Path) -> None:
    log_whole("mlflow", 1, 1)
    (run,) = stored_runs(store)
    assert set(run.data.tags) == {
        "lesionkit.run_id",
        "lesionkit.data",
        "mlflow.runName",
    }
    assert run.info.user_id == "unknown"


def test_mlflow_writes_nothing_elsewhere(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    log_whole("mlflow", 1, 2)
    (run,) = stored_runs(store)
    assert run.info.artifact_uri.startswith((store.parent / "files").as_uri())
    assert list(Path().iterdir()) == []


def test_mlflow_goes_on_with_a_resumed_run_and_has_no_epoch_twice(store: Path) -> None:
    log_killed("mlflow", 5)
    assert statuses(store) == ["RUNNING"]
    log_whole("mlflow", 4, 7)
    assert [step for step, _ in points(store, "train_loss")] == [1, 2, 3, 4, 5, 6, 7]
    assert statuses(store) == ["FINISHED"]


def test_mlflow_has_no_score_twice_after_a_resume_at_the_end(store: Path) -> None:
    log_whole("mlflow", 1, 5)
    log_whole("mlflow", 6, 5)  # the first was killed before the seal
    assert [step for step, _ in points(store, A_SCORE)] == [6]


def test_mlflow_has_another_run_for_one_that_is_trained_anew(store: Path) -> None:
    log_whole("mlflow", 1, 2)
    log_whole("mlflow", 1, 2)
    assert statuses(store) == ["FINISHED", "FINISHED"]


def test_mlflow_keeps_the_parameters_of_the_session_that_began(
    store: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log_killed("mlflow", 1)
    with tracker("mlflow", RunConfig(loss="dice", device="cpu")) as log:
        log.epoch(row(2))
    (run,) = stored_runs(store)
    assert run.data.params["device"] == "auto"
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("epochs", [0, 2])
def test_mlflow_has_a_failure_until_a_resume_ends_well(
    store: Path, epochs: int
) -> None:
    log_failed("mlflow", epochs)
    assert statuses(store) == ["FAILED"]
    log_whole("mlflow", epochs + 1, 5)
    assert statuses(store) == ["FINISHED"]


def test_mlflow_has_a_resumed_failure_as_running(store: Path) -> None:
    log_failed("mlflow", 1)
    log_killed("mlflow", 2)
    assert statuses(store) == ["RUNNING"]


def test_two_data_folders_share_a_store_and_no_run(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}")
    log_killed("mlflow", 2)
    monkeypatch.setenv("LESIONKIT_DATA", str(tmp_path / "other"))
    log_killed("mlflow", 2)
    assert len(stored_runs(store)) == 2
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(("pause", "in_between"), [(60.0, [1]), (0.0, [1, 2, 3])])
def test_what_could_not_be_logged_is_logged_later(
    store: Path,
    pause: float,
    in_between: list[int],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(trackers, "RETRY_SECONDS", pause)
    with tracker("mlflow", CONFIG) as log:
        log.epoch(row(1))
        with monkeypatch.context() as away:
            away.setattr("mlflow.MlflowClient.log_batch", None)
            log.epoch(row(2))
        log.epoch(row(3))
        assert [step for step, _ in points(store, "train_loss")] == in_between
    assert [step for step, _ in points(store, "train_loss")] == [1, 2, 3]
    assert len(capfd.readouterr().err.splitlines()) == 1


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

    info = {"run_id": "r", "run_uuid": "r", "experiment_id": "1", "status": "RUNNING"}
    run = {"info": info, "data": {}}
    answer = {"experiment": {"experiment_id": "1"}, "run": run, "run_info": info}

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.came.append((self.path.split("/runs/")[-1], content))
        body = json.dumps(self.answer).encode()
        self.send_response(200)
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


def test_a_server_gets_every_epoch_when_it_ends_and_the_status(
    answering: list, capfd: pytest.CaptureFixture[str]
) -> None:
    with tracker("mlflow", CONFIG) as log:
        for epoch in (1, 2, 3):
            log.epoch(row(epoch))
            assert answering[-1][0] == "log-batch"
            assert f'"step": {epoch}'.encode() in answering[-1][1]
    path, content = [each for each in answering if each[0] == "update"][-1]
    assert b'"status": "FINISHED"' in content
    assert capfd.readouterr() == ("", "")


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


def test_a_server_that_never_answers_is_waited_for_twice(
    nowhere: str, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", silent)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    began = time.monotonic()
    log_whole("mlflow", 1, 50)
    assert 2 <= time.monotonic() - began < 5  # after the first epoch, at the end


def test_settings_of_the_user_hold_and_ours_are_gone_afterwards(
    nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "7")
    before = dict(os.environ)
    log_whole("mlflow", 1, 1)
    assert dict(os.environ) == before


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
        "from lesionkit.trackers import tracker;"
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


@pytest.mark.slow
def test_runs_that_begin_together_make_one_store(data_home: Path) -> None:
    pytest.importorskip("mlflow", reason="the extra mlflow is missing")
    code = (
        "import sys; from lesionkit.trackers import tracker;"
        "from lesionkit.config import RunConfig;"
        "log = tracker('mlflow', RunConfig(repeat=int(sys.argv[1])));"
        "log.epoch({'epoch': 1, 'train_loss': 1.0}); log.close()"
    )
    command = [sys.executable, "-c", code]
    both = [
        subprocess.Popen([*command, str(i)], stderr=subprocess.PIPE) for i in (0, 1)
    ]
    assert [process.communicate()[1] for process in both] == [b"", b""]
    assert statuses(data_home / "mlflow" / "mlflow.db") == ["FINISHED", "FINISHED"]
