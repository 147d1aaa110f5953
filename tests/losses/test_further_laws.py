"""The further losses against those that they become, and what ignored pixels do."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_losses import (
    IGNORING,
    MIXED,
    PAIRS,
    UNEVEN,
    build,
    example,
    loss_and_gradient,
)

from lesionkit.catalogue import DEFINITIONS, FURTHER_LOSSES
from lesionkit.losses import build_loss
from lesionkit.losses.pixels import SUMS

LAWS = settings(max_examples=20, deadline=None)
BECOMES = [
    ("tversky", {"fp": 0.5, "fn": 0.5, "smooth": 0}, "dice", {"smooth": 0}),
    ("tversky", {"fp": 1, "fn": 1, "smooth": 0}, "iou", {"smooth": 0}),
    ("focal_tversky", {"exponent": 1}, "tversky", {}),
    ("focal_tversky", {"exponent": 1, "fp": 1, "fn": 2}, "tversky", {"fp": 1, "fn": 2}),
    ("poly1", {"epsilon": 0}, "bce", {}),
    ("topk", {"share": 1}, "bce", {}),
    ("smoothed_bce", {"smoothing": 0}, "bce", {}),
]


def assert_same(loss, other, case, rel=1e-12):
    """Value and gradient of two losses agree."""
    found, expected = loss_and_gradient(loss, *case), loss_and_gradient(other, *case)
    torch.testing.assert_close(found, expected, rtol=rel, atol=1e-14)


# Limits


@pytest.mark.parametrize("sums", SUMS)
@pytest.mark.parametrize(("name", "options", "other", "others"), BECOMES)
@given(seed=st.integers(0, 10_000))
@LAWS
def test_an_option_makes_it_a_plainer_loss(name, options, other, others, sums, seed):
    case = example((2, 1, 3, 4), seed, limit=5, shares=[0.3, 0.6])
    further, plain = (
        build_loss(name, sums=sums, **options),
        build_loss(other, sums=sums, **others),
    )
    assert_same(further, plain, case, rel=1e-10)


def test_the_two_numbers_of_tversky_are_of_false_and_of_missed():
    false = torch.tensor([[[50.0, 50.0, -50.0]]]), torch.tensor([[[1.0, 0.0, 0.0]]])
    missed = torch.tensor([[[50.0, -50.0, -50.0]]]), torch.tensor([[[1.0, 1.0, 0.0]]])
    loss = build_loss("tversky", fp=0.2, fn=0.5)
    assert loss(*false).item() == pytest.approx(0.2 / 1.2, rel=1e-5)
    assert loss(*missed).item() == pytest.approx(0.5 / 1.5, rel=1e-5)


@pytest.mark.parametrize("sums", SUMS)
def test_asym_unified_with_focus_0_is_tversky_of_both_classes_and_balanced_bce(sums):
    weights = {"fp": 0.3, "fn": 0.7, "smooth": 1e-6, "sums": sums}
    logits, mask = UNEVEN
    lesion = build_loss("tversky", **weights)(logits, mask)
    rest = build_loss("tversky", **weights)(-logits, 1 - mask)
    balanced = build_loss("balanced_bce", definition="B", alpha=0.7)(logits, mask)
    options = {"balance": 0.25, "delta": 0.7, "focus": 0}
    found = build_loss("asym_unified_focal", sums=sums, **options)(logits, mask)
    expected = 0.25 * (lesion + rest) / 2 + 0.75 * balanced
    assert found.item() == pytest.approx(expected.item(), rel=1e-12)


def test_nnunets_default_is_dice_by_image_and_bce():
    dice, bce = build_loss("dice", sums="image"), build_loss("bce")
    loss = build_loss("dicebce_image")
    expected = (dice(*UNEVEN) + bce(*UNEVEN)).item()
    assert loss(*UNEVEN).item() == pytest.approx(expected, rel=1e-12)
    assert loss(*UNEVEN).item() != pytest.approx(build_loss("dicebce")(*UNEVEN).item())


@given(seed=st.integers(0, 10_000))
@LAWS
def test_logcosh_dice_is_log_cosh_of_dice(seed):
    case = example((2, 1, 3, 4), seed, limit=5, shares=[0.3, 0.6])
    dice = build_loss("dice")(*case).item()
    expected = np.log(np.cosh(dice))
    assert build_loss("logcosh_dice")(*case).item() == pytest.approx(expected)


def test_squared_dice_is_dice_where_the_prediction_is_sure():
    logits = 200 * UNEVEN[0].sign()
    dice = build_loss("dice")(logits, UNEVEN[1]).item()
    assert build_loss("squared_dice")(logits, UNEVEN[1]).item() == pytest.approx(dice)


# The Lovász hinge and the Matthews correlation on masks


@given(seed=st.integers(0, 10_000))
@LAWS
def test_lovasz_of_logits_of_1_is_twice_what_iou_lacks(seed):
    logits, mask = example((1, 1, 4, 5), seed, limit=1, shares=[0.5])
    marked = logits > 0
    lesion = mask > 0
    union = (marked | lesion).sum()
    lacks = 1 - ((marked & lesion).sum() / union).item() if union else 0
    found = build_loss("lovasz")(marked * 2.0 - 1, mask)
    assert found.item() == pytest.approx(2 * lacks, abs=1e-6)


@given(seed=st.integers(0, 10_000))
@LAWS
def test_lovasz_is_convex_in_the_logits(seed):
    first, mask = example((2, 1, 3, 4), seed, limit=5, shares=[0.3, 0.6])
    second, _ = example((2, 1, 3, 4), seed + 1, limit=5, shares=[0.3, 0.6])
    loss = build_loss("lovasz")
    middle = loss((first + second) / 2, mask)
    assert middle <= (loss(first, mask) + loss(second, mask)) / 2 + 1e-12


@given(seed=st.integers(0, 10_000))
@LAWS
def test_mcc_of_a_sure_prediction_is_that_of_scikit_learn(seed):
    from sklearn.metrics import matthews_corrcoef

    logits, mask = example((2, 1, 5, 5), seed, limit=1, shares=[0.3, 0.6])
    found = build_loss("mcc", smooth=1e-12)(100 * logits.sign(), mask)
    expected = matthews_corrcoef(mask.flatten(), logits.flatten() > 0)
    assert found.item() == pytest.approx(1 - expected, abs=1e-6)


@given(seed=st.integers(0, 10_000))
@LAWS
def test_mcc_is_unchanged_when_the_classes_change_places(seed):
    logits, mask = example((2, 1, 3, 4), seed, limit=5, shares=[0.3, 0.6])
    loss = build_loss("mcc")
    swapped = loss(-logits, 1 - mask)
    assert swapped.item() == pytest.approx(loss(logits, mask).item(), rel=1e-10)


# The structure loss


def test_structure_on_an_empty_mask_weighs_all_pixels_alike():
    logits, mask = UNEVEN[0], torch.zeros_like(UNEVEN[0])
    meant, as_run = (build_loss("structure", weighting=w) for w in ("meant", "as_run"))
    marked = logits.sigmoid().sum((1, 2, 3))
    bce = build_loss("bce")(logits, mask)
    expected = (bce + (1 - 1 / (marked + 1)).mean()).item()
    assert meant(logits, mask).item() == pytest.approx(expected, rel=1e-12)
    assert as_run(logits, mask).item() == pytest.approx(expected, rel=1e-12)


def test_structure_on_a_full_mask_weighs_the_border_as_an_edge():
    logits = example((1, 1, 40, 36), 5, limit=4, shares=[0])[0]
    mask = torch.ones_like(logits)
    # how much of the window of 31 lies inside, along each side
    inside = [
        torch.tensor([min(k + 15, n - 1) - max(k - 15, 0) + 1 for k in range(n)])
        for n in (40, 36)
    ]
    weight = 1 + 5 * (1 - inside[0][:, None] * inside[1][None].double() / 31**2)
    p = logits[0, 0].sigmoid()
    bce = -(weight * p.log()).sum() / weight.sum()
    both = (weight * p).sum()
    expected = (bce + 1 - (both + 1) / (weight.sum() + 1)).item()
    found = build_loss("structure")(logits, mask).item()
    assert found == pytest.approx(expected, rel=1e-12)


def test_structure_weighs_an_edge_pixel_more():
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 16:48] = 1
    logits = torch.zeros_like(mask)
    slope = loss_and_gradient(build_loss("structure"), logits, mask)[1][0, 0, 32].abs()
    assert slope[16] > 1.5 * slope[32]  # the edge against the middle of the lesion


# Ignored pixels


def with_ignored(fill):
    """UNEVEN with two more columns that are ignored, of logits `fill`."""
    column = torch.full((3, 1, 5, 2), fill, dtype=torch.float64)
    ignored = torch.full_like(column, 255)
    return torch.cat([UNEVEN[0], column], 3), torch.cat([UNEVEN[1], ignored], 3)


@pytest.mark.parametrize("sums", SUMS)
@pytest.mark.parametrize("fill", [0.0, 1e4, -1e4, float("nan"), float("inf")])
@pytest.mark.parametrize(("name", "definition"), IGNORING)
def test_ignored_pixels_are_as_if_they_were_not_there(name, definition, fill, sums):
    loss = build(name, definition, sums=sums, ignore=True)
    value, gradient = loss_and_gradient(loss, *with_ignored(fill))
    plain = loss_and_gradient(build(name, definition, sums=sums), *UNEVEN)
    torch.testing.assert_close(value, plain[0], rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(gradient[..., :-2], plain[1], rtol=1e-10, atol=1e-14)
    assert torch.equal(gradient[..., -2:], torch.zeros(3, 1, 5, 2).double())


@given(seed=st.integers(0, 10_000))
@LAWS
@pytest.mark.parametrize(("name", "definition"), IGNORING)
def test_pixels_ignored_anywhere_are_as_if_they_were_not_there(name, definition, seed):
    logits, mask = example((2, 1, 4, 5), seed, limit=5, shares=[0.3, 0.6])
    kept = example((2, 1, 4, 5), seed + 1, limit=1, shares=[0.7, 0.7])[1] > 0
    if name == "dicebce_image":  # of one image, for its sums are by image
        logits, mask, kept = logits[:1], mask[:1], kept[:1]
    found = build(name, definition, ignore=True)(logits, torch.where(kept, mask, 255.0))
    alone = (each[kept].view(1, 1, 1, -1) for each in (logits, mask))
    expected = build(name, definition)(*alone)
    assert found.item() == pytest.approx(expected.item(), rel=1e-10, abs=1e-14)


@pytest.mark.parametrize("smooth", [1e-6, 0])
@pytest.mark.parametrize("sums", SUMS)
@pytest.mark.parametrize(("name", "definition"), IGNORING)
def test_a_batch_that_is_ignored_gives_0_with_gradient_0(
    name, definition, sums, smooth
):
    if name == "mcc":
        smooth = 1e-6  # it needs one
    loss = build(name, definition, sums=sums, smooth=smooth, ignore=True)
    nothing = torch.full((2, 1, 3, 3), float("nan"))
    value, gradient = loss_and_gradient(loss, nothing, torch.full((2, 1, 3, 3), 255))
    assert value == 0
    assert torch.equal(gradient, torch.zeros_like(gradient))


@pytest.mark.parametrize("weighting", ["meant", "as_run"])
def test_structure_cannot_ignore_pixels(weighting):
    with pytest.raises(ValueError, match="'structure' cannot leave pixels of 255"):
        build_loss("structure", weighting=weighting, ignore=True)


@pytest.mark.parametrize(("name", "definition"), PAIRS)
def test_a_mask_of_255_is_refused_where_nothing_was_said_of_it(name, definition):
    with pytest.raises(ValueError, match="0 or 1, got 0 to 255"):
        build(name, definition)(MIXED[0], 255 * MIXED[1])


# What is refused


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("tversky", {"fp": 11}, "fp must be a number from 0 to 10, got 11"),
        ("tversky", {"fpp": 1}, r"unknown option of tversky 'fpp'. Did you mean 'fp'"),
        ("focal_tversky", {"exponent": 0}, "exponent must be above 0, got 0"),
        ("mcc", {"smooth": 0}, "smooth must be above 0, got 0"),
        ("poly1", {"epsilon": -1.5}, r"epsilon \+ 1 must be a number from 0 to 101"),
        ("topk", {"share": 0}, "share must be above 0, got 0"),
        ("topk", {"share": 1.1}, "share must be a number from 0 to 1, got 1.1"),
        ("smoothed_bce", {"smoothing": -0.1}, "smoothing must be a number from 0 to 1"),
        ("structure", {"weighting": "as_ran"}, "unknown weighting 'as_ran'. Did you"),
        ("structure", {"alpha": 0.5}, "'structure' has no use for alpha"),
        ("asym_unified_focal", {"focus": 2}, "focus must be a number from 0 to 1"),
        ("lovasz", {"sums": "images"}, "unknown sums 'images'. Did you mean 'image'"),
        ("dicebce", {"weighting": "meant"}, "unknown option of dicebce 'weighting'"),
    ],
)
def test_wrong_options_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        build_loss(name, **options)


@pytest.mark.parametrize("name", FURTHER_LOSSES)
def test_a_further_loss_is_the_same_in_every_definition(name):
    found = {build_loss(name, definition=d)(*UNEVEN).item() for d in DEFINITIONS}
    assert len(found) == 1
