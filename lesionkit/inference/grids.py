"""A tidy table as a full grid of data set, model and loss: what tests can work on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from lesionkit import lookup
from lesionkit.inference import gaps, pooling
from lesionkit.inference.images import Images, images_of
from lesionkit.tables.images import collapsed, of_records
from lesionkit.tables.reading import is_cells
from lesionkit.tables.scores import check_metric

AXES = ("dataset", "model", "loss")
LEVELS = ("cell", "dataset", "model")
LEAST_SETS = 3  # of which weights can be learned
APART = 2.0  # data sets weigh alike unless their weights differ by this factor
DECIMALS = 3  # scores printed with more are taken as exact
_FIELDS = dict(zip(AXES, ("datasets", "models", "losses"), strict=True))


@dataclass(frozen=True)
class Grid:
    """Scores of every loss on every data set with every model.

    Attributes:
        metric: whose scores these are.
        datasets, models, losses: names along the three axes.
        means: (D, M, L) mean of each cell, the higher the better: with the sign changed
            where the lowest score is the best; so are `runs`.
        deviations: (D, M, L) sample standard deviation of its runs; NaN if unknown.
        repeats: the least number of runs of a cell; 0 if unknown.
        runs: (D, M, L, R) single runs, the same repeats in the same order in every
            cell; None where the table has only cell means or the repeats differ.
        remarks: what was left out, filled in or charged, a line each.
        seen: (D, M, L) False where a cell is missing and was filled in; None: all.
        unit: of the last printed digit; 0 where scores are not rounded.
        failed: of each loss with runs that failed, how many.
        lower_is_better: whether the lowest score is the best.
        equal: whether all data sets count alike whatever their runs show.
        images: scores by image, of a single data set that has them; None else.
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
    seen: np.ndarray | None = None
    unit: float = 0.0
    failed: Mapping[str, int] = field(default_factory=dict)
    lower_is_better: bool = False
    equal: bool = False
    images: Images | None = None

    @property
    def cells(self) -> int:
        """How many pairs of data set and model there are."""
        return len(self.datasets) * len(self.models)

    @property
    def overall(self) -> np.ndarray:
        """(L,) mean of `means` over all cells, data sets by their weights.

        Of scores by image it is the mean over repeats of the mean of their images.
        """
        if self.images is not None:
            return np.nanmean(self.images.scores, 3).mean((0, 2))
        of_sets = self.means.mean(1)
        return of_sets.mean(0) if self.weights is None else self.weights @ of_sets

    @property
    def scores(self) -> np.ndarray:
        """(L,) `overall` with the sign that the table has."""
        return -self.overall if self.lower_is_better else self.overall

    @property
    def paired(self) -> bool:
        """Whether there are two single runs or more in every cell."""
        return self.runs is not None and self.runs.shape[3] > 1

    @property
    def paired_repeats(self) -> int:
        """How many runs of a cell the test over repeats takes."""
        return (
            self.runs.shape[3]
            if self.runs is not None and self.paired
            else self.repeats
        )

    @property
    def spread_known(self) -> bool:
        """Whether every cell shows how its runs differ."""
        return self.repeats > 1 and not np.isnan(self.deviations).any()

    @cached_property
    def weights(self) -> np.ndarray | None:
        """(D,) weights of the data sets, adding up to 1; None: all alike.

        A data set weighs 1 / (variance of losses between data sets + noise of its
        runs). The noise of a data set is itself pulled towards that of all. They weigh
        alike where there are fewer than three, where runs are unknown, and where no
        weight is twice another one; with one model, single runs are needed.

        Source: DerSimonian and Laird, Controlled Clinical Trials 7 (1986) 177-188.
        """
        known = self.paired or (self.spread_known and len(self.models) > 1)
        if self.equal or len(self.datasets) < LEAST_SETS or not known:
            return None
        runs = max(self.repeats, 1) * len(self.models)
        noise = np.maximum(self._noise(), self.unit**2 / 6 / runs)  # that of rounding
        pairs = pooling.pairs(len(self.losses))
        d = np.einsum("dml,pl->pdm", self.means, pairs).mean(2)
        between = max(0.0, d.var(1, ddof=1).mean() - noise.mean())
        if not (between + noise).min() > 0:
            return None
        weights = 1 / (between + noise)
        if weights.max() < APART * weights.min():
            return None
        return weights / weights.sum()

    def _noise(self) -> np.ndarray:
        """Variance that runs give the difference of two losses on a data set, (D,).

        What the losses of a repeat share, its split, cancels between them. With cell
        means alone that part is unknown; the noise is then at most what is left in the
        cells.
        """
        models, count = self.means.shape[1:]
        if self.runs is not None and self.paired:
            repeats = self.runs.shape[3]
            left = self.runs - self.runs.mean(2, keepdims=True)
            left = left - left.mean(3, keepdims=True)
            freedom = models * (count - 1) * (repeats - 1)
            noise = pooling.pooled((left**2).sum((1, 2, 3)) / freedom, freedom)
            return 2 * noise / (repeats * models)
        freedom = models * count * (self.repeats - 1)
        noise = pooling.pooled((self.deviations**2).mean((1, 2)), freedom)
        noise = 2 * noise / self.repeats
        d = np.einsum("dml,pl->pdm", self.means, pooling.pairs(count))
        left = pooling.parts(d).squares[2].mean() * self.cells
        return noise * min(1.0, left / noise.mean()) / models

    def names(self, axis: str) -> tuple[str, ...]:
        """The names along an axis: "dataset", "model" or "loss"."""
        return getattr(self, _FIELDS[axis])

    def take(self, axis: str, keep: Sequence[int]) -> Grid:
        """The same of some data sets, models or losses."""
        place, names = AXES.index(axis), self.names(axis)
        kept: dict[str, Any] = {_FIELDS[axis]: tuple(names[i] for i in keep)}
        for name in ("means", "deviations", "runs", "seen"):
            values = getattr(self, name)
            kept[name] = None if values is None else values.take(keep, place)
        if self.images is not None and axis != "dataset":
            scores = self.images.scores.take(keep, place - 1)
            kept["images"] = replace(self.images, scores=scores)
        if kept["seen"] is not None and kept["seen"].all():
            kept["seen"] = None
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


