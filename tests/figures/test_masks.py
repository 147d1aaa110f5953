"""Figures of what a network says of one image."""

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from lesionkit import figures
from lesionkit.figures import masks


def found(*, truth: bool = True, several: bool = False, name: str = "a"):
    """A square found one column too far to the right, 8 x 8."""
    mask, true = np.zeros((2, 8, 8), np.uint8)
    mask[2:6, 3:7], true[2:6, 2:6] = 1, 1
    return SimpleNamespace(
        name=name,
        image=np.full((8, 8, 3), 128, np.uint8),
        mask=mask,
        truth=true if truth else None,
        probability=0.2 + 0.6 * mask,
        spread=0.1 * mask if several else np.zeros((8, 8)),
    )


def titles(figure):
    """What stands above the panels."""
    return [axis.get_title() for axis in figure.axes if axis.get_title()]


def test_the_mask_is_coloured_by_what_is_right_and_its_dice_is_told():
    figure = masks.of_image(found())
    assert figure.get_suptitle() == "a: Dice 0.75"
    layer = figure.axes[1].images[1].get_array().data
    assert layer[2, 6] == pytest.approx(to_rgba(figures.ORANGE, 0.6))
    assert layer[2, 2] == pytest.approx(to_rgba(figures.SKY, 0.6))
    assert layer[2, 4] == pytest.approx(to_rgba(figures.GREEN, 0.6))
    assert titles(figure) == [
        "image",
        "mask, 25.0% of the image",
        "probability of lesion",
    ]


def test_without_a_ground_truth_the_mask_has_one_colour():
    figure = masks.of_image(found(truth=False))
    assert figure.get_suptitle() == "a"
    layer = figure.axes[1].images[1].get_array().data
    assert layer[2, 6] == pytest.approx(to_rgba(figures.GREEN, 0.6), abs=0.01)
    assert layer[2, 2, 3] == 0


def test_the_maps_have_stated_ends_and_the_spread_is_there_if_runs_vote():
    figure = masks.of_image(found(several=True))
    assert titles(figure)[-1] == "spread of the runs"
    _, _, probability, spread = figure.axes[:4]
    assert probability.images[0].get_clim() == (0, 1)
    assert spread.images[0].get_clim() == (0, 0.5)
    assert spread.images[0].get_array()[2, 3] == pytest.approx(0.1)


def test_several_images_each_have_name_and_dice_or_share():
    figure = masks.several_images([found(name="a"), found(truth=False, name="b")], 1)
    assert titles(figure) == ["a\nDice 0.75", "b\n25.0% marked"]


def test_two_empty_masks_agree():
    empty = found()
    empty.mask, empty.truth = np.zeros((2, 8, 8), np.uint8)
    assert masks.of_image(empty).get_suptitle() == "a: Dice 1.00"
