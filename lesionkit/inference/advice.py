"""Which loss to take: from one's own pilot, or from what is published."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lesionkit import lookup, published
from lesionkit.catalogue import LOSSES
from lesionkit.inference.grids import Grid, full_grid
from lesionkit.inference.planning import more_data
from lesionkit.inference.variance import shares
from lesionkit.inference.verdicts import MARGIN, judge

DRAWS = 20_000
NEGLIGIBLE = 0.05  # a loss that is the best with less is not worth a run


@dataclass(frozen=True)
class Advice:
    """What to take, why, and the numbers behind it."""

    sentence: str
    table: pd.DataFrame


def from_pilot(grid: Grid, *, margin: float = MARGIN) -> Advice:
    """The leader of one's own runs, or a simpler loss that is shown to be alike.

    Only losses that are shown to be less than the margin behind the best of the others
    may be taken in the leader's place: of those, the one made of the fewest base
    losses, if it is made of fewer than the leader. Of a loss that the kit does not know
    it is not known what it is made of.

    Returns:
        The table of `judge`, with `parts`, how many base losses each is made of.
    """
    verdict = judge(grid, margin=margin)
    table = verdict.against.copy()
    table.insert(0, "parts", [_parts(name) for name in table.index])
    if not verdict.scope:
        text = f"{verdict.sentence} Needed: {more_data(grid, margin)}."
        return Advice(text, table)
    leader = verdict.leader
    alike = table[(table["high"] < margin) & table["parts"].notna()]
    parts = table["parts"][leader]
    simpler = alike[alike["parts"] < parts].sort_values("parts", kind="stable")
    if len(simpler):
        name = simpler.index[0]
        text = (
            f"Take {name}: it is shown to be less than {margin:g} behind the best, and "
            f"is simpler than {leader}, which leads. {verdict.sentence}"
        )
    elif verdict.supported:
        text = f"Take {leader}. {verdict.sentence}"
    else:
        text = f"Take {leader}, the leader; it is not shown to be the best. "
        text += verdict.sentence
        text += f" To show a difference of {margin:g}: {more_data(grid, margin)}."
    return Advice(text, table)


def _parts(name: str) -> float:
    """How many base losses a loss is made of; NaN for one that is not ours."""
    return max(1, len(LOSSES[name].parts)) if name in LOSSES else np.nan


def from_published(
    dataset: str,
    model: str | None = None,
    *,
    metric: str = "dice",
    margin: float = MARGIN,
) -> Advice:
    """What the public re-run's cells let one expect of each loss, for one like these.

    A loss's difference to the mean of all is taken as a general effect, one of its own
    on the data set and one with the model; each is normal with the variance that the
    cells show, and the cells correct what one starts from (none). Few cells of one kind
    pull little: what is expected lies nearer to the general mean than the cells do.

    Args:
        dataset: of the re-run, the one most like one's own; "any" for none of them.
        model: of the re-run; None for none of them.

    Returns:
        A row a loss, the best first: expected (difference to the mean of all losses),
        low, high (95 %), behind (the first less the loss), best (probability to be it).

    Raises:
        ValueError: a data set or model that the re-run does not have.

    Source: Robinson, Statist. Sci. 6 (1991) 15-51 (best linear unbiased prediction).
    """
    grid = full_grid(published.public_rerun(), metric)
    if dataset != "any":
        lookup.find("data set", dataset, dict.fromkeys([*grid.datasets, "any"]))
    if model is not None:
        lookup.find("model of the re-run", model, dict.fromkeys(grid.models))
    mean, deviation = _predicted(grid, dataset, model)
    drawn = np.random.default_rng(0).normal(mean, deviation, (DRAWS, len(mean)))
    best = np.bincount(drawn.argmax(1), minlength=len(mean)) / DRAWS
    table = pd.DataFrame(
        {
            "expected": mean,
            "low": mean - 1.96 * deviation,
            "high": mean + 1.96 * deviation,
            "behind": mean.max() - mean,
            "best": best,
        },
        index=pd.Index(grid.losses, name="loss"),
    ).sort_values("expected", ascending=False)
    named = {"dice": "Dice", "iou": "IoU"}.get(metric, metric)
    where = "no data set in particular" if dataset == "any" else dataset
    where += f" and {model}" if model else ""
    return Advice(_expected(table, where, named, margin), table)


def _predicted(
    grid: Grid, dataset: str, model: str | None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each loss's effect for that place, (L,) each."""
    table = shares(grid)["deviation"] ** 2
    own, d, m = (table[name] for name in ("loss", "data set x loss", "model x loss"))
    sets = np.repeat(np.arange(len(grid.datasets)), len(grid.models))
    nets = np.tile(np.arange(len(grid.models)), len(grid.datasets))
    same_set, same_net = sets[:, None] == sets, nets[:, None] == nets
    between = own + d * same_set + m * same_net + _rest(grid) * np.eye(len(sets))
    here_set = np.array([name == dataset for name in grid.datasets])[sets]
    here_net = np.array([name == model for name in grid.models])[nets]
    weights = np.linalg.solve(between, own + d * here_set + m * here_net)
    values = grid.means - grid.means.mean(2, keepdims=True)
    found = weights @ values.reshape(len(sets), -1)
    left = own + d + m - (own + d * here_set + m * here_net) @ weights
    return found, np.full(len(found), np.sqrt(max(left, 0.0)))


def _rest(grid: Grid) -> float:
    """Mean square of a cell's mean that data set, model and loss explain jointly."""
    y = grid.means
    pairs = sum(y.mean(axis, keepdims=True) for axis in range(3))
    singles = sum(y.mean(axes, keepdims=True) for axes in ((1, 2), (0, 2), (0, 1)))
    freedom = np.prod([count - 1 for count in y.shape])
    return float(((y - pairs + singles - y.mean()) ** 2).sum() / freedom)


def _expected(table: pd.DataFrame, where: str, metric: str, margin: float) -> str:
    """The advice in plain words."""
    left = table[table["best"] >= NEGLIGIBLE]
    first = table.index[0]
    worst = float(left["behind"].max())
    text = f"Going by the public re-run, for {where}: "
    if len(left) == 1:
        text += f"take {first}"
    else:
        text += f"any of these {len(left)}: {', '.join(left.index)}"
    reach = float((table["high"] - table["low"]).iloc[0] / 2)
    text += (
        f". {first} is the best with probability {table['best'].iloc[0]:.2f}; the "
        f"expected differences between these are at most {worst:.4f} {metric}, each "
        f"known to {reach:.4f}"
    )
    if worst < margin:
        text += f", and below {margin:g} no difference matters in practice"
    rest = [name for name in table.index if name not in left.index]
    return text + (f". Hardly ever the best: {', '.join(rest)}." if rest else ".")
