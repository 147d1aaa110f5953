"""How many data sets, networks and repeats it takes to show that a loss is the best.

A pilot's variances are known from few degrees of freedom. So many worlds that may lie
behind the pilot are drawn, in each of them studies of a size, and every study is judged
as a table would be. The power is the share of studies whose best loss is shown.

Source: Weerahandi, J. Am. Stat. Assoc. 88 (1993) 899-905 (generalised pivots).
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from lesionkit import lookup
from lesionkit.inference import pooling
from lesionkit.inference.contrasts import TEST_TO_TRAIN, Contrast, of_squares, scope
from lesionkit.inference.grids import Grid
from lesionkit.inference.words import number_of

POWER = 0.8
LEVEL = 0.05
WORLDS, TABLES = 50, 100
SEED = 0
LADDER = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 50, 100, 200)
UNSURE = 0.4  # a range of power wider than this is no plan, and said
_NAMES = {"datasets": "data sets", "models": "networks", "repeats": "repeats"}
_Axes = tuple[str, ...]
_MORE: dict[_Axes, tuple[int, ...]] = {
    ("datasets",): (3, 4, 6, 10, 20, 50),
    ("models",): (3, 6, 12, 24),
    ("repeats",): (2, 3, 5, 10, 20, 50),
    ("datasets", "models"): (4, 6, 10, 16),
}


@dataclass(frozen=True)
class Pilot:
    """What a pilot says of the variances behind it.

    Attributes:
        size: datasets, models and repeats.
        losses: how many.
        squares: mean squares of the difference of two losses, a cell each: `sets`,
            `models`, `rest` and `runs`; NaN where the pilot has only one.
        freedoms: their degrees of freedom.
    """

    size: dict[str, int]
    losses: int
    squares: dict[str, float]
    freedoms: dict[str, float]


def pilot_of(grid: Grid) -> Pilot:
    """Mean squares of a pilot, of the typical pair of its losses.

    Raises:
        ValueError: one run a cell on one data set with one network.
    """
    size, count = _sizes(grid), len(grid.losses)
    sets, models, repeats = size.values()
    d = np.einsum("dml,pl->pdm", grid.means, pooling.pairs(count))
    found = pooling.parts(d)
    freedom = pooling.freedoms(sets, models)
    there = (sets > 1, models > 1, sets > 1 and models > 1)
    names = ("sets", "models", "rest")
    squares, freedoms = {}, {}
    for name, square, f, known in zip(
        names, found.squares, freedom, there, strict=True
    ):
        centre, pairs_freedom = _typical(square * grid.cells, float(f), count)
        squares[name] = centre if known else np.nan
        freedoms[name] = pairs_freedom
    squares["runs"], freedoms["runs"] = _of_runs(grid, count)
    if not np.isfinite(squares["rest"]) and np.isnan(squares["runs"]):
        if not any(there):
            raise ValueError(
                "a pilot needs two repeats or more in every cell to show how runs "
                f"differ; here is {repeats if grid.repeats else 'no single run'} a cell"
            )
        squares["runs"], freedoms["runs"] = 0.0, 1.0
    return Pilot(size, count, squares, freedoms)


def _typical(squares: np.ndarray, freedom: float, losses: int) -> tuple[float, float]:
    """The centre of the variances of all pairs, and how much is known of it.

    It is the middle one on the scale of logarithms, so that one loss that behaves
    unlike all others does not speak for the rest.
    """
    if losses == 2:
        return float(squares[0]), freedom
    centre = pooling.fitted(squares, freedom).square
    return float(np.nan_to_num(centre)), freedom * (losses - 1)


def _of_runs(grid: Grid, losses: int) -> tuple[float, float]:
    """Variance of the difference of two single runs of a repeat; NaN if unknown."""
    if grid.runs is not None and grid.paired:
        left = grid.runs - grid.runs.mean(2, keepdims=True)
        left = left - left.mean(3, keepdims=True)
        freedom = grid.cells * (losses - 1) * (grid.runs.shape[3] - 1)
        return 2 * float((left**2).sum()) / freedom, freedom
    if not grid.spread_known:
        return np.nan, 1.0
    freedom = grid.cells * losses * (grid.repeats - 1)
    return 2 * float((grid.deviations**2).mean()), freedom


@dataclass(frozen=True)
class Worlds:
    """Variances of a difference of two losses that may lie behind a pilot, (W,) each.

    `sets` and `models` are of a loss's own effect on a data set and with a network,
    `cell` of what is left of it in one pair of the two, `runs` of a single run.
    """

    sets: np.ndarray
    models: np.ndarray
    cell: np.ndarray
    runs: np.ndarray


def worlds_of(pilot: Pilot, *, draws: int = WORLDS, seed: int = SEED) -> Worlds:
    """Draw worlds that the mean squares of a pilot leave open.

    Draws are by evenly spaced quantiles in random order, so few of them do.
    """
    random = np.random.default_rng(seed)
    sets, models, repeats = pilot.size.values()
    drawn = {}
    for name, square in pilot.squares.items():
        f = pilot.freedoms[name]
        even = (random.permutation(draws) + 0.5) / draws
        drawn[name] = square * f / stats.chi2.ppf(even, f)
    rest = np.nan_to_num(drawn["rest"])
    runs = drawn["runs"]
    if np.isnan(runs).all():  # one run a cell: what is left in the cells is its noise
        runs = rest * repeats
    runs = np.minimum(runs, rest * repeats) if pilot.squares["rest"] > 0 else runs
    cell = np.maximum(rest - runs / repeats, 0.0)
    below = rest if np.isfinite(pilot.squares["rest"]) else runs / repeats
    return Worlds(
        sets=np.maximum(np.nan_to_num(drawn["sets"] - below) / models, 0.0),
        models=np.maximum(np.nan_to_num(drawn["models"] - below) / sets, 0.0),
        cell=cell,
        runs=runs,
    )


def leads_needed(
    worlds: Worlds,
    size: dict[str, int],
    losses: int,
    *,
    tables: int = TABLES,
    seed: int = SEED,
) -> np.ndarray:
    """By how much one loss has to be better than all others to be shown the best.

    Returns:
        (W, T): the least true lead that each of T drawn studies in each world shows.

    Raises:
        ValueError: a study that shows nothing: one run on one data set and network.
    """
    sets, models, repeats = (size[name] for name in _NAMES)
    if min(sets, models, repeats) < 1 or sets == models == repeats == 1:
        raise ValueError(
            "a study needs two data sets, networks or repeats or more, got "
            f"{sets}, {models} and {repeats}"
        )
    random = np.random.default_rng([seed, sets, models, repeats])
    draw = _Drawer(random, (len(worlds.runs), tables), losses)
    rest = (worlds.cell + worlds.runs / repeats) / (sets * models)
    if sets > 1:
        found = draw.crossed(
            (sets, models), worlds.sets / sets, worlds.models / models, rest
        )
    else:
        found = draw.on_one((models, repeats), worlds, rest)
    return (_reach(found) - found.mean).max(-1)


def _reach(found: Contrast) -> np.ndarray:
    """`Contrast.reach` of many, by a table of Student's t: exact to six digits."""
    inverse = np.linspace(0.0, 1.0, 4001)
    with np.errstate(divide="ignore"):
        quantiles = np.log(stats.t.isf(LEVEL / 2, 1 / inverse))
    t = np.exp(np.interp(1 / found.freedoms, inverse, quantiles))
    return (t * found.errors).max(0)


