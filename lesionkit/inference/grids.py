"""A tidy table as a full grid of data set, model and loss: what tests can work on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lesionkit.inference.ranking import cells

AXES = ("dataset", "model", "loss")


@dataclass(frozen=True)
class Grid:
    """Scores of every loss on every data set with every model.

    Attributes:
        metric: whose scores these are.
        datasets, models, losses: names along the three axes.
        means: (D, M, L) mean of each cell.
        deviations: (D, M, L) sample standard deviation of its runs; NaN if unknown.
        repeats: the least number of runs of a cell; 0 if unknown.
        runs: (D, M, L, R) single runs, the same repeats in the same order in every
            cell; None where the table has only cell means or the repeats differ.
        remarks: what was left out, a line each.
    """

    metric: str
    datasets: tuple[str, ...]
    models: tuple[str, ...]
    losses: tuple[str, ...]
    means: np.ndarray
    deviations: np.ndarray
    repeats: int
    runs: np.ndarray | None
    remarks: tuple[str, ...]

    @property
    def cells(self) -> int:
        """How many pairs of data set and model there are."""
        return len(self.datasets) * len(self.models)

    @property
    def overall(self) -> np.ndarray:
        """(L,) mean over all cells, each of them the mean of its runs."""
        return self.means.mean(axis=(0, 1))

    def names(self, axis: str) -> tuple[str, ...]:
        """The names along an axis: "dataset", "model" or "loss"."""
        return (self.datasets, self.models, self.losses)[AXES.index(axis)]

    def take(self, axis: str, keep: list[int]) -> Grid:
        """The same of some data sets, models or losses."""
        place = AXES.index(axis)
        names = {name: self.names(name) for name in AXES}
        names[axis] = tuple(names[axis][i] for i in keep)
        runs = self.runs
        return Grid(
            self.metric,
            names["dataset"],
            names["model"],
            names["loss"],
            self.means.take(keep, place),
            self.deviations.take(keep, place),
            self.repeats,
            None if runs is None else runs.take(keep, place),
            self.remarks,
        )


def full_grid(table: pd.DataFrame, metric: str = "dice") -> Grid:
    """The largest full grid that a table holds, found by leaving out what is rarest.

    As long as a cell is missing, a loss goes if half of its cells or more are missing;
    else the data set or model with the largest share of missing cells, of equals the
    data set. Each is said in the remarks. A score that is NaN does not count; the rest
    of its cell does.

    Raises:
        ValueError: no such metric, or fewer than two losses are left.
    """
    found = cells(table, metric).dropna(subset=["mean"])
    if found.empty:
        raise ValueError(f"the table has no value of {metric}")
    means = _cube(found, "mean")
    names = [list(index) for index in means[1]]
    kept, remarks = _complete(~np.isnan(means[0]), names)
    block = np.ix_(*kept)
    if len(kept[2]) < 2:
        alone = ", ".join(sorted(set(found["loss"])))
        raise ValueError(
            f"two losses with all their cells are needed to compare; here are {alone}"
        )
    chosen = [tuple(names[a][i] for i in kept[a]) for a in range(3)]
    runs, said = _runs(table, metric, chosen)
    counts = _cube(found, "count")[0][block]
    return Grid(
        metric,
        *chosen,
        means=means[0][block],
        deviations=_cube(found, "std")[0][block],
        repeats=0 if np.isnan(counts).any() else int(counts.min()),
        runs=runs,
        remarks=(*remarks, *said, *_diverged(table, metric)),
    )


def _cube(found: pd.DataFrame, value: str) -> tuple[np.ndarray, list[pd.Index]]:
    """One value of the cells as (D, M, L), and the names along the axes."""
    codes, names = zip(*(pd.factorize(found[axis]) for axis in AXES), strict=True)
    cube = np.full([len(n) for n in names], np.nan)
    cube[tuple(codes)] = found[value].to_numpy(float)
    return cube, list(names)


def _complete(
    there: np.ndarray, names: list[list[str]]
) -> tuple[list[list[int]], list[str]]:
    """Places along the three axes between which no cell is missing."""
    kept = [list(range(n)) for n in there.shape]
    remarks = []
    while not (block := there[np.ix_(*kept)]).all():
        missing = [(~block).mean(tuple({0, 1, 2} - {axis})) for axis in range(3)]
        axis = 2
        if missing[2].max() < 0.5:
            axis = int(missing[1].max() > missing[0].max())
        place = kept[axis].pop(int(np.argmax(missing[axis])))
        remarks.append(f"{AXES[axis]} {names[axis][place]} left out: cells are missing")
    return kept, remarks


def _runs(
    table: pd.DataFrame, metric: str, names: list[tuple[str, ...]]
) -> tuple[np.ndarray | None, list[str]]:
    """Single runs (D, M, L, R) where every cell has the same repeats."""
    if "repeat" not in table:
        return None, ["only cell means: what needs single runs is not available"]
    rows = table.dropna(subset=[metric])
    for axis, chosen in zip(AXES, names, strict=True):
        rows = rows[rows[axis].isin(chosen)]
    codes = [
        pd.Categorical(rows[axis], categories=chosen).codes
        for axis, chosen in zip(AXES, names, strict=True)
    ]
    repeat, labels = pd.factorize(rows["repeat"], sort=True)
    runs = np.full([*(len(n) for n in names), len(labels)], np.nan)
    runs[(*codes, repeat)] = rows[metric].to_numpy(float)
    common = ~np.isnan(runs).any((0, 1, 2))
    if not common.any():
        return None, ["no repeat is there in every cell: runs cannot be paired"]
    if common.all():
        return runs, []
    lost = ", ".join(str(label) for label in np.asarray(labels)[~common])
    said = f"repeat {lost} is not there in every cell: only the others are paired"
    return runs[..., common], [said]


def _diverged(table: pd.DataFrame, metric: str) -> list[str]:
    """Say which losses have runs without a score: the rest flatters them."""
    if "repeat" not in table or not table[metric].isna().any():
        return []
    counts = table.loc[table[metric].isna(), "loss"].value_counts()
    named = ", ".join(f"{loss} {count}" for loss, count in counts.items())
    return [
        f"runs without {metric}: {named}; their cells are means of the other runs, "
        "so a loss that fails looks better than it is"
    ]
