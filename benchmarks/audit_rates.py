"""What the audit says of true tables of many kinds, and of altered ones.

uv run python benchmarks/audit_rates.py --seed 0 --tables 500

A table has nine rows, each of 20 to 200 images of 224 x 224 pixels with random counts.
Its scores follow from the counts, so it is true; in the altered ones one number is
moved. The generator is this script's own; the conventions are those of the kit.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import measurements
import numpy as np
import pandas as pd

from lesionkit import metrics
from lesionkit.metrics import conventions
from lesionkit.papers.audit import Finding, audit_table

ROWS = [(model, loss) for model in ("m1", "m2", "m3") for loss in ("l1", "l2", "l3")]
SCORES = ("dice", "iou", "precision", "recall")
PIXELS = 224 * 224
BATCH = 8
SHARE = 0.15  # of the images without lesion, left unmarked, where a kind has some
ALTERED_BY = (1.0, 2.0, 5.0)  # points
Scores = dict[str, float]
Random = np.random.Generator


@dataclass(frozen=True)
class Kind:
    """One way to a true table: the scores of a row, how they are printed, what is told.

    `empty` is the share of images without lesion.
    """

    name: str
    scores: Callable[[Random, float], Scores]
    empty: float = 0.0
    form: str = "{:.2f}"
    cut: bool = False
    unit: float = 100.0
    told: dict[str, Any] = field(default_factory=dict)


def counts_of(
    random: Random, empty: float = 0.0, *, runs: int = 1, scatter: float = 0.0
) -> list[np.ndarray]:
    """Counts of the same images in each of some runs, (N, 4) each.

    Some lesions are missed in full, and some images without lesion are marked.

    Args:
        empty: share of the images without lesion that are left unmarked.
        scatter: standard deviation of precision and of recall over runs, in points.
    """
    images = int(random.integers(20, 201))
    lesion = np.ceil(np.clip(random.lognormal(7, 1, images), 1, PIXELS / 3))
    shapes = [(random.uniform(4, 20), random.uniform(1, 4)) for _ in range(2)]
    precision, recall = (random.beta(*shape, images) for shape in shapes)
    missed, marked = random.random((2, images)) < random.uniform(0, 0.05)
    marked &= ~missed  # both would be an empty image that nobody asked for
    nothing = np.arange(images) < round(empty * images)
    found = []
    for _ in range(runs):
        moved = random.normal(0, scatter / 100, 2)
        p, r = (
            np.clip(part + by, 0.02, 1)
            for part, by in zip((precision, recall), moved, strict=True)
        )
        tp = np.where(missed, 0, np.minimum(lesion, np.ceil(r * lesion)))
        fp = np.where(missed, 0, np.round(np.maximum(tp, 1) * (1 - p) / p))
        fp, fn = np.minimum(fp, PIXELS - lesion), lesion - tp
        tp, fn = np.where(marked, 0, tp), np.where(marked, 0, fn)
        table = np.stack([tp, fp, fn, PIXELS - tp - fp - fn], 1)
        table[nothing] = (0, 0, 0, PIXELS)
        found.append(table.astype(np.int64))
    return found


def by_convention(name: str, random: Random, empty: float) -> Scores:
    """A row of one of the kit's conventions."""
    (counts,) = counts_of(random, empty)
    return conventions.of_counts(counts, BATCH)[name]


def medians(random: Random, empty: float) -> Scores:
    """Medians over the images that have a score."""
    (counts,) = counts_of(random, empty)
    return {k: float(np.nanmedian(v)) for k, v in metrics.per_image(counts).items()}


def mixed(pooled: tuple[str, ...], random: Random, empty: float) -> Scores:
    """Some scores pooled, the others means over the same images."""
    (counts,) = counts_of(random, empty)
    over, total = (metrics.scores(counts, how) for how in ("image", "pooled"))
    return {name: (total if name in pooled else over)[name] for name in SCORES}


def zeros(random: Random, empty: float) -> Scores:
    """Dice and IoU 1 where nothing is to be found, precision and recall 0."""
    (counts,) = counts_of(random, empty)
    values = metrics.per_image(counts)
    return {k: float(np.nan_to_num(v).mean()) for k, v in values.items()}


def left_out(name: str, random: Random, empty: float) -> Scores:
    """One of Dice and IoU counts 1 where nothing is to be found, all else left out."""
    (counts,) = counts_of(random, empty)
    skipped = conventions.over_images(counts, empty="skip")
    return skipped | {name: conventions.over_images(counts)[name]}


def five_runs(scatter: float, random: Random, empty: float) -> Scores:
    """Pooled scores of five runs, then their mean."""
    runs = counts_of(random, empty, runs=5, scatter=scatter)
    each = pd.DataFrame([metrics.scores(counts, "pooled") for counts in runs])
    return each[list(SCORES)].mean().to_dict()


