"""How often the audit finds one wrong number in a table, and how often it cries wolf.

uv run python benchmarks/audit.py --seed 0 --tables 50
"""

from __future__ import annotations

import argparse

import measurements
import numpy as np
import pandas as pd

from lesionkit.papers.audit import audit_table

ROWS = [(model, loss) for model in ("m1", "m2", "m3") for loss in ("l1", "l2", "l3")]
SCORES = ("precision", "recall", "f1", "iou")
AUDITS = (("pooled", "pooled"), ("image", "image"), ("pooled", None), ("image", None))
ALTERED_BY = (0.02, 5.0)  # points; 0.02 is beyond the rounding of one number


def rates(seed: int, tables: int = 50) -> pd.DataFrame:
    """Share of right and of altered tables that the audit flags.

    Each table has nine rows, printed in percent with two decimals, of 20 to 200 images
    with random counts. One number of it is then altered by 0.02 to 5 points, up or
    down. The tables of one aggregation are the same in both of its rows.

    Returns:
        made, told (the aggregation that the audit is told); false_alarms and hits: of
        tables with an impossible row, among the right and among the altered ones; and
        not_pooled, not_pooled_altered: of tables with any row "not pooled".
    """
    made = {
        name: _tables(np.random.default_rng((seed, i)), tables, name)
        for i, name in enumerate(("pooled", "image"))
    }
    rows = []
    for name, told in AUDITS:
        right, altered = (
            [{f.severity for f in audit_table(t, aggregation=told)} for t in group]
            for group in made[name]
        )
        row = {"made": name, "told": told or "unknown"}
        row |= {"false_alarms": _share(right, "impossible")}
        row |= {"hits": _share(altered, "impossible")}
        row |= {"not_pooled": _share(right, "not pooled")}
        row |= {"not_pooled_altered": _share(altered, "not pooled")}
        rows.append(row)
    return pd.DataFrame(rows)


def _share(found: list[set[str]], severity: str) -> float:
    """Share of tables with a finding of a severity."""
    return float(np.mean([severity in severities for severities in found]))


def _tables(
    random: np.random.Generator, tables: int, aggregation: str
) -> tuple[list[pd.DataFrame], list[pd.DataFrame]]:
    """Right tables, and the same with one number altered in each."""
    right = [made_table(random, aggregation) for _ in range(tables)]
    return right, [altered(random, table) for table in right]


def made_table(random: np.random.Generator, aggregation: str) -> pd.DataFrame:
    """A table whose numbers follow from counts, as text in percent.

    Args:
        aggregation: "pooled" sums the counts, "image" averages the scores of images.
    """
    images = int(random.integers(20, 201))
    rows = []
    for model, loss in ROWS:
        counts = _counts(random, images)
        if aggregation == "pooled":
            counts = counts.sum(axis=1, keepdims=True)
        tp, fp, fn = counts
        scores = {
            "precision": tp / (tp + fp),
            "recall": tp / (tp + fn),
            "f1": 2 * tp / (2 * tp + fp + fn),
            "iou": tp / (tp + fp + fn),
        }
        printed = {name: f"{100 * each.mean():.2f}" for name, each in scores.items()}
        rows.append({"model": model, "loss": loss, **printed})
    return pd.DataFrame(rows)


def _counts(random: np.random.Generator, images: int) -> np.ndarray:
    """True positives, false positives and false negatives of each image."""
    lesion = np.ceil(random.lognormal(7, 1, images))
    precision, recall = (
        random.beta(*(random.uniform(4, 20), random.uniform(1, 4)), images)
        for _ in range(2)
    )
    tp = np.maximum(1, np.round(recall * lesion))
    fp = np.round(tp * (1 - precision) / np.maximum(precision, 0.01))
    return np.stack([tp, fp, lesion - tp])


def altered(random: np.random.Generator, table: pd.DataFrame) -> pd.DataFrame:
    """The table with one number moved, within 0 to 100."""
    row, name = random.integers(len(table)), random.choice(SCORES)
    by = random.uniform(*ALTERED_BY) * random.choice((-1, 1))
    number = float(table.loc[row, name])
    number += by if 0 <= number + by <= 100 else -by
    table = table.copy()
    table.loc[row, name] = f"{number:.2f}"
    return table


def main() -> None:
    """One row for each way of making and each thing told."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tables", type=int, default=50)
    options = parser.parse_args()
    table = rates(options.seed, options.tables)
    lines = [
        f"{options.tables} tables of nine rows each way, one number altered by "
        f"{ALTERED_BY[0]} to {ALTERED_BY[1]:g} points; share of tables with an "
        'impossible row (false alarms, hits) and with a row "not pooled".',
        "",
        *measurements.head(table.columns),
    ]
    for row in table.itertuples(index=False):
        lines.append(measurements.row(_cell(value) for value in row))
    measurements.append("One wrong number in a table of scores", lines)


def _cell(value: str | float) -> str:
    """A share with two decimals, a word as it is."""
    return value if isinstance(value, str) else f"{value:.2f}"


if __name__ == "__main__":
    main()
