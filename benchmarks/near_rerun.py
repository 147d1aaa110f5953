"""How near single runs of `paper_a_public` come to the public re-run of paper A.

    lesionkit sweep public_gpu.yaml
    python benchmarks/near_rerun.py [--measurements]

For each finished record of the sweep, whose weights and logits are not read: its test
Dice at probability 0.5, the mean and SD of the re-run's cell, and whether the run is
where one more run of that cell would be expected: mean -+ t SD sqrt(1 + 1/n), 95 %,
Student's t with n - 1 degrees.
Reads the records of the sweep in the data folder (LESIONKIT_DATA).
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import measurements
import pandas as pd
from scipy import stats

from lesionkit import published
from lesionkit.records import runs
from lesionkit.sweeps.sweep import read_sweep

LEVEL = 0.95
HEAD = [
    *("network", "data set", "loss", "Dice", "re-run: mean (SD, runs)"),
    *("one more run, 95 %", "is inside", "dtype", "epochs", "seconds"),
    *("images a second", "trained on"),
]


def expected(mean: float, sd: float, count: int) -> tuple[float, float]:
    """Where one more run of a cell is expected, by Student's t."""
    half = stats.t.ppf((1 + LEVEL) / 2, count - 1) * sd * math.sqrt(1 + 1 / count)
    return mean - half, mean + half


def row_of(folder: Path, cells: pd.DataFrame) -> list[str]:
    """One run beside its cell."""
    record = runs.RunRecord(folder)
    config = record.identity
    dice = record.metrics["test"]["probability"]["image"]["dice"]
    key = (config["dataset"], config["model"], config["loss"])
    sessions = record.environment["sessions"]
    cell, last = cells.loc[key], sessions[-1]
    seconds = sum(session["wall_seconds"] for session in sessions)
    low, high = expected(cell["dice"], cell["dice_sd"], int(cell["n"]))
    printed = f"{cell['dice']:.3f} ({cell['dice_sd']:.3f}, {int(cell['n'])})"
    return [
        *(key[1], key[0], key[2], f"{dice:.3f}", printed),
        *(f"{low:.3f} to {high:.3f}", "yes" if low <= dice <= high else "no"),
        *(last["dtype"], str(last["last_epoch"]), f"{seconds:.0f}"),
        *(f"{last['images_per_second']:.0f}", str(last["gpu"] or last["platform"])),
    ]


def main() -> None:
    """One table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measurements", action="store_true")
    given = parser.parse_args()
    cells = published.public_rerun().set_index(["dataset", "model", "loss"])
    folders = [config.folder for config in read_sweep("public_gpu.yaml").configs]
    found = [folder for folder in folders if (folder / "DONE").is_file()]
    lines = measurements.head(HEAD)
    lines += [measurements.row(row_of(folder, cells)) for folder in found]
    if given.measurements:
        measurements.append("Runs of paper_a_public beside the public re-run", lines)
    else:
        print("\n".join(lines))


if __name__ == "__main__":
    main()
