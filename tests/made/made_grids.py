"""Grids of made runs, and that of the public re-run."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest

from lesionkit import published
from lesionkit.inference.grids import Grid, full_grid


def made_grid(runs: np.ndarray, metric: str = "dice") -> Grid:
    """A grid of single runs (D, M, L, R)."""
    several = runs.shape[3] > 1
    names = ("set", "net", "loss")
    return Grid(
        metric,
        *(
            tuple(f"{n}{i}" for i in range(k))
            for n, k in zip(names, runs.shape, strict=False)
        ),
        means=runs.mean(3),
        deviations=runs.std(3, ddof=1) if several else np.full(runs.shape[:3], np.nan),
        repeats=runs.shape[3],
        runs=runs,
        remarks=(),
    )


def table_of(runs: np.ndarray) -> pd.DataFrame:
    """A tidy table of single runs (D, M, L, R); a NaN is a run without a score."""
    grid = made_grid(runs)
    places = product(grid.datasets, grid.models, grid.losses, range(runs.shape[3]))
    names = ["dataset", "model", "loss", "repeat"]
    return pd.DataFrame(list(places), columns=names).assign(dice=runs.ravel())


def noise(*shape: int, seed: int = 0, spread: float = 0.01) -> np.ndarray:
    """Runs around 0.8."""
    return 0.8 + np.random.default_rng(seed).normal(0, spread, shape)


@pytest.fixture(scope="module")
def rerun():
    """The public re-run."""
    return full_grid(published.public_rerun())
