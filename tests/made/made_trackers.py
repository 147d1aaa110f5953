"""Sessions of a run, logged whole, killed or failed, and what mlflow keeps of them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
from made_records import metrics

from lesionkit.config import RunConfig
from lesionkit.records import trackers
from lesionkit.records.trackers import tracker

CONFIG = RunConfig(loss="dice")
PARAMETERS = {k: v for k, v in asdict(CONFIG.resolved()).items() if v is not None}
CURVES = ("train_loss", "validation_dice", "best_epoch")
METRICS = metrics(0.75)
SCORES = {"test/probability/image/dice": 0.75, "validation/raw_mean/pooled/dice": 0.72}
A_SCORE = "test/probability/image/dice"


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


def log_killed(name: str, last: int, *, scored: bool = False) -> None:
    """A session that logs some epochs, perhaps its scores, and is never closed."""
    log = tracker(name, CONFIG)
    for epoch in range(1, last + 1):
        log.epoch(row(epoch))
    if scored:
        log.end(METRICS | {"epochs": last})


def log_failed(name: str, last: int) -> None:
    """A session that ends with an exception."""
    with pytest.raises(FloatingPointError), tracker(name, CONFIG) as log:
        for epoch in range(1, last + 1):
            log.epoch(row(epoch))
        raise FloatingPointError("the loss is nan")


def stored_runs(store: Path) -> list:
    """Every run of the demo protocol that mlflow's client finds."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{store}")
    experiment = client.get_experiment_by_name("lesionkit/demo")
    return client.search_runs([experiment.experiment_id])


def statuses(store: Path) -> list[str]:
    """The status of every run."""
    return [run.info.status for run in stored_runs(store)]
