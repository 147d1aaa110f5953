"""AP and PR curves by histogram, against the exact ones."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lesionkit.metrics import average_precision, streaming
from lesionkit.metrics.streaming import BINS, PrecisionRecall, bin_of

LAWS = settings(max_examples=50, deadline=None)
EXTREMES = [-np.inf, -1e30, -16384.0, -1.0, -1e-30, -0.0, 0.0, 1e-30, 2.0, 1e9, np.inf]
values = arrays(
    np.float32, 40, elements=st.floats(-60, 60, width=32) | st.sampled_from(EXTREMES)
)
truths = arrays(np.uint8, 40, elements=st.integers(0, 1))


def case(name, pixels=200_000):
    """Logits and mask with 2 % lesion: mild, saturated, or with many ties."""
    random = torch.Generator().manual_seed(3)
    mask = (torch.rand(pixels, generator=random) < 0.02).to(torch.uint8)
    noise = torch.randn(pixels, generator=random)
    logits = {
        "mild": noise + 2 * mask,
        "saturated": 4 * noise + 12 * mask - 6,
        "ties": (noise + 2 * mask).mul(8).round() / 8,
    }
    return logits[name], mask


def streamed(logits, mask, parts=1, exact=0):
    """The histograms of the pixels, given in so many parts."""
    found = PrecisionRecall(exact=exact)
    for z, y in zip(logits.chunk(parts), mask.chunk(parts), strict=True):
        found.update(z, y)
    return found


@pytest.mark.parametrize("name", ["mild", "saturated", "ties"])
def test_ap_is_that_of_scikit_learn_to_1e_5(name):
    from sklearn.metrics import average_precision_score

    logits, mask = case(name)
    theirs = average_precision_score(mask.numpy(), logits.numpy())
    assert streamed(logits, mask).average_precision() == pytest.approx(theirs, abs=1e-5)


@pytest.mark.parametrize("name", ["mild", "saturated", "ties"])
def test_the_exact_ap_is_within_the_bounds(name):
    logits, mask = case(name)
    low, high = streamed(logits, mask).bounds()
    assert low <= average_precision(logits, mask) <= high
    assert high - low < 1e-4 or name == "ties"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_ap_of_half_precision_logits_is_exact(dtype):
    logits, mask = case("mild")
    logits = logits[logits.abs() > 2**-16].to(dtype)
    mask = mask[: len(logits)]
    exact = average_precision(logits, mask)
    assert streamed(logits, mask).average_precision() == pytest.approx(exact, rel=1e-12)


@given(logits=values, mask=truths)
@LAWS
def test_the_bounds_hold_for_any_pixels(logits, mask):
    if not mask.any():
        return
    found = streamed(torch.from_numpy(logits), torch.from_numpy(mask))
    low, high = found.bounds()
    exact = average_precision(logits, mask)
    assert low - 1e-12 <= exact <= high + 1e-12
    assert low - 1e-12 <= found.average_precision() <= high + 1e-12


@given(logits=values)
@LAWS
def test_bins_keep_the_order_of_the_logits(logits):
    ranked = torch.from_numpy(np.sort(logits))
    bins = bin_of(ranked)
    assert (bins.diff() >= 0).all()
    assert bins.min() >= 0
    assert bins.max() < BINS


def test_batches_add_up():
    logits, mask = case("mild")
    whole, parts = streamed(logits, mask), streamed(logits, mask, parts=7)
    assert torch.equal(whole.lesion, parts.lesion)


@pytest.mark.parametrize("name", ["mild", "saturated", "ties"])
def test_pixels_that_are_kept_give_the_exact_ap_to_the_bit(name):
    logits, mask = case(name)
    found = streamed(logits, mask, parts=7, exact=200_000)
    assert not found.binned
    assert found.average_precision() == average_precision(logits, mask)
    assert found.bounds() == (found.average_precision(),) * 2


def test_one_pixel_more_than_are_kept_puts_all_into_the_same_bins():
    logits, mask = case("mild")
    found = streamed(logits, mask, parts=7, exact=199_999)
    assert found.binned and not found.kept
    assert torch.equal(found.pixels, streamed(logits, mask).pixels)
    assert torch.equal(found.lesion, streamed(logits, mask).lesion)


def test_logits_that_change_later_were_counted_as_they_came():
    logits, mask = case("mild", 1000)
    found = PrecisionRecall()
    expected = average_precision(logits, mask)
    found.update(logits, mask)
    logits.zero_()
    mask.zero_()
    assert found.average_precision() == expected


def test_pixels_that_are_ignored_take_no_room():
    logits, mask = case("mild", 1000)
    found = PrecisionRecall(exact=1000)
    found.update(
        torch.cat([logits, logits]), torch.cat([mask, mask * 0 + 255]), ignore=True
    )
    assert found.average_precision() == average_precision(logits, mask)
    assert not found.binned


def test_more_pixels_than_a_chunk_are_all_counted(monkeypatch):
    monkeypatch.setattr(streaming, "CHUNK", 1000)
    logits, mask = case("mild", 10_500)
    found = streamed(logits, mask)
    assert found.lesion.sum() == mask.sum()
    assert found.pixels.sum() == 10_500
    assert found.average_precision() == pytest.approx(
        average_precision(logits, mask), abs=1e-5
    )


def test_without_lesion_ap_is_undefined():
    found = streamed(torch.zeros(4), torch.zeros(4))
    assert np.isnan([found.average_precision(), *found.bounds()]).all()


@pytest.mark.parametrize(
    ("logits", "mask", "message"),
    [
        (torch.zeros(3), torch.zeros(4), "one shape"),
        (torch.zeros(3), torch.full((3,), 255), "mask values must be 0 or 1"),
        (torch.tensor([0.0, float("nan")]), torch.zeros(2), "logits hold NaN"),
    ],
)
def test_wrong_pixels_are_refused_and_nothing_is_counted(logits, mask, message):
    found = PrecisionRecall()
    with pytest.raises(ValueError, match=message):
        found.update(logits, mask)
    assert found.lesion.sum() + found.pixels.sum() == 0
    assert not found.kept
