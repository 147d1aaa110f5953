"""Ignored pixels under the sliders and on the page: neither lesion nor background."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from made_comparison import held, made_comparison
from PIL import Image

from lesionkit import metrics
from lesionkit.figures import OVERLAY
from lesionkit.figures.pixels import rgb
from lesionkit.thresholds.comparison import Comparison, load_bundle
from lesionkit.thresholds.figures import two_rules
from lesionkit.thresholds.page import page
from lesionkit.thresholds.panels import Panels, Setting

PLAIN = made_comparison()
INNER = slice(4, -4)


def with_border(masks: np.ndarray) -> np.ndarray:
    """The masks with an ignored border of four pixels."""
    found = np.full_like(masks, 255)
    found[:, INNER, INNER] = masks[:, INNER, INNER]
    return found


@pytest.fixture
def ignoring() -> Comparison:
    return replace(PLAIN, masks=with_border(PLAIN.masks))


@pytest.fixture
def inner() -> Comparison:
    """The same images without the border."""
    parts = {n: getattr(PLAIN, n) for n in ("images", "masks", "logits")}
    cut = {n: a[:, INNER, INNER] for n, a in parts.items() if n != "logits"}
    return replace(PLAIN, **cut, logits=PLAIN.logits[:, :, INNER, INNER])


def test_dice_and_choices_are_those_of_the_pixels_that_count(ignoring, inner) -> None:
    np.testing.assert_array_equal(ignoring.dice(), inner.dice())
    assert ignoring.choices() == inner.choices()


def test_an_image_that_is_ignored_as_a_whole_is_no_choice(ignoring) -> None:
    masks = ignoring.masks.copy()
    masks[list(ignoring.files).index("empty.png")] = 255
    found = replace(ignoring, masks=masks)
    assert "empty" not in found.choices()
    assert "empty.png" not in found.choices().values()


def test_numbers_at_one_probability_are_those_of_the_pixels_that_count(
    ignoring, inner
) -> None:
    for cut in (0.2, 0.5, 0.8):
        setting = Setting("probability", probability=cut)
        both = [Panels(each, 1).numbers(setting) for each in (ignoring, inner)]
        assert both[0].equals(both[1])


@pytest.mark.parametrize("rule", ["raw_mean", "otsu"])
def test_the_cut_of_a_rule_is_that_of_the_whole_image(ignoring, rule) -> None:
    shown, plain = Panels(ignoring, 1), Panels(PLAIN, 1)
    np.testing.assert_array_equal(shown.cuts(Setting(rule)), plain.cuts(Setting(rule)))
    counts = metrics.counts(shown.predicted(Setting(rule)), shown.truth, ignore=True)
    dice = shown.numbers(Setting(rule))["dice"]
    np.testing.assert_array_equal(dice, metrics.per_image(counts)["dice"])


def test_no_colour_of_an_error_lies_over_ignored_pixels(ignoring) -> None:
    shown = Panels(ignoring, 1)
    marked = Setting("probability", probability=0.01)
    errors = shown.picture(replace(marked, view="errors"))
    plain = shown.picture(replace(marked, view="image"))
    left, top = shown.places[1]
    border = np.repeat(
        np.repeat(ignoring.masks[1] == 255, shown.times, 0), shown.times, 1
    )
    area = slice(top + 44, top + 44 + len(border)), slice(left, left + len(border))
    assert (errors[area][border] == plain[area][border]).all()
    assert (errors[area][~border] != plain[area][~border]).any()
    as_mask = shown.picture(replace(marked, view="mask"))[area]
    predicted = shown.predicted(marked)[0].numpy().repeat(shown.times, 0)
    predicted = predicted.repeat(shown.times, 1)
    assert (as_mask[border] == 255 * predicted[border][:, None]).all()


def test_the_page_says_which_pixels_are_ignored(ignoring, inner) -> None:
    image, plain = (held(page(each))["image-1"] for each in (ignoring, inner))
    content = base64.b64decode(image["truth"].partition(",")[2])
    truth = np.asarray(Image.open(io.BytesIO(content)))
    mask = ignoring.masks[ignoring.files.index(image["file"])]
    expected = np.select([mask == 1, mask == 255], [255, 128], 0)
    np.testing.assert_array_equal(truth, expected)
    assert image["lesion"] == plain["lesion"]
    totals = [
        sum(sum(loss[name]) for name in ("lesion", "background"))
        for loss in image["numbers"]
    ]
    assert totals == [24 * 24] * len(totals)


def test_the_page_of_an_image_without_a_pixel_that_counts_is_valid(ignoring) -> None:
    masks = ignoring.masks.copy()
    masks[0] = 255
    text = page(replace(ignoring, masks=masks), [ignoring.files[0]])
    assert set(held(text)["image-0"]["numbers"][0]["dice"]) == {None}


def test_a_bundle_keeps_what_is_ignored(ignoring, tmp_path) -> None:
    opened = load_bundle(ignoring.save(tmp_path / "a.npz"))
    np.testing.assert_array_equal(opened.masks, ignoring.masks)


def test_the_figure_of_two_rules_says_the_share_of_what_counts(ignoring, inner) -> None:
    says = [two_rules(each, 1).axes[0].get_xlabel() for each in (ignoring, inner)]
    assert says[0] == says[1] and says[0].startswith("lesion")
    assert rgb(OVERLAY["found (TP)"])
