"""The toy data set: it is always the same, and colour alone does not solve it."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from colour_baselines import threshold_scores
from PIL import Image

from lesionkit.datasets.toy import samples
from lesionkit.inspection.colour import colour_dice

LOOKS = ("skin", "endoscopy", "ultrasound")
SIZE = 64  # pixels a side, where the baselines are measured


@pytest.fixture(scope="module")
def toy_samples():
    return samples()


@pytest.fixture(scope="module")
def drawn(toy_samples):
    return [sample.read() for sample in toy_samples]


@pytest.fixture(scope="module")
def small(drawn):
    side = (SIZE, SIZE)
    images = [Image.fromarray(image).resize(side) for image, _ in drawn]
    masks = [Image.fromarray(255 * mask).resize(side) for _, mask in drawn]
    return np.stack(images) / 255, np.stack(masks) > 127


@pytest.fixture(scope="module")
def parts(drawn):
    order = np.random.default_rng(42).permutation(len(drawn))
    cut = round(0.6 * len(drawn))
    return {"train": order[:cut], "test": order[cut:]}


@pytest.fixture(scope="module")
def thresholds(small, parts):
    return threshold_scores(*small, **parts)


@pytest.fixture(scope="module")
def regression(small, parts):
    return colour_dice(*small, **parts)


def test_each_look_has_99_images(toy_samples):
    assert Counter(s.look for s in toy_samples) == dict.fromkeys(LOOKS, 99)


def test_names_are_unique_and_start_with_their_look(toy_samples):
    names = [sample.name for sample in toy_samples]
    assert len(set(names)) == 297
    assert [names[0], names[99], names[198]] == [f"{look}_000" for look in LOOKS]


def test_every_patient_has_two_to_four_images_of_one_look(toy_samples):
    sizes = Counter(sample.group for sample in toy_samples)
    assert len(sizes) == 99
    assert set(sizes.values()) == {2, 3, 4}
    assert all(s.group.startswith(s.look) for s in toy_samples)


def test_the_raw_folder_is_not_looked_at(toy_samples):
    assert samples(Path("no/such/folder")) == toy_samples


def test_images_are_three_channels_of_bytes_and_masks_are_zero_or_one(drawn):
    assert {image.shape for image, _ in drawn} == {(256, 256, 3)}
    assert {mask.shape for _, mask in drawn} == {(256, 256)}
    assert {array.dtype for pair in drawn for array in pair} == {np.dtype(np.uint8)}
    assert set(np.unique([mask for _, mask in drawn])) == {0, 1}


def test_ultrasound_is_grey_and_the_other_looks_are_not(toy_samples, drawn):
    grey = {
        sample.look
        for sample, (image, _) in zip(toy_samples, drawn, strict=True)
        if (image == image[..., :1]).all()
    }
    assert grey == {"ultrasound"}


def test_four_images_over_all_looks_have_no_lesion(toy_samples, drawn):
    empty = [
        sample.look
        for sample, (_, mask) in zip(toy_samples, drawn, strict=True)
        if not mask.any()
    ]
    assert len(empty) == 4
    assert set(empty) == set(LOOKS)


def test_lesions_cover_one_to_forty_percent(drawn):
    shares = np.array([mask.mean() for _, mask in drawn if mask.any()])
    assert 0.01 < shares.min() < 0.03
    assert 0.35 < shares.max() < 0.41


@pytest.mark.parametrize("look", LOOKS)
def test_drawing_twice_gives_the_same_bytes(look):
    first, second = [[s for s in samples() if s.look == look][3] for _ in range(2)]
    assert all(map(np.array_equal, first.read(), second.read()))
    assert first.hashes() == second.hashes()


def test_no_two_images_have_the_same_bytes(drawn):
    assert len({image.tobytes() for image, _ in drawn}) == 297


def test_the_first_images_of_the_looks_have_different_hashes(toy_samples):
    first = [toy_samples[place].hashes() for place in (0, 99, 198)]
    assert len({image for image, _ in first}) == 3
    assert len({mask for _, mask in first}) == 3


def test_a_threshold_on_colour_scores_under_0_6(thresholds):
    assert max(thresholds.values()) < 0.6


def test_logistic_regression_on_colour_scores_under_0_7(regression):
    assert regression < 0.7


def test_both_colour_baselines_find_something(thresholds, regression):
    assert max(thresholds.values()) > 0.05
    assert regression > 0.05
