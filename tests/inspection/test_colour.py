"""Colour alone: fitted on the training images, scored on the others."""

from __future__ import annotations

import numpy as np
import pytest

from lesionkit.inspection.colour import colour_dice, mean_dice

TRAIN, TEST = np.arange(4), np.arange(4, 6)


def pictures(lesion: float, background: float) -> tuple[np.ndarray, np.ndarray]:
    """Six pictures of two plain colours, and the masks of the brighter one."""
    masks = np.zeros((6, 16, 16), bool)
    masks[:, 4:12, 4:12] = True
    images = np.where(masks[..., None], lesion, background) * np.ones(3)
    return images, masks


def test_the_threshold_is_that_of_the_training_images_alone():
    images, masks = pictures(0.8, 0.4)
    assert colour_dice(images, masks, train=TRAIN, test=TEST) == 1.0
    images[TEST] /= 10  # darker than every training pixel: nothing is marked
    assert colour_dice(images, masks, train=TRAIN, test=TEST) == 0.0


def test_without_a_lesion_to_learn_from_there_is_no_baseline():
    images, masks = pictures(0.8, 0.4)
    masks[TRAIN] = False
    assert colour_dice(images, masks, train=TRAIN, test=TEST) is None


def test_the_mean_dice_counts_two_empty_masks_as_one():
    predicted, masks = np.zeros((2, 2, 2), bool), np.zeros((2, 2, 2), bool)
    predicted[1, 0], masks[1, :, 0] = True, True
    assert mean_dice(predicted, masks) == pytest.approx((1 + 0.5) / 2)
