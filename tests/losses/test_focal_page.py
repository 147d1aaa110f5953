"""What docs/focal.md says of other codes, held against those codes."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from lesionkit.losses import build_loss

RANDOM = torch.Generator().manual_seed(5)
LOGITS = 2 * torch.randn(2, 1, 8, 8, generator=RANDOM, dtype=torch.float64)
MASK = (torch.rand(2, 1, 8, 8, generator=RANDOM) < 0.3).double()
NUMBERS = [(0.8, 2.0), (0.25, 2.0), (0.25, 4.0)]


def ours(**options) -> float:
    """The focal loss of the kit."""
    return build_loss("focal", **options)(LOGITS, MASK).item()


def smp(**options):
    """segmentation-models-pytorch's focal loss."""
    from segmentation_models_pytorch.losses import FocalLoss

    return FocalLoss("binary", **options)


@pytest.mark.slow
@pytest.mark.parametrize(("alpha", "gamma"), NUMBERS)
def test_smp_with_alpha_is_per_pixel_with_alpha_t(alpha, gamma):
    theirs = smp(alpha=alpha, gamma=gamma)(LOGITS, MASK).item()
    assert theirs == pytest.approx(ours(alpha=alpha, gamma=gamma), rel=1e-6)


@pytest.mark.slow
def test_smp_without_alpha_is_per_pixel_with_the_constant_1():
    theirs = smp()(LOGITS, MASK).item()
    assert theirs == pytest.approx(
        ours(alpha=1, gamma=2, alpha_form="constant"), rel=1e-6
    )


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"normalized": True}, {"reduced_threshold": 0.5}])
def test_smp_normalised_and_reduced_are_other_functions(options):
    theirs = smp(alpha=0.8, gamma=2.0, **options)(LOGITS, MASK).item()
    assert theirs != pytest.approx(ours(alpha=0.8, gamma=2), rel=0.01)


@pytest.mark.slow
def test_smp_has_no_finite_gradient_at_the_printed_gamma():
    logits = torch.tensor([[[[40.0, -1.0]]]], requires_grad=True)
    smp(alpha=0.8, gamma=0.2)(logits, torch.ones(1, 1, 1, 2)).backward()
    assert logits.grad.isnan().any()


@pytest.mark.slow
@pytest.mark.parametrize(("alpha", "gamma"), NUMBERS)
def test_monai_is_per_pixel_with_alpha_t_in_float32(alpha, gamma):
    losses = pytest.importorskip("monai.losses")
    found = losses.FocalLoss(alpha=alpha, gamma=gamma)(LOGITS, MASK)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(ours(alpha=alpha, gamma=gamma), rel=1e-5)


@pytest.mark.slow
def test_monai_without_alpha_is_the_constant_1():
    losses = pytest.importorskip("monai.losses")
    expected = ours(alpha=1, gamma=2, alpha_form="constant")
    assert losses.FocalLoss()(LOGITS, MASK).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("alpha", "gamma"), NUMBERS)
def test_kornia_is_per_pixel_with_alpha_t(alpha, gamma):
    losses = pytest.importorskip("kornia.losses")
    found = losses.binary_focal_loss_with_logits(
        LOGITS, MASK, alpha=alpha, gamma=gamma, reduction="mean"
    )
    assert found.item() == pytest.approx(ours(alpha=alpha, gamma=gamma), rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("alpha", "gamma"), NUMBERS)
def test_torchvision_by_the_mean_is_per_pixel_with_alpha_t(alpha, gamma):
    from torchvision.ops import sigmoid_focal_loss

    found = sigmoid_focal_loss(LOGITS, MASK, alpha=alpha, gamma=gamma, reduction="mean")
    assert found.item() == pytest.approx(ours(alpha=alpha, gamma=gamma), rel=1e-6)
    divided = sigmoid_focal_loss(LOGITS, MASK, alpha=alpha, gamma=gamma) / MASK.sum()
    share = MASK.mean().item()
    expected = ours(alpha=alpha, gamma=gamma) / share
    assert divided.sum().item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("alpha", "gamma"), NUMBERS)
def test_the_form_of_the_notebooks_is_mean_first(alpha, gamma):
    b = binary_cross_entropy_with_logits(LOGITS, MASK)
    written = alpha * (1 - torch.exp(-b)) ** gamma * b
    expected = ours(definition="A-meanfirst", alpha=alpha, gamma=gamma)
    assert written.item() == pytest.approx(expected, rel=1e-12)
    pixel = ours(alpha=alpha, gamma=gamma, alpha_form="constant")
    assert written.item() != pytest.approx(pixel, rel=0.01)
