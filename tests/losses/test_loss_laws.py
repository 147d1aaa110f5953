"""The losses against their own laws."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_losses import (
    EVERY_PAIR,
    MIXED,
    PAIRS,
    UNEVEN,
    build,
    example,
    loss_and_gradient,
    uniform,
)

from lesionkit.catalogue import LOSSES, PAPER_A_LOSSES
from lesionkit.losses import (
    BCELoss,
    DiceLoss,
    FocalLoss,
    IoULoss,
    PixelLoss,
    build_loss,
    pixels,
)
from lesionkit.losses.pixels import SUMS

COMPOUNDS_OF_A = [name for name in PAPER_A_LOSSES if LOSSES[name].parts]
WITH_SUMS = [n for n, e in LOSSES.items() if e.group != "distribution"]
WITH_SUMS.remove("custom")  # of paper B's numbers
LAWS = settings(max_examples=20, deadline=None)


def test_a_loss_without_focal_term_is_the_same_in_every_definition():
    first = dict(reversed(PAIRS))  # a name to its first definition
    for name, definition in set(EVERY_PAIR) - set(PAIRS):
        found = loss_and_gradient(build(name, definition), *UNEVEN)
        expected = loss_and_gradient(build(name, first[name]), *UNEVEN)
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("sums", SUMS)
@pytest.mark.parametrize(("name", "definition"), PAIRS)
def test_the_gradient_equals_finite_differences(name, definition, sums):
    logits, mask = UNEVEN[0][:, :, :2, :3].clone(), UNEVEN[1][:, :, :2, :3]
    loss = build(name, definition, sums=sums)
    assert torch.autograd.gradcheck(lambda z: loss(z, mask), logits.requires_grad_())


@pytest.mark.parametrize("sums", SUMS)
@pytest.mark.parametrize("name", ["iou", "dice", "squared_dice", "mcc"])
def test_the_second_derivative_equals_finite_differences(name, sums):
    logits, mask = UNEVEN[0][1:, :, :2, :2].clone(), UNEVEN[1][1:, :, :2, :2]
    loss = build_loss(name, sums=sums, smooth=0.1)
    logits.requires_grad_()
    assert torch.autograd.gradgradcheck(lambda z: loss(z, mask), logits)


@pytest.mark.parametrize("images", [1, 3, 7])
@pytest.mark.parametrize("in_cache", [1, 40, 80, 10_000])
def test_how_many_images_are_summed_at_once_does_not_matter(
    images, in_cache, monkeypatch
):
    case = example((images, 1, 5, 7), 8, limit=4, shares=[0.3] * images)
    loss = build_loss("dice", sums="image")
    expected = loss_and_gradient(loss, *case)
    monkeypatch.setattr(pixels, "IN_CACHE", in_cache)
    torch.testing.assert_close(loss_and_gradient(loss, *case), expected)
    wrong = case[1].clone()
    wrong.view(-1)[-1] = 0.5
    with pytest.raises(ValueError, match=r"0 or 1, got 0 to 1|got 0.5"):
        loss(case[0], wrong)


@pytest.mark.parametrize(("name", "definition"), PAIRS)
def test_image_sums_equal_batch_sums_for_one_image(name, definition):
    image, batch = (build(name, definition, sums=sums) for sums in ("image", "batch"))
    assert image(*MIXED).item() == pytest.approx(batch(*MIXED).item(), rel=1e-12)


@pytest.mark.parametrize("name", WITH_SUMS)
def test_image_sums_are_the_mean_of_the_images(name):
    batch = build_loss(name)
    alone = [batch(UNEVEN[0][i : i + 1], UNEVEN[1][i : i + 1]) for i in range(3)]
    found = build_loss(name, sums="image")(*UNEVEN)
    assert found.item() == pytest.approx(torch.stack(alone).mean().item(), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "definition"), [pair for pair in PAIRS if pair[0] != "structure"]
)
def test_the_order_of_the_pixels_does_not_matter(name, definition):
    loss = build(name, definition)
    order = uniform(16, 99).argsort()
    logits, mask = (each.flatten()[order].view(1, 1, 4, 4) for each in MIXED)
    assert loss(logits, mask).item() == pytest.approx(loss(*MIXED).item(), rel=1e-12)


@given(seed=st.integers(0, 10_000), alpha=st.floats(0, 1))
@LAWS
def test_focal_with_gamma_0_equals_balanced_bce(seed, alpha):
    case = example((2, 1, 3, 4), seed, limit=5, shares=[0.2, 0.6])
    balanced = build_loss("balanced_bce", definition="B", alpha=alpha)(*case)
    assert FocalLoss(alpha, 0)(*case).item() == pytest.approx(balanced.item())


@given(seed=st.integers(0, 10_000))
@LAWS
def test_focal_with_gamma_0_and_alpha_a_half_is_half_of_bce(seed):
    case = example((2, 1, 3, 4), seed, limit=5, shares=[0.2, 0.6])
    assert FocalLoss(0.5, 0)(*case).item() == pytest.approx(BCELoss()(*case).item() / 2)


def test_mean_first_with_gamma_0_is_alpha_times_bce():
    loss = FocalLoss(0.8, 0, focal_form="meanfirst")
    assert loss(*UNEVEN).item() == pytest.approx(0.8 * BCELoss()(*UNEVEN).item())


@pytest.mark.parametrize("definition", ["A-printed", "A-gamma2", "A-meanfirst"])
@pytest.mark.parametrize("name", COMPOUNDS_OF_A)
def test_a_compound_loss_is_the_sum_of_its_parts(name, definition):
    parts = [build_loss(part, definition=definition) for part in LOSSES[name].parts]
    first, second = (loss_and_gradient(part, *UNEVEN) for part in parts)
    whole = loss_and_gradient(build_loss(name, definition=definition), *UNEVEN)
    torch.testing.assert_close(whole[0], first[0] + second[0])
    torch.testing.assert_close(whole[1], first[1] + second[1])


@pytest.mark.parametrize(("beta", "part"), [(0, "focal"), (1, "dice")])
def test_beta_is_the_weight_of_the_dice_part(beta, part):
    custom = build_loss("custom", definition="B", alpha=0.25, gamma=4, beta=beta)
    alone = {"focal": FocalLoss(0.25, 4), "dice": DiceLoss()}[part]
    assert custom(*UNEVEN).item() == pytest.approx(alone(*UNEVEN).item())


@given(seed=st.integers(0, 10_000))
@LAWS
def test_bce_is_unchanged_when_the_classes_change_places(seed):
    logits, mask = example((2, 1, 3, 4), seed, limit=5, shares=[0.2, 0.6])
    swapped = BCELoss()(-logits, 1 - mask)
    assert swapped.item() == pytest.approx(BCELoss()(logits, mask).item(), rel=1e-12)


@given(seed=st.integers(0, 10_000), alpha=st.floats(0, 1), gamma=st.floats(0, 5))
@LAWS
def test_focal_is_unchanged_when_classes_and_alpha_change_places(seed, alpha, gamma):
    logits, mask = example((2, 1, 3, 4), seed, limit=5, shares=[0.2, 0.6])
    swapped = FocalLoss(1 - alpha, gamma)(-logits, 1 - mask)
    found = FocalLoss(alpha, gamma)(logits, mask)
    assert swapped.item() == pytest.approx(found.item(), rel=1e-9, abs=1e-12)


@given(seed=st.integers(0, 10_000), gamma=st.floats(0.1, 5))
@LAWS
def test_the_mean_first_gradient_is_parallel_to_that_of_bce(seed, gamma):
    case = example((2, 1, 3, 4), seed, limit=5, shares=[0.2, 0.6])
    focal = FocalLoss(0.8, gamma, focal_form="meanfirst")
    gradients = [loss_and_gradient(loss, *case)[1] for loss in (focal, BCELoss())]
    cosine = torch.cosine_similarity(*(each.flatten() for each in gradients), dim=0)
    assert cosine.item() == pytest.approx(1, abs=1e-12)


@given(seed=st.integers(0, 10_000))
@LAWS
def test_iou_loss_follows_from_dice_loss(seed):
    case = example((2, 1, 3, 4), seed, limit=5, shares=[0.3, 0.6])
    dice, iou = DiceLoss(smooth=0)(*case), IoULoss(smooth=0)(*case)
    assert iou.item() == pytest.approx((2 * dice / (1 + dice)).item(), rel=1e-12)


def test_a_loss_without_a_formula_says_what_to_define():
    class Nothing(PixelLoss):
        pass

    with pytest.raises(TypeError, match=r"^Nothing has no formula: define of"):
        Nothing()(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2))
