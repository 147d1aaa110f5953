"""What is logged is read back by MLflow's own client."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from made_trackers import (
    A_SCORE,
    CONFIG,
    CURVES,
    PARAMETERS,
    SCORES,
    log_failed,
    log_killed,
    log_whole,
    row,
    statuses,
    stored_runs,
)
from made_trackers import no_settings as no_settings

from lesionkit.config import RunConfig
from lesionkit.records.trackers import tracker

pytestmark = pytest.mark.slow  # mlflow takes seconds to come up


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
    log_killed("mlflow", 5, scored=True)  # before the seal
    log_whole("mlflow", 6, 5)
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


def test_a_failure_is_told_once_and_ends_the_log_of_the_session(
    store: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    log_killed("mlflow", 1)
    with monkeypatch.context() as away:
        away.setattr("mlflow.MlflowClient.log_batch", None)
        log_whole("mlflow", 2, 4)
    assert [step for step, _ in points(store, "train_loss")] == [1]
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("logging to mlflow fails, the run goes on: ")
    log_whole("mlflow", 4, 5)
    assert [step for step, _ in points(store, "train_loss")] == [1, 4, 5]
    assert statuses(store) == ["FINISHED"]


def test_runs_that_begin_together_make_one_store(data_home: Path) -> None:
    pytest.importorskip("mlflow", reason="the extra mlflow is missing")
    code = (
        "import sys; from lesionkit.records.trackers import tracker;"
        "from lesionkit.config import RunConfig;"
        "log = tracker('mlflow', RunConfig(repeat=int(sys.argv[1])));"
        "log.epoch({'epoch': 1, 'train_loss': 1.0}); log.__exit__(None)"
    )
    command = [sys.executable, "-c", code]
    both = [
        subprocess.Popen([*command, str(i)], stderr=subprocess.PIPE) for i in (0, 1)
    ]
    assert [process.communicate()[1] for process in both] == [b"", b""]
    assert statuses(data_home / "mlflow" / "mlflow.db") == ["FINISHED", "FINISHED"]
