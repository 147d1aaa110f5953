"""What each setting changes between paper A as printed and its public re-run.

uv run lesionkit sweep deviations.yaml
uv run python benchmarks/deviations.py

Reads the records of the sweep. The runs of a change and of the protocol as printed are
paired by repeat (same split and, but for the change, the same seeds); the interval is
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


def change_of(config: RunConfig) -> str:
    """What the sweep changes in a run, beside its first."""
    given, first = asdict(config), asdict(read_sweep("deviations.yaml").configs[0])
    changed = [n for n in PARAMETERS if n != "repeat" and given[n] != first[n]]
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
    """A row a change."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    sweep = read_sweep("deviations.yaml")
    found: dict[str, list[tuple[float, float]]] = {}
    for config in sweep.configs:
        found.setdefault(change_of(config), []).append(dice_of(config))
    base = np.array(found["as printed"])
    example = sweep.configs[0]
    at_half, by_raw_mean = base.mean(axis=0)
    lines = [
        f"{example.dataset} at {example.size} px, {example.variant}, {example.loss},"
        f" {example.epochs} epochs, {len(base)} repeats. Test Dice in points; as"
        f" printed {at_half:.1f} at probability 0.5, {by_raw_mean:.1f} by the raw mean."
        f" Difference to it by repeat, mean and {LEVEL:.0%} interval.",
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
    measurements.append("From paper A as printed to its re-run, by setting", lines)


if __name__ == "__main__":
    main()
