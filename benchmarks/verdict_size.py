"""How often a verdict names a best loss that is not better, and finds one that is.

uv run python benchmarks/verdict_size.py [--tables 400] [--part size|power|plan]

Tables are drawn on a grid of data sets x networks, numbers of losses, sizes of the
losses' own effects on data sets and networks (in units of the noise of a cell), and
kinds of noise: equal, 0.7 to 4 points by data set, or with heavy tails (Student's t
with 3 degrees of freedom). All losses are equal, or the two best tie and the others are
two points behind. Beside the kit's verdict stand what autorank does (Friedman and
Nemenyi, of two losses Wilcoxon, over cells), Wilcoxon with Holm's correction over
cells, and a bootstrap of runs within cells as rliable has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations, product

import click
import measurements
import numpy as np
import pandas as pd
from scipy import stats
from tqdm import tqdm

from lesionkit.inference import planning, rank_tests
from lesionkit.inference.grids import Grid
from lesionkit.inference.verdicts import is_best

SEED = 20261128  # fixed before the first draw
POINT = 0.01
NOISE = 0.01  # of a cell's mean
SHAPES = (
    (2, 2), (2, 6), (2, 11), (2, 24), (3, 2), (3, 3), (3, 11), (4, 11), (6, 2),
    (6, 11), (10, 3), (11, 2), (24, 2), (24, 24), (4, 1), (6, 1), (24, 1), (1, 5),
)  # fmt: skip
OWN = ((0, 0), (1, 1), (4, 0), (0, 4), (4, 4))  # effects on data sets and networks
NOISES = ("equal", "by data set", "heavy tails")
LOSSES, REPEATS, TIED = (2, 3, 10), 3, 2
LEADS = (0.5, 1, 2, 4)  # points, for the power
PILOTS = ((2, 2), (3, 3), (4, 3))
WORLDS = {"own effects 1 pt": (1, 0.5), "as the re-run, 0.2 pt": (0.2, 0.2)}
DIFFERENCE = 0.01  # to be planned for
PLANNED = ("none enough", "called unsure", "power", "10 %", "90 %", "of unsure")


def draw(
    random: np.random.Generator,
    shape: tuple[int, int],
    losses: int,
    own: tuple[float, float],
    noise: str,
) -> np.ndarray:
    """Runs (D, M, L, R) of equal losses around 0.7."""
    sets, models = shape
    size = (sets, models, losses, REPEATS)

    def effect(*count: int) -> np.ndarray:
        if noise == "heavy tails":
            return random.standard_t(3, count) / np.sqrt(3)
        return random.normal(size=count)

    scale = np.full(sets, NOISE * np.sqrt(REPEATS))
    if noise == "by data set":
        scale = POINT * np.geomspace(0.7, 4, sets) if sets > 1 else scale
    runs = 0.7 + random.normal(0, 0.07, (sets, 1, 1, 1))
    runs = runs + random.normal(0, 0.04, (1, models, 1, 1))
    runs = runs + random.normal(0, 0.02, (sets, models, 1, REPEATS))
    if sets > 1:  # on one data set, what is true of it is what is asked
        runs = runs + own[0] * NOISE * effect(sets, 1, losses, 1)
    if models > 1:
        runs = runs + own[1] * NOISE * effect(1, models, losses, 1)
    return runs + effect(*size) * scale[:, None, None, None]


def grid_of(runs: np.ndarray) -> Grid:
    """The grid of runs."""
    axes = zip("dml", runs.shape, strict=False)
    names = (tuple(f"{n}{i}" for i in range(k)) for n, k in axes)
    return Grid(
        "dice",
        *names,
        means=runs.mean(3),
        deviations=runs.std(3, ddof=1),
        repeats=runs.shape[3],
        runs=runs,
        remarks=(),
    )


def ours(grid: Grid) -> int | None:
    """The verdict's best loss, None for none."""
    return int(grid.overall.argmax()) if is_best(grid) else None


def as_autorank(grid: Grid) -> int | None:
    """Friedman and Nemenyi over cells; of two losses Wilcoxon."""
    values = grid.at_level("cell").to_numpy()
    best = int(values.mean(0).argmax())
    if len(grid.losses) == 2:
        return best if len(values) > 1 and _wilcoxon(values, 0, 1) < 0.05 else None
    if len(values) < 2 or rank_tests.friedman(grid)[1] >= 0.05:
        return None
    ranks = rank_tests.mean_ranks(grid)
    apart = ranks.iloc[1] - ranks.iloc[0] > rank_tests.critical_difference(grid)
    return grid.losses.index(ranks.index[0]) if apart else None


