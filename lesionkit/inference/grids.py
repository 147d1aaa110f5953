"""A tidy table as a full grid of data set, model and loss: what tests can work on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from lesionkit import lookup
from lesionkit.tables.reading import is_cells

AXES = ("dataset", "model", "loss")
LEVELS = ("cell", "dataset", "model")
_FIELDS = dict(zip(AXES, ("datasets", "models", "losses"), strict=True))


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

    @property
    def paired(self) -> bool:
        """Whether there are two single runs or more in every cell."""
        return self.runs is not None and self.runs.shape[3] > 1

    @property
    def spread_known(self) -> bool:
        """Whether every cell shows how its runs differ."""
        return self.repeats > 1 and not np.isnan(self.deviations).any()

    def names(self, axis: str) -> tuple[str, ...]:
        """The names along an axis: "dataset", "model" or "loss"."""
        return getattr(self, _FIELDS[axis])

    def take(self, axis: str, keep: list[int]) -> Grid:
        """The same of some data sets, models or losses."""
        place, names = AXES.index(axis), self.names(axis)
        kept: dict[str, Any] = {_FIELDS[axis]: tuple(names[i] for i in keep)}
        for name in ("means", "deviations", "runs"):
            values = getattr(self, name)
            kept[name] = None if values is None else values.take(keep, place)
        return replace(self, **kept)

    def at_level(self, level: str) -> pd.DataFrame:
        """Means of the losses, a row for each cell, data set or model.

        Args:
            level: "cell", "dataset" or "model".

        Raises:
            UnknownName: another level.
        """
        lookup.find("level", level, dict.fromkeys(LEVELS))
        if level == "cell":
            flat = self.means.reshape(-1, len(self.losses))
            names = [f"{d}/{m}" for d in self.datasets for m in self.models]
        else:
            flat = self.means.mean(1 if level == "dataset" else 0)
            names = list(self.names(level))
        losses = pd.Index(self.losses, name="loss")
        return pd.DataFrame(flat, pd.Index(names, name=level), losses)


def cells(table: pd.DataFrame, metric: str = "dice") -> pd.DataFrame:
    """Mean, standard deviation and number of repeats of each cell.

    A cell is a data set, a model and a loss; the deviation is the sample's. In a table
    of cells the two are NaN where it does not have them.

    Raises:
        UnknownName: no such column, or one that holds no numbers.
    """
    numbers = [
        str(name)
        for name, values in table.items()
        if values.dtype.kind in "fiu" or values.isna().all()
    ]
    lookup.find("metric", metric, dict.fromkeys(numbers))
    if is_cells(table):
        found = table[list(AXES)].copy()
        found["mean"] = table[metric]
        found["std"] = table.get(f"{metric}_sd", np.nan)
        found["count"] = table.get("n", np.nan)
        return found
    grouped = table.groupby(list(AXES), sort=False)[metric]
    return grouped.agg(["mean", "std", "count"]).reset_index()


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
    names = {axis: list(found[axis].unique()) for axis in AXES}
    means = _cube(found, "mean", names)
    kept, remarks = _complete(~np.isnan(means), names)
    if len(kept[2]) < 2:
        alone = ", ".join(sorted(set(found["loss"])))
        raise ValueError(
            f"two losses with all their cells are needed to compare; here are {alone}"
        )
    block = np.ix_(*kept)
    chosen = {a: tuple(names[a][i] for i in k) for a, k in zip(AXES, kept, strict=True)}
    runs, said = _runs(table, metric, chosen)
    counts = _cube(found, "count", names)[block]
    return Grid(
        metric,
        *chosen.values(),
        means=means[block],
        deviations=_cube(found, "std", names)[block],
        repeats=0 if np.isnan(counts).any() else int(counts.min()),
        runs=runs,
        remarks=(*remarks, *said, *_diverged(table, metric)),
    )


def _cube(
    rows: pd.DataFrame, value: str, names: Mapping[str, Sequence[Any]]
) -> np.ndarray:
    """One value of the rows along the columns that `names` has; NaN for no row."""
    codes = [pd.Categorical(rows[axis], list(n)).codes for axis, n in names.items()]
    cube = np.full([len(n) for n in names.values()], np.nan)
    cube[tuple(codes)] = rows[value].to_numpy(float)
    return cube


def _complete(
    there: np.ndarray, names: Mapping[str, Sequence[str]]
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
        name = names[AXES[axis]][place]
        remarks.append(f"{AXES[axis]} {name} left out: cells are missing")
    return kept, remarks


def _runs(
    table: pd.DataFrame, metric: str, names: Mapping[str, Sequence[str]]
) -> tuple[np.ndarray | None, list[str]]:
    """Single runs (D, M, L, R) where every cell has the same repeats."""
    if "repeat" not in table:
        return None, ["only cell means: what needs single runs is not available"]
    rows = table.dropna(subset=[metric])
    for axis, chosen in names.items():
        rows = rows[rows[axis].isin(chosen)]
    labels = list(pd.factorize(rows["repeat"], sort=True)[1])
    runs = _cube(rows, metric, {**names, "repeat": labels})
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
