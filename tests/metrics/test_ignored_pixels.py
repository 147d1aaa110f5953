"""Pixels of 255 in a mask: every metric is that of the pixels that count."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lesionkit import metrics
from lesionkit.masks import probability_mask
from lesionkit.metrics import calibration, conventions, lesions
from lesionkit.metrics.streaming import PrecisionRecall

INNER = slice(3, -3)


@pytest.fixture
def pixels() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits (5, 20, 20), masks with an ignored border, and masks of 0 and 1."""
    random = torch.Generator().manual_seed(4)
    logits = torch.randn(5, 20, 20, generator=random)
    plain = (torch.rand(5, 20, 20, generator=random) < 0.3).to(torch.uint8)
    plain[0] = 0
    mask = torch.full_like(plain, 255)
    mask[:, INNER, INNER] = plain[:, INNER, INNER]
    return logits, mask, plain


def cropped(values: torch.Tensor) -> torch.Tensor:
    return values[:, INNER, INNER]


def test_four_pixels_of_which_one_is_ignored_are_three() -> None:
    found = metrics.counts(
        np.array([[[1, 1, 0, 0]]]), np.array([[[1, 255, 1, 0]]]), ignore=True
    )
    assert found.tolist() == [[1, 0, 1, 1]]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32])
def test_counts_are_those_of_the_pixels_that_count(pixels, dtype) -> None:
    logits, mask, _ = pixels
    predicted = probability_mask(logits)
    found = metrics.counts(predicted, mask.to(dtype), ignore=True)
    assert torch.equal(found, metrics.counts(cropped(predicted), cropped(mask)))
    assert found.sum(1).tolist() == [14 * 14] * 5


def test_ap_and_its_curve_are_those_of_the_pixels_that_count(pixels) -> None:
    logits, mask, _ = pixels
    found = metrics.average_precision(logits, mask, ignore=True)
    assert found == metrics.average_precision(cropped(logits), cropped(mask))
    curves = (
        metrics.pr_curve(logits, mask, ignore=True),
        metrics.pr_curve(cropped(logits), cropped(mask)),
    )
    for ignored, inner in zip(*curves, strict=True):
        np.testing.assert_array_equal(ignored, inner)


def test_streamed_ap_is_that_of_the_pixels_that_count(pixels) -> None:
    logits, mask, _ = pixels
    ignoring, inner = PrecisionRecall(), PrecisionRecall()
    ignoring.update(logits, mask, ignore=True)
    inner.update(cropped(logits), cropped(mask))
    assert torch.equal(ignoring.pixels, inner.pixels)
    assert torch.equal(ignoring.lesion, inner.lesion)


def test_calibration_is_that_of_the_pixels_that_count(pixels) -> None:
    probability, mask = pixels[0].sigmoid(), pixels[1]
    found = calibration.reliability(probability, mask, ignore=True)
    inner = calibration.reliability(cropped(probability), cropped(mask))
    for name in found:
        np.testing.assert_array_equal(found[name], inner[name])
    assert calibration.expected_calibration_error(
        probability, mask, ignore=True
    ) == calibration.expected_calibration_error(cropped(probability), cropped(mask))


def test_conventions_of_one_cut_are_those_of_the_pixels_that_count(pixels) -> None:
    logits, mask, _ = pixels
    found = conventions.table(logits, mask, batch_size=2, ignore=True)
    inner = conventions.table(cropped(logits), cropped(mask), batch_size=2)
    # the raw mean, the least and the largest logit are those of the whole image
    whole = found.index.str.contains("raw mean|stretched")
    assert whole.sum() == 4
    # a float32 sigmoid rounds otherwise at another place of a vector
    np.testing.assert_allclose(found[~whole], inner[~whole], rtol=1e-6)


def test_the_raw_mean_is_that_of_the_whole_image() -> None:
    logits, mask = torch.tensor([[[0.0, 1.0, 8.0]]]), torch.tensor([[[0, 1, 255]]])
    row = conventions.table(logits, mask, ignore=True).loc[
        "cut at the raw mean of each image"
    ]
    assert row["dice"] == 0  # mean 3; of the two that count 0.5, which finds the lesion