def _wilcoxon(values: np.ndarray, a: int, b: int) -> float:
    return float(stats.wilcoxon(values[:, a], values[:, b]).pvalue)


def wilcoxon_holm(grid: Grid) -> int | None:
    """Wilcoxon over cells, Holm over all pairs: the best beats every other."""
    from statsmodels.stats.multitest import multipletests

    values = grid.at_level("cell").to_numpy()
    pairs = list(combinations(range(len(grid.losses)), 2))
    p = multipletests([_wilcoxon(values, *pair) for pair in pairs], method="holm")[1]
    best = int(values.mean(0).argmax())
    mine = [p[i] for i, pair in enumerate(pairs) if best in pair]
    return best if max(mine) < 0.05 else None


def as_rliable(grid: Grid, draws: int = 400) -> int | None:
    """Runs of each cell drawn again: the best's lead has an interval above 0."""
    runs = grid.runs
    random = np.random.default_rng(0)
    picked = random.integers(runs.shape[3], size=(draws, *runs.shape))
    means = np.take_along_axis(runs[None], picked, 4).mean((1, 2, 4))
    best = int(grid.overall.argmax())
    lead = means[:, [best]] - np.delete(means, best, 1)
    return best if (np.quantile(lead, 0.025, axis=0) > 0).all() else None


METHODS: dict[str, Callable[[Grid], int | None]] = {
    "lesionkit": ours,
    "as autorank": as_autorank,
    "Wilcoxon-Holm": wilcoxon_holm,
    "as rliable": as_rliable,
}


def states(losses: int) -> Iterator[tuple[str, np.ndarray]]:
    """All equal; or two tied best and the others behind."""
    yield "equal", np.zeros(losses)
    if losses > TIED:
        yield "two tied", np.where(np.arange(losses) < TIED, 0.0, -2 * POINT)


