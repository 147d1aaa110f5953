"""A record to its predictions again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from made_models import list_small_model

import lesionkit as lk
from lesionkit import masks, metrics
from lesionkit.config import RunConfig
from lesionkit.records import runs
from lesionkit.training.experiment import run

SMALL = {"dataset": "tiny", "size": 32, "epochs": 2, "batch_size": 4, "model": "small"}


@pytest.fixture(autouse=True)
def small_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small network stands in the catalogue."""
    list_small_model(monkeypatch)


def train(**parameters) -> runs.RunRecord:
    """A short run on the tiny set."""
    return run(RunConfig(**(SMALL | parameters)), progress=False)


def test_the_predictions_are_those_of_the_record(tiny: str) -> None:
    record = train()
    found = lk.replay(record)
    table = record.images[record.images["threshold"] == "probability"]
    assert found.files.tolist() == table["file"].tolist()
    counts = metrics.counts(
        masks.probability_mask(torch.from_numpy(found.logits)), found.masks
    )
    assert counts.tolist() == table[["tp", "fp", "fn", "tn"]].to_numpy().tolist()


def test_the_validation_part_can_be_replayed(tiny: str) -> None:
    record = train()
    found = lk.replay(record, "validation")
    names = record.split.loc[record.split["part"] == "validation", "file"]
    assert set(found.files) == set(names)
    counts = metrics.counts(
        masks.probability_mask(torch.from_numpy(found.logits)), found.masks
    )
    best = record.history["validation_dice"].max()
    assert metrics.scores(counts)["dice"] == pytest.approx(best, rel=1e-9)


def test_the_logits_kept_for_figures_are_those_of_the_images_named(tiny: str) -> None:
    record = train()
    found, data = lk.replay(record), lk.data_of(record)
    with np.load(record.folder / "logits.npz") as kept:
        names = data.index["file"].to_numpy()[kept["positions"]].tolist()
        places = [found.files.tolist().index(name) for name in names]
        assert np.array_equal(kept["logits"], found.logits[places].astype(np.float16))
        areas = (data.masks[kept["positions"]] == 1).sum((1, 2))
    assert len(names) > 2 and (np.diff(areas.astype(int)) >= 0).all()


def test_the_conventions_start_from_the_score_of_the_record(tiny: str) -> None:
    record = train()
    found = lk.replay(record)
    table = lk.conventions.table(found.logits, found.masks)
    stored = record.metrics["test"]["probability"]
    assert table.loc["mean over images", "dice"] == pytest.approx(
        stored["image"]["dice"]
    )
    assert table.loc["pooled over the set", "iou"] == pytest.approx(
        stored["pooled"]["iou"]
    )


def test_predictions_that_are_not_the_records_are_refused(tiny: str) -> None:
    record = train()
    table = pd.read_csv(record.folder / "images.csv")
    table.loc[0, "tp"] += 2  # of 1,024 pixels
    table.to_csv(record.folder / "images.csv", index=False)
    runs.finish(record.folder)  # sealed with these counts
    with pytest.raises(ValueError, match=r"1 of \d+ test images are not predicted"):
        lk.replay(runs.RunRecord(record.folder))


@pytest.mark.parametrize("part", ["validation", "test"])
def test_weights_that_were_changed_are_refused(tiny: str, part: str) -> None:
    record = train()
    path = record.folder / "best.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # the last bits of one weight
    path.write_bytes(content)
    with pytest.raises(ValueError, match="best.safetensors was changed after the run"):
        lk.replay(record, part)


def test_a_run_without_weights_says_how_to_keep_them(tiny: str) -> None:
    record = train(keep_weights="none")
    with pytest.raises(FileNotFoundError, match="keep_weights best"):
        lk.replay(record)


def test_an_unknown_part_is_refused(tiny: str) -> None:
    with pytest.raises(ValueError, match="unknown part 'tset'. Did you mean 'test'"):
        lk.replay(train(), "tset")


def test_a_run_of_practice_is_replayed_as_it_was_scored(tiny: str) -> None:
    record = train(protocol="practice")
    assert len(lk.replay(record).files) > 2  # counts that differ would be refused
    assert len(lk.replay(record, "validation").files) > 2
