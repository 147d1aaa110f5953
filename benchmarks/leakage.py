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

from lesionkit import leakage
from lesionkit.datasets.preparing import data_of
from lesionkit.runs import find_records


def main() -> None:
    """Test Dice by split, the difference with its interval, and Dice by copying."""
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", type=Path, help="folder of records")
    records = find_records(parser.parse_args().runs)
    dice: dict[str, dict[int, float]] = {"image": {}, "group": {}}
    for record in records:
        score = record.metrics["test"]["probability"]["image"]["dice"]
        dice[record.identity["split"]][record.identity["repeat"]] = score
    repeats = sorted(dice["image"].keys() & dice["group"].keys())
    if not repeats:
        raise SystemExit("no finished record of both splits there")
    image, group = (np.array([dice[k][r] for r in repeats]) for k in ("image", "group"))
    found = stats.ttest_ind(image, group, equal_var=False)
    low, high = found.confidence_interval()
    first = records[0].identity
    seeds = [42 + repeat for repeat in repeats]
    copied = leakage.leakage_table(data_of(records[0]), ("image", "group"), seeds=seeds)
    lines = [
        f"{first['dataset']} at {first['size']} px, {first['variant']}, "
        f"{first['loss']}, {first['epochs']} epochs, repeats "
        f"{', '.join(map(str, repeats))}.",
        "",
        "| split | test Dice, each repeat | mean | Dice by copying the nearest mask |",
        "|---|---|---|---|",
    ]
    for name, scores in (("image", image), ("group", group)):
        each = ", ".join(f"{score:.3f}" for score in scores)
        copies = copied.set_index("kind")["copy_nearest_dice"][name]
        lines.append(f"| {name} | {each} | {scores.mean():.3f} | {copies:.3f} |")
    lines += [
        "",
        f"Image less group: {image.mean() - group.mean():+.3f} Dice (95 % interval "
        f"{low:+.3f} to {high:+.3f}, Welch).",
    ]
    measurements.append(f"What near-copies are worth on {first['dataset']}", lines)


if __name__ == "__main__":
    main()
