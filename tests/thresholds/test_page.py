"""The page without a kernel: every mask of its sliders is in it, to the pixel."""

from __future__ import annotations

import base64
import io
import re
from functools import cache

import numpy as np
import pytest
from made_comparison import held, made_comparison
from PIL import Image

from lesionkit.thresholds.comparison import CHOICES
from lesionkit.thresholds.page import levels, page, settings, write_page
from lesionkit.thresholds.panels import Panels

COMPARISON = made_comparison()


@cache
def whole() -> str:
    """The page, made once."""
    return page(COMPARISON)


def pixels(address: str) -> np.ndarray:
    """An embedded picture as an array."""
    content = base64.b64decode(address.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(content)))


def test_nested_masks_come_back_from_one_map():
    masks = np.array([[[1, 1, 0]], [[1, 1, 1]], [[1, 0, 0]], [[1, 1, 0]], [[0, 0, 0]]])
    level, need = levels(masks)
    assert np.array_equal(level[None] >= need[:, None, None], masks)


def test_masks_that_are_not_nested_are_refused():
    with pytest.raises(ValueError, match="not nested"):
        levels(np.array([[[1, 0]], [[0, 1]]]))


def test_more_masks_than_a_byte_counts_are_refused():
    with pytest.raises(ValueError, match="more than a byte counts"):
        levels(np.ones((256, 1, 1), int))


@pytest.mark.parametrize("index", [0, 49, 98, 99, 109, 119, 120, 140, 141, 161])
def test_every_position_of_the_sliders_has_the_mask_of_the_library(index):
    image = held(whole())["image-0"]
    shown = Panels(COMPARISON, COMPARISON.files.index(image["file"]))
    expected = shown.predicted(settings()[index]).numpy()
    found = [
        pixels(numbers["levels"]) >= numbers["need"][index]
        for numbers in image["numbers"]
    ]
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("index", [0, 60, 109, 161])
def test_every_position_of_the_sliders_has_the_numbers_of_the_library(index):
    image = held(whole())["image-1"]
    shown = Panels(COMPARISON, COMPARISON.files.index(image["file"]))
    expected = shown.numbers(settings()[index])
    for column in ("cut", "marked", "dice"):
        found = [numbers[column][index] for numbers in image["numbers"]]
        assert found == pytest.approx(expected[column].tolist(), rel=1e-5)


def test_there_are_99_probabilities_and_21_steps_of_three_rules():
    rules = [setting.rule for setting in settings()]
    assert [rules.count(rule) for rule in dict.fromkeys(rules)] == [99, 21, 21, 21]


def test_the_page_offers_an_image_for_every_rule_and_says_which():
    data = held(whole())["data"]
    says = {says.partition(":")[0]: data["files"][i] for says, i in data["chosen"]}
    assert list(says) == list(CHOICES.values())
    assert says["the smallest lesion that is not empty"] == "small.png"
    assert says["the largest lesion"] == "large.png"


def test_the_page_has_every_image_the_smallest_lesion_first():
    found = held(whole())
    files = ["empty.png", "small.png", "middle.png", "large.png"]
    assert found["data"]["files"] == files
    assert [found[f"image-{i}"]["file"] for i in range(4)] == files
    assert "4 of 4 test images" in whole()


def test_the_page_asks_the_network_for_nothing():
    addresses = re.findall(r"""(?:src|href)\s*=\s*["']([^"']*)""", whole())
    assert addresses and all(a.startswith("data:") for a in addresses)
    assert "http" not in re.sub(r"data:[^\"']*", "", whole())


def test_no_placeholder_is_left_and_a_title_cannot_inject():
    from dataclasses import replace

    wicked = replace(COMPARISON, title="<b>x</script>", files=("</script>", *"abc"))
    text = page(wicked, ["</script>"])
    assert re.findall(r"__[A-Z]+__", text) == []
    assert "<b>x" not in text and text.count("</script>") == 3
    assert held(text)["image-0"]["file"] == "</script>"


def test_only_the_images_asked_for_are_in_it(tmp_path):
    path = write_page(COMPARISON, tmp_path / "new" / "page.html", ["empty"])
    assert held(path.read_text())["data"]["files"] == ["empty.png"]
    assert "1 of 4 test images" in path.read_text()


def test_an_image_that_is_asked_for_twice_is_there_once():
    text = page(COMPARISON, ["largest", "large.png", "smallest"])
    assert held(text)["data"]["files"] == ["large.png", "small.png"]


def test_an_unknown_image_writes_nothing(tmp_path):
    with pytest.raises(ValueError, match="unknown image"):
        write_page(COMPARISON, tmp_path / "page.html", ["smalest"])
    assert list(tmp_path.glob("*.html")) == []
