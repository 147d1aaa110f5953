"""What docs/dice.md says of other codes, held against those codes."""

from __future__ import annotations

import pytest
import torch

from lesionkit.losses import build_loss

RANDOM = torch.Generator().manual_seed(5)
LOGITS = 2 * torch.randn(3, 1, 8, 8, generator=RANDOM)
MASK = (torch.rand(3, 1, 8, 8, generator=RANDOM) < 0.3).float()
MASK[2] = 0
MONAI = [
    ({}, "dice", "image"),
    ({"batch": True}, "dice", "batch"),
    ({"squared_pred": True}, "squared_dice", "image"),
]


@pytest.mark.slow
def test_smp_is_by_batch_and_free_of_charge_without_a_lesion():
    from segmentation_models_pytorch.losses import DiceLoss

    theirs = DiceLoss("binary")
    ours = build_loss("dice", smooth=0)
    assert theirs(LOGITS, MASK).item() == pytest.approx(ours(LOGITS, MASK).item())
    assert theirs(LOGITS, 0 * MASK) == 0
    assert ours(LOGITS, 0 * MASK) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("options", "name", "sums"), MONAI)
def test_monai_is_by_image_unless_it_is_told(options, name, sums):
    losses = pytest.importorskip("monai.losses")
    theirs = losses.DiceLoss(sigmoid=True, **options)(LOGITS, MASK).item()
    ours = build_loss(name, sums=sums, smooth=1e-5)(LOGITS, MASK).item()
    other = build_loss("dice", sums="batch" if sums == "image" else "image")
    assert theirs == pytest.approx(ours, rel=1e-5)
    assert theirs != pytest.approx(other(LOGITS, MASK).item(), rel=0.01)


def test_by_image_an_empty_mask_costs_the_same_whatever_is_marked():
    loss = build_loss("dice", sums="image")
    mask = torch.zeros(1, 1, 64, 64)
    values = [loss(torch.full_like(mask, z), mask).item() for z in (-6, 6)]
    assert values == pytest.approx([1, 1], abs=1e-4)
