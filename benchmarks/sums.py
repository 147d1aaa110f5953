"""Region terms summed over the batch against each image: is either the better loss?

uv run lesionkit sweep sums.yaml
uv run python benchmarks/sums.py data/runs

`lesionkit rank` takes no table that mixes sums. Here "dice" with its sums is the name
of a loss, "dice, image", and the verdict is the one that `rank` gives: of each pair
alone, and of all six.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import measurements
import pandas as pd

from lesionkit.inference.standing import rank
from lesionkit.records.runs import RunRecord
from lesionkit.sweeps.sweep import read_sweep

SCORES = ("dice", "iou", "precision", "recall")


def table(runs: Path) -> pd.DataFrame:
    """A row a finished run of the sweep, its loss named with its sums."""
    rows = []
    for config in read_sweep("sums.yaml").configs:
        metrics = RunRecord(runs / config.run_id).metrics
        scores = metrics["test"]["probability"]["image"]
        rows.append(
            {
                "dataset": config.dataset,
                "model": config.model,
                "loss": f"{config.loss}, {config.sums}",
                "repeat": config.repeat,
                **{name: scores[name] for name in SCORES},
            }
        )
    return pd.DataFrame(rows)


def score_lines(runs: pd.DataFrame) -> list[str]:
    """A row a loss and data set: mean, SD and each repeat, in points of Dice."""
    names = ("data set", "loss", "sums", "Dice", "SD", "by repeat")
    lines = measurements.head(names)
    for (dataset, loss), group in runs.groupby(["dataset", "loss"], sort=False):
        dice = 100 * group["dice"]
        each = ", ".join(f"{value:.1f}" for value in dice)
        cells = (dataset, *loss.split(", "), f"{dice.mean():.1f}", f"{dice.std():.1f}")
        lines.append(measurements.row([*cells, each]))
    return lines


def verdict_lines(runs: pd.DataFrame) -> list[str]:
    """What `rank` says of each pair alone, then of all losses."""
    lines = []
    for name in dict.fromkeys(loss.split(", ")[0] for loss in runs["loss"]):
        pair = runs[runs["loss"].str.startswith(f"{name}, ")]
        lines.append(f"- {name}: {rank(pair).verdict.sentence}")
    return [*lines, f"- all six: {rank(runs).verdict.sentence}"]


def main() -> None:
    """The scores, and the verdicts in their words."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, help="folder of run records")
    runs = table(parser.parse_args().runs)
    first = read_sweep("sums.yaml").configs[0].resolved()
    head = (
        f"{first.model} ({first.variant}), {first.size} px, batches of"
        f" {first.batch_size}, {first.epochs} epochs, protocol {first.protocol}. Test"
        " Dice at probability 0.5, mean over images, in points."
    )
    lines = [head, "", *score_lines(runs), "", *verdict_lines(runs)]
    measurements.append("Sums by batch against sums by image", lines)


if __name__ == "__main__":
    main()
