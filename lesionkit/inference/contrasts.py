"""The difference of two losses, and how sure it is beyond the cells it was seen in.

Data sets and models are samples of those one could have taken, and cells that share one
of them are not independent. A difference d of data set i and model j is therefore split
into a part of the data set, a part of the model and a rest, and the error of its mean
takes all three (the quasi F test of crossed random effects).

Source: Clark, J. Verbal Learning and Verbal Behavior 12 (1973) 335-359; degrees of
freedom after Satterthwaite, Biometrics Bulletin 2 (1946) 110-114; on one data set,
repeats share images: Nadeau and Bengio, Machine Learning 52 (2003) 239-281.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from lesionkit.inference.grids import Grid

TEST_TO_TRAIN = 1 / 3  # of a 60:20:20 split; how much two random splits overlap


@dataclass(frozen=True)
class Contrast:
    """Differences with their standard errors; arrays of one shape.

    Attributes:
        mean: first less second.
        error: standard error of the mean; NaN where nothing can be said.
        freedom: degrees of freedom of the error.
    """

    mean: np.ndarray
    error: np.ndarray
    freedom: np.ndarray

    @property
    def p(self) -> np.ndarray:
        """Two-sided probability of a difference as large, if there were none."""
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.abs(self.mean) / self.error
        return np.where(self.mean == 0, 1.0, 2 * stats.t.sf(t, self.freedom))

    def greater(self, than: float = 0.0) -> np.ndarray:
        """One-sided probability of a mean as large, if it were `than` or less."""
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (self.mean - than) / self.error
        return np.where(self.mean == than, 0.5, stats.t.sf(t, self.freedom))

    def interval(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end of the confidence interval."""
        reach = stats.t.ppf(0.5 + level / 2, self.freedom) * self.error
        return self.mean - reach, self.mean + reach

    def detectable(self, level: float = 0.95, power: float = 0.8) -> np.ndarray:
        """Smallest true difference that this test would find with this power."""
        t = stats.t.ppf
        return self.error * (t(0.5 + level / 2, self.freedom) + t(power, self.freedom))


def crossed(differences: np.ndarray) -> Contrast:
    """Mean of a difference over data sets and models that both vary.

    The error is the largest of three: of data sets alone, of models alone, and of both
    with what they share taken off once.

    Shape:
        differences: (..., D, M) with D or M above 1
        returns: arrays (...,)
    """
    sets, models = differences.shape[-2:]
    mean = differences.mean((-2, -1))
    rows, columns = differences.mean(-1), differences.mean(-2)
    of_sets = models * _spread(rows, mean)
    of_models = sets * _spread(columns, mean)
    if sets == 1 or models == 1:
        square, count = (of_models, models) if sets == 1 else (of_sets, sets)
        return _contrast(mean, square / count, np.full_like(mean, count - 1))
    rest = differences - rows[..., None] - columns[..., None, :] + mean[..., None, None]
    freedoms = sets - 1, models - 1, (sets - 1) * (models - 1)
    squares = of_sets, of_models, (rest**2).sum((-2, -1)) / freedoms[2]
    both = of_sets + of_models - squares[2]
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = sum(s**2 / f for s, f in zip(squares, freedoms, strict=True))
        satterthwaite = both**2 / shares
    three = np.stack([of_sets, of_models, both])
    largest = three.argmax(0)
    freedom = np.choose(largest, [*freedoms[:2], satterthwaite])
    return _contrast(mean, three.max(0) / (sets * models), freedom)


def _spread(part: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Sample variance of means along the last axis around their mean; 0 of one."""
    return ((part - mean[..., None]) ** 2).sum(-1) / max(part.shape[-1] - 1, 1)


def _contrast(mean: np.ndarray, variance: np.ndarray, freedom: np.ndarray) -> Contrast:
    """Degrees of freedom below 1 are 1."""
    return Contrast(mean, np.sqrt(variance), np.maximum(np.nan_to_num(freedom), 1.0))


def on_one(grid: Grid, weights: np.ndarray) -> Contrast:
    """Mean of weighted sums of losses on a single data set, over models and repeats.

    Repeats are random splits of the same images, so their variance counts 1 +
    R * test / train times. With cell means alone the losses of a cell are taken as
    unpaired and a repeat as the same for all models, which makes the error larger than
    it may be.

    Shape:
        weights: (P, L)
    """
    repeats = grid.repeats
    if grid.runs is not None and grid.paired:
        d = np.einsum("mlr,pl->pmr", grid.runs[0], weights)
        repeats = d.shape[2]
        of_repeats = _spread(d.mean(1), d.mean((1, 2)))
        d = d.mean(2)
    else:
        d = np.einsum("ml,pl->pm", grid.means[0], weights)
        of_repeats = np.einsum("ml,pl->p", grid.deviations[0] ** 2, weights**2)
        of_repeats = of_repeats / d.shape[1]
    models, mean = d.shape[1], d.mean(1)
    by_repeat = of_repeats * (1 / repeats + TEST_TO_TRAIN)
    by_model = _spread(d, mean) / models
    freedom = np.where(by_model > by_repeat, models - 1, repeats - 1)
    return _contrast(mean, np.maximum(by_model, by_repeat), freedom)


def weighted(grid: Grid, weights: np.ndarray) -> Contrast:
    """Weighted sums of losses, with the widest scope there is.

    Shape:
        weights: (P, L), each row adds up to 0
    """
    if len(grid.datasets) > 1:
        return crossed(np.einsum("dml,pl->pdm", grid.means, weights))
    if grid.spread_known:
        return on_one(grid, weights)
    mean = weights @ grid.overall
    return Contrast(mean, np.full_like(mean, np.nan), np.ones_like(mean))


def contrast(grid: Grid, first: np.ndarray, second: np.ndarray) -> Contrast:
    """Differences between losses, first less second.

    Args:
        first, second: places of the losses in the grid, (P,) each.
    """
    every = np.eye(len(grid.losses))
    return weighted(grid, every[first] - every[second])


def scope(grid: Grid) -> str:
    """What a result speaks of, in words; "" where it can speak of nothing."""
    several = len(grid.models) > 1
    if len(grid.datasets) > 1:
        if several:
            return "data sets and networks like these"
        return f"data sets like these, with {grid.models[0]}"
    if not grid.spread_known:
        return ""
    network = "networks like these" if several else grid.models[0]
    return f"{grid.datasets[0]} with {network}"
