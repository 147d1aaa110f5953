"""What happens beside the loop: the bar, and that logs are not flooded."""

from __future__ import annotations

import io
import sys
import time

import pytest
from made_models import list_small_model

from lesionkit.config import RunConfig
from lesionkit.records.trackers import tracker
from lesionkit.training import session
from lesionkit.training.building import Setting, build, build_step
from lesionkit.training.loop import Progress
from lesionkit.training.session import Session

SMALL = {"dataset": "tiny", "size": 32, "model": "small", "batch_size": 4}


@pytest.fixture(autouse=True)
def small_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small network stands in the catalogue."""
    list_small_model(monkeypatch)


def begun(
    setting: Setting, folder, progress: Progress, *, logged=None, show: bool = False
) -> Session:
    """A session of that training; nothing is logged unless it is said."""
    logged = logged or tracker("none", None)
    step = build_step(setting)
    return Session(setting, step, folder, progress, logged=logged, show=show)


def test_a_log_file_gets_a_line_a_minute_and_a_terminal_a_bar_that_moves(
    tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = build(RunConfig(**SMALL))
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert session._bar(setting, Progress()).mininterval == 60
    sys.stderr.isatty = lambda: True
    assert session._bar(setting, Progress()).mininterval < 1


def test_two_hundred_epochs_leave_few_lines_in_a_log(
    tiny: str, monkeypatch: pytest.MonkeyPatch, data_home
) -> None:
    setting = build(RunConfig(**SMALL, epochs=200, save_seconds=1e9))
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    progress = Progress()
    with begun(setting, data_home, progress, show=True) as now:
        for epoch in range(1, 201):
            row = {"epoch": epoch, "train_loss": 1.0, "validation_dice": 0.5}
            progress.history.append(row | {"best_epoch": epoch})
            now.epoch(progress)
    written = log.getvalue()
    assert "200/200" in written
    assert len(written) < 600


def test_what_is_logged_is_the_row_of_the_epoch(tiny: str, data_home) -> None:
    class Kept:
        def epoch(self, row) -> None:
            rows.append(row)

    rows: list[dict] = []
    progress = Progress(history=[{"epoch": 1, "validation_dice": 0.25}])
    setting = build(RunConfig(**SMALL, save_seconds=1e9))
    with begun(setting, data_home, progress, logged=Kept()) as now:
        now.epoch(progress)
    assert rows == [{"epoch": 1, "validation_dice": 0.25}]


def test_the_meter_scales_the_cost_of_an_image_by_its_area(
    tiny: str, data_home
) -> None:
    meter = begun(build(RunConfig(**SMALL)), data_home, Progress()).meter
    assert meter.gmacs == pytest.approx(0.01 * (32 / 224) ** 2)
    assert (meter.trained, meter.validated) == (12, 4)


def test_a_session_ends_when_its_last_state_is_on_disk(
    tiny: str, data_home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(folder, content) -> None:
        time.sleep(0.3)
        stored.append(len(content))

    stored: list[int] = []
    monkeypatch.setattr(session.runs, "save_state", slow)
    setting = build(RunConfig(**SMALL, save_seconds=1e-9))
    progress = Progress(history=[{"epoch": 1, "validation_dice": 0.25}])
    with begun(setting, data_home, progress) as now:
        now.keeper.last -= 60
        now.epoch(progress)
        assert stored == []
    assert len(stored) == 1


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (0, "stopped in epoch 3 of 9, before a state was stored; run again, it begins"),
        (1, "stopped in epoch 3 of 9; run again, it goes on with epoch 2"),
    ],
)
def test_an_interrupt_says_with_which_epoch_the_run_will_go_on(
    tiny: str, data_home, kept, said
) -> None:
    setting = build(RunConfig(**SMALL, epochs=9, save_seconds=1e9))
    progress = Progress()
    with (
        pytest.raises(KeyboardInterrupt, match=said),
        begun(setting, data_home, progress) as now,
    ):
        for epoch in (1, 2):
            progress.epoch = epoch
            progress.history.append({"epoch": epoch, "validation_dice": 0.5})
            now.keeper.every_seconds = 0 if epoch == kept else 1e9
            now.epoch(progress)
        raise KeyboardInterrupt


def test_a_run_that_goes_on_says_so_and_keeps_its_best_dice(
    tiny: str, data_home, capsys
) -> None:
    row = {"epoch": 1, "validation_dice": 0.75}
    setting = build(RunConfig(**SMALL, save_seconds=1e9))
    progress = Progress(epoch=1, history=[row])
    with begun(setting, data_home, progress, show=True) as now:
        progress.history.append({"epoch": 2, "validation_dice": 0.5})
        now.epoch(progress)
    said = capsys.readouterr().err
    assert "training tiny, small, ioufocal, repeat 0, going on with epoch 2" in said
    assert "epoch 2/12, validation Dice 0.500, best 0.750" in said
