"""The losses against values computed elsewhere and by hand, and what they refuse."""

from math import cosh, exp, log, sqrt

import pytest
import torch
from made_losses import (
    EVERY_PAIR,
    HALF,
    LOGITS,
    MIXED,
    PAIRS,
    UNEVEN,
    build,
    loss_and_gradient,
)

from lesionkit.catalogue import FURTHER_LOSSES, LOSSES
from lesionkit.losses import DiceLoss, SumLoss, build_loss

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
    (
        build_loss("tversky"),
        (0.60189091865, 0.045479438041, 0.468771463605, 0.0169229728769),
    ),
    (
        build_loss("focal_tversky"),
        (0.683342359719, 0.0387254885561, 0.566527341775, 0.0153390205834),
    ),
    (
        build_loss("squared_dice"),
        (0.580494868038, 0.0459462032716, 0.42566320318, 0.0167309520191),
    ),
    (
        build_loss("logcosh_dice"),
        (0.190978264475, 0.0222246547113, 0.119342084105, 0.00694365147915),
    ),
    (
        build_loss("lovasz"),
        (2.5523424851, 0.289445433937, 2.33808951132, 0.106253932723),
    ),
    (
        build_loss("mcc"),
        (1.19888832408, 0.0751310686347, 0.912518111409, 0.0277512270309),
    ),
    (
        build_loss("poly1"),
        (2.04260901983, 0.203231892263, 1.6157816049, 0.0670469180281),
    ),
    (
        build_loss("topk"),
        (3.01751703419, 0.951077459324, 3.79426442543, 0.309023789673),
    ),
    (
        build_loss("smoothed_bce"),
        (1.3901596911, 0.163214871258, 1.16042547403, 0.053603118732),
    ),
    (
        build_loss("structure"),
        (1.88181021692, 0.243121580374, 1.80078023083, 0.0753168992067),
    ),
    (
        build_loss("structure", weighting="as_run"),
        (2.01843371661, 0.200716281393, 1.79877683556, 0.0648214904877),
    ),
    (
        build_loss("asym_unified_focal"),
        (0.66455477205, 0.0542748722979, 0.543272099649, 0.0181831691207),
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
# The window of 31 sees three lesion pixels from everywhere.
LESION, REST = 1 + 5 * (1 - 3 / 961), 1 + 5 * 3 / 961
FOUR_STRUCTURE = (
    (LESION * (log(1.25) + log(2) + log(5)) + REST * log(1.25)) / (3 * LESION + REST),
    1 - (1.5 * LESION + 1) / (1.5 * LESION + 0.2 * REST + 1.5 * LESION + 1),
)
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
    # in common 1.5, falsely marked 0.2, missed 1.5, background left alone 0.8
    (build_loss("tversky", smooth=0), 1.11 / 2.61),
    (build_loss("focal_tversky", smooth=0), (1.11 / 2.61) ** 0.75),
    (build_loss("squared_dice", smooth=0), 1 - 3 / (0.64 + 0.25 + 2 * 0.04 + 3)),
    (build_loss("logcosh_dice", smooth=0), log(cosh(1 - 3 / 4.7))),
    # errors of 1 + log 4 and 1, each a third of the lesion
    (build_loss("lovasz"), (2 + log(4)) / 3),
    (
        build_loss("mcc", smooth=1e-14),
        1 - (1.5 * 4 - 1.7 * 3) / sqrt(1.7 * 2.3 * 3 * 1),
    ),
    (build_loss("poly1"), FOUR_BCE + 1.7 / 4),
    (build_loss("poly1", epsilon=-1), FOUR_BCE - 1.7 / 4),
    (build_loss("topk"), log(5)),
    (build_loss("topk", share=0.5), (log(5) + log(2)) / 2),
    (build_loss("smoothed_bce"), (1.95 * log(1.25) + log(2) + 1.05 * log(5)) / 4),
    (build_loss("structure"), FOUR_STRUCTURE[0] + FOUR_STRUCTURE[1]),
    (build_loss("structure", weighting="as_run"), FOUR_BCE + FOUR_STRUCTURE[1]),
    (
        build_loss("asym_unified_focal", smooth=0),
        (0.72 / 1.52 + sqrt(0.98 / 2.48)) / 4
        + (0.6 * (log(1.25) + log(2) + log(5)) + 0.4 * sqrt(0.2) * log(1.25)) / 8,
    ),
    (build_loss("dicebce_image", smooth=0), FOUR_BCE + 1 - 3 / 4.7),
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


def test_every_loss_is_in_a_definition_or_beyond_the_papers():
    assert {name for name, _ in PAIRS} == set(LOSSES)
    assert {name for name, _ in EVERY_PAIR} == set(LOSSES) - set(FURTHER_LOSSES)


@pytest.mark.parametrize(("name", "definition"), PAIRS)
def test_a_loss_is_one_number_in_the_dtype_of_the_sums(name, definition):
    loss = build(name, definition)
    assert loss(*MIXED).shape == ()
    assert loss(MIXED[0].half(), MIXED[1]).dtype == torch.float32
    assert loss(*MIXED).dtype == torch.float64


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
def test_wrong_inputs_are_refused(logits, mask, message):
    with pytest.raises(ValueError, match=message):
        DiceLoss()(logits, mask)


@pytest.mark.parametrize(("name", "definition"), PAIRS)
def test_every_loss_refuses_another_shape_and_another_mask(name, definition):
    loss = build(name, definition)
    with pytest.raises(ValueError, match="one shape"):
        loss(LOGITS, torch.zeros(1, 1, 4, 4))
    with pytest.raises(ValueError, match="0 or 1, got 0.5"):
        loss(LOGITS, torch.full((2, 1, 4, 4), 0.5))


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
