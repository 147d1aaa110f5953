"""Boundary metrics on squares whose distances are known."""

import sys

import numpy as np
import pytest
import torch

from lesionkit.metrics import boundary


def square(*corners, side=32):
    """An image (1, side, side) with filled squares (top, left, bottom, right)."""
    image = np.zeros((1, side, side), np.uint8)
    for top, left, bottom, right in corners:
        image[0, top:bottom, left:right] = 1
    return image


MASK = square((8, 8, 16, 16))


def test_equal_outlines_have_distance_0_and_surface_dice_1():
    found = boundary.per_image(MASK, MASK)
    assert found["hausdorff95"].tolist() == [0]
    assert found["surface_dice"].tolist() == [1]


def test_a_square_moved_by_three_pixels_is_three_off():
    moved = square((8, 11, 16, 19))
    assert boundary.per_image(moved, MASK)["hausdorff95"].tolist() == [3]
    apart = boundary.per_image(moved, MASK, spacing=0.5)
    assert apart["hausdorff95"].tolist() == [1.5]


def test_the_tolerance_decides_what_is_near():
    moved = square((8, 11, 16, 19))
    loose = boundary.per_image(moved, MASK, tolerance=3)["surface_dice"][0]
    strict = boundary.per_image(moved, MASK, tolerance=2.9)["surface_dice"][0]
    assert loose == 1
    # of the 28 pixels of each outline, those of the far sides are three pixels off
    assert 0 < strict < 1


def test_five_percent_of_outliers_do_not_count():
    spot = square((8, 8, 16, 16), (30, 30, 31, 31))
    # one of 29 outline pixels is far away
    assert boundary.per_image(spot, MASK)["hausdorff95"][0] < 3


def test_empty_images_are_undefined_or_0_and_never_good_by_chance():
    empty = np.zeros_like(MASK)
    predicted = np.concatenate([empty, empty, MASK, MASK])
    mask = np.concatenate([empty, MASK, empty, MASK])
    found = boundary.per_image(predicted, mask)
    assert found["surface_dice"].tolist() == [1, 0, 0, 1]
    assert np.isnan(found["hausdorff95"]).tolist() == [True, True, True, False]
    whole = boundary.scores(predicted, mask)
    assert (whole["hausdorff95"], whole["surface_dice"]) == (0, 0.5)
    assert whole["undefined"] == {"hausdorff95": 3, "surface_dice": 0}


def test_tensors_with_a_channel_axis_are_taken():
    found = boundary.per_image(torch.from_numpy(MASK)[:, None].bool(), MASK)
    assert found["hausdorff95"].tolist() == [0]


def test_without_monai_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "monai.metrics", None)
    with pytest.raises(ImportError, match="uv sync --extra boundary, or pip"):
        boundary.scores(MASK, MASK)


@pytest.mark.parametrize(
    ("predicted", "options", "message"),
    [
        (MASK, {"tolerance": -1}, "tolerance must be 0 or more, got -1"),
        (MASK[:, :5], {}, "one shape"),
        (MASK * 2, {}, "predicted values must be 0 or 1"),
    ],
)
def test_wrong_input_is_refused(predicted, options, message):
    with pytest.raises(ValueError, match=message):
        boundary.per_image(predicted, MASK, **options)
