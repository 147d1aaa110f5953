"""How many data sets, networks and repeats it takes to tell two losses apart."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
import pandas as pd
from scipy import stats

from lesionkit import lookup
from lesionkit.inference.contrasts import TEST_TO_TRAIN, scope
from lesionkit.inference.grids import Grid
from lesionkit.inference.variance import of_differences
from lesionkit.inference.verdicts import number_of

POWER = 0.8
MOST = 1000  # more data sets or repeats than anybody has
_NAMES = {"datasets": "data sets", "models": "networks", "repeats": "repeats"}


def detectable(
    deviations: dict[str, float],
    datasets: int,
    models: int,
    repeats: int,
    *,
    level: float = 0.05,
    power: float = POWER,
) -> float:
    """Smallest true difference of two losses that such a study shows.

    The expected error of `contrasts.weighted`, from the standard deviations of a pilot.

    Args:
        deviations: dataset, model, cell and run, as `variance.of_differences` has them.
        level: two-sided, of a false difference.
        power: probability to show a true one.

    Raises:
        ValueError: fewer than one of something, or one run in all.
    """
    if min(datasets, models, repeats) < 1:
        raise ValueError(
            "at least one data set, network and repeat is needed, got "
            f"{datasets}, {models} and {repeats}"
        )
    if datasets == 1 and repeats == 1:
        raise ValueError("one repeat on one data set does not show how runs differ")
    variance, freedom = _error(deviations, datasets, models, repeats)
    t = stats.t.ppf
    return float(np.sqrt(variance) * (t(1 - level / 2, freedom) + t(power, freedom)))


def _error(s: dict[str, float], d: int, m: int, r: int) -> tuple[float, float]:
    """Variance of the difference of two means, and its degrees of freedom."""
    run = 2 * s["run"] ** 2
    if d == 1:
        by_repeat = run / m * (1 / r + TEST_TO_TRAIN)
        by_model = 2 * s["model"] ** 2 / m + run / (m * r) if m > 1 else 0.0
        return max((by_repeat, r - 1.0), (by_model, m - 1.0))
    rest = (2 * s["cell"] ** 2 + run / r) / (d * m)
    rows = 2 * s["dataset"] ** 2 / d + rest
    if m == 1:
        return rows, d - 1.0
    columns = 2 * s["model"] ** 2 / m + rest
    both = rows + columns - rest
    if both == 0:
        return 0.0, 1.0
    parts = rows**2 / (d - 1) + columns**2 / (m - 1) + rest**2 / ((d - 1) * (m - 1))
    return max((rows, d - 1.0), (columns, m - 1.0), (both, both**2 / parts))


def plan(
    grid: Grid, difference: float, *, level: float = 0.05, power: float = POWER
) -> pd.DataFrame:
    """What studies like the pilot, with more of something, would show.

    More data sets or networks only where the pilot has two or more of them: one does
    not show how much a loss varies between them.

    Returns:
        A row a study: datasets, models, repeats, runs (for two losses), detectable and
        enough (whether it shows the difference). First the pilot's own size.

    Raises:
        ValueError: a difference that is not between 0 and 1, or a pilot without the
            spread of its runs.
    """
    if not 0 < difference < 1:
        raise ValueError(f"difference must lie between 0 and 1, got {difference}")
    deviations = spread_of(grid)
    d, m, r = _sizes(grid).values()
    sizes = [(d, m, r)]
    sizes += [(d, m, n) for n in (2, 3, 5, 10, 20, 50) if n > r]
    sizes += [(n, m, r) for n in (3, 6, 10, 20, 50) if n > d > 1]
    sizes += [(d, n, r) for n in (3, 6, 12, 24) if n > m > 1]
    sizes = [size for size in sizes if not size[0] == size[2] == 1]
    found = pd.DataFrame(sizes, columns=list(_NAMES))
    found["runs"] = 2 * found.prod(axis=1)
    found["detectable"] = [
        detectable(deviations, *size, level=level, power=power) for size in sizes
    ]
    found["enough"] = found["detectable"] <= difference
    return found


def caution(found: pd.DataFrame) -> str | None:
    """Why a larger study of a plan shows less than a smaller one; None if none does.

    With more of one axis the error comes to rest on the other, and the few of that
    leave its spread so few degrees of freedom that t grows faster than the error falls.

    Args:
        found: what `plan` returned, the pilot's own size first.
    """
    pilot = found.iloc[0]
    for axis, other in (("datasets", "models"), ("models", "datasets")):
        alike = (found[[other, "repeats"]] == pilot[[other, "repeats"]]).all(axis=1)
        if (found[alike].sort_values(axis)["detectable"].diff() > 0).any():
            return (
                f"More {_NAMES[axis]} alone come to show less here, not more: the "
                f"error then rests on {pilot[other]} {_NAMES[other]}, too few to say "
                f"how much a loss varies between {_NAMES[other]}. Plan more of both."
            )
    return None


def spread_of(grid: Grid) -> dict[str, float]:
    """The deviations of a pilot; what a single data set or network hides is 0.

    Raises:
        ValueError: the pilot has one run a cell and too few cells to see their spread.
    """
    found = of_differences(grid)
    if np.isnan(found["run"]):
        if np.isnan(found["cell"]) or grid.cells < 4:
            raise ValueError(
                "a pilot needs two repeats or more in every cell to show how runs "
                f"differ; here is {grid.repeats or 'no single run'} a cell"
            )
        found["run"] = found["cell"] * np.sqrt(max(grid.repeats, 1))
        found["cell"] = 0.0
    return {name: float(np.nan_to_num(value)) for name, value in found.items()}


def needed(
    grid: Grid, difference: float, axis: str, *, level: float = 0.05
) -> int | None:
    """How many data sets, models or repeats show a difference; None if none do.

    The other two stay as they are in the pilot. None too where the pilot has only one
    of the axis.

    Args:
        axis: "datasets", "models" or "repeats".

    Raises:
        UnknownName: another axis.
        ValueError: a pilot without the spread of its runs.
    """
    lookup.find("axis", axis, _NAMES)
    deviations, size = spread_of(grid), _sizes(grid)
    if axis != "repeats" and size[axis] == 1:
        return None  # one does not show how much a loss varies between them

    def enough(count: int) -> bool:
        return _shows(deviations, size | {axis: count}, level) <= difference

    if not enough(MOST):
        return None
    counts = range(max(size[axis], 2), MOST)
    return counts.start + bisect_left(counts, True, key=enough)


def _shows(deviations: dict[str, float], size: dict[str, int], level: float) -> float:
    """The smallest difference that a study of this size shows."""
    if size["datasets"] == 1 and size["repeats"] == 1:
        return np.inf
    return detectable(deviations, *size.values(), level=level)


def more_data(grid: Grid, difference: float) -> str:
    """In words: what would decide a difference as large as this one."""
    if not scope(grid):
        return "at least two repeats in every cell"
    if not difference > 0:
        return "no amount: the means point the other way"
    size = _sizes(grid)
    try:
        now = _shows(spread_of(grid), size, 0.05)
        found = {axis: needed(grid, difference, axis) for axis in _NAMES}
    except ValueError:
        return "two repeats or more in every cell, to see how runs differ"
    here = ", ".join(
        number_of(size[axis], name.removesuffix("s")) for axis, name in _NAMES.items()
    )
    if now <= difference:
        return f"no more: a study of this size ({here}) shows {now:.4f}"
    parts = [
        f"{count} {_NAMES[axis]}"
        for axis, count in found.items()
        if count is not None and count > size[axis]
    ]
    if not parts:
        return f"not even {MOST} of anything would show {difference:.4f}"
    varied = [axis for axis in _NAMES if axis == "repeats" or size[axis] > 1]
    never = [_NAMES[axis] for axis in varied if found[axis] is None]
    text = f"{' or '.join(parts)} would show {difference:.4f} (now {here})"
    return text + (f"; more {' or '.join(never)} alone would not" if never else "")


def _sizes(grid: Grid) -> dict[str, int]:
    """How many data sets, models and repeats there are."""
    counts = len(grid.datasets), len(grid.models), max(grid.repeats, 1)
    return dict(zip(_NAMES, counts, strict=True))
