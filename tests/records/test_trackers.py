"""What is logged is read back by TensorBoard; a missing library is told in one line."""

from __future__ import annotations

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
)
from made_trackers import no_settings as no_settings

from lesionkit.extras import install
from lesionkit.records import trackers
from lesionkit.records.trackers import tracker


def test_an_unknown_tracker_gets_the_nearest_name() -> None:
    with pytest.raises(ValueError, match="'tensorbord'. Did you mean 'tensorboard'?"):
        tracker("tensorbord", CONFIG)


def test_without_a_tracker_nothing_is_written_and_no_library_is_loaded(
    tmp_path: Path,
) -> None:
    code = (
        "import sys; from lesionkit.records.trackers import tracker;"
        "from lesionkit.config import RunConfig;"
        "log = tracker('none', RunConfig());"
        "log.epoch({'epoch': 1}); log.__exit__(None);"
        "print({'torch', 'tensorboard', 'mlflow'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("set()\n", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "library"),
    [
        ("tensorboard", "tensorboard.summary.writer.event_file_writer"),
        ("mlflow", "mlflow"),
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


def test_tensorboard_has_the_epochs_of_a_failure_and_of_its_resume(
    events: Path,
) -> None:
    log_failed("tensorboard", 2)
    assert len(curve(events, "train_loss")) == 2
    log_whole("tensorboard", 3, 5)
    assert [step for step, _ in curve(events, "train_loss")] == [1, 2, 3, 4, 5]


def test_tensorboard_loads_no_torch(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra tensorboard is missing")
    code = (
        "import sys; from lesionkit.records.trackers import tracker;"
        "from lesionkit.config import RunConfig;"
        "log = tracker('tensorboard', RunConfig()); log.epoch({'epoch': 1, 'a': 1.0});"
        "log.__exit__(None); print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("False\n", "")


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
