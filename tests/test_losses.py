"""The losses against values computed elsewhere, by hand, and against their own laws."""

import copy
import pickle
import shutil
from collections import Counter
from math import exp, log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from lesionkit import losses
from lesionkit.catalogue import DEFINITIONS, LOSSES, PAPER_A_LOSSES
from lesionkit.losses import (
    BCELoss,
    DiceLoss,
    FocalLoss,
    IoULoss,
    SumLoss,
    build_loss,
)

PAIRS = [(name, key) for key, each in DEFINITIONS.items() for name in each["losses"]]
NUMBERS_B = {
    "balanced_bce": {"alpha": 0.25},
    "focal": {"alpha": 0.25, "gamma": 4},
    "custom": {"alpha": 0.25, "gamma": 4, "beta": 0.7},
}
HALF = (torch.float16, torch.bfloat16)
DTYPES = (torch.float64, torch.float32, *HALF)
COMPOUNDS_OF_A = [name for name in PAPER_A_LOSSES if LOSSES[name].parts]
LAWS = settings(max_examples=20, deadline=None)


def uniform(count, seed):
    """Numbers in [0, 1) from a hash of their index: the same in every library."""
    numbers = []
    for k in range(count):
        z = (k * 2654435761 + seed * 40503 + 12345) % 2**32
        z = ((z ^ z >> 15) * 2246822519) % 2**32
        z = ((z ^ z >> 13) * 3266489917) % 2**32
        numbers.append((z ^ z >> 16) / 2**32)
    return torch.tensor(numbers, dtype=torch.float64)


def example(shape, seed, *, limit, shares):
    """Logits in -limit to limit, masks with one lesion share for each image."""
    count = torch.Size(shape).numel()
    logits = -limit + 2 * limit * uniform(count, seed).view(shape)
    shares = torch.tensor(shares, dtype=torch.float64).view(-1, 1, 1, 1)
    return logits, (uniform(count, seed + 7).view(shape) < shares).double()


def loss_and_gradient(loss, logits, mask):
    """The loss and its gradient with respect to the logits."""
    logits = logits.clone().requires_grad_()
    value = loss(logits, mask)
    value.backward()
    return value.detach(), logits.grad


def build(name, definition, **changes):
    """The loss of a pair, with paper B's U-Net numbers where the pair has none."""
    numbers = NUMBERS_B[name] if definition == "B" else {}
    return build_loss(name, definition=definition, **numbers | changes)


MIXED = example((1, 1, 4, 4), 2, limit=3, shares=[0.4])
UNEVEN = example((3, 1, 5, 7), 3, limit=4, shares=[0.0, 1.0, 0.25])

