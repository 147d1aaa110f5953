"""Comparisons made by hand, so that panels, sliders and pages need no training."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pandas as pd

from lesionkit.catalogue import PAPER_A_LOSSES
from lesionkit.thresholds.comparison import Comparison

ELEMENT = r'<script type="application/json" id="([^"]*)">(.*?)</script>'
RADII = {"small.png": 0.08, "large.png": 0.3, "empty.png": 0.0, "middle.png": 0.18}


def made_comparison(side: int = 32, losses: int = 3, seed: int = 0) -> Comparison:
    """Discs of four sizes under losses whose logits are a gap and noise.

    Args:
        side: of the images, pixels.
        losses: how many of paper A's; the gap grows from loss to loss.
        seed: of the noise.
    """
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    distance = np.hypot(x - 0.5, y - 0.5)
    masks = np.stack([distance < radius for radius in RADII.values()]).astype(np.uint8)
    images = random.integers(0, 80, (4, side, side, 3)) + 90 * masks[..., None]
    logits = np.stack(
        [
            random.normal(-3, 1, masks.shape) + (4 + 0.4 * i) * masks
            for i in range(losses)
        ]
    )
    names = PAPER_A_LOSSES[:losses]
    per_loss = {"loss": np.repeat(names, 2)}
    numbers = np.linspace(0, 1, 2 * losses)
    curves = {"cut": [-1.0, 1.0] * losses, "dice": numbers, "marked": numbers}
    marked = {"rule": ["probability", "raw_mean"] * losses, "marked": numbers}
    marked |= {"low": numbers / 2, "high": numbers, "images": 4}
    theory = {"lesion_share": numbers, "gap": 4.0, "spread": 1.0}
    theory |= {"predicted": numbers, "measured": numbers}
    return Comparison(
        title="made, by hand, repeat 0",
        losses=tuple(names),
        files=tuple(RADII),
        images=images.astype(np.uint8),
        masks=masks,
        logits=logits.astype(np.float16),
        validation_cuts=np.linspace(-1, 1, losses),
        curves=pd.DataFrame(per_loss | curves),
        marked=pd.DataFrame(per_loss | marked),
        theory=pd.DataFrame(per_loss | theory),
    )


def held(text: str) -> dict[str, Any]:
    """What a page of thresholds holds for its script, by the name of the element."""

    def refused(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    return {
        name: json.loads(content, parse_constant=refused)
        for name, content in re.findall(ELEMENT, text)
    }