@dataclass(frozen=True)
class _Drawer:
    """Draws what a study's contrasts rest on: means and squares, without its cells.

    The contrasts are those of the first loss against each other one.
    """

    random: np.random.Generator
    shape: tuple[int, int]
    losses: int

    def crossed(
        self,
        counts: tuple[int, int],
        sets: np.ndarray,
        models: np.ndarray,
        rest: np.ndarray,
    ) -> Contrast:
        """Of variances that each source gives the mean of a difference."""
        d, m = counts
        of = [sets + rest, models + rest, rest]
        freedoms = [d - 1, m - 1, (d - 1) * (m - 1)]
        mean = self._means(sets + (models if m > 1 else 0) + rest)
        squares = [self._squares(v, f) for v, f in zip(of, freedoms, strict=True)]
        return self._judged(mean, np.stack(squares), freedoms, (True, m > 1))

    def on_one(
        self, counts: tuple[int, int], worlds: Worlds, rest: np.ndarray
    ) -> Contrast:
        """On a single data set, over networks and repeats."""
        models, repeats = counts
        of_models = worlds.models / models + rest
        of_repeats = worlds.runs / models * (1 / repeats + TEST_TO_TRAIN)
        both = (worlds.models / models if models > 1 else 0) + of_repeats
        mean = self._means(both + worlds.cell / models * (models > 1))
        tests = []
        for variance, f in ((of_models, models - 1), (of_repeats, repeats - 1)):
            if f:
                own = self._squares(variance, f)
                squares = np.stack([own, np.zeros_like(own), np.zeros_like(own)])
                found = self._judged(mean, squares, [f, 0, 0], (True, False))
                tests.append((found.errors[0], found.freedoms[0]))
        errors, freedoms = (np.stack(each) for each in zip(*tests, strict=True))
        return Contrast(mean, errors, freedoms)

    def _means(self, variance: np.ndarray) -> np.ndarray:
        """The first of equal losses less each other one, (W, T, L - 1)."""
        drawn = self.random.normal(size=(*self.shape, self.losses))
        drawn = drawn * np.sqrt(variance / 2)[:, None, None]
        return drawn[..., :1] - drawn[..., 1:]

    def _squares(self, variance: np.ndarray, freedom: int) -> np.ndarray:
        """Estimates of a variance of differences from all pairs, (W, T, P)."""
        a, b = np.triu_indices(self.losses, 1)
        if not freedom:
            return np.zeros((*self.shape, len(a)))
        scatter = _wishart(self.random, freedom, (*self.shape, self.losses))
        own = np.diagonal(scatter, axis1=-2, axis2=-1)
        squares = own[..., a] + own[..., b] - 2 * scatter[..., a, b]
        return squares / (2 * freedom) * variance[:, None, None]

    def _judged(
        self, mean: np.ndarray, squares: np.ndarray, freedoms: list[int], varied: tuple
    ) -> Contrast:
        """As `contrasts.crossed` judges a table, from the squares of all pairs."""
        freedom = np.stack([np.full(mean.shape, max(f, 1.0)) for f in freedoms])
        of_first = squares[..., : self.losses - 1]  # the first pairs hold the first
        if self.losses > 2:
            priors = pooling.Priors(
                *(
                    pooling.fitted(square, float(f)) if f else None
                    for square, f in zip(squares, freedoms, strict=True)
                )
            )
            scale = np.ones(mean.shape[-1])
            of_first, freedom = priors.shrink(of_first, freedom, scale)
        return of_squares(mean, of_first, freedom, varied=varied)