# loss and gradient norm of MIXED, loss and gradient norm of UNEVEN; from an
# implementation in another language
REFERENCE = [
    (
        build_loss("iou"),
        (0.778903943810, 0.0294069304228, 0.665177113291, 0.0134243414521),
    ),
    (
        build_loss("iou", sums="image"),
        (0.778903943810, 0.0294069304228, 0.739753224619, 0.0104436519273),
    ),
    (
        build_loss("dice"),
        (0.637872827534, 0.0394439197659, 0.498326127557, 0.0150686970582),
    ),
    (
        build_loss("dice", sums="image"),
        (0.637872827534, 0.0394439197659, 0.646346275022, 0.0116874806443),
    ),
    (
        build_loss("dice", smooth=1),
        (0.599220868494, 0.0365786211480, 0.493270616036, 0.0148971709986),
    ),
    (
        build_loss("bce"),
        (1.42455120180, 0.174200188182, 1.15271435620, 0.0573628908033),
    ),
    (
        build_loss("balanced_bce", definition="B", alpha=0.25),
        (0.841193963339, 0.111288995404, 0.662060659123, 0.0356752644577),
    ),
    (
        build_loss("focal", definition="A-printed"),
        (0.533626766199, 0.0842953594607, 0.452399412753, 0.0290988387662),
    ),
    (
        build_loss("focal", definition="A-gamma2"),
        (0.405671614177, 0.0941456424882, 0.357043948462, 0.0310774427944),
    ),
    (
        build_loss("focal", definition="B", alpha=0.25, gamma=4),
        (0.488308925294, 0.130841817861, 0.438099808884, 0.0408307538653),
    ),
    (
        build_loss("focal", definition="A-printed", alpha_form="constant"),
        (1.09409757561, 0.142506625084, 0.883153810177, 0.0465027850894),
    ),
    (
        build_loss("focal", definition="A-meanfirst"),
        (0.657189243730, 0.152913184932, 0.431722974659, 0.0443426906285),
    ),
    (
        build_loss("focal", definition="A-meanfirst", gamma=0.2),
        (1.07859968734, 0.143802780780, 0.854773473694, 0.0470621898689),
    ),
    (
        build_loss("ioufocal", definition="A-printed"),
        (1.31253071001, 0.106383718649, 1.11757652604, 0.0388111501003),
    ),
    (
        build_loss("ioufocal", definition="A-gamma2"),
        (1.18457555799, 0.112711638002, 1.02222106175, 0.0389443311231),
    ),
    (
        build_loss("ioufocal", definition="A-meanfirst"),
        (1.43609318754, 0.170765986671, 1.09690008795, 0.0528694817355),
    ),
    (
        build_loss("custom", definition="B", alpha=0.25, gamma=4, beta=0.7),
        (0.593003656862, 0.0533956867851, 0.480258231955, 0.0176915075580),
    ),
]

# p_t is 0.8, 0.5, 0.2 on three lesion pixels and 0.8 on one background pixel
FOUR_LOGITS = torch.tensor([log(4), 0, -log(4), -log(4)], dtype=torch.float64)
FOUR_MASK = torch.tensor([1, 1, 0, 1], dtype=torch.float64)
FOUR_BCE = (2 * log(1.25) + log(2) + log(5)) / 4
FOUR_FOCAL = (
    0.8 * (0.2**2 * log(1.25) + 0.5**2 * log(2) + 0.8**2 * log(5))
    + 0.2 * 0.2**2 * log(1.25)
) / 4
BY_HAND = [
    (build_loss("iou", smooth=0), 1 - 1.5 / (1.7 + 3 - 1.5)),
    (build_loss("dice", smooth=0), 1 - 3 / (1.7 + 3)),
    (build_loss("bce"), FOUR_BCE),
    (build_loss("focal"), FOUR_FOCAL),
    (
        build_loss("focal", definition="A-meanfirst"),
        0.8 * (1 - exp(-FOUR_BCE)) ** 2 * FOUR_BCE,
    ),
    (
        build_loss("balanced_bce", definition="B", alpha=0.25),
        (0.25 * (log(1.25) + log(2) + log(5)) + 0.75 * log(1.25)) / 4,
    ),
    (
        build_loss("custom", definition="B", alpha=0.8, gamma=2, beta=0.3, smooth=0),
        0.7 * FOUR_FOCAL + 0.3 * (1 - 3 / 4.7),
    ),
]


def test_the_input_rule_gives_the_stated_inputs():
    assert MIXED[0].sum().item() == pytest.approx(7.818220184650272, rel=1e-14)
    assert MIXED[0].flatten()[0].item() == 2.3837435161694884
    assert UNEVEN[0].sum().item() == pytest.approx(21.26894581876695, rel=1e-14)
    assert (MIXED[1].sum(), UNEVEN[1].sum()) == (6, 42)


@pytest.mark.parametrize(("loss", "values"), REFERENCE)
def test_float64_gives_the_reference_loss_and_gradient(loss, values):
    small, uneven = loss_and_gradient(loss, *MIXED), loss_and_gradient(loss, *UNEVEN)
    found = [small[0], small[1].norm(), uneven[0], uneven[1].norm()]
    assert torch.stack(found).dtype == torch.float64
    assert torch.stack(found).tolist() == pytest.approx(values, rel=1e-9)


