"""Paper B's rows from finished run records, as a table of docs/measurements.md.

uv run python benchmarks/paper_b.py data/runs/paper_b/ct_phantom
uv run python benchmarks/paper_b.py data/runs/paper_b/lidc_slices_majority --page

With several repeats a row is a network and loss, and the paper's claims are answered;
--page puts that into docs/study.md as well. Of single runs, beside the scores: the wall
time of each run, and the sizes of the phantom's spheres as measured on their masks
against the truth.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import measurements
import numpy as np
import pandas as pd

from lesionkit.config import data_folder
from lesionkit.datasets.lungct import samples
from lesionkit.metrics.lesions import measure
from lesionkit.papers import claims, paper_b
from lesionkit.records.runs import RunRecord, find_records
from lesionkit.tables import load_table

PAGE = measurements.ROOT / "docs" / "study.md"
SCORES = {"f1": "F1", "precision": "precision", "recall": "recall"}
SCORES |= {"average_precision": "AP"}


def score_lines(records: list[RunRecord]) -> list[str]:
    """Data, epochs and one row a run."""
    first = records[0]
    parts = first.metrics["data"]["images"]
    identity = first.identity
    lines = [
        f"{identity['dataset']} at {identity['size']} px, {identity['epochs']} epochs, "
        f"batch {identity['batch_size']}, repeat {identity['repeat']}; images "
        + ", ".join(f"{name} {count}" for name, count in parts.items())
        + f"; base rate {paper_b.base_rate(first):.4f}.",
        "",
    ]
    table = paper_b.table_1(records)
    apart = [r.metrics.get("test_without_lesion", {}) for r in records]
    table["marked_without_lesion"] = [
        f"{a['probability']['images_marked']} of {a['images']}" if a else "none there"
        for a in apart
    ]
    table["seconds"] = [
        sum(s.get("wall_seconds", 0.0) for s in r.environment["sessions"])
        for r in records
    ]
    lines += measurements.head(table.columns)
    for row in table.itertuples(index=False):
        cells = [f"{v:.3f}" if isinstance(v, float) else str(v) for v in row]
        cells[-1] = f"{row.seconds:.0f}"
        lines.append(measurements.row(c.replace("nan", "") for c in cells))
    return lines


def repeated_lines(records: list[RunRecord]) -> list[str]:
    """Mean and standard deviation over the repeats, a row a network and loss."""
    table = paper_b.table_1(records)
    facts = ["epochs", "dtype"]
    table = table.assign(**{n: [r.identity[n] for r in records] for n in facts})
    lines = measurements.head(
        ["network", "loss", "epochs", "arithmetic", "runs", *SCORES.values()]
    )
    for (model, loss), rows in table.groupby(["model", "loss"], sort=False):
        first = rows.iloc[0]
        cells = [model, loss, *(str(first[name]) for name in facts), str(len(rows))]
        cells += [f"{rows[n].mean():.3f} ({rows[n].std():.3f})" for n in SCORES]
        lines.append(measurements.row(cells))
    return lines


def claim_lines(runs: Path) -> list[str]:
    """What the paper claims, and what these runs say to it."""
    names = tuple(name for name in claims.CLAIMS if name.startswith("B-"))
    answers = claims.check(load_table(runs), names)
    lines = ["", *measurements.head(["claim of paper B", "verdict", "evidence"])]
    cells = answers[["says", "verdict", "evidence"]].itertuples(index=False)
    return lines + [measurements.row(row) for row in cells]


def sphere_lines(raw: Path) -> list[str]:
    """Diameter and volume of the spheres inside the lung, measured less truth."""
    found = samples(raw)
    errors = []
    for patient in sorted({sample.group for sample in found}):
        slices = [sample for sample in found if sample.group == patient]
        series = slices[0].series
        spacing = (series.between, *series.spacing)
        inside = [s.mask * (s.stratum == "inside") for s in slices]
        table = measure(np.stack(inside), spacing)
        truth = pd.read_csv(raw / patient / "truth.csv").set_index("kind")
        radius = truth["radius_mm"]["inside"]
        volume = 4 / 3 * np.pi * radius**3
        longest = table["longest_mm"][0] - 2 * radius
        errors.append((longest, table["volume_mm3"][0] / volume - 1, len(table)))
    longest, share, _ = np.array(errors).T
    return [
        "",
        f"{len(errors)} spheres inside the lung, pixels of {spacing[1]} mm: longest "
        f"diameter less truth {longest.min():+.2f} to {longest.max():+.2f} mm (mean "
        f"{longest.mean():+.2f}); volume {share.min():+.1%} to {share.max():+.1%} "
        f"(mean {share.mean():+.1%}).",
    ]


def main() -> None:
    """Read the records, append the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", type=Path, help="folder of records")
    parser.add_argument("--page", action="store_true")
    given = parser.parse_args()
    records = find_records(given.runs)
    if not records:
        raise SystemExit("no finished record there")
    if len({record.identity["repeat"] for record in records}) > 1:
        lines = [*repeated_lines(records), *claim_lines(given.runs)]
    else:
        lines = score_lines(records)
    if given.page:
        measurements.put_between(PAGE, "people", lines)
    raw = data_folder() / "raw" / "ct_phantom"
    if records[0].identity["dataset"] == "ct_phantom" and raw.is_dir():
        lines += sphere_lines(raw)
    measurements.append(f"Paper B on {records[0].identity['dataset']}", lines)


if __name__ == "__main__":
    main()
