"""The bundle that comes with the kit, and its figure, from the ten toy runs.

uv run lesionkit sweep toy_ten.yaml && uv run python benchmarks/bundle.py

Five of the eight images are kept, so that the file stays small: those that a rule
finds, and as many of the others as fit without changing what the rules find.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import measurements
import numpy as np

from lesionkit.config import data_folder
from lesionkit.thresholds import comparison
from lesionkit.thresholds import figures as threshold_figures

FIVE = np.array([0, 1, 3, 4, 7])  # by growing lesion


def main() -> None:
    """Write both files, unless five images change what the rules find."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=data_folder() / "runs")
    options = parser.parse_args()
    whole = comparison.shelf(options.runs, "dataset=toy protocol=demo").open()
    made = replace(
        whole,
        files=tuple(whole.files[i] for i in FIVE),
        images=whole.images[FIVE],
        masks=whole.masks[FIVE],
        logits=whole.logits[:, FIVE],
    )
    if made.choices() != whole.choices():
        raise SystemExit("five images change what the rules find; choose others")
    made.save(comparison.BUNDLE)
    position = made.position("empty")
    figure = threshold_figures.two_rules(made, position)
    figure.savefig(
        measurements.ROOT / "docs" / "figures" / "toy_ten_thresholds.png", dpi=100
    )


if __name__ == "__main__":
    main()
