"""What each setting changes between paper A as printed and its public re-run.

uv run lesionkit sweep deviations.yaml
uv run python benchmarks/deviations.py
uv run lesionkit sweep fast.yaml                 # bfloat16 and channels_last
uv run python benchmarks/deviations.py fast.yaml

Reads the records of the sweep, one data set at a time. The runs of a change and of the
protocol as printed are paired by repeat (same split and, but for the change, the same
seeds); the interval is
Student's over the repeats: with three it is wide, and it does not hold what other
images, networks or losses would add.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict

import measurements
import numpy as np
from scipy import stats

from lesionkit.config import PARAMETERS, RunConfig
from lesionkit.records.runs import RunRecord
from lesionkit.sweeps.sweep import read_sweep

LEVEL = 0.95


def change_of(config: RunConfig, first: RunConfig) -> str:
    """What the sweep changes in a run, beside its first."""
    given, plain = asdict(config), asdict(first)
    free = ("repeat", "dataset")
    changed = [n for n in PARAMETERS if n not in free and given[n] != plain[n]]
    return ", ".join(f"{name} {given[name]}" for name in changed) or "as printed"


def dice_of(config: RunConfig) -> tuple[float, float]:
    """Test Dice at probability 0.5 and by the mean of the raw output, in points."""
    test = RunRecord(config.folder).metrics["test"]
    return tuple(
        100 * test[rule]["image"]["dice"] for rule in ("probability", "raw_mean")
    )


def interval(values: np.ndarray) -> str:
    """The mean with its interval over the repeats."""
    half = stats.t.ppf((1 + LEVEL) / 2, len(values) - 1) * stats.sem(values)
    mean = values.mean()
    return f"{mean:+.1f} ({mean - half:+.1f} to {mean + half:+.1f})"


def main() -> None:
    """A table a data set, a row a change."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sweep", nargs="?", default="deviations.yaml")
    given = parser.parse_args()
    configs = read_sweep(given.sweep).configs
    for dataset in dict.fromkeys(config.dataset for config in configs):
        lines = of_data_set([c for c in configs if c.dataset == dataset])
        title = "From paper A as printed to its re-run, by setting"
        if given.sweep != "deviations.yaml":
            title = f"Deviations from paper A as printed: {given.sweep}, {dataset}"
        measurements.append(title, lines)


def of_data_set(configs: list[RunConfig]) -> list[str]:
    """The table of the runs of one data set; the first is the protocol as printed."""
    example = configs[0]
    found: dict[str, list[tuple[float, float]]] = {}
    for config in configs:
        found.setdefault(change_of(config, example), []).append(dice_of(config))
    base = np.array(found["as printed"])
    at_half, by_raw_mean = base.mean(axis=0)
    lines = [
        f"{example.dataset} at {example.size} px, {example.resolved().variant},"
        f" {example.loss}, {example.epochs} epochs, {len(base)} repeats. Test Dice in"
        f" points; as printed {at_half:.1f} at probability 0.5,"
        f" {by_raw_mean:.1f} by the raw mean. Difference to it by repeat, mean"
        f" and {LEVEL:.0%} interval.",
        "",
        "| change | Dice | points, probability 0.5 | points, raw mean |",
        "|---|---|---|---|",
    ]
    for change, dice in found.items():
        if change == "as printed":
            continue
        apart = np.array(dice) - base
        lines.append(
            f"| {change} | {np.mean(dice, axis=0)[0]:.1f} | {interval(apart[:, 0])} |"
            f" {interval(apart[:, 1])} |"
        )
    return lines


if __name__ == "__main__":
    main()
