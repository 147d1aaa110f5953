"""The picture under the sliders: its numbers are those of masks and metrics."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from made_comparison import made_comparison
from PIL import Image

from lesionkit import masks, metrics
from lesionkit.figures.pixels import outline, png, rgb
from lesionkit.thresholds import panels
from lesionkit.thresholds.panels import Panels, Setting

COMPARISON = made_comparison()


@pytest.fixture
def shown() -> Panels:
    """The image with the lesion of middle size."""
    return Panels(COMPARISON, COMPARISON.position("median"))


def logits_of(shown: Panels) -> torch.Tensor:
    """What is cut, straight from the comparison."""
    stored = COMPARISON.logits[:, shown.position].astype(np.float32)
    return torch.from_numpy(stored)


RULES = {
    "raw_mean": masks.raw_mean_mask,
    "otsu": masks.otsu_mask,
    "best_validation": lambda logits: (
        logits >= torch.tensor(COMPARISON.validation_cuts).view(-1, 1, 1)
    ).to(torch.uint8),
}


@pytest.mark.parametrize("rule", RULES)
def test_at_the_end_of_the_way_the_mask_is_that_of_the_rule(shown, rule):
    assert shown.predicted(Setting(rule)).equal(RULES[rule](logits_of(shown)))


@pytest.mark.parametrize("rule", RULES)
def test_at_the_start_of_the_way_the_mask_is_that_of_probability_one_half(shown, rule):
    found = shown.predicted(Setting(rule, way=0.0))
    assert found.equal(masks.probability_mask(logits_of(shown)))


def test_half_way_the_cut_is_half_the_mean(shown):
    cuts = shown.cuts(Setting("raw_mean", way=0.5))
    assert cuts == pytest.approx(logits_of(shown).mean((1, 2)).numpy() / 2, rel=1e-5)


def test_a_tie_is_as_in_masks_at_both_ends(shown):
    flat = replace(COMPARISON, logits=np.zeros_like(COMPARISON.logits))
    constant = Panels(flat, 0)
    assert constant.predicted(Setting("raw_mean")).sum() == 0
    assert constant.predicted(Setting("raw_mean", way=0.0)).all()
    assert constant.predicted(Setting("probability")).all()


def test_numbers_are_dice_and_share_of_the_mask(shown):
    setting = Setting("probability", probability=0.3)
    table = shown.numbers(setting)
    predicted = masks.probability_mask(logits_of(shown), 0.3)
    truth = np.stack([COMPARISON.masks[shown.position]] * 3)
    dice = metrics.per_image(metrics.counts(predicted, truth))["dice"]
    assert table["dice"].tolist() == dice.tolist()
    assert table["marked"].tolist() == pytest.approx(
        predicted.double().mean((1, 2)).tolist(), abs=1e-7
    )
    assert list(table["loss"]) == list(COMPARISON.losses)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"rule": "raw_men"}, "Did you mean 'raw_mean'"),
        ({"view": "errorr"}, "Did you mean 'errors'"),
        ({"way": 1.5}, "way must be from 0 to 1, got 1.5"),
        ({"probability": -0.1}, "probability must be from 0 to 1"),
    ],
)
def test_a_setting_that_is_not_allowed_is_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        Setting(**wrong)


def tile(shown: Panels, setting: Setting, i: int) -> np.ndarray:
    """The image part of a loss's tile, one pixel for each of its pixels."""
    left, top = shown.places[i + 1]
    height, width = shown.shown.shape
    picture = shown.picture(setting)[top + panels.TITLE :, left:][:height, :width]
    times = shown.times
    return picture[times // 2 :: times, times // 2 :: times]


def inside(shown: Panels) -> np.ndarray:
    """Pixels that the outline does not touch, whatever they are enlarged by."""
    edge = outline(shown.shown)
    times = shown.times
    return ~edge[times // 2 :: times, times // 2 :: times]


def test_the_mask_view_is_white_where_the_mask_is(shown):
    setting = Setting("raw_mean", way=0.4, view="mask")
    found = tile(shown, setting, 2)
    predicted = shown.predicted(setting)[2].numpy().astype(bool)
    clear = inside(shown)
    assert (found[predicted & clear] == 255).all()
    assert (found[~predicted & clear] == 0).all()


def test_each_kind_of_error_has_its_colour(shown):
    setting = Setting("raw_mean", way=0.0)
    found = tile(shown, setting, 1).astype(int)
    predicted = shown.predicted(setting)[1].numpy().astype(bool)
    truth, clear = shown.mask.astype(bool), inside(shown)
    image = COMPARISON.images[shown.position].astype(float)
    kinds = [predicted & truth, predicted & ~truth, ~predicted & truth]
    for kind, colour in zip(kinds, panels.OVERLAY.values(), strict=True):
        expected = 0.4 * image + 0.6 * np.array(rgb(colour))
        kind = kind & clear
        assert kind.any()
        assert np.abs(found[kind] - expected[kind]).max() <= 1
    nothing = ~predicted & ~truth & clear
    assert (found[nothing] == image[nothing]).all()


def test_the_image_view_is_the_image(shown):
    found = tile(shown, Setting(view="image"), 0)
    clear = inside(shown)
    assert (found[clear] == COMPARISON.images[shown.position][clear]).all()


def test_the_lines_of_the_cuts_stand_where_the_cuts_are(shown):
    setting = Setting("raw_mean", way=0.5)
    left, top = shown.places[1]
    height, width = shown.shown.shape
    row = shown.picture(setting)[top + panels.TITLE + height + 6, left:][:width]
    low, high = shown.ranges[0]
    for cut, colour in (
        (0.0, panels.HALF),
        (shown.cuts(Setting("raw_mean"))[0], panels.OWN),
        (shown.cuts(setting)[0], panels.INK),
    ):
        at = np.flatnonzero((row == rgb(colour)).all(1))
        assert abs(at.mean() - (cut - low) / (high - low) * (width - 1)) <= 1


@pytest.mark.parametrize("dtype", [np.uint8, bool])
def test_the_outline_touches_both_sides_of_the_border(dtype):
    mask = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], dtype)
    assert outline(mask).astype(int).tolist() == [
        [0, 1, 0],
        [1, 1, 1],
        [0, 1, 0],
    ]


@pytest.mark.parametrize(("side", "times"), [(32, 7), (224, 1), (512, 1)])
def test_a_tile_is_about_as_large_whatever_the_image(side, times):
    found = Panels(made_comparison(side, losses=1), 0)
    assert found.times == times
    assert 150 <= found.shown.shape[0] <= 300


def test_the_bytes_are_the_picture(shown):
    picture = shown.picture(Setting())
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png(picture)))), picture)


def test_an_image_of_16_bits_and_one_channel_is_drawn():
    images = (COMPARISON.images[..., :1].astype(np.uint16)) * 257
    grey = replace(COMPARISON, images=images)
    found = tile(Panels(grey, 0), Setting(view="image"), 0)
    clear = inside(Panels(grey, 0))
    assert (found[clear][:, 0] == COMPARISON.images[0, ..., 0][clear]).all()
