"""Curves and angles of losses against closed forms and finite differences."""

import numpy as np
import pytest
import torch
from made_losses import PAIRS, build

from lesionkit.catalogue import PAPER_A_LOSSES
from lesionkit.losses import build_loss
from lesionkit.losses import study as loss_study

LOGITS = np.array([-4.0, -0.5, 0.0, 2.0, 6.0])


@pytest.fixture
def mask():
    """One square lesion, (2, 1, 8, 8)."""
    mask = torch.zeros(2, 1, 8, 8)
    mask[:, :, 2:5, 3:7] = 1
    return mask


@pytest.mark.parametrize(("truth", "sign"), [(1, -1), (0, 1)])
def test_the_curve_of_bce_is_softplus_and_its_slope_a_sigmoid(truth, sign):
    values, slopes = loss_study.pixel_curve(build_loss("bce"), LOGITS, truth)
    assert values == pytest.approx(np.log1p(np.exp(sign * LOGITS)))
    assert slopes == pytest.approx(1 / (1 + np.exp(-LOGITS)) - truth)


def test_the_curve_of_dice_on_a_lesion_pixel_is_its_fraction():
    loss = build_loss("dice", smooth=0.0)
    values, _ = loss_study.pixel_curve(loss, LOGITS, 1)
    p = 1 / (1 + np.exp(-LOGITS))
    assert values == pytest.approx(1 - 2 * p / (p + 1))


@pytest.mark.parametrize(("name", "definition"), [p for p in PAIRS if p[1] != "B"])
def test_slopes_are_the_finite_differences_of_the_values(name, definition):
    loss = build(name, definition)
    step = 1e-5  # error of a central difference: step squared, and 1e-16 / step
    _, slopes = loss_study.pixel_curve(loss, LOGITS, 1)
    above, _ = loss_study.pixel_curve(loss, LOGITS + step, 1)
    below, _ = loss_study.pixel_curve(loss, LOGITS - step, 1)
    assert slopes == pytest.approx((above - below) / (2 * step), abs=1e-8)


def test_a_gradient_has_the_shape_of_the_logits_and_leaves_them_alone(mask):
    logits = loss_study.example_logits(mask)
    slope = loss_study.gradient(build_loss("bce"), logits, mask)
    assert slope.shape == mask.shape
    assert not logits.requires_grad


def test_the_gradient_of_bce_is_the_error_of_each_pixel(mask):
    logits = loss_study.example_logits(mask)
    slope = loss_study.gradient(build_loss("bce"), logits, mask)
    assert torch.allclose(slope, (logits.sigmoid() - mask) / mask.numel())


def test_mean_first_focal_pulls_where_bce_pulls(mask):
    forms = {
        "bce": build_loss("bce"),
        "mean first": build_loss("focal", definition="A-meanfirst"),
        "per pixel": build_loss("focal", definition="A-gamma2"),
    }
    cosines = loss_study.gradient_cosines(forms, loss_study.example_logits(mask), mask)
    assert cosines["bce"]["mean first"] == pytest.approx(1, abs=1e-12)
    assert cosines["bce"]["per pixel"] < 0.99


def test_every_loss_pulls_where_it_pulls_itself_and_angles_are_mutual(mask):
    ten = {name: build_loss(name) for name in PAPER_A_LOSSES}
    cosines = loss_study.gradient_cosines(ten, loss_study.example_logits(mask), mask)
    table = np.array([list(row.values()) for row in cosines.values()])
    assert np.diag(table) == pytest.approx(np.ones(10))
    assert table == pytest.approx(table.T)


def test_example_logits_without_noise_are_the_gap_by_class(mask):
    logits = loss_study.example_logits(mask, gap=2.0, noise=0.0)
    assert torch.equal(logits, torch.where(mask == 1, 2.0, -2.0).double())


def test_example_logits_depend_on_the_seed_alone(mask):
    first, again = (loss_study.example_logits(mask, seed=1) for _ in range(2))
    other = loss_study.example_logits(mask, seed=2)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.fixture(scope="module")
def extreme():
    """Gradients of the ten losses at logits of 10,000."""
    ten = {name: build_loss(name, definition="A-printed") for name in PAPER_A_LOSSES}
    return loss_study.extreme_gradients(ten)


@pytest.mark.parametrize("name", PAPER_A_LOSSES)
def test_gradients_stay_finite_at_extreme_logits(extreme, name):
    for case in ("empty", "full", "mixed"):
        assert extreme[case][name].shape == (1, 1, 8, 8)
        assert extreme[case][name].isfinite().all()


def test_a_region_loss_is_flat_where_bce_still_pulls(extreme):
    assert extreme["mixed"]["iou"].abs().max() == 0
    # every wrong pixel pulls with 1 / number of pixels
    assert extreme["mixed"]["bce"].abs().max() == pytest.approx(1 / 64)


def test_a_prediction_without_errors_has_the_least_loss():
    errors, values = loss_study.error_surface(build_loss("iou"), confidence=50)
    assert values[0, 0] == pytest.approx(0, abs=1e-6)
    # all 80 missed and none added: nothing in common
    assert values[-1, 0] == pytest.approx(1)
    # 80 found, 80 too much
    assert values[0, -1] == pytest.approx(1 - 80 / 160, abs=1e-6)
    # 40 missed and 20 too much: 40 of 100 in common
    assert (errors[10], errors[5]) == (0.5, 0.25)
    assert values[10, 5] == pytest.approx(1 - 40 / 100, abs=1e-6)


def test_bce_charges_both_errors_alike_and_focal_the_missed_ones_more():
    _, bce = loss_study.error_surface(build_loss("bce"))
    assert bce[6, 0] == pytest.approx(bce[0, 6])
    _, focal = loss_study.error_surface(build_loss("focal", alpha=0.8, gamma=0))
    missed, added = focal[6, 0] - focal[0, 0], focal[0, 6] - focal[0, 0]
    assert missed / added == pytest.approx(4)