def _wishart(
    random: np.random.Generator, freedom: int, shape: tuple[int, int, int]
) -> np.ndarray:
    """Sums of squares and products of standard normal numbers, (W, T, L, L).

    Source: Bartlett, Proc. R. Soc. Edinburgh 53 (1933) 260-283 (for many degrees).
    """
    *drawn, losses = shape
    if freedom < losses:
        rows = random.normal(size=(*drawn, freedom, losses))
        return np.einsum("wtfk,wtfl->wtkl", rows, rows, optimize=True)
    root = np.tril(random.normal(size=(*drawn, losses, losses)), -1)
    for i in range(losses):
        root[..., i, i] = np.sqrt(random.chisquare(freedom - i, size=drawn))
    return root @ root.swapaxes(-1, -2)


def plan(grid: Grid, difference: float, *, power: float = POWER) -> pd.DataFrame:
    """What studies like the pilot, with more of something, would show.

    More data sets or networks only where the pilot has two or more of them: one does
    not show how much a loss varies between them.

    Args:
        difference: of the best loss to all others, in the metric's own unit.
        power: probability to show it.

    Returns:
        A row a study: datasets, models, repeats, runs (of all losses), power (in the
        middle one of the worlds that the pilot leaves open) with low and high (10 to
        90 % of those worlds), detectable (the difference that is shown with `power`)
        and enough. First the pilot's own size.

    Raises:
        ValueError: a difference that is not above 0, or a pilot without the spread of
            its runs.
    """
    if not difference > 0:
        raise ValueError(f"difference must be above 0, got {difference:g}")
    pilot = pilot_of(grid)
    worlds = worlds_of(pilot)
    found = [_ladder(pilot, worlds, axes, difference, power=power) for axes in _MORE]
    table = pd.concat([each for each in found if len(each)], ignore_index=True)
    table = table.drop_duplicates(list(_NAMES), ignore_index=True)
    table["enough"] = table["power"] >= power
    return table


def _ladder(
    pilot: Pilot,
    worlds: Worlds,
    axes: _Axes,
    difference: float,
    *,
    power: float,
) -> pd.DataFrame:
    """The pilot's own size and larger ones along some axes; empty where none can be.

    A larger study shows no less: where the draws say so by chance, it is set right.
    """
    size = pilot.size
    if "repeats" not in axes and min(size[axis] for axis in axes) == 1:
        return pd.DataFrame()
    here = max(size[axis] for axis in axes)
    sizes = [size | dict.fromkeys(axes, n) for n in _MORE[axes] if n > here]
    sizes = [each for each in (size, *sizes) if max(each.values()) > 1]
    rows = [_row(worlds, each, pilot.losses, difference, power) for each in sizes]
    found = pd.DataFrame(rows)
    for name in ("power", "low", "high"):
        found[name] = found[name].cummax()
    found["detectable"] = found["detectable"].cummin()
    return found


