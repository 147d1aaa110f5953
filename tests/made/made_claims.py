"""Runs whose losses differ as they are told to."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lesionkit.catalogue import PAPER_A_LOSSES
from lesionkit.papers.claims import METRICS, ORDER

AS_CLAIMED = {loss: 0.1 - 0.01 * place for place, loss in enumerate(ORDER)}
EQUAL = dict.fromkeys(PAPER_A_LOSSES, 0.0)
REVERSED = {loss: -effect for loss, effect in AS_CLAIMED.items()}


def made(
    effects: dict[str, float],
    *,
    datasets: int = 5,
    models: tuple[str, ...] = ("fcn", "unet", "caranet", "fatnet"),
    repeats: int = 3,
    spread: float = 0.002,
    seed: int = 0,
    **columns: float,
) -> pd.DataFrame:
    """Runs whose losses differ by these effects in all four metrics."""
    random = np.random.default_rng(seed)
    rows = []
    for d in range(datasets):
        for model in models:
            for loss, effect in effects.items():
                for r in range(repeats):
                    noise = random.normal(0, spread, 4)
                    scores = 0.7 + 0.02 * d + effect + noise
                    rows.append((f"set{d}", model, loss, r, *scores))
    names = ["dataset", "model", "loss", "repeat", *METRICS]
    return pd.DataFrame(rows, columns=names).assign(**columns)
