"""The bundle that comes with the kit, and its figure, from the ten toy runs.

uv run lesionkit sweep toy_ten.yaml && uv run python benchmarks/bundle.py

The file stays small: five of the eight images are kept, those that a rule finds, and as
many of the others as fit without changing what the rules find. Logits are set to the
middle of steps: 64 between the least and the largest of their image, 512 near their
mean, where the raw mean cuts. Every mask at probability 0.5 stays as it was; tables
have four digits. What the raw mean marks may move by a hundredth of an image, which is
looked at.
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
COARSE, FINE, NEAR = 64, 512, 1 / 32  # steps of the range, and the share near the mean
MOVED = 0.01  # of an image, by the rounding


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
        logits=rounded(whole.logits[:, FIVE].astype(np.float32)),
        **{name: getattr(whole, name).round(4) for name in comparison.TABLES},
    )
    if made.choices() != whole.choices():
        raise SystemExit("five images change what the rules find; choose others")
    made.save(comparison.BUNDLE)
    position = made.position("empty")
    figure = threshold_figures.two_rules(made, position)
    figure.savefig(
        measurements.ROOT / "docs" / "figures" / "toy_ten_thresholds.png", dpi=100
    )


def rounded(logits: np.ndarray) -> np.ndarray:
    """Logits (L, N, H, W) in the middle of steps of their own image.

    Raises:
        SystemExit: the raw mean marks a hundredth of an image more or less.
    """
    span = np.ptp(logits, axis=(2, 3), keepdims=True)
    near = np.abs(logits - logits.mean((2, 3), keepdims=True)) < NEAR * span
    step = span / np.where(near, FINE, COARSE)
    found = (np.floor(logits / step) + 0.5) * step
    moved = np.abs(marked(found) - marked(logits)).max()
    if moved > MOVED:
        raise SystemExit(f"rounding moves {moved:.3f} of what the raw mean marks")
    return found


def marked(logits: np.ndarray) -> np.ndarray:
    """The share of each image above the mean of its logits, (L, N)."""
    return (logits > logits.mean((2, 3), keepdims=True)).mean((2, 3))


if __name__ == "__main__":
    main()