def _row(
    worlds: Worlds, size: dict[str, int], losses: int, difference: float, power: float
) -> dict[str, float]:
    """One study of a plan."""
    needed = leads_needed(worlds, size, losses)
    shares = (needed <= difference).mean(1)
    low, high = np.quantile(shares, (0.1, 0.9))
    return size | {
        "runs": losses * int(np.prod(list(size.values()))),
        "power": float(np.median(shares)),
        "low": float(low),
        "high": float(high),
        "detectable": float(np.median(np.quantile(needed, power, axis=1))),
    }


def caution(found: pd.DataFrame) -> str | None:
    """What a plan cannot say; None where nothing has to be said.

    Args:
        found: what `plan` returned, the pilot's own size first.
    """
    enough = found[found["enough"]]
    if enough.empty:
        return "None of these is sure enough. " + (
            "The pilot is too small for planning: its variances are so uncertain that "
            "more runs change the power less. Add data sets or networks to the pilot."
            if (found["high"] - found["low"]).max() > UNSURE
            else "Limit: the losses' differences vary between data sets and networks."
        )
    cheapest = enough.loc[enough["runs"].idxmin()]
    if cheapest["high"] - cheapest["low"] > UNSURE:
        return (
            "The pilot is too small for planning: the cheapest study that is enough on "
            f"average has a power between {cheapest['low']:.2f} and "
            f"{cheapest['high']:.2f}. Add data sets or networks to the pilot first."
        )
    return None


def needed(
    grid: Grid, difference: float, axis: str, *, power: float = POWER
) -> int | None:
    """How many data sets, models or repeats show a difference; None if none do.

    The other two stay as they are in the pilot. None too where the pilot has only one
    of the axis. Counts go by steps: 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 50, 100, 200.

    Args:
        axis: "datasets", "models" or "repeats".

    Raises:
        UnknownName: another axis.
        ValueError: a pilot without the spread of its runs.
    """
    lookup.find("axis", axis, _NAMES)
    pilot = pilot_of(grid)
    if axis != "repeats" and pilot.size[axis] == 1:
        return None  # one does not show how much a loss varies between them
    worlds, here = worlds_of(pilot), pilot.size[axis]

    def shows(count: int) -> bool:
        size = pilot.size | {axis: count}
        if max(size.values()) == 1:
            return False
        found = leads_needed(worlds, size, pilot.losses)
        return bool(np.median((found <= difference).mean(1)) >= power)

    counts = [here, *(n for n in LADDER if n > here)]
    place = bisect_left(counts, True, key=shows)
    return counts[place] if place < len(counts) else None


def more_data(grid: Grid, difference: float, *, power: float = POWER) -> str:
    """In words: what would show a difference as large as this one.

    Args:
        power: probability to show it.
    """
    if not scope(grid):
        return "at least two repeats in every cell"
    if not difference > 0:
        return "no number of runs: the means have the opposite order"
    try:
        size = pilot_of(grid).size
        found = {axis: needed(grid, difference, axis, power=power) for axis in _NAMES}
    except ValueError:
        return "two repeats or more in every cell, to see how runs differ"
    here = ", ".join(
        number_of(size[axis], name.removesuffix("s")) for axis, name in _NAMES.items()
    )
    if any(found[axis] == size[axis] for axis in _NAMES):
        return (
            f"no more runs are needed: a study of this size ({here}) shows a"
            f" difference of {difference:.4f} with probability {power:g}"
        )
    parts = [f"{count} {_NAMES[axis]}" for axis, count in found.items() if count]
    if not parts:
        return (
            f"more data sets, networks and repeats together: {LADDER[-1]} of one of"
            f" them alone would not show a difference of {difference:.4f}"
        )
    varied = [axis for axis in _NAMES if axis == "repeats" or size[axis] > 1]
    never = [_NAMES[axis] for axis in varied if found[axis] is None]
    would = f"would show a difference of {difference:.4f}"
    text = f"{' or '.join(parts)} {would} (now {here})"
    return text + (f"; more {' or '.join(never)} alone would not" if never else "")


def _sizes(grid: Grid) -> dict[str, int]:
    """How many data sets, models and repeats there are."""
    counts = len(grid.datasets), len(grid.models), max(grid.repeats, 1)
    return dict(zip(_NAMES, counts, strict=True))