def size(tables: int) -> pd.DataFrame:
    """False best losses, a row a shape, number of losses, state, effects and noise."""
    random = np.random.default_rng(SEED)
    cases = list(product(SHAPES, LOSSES, OWN, NOISES))
    rows = []
    for shape, losses, own, noise in tqdm(cases, disable=None):
        for state, shift in states(losses):
            named = dict.fromkeys(METHODS, 0)
            others = max(1, tables // 8)
            for k in range(tables):
                runs = draw(random, shape, losses, own, noise) + shift[:, None]
                for name, method in METHODS.items():
                    if name == "lesionkit" or (k < others and shape != (24, 24)):
                        named[name] += method(grid_of(runs)) is not None
            counts = {
                name: count / (tables if name == "lesionkit" else others)
                for name, count in named.items()
            }
            rows.append(
                {"shape": "x".join(map(str, shape)), "losses": losses, "state": state}
                | {"own": f"{own[0]}, {own[1]}", "noise": noise}
                | counts
            )
    return pd.DataFrame(rows)


def power(tables: int) -> pd.DataFrame:
    """How often one loss that is better by so many points is found, by the kit."""
    random = np.random.default_rng(SEED + 1)
    cases = list(product(SHAPES, (2, 10), ((0, 0), (1, 1)), NOISES))
    rows = []
    for shape, losses, own, noise in tqdm(cases, disable=None):
        row = {"shape": "x".join(map(str, shape)), "losses": losses}
        row |= {"own": f"{own[0]}, {own[1]}", "noise": noise}
        for lead in LEADS:
            shift = np.where(np.arange(losses) == 0, lead * POINT, 0.0)[:, None]
            found = sum(
                ours(grid_of(draw(random, shape, losses, own, noise) + shift)) == 0
                for _ in range(tables)
            )
            row[f"{lead:g} pt"] = found / tables
        rows.append(row)
    return pd.DataFrame(rows)


def by_shape(found: pd.DataFrame) -> list[str]:
    """Percent of false best losses: a row a shape and number of losses.

    The mean over effects and noises, and the worst of them, for the kit; the mean and
    the worst for the others.
    """
    lines = [measurements.row(["shape", "losses", "state", *METHODS])]
    lines.append(measurements.row(["---"] * (3 + len(METHODS))))
    for key, rows in found.groupby(["shape", "losses", "state"], sort=False):
        cells = [
            "-" if key[0] == "24x24" and name != "lesionkit"
            else f"{100 * rows[name].mean():.1f} (at most {100 * rows[name].max():.1f})"
            for name in METHODS
        ]  # fmt: skip
        lines.append(measurements.row([*map(str, key), *cells]))
    return lines


def plan(pilots: int) -> list[str]:
    """What power the cheapest study that a plan calls enough really has.

    Apart: plans that say themselves that the pilot leaves too much open.
    """
    random = np.random.default_rng(SEED + 2)
    lines = [measurements.row(["pilot", "losses", "world", *PLANNED])]
    lines.append(measurements.row(["---"] * (3 + len(PLANNED))))
    cases = list(product(PILOTS, (2, 10), WORLDS.items()))
    for shape, losses, (name, own) in tqdm(cases, disable=None):
        sure: list[float] = []
        unsure: list[float] = []
        for _ in range(pilots):
            grid = grid_of(draw(random, shape, losses, own, "equal"))
            found = planning.plan(grid, DIFFERENCE)
            enough = found[found["enough"]]
            if len(enough):
                best = enough.loc[enough["runs"].idxmin()]
                told = planning.caution(found) is not None
                (unsure if told else sure).append(true_power(own, best, losses))
        none = pilots - len(sure) - len(unsure)
        cells = [f"{100 * count / pilots:.0f}" for count in (none, len(unsure))]
        cells += _percent(sure, (0.5, 0.1, 0.9)) + _percent(unsure, (0.5,))
        lines.append(
            measurements.row(["x".join(map(str, shape)), str(losses), name, *cells])
        )
    return lines


def _percent(powers: list[float], at: tuple[float, ...]) -> list[str]:
    """Quantiles of powers; a dash where there is none."""
    if not powers:
        return ["-"] * len(at)
    return [f"{100 * x:.0f}" for x in np.quantile(powers, at)]


def true_power(own: tuple[float, float], size: pd.Series, losses: int) -> float:
    """Of a study of this size in the world that the pilots were drawn from."""
    run = 2 * REPEATS * NOISE**2
    effects = [np.array([2 * (each * NOISE) ** 2]) for each in own]
    world = planning.Worlds(*effects, cell=np.zeros(1), runs=np.array([run]))
    counts = {name: int(size[name]) for name in ("datasets", "models", "repeats")}
    needed = planning.leads_needed(world, counts, losses, tables=2000, seed=1)
    return float((needed <= DIFFERENCE).mean())


@click.command()
@click.option("--tables", default=400)
@click.option("--part", type=click.Choice(["size", "power", "plan"]), multiple=True)
@click.option("--keep", type=click.Path(), help="A CSV of every case of size.")
def main(tables: int, part: tuple[str, ...], keep: str | None) -> None:
    """Each part, or those named, as tables of docs/measurements.md."""
    lines = []
    wanted = part or ("size", "power", "plan")
    if "size" in wanted:
        found = size(tables)
        if keep:
            found.to_csv(keep, index=False)
        lines += [_summary(found, tables), "", *by_shape(found), ""]
    if "power" in wanted:
        found = power(max(tables // 4, 50))
        rows = [list(found.columns), ["---"] * len(found.columns)]
        rows += [
            [f"{100 * v:.0f}" if isinstance(v, float) else str(v) for v in row]
            for row in found.itertuples(index=False)
        ]
        lines += ["One loss better than all others, found in percent of tables:", ""]
        lines += [*(measurements.row(row) for row in rows), ""]
    if "plan" in wanted:
        pilots = max(tables // 4, 20)
        lines += [
            f"`lesionkit plan` for {DIFFERENCE:g} from {pilots} pilots a row; the real "
            "power of the cheapest study called enough (median, 10 and 90 %), in "
            "percent; last that of plans that call themselves unsure:",
            "",
            *plan(pilots),
            "",
        ]
    measurements.append("Size and power of the verdict", lines)


def _summary(found: pd.DataFrame, tables: int) -> str:
    """What stands above the table of false best losses."""
    rate = 100 * found["lesionkit"]
    bound = 100 * stats.binom.ppf(0.999, tables, 0.05) / tables
    return (
        f"False best losses in percent of {tables} tables a case ({tables // 8} of the "
        f"other methods), seed {SEED}: mean over {len(OWN) * len(NOISES)} cases of own "
        f"effects and noise, and the worst of them. All {len(found)} cases of the kit: "
        f"mean {rate.mean():.2f} %, highest {rate.max():.1f} %. At a true 5 % one case "
        f"in a thousand is above {bound:.1f} %; {int((rate > bound).sum())} are."
    )


if __name__ == "__main__":
    main()
