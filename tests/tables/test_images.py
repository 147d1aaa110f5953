"""Scores by image: who belongs together, and that records without groups have them."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lesionkit.inference import grids
from lesionkit.tables import images

FILES = [f"{k}.png" for k in range(12)]


@pytest.fixture
def records(monkeypatch):
    """Two runs of two losses over twelve images, of which the first two share a group.

    Returns the table; its argument is the group of every image.
    """

    def table(groups):
        split = {"file": FILES, "content_hash": [f"h{k}" for k in range(12)]}
        split = pd.DataFrame(split | {"group": groups})

        def record(folder):
            shift = {"dice": 0.1, "iou": 0.0}[folder.name]
            rows = {"file": FILES, "dice": shift + np.linspace(0.2, 0.8, 12)}
            rows = pd.DataFrame(rows | {"threshold": "probability"})
            raw = rows.assign(threshold="raw_mean", dice=0.0)
            return SimpleNamespace(images=pd.concat([rows, raw]), split=split)

        monkeypatch.setattr(images, "RunRecord", record)
        names = ["dice", "iou"]
        found = {"dataset": "mine", "model": "unet", "loss": names, "repeat": 0}
        return pd.DataFrame(found | {"dice": [0.6, 0.5], "folder": names})

    return table


def test_an_image_whose_group_is_not_known_is_a_group_of_its_own(records):
    rows = images.of_records(records(["a", "a"] + [""] * 10), "dice")
    assert len(rows) == 24
    assert list(rows["group"][:4]) == ["a", "a", "h2", "h3"]
    assert list(rows["image"][:2]) == ["h0", "h1"]
    assert rows["dice"].min() == pytest.approx(0.2)


@pytest.mark.parametrize(("groups", "unit"), [([""] * 12, "images"), (None, "groups")])
def test_records_of_one_data_set_are_compared_by_image(records, groups, unit):
    table = records(groups or ["a", "a"] + [""] * 10)
    found = grids.full_grid(table, "dice").images
    assert (found.unit, found.count) == (unit, 12 if groups else 11)


def test_a_table_without_records_has_no_scores_by_image():
    assert images.of_records(pd.DataFrame({"dice": [0.5]}), "dice") is None
