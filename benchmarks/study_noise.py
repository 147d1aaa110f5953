"""How much of a difference is running it again: one cell trained again and again.

    lesionkit sweep noise.yaml
    python benchmarks/independent_loop.py PREPARED --out loop.csv
    python benchmarks/study_noise.py loop.csv [--measurements]

The cell is dicebce with ENet on 400 images of Kvasir-SEG (docs/study.md). Its runs
differ in the start (initial weights and order), in the split, in the threads (the same
starts by two), or in rounding alone: a weight decay of some 1e-9, of one start or of
each. The loop is another program's, of the same starts.
Reads the records in the data folder (LESIONKIT_DATA); writes them into
lesionkit/published/study_noise.csv, a row a run, beside the rows that are there, and
the section of docs/study.md and its figure.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import measurements
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from lesionkit import published
from lesionkit.records import runs
from lesionkit.sweeps.sweep import read_sweep

PAGE = measurements.ROOT / "docs" / "study.md"
FIGURE = measurements.ROOT / "docs" / "figures" / "study_noise.png"
KINDS = {
    "start": "another start",
    "split": "another split",
    "rounding": "rounding alone",
    "threads": "two threads, another start",
    "again": "another start, rounding changed",
    "loop": "the independent loop, another start",
}
BASE = {"init_seed": 42, "split_seed": 42, "threads": 1, "weight_decay": 0.0}
CHANGED = {
    "threads": "threads",
    "init_seed": "start",
    "split_seed": "split",
    "weight_decay": "rounding",
}
KEY = ["kind", *BASE]
SCORES = ["dice", "iou", "precision", "recall"]


def main() -> None:
    """Write the table, the section and the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("loop", type=Path, nargs="?")
    parser.add_argument("--measurements", action="store_true")
    given = parser.parse_args()
    table = merged(published.study_noise(), of_records(), of_loop(given.loop))
    table.to_csv(published.NOISE, index=False, lineterminator="\n")
    table = published.study_noise()
    lines = told(table)
    measurements.put_between(PAGE, "noise", lines)
    if given.measurements:
        measurements.append("The noise of one cell", lines)
    drawn(table).savefig(FIGURE, dpi=130)
    print("\n".join(lines))


def merged(*found: pd.DataFrame) -> pd.DataFrame:
    """All runs, a run once: as it is in the last table that has it."""
    table = pd.concat([rows for rows in found if len(rows)], ignore_index=True)
    table = table.round(dict.fromkeys(SCORES, 6))  # a weight decay keeps its digits
    return table.drop_duplicates(KEY, keep="last")


def of_records() -> pd.DataFrame:
    """The finished runs of noise.yaml, a row a run; the unchanged one is "base".

    A run by two threads is of the kind "threads", whatever its start; one of another
    start with another rounding is "again".
    """
    rows = []
    for config in read_sweep("noise.yaml").configs:
        if not runs.is_done(config.folder):
            continue
        record = runs.RunRecord(config.folder)
        row = {name: record.identity[name] for name in BASE}
        changed = [kind for name, kind in CHANGED.items() if row[name] != BASE[name]]
        scores = record.metrics["test"]["probability"]["image"]
        row |= {
            "kind": kind_of(changed),
            "best_epoch": record.metrics["best_epoch"],
        }
        row |= {name: scores[name] for name in SCORES}
        rows.append(row | {"commit": record.environment["sessions"][-1].get("commit")})
    return pd.DataFrame(rows)


def kind_of(changed: list[str]) -> str:
    """The kind of a run in which this differs from the unchanged one."""
    if changed == ["start", "rounding"]:
        return "again"
    return (changed or ["base"])[0]


def of_loop(path: Path | None) -> pd.DataFrame:
    """The rows of the independent loop's own table."""
    if path is None:
        return pd.DataFrame()
    table = pd.read_csv(path).rename(columns={"seed": "init_seed", "test_dice": "dice"})
    fixed = {name: BASE[name] for name in ("split_seed", "threads", "weight_decay")}
    return table[["init_seed", "best_epoch", "dice"]].assign(kind="loop", **fixed)


def of_kind(table: pd.DataFrame, kind: str) -> pd.Series:
    """The test Dice of the runs of a kind; the unchanged run is of those by one thread.

    The others are kinds of their own.
    """
    kinds = [kind, "base"] if kind in ("start", "split", "rounding") else [kind]
    return table[table["kind"].isin(kinds)]["dice"]


def deviation(values: pd.Series) -> tuple[float, float, float]:
    """Standard deviation and its 95 % interval, of normal values."""
    count, variance = len(values) - 1, values.var()
    low, high = (count * variance / stats.chi2.ppf(q, count) for q in (0.975, 0.025))
    return variance**0.5, low**0.5, high**0.5


def told(table: pd.DataFrame) -> list[str]:
    """The table of the kinds, and what follows from it."""
    lines = measurements.head(
        ["what changes", "runs", "mean Dice", "SD (95 % interval)", "lowest to highest"]
    )
    for kind, says in KINDS.items():
        values = of_kind(table, kind)
        if len(values) < 2:
            continue
        sd, low, high = deviation(values)
        cells = [says, str(len(values)), f"{values.mean():.4f}"]
        cells += [f"{sd:.4f} ({low:.4f} to {high:.4f})"]
        lines.append(
            measurements.row([*cells, f"{values.min():.4f} to {values.max():.4f}"])
        )
    start = of_kind(table, "start")
    sd = start.std()
    lines += [
        "",
        f"Two single runs that differ in their start alone lie "
        f"{2 * sd / np.pi**0.5:.3f} apart on average, and one pair in twenty more than "
        f"{1.96 * 2**0.5 * sd:.3f}. "
        f"With five runs each, two means of the same loss lie more than "
        f"{1.96 * (2 / 5) ** 0.5 * sd:.3f} apart one time in twenty.",
    ]
    lines += between(table) + printed()
    return lines