def full_grid(
    table: pd.DataFrame, metric: str = "dice", *, failed: str = "charged"
) -> Grid:
    """Every cell of a table as a grid, with what is missing filled in and marked.

    A loss, data set or model with fewer than half of its cells is left out. A cell that
    is missing then gets what its loss is above or below the others on this data set and
    with this model; what rests on it counts for less. A run that failed (no score, or
    one that collapsed: `gaps.collapsed`) is charged the lowest score that a run
    which worked has on that data set with that model.

    Args:
        failed: "charged", "left out" or "as they are": what counts for runs that
            failed. Those without a score are left out in the last case too.

    Raises:
        UnknownName: no such metric, or another word for `failed`.
        ValueError: fewer than two losses are left, or two that share no cell; or the
            metric is no score, or nobody says which way it is better.
    """
    lookup.find("way with runs that failed", failed, dict.fromkeys(gaps.WAYS))
    given, table = table, collapsed(table)
    told = check_metric(table, metric)
    table, count, said = gaps.settle(table, metric, failed)
    found = cells(table, metric).dropna(subset=["mean"])
    if found.empty:
        raise ValueError(f"the table has no value of {metric}")
    names = {axis: list(found[axis].unique()) for axis in AXES}
    means = _cube(found, "mean", names)
    kept, remarks = gaps.complete(~np.isnan(means), names)
    block = np.ix_(*kept)
    chosen = {a: tuple(names[a][i] for i in k) for a, k in zip(AXES, kept, strict=True)}
    gaps.check_common(~np.isnan(means[block]), chosen)
    means, seen = gaps.filled(means[block])
    runs, of_runs = _runs(table, metric, chosen) if seen is None else (None, [])
    counts, deviations = (_cube(found, n, names)[block] for n in ("count", "std"))
    if seen is not None:
        remarks += gaps.remarks(seen, chosen)
        counts, deviations = (gaps.typical(each) for each in (counts, deviations))
    by_image = None
    as_run = failed == "as they are" or not count  # images are not charged
    if len(chosen["dataset"]) == 1 and seen is None and as_run:
        by_image = _by_image(given, metric, chosen)
    lower = gaps.lower_is_better(table, metric)
    sign = -1 if lower else 1
    return Grid(
        metric,
        *chosen.values(),
        means=sign * means,
        deviations=deviations,
        repeats=0 if np.isnan(counts).any() else int(counts.min()),
        runs=None if runs is None else sign * runs,
        remarks=(*remarks, *said, *of_runs, *told),
        seen=seen,
        unit=_unit(table[metric]),
        failed={name: n for name, n in count.items() if name in chosen["loss"]},
        lower_is_better=lower,
        images=by_image and replace(by_image, scores=sign * by_image.scores),
    )


def _by_image(
    table: pd.DataFrame, metric: str, names: Mapping[str, Sequence[str]]
) -> Images | None:
    """Scores by image of a table that has them, or of its run records."""
    rows = table if "image" in table else of_records(table, metric)
    if rows is None:
        return None
    rows = rows[rows["dataset"] == names["dataset"][0]]
    return images_of(rows, metric, tuple(names["model"]), tuple(names["loss"]))


def _unit(values: pd.Series) -> float:
    """The last digit that all scores are printed with; 0 with more than three."""
    scores = values.dropna().to_numpy(float)
    for decimals in range(DECIMALS + 1):
        unit = 10.0**-decimals
        if np.allclose(scores / unit, np.round(scores / unit), rtol=0, atol=1e-6):
            return unit
    return 0.0


def _cube(
    rows: pd.DataFrame, value: str, names: Mapping[str, Sequence[Any]]
) -> np.ndarray:
    """One value of the rows along the columns that `names` has; NaN for no row."""
    codes = [pd.Categorical(rows[axis], list(n)).codes for axis, n in names.items()]
    cube = np.full([len(n) for n in names.values()], np.nan)
    there = np.all([code >= 0 for code in codes], axis=0)
    places = tuple(code[there] for code in codes)
    cube[places] = rows[value].to_numpy(float)[there]
    return cube


def _runs(
    table: pd.DataFrame, metric: str, names: Mapping[str, Sequence[str]]
) -> tuple[np.ndarray | None, list[str]]:
    """Single runs (D, M, L, R) where every cell has the same repeats."""
    if "repeat" not in table:
        return None, [
            "only cell means: results that need single runs are not available"
        ]
    rows = table.dropna(subset=[metric])
    labels = list(pd.factorize(rows["repeat"], sort=True)[1])
    runs = _cube(rows, metric, {**names, "repeat": labels})
    common = ~np.isnan(runs).any((0, 1, 2))
    if not common.any():
        return None, ["no repeat is there in every cell: runs cannot be paired"]
    if common.all():
        return runs, []
    lost = ", ".join(str(label) for label in np.asarray(labels)[~common])
    said = f"repeat {lost} is lacking in some cells: runs are paired by the others"
    return runs[..., common], [said]
