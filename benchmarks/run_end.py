"""What scoring a part of a split takes at the end of a run: memory and processor time.

uv run python benchmarks/run_end.py

For each number of images of 512 x 512 a process of its own scores them by a network of
one convolution, so that nearly all is the host's. `--checkout DIR` does the same with
the package of another checkout, to compare.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import measurements

ONE = """
import resource, sys, time
import numpy as np
import pandas as pd
import torch
from lesionkit.prepared import Prepared
from lesionkit.prepared.loading import Batches
from lesionkit.training.evaluation import evaluate

torch.set_num_threads(1)
torch.manual_seed(0)
count, side = int(sys.argv[1]), 512
rows, columns = np.mgrid[:side, :side]
mask = (np.hypot(rows - 200, columns - 300) < 90).astype(np.uint8)
noise = np.random.default_rng(0).integers(0, 90, (side, side), np.uint8)
image = (noise + 120 * mask)[None, ..., None]
images = np.broadcast_to(image, (count, side, side, 1))
masks = np.broadcast_to(mask[None], (count, side, side))
hashes = {"sha256": {"images.npy": "", "masks.npy": ""}}
data = Prepared("made", None, images, masks, pd.DataFrame(index=range(count)), hashes)
model = torch.nn.Conv2d(1, 1, 3, padding=1)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def score(count):
    batches = Batches(data, np.arange(count), batch_size=8, loader="streamed")
    return evaluate(model, batches, scoring="every_image").summary()

score(8)
before, began = peak(), time.process_time()
found = score(count)
took = 1000 * (time.process_time() - began) / count
value = found["average_precision"]
low, high = found.get("average_precision_bounds", (value, value))
print(f"{peak() - before:.0f} | {took:.1f} | {value:.9f} | {low:.9f} to {high:.9f}")
"""


def row(count: int, checkout: Path) -> str:
    """Images, MB more than for eight, ms of processor time an image, AP, bounds."""
    done = subprocess.run(
        [sys.executable, "-c", ONE, str(count)],
        env=os.environ | {"PYTHONPATH": str(checkout)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return f"| {count} | {done.stdout.strip()} |"


def main() -> None:
    """A row a number of images."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, nargs="+", default=[100, 400])
    parser.add_argument("--checkout", type=Path, default=measurements.ROOT)
    parser.add_argument("--called", default="this version", help="The checkout's name.")
    given = parser.parse_args()
    head = "| images | MB more than for 8 | ms an image | AP | AP at least, at most |"
    rows = [row(count, given.checkout) for count in given.images]
    lines = [f"{given.called}, 512 x 512, one thread, processor time.", ""]
    lines += [head, "|---|---|---|---|---|", *rows]
    measurements.append("Scoring a part at the end of a run", lines)


if __name__ == "__main__":
    main()
