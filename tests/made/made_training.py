"""Short runs of the small network on the tiny set."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_models import list_small_model

from lesionkit.config import RunConfig
from lesionkit.records import runs
from lesionkit.training import experiment

SMALL = {"dataset": "tiny", "size": 32, "epochs": 2, "batch_size": 4, "model": "small"}
FILES = {
    "DONE",
    "best.safetensors",
    "config.json",
    "curves.npz",
    "environment.json",
    "history.csv",
    "history.svg",
    "images.csv",
    "logits.npz",
    "metrics.json",
    "split.csv",
}


@pytest.fixture(autouse=True)
def small_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small network stands in the catalogue."""
    list_small_model(monkeypatch)


def train(**parameters) -> runs.RunRecord:
    """A short run on the tiny set."""
    return experiment.run(RunConfig(**(SMALL | parameters)), progress=False)


def visible(folder: Path) -> set[str]:
    """Names of the files of a record."""
    return {path.name for path in folder.iterdir() if path.name[0] != "."}