@pytest.mark.parametrize(("loss", "values"), REFERENCE)
def test_float32_gives_the_reference_loss_and_gradient(loss, values):
    small = loss_and_gradient(loss, MIXED[0].float(), MIXED[1])
    uneven = loss_and_gradient(loss, UNEVEN[0].float(), UNEVEN[1])
    found = [small[0], small[1].norm(), uneven[0], uneven[1].norm()]
    # 24-bit numbers summed over 105 pixels
    assert torch.stack(found).tolist() == pytest.approx(values, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(("loss", "value"), BY_HAND)
def test_four_pixels_give_the_value_computed_by_hand(loss, value):
    found = loss(FOUR_LOGITS.view(1, 1, 2, 2), FOUR_MASK.view(1, 1, 2, 2))
    assert found.item() == pytest.approx(value, rel=1e-12)


def test_dice_loss_of_half_a_mask_is_one_third():
    logits = torch.tensor([[[100.0, -100.0]]])
    assert DiceLoss()(logits, torch.ones(1, 1, 2)).item() == pytest.approx(1 / 3)


# Every pair of the catalogue


def test_every_loss_is_in_a_definition():
    assert {name for name, _ in PAIRS} == set(LOSSES)


@pytest.mark.parametrize(("name", "definition"), PAIRS)
def test_a_loss_is_one_number_in_the_dtype_of_the_sums(name, definition):
    loss = build(name, definition)
    assert loss(*MIXED).shape == ()
    assert loss(MIXED[0].half(), MIXED[1]).dtype == torch.float32
    assert loss(*MIXED).dtype == torch.float64


EXTREMES = {
    "all on": torch.full((2, 1, 4, 4), 1e4),
    "all off": torch.full((2, 1, 4, 4), -1e4),
    "zero": torch.zeros(2, 1, 4, 4),
    "mixed": torch.linspace(-1e4, 1e4, 32).view(2, 1, 4, 4),
    "one wrong pixel": torch.full((2, 1, 4, 4), -1e4).index_fill(3, torch.tensor(0), 3),
    "one pixel images": torch.tensor([1e4, -1e4]).view(2, 1, 1, 1),
    "batch of one": torch.linspace(-60, 60, 16).view(1, 1, 4, 4),
}
ONE_PIXEL = torch.zeros(2, 1, 4, 4)
ONE_PIXEL[0, 0, 0, 0] = 1
FILLS = {
    "empty": torch.zeros(2, 1, 4, 4),
    "full": torch.ones(2, 1, 4, 4),
    "one pixel": ONE_PIXEL,
}


def at_the_extremes(loss, dtype, mask):
    """Loss and gradient entries of one loss for all EXTREMES, in one row."""
    found = []
    for logits in EXTREMES.values():
        n, _, height, width = logits.shape
        fitting = mask[:n, :, :height, :width]
        value, gradient = loss_and_gradient(loss, logits.to(dtype), fitting)
        found += [value.double().view(1), gradient.double().flatten()]
    return torch.cat(found)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("name", "definition"), PAIRS)
def test_loss_and_gradient_are_finite_at_the_extremes(name, definition, dtype, fill):
    loss = build(name, definition)
    assert at_the_extremes(loss, dtype, FILLS[fill]).isfinite().all()


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ["iou", "dice"])
def test_image_sums_are_finite_at_the_extremes(name, dtype, fill):
    loss = build_loss(name, sums="image")
    assert at_the_extremes(loss, dtype, FILLS[fill]).isfinite().all()


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


@pytest.mark.parametrize("sums", losses.SUMS)
@pytest.mark.parametrize(("name", "definition"), PAIRS)
def test_the_gradient_equals_finite_differences(name, definition, sums):
    logits, mask = UNEVEN[0][:, :, :2, :3].clone(), UNEVEN[1][:, :, :2, :3]
    loss = build(name, definition, sums=sums)
    assert torch.autograd.gradcheck(lambda z: loss(z, mask), logits.requires_grad_())


