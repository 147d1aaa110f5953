"""Masks of a run's own test images: the record's counts again, and seconds an image.

    python benchmarks/prediction.py RECORD RAW [--images 100]

RAW is the raw folder of the run's data set. The native images go through `predict` as
a user's would. At the size of the run, before it is stretched, each mask must have the
counts that the record has of it; the masks at the native size are scored against the
native ground truth. One thread. Appends to docs/measurements.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import measurements
import numpy as np
import pandas as pd
import torch

from lesionkit.export import inputs
from lesionkit.export.prediction import Ensemble
from lesionkit.metrics import counts
from lesionkit.prepared.preparing import data_of, find_samples
from lesionkit.records.runs import RunRecord

COUNTS = ["tp", "fp", "fn", "tn"]


def main() -> None:
    """Predict, compare with the record, and append what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("record", type=Path)
    parser.add_argument("raw", type=Path)
    parser.add_argument("--images", type=int, default=100)
    given = parser.parse_args()
    torch.set_num_threads(1)
    record = RunRecord(given.record)
    rows = record.images[record.images["threshold"] == "probability"]
    rows = rows.head(given.images).set_index("file")
    samples = {s.name: s for s in find_samples(data_of(record).name, given.raw)[0]}
    items = [inputs.Item(file, samples[file].read) for file in rows.index]
    network = Ensemble.of(record, "probability")
    next(network.run(items[:1]))  # what is loaded once
    clock, cpu = time.perf_counter(), time.process_time()
    found = list(network.run(items))
    wall, cpu = time.perf_counter() - clock, time.process_time() - cpu
    scored = pd.DataFrame([each.scores() for each in found])
    at_size = dict(small_counts(network, items, record))
    differ = [f for f in rows.index if at_size[f] != rows.loc[f, COUNTS].tolist()]
    sizes = {each.mask.shape for each in found}
    lines = [
        *measurements.head(["what", "value"]),
        measurements.row(["images, native sizes", f"{len(found)}, {len(sizes)}"]),
        measurements.row(["counts unlike the record's, its size", str(len(differ))]),
        measurements.row(["mean Dice, its size", f"{rows['dice'].mean():.4f}"]),
        measurements.row(["mean Dice, native size", f"{scored['dice'].mean():.4f}"]),
        measurements.row(["wall ms an image", f"{1000 * wall / len(found):.1f}"]),
        measurements.row(["processor ms an image", f"{1000 * cpu / len(found):.1f}"]),
    ]
    asked = record.identity
    title = (
        f"Masks of new images: {asked['model']}, {asked['dataset']}, {asked['size']}"
    )
    measurements.append(title, lines)
    if differ:
        raise SystemExit(f"{len(differ)} images differ, {differ[0]} for one")


def small_counts(
    network: Ensemble, items: list[inputs.Item], record: RunRecord
) -> Iterator[tuple[str, list[int]]]:
    """The counts of each native image's mask at the size of the run."""
    data = data_of(record)
    places = {file: i for i, file in enumerate(data.index["file"])}
    for item in items:
        image, _ = item.read()
        (logits,) = network.logits([image])[0]
        mask = (logits >= 0).numpy().astype(np.uint8)
        truth = np.array(data.masks[places[item.name]])
        yield item.name, counts(mask[None], truth[None])[0].tolist()


if __name__ == "__main__":
    main()