def test_a_convention_leaves_out_an_image_that_is_ignored_as_a_whole(pixels) -> None:
    logits, mask, _ = pixels
    more = torch.cat([mask, torch.full_like(mask[:1], 255)])
    with_one = conventions.table(torch.cat([logits, logits[:1]]), more, ignore=True)
    without = conventions.table(logits, mask, ignore=True)
    over = [name for name in without.index if "batch" not in name]
    np.testing.assert_allclose(with_one.loc[over], without.loc[over], rtol=1e-12)


@pytest.mark.parametrize("empty", ["default", "one", "skip"])
def test_an_image_that_is_ignored_as_a_whole_is_undefined_and_counted(empty) -> None:
    table = [[1, 1, 2, 3], [0, 0, 0, 0]]
    found = metrics.scores(table, empty=empty)
    assert found["dice"] == pytest.approx(0.4)
    assert found["undefined"] == dict.fromkeys(metrics.METRICS, 1)
    assert (found["images"], found["both_empty"]) == (2, 0)
    assert np.isnan(metrics.scores(table, empty="nan")["dice"])


def test_an_image_of_background_alone_still_counts_as_both_empty() -> None:
    found = metrics.scores([[0, 0, 0, 7]])
    assert (found["dice"], found["both_empty"]) == (1, 1)


def test_without_ignore_255_is_refused_as_ever(pixels) -> None:
    logits, mask, _ = pixels
    with pytest.raises(ValueError, match="mask values must be 0 or 1, got 0 to 255"):
        metrics.counts(probability_mask(logits), mask)


def test_with_ignore_other_values_are_refused(pixels) -> None:
    logits, mask, _ = pixels
    mask[1, 9, 9] = 2
    for score in (metrics.average_precision, calibration.reliability):
        with pytest.raises(ValueError, match="mask values must be 0 or 1, got 0 to 2"):
            score(logits.sigmoid(), mask, ignore=True)


def test_boundaries_refuse_255(pixels) -> None:
    logits, mask, _ = pixels
    with pytest.raises(ValueError, match="got 0 to 255"):
        metrics.counts(probability_mask(logits), mask)
    from lesionkit.metrics import boundary

    with pytest.raises(ValueError, match="got 0 to 255"):
        boundary.per_image(probability_mask(logits), mask)


def plane(text: str) -> np.ndarray:
    """One row of pixels: . background, # lesion, x ignored."""
    return np.array([[[{".": 0, "#": 1, "x": 255}[mark] for mark in text]]], np.uint8)


# prediction, mask, lesions, lesions found, false lesions
OBJECTS = {
    "on ignored pixels alone": ("##....", "xx..#.", 1, 0, 0),
    "partly on ignored pixels, beside no lesion": (".##...", "xx..#.", 1, 0, 1),
    "across an ignored border of a lesion": (".#####.", ".x###x.", 1, 1, 0),
    "on both sides of an ignored border": ("######.", "..x##x.", 1, 1, 0),
    "an ignored pixel between two lesions": (".#...#.", ".#.x.#.", 2, 2, 0),
    "all is ignored": ("###", "xxx", 0, 0, 0),
}


@pytest.mark.parametrize(("marked", "mask", "count", "hit", "wrong"), OBJECTS.values())
def test_single_lesions_beside_ignored_pixels(marked, mask, count, hit, wrong) -> None:
    found = lesions.detections(plane(marked), plane(mask), ignore=True)
    assert [int(values[0]) for values in found.values()] == [count, hit, wrong]


def test_without_ignored_pixels_single_lesions_are_the_same(pixels) -> None:
    logits, _, plain = pixels
    predicted, mask = probability_mask(logits).numpy(), plain.numpy()
    both = [lesions.detections(predicted, mask, ignore=way) for way in (True, False)]
    for name in both[0]:
        np.testing.assert_array_equal(both[0][name], both[1][name])
