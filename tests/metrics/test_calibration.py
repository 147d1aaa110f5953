"""Calibration of probabilities, by hand and against torchmetrics."""

import numpy as np
import pytest
import torch

from lesionkit.metrics.calibration import expected_calibration_error, reliability


def pixels(count=5_000, seed=0):
    """Probabilities that say too much, and masks."""
    random = torch.Generator().manual_seed(seed)
    p = torch.rand(count, generator=random, dtype=torch.float64)
    return p, (torch.rand(count, generator=random) < p**2).int()


def test_four_pixels_have_the_error_computed_by_hand():
    p, mask = [0.9, 0.9, 0.1, 0.1], [1, 0, 0, 0]
    # |0.9 - 0.5| and |0.1 - 0|, two pixels each
    assert expected_calibration_error(p, mask) == pytest.approx(0.25)


def test_too_little_and_too_much_do_not_cancel():
    p, mask = [0.1, 0.1, 0.9, 0.9], [1, 0, 1, 0]
    assert expected_calibration_error(p, mask) == pytest.approx(0.4)


@pytest.mark.parametrize("bins", [5, 15, 40])
def test_it_is_that_of_torchmetrics(bins):
    from torchmetrics.functional.classification import binary_calibration_error

    p, mask = pixels()
    theirs = binary_calibration_error(p, mask, n_bins=bins, norm="l1").item()
    assert expected_calibration_error(p, mask, bins) == pytest.approx(theirs, rel=1e-5)


def test_a_probability_that_is_true_has_no_error():
    p = np.repeat([0.2, 0.6], 100)
    mask = np.concatenate([np.arange(100) < 20, np.arange(100) < 60])
    assert expected_calibration_error(p, mask) == pytest.approx(0, abs=1e-12)


def test_bins_say_what_was_said_and_what_was_true():
    found = reliability([0.0, 0.5, 0.5, 1.0], [0, 1, 0, 1], bins=2)
    assert found["pixels"].tolist() == [1, 3]
    assert found["said"].tolist() == pytest.approx([0, 2 / 3])
    assert found["true"].tolist() == pytest.approx([0, 2 / 3])
    assert np.isnan(reliability([0.9], [1], bins=2)["said"][0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.5], [1]), "probability must be from 0 to 1, got 1.5 to 1.5"),
        (([float("nan")], [1]), "probability must be from 0 to 1, got nan"),
        (([0.5], [2]), "mask values must be 0 or 1"),
        (([0.5, 0.5], [1]), "one shape"),
        (([0.5], [1], 0), "bins must be 1 or more, got 0"),
    ],
)
def test_wrong_input_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        expected_calibration_error(*arguments)
