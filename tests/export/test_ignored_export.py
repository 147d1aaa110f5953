"""Ignored pixels of a ground truth in predictions and on the page of test images."""

from __future__ import annotations

import numpy as np
import pytest
from made_ignored import BORDER, bordered, write_ignored, write_pairs
from made_models import list_small_model
from PIL import Image

from lesionkit.config import RunConfig
from lesionkit.export import browsing, inputs, prediction
from lesionkit.figures import TRUTH
from lesionkit.figures.masks import _agreement
from lesionkit.figures.pixels import rgb
from lesionkit.training.experiment import run

SMALL = {"dataset": "tiny", "size": 32, "epochs": 2, "batch_size": 4, "model": "small"}
INNER = slice(BORDER, -BORDER)


@pytest.fixture(autouse=True)
def small_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small network stands in the catalogue."""
    list_small_model(monkeypatch)


def test_predictions_are_scored_as_the_record_is(data_home) -> None:
    write_ignored()
    record = run(RunConfig(**SMALL), progress=False)
    network = prediction.Ensemble.of(record, "probability")
    found = [p.scores() for p in network.run(inputs.items_of_run(record))]
    table = record.images[record.images["threshold"] == "probability"]
    for name in ("tp", "fp", "fn", "tn", "dice"):
        assert [each[name] for each in found] == pytest.approx(table[name].tolist())


def test_predictions_on_a_folder_that_ignores_pixels(data_home, tmp_path) -> None:
    data = write_ignored()
    record = run(RunConfig(**SMALL), progress=False)
    for part, arrays in (("images", data.images), ("masks", data.masks)):
        (tmp_path / "own" / part).mkdir(parents=True)
        for i in (5, 9):
            Image.fromarray(np.array(arrays[i])).save(tmp_path / f"own/{part}/{i}.png")
    (tmp_path / "own" / "lesion_values.txt").write_text("1\nignore 255\n")
    network = prediction.Ensemble.of(record, "probability")
    for found in network.run(inputs.items_of(tmp_path / "own")):
        scores = found.scores()
        assert sum(scores[n] for n in ("tp", "fp", "fn", "tn")) == 24 * 24
        dice = _agreement(found.mask, found.truth)
        assert dice == f"Dice {scores['dice']:.2f}"


def test_the_page_of_test_images_has_the_dice_of_the_record(data_home) -> None:
    pairs = bordered()
    data = write_pairs("tiny", pairs, ignore=255)
    record = run(RunConfig(**SMALL), progress=False)
    whole = data.index["file"].tolist().index(record.images["file"].iloc[0])
    pairs[whole][1][:] = 255
    data = write_pairs("tiny", pairs, ignore=255)
    record = run(RunConfig(**SMALL, init_seed=7), progress=False)
    rows = browsing.rows_of([record])
    table = record.images[record.images["threshold"] == "probability"]
    table = table.set_index("file")
    assert np.isnan(table["dice"][data.index["file"][whole]])
    assert len(rows) == len(table) - 1
    for row in rows:
        mask = data.masks[data.index["file"].tolist().index(row["file"])]
        assert row["dice"][0] == pytest.approx(table["dice"][row["file"]])
        assert row["lesion"] == pytest.approx(mask[INNER, INNER].mean())


def test_ignored_pixels_have_neither_colour_nor_outline() -> None:
    image = np.full((12, 12, 1), 100, np.uint8)
    truth = np.full((12, 12), 255, np.uint8)
    truth[4:8, 4:8] = 0
    truth[5:7, 5:7] = 1
    shown = browsing._coloured(image, truth, np.ones((12, 12), np.uint8))
    assert (shown[truth == 255] == 100).all()
    assert (shown[truth != 255] != 100).any(1).all()
    outlined = browsing._outlined(image, truth)
    assert (outlined[0] == 100).all()
    assert (outlined[5, 5] == rgb(TRUTH)).all()


def test_the_agreement_with_an_image_that_is_ignored_as_a_whole_is_none() -> None:
    mask = np.ones((2, 2), np.uint8)
    assert _agreement(mask, np.full((2, 2), 255, np.uint8)) == "all ignored"
