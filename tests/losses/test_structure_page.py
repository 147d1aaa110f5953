"""What docs/structure.md says of the published function, held against its two forms."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import avg_pool2d, binary_cross_entropy_with_logits

from lesionkit.losses import build_loss

RANDOM = torch.Generator().manual_seed(5)
LOGITS = 2 * torch.randn(2, 1, 40, 36, generator=RANDOM, dtype=torch.float64)
MASK = torch.zeros_like(LOGITS)
MASK[0, :, 5:20, 8:30] = 1
MASK[1, :, 30:, :9] = 1


def written(bce: torch.Tensor) -> float:
    """The formula of the papers around a BCE, of one number or of each pixel."""
    w = 1 + 5 * (avg_pool2d(MASK, 31, stride=1, padding=15) - MASK).abs()
    p, image = LOGITS.sigmoid(), (2, 3)
    weighted = (w * bce).sum(image) / w.sum(image)
    both, all_ = (w * p * MASK).sum(image), (w * (p + MASK)).sum(image)
    return (weighted + 1 - (both + 1) / (all_ - both + 1)).mean().item()


@pytest.mark.filterwarnings("ignore:size_average and reduce args")
def test_the_deprecated_argument_gives_the_form_as_run():
    bce = binary_cross_entropy_with_logits(LOGITS, MASK, reduce="none")
    assert bce.shape == ()
    found = build_loss("structure", weighting="as_run")(LOGITS, MASK).item()
    assert found == pytest.approx(written(bce), rel=1e-12)


def test_the_argument_that_was_meant_gives_the_form_as_meant():
    bce = binary_cross_entropy_with_logits(LOGITS, MASK, reduction="none")
    found = build_loss("structure")(LOGITS, MASK).item()
    assert found == pytest.approx(written(bce), rel=1e-12)
    as_run = build_loss("structure", weighting="as_run")(LOGITS, MASK).item()
    assert found != pytest.approx(as_run, rel=1e-4)
