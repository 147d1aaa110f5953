"""Paper A's Fig. 3 from run records: figures, the claim as numbers, and the theory.

uv run python benchmarks/thresholds.py RUNS_DIR [--only dataset=toy] [--figures DIR]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import measurements
import numpy as np

from lesionkit.thresholds import comparison
from lesionkit.thresholds import figures as threshold_figures
from lesionkit.thresholds.comparison import Comparison


def draw(made: Comparison, folder: Path, name: str) -> None:
    """Every figure of the notebook, as PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    cuts = dict(zip(made.losses, made.validation_cuts, strict=True))
    figures = {
        "marked": threshold_figures.background_marked(made.marked),
        "theory": threshold_figures.theory(made.theory),
        "curves": threshold_figures.dice_curves(made.curves, cuts),
    }
    for rule in made.choices():
        position = made.position(rule)
        figures[f"fig3_{rule}"] = threshold_figures.two_rules(made, position)
    for kind, figure in figures.items():
        figure.savefig(folder / f"{name}_{kind}.png", dpi=110)


def rows(made: Comparison) -> list[str]:
    """The claim as a table: background marked by loss and rule, with intervals."""
    table = made.marked.set_index(["loss", "rule"])
    lines = [
        "| loss | background marked at probability 0.5, % | by the raw mean, % |"
        " best validation cut | median gap of the theory |",
        "|---|---|---|---|---|",
    ]
    for loss, cut in zip(made.losses, made.validation_cuts, strict=True):
        shares = [table.loc[(loss, rule)] for rule in ("probability", "raw_mean")]
        told = [
            f"{100 * s['marked']:.2f} ({100 * s['low']:.2f} to {100 * s['high']:.2f})"
            for s in shares
        ]
        of_loss = made.theory[made.theory["loss"] == loss]
        gap = (of_loss["measured"] - of_loss["predicted"]).abs().median()
        lines.append(f"| {loss} | {told[0]} | {told[1]} | {cut:+.2f} | {gap:.3f} |")
    return lines


def main() -> None:
    """The table, and the figures if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--figures", type=Path)
    options = parser.parse_args()
    made = comparison.shelf(options.source, options.only).open()
    theory = made.theory
    correlation = np.corrcoef(theory["predicted"], theory["measured"])[0, 1]
    gap = (theory["measured"] - theory["predicted"]).abs()
    empty = theory[theory["lesion_share"] == 0]
    half = (
        f" {len(empty) // len(made.losses)} of them without lesion, where the raw mean"
        f" marks {empty['measured'].min():.1%} to {empty['measured'].max():.1%}."
        if len(empty)
        else ""
    )
    lines = [
        f"{made.title}; {int(made.marked['images'].max())} test images.{half}",
        f"Share of background that the raw mean marks, predicted against measured over"
        f" {len(theory)} images and losses: correlation {correlation:.3f}, median gap"
        f" {gap.median():.3f}, 95th percentile {gap.quantile(0.95):.3f}.",
        "",
        *rows(made),
    ]
    measurements.append("What each threshold marks", lines)
    if options.figures:
        draw(made, options.figures, made.title.partition(",")[0])


if __name__ == "__main__":
    main()
