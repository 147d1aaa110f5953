"""What a network gains from near-copies: image split against group split.

uv run lesionkit prepare clinicdb --raw DIR --size 64
uv run lesionkit sweep leakage.yaml
uv run python benchmarks/leakage.py data/runs/demo/clinicdb
"""

from __future__ import annotations

import argparse
from pathlib import Path

import measurements
import numpy as np
from scipy import stats

from lesionkit.prepared import Prepared
from lesionkit.prepared.preparing import data_of
from lesionkit.records.runs import RunRecord, find_records
from lesionkit.splits import leakage, split


def dice_by_split(records: list[RunRecord]) -> tuple[list[int], dict[str, np.ndarray]]:
    """The repeats that both splits have, and test Dice of them, a split."""
    dice: dict[str, dict[int, float]] = {"image": {}, "group": {}}
    for record in records:
        score = record.metrics["test"]["probability"]["image"]["dice"]
        dice[record.identity["split"]][record.identity["repeat"]] = score
    repeats = sorted(dice["image"].keys() & dice["group"].keys())
    if not repeats:
        raise SystemExit("no finished record of both splits there")
    return repeats, {
        split: np.array([scores[repeat] for repeat in repeats])
        for split, scores in dice.items()
    }


def by_copying(data: Prepared, kind: str, seeds: list[int]) -> float:
    """Dice of copying the mask of the nearest training image, mean over seeds."""
    thumbnails = data.thumbnails
    scores = []
    for seed in seeds:
        parts = split(data, kind=kind, seed=seed)
        dealt = {"train": parts.train, "test": parts.test}
        found = leakage.copy_nearest_scores(thumbnails, data.masks, **dealt)
        scores.append(found.mean())
    return float(np.mean(scores))


def table(record: RunRecord, repeats: list[int], dice: dict) -> list[str]:
    """A row a split: Dice of each repeat, their mean, and Dice by copying."""
    data, seeds = data_of(record), [42 + repeat for repeat in repeats]
    lines = [
        "| split | test Dice, each repeat | mean | Dice by copying the nearest mask |",
        "|---|---|---|---|",
    ]
    for kind, scores in dice.items():
        each = ", ".join(f"{score:.3f}" for score in scores)
        copied = by_copying(data, kind, seeds)
        lines.append(f"| {kind} | {each} | {scores.mean():.3f} | {copied:.3f} |")
    return lines


def difference(image: np.ndarray, group: np.ndarray) -> str:
    """What the image split gives more than the group split, with its interval."""
    found = stats.ttest_ind(image, group, equal_var=False)
    low, high = found.confidence_interval()
    return (
        f"Image less group: {image.mean() - group.mean():+.3f} Dice (95 % interval "
        f"{low:+.3f} to {high:+.3f}, Welch)."
    )


def main() -> None:
    """Test Dice by split, the difference with its interval, and Dice by copying."""
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", type=Path, help="folder of records")
    records = find_records(parser.parse_args().runs)
    repeats, dice = dice_by_split(records)
    first = records[0].identity
    lines = [
        f"{first['dataset']} at {first['size']} px, {first['variant']}, "
        f"{first['loss']}, {first['epochs']} epochs, repeats "
        f"{', '.join(map(str, repeats))}.",
        "",
        *table(records[0], repeats, dice),
        "",
        difference(**dice),
    ]
    measurements.append(f"What near-copies are worth on {first['dataset']}", lines)


if __name__ == "__main__":
    main()