@pytest.mark.parametrize(("name", "definition"), PAIRS)
def test_every_dtype_of_the_mask_gives_the_same_value(name, definition):
    loss = build(name, definition)
    dtypes = (torch.bool, torch.uint8, torch.int64, torch.float16, torch.float32)
    found = {loss(UNEVEN[0], UNEVEN[1].to(dtype)).item() for dtype in dtypes}
    assert found == {loss(*UNEVEN).item()}


@pytest.mark.parametrize(("name", "definition"), PAIRS)
def test_a_mask_without_channel_axis_gives_the_same_value(name, definition):
    loss = build(name, definition)
    logits, mask = UNEVEN
    found = {loss(logits, mask.squeeze(1)), loss(logits.squeeze(1), mask)}
    assert {value.item() for value in found} == {loss(logits, mask).item()}


@pytest.mark.parametrize("dtype", HALF, ids=str)
@pytest.mark.parametrize(("name", "definition"), PAIRS)
def test_half_precision_is_computed_in_float32(name, definition, dtype):
    loss = build(name, definition)
    rounded = UNEVEN[0].to(dtype)
    with torch.autocast("cpu", dtype=dtype):
        found = loss(rounded, UNEVEN[1])
    assert torch.equal(found, loss(rounded.float(), UNEVEN[1]))


@pytest.mark.parametrize("name", ["iou", "dice"])
def test_a_half_precision_sum_over_65504_does_not_overflow(name):
    logits = torch.full((1, 1, 300, 300), 8.0)
    mask = torch.ones(1, 1, 300, 300)
    half = build_loss(name)(logits.half(), mask.half())
    assert half.item() == build_loss(name)(logits, mask).item()


# Laws


@pytest.mark.parametrize(("name", "definition"), PAIRS)
def test_image_sums_equal_batch_sums_for_one_image(name, definition):
    image, batch = (build(name, definition, sums=sums) for sums in ("image", "batch"))
    assert image(*MIXED).item() == pytest.approx(batch(*MIXED).item(), rel=1e-12)


@pytest.mark.parametrize("name", ["iou", "dice"])
def test_image_sums_are_the_mean_of_the_images(name):
    batch = build_loss(name)
    alone = [batch(UNEVEN[0][i : i + 1], UNEVEN[1][i : i + 1]) for i in range(3)]
    found = build_loss(name, sums="image")(*UNEVEN)
    assert found.item() == pytest.approx(torch.stack(alone).mean().item(), rel=1e-12)


@pytest.mark.parametrize(("name", "definition"), PAIRS)
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


# Refusals

LOGITS = torch.zeros(2, 1, 4, 4)


@pytest.mark.parametrize(
    ("logits", "mask", "message"),
    [
        (LOGITS, torch.zeros(2, 1, 4, 5), r"one shape.*\(2, 1, 4, 4\) and .*4, 5\)"),
        (LOGITS, torch.zeros(4, 4), r"one shape.*and \(4, 4\)"),
        (LOGITS, torch.zeros(1, 1, 4, 4), "one shape"),
        (LOGITS[0, 0], torch.zeros(4, 4), "one shape"),
        (torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4), "one shape"),
        (torch.zeros(0, 1, 4, 4), torch.zeros(0, 1, 4, 4), "one shape"),
        (LOGITS, 255 * torch.ones(2, 1, 4, 4, dtype=torch.uint8), "0 or 1, got 255"),
        (LOGITS, torch.full((2, 1, 4, 4), 0.5), "0 or 1, got 0.5 to 0.5"),
        (LOGITS, torch.full((2, 1, 4, 4), -1), "0 or 1, got -1"),
        (LOGITS, torch.full((2, 1, 4, 4), float("nan")), "0 or 1, got nan"),
    ],
)
@pytest.mark.parametrize(("name", "definition"), PAIRS)
def test_wrong_inputs_are_refused(name, definition, logits, mask, message):
    with pytest.raises(ValueError, match=message):
        build(name, definition)(logits, mask)


