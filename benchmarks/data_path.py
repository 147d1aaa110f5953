"""One epoch from the prepared arrays against one that decodes files, and inspection.

uv run python benchmarks/data_path.py kvasir --raw DIR

The other way is torch's DataLoader over the raw files: decode, resize, to float, in
this process and on one thread, as is the prepared way. Both give batches of eight
float32 images with their masks.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import measurements
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from lesionkit import inspection
from lesionkit.datasets.pictures.resizing import resize_image, resize_mask
from lesionkit.datasets.pictures.samples import Sample
from lesionkit.prepared.loading import Batches
from lesionkit.prepared.preparing import find_samples, prepare

TURNS = 3
BATCH = 8


class Files(Dataset):
    """The raw files, decoded and resized whenever they are asked for."""

    def __init__(self, samples: list[Sample], size: int):
        self.samples, self.size = samples, size

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        image, mask = self.samples[i].read()
        small = resize_image(image, self.size).astype(np.float32) / 255
        marked = resize_mask(mask, self.size)[None].astype(np.float32)
        return torch.from_numpy(small).permute(2, 0, 1), torch.from_numpy(marked)


def rate(epoch: Callable[[], int]) -> float:
    """Images a second, CPU time of this process, median of some turns."""
    rates = []
    for _ in range(TURNS):
        began = time.process_time()
        count = epoch()
        rates.append(count / (time.process_time() - began))
    return statistics.median(rates)


def epoch_lines(samples: list[Sample], given: argparse.Namespace) -> list[str]:
    """Images a second of both ways, and their ratio."""
    data = prepare(given.name, given.raw, size=given.size)
    every = np.tile(np.arange(len(data)), given.copies)
    batches = Batches(data, every, batch_size=BATCH)
    files = Files(samples * given.copies, given.size)
    loader = DataLoader(files, batch_size=BATCH, shuffle=True)
    epochs = {
        "prepared arrays": lambda: sum(
            len(image) for image, _, _ in batches.shuffled(seed=42, epoch=1)
        ),
        "DataLoader that decodes": lambda: sum(len(image) for image, _ in loader),
    }
    rates = {name: rate(epoch) for name, epoch in epochs.items()}
    first, second = rates.values()
    return [
        f"{given.name}, {len(data)} images ({given.copies} times) of up to "
        f"{data.index['height'].max()} x {data.index['width'].max()} at {given.size} "
        "px, one thread, CPU time.",
        "",
        "| way | images a second |",
        "|---|---|",
        *(f"| {name} | {value:.0f} |" for name, value in rates.items()),
        "",
        f"Ratio {first / second:.1f}.",
    ]


def inspection_lines(name: str, samples: list[Sample]) -> list[str]:
    """Seconds of an inspection of a quarter, a half and all of the images."""
    lines = ["| images | seconds of an inspection, decoding included |", "|---|---|"]
    for share in (4, 2, 1):
        part = samples[: len(samples) // share]
        began = time.perf_counter()
        inspection.inspect_samples(name, part)
        lines.append(f"| {len(part)} | {time.perf_counter() - began:.1f} |")
    return lines


def main() -> None:
    """Both rates, their ratio, and the time of an inspection by images."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--raw", type=Path, required=True)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--copies", type=int, default=1, help="Of a few files.")
    given = parser.parse_args()
    torch.set_num_threads(1)
    samples, _ = find_samples(given.name, given.raw)
    lines = [*epoch_lines(samples, given), "", *inspection_lines(given.name, samples)]
    measurements.append("One epoch from arrays and from files", lines)


if __name__ == "__main__":
    main()
