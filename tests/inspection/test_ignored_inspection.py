"""What inspection, splits and figures take ignored pixels for."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from made_ignored import BORDER, bordered, cut
from PIL import Image

from lesionkit import figures, inspection
from lesionkit.inspection.colour import colour_dice
from lesionkit.splits import leakage

LABELLED = np.full((12, 12), 255, np.uint8)
LABELLED[3:9, 3:9] = 0
LABELLED[5:7, 5:7] = 1


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A user's folder of discs with an ignored border."""
    for i, pair in enumerate(bordered(12)):
        for kind, array in zip(("images", "masks"), pair, strict=True):
            (tmp_path / kind).mkdir(exist_ok=True)
            Image.fromarray(array).save(tmp_path / kind / f"{i:02d}.png")
    (tmp_path / "lesion_values.txt").write_text("1\nignore 255\n")
    return tmp_path


def test_shares_and_findings_are_those_of_the_pixels_that_count(raw: Path) -> None:
    report = inspection.inspect("mine", raw)
    shares = [mask.mean() for _, mask in cut(bordered(12))]
    assert report.facts["lesion_share_max"] == pytest.approx(max(shares))
    assert report.facts["lesion_share_median"] == pytest.approx(np.median(shares))
    kinds = {finding.kind: finding.files for finding in report.findings}
    assert "background marked" not in kinds and "full mask" not in kinds
    assert len(kinds["empty mask"]) == sum(share == 0 for share in shares)


def test_dice_of_two_labels_is_that_of_the_pixels_that_count_in_both() -> None:
    other = np.where(LABELLED == 255, 1, LABELLED)
    other[5, 5], other[0] = 255, 0
    assert leakage.dice(LABELLED, other, ignore=True) == 1
    assert leakage.dice(LABELLED, other) < 1
    whole = np.full_like(LABELLED, 255)
    assert np.isnan(leakage.dice(LABELLED, whole, ignore=True))


def test_colour_alone_is_fitted_and_scored_on_the_pixels_that_count() -> None:
    random = np.random.default_rng(2)
    masks = (random.random((6, 14, 14)) < 0.3).astype(np.uint8)
    images = random.random((6, 14, 14, 3)) * 0.8 + 0.4 * masks[..., None]
    edge = np.ones((14, 14), bool)
    edge[BORDER:-BORDER, BORDER:-BORDER] = False
    ignoring = np.where(edge, 255, masks).astype(np.uint8)
    parts = {"train": np.arange(4), "test": np.arange(4, 6)}
    inner = slice(BORDER, -BORDER)
    found = colour_dice(images, ignoring, **parts)
    expected = colour_dice(images[:, inner, inner], masks[:, inner, inner], **parts)
    assert found == pytest.approx(expected, abs=1e-12)
    assert 0.3 < found < 1


def test_figures_outline_the_lesion_alone_and_colour_no_ignored_pixel() -> None:
    image = np.zeros((12, 12, 1), np.uint8)
    _, axis = plt.subplots()
    figures.draw_image(axis, image, LABELLED)
    (drawn,) = axis.collections
    corners = np.concatenate([path.vertices for path in drawn.get_paths()])
    assert corners.min() >= 4 and corners.max() <= 7
    _, axis = plt.subplots()
    figures.draw_errors(axis, image, LABELLED, predicted=np.ones((12, 12), bool))
    layer = axis.images[-1].get_array()
    assert (layer[LABELLED == 255] == 0).all()
    assert (layer[LABELLED != 255][:, 3] > 0).all()
    plt.close("all")
