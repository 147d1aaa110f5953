"""The difference of two losses, and how sure it is beyond the cells it was seen in.

Data sets and models are samples of those one could have taken, and cells that share one
of them are not independent. The error of a mean difference is therefore taken three
times: from data sets, from models, and from both with what they share taken off once. A
difference has to be shown by each of the three (docs/verdict.md).

Source: Clark, J. Verbal Learning and Verbal Behavior 12 (1973) 335-359; degrees of
freedom after Satterthwaite, Biometrics Bulletin 2 (1946) 110-114; on one data set,
repeats share images: Nadeau and Bengio, Machine Learning 52 (2003) 239-281.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from lesionkit.inference import images, pooling
from lesionkit.inference.grids import Grid

TEST_TO_TRAIN = 1 / 3  # of a 60:20:20 split; how much two random splits overlap


@dataclass(frozen=True)
class Contrast:
    """Differences, and the tests that each of them has to pass.

    Attributes:
        mean: (..., P) first less second.
        errors: (T, ..., P) standard errors of the mean, one a test; NaN where nothing
            can be said.
        freedoms: (T, ..., P) degrees of freedom of the errors.
    """

    mean: np.ndarray
    errors: np.ndarray
    freedoms: np.ndarray

    @property
    def p(self) -> np.ndarray:
        """Two-sided probability of a difference as large, if there were none."""
        up = self.greater()
        return np.where(self.mean == 0, 1.0, 2 * np.minimum(up, self.less()))

    def greater(self, than: float = 0.0) -> np.ndarray:
        """One-sided probability of a mean as large, if it were `than` or less."""
        return self._tail(self.mean - than)

    def less(self, than: float = 0.0) -> np.ndarray:
        """One-sided probability of a mean as small, if it were `than` or more."""
        return self._tail(than - self.mean)

    def _tail(self, gap: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            tails = special.stdtr(self.freedoms, -gap / self.errors)
        tails = np.where((self.errors == 0) & (gap == 0), 0.5, tails)
        return tails.max(0)

    def reach(self, tail: float) -> np.ndarray:
        """How far the interval reaches on each side: the widest of the tests.

        Args:
            tail: probability beyond each end; 0.025 for a 95 % interval.
        """
        return (-special.stdtrit(self.freedoms, tail) * self.errors).max(0)

    def interval(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end of the confidence interval."""
        reach = self.reach(0.5 - level / 2)
        return self.mean - reach, self.mean + reach

    def detectable(self, level: float = 0.95, power: float = 0.8) -> np.ndarray:
        """Smallest true difference that these tests would find with this power."""
        f = self.freedoms
        t = -special.stdtrit(f, 0.5 - level / 2) + special.stdtrit(f, power)
        return (t * self.errors).max(0)

    def detectable_range(self, power: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
        """`detectable` for the errors that may lie behind these, from 10 to 90 %.

        An error that is known from few degrees of freedom may be far off.
        """
        f = self.freedoms
        t = -special.stdtrit(f, 0.025) + special.stdtrit(f, power)
        ends = []
        for share in (0.9, 0.1):
            behind = self.errors * np.sqrt(f / stats.chi2.ppf(share, f))
            ends.append((t * behind).max(0))
        return ends[0], ends[1]


def crossed(
    differences: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    scale: np.ndarray | None = None,
    priors: pooling.Priors | None = None,
    seen: np.ndarray | None = None,
    floor: float | np.ndarray = 0.0,
) -> Contrast:
    """Mean of a difference over data sets and models that both vary.

    Args:
        differences: (..., P, D, M) with D or M above 1.
        weights: (D,) of the data sets, adding up to 1; by default all alike.
        scale: (P,) the variance of each difference beside that of two single losses.
        priors: what the pairs of all losses say of the three variances.
        seen: (P, D, M) False where a difference was filled in.
        floor: variance that is added to each error, such as that of rounding.

    Returns:
        Arrays (..., P); three tests, or one where D or M is 1.
    """
    d = differences
    found = pooling.parts(d, weights)
    freedom = pooling.freedoms(d.shape[-2], d.shape[-1], seen)
    shape = found.mean.shape
    freedom = np.stack([np.broadcast_to(f, shape).astype(float) for f in freedom])
    squares = np.stack(found.squares)
    if seen is not None:
        squares = squares / seen.mean((-2, -1))
    if priors is not None:
        scale = np.ones(d.shape[-3]) if scale is None else scale
        squares, freedom = priors.shrink(squares, freedom, scale)
    varied = tuple(count > 1 for count in d.shape[-2:])
    return of_squares(found.mean, squares, freedom, varied=varied, floor=floor)


def of_squares(
    mean: np.ndarray,
    squares: np.ndarray,
    freedom: np.ndarray,
    *,
    varied: tuple[bool, ...] = (True, True),
    floor: float | np.ndarray = 0.0,
) -> Contrast:
    """The tests that three estimates of a mean's variance make.

    Args:
        mean: (..., P).
        squares: (3, ..., P) of data sets, of models, and of what is left in a cell.
        freedom: (3, ..., P) their degrees of freedom.
        varied: whether there are several data sets, and several models.
        floor: variance that is added to each error.
    """
    tests = [(squares[i], freedom[i]) for i in range(2) if varied[i]]
    if all(varied):
        both = np.maximum(squares[0] + squares[1] - squares[2], 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            joint = both**2 / (squares**2 / freedom).sum(0)
        tests.append((both, np.maximum(np.nan_to_num(joint, nan=1.0), 1.0)))
    errors = np.sqrt(np.stack([square for square, _ in tests]) + floor)
    return Contrast(mean, errors, np.stack([f for _, f in tests]))


def on_one(grid: Grid, weights: np.ndarray) -> Contrast:
    """Mean of weighted sums of losses on a single data set, over models and repeats.

    Repeats are random splits of the same images, so their variance counts 1 +
    R * test / train times. With cell means alone the losses of a cell are taken as
    unpaired and a repeat as the same for all models, which makes the error larger than
    it may be. With one run a cell only the models vary.

    Shape:
        weights: (P, L)
    """
    scale = (weights**2).sum(1) / 2
    floor = _rounding(grid, weights)
    every = pooling.pairs(len(grid.losses))
    tests = []
    if len(grid.models) > 1:
        d = np.einsum("ml,pl->pm", grid.means[0], weights)[:, None]
        priors = pooling.priors(np.einsum("ml,pl->pm", grid.means[0], every)[:, None])
        seen = _all_seen(grid, weights)
        found = crossed(d, scale=scale, priors=priors, seen=seen, floor=floor)
        tests.append((found.errors[0], found.freedoms[0]))
    if grid.spread_known:
        square = _of_repeats(grid, weights)
        freedom = np.full(len(square), grid.paired_repeats - 1.0)
        if len(grid.losses) > 2:
            prior = pooling.fitted(_of_repeats(grid, every), freedom[0])
            square, freedom = prior.shrink(square, freedom, scale)
        tests.append((np.sqrt(square + floor), freedom))
    errors, freedoms = (np.stack(each) for each in zip(*tests, strict=True))
    return Contrast(weights @ grid.overall, errors, freedoms)


def _of_repeats(grid: Grid, weights: np.ndarray) -> np.ndarray:
    """Variance of the means of weighted sums by what repeats show, (P,)."""
    repeats = grid.paired_repeats
    if grid.runs is not None and grid.paired:
        d = np.einsum("mlr,pl->pmr", grid.runs[0], weights).mean(1)
        square = d.var(1, ddof=1)
    else:
        square = np.einsum("ml,pl->p", grid.deviations[0] ** 2, weights**2)
        square = square / len(grid.models)
    return square * (1 / repeats + TEST_TO_TRAIN)


def weighted(grid: Grid, weights: np.ndarray) -> Contrast:
    """Weighted sums of losses, with the widest scope there is.

    Shape:
        weights: (P, L), each row adds up to 0
    """
    if len(grid.datasets) > 1:
        every = pooling.pairs(len(grid.losses))
        of_sets = grid.weights
        apart = [
            np.einsum("dml,pl->pdm", grid.means, each) for each in (weights, every)
        ]
        return crossed(
            apart[0],
            weights=of_sets,
            scale=(weights**2).sum(1) / 2,
            priors=pooling.priors(apart[1], of_sets),
            seen=_all_seen(grid, weights),
            floor=_rounding(grid, weights),
        )
    if grid.images is not None:
        return Contrast(*images.tests(grid.images, weights))
    if grid.spread_known or len(grid.models) > 1:
        return on_one(grid, weights)
    mean = weights @ grid.overall
    unknown = np.full_like(mean, np.nan)[None]
    return Contrast(mean, unknown, np.ones_like(unknown))


def _all_seen(grid: Grid, weights: np.ndarray) -> np.ndarray | None:
    """Where each weighted sum rests on cells that are there, (P, D, M); None: all."""
    if grid.seen is None:
        return None
    missing = np.einsum("dml,pl->pdm", ~grid.seen, (weights != 0).astype(int))
    return missing == 0


def _rounding(grid: Grid, weights: np.ndarray) -> np.ndarray:
    """Variance that the rounding of printed scores adds to each mean, (P,)."""
    values = grid.cells * max(grid.repeats, 1)
    return grid.unit**2 / 12 * (weights**2).sum(1) / values


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
    name, networks = grid.datasets[0], " and ".join(grid.models)
    if grid.images is not None:
        trained = "trainings like these" if grid.images.repeats > 1 else "this training"
        return f"{grid.images.unit} like those of {name} and {trained} of {networks}"
    if grid.spread_known:
        return f"{name} with {'networks like these' if several else networks}"
    if several:
        return f"the images and the split of {name} with networks like these"
    return ""