def test_integer_logits_are_refused():
    with pytest.raises(TypeError, match=r"floating point, got torch\.int64"):
        DiceLoss()(LOGITS.long(), LOGITS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "ioufocl"}, "unknown loss 'ioufocl'. Did you mean 'ioufocal'?"),
        ({"name": "iou", "definition": "A-gama2"}, "Did you mean 'A-gamma2'"),
        ({"name": "custom"}, "'custom' is not in definition 'A-gamma2'. It is in B; A"),
        ({"name": "iou", "definition": "B"}, "B has balanced_bce, focal, custom"),
        ({"name": "custom", "definition": "B"}, "needs alpha, gamma, beta"),
        ({"name": "custom", "definition": "B", "alpha": 0.5}, "needs gamma, beta"),
        ({"name": "balanced_bce", "definition": "B"}, "needs alpha$"),
        ({"name": "focal", "definition": "B"}, "needs alpha, gamma$"),
        ({"name": "iou", "beta": 0.5}, "'iou' has no use for beta"),
        ({"name": "dicebce", "alpha": 0.5}, "'dicebce' has no use for alpha"),
        ({"name": "bce", "focal_form": "pixel"}, "has no use for focal_form"),
        ({"name": "focal", "beta": 0.5}, "'focal' has no use for beta"),
        ({"name": "focal", "alpha": 1.1}, "alpha must be a number from 0 to 1, got 1"),
        ({"name": "focal", "alpha": "0.8"}, "alpha must be a number .* got '0.8'"),
        ({"name": "focal", "gamma": -1}, "gamma must be a number from 0 to inf"),
        ({"name": "focal", "gamma": float("nan")}, "gamma must be .* got nan"),
        ({"name": "focal", "gamma": float("inf")}, "gamma must be .* got inf"),
        ({"name": "iou", "smooth": -1}, "smooth must be a number from 0 to inf"),
        ({"name": "iou", "sums": "images"}, "unknown sums 'images'. Did you mean 'im"),
        ({"name": "focal", "focal_form": "pixels"}, "unknown focal_form 'pixels'"),
        ({"name": "focal", "alpha_form": "const"}, "unknown pixel alpha_form 'const'"),
        (
            {"name": "focal", "focal_form": "meanfirst", "alpha_form": "alpha_t"},
            "unknown meanfirst alpha_form 'alpha_t'. One of: constant",
        ),
        (
            {"name": "custom", "definition": "B", "alpha": 0, "gamma": 1, "beta": 2},
            "beta must be a number from 0 to 1, got 2",
        ),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        build_loss(**arguments)


def test_an_explicit_argument_wins_over_the_definition():
    loss = build_loss("focal", definition="A-gamma2", alpha=0.3, focal_form="meanfirst")
    assert (loss.alpha, loss.gamma) == (0.3, 2)
    assert (loss.focal_form, loss.alpha_form) == ("meanfirst", "constant")


def test_an_alpha_of_0_is_not_taken_for_a_missing_one():
    assert build_loss("focal", alpha=0, gamma=0).alpha == 0


def test_sums_and_smooth_reach_the_region_part_of_a_compound():
    loss = build_loss("dicefocal", sums="image", smooth=1)
    assert isinstance(loss, SumLoss)
    assert (loss.parts[0].sums, loss.parts[0].smooth) == ("image", 1)


# One pass


class Calls(TorchDispatchMode):
    """Counts the calls of each operator."""

    def __init__(self):
        super().__init__()
        self.count = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count[function.overloadpacket.__name__] += 1
        return function(*args, **kwargs or {})


