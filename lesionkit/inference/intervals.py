"""The interval of a mean over images, alone or in groups that belong together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

RESAMPLES = 2000
LEVEL = 0.95


def mean_interval(
    values: Sequence[float] | np.ndarray,
    groups: Sequence[str] | np.ndarray | None = None,
    *,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """Percentile bootstrap of a mean, seed 0; NaN where there is nothing to draw from.

    With groups whole groups are drawn, since images of one patient or sequence are
    alike; the mean stays that over images. A value that never varies has no width.

    Args:
        values: (N,) one an image; NaN is left out.
        groups: (N,) the group of each image.
        resamples: of the bootstrap.

    Source: Efron, Ann. Statist. 7 (1979) 1-26; Davison and Hinkley, Bootstrap Methods
    (1997), 3.8, for whole groups.
    """
    values = np.asarray(values, float)
    labels = np.arange(len(values)) if groups is None else np.asarray(groups)
    known = ~np.isnan(values)
    names, where = np.unique(labels[known], return_inverse=True)
    if len(names) < 2:
        return float("nan"), float("nan")
    sums, counts = np.bincount(where, values[known]), np.bincount(where)
    found = stats.bootstrap(
        (sums, counts),
        lambda total, count, axis: total.sum(axis) / count.sum(axis),
        paired=True,
        vectorized=True,
        n_resamples=resamples,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(found.low), float(found.high)
