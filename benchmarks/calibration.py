"""How often the verdict crowns a loss that is not better, and finds one that is.

uv run python benchmarks/calibration.py

Tables of ten losses on six data sets with eleven networks and five repeats are drawn
with the spread of the public re-run: noise of runs, splits that all losses of a repeat
share, and effects of a loss on a data set and with a network. All losses are equal on
average, or one is better by twice the smallest detectable difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import measurements
import numpy as np
import pandas as pd
from scipy import stats

from lesionkit import published
from lesionkit.inference.contrasts import contrast
from lesionkit.inference.grids import Grid, full_grid
from lesionkit.inference.variance import of_differences, shares
from lesionkit.inference.verdicts import judge

SEED = 20261124  # fixed before the first draw
SHAPE = (6, 11, 10, 5)  # data sets, networks, losses, repeats


@dataclass(frozen=True)
class World:
    """Standard deviations behind a drawn table, and the distribution of its effects."""

    name: str
    dataset: float  # of a loss's own effect on a data set
    model: float
    run: float  # of a run, beyond what its repeat shares
    split: float  # what all losses of a repeat share; cancels
    split_loss: float = 0.0  # of a loss on one split, shared by all networks
    tails: int = 0  # degrees of freedom of Student's t for the effects; 0: normal


def worlds() -> list[World]:
    """Without interaction, with what the public re-run has, and two harder ones."""
    grid = full_grid(published.public_rerun())
    found = shares(grid)["deviation"]
    d, m = found["data set x loss"], found["model x loss"]
    run = of_differences(grid)["run"]
    split = float(np.sqrt((grid.deviations**2).mean() - run**2))
    return [
        World("equal losses, no interaction", 0.0, 0.0, run, split),
        World("equal losses, loss x data set and loss x network", d, m, run, split, d),
        World("the same, three times the effects", 3 * d, 3 * m, run, split, 3 * d),
        World("the same, effects with heavy tails (t, 3)", d, m, run, split, d, 3),
    ]


def draw(
    world: World,
    random: np.random.Generator,
    *,
    shape: tuple[int, int, int, int] = SHAPE,
    planted: float = 0.0,
) -> Grid:
    """One table; the first loss is better than all others by `planted`."""
    datasets, models, losses, repeats = shape

    def effect(deviation: float, *size: int) -> np.ndarray:
        if not world.tails:
            return random.normal(0, deviation, size)
        heavy = random.standard_t(world.tails, size)
        return deviation * heavy / np.sqrt(world.tails / (world.tails - 2))

    runs = 0.8 + random.normal(0, 0.07, (datasets, 1, 1, 1))
    runs = runs + random.normal(0, 0.045, (1, models, 1, 1))
    runs = runs + random.normal(0, world.split, (datasets, models, 1, repeats))
    runs = runs + effect(world.dataset, datasets, 1, losses, 1)
    runs = runs + effect(world.model, 1, models, losses, 1)
    runs = runs + random.normal(0, world.split_loss, (datasets, 1, losses, repeats))
    runs = runs + random.normal(0, world.run, shape)
    runs[:, :, 0] += planted
    return Grid(
        "dice",
        *(
            tuple(f"{n}{i}" for i in range(k))
            for n, k in zip("dml", shape, strict=False)
        ),
        means=runs.mean(3),
        deviations=runs.std(3, ddof=1),
        repeats=repeats,
        runs=runs,
        remarks=(),
    )


def detectable(
    world: World,
    random: np.random.Generator,
    *,
    shape: tuple[int, int, int, int] = SHAPE,
    tables: int = 200,
) -> float:
    """Median over tables of the smallest difference two losses could show."""
    pair = np.array([0]), np.array([1])
    drawn = (draw(world, random, shape=shape) for _ in range(tables))
    return float(np.median([contrast(g, *pair).detectable()[0] for g in drawn]))


def rate(
    world: World,
    tables: int,
    random: np.random.Generator,
    *,
    shape: tuple[int, int, int, int] = SHAPE,
    planted: float = 0.0,
) -> tuple[int, int]:
    """In how many tables a winner is supported, and the first loss ruled out."""
    winners = ruled_out = 0
    for _ in range(tables):
        verdict = judge(draw(world, random, shape=shape, planted=planted))
        right = verdict.leader == "l0" if planted else True
        winners += verdict.supported and right
        ruled_out += "l0" in verdict.ruled_out
    return winners, ruled_out


def interval(hits: int, tables: int) -> tuple[float, float]:
    """Exact 95 % interval of a rate (Clopper and Pearson, 1934)."""
    found = stats.binomtest(hits, tables).proportion_ci(method="exact")
    return float(found.low), float(found.high)


def calibrate(
    tables: int, *, seed: int = SEED, shape: tuple[int, int, int, int] = SHAPE
) -> pd.DataFrame:
    """False winners and found winners in every world."""
    random = np.random.default_rng(seed)
    rows = []
    for world in worlds():
        smallest = detectable(world, random, shape=shape)
        for planted in (0.0, smallest, 2 * smallest):
            hits, out = rate(world, tables, random, shape=shape, planted=planted)
            low, high = interval(hits, tables)
            rows.append(
                {
                    "world": world.name,
                    "planted": planted,
                    "planted / detectable": planted / smallest,
                    "winner supported": hits / tables,
                    "low": low,
                    "high": high,
                    "first loss ruled out": out / tables,
                }
            )
    return pd.DataFrame(rows)


def main() -> None:
    """Ten losses, then two and three, which are the hardest to keep apart."""
    grid = full_grid(published.public_rerun())
    lines = ["Spread of the public re-run, 660 cells:", ""]
    lines += [*markdown(shares(grid).reset_index()), ""]
    for count, tables in ((10, 2000), (2, 2000), (3, 2000)):
        shape = (*SHAPE[:2], count, SHAPE[3])
        lines += [f"{count} losses, {tables} tables a row, seed {SEED}:", ""]
        lines += [*markdown(calibrate(tables, shape=shape)), ""]
    measurements.append("Calibration of the verdict", lines)


def markdown(table: pd.DataFrame) -> list[str]:
    """A table of the page, four digits behind the point."""
    rows = [list(table.columns), ["---"] * len(table.columns)]
    rows += [
        [f"{v:.4f}" if isinstance(v, float) else str(v) for v in row]
        for row in table.itertuples(index=False)
    ]
    return [measurements.row(row) for row in rows]


if __name__ == "__main__":
    main()
