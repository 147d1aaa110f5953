"""How long the search for near-copies takes, and how much memory, as a set grows.

uv run python benchmarks/duplicates.py

Every count runs in a process of its own with one thread of BLAS. Thumbnails are drawn
with the spectrum of photographs, every tenth a noisy copy of the one before. Memory is
the largest that was allocated at once beside the thumbnails, counted in a run that is
not timed.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
import tracemalloc

import measurements
import numpy as np
from scipy.fft import idctn

from lesionkit.splits.duplicates import near_pairs, perceptual_hashes
from lesionkit.splits.leakage import nearest

COUNTS = (1_000, 5_000, 20_000)
TURNS = 3
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def made_thumbnails(count: int, seed: int = 0) -> np.ndarray:
    """(count, 32, 32) uint8; every tenth is a copy of the one before with noise."""
    random = np.random.default_rng(seed)
    frequency = np.hypot(*np.mgrid[:32, :32])
    made = np.zeros((count, 32, 32), np.uint8)
    for i in range(count):
        field = idctn(random.normal(size=(32, 32)) / np.maximum(frequency, 1) ** 1.5)
        field = (field - field.min()) / np.ptp(field) * 200 + 20
        if i % 10 == 9:
            field = made[i - 1] + random.normal(0, 3, (32, 32))
        made[i] = np.clip(field, 0, 255).astype(np.uint8)
    return made


def measure(count: int) -> dict[str, float]:
    """Seconds and MiB of a search among `count` thumbnails, in this process."""
    made = made_thumbnails(count)
    taken: dict[str, list[float]] = {"pairs": [], "hashes": [], "nearest": []}
    part = np.split(np.random.default_rng(0).permutation(count), [round(0.8 * count)])
    for _ in range(TURNS):
        for name, call in (
            ("hashes", lambda: perceptual_hashes(made)),
            ("pairs", lambda: near_pairs(made)),
            ("nearest", lambda: nearest(made, *part)),
        ):
            began = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - began)
    tracemalloc.start()
    found = near_pairs(made)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    seconds = {name: statistics.median(values) for name, values in taken.items()}
    return {"count": count, "found": len(found), "mib": peak, **seconds}


def in_a_process(count: int) -> dict[str, float]:
    """The same in a new process on one thread."""
    environment = os.environ | dict.fromkeys(THREADS, "1")
    command = [sys.executable, __file__, str(count)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


def lines() -> list[str]:
    """The table of the page."""
    rows = [
        "| thumbnails | near_pairs, s | hashes alone, s | nearest, s | MiB | pairs |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for count in COUNTS:
        row = in_a_process(count)
        rows.append(
            f"| {count:,} | {row['pairs']:.2f} | {row['hashes']:.2f} | "
            f"{row['nearest']:.2f} | {row['mib']:.0f} | {row['found']:,} |"
        )
    note = f"Medians of {TURNS}, one thread; nearest: 20 % against the other 80 %."
    return [note, "", *rows]


def main() -> None:
    """All counts to the page; one count, if given, to standard output."""
    if len(sys.argv) > 1:
        print(json.dumps(measure(int(sys.argv[1]))))
        return
    measurements.append("The search for near-copies", lines())


if __name__ == "__main__":
    main()