def kinds() -> list[Kind]:
    """Every kind of true table."""
    headline, pooled = conventions.HEADLINE, "pooled over the set"
    plain, set_wise = partial(by_convention, headline), partial(by_convention, pooled)
    (counts,) = counts_of(np.random.default_rng(0))
    found = [
        Kind("pooled", set_wise),
        Kind("pooled", set_wise, told={"aggregation": "pooled", "runs": 1}),
        Kind("means over images", plain),
        Kind("means over images", plain, told={"aggregation": "image", "empty": 0.0}),
        *(
            Kind(name, partial(by_convention, name), SHARE)
            for name in conventions.of_counts(counts, BATCH)
        ),
        Kind(
            headline, plain, SHARE, told={"aggregation": "image", "empty": SHARE + 0.01}
        ),
        Kind("both empty: Dice and IoU 1, the others 0", zeros, SHARE),
        Kind("both empty: IoU 1, the others left out", partial(left_out, "iou"), SHARE),
        Kind("both empty: F1 1, the others left out", partial(left_out, "dice"), SHARE),
        Kind("medians over images", medians),
        Kind("medians over images", medians, told={"aggregation": "median"}),
        Kind("medians over images, some empty", medians, SHARE),
        Kind(
            "precision and recall pooled, F1 and IoU by image",
            partial(mixed, ("precision", "recall")),
        ),
        Kind("IoU pooled, the others by image", partial(mixed, ("iou",))),
    ]
    for scatter in (0.5, 1.0, 2.0):
        made = partial(five_runs, scatter)
        name = f"pooled, mean of five runs, sd {scatter:g}"
        found += [Kind(name, made), Kind(name, made, told={"aggregation": "pooled"})]
    for name, more in {
        "one decimal": {"form": "{:.1f}"},
        "no decimal": {"form": "{:.0f}"},
        "fractions, three decimals": {"form": "{:.3f}", "unit": 1.0},
        "cut off, not rounded": {"cut": True},
    }.items():
        told = {"aggregation": "pooled", "runs": 1}
        found.append(Kind(f"pooled, {name}", set_wise, told=told, **more))
        found.append(Kind(f"means over images, {name}", plain, **more))
    return found


def made_table(kind: Kind, random: Random) -> pd.DataFrame:
    """A true table as text."""
    rows = []
    for model, loss in ROWS:
        scores = kind.scores(random, kind.empty)
        texts = {name: _text(kind, scores[name]) for name in SCORES}
        rows.append({"model": model, "loss": loss, **texts})
    return pd.DataFrame(rows)


def _text(kind: Kind, score: float) -> str:
    """A score as printed."""
    number = kind.unit * score
    if kind.cut:
        number = np.floor(100 * number + 1e-9) / 100
    return kind.form.format(number)


def altered(random: Random, table: pd.DataFrame, by: float) -> pd.DataFrame:
    """The table with one number moved, within 0 to 100."""
    row, name = random.integers(len(table)), random.choice(SCORES)
    number, by = float(table.loc[row, name]), by * random.choice((-1, 1))
    number += by if 0 <= number + by <= 100 else -by
    table = table.copy()
    table.loc[row, name] = f"{number:.2f}"
    return table


def true_rates(seed: int, tables: int = 500) -> pd.DataFrame:
    """What is said of true tables, a row a kind.

    Returns:
        kind, empty, told; of tables with any such row: impossible, and only if; and the
        greatest share of empty images that a row names as the least that it takes.
    """
    rows = []
    for i, kind in enumerate(kinds()):
        random = np.random.default_rng((seed, i))
        found = [
            audit_table(made_table(kind, random), **kind.told) for _ in range(tables)
        ]
        shares = [f.share for each in found for f in each if f.severity == "only if"]
        row = {"kind": kind.name, "empty": kind.empty, "told": _told(kind.told)}
        row |= {name: _share(found, name) for name in ("impossible", "only if")}
        row["greatest least share"] = float(np.max(shares)) if any(shares) else np.nan
        rows.append(row)
    return pd.DataFrame(rows)


def altered_rates(seed: int, tables: int = 500) -> pd.DataFrame:
    """What is said of tables with one altered number, a row a kind, told and size."""
    headline, pooled = conventions.HEADLINE, "pooled over the set"
    rows = []
    for name, told in (
        (pooled, {"aggregation": "pooled", "runs": 1}),
        (pooled, {"aggregation": "pooled"}),
        (pooled, {}),
        (headline, {"aggregation": "image", "empty": 0.0}),
        (headline, {}),
    ):
        kind = Kind(name, partial(by_convention, name), told=told)
        for by in ALTERED_BY:
            random = np.random.default_rng((seed, int(10 * by)))
            found = [
                audit_table(altered(random, made_table(kind, random), by), **told)
                for _ in range(tables)
            ]
            row = {"made": name, "told": _told(told), "altered by": by}
            row |= {each: _share(found, each) for each in ("impossible", "only if")}
            rows.append(row | {"either": _share(found, "impossible", "only if")})
    return pd.DataFrame(rows)


def _share(found: list[list[Finding]], *severities: str) -> float:
    """Share of tables with a finding of one of these severities."""
    return float(np.mean([any(f.severity in severities for f in t) for t in found]))


def _told(told: dict[str, Any]) -> str:
    """What was told, in short."""
    return ", ".join(f"{name} {value}" for name, value in told.items()) or "nothing"


def main() -> None:
    """One row for each kind of true table, and for each way of altering."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tables", type=int, default=500)
    options = parser.parse_args()
    lines = [
        f"{options.tables} true tables of each kind, nine rows each, with a share of "
        'empty images. Share of tables with a row called "impossible" or "only if", '
        'and the greatest share of empty images that an "only if" names as the least '
        "that it takes.",
        "",
        *_lines(true_rates(options.seed, options.tables)),
        "",
        f"{options.tables} tables with one number moved by so many points, up or down.",
        "",
        *_lines(altered_rates(options.seed, options.tables)),
    ]
    measurements.append(
        "What the audit says of true tables, and of altered ones", lines
    )


def _lines(table: pd.DataFrame) -> list[str]:
    """A table in Markdown, numbers with three decimals, a dash for none."""
    lines = measurements.head(table.columns)
    for row in table.itertuples(index=False):
        lines.append(measurements.row(_cell(value) for value in row))
    return lines


def _cell(value: str | float) -> str:
    """A share with three decimals, a word as it is."""
    if isinstance(value, str):
        return value
    return "-" if np.isnan(value) else f"{value:.3f}".rstrip("0").rstrip(".")


if __name__ == "__main__":
    main()
