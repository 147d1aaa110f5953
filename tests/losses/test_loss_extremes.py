"""Losses and their gradients stay finite at the extremes and right at the limits."""

import pytest
import torch
from made_losses import (
    DTYPES,
    FILLS,
    HALF,
    PAIRS,
    at_the_extremes,
    build,
    loss_and_gradient,
)

from lesionkit.losses import BCELoss, DiceLoss, FocalLoss, IoULoss, build_loss


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("name", "definition"), PAIRS)
def test_loss_and_gradient_are_finite_at_the_extremes(name, definition, dtype):
    loss = build(name, definition)
    found = [at_the_extremes(loss, dtype, mask) for mask in FILLS.values()]
    assert torch.cat(found).isfinite().all()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ["iou", "dice"])
def test_image_sums_are_finite_at_the_extremes(name, dtype):
    loss = build_loss(name, sums="image")
    found = [at_the_extremes(loss, dtype, mask) for mask in FILLS.values()]
    assert torch.cat(found).isfinite().all()


@pytest.mark.parametrize("dtype", HALF, ids=str)
@pytest.mark.parametrize(("name", "definition"), PAIRS)
def test_autocast_leaves_the_extremes_finite(name, definition, dtype):
    loss = build(name, definition)
    with torch.autocast("cpu", dtype=dtype):
        found = [at_the_extremes(loss, dtype, mask) for mask in FILLS.values()]
    assert torch.cat(found).isfinite().all()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("changes", [{"sums": "image"}, {"alpha_form": "constant"}])
@pytest.mark.parametrize("name", ["focal", "ioufocal", "dicefocal", "bcefocal"])
def test_overrides_leave_the_extremes_finite(name, changes, dtype):
    for gamma in (0, 0.01, 0.2, 5):
        loss = build_loss(name, gamma=gamma, **changes)
        found = [at_the_extremes(loss, dtype, mask) for mask in FILLS.values()]
        assert torch.cat(found).isfinite().all()


@pytest.mark.parametrize("name", ["iou", "dice"])
def test_a_half_precision_sum_over_65504_does_not_overflow(name):
    logits = torch.full((1, 1, 300, 300), 8.0)
    mask = torch.ones(1, 1, 300, 300)
    half = build_loss(name)(logits.half(), mask.half())
    assert half.item() == build_loss(name)(logits, mask).item()


# Limits


@pytest.mark.parametrize("gamma", [0, 0.01, 0.2, 1, 2, 5])
def test_mean_first_is_0_with_gradient_0_when_all_is_right(gamma):
    logits, mask = torch.full((1, 1, 2, 2), 1e4), torch.ones(1, 1, 2, 2)
    loss = FocalLoss(0.8, gamma, focal_form="meanfirst")
    value, gradient = loss_and_gradient(loss, logits, mask)
    assert value == 0
    assert torch.equal(gradient, torch.zeros_like(gradient))


@pytest.mark.parametrize("gamma", [0.01, 0.2, 0.9])
def test_one_saturated_pixel_leaves_the_focal_gradient_finite(gamma):
    logits = torch.tensor([[[200.0, -1.0]]])
    gradient = loss_and_gradient(FocalLoss(0.8, gamma), logits, torch.ones(1, 1, 2))[1]
    assert gradient.isfinite().all()
    assert gradient[0, 0, 1] < 0


def test_bce_keeps_a_gradient_where_the_region_losses_have_none():
    logits, mask = torch.full((1, 1, 2, 2), -1e4), torch.ones(1, 1, 2, 2)
    assert loss_and_gradient(BCELoss(), logits, mask)[1].abs().min() > 0
    assert loss_and_gradient(DiceLoss(), logits, mask)[1].abs().max() == 0


def test_region_losses_of_nothing_marked_on_an_empty_mask_are_0():
    logits, mask = torch.full((2, 1, 2, 2), -1e4), torch.zeros(2, 1, 2, 2)
    assert IoULoss()(logits, mask) == 0
    assert DiceLoss()(logits, mask) == 0