@pytest.mark.parametrize(("name", "definition"), PAIRS)
def test_a_loss_takes_each_sigmoid_and_logarithm_once(name, definition):
    with Calls() as calls:
        build(name, definition)(*UNEVEN)
    transcendental = ("sigmoid", "log_sigmoid_forward", "exp")
    assert all(calls.count[each] <= 1 for each in transcendental)
    parts = {name, *LOSSES[name].parts}
    assert calls.count["sigmoid"] == bool(parts & {"iou", "dice"})
    logarithms = calls.count["log_sigmoid_forward"]
    logarithms += calls.count["binary_cross_entropy_with_logits"]
    assert logarithms == bool(parts & {"bce", "focal", "balanced_bce"})


def test_a_compound_of_region_losses_sums_once():
    with Calls() as alone:
        build_loss("iou")(*UNEVEN)
    with Calls() as both:
        build_loss("ioudice")(*UNEVEN)
    assert both.count["sum"] == alone.count["sum"]


# Compiled


class Recording:
    """A compiler that leaves the graph as it is, and counts graphs and their runs."""

    def __init__(self):
        self.graphs = self.runs = 0

    def __call__(self, graph, inputs):
        self.graphs += 1

        def run(*arguments):
            self.runs += 1
            return graph.forward(*arguments)

        return run


@pytest.fixture
def compiler():
    torch.compiler.reset()
    yield Recording()
    torch.compiler.reset()


@pytest.mark.slow
def test_ten_losses_in_two_shapes_and_dtypes_compile_without_falling_back(compiler):
    cases = [
        (logits.to(dtype), mask)
        for logits, mask in (MIXED, UNEVEN)
        for dtype in (torch.float32, torch.bfloat16)
    ]
    made = [build_loss(name) for name in PAPER_A_LOSSES]
    compiled = [torch.compile(loss, backend=compiler, fullgraph=True) for loss in made]
    for case in cases:
        for loss, fast in zip(made, compiled, strict=True):
            torch.testing.assert_close(fast(*case), loss(*case))
    assert compiler.graphs >= len(made)
    assert compiler.runs == len(made) * len(cases)


@pytest.mark.parametrize(("name", "definition"), PAIRS)
def test_a_loss_is_one_graph(name, definition, compiler):
    fast = torch.compile(build(name, definition), backend=compiler, fullgraph=True)
    assert fast(*UNEVEN).item() == build(name, definition)(*UNEVEN).item()
    assert (compiler.graphs, compiler.runs) == (1, 1)


def test_a_compiled_loss_refuses_a_wrong_mask(compiler):
    fast = torch.compile(build_loss("dicebce"), backend=compiler, fullgraph=True)
    with pytest.raises(ValueError, match="0 or 1, got 0 to 255"):
        fast(LOGITS, 255 * (LOGITS.new_tensor([0, 1, 0, 1]).expand(2, 1, 4, 4)).byte())


@pytest.mark.slow
@pytest.mark.skipif(
    not shutil.which("g++"), reason="torch.compile needs a C++ compiler"
)
@pytest.mark.parametrize(("name", "definition"), PAIRS)
def test_the_compiled_loss_gives_the_same_value_and_gradient(name, definition):
    loss = build(name, definition)
    fast = torch.compile(loss, fullgraph=True)
    for logits, mask in (MIXED, UNEVEN):
        expected = loss_and_gradient(loss, logits.float(), mask)
        found = loss_and_gradient(fast, logits.float(), mask)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)
    for mask in FILLS.values():
        assert at_the_extremes(fast, torch.float16, mask).isfinite().all()
    torch.compiler.reset()


def test_a_loss_can_be_copied_and_stored():
    loss = build_loss("ioufocal", gamma=3)
    for again in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert again(*UNEVEN).item() == loss(*UNEVEN).item()
        assert again.forward.__self__ is again
        assert again.forward.__func__.__code__ is not loss.forward.__func__.__code__
