"""How much of a gap is protocol alone: one record under every convention.

uv run python benchmarks/conventions.py data/runs/demo/kvasir/.../repeat0
"""

from __future__ import annotations

import argparse
from pathlib import Path

import measurements

import lesionkit as lk


def main() -> None:
    """A row a convention."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="A finished record with weights.")
    options = parser.parse_args()
    (record,) = lk.find_records(options.folder)
    predicted = lk.replay(record)
    table = lk.conventions.table(predicted.logits, predicted.masks)
    identity = record.identity
    told = ("dataset", "model", "loss", "size", "epochs")
    lines = [
        f"{len(predicted.files)} test images,"
        f" {', '.join(f'{name} {identity[name]}' for name in told)}."
        f" Dice from {table['dice'].min():.3f} to {table['dice'].max():.3f}.",
        "",
        *measurements.head(["convention", *table.columns]),
    ]
    for name, row in table.iterrows():
        lines.append(measurements.row([str(name), *(f"{v:.3f}" for v in row)]))
    measurements.append("The same predictions under every convention", lines)


if __name__ == "__main__":
    main()
