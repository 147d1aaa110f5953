"""What the picture of a training costs, against the time between two of them.

    python benchmarks/curves.py [--rounds 50]

Two pictures are at least two seconds apart, and two hundred times what the last took.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import measurements

from lesionkit.records import runs
from lesionkit.records.curves import EVERY, SHARE, picture

EPOCHS = (12, 200, 1000)


def main() -> None:
    """Time pictures of short and long trainings and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50)
    rounds = parser.parse_args().rounds
    names = ["epochs", "bytes", "CPU ms", "ms with the disk", "share of the time, %"]
    lines = [f"Median of {rounds} pictures.", "", *measurements.head(names)]
    with tempfile.TemporaryDirectory() as folder:
        for epochs in EPOCHS:
            lines.append(measurements.row(timed(Path(folder), epochs, rounds)))
    measurements.append("Curves while training", lines)


def timed(folder: Path, epochs: int, rounds: int) -> list[str]:
    """The cells of one length of training."""
    history = [
        {
            "epoch": epoch,
            "train_loss": 1 / epoch,
            "validation_dice": 1 - 1 / epoch,
            "best_epoch": epoch,
        }
        for epoch in range(1, epochs + 1)
    ]
    walls, used, size = [], [], 0
    for _ in range(rounds):
        began, cpu = time.perf_counter(), time.process_time()
        text = picture(history, "toy unet ioufocal repeat 0", epochs, live=True)
        runs.store_picture(folder, text.encode())
        walls.append(time.perf_counter() - began)
        used.append(time.process_time() - cpu)
        size = len(text)
    wall = statistics.median(walls)
    share = wall / max(EVERY, wall / SHARE)
    cells = [f"{1000 * statistics.median(used):.2f}", f"{1000 * wall:.2f}"]
    return [str(epochs), str(size), *cells, f"{100 * share:.3f}"]


if __name__ == "__main__":
    main()
