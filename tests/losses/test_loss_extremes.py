"""Losses and their gradients stay finite at the extremes and right at the limits."""

import pytest
import torch
from made_losses import (
    DTYPES,
    FILLS,
    HALF,
    IGNORING,
    PAIRS,
    at_the_extremes,
    build,
    loss_and_gradient,
)

from lesionkit.catalogue import LOSSES
from lesionkit.losses import BCELoss, DiceLoss, FocalLoss, build_loss
from lesionkit.losses.pixels import SUMS


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("name", "definition"), PAIRS)
def test_loss_and_gradient_are_finite_at_the_extremes(name, definition, dtype):
    loss = build(name, definition)
    found = [at_the_extremes(loss, dtype, mask) for mask in FILLS.values()]
    assert torch.cat(found).isfinite().all()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("name", "definition"), PAIRS)
def test_image_sums_are_finite_at_the_extremes(name, definition, dtype):
    loss = build(name, definition, sums="image")
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


OPTIONS = [
    ("tversky", {"fp": 0, "fn": 10}),
    ("tversky", {"fp": 10, "fn": 0, "smooth": 0}),
    ("focal_tversky", {"exponent": 0.01}),
    ("focal_tversky", {"exponent": 0.75, "smooth": 0}),
    ("focal_tversky", {"exponent": 10}),
    ("squared_dice", {"smooth": 0}),
    ("logcosh_dice", {"smooth": 0}),
    ("mcc", {"smooth": 1e-12}),
    ("poly1", {"epsilon": -1}),
    ("poly1", {"epsilon": 100}),
    ("topk", {"share": 1e-6}),
    ("topk", {"share": 1}),
    ("smoothed_bce", {"smoothing": 0}),
    ("smoothed_bce", {"smoothing": 1}),
    ("asym_unified_focal", {"focus": 0, "smooth": 0}),
    ("asym_unified_focal", {"focus": 0.99}),
    ("asym_unified_focal", {"focus": 1, "delta": 1}),
    ("asym_unified_focal", {"balance": 0, "delta": 0}),
    ("dicebce_image", {"smooth": 0}),
]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=str)
def test_the_ends_of_the_options_leave_the_extremes_finite(name, options, dtype):
    for sums in SUMS:
        loss = build_loss(name, sums=sums, **options)
        found = [at_the_extremes(loss, dtype, mask) for mask in FILLS.values()]
        assert torch.cat(found).isfinite().all()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("name", "definition"), IGNORING)
def test_ignored_pixels_leave_the_extremes_finite(name, definition, dtype):
    loss = build(name, definition, ignore=True)
    for mask in FILLS.values():
        partly = mask.clone()
        partly[..., 1:] = 255
        for ignored in (partly, torch.full_like(mask, 255)):
            assert at_the_extremes(loss, dtype, ignored).isfinite().all()


@pytest.mark.parametrize("name", ["iou", "dice"])
def test_a_half_precision_sum_over_65504_does_not_overflow(name):
    logits = torch.full((1, 1, 300, 300), 8.0)
    mask = torch.ones(1, 1, 300, 300)
    half = build_loss(name)(logits.half(), mask.half())
    assert half.item() == build_loss(name)(logits, mask).item()


@pytest.mark.parametrize(("name", "definition"), PAIRS)
def test_a_network_that_gives_nan_is_not_told_a_finite_loss(name, definition):
    logits, mask = torch.zeros(2, 1, 4, 4), FILLS["one pixel"]
    logits[1, 0, 2, 2] = float("nan")
    for smooth in (1e-6, 1e-300, 0):
        smooth = 1e-6 if name == "mcc" else smooth  # it needs one
        for sums in SUMS:
            value = build(name, definition, sums=sums, smooth=smooth)(logits, mask)
            assert value.isnan()


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


REGION = [name for name in LOSSES if LOSSES[name].group == "region"]
OF_NOTHING = [*REGION, "ioudice", "dicebce_image", "asym_unified_focal", "structure"]


@pytest.mark.parametrize("sums", SUMS)
@pytest.mark.parametrize("name", OF_NOTHING)
def test_losses_of_nothing_marked_on_an_empty_mask_are_0(name, sums):
    logits, mask = torch.full((2, 1, 2, 2), -1e4), torch.zeros(2, 1, 2, 2)
    value, gradient = loss_and_gradient(build_loss(name, sums=sums), logits, mask)
    assert value == 0
    assert torch.equal(gradient, torch.zeros_like(gradient))
