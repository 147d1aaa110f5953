"""The precision-recall curve and AP against other libraries and by hand."""

from math import isnan

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lesionkit.metrics import average_precision, pr_curve

LAWS = settings(max_examples=50, deadline=None)
NAN = float("nan")


# few distinct values, so that many pixels tie
graded = arrays(np.float32, (2, 4, 5), elements=st.sampled_from([-2.0, 0.0, 0.5, 3.0]))
truths = arrays(np.uint8, (2, 4, 5), elements=st.integers(0, 1)).filter(np.any)


def scores_and_masks(pixels, seed):
    """Random scores, rounded so that some tie, and masks with 5 % lesion."""
    rng = np.random.default_rng(seed)
    mask = (rng.random(pixels) < 0.05).astype(np.uint8)
    return (rng.normal(size=pixels) + 1.5 * mask).round(2).astype(np.float32), mask


def test_average_precision_equals_that_of_torchmetrics():
    from torchmetrics.functional.classification import binary_average_precision

    score, mask = scores_and_masks(20_000, 4)
    theirs = binary_average_precision(
        torch.from_numpy(score).sigmoid(), torch.from_numpy(mask).int()
    )
    assert average_precision(score, mask) == pytest.approx(theirs.item(), rel=1e-5)


def test_ap_of_three_pixels_is_five_sixths():
    # precision 1 over the first half of recall, 2/3 over the second
    found = average_precision(np.array([0.9, 0.8, 0.7]), np.array([1, 0, 1]))
    assert found == pytest.approx(0.5 * 1 + 0.5 * 2 / 3, rel=1e-12)


def test_ap_of_equal_scores_is_the_positive_rate():
    assert average_precision(np.full(8, 0.3), np.arange(8) < 2) == 0.25


@given(values=graded, mask=truths)
@LAWS
def test_ap_with_many_ties_equals_that_of_scikit_learn(values, mask):
    from sklearn.metrics import average_precision_score

    theirs = average_precision_score(mask.ravel(), values.ravel())
    assert average_precision(values, mask) == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_ap_of_20000_pixels_equals_that_of_scikit_learn(seed):
    from sklearn.metrics import average_precision_score

    values, mask = scores_and_masks(20_000, seed)
    theirs = average_precision_score(mask, values)
    assert average_precision(values, mask) == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_curve_equals_that_of_scikit_learn(seed):
    from sklearn.metrics import precision_recall_curve

    values, mask = scores_and_masks(20_000, seed)
    ours = pr_curve(values, mask)
    precision, recall, thresholds = precision_recall_curve(mask, values)
    # theirs runs upwards and ends with a made-up point (1, 0)
    theirs = (precision[-2::-1], recall[-2::-1], thresholds[::-1])
    np.testing.assert_allclose(np.stack(ours), np.stack(theirs), rtol=1e-12)


@given(values=graded, mask=truths)
@LAWS
def test_ap_is_the_sum_over_the_curve(values, mask):
    precision, recall, _ = pr_curve(values, mask)
    steps = (np.diff(recall, prepend=0) * precision).sum()
    assert average_precision(values, mask) == pytest.approx(steps, rel=1e-12)


def test_logits_and_probabilities_have_one_ap():
    values, mask = scores_and_masks(5000, 0)
    logits = torch.from_numpy(values).double()
    found = average_precision(logits.sigmoid(), mask)
    assert found == average_precision(logits, mask)


def test_half_precision_scores_are_taken():
    mask = torch.tensor([[[1, 0, 1]]])
    scores_of_pixels = torch.tensor([[[[3.0, 2.0, 1.0]]]], dtype=torch.bfloat16)
    assert average_precision(scores_of_pixels, mask) == pytest.approx(5 / 6)


def test_without_lesion_ap_and_recall_are_nan():
    values, mask = np.array([0.1, 0.2]), np.zeros(2)
    assert isnan(average_precision(values, mask))
    precision, recall, _ = pr_curve(values, mask)
    assert precision.tolist() == [0, 0]
    assert np.isnan(recall).all()


def test_with_nothing_but_lesion_ap_is_1():
    assert average_precision(np.array([0.1, 0.2]), np.ones(2)) == 1


@pytest.mark.parametrize("measure", [average_precision, pr_curve])
@pytest.mark.parametrize(
    ("values", "mask", "message"),
    [
        (np.zeros(3), np.zeros(4), r"one shape, got \(3,\) and \(4,\)"),
        (np.zeros(2), np.array([0, 255]), "mask values must be 0 or 1, got 0 to 255"),
        (np.array([0.1, NAN]), np.array([0, 1]), "probability holds NaN"),
    ],
)
def test_ap_and_curve_refuse_wrong_inputs(measure, values, mask, message):
    with pytest.raises(ValueError, match=message):
        measure(values, mask)