def between(table: pd.DataFrame) -> list[str]:
    """Whether rounding is as loud as a start, and the loop's mean that of the kit."""
    lines = []
    start, rounding, loop = (of_kind(table, k) for k in ("start", "rounding", "loop"))
    if len(rounding) > 1:
        low, ratio, high = ratio_of(rounding, start)
        lines += ["", f"The SD of rounding is {ratio:.2f} times that of another start "]
        lines[-1] += f"(95 % interval {low:.2f} to {high:.2f})."
    lines += pairs(table, "threads", "by two threads instead of one")
    lines += pairs(table, "again", "with another rounding")
    if len(loop) > 1:
        found = stats.ttest_ind(start, loop, equal_var=False)
        ends = found.confidence_interval(0.95)
        lines += [
            "",
            f"The kit's mean less the loop's: {start.mean() - loop.mean():+.4f} ",
        ]
        lines[-1] += f"(95 % interval {ends.low:+.4f} to {ends.high:+.4f}; Welch)."
    return lines


def pairs(table: pd.DataFrame, kind: str, says: str) -> list[str]:
    """How far runs of the same start lie apart, one of them changed, if there are some.

    Args:
        says: what the change is, for a sentence.
    """
    other = table[table["kind"] == kind]
    if len(other) < 2:
        return []
    one = table[table["kind"].isin(["base", "start"])].set_index("init_seed")["dice"]
    apart = (other.set_index("init_seed")["dice"] - one).dropna()
    half = stats.t.ppf(0.975, len(apart) - 1) * stats.sem(apart)
    mean, equal = apart.mean(), int((apart == 0).sum())
    return [
        "",
        f"The same start {says}: test Dice differs by "
        f"{apart.abs().mean():.3f} on average and by {apart.abs().max():.3f} at most; "
        f"{equal} of {len(apart)} pairs are equal. The mean difference is {mean:+.4f} "
        f"(95 % interval {mean - half:+.4f} to {mean + half:+.4f}; paired t).",
    ]


def ratio_of(one: pd.Series, other: pd.Series) -> tuple[float, float, float]:
    """Lower end, ratio and upper end (95 %) of two standard deviations."""
    ratio = one.var() / other.var()
    sizes = len(one) - 1, len(other) - 1
    ends = (ratio / stats.f.ppf(q, *sizes) for q in (0.975, 0.025))
    low, high = (end**0.5 for end in ends)
    return low, ratio**0.5, high


def printed() -> list[str]:
    """What the printed deviation of the public re-run is made of.

    The runs of all losses share their splits, so the deviation over them is for the
    most part no noise of a difference.
    """
    table = published.public_rerun()
    nine = table[table["loss"] != "focal"]  # behind the others, without a doubt
    cells = nine.groupby(["dataset", "model"])
    spread = cells["dice"].agg(np.ptp)
    alone = [equal_range(cell) for _, cell in cells]
    shares = []
    for _, cell in published.study_small().groupby(["dataset", "model"]):
        wide = cell.pivot_table(index="loss", columns="repeat", values="dice")
        shares.append(shared(wide))
    return [
        "",
        f"In the public re-run the means of the nine losses other than focal spread "
        f"over {spread.median():.4f} in a cell (highest less lowest, median of "
        f"{len(spread)} cells). Nine equal losses, each repeated on its own with the "
        f"deviations that it prints, would spread over {np.median(alone):.4f}. So a "
        f"printed deviation is not the noise of a difference: a part of it is the "
        f"split, which all losses share. In our own runs this is {min(shares):.0%} to "
        f"{max(shares):.0%} of the variance of a loss over its repeats, by data set "
        "and network.",
    ]


def equal_range(cell: pd.DataFrame) -> float:
    """What equal losses would spread over: mean range of as many normal means."""
    error = (cell["dice_sd"] ** 2 / cell["n"]).mean() ** 0.5
    draws = np.random.default_rng(0).normal(0, error, (4000, len(cell)))
    return float(np.ptp(draws, axis=1).mean())


def shared(dice: pd.DataFrame) -> float:
    """The share of a loss's variance over repeats that all losses have in common.

    Two-way analysis of variance, (loss, repeat), one run a cell; 0 where the estimate
    is below.
    """
    values = dice.to_numpy()
    losses, repeats = values.shape
    around = values - values.mean(axis=1, keepdims=True)
    common = around.mean(axis=0)
    rest = ((around - common) ** 2).sum() / ((losses - 1) * (repeats - 1))
    both = losses * (common**2).sum() / (repeats - 1)
    split = max(0.0, (both - rest) / losses)
    return float(split / (split + rest))


def drawn(table: pd.DataFrame) -> Figure:
    """A row a kind: each run, the mean and its 95 % interval."""
    kinds = [kind for kind in KINDS if len(of_kind(table, kind)) > 1]
    figure = Figure(figsize=(7, 0.6 * len(kinds) + 1.1), layout="constrained")
    axis = figure.subplots()
    for place, kind in enumerate(kinds):
        values = of_kind(table, kind).to_numpy()
        half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
        axis.plot(values, np.full(len(values), place), "o", mfc="none", color="#0072B2")
        axis.errorbar(
            values.mean(), place + 0.25, xerr=half, fmt="d", color="black", capsize=3
        )
    axis.set_yticks(range(len(kinds)), [KINDS[kind] for kind in kinds])
    axis.set_ylim(len(kinds) - 0.4, -0.5)
    axis.set_xlabel("test Dice (circles: runs; diamond: mean and its 95 % interval)")
    axis.grid(axis="x", color="0.9")
    return figure


if __name__ == "__main__":
    main()
