"""From slider event to picture bytes: the threshold explorer at 224 x 224, ten losses.

uv run python benchmarks/widgets.py [--moves 200]

Each move goes the way of a message from the page: the state of the slider is set,
and the clock stops when the widget's picture has been sent. Beside it the same picture
shown by matplotlib, in the same run.
"""

from __future__ import annotations

import argparse
import time
from io import BytesIO

import matplotlib.pyplot as plt
import measurements
import numpy as np
import pandas as pd
import torch
from PIL import Image

from lesionkit.catalogue import PAPER_A_LOSSES
from lesionkit.figures.pixels import bytes_of
from lesionkit.prepared.preparing import prepare
from lesionkit.thresholds import widgets
from lesionkit.thresholds.comparison import Comparison, Shelf

PROMISE = 100.0  # milliseconds, 95th percentile


def comparison(side: int) -> Comparison:
    """Toy images at this side under ten losses made of a gap and smooth noise."""
    data = prepare("toy", None, size=side)
    random = np.random.default_rng(0)
    chosen = np.argsort(data.masks.sum((1, 2)))[[4, 150, 296]]
    masks = np.asarray(data.masks[chosen])
    logits = random.normal(-3, 1, (10, *masks.shape)) + 5 * masks
    nothing = pd.DataFrame()
    return Comparison(
        title=f"toy at {side}",
        losses=tuple(PAPER_A_LOSSES),
        files=tuple(data.index["file"].iloc[chosen]),
        images=np.asarray(data.images[chosen]),
        masks=masks,
        logits=logits.astype(np.float16),
        validation_cuts=np.linspace(-1, 1, 10),
        curves=nothing,
        marked=nothing,
        theory=nothing,
    )


def milliseconds(explorer: widgets.ThresholdExplorer, moves: int) -> np.ndarray:
    """The time of each move, the slider going back and forth."""
    slider, screen, sent = explorer.controls["way"], explorer.screen, []
    plain = screen._send
    screen._send = lambda *given, **how: (
        plain(*given, **how),
        sent.append(time.perf_counter()),
    )
    found = []
    for move in range(moves):
        began = time.perf_counter()
        slider.set_state({"value": round((move * 0.34) % 1, 2)})
        if not sent:
            raise RuntimeError("a move sent no picture")
        found.append(1000 * (sent[-1] - began))
        sent.clear()
    return np.array(found)


def redrawn(explorer: widgets.ThresholdExplorer, times: int = 10) -> np.ndarray:
    """What showing the same picture would take through matplotlib."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        pixels = np.asarray(Image.open(BytesIO(explorer.picture)))
        figure, axis = plt.subplots(figsize=(8, 6))
        axis.imshow(pixels)
        bytes_of(figure)
        plt.close(figure)
        found.append(1000 * (time.perf_counter() - began))
    return np.array(found)


def main() -> None:
    """Both lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moves", type=int, default=200)
    options = parser.parse_args()
    torch.set_num_threads(1)
    made = comparison(224)
    explorer = widgets.ThresholdExplorer(Shelf({made.title: lambda: made}))
    moves = milliseconds(explorer, options.moves)
    slow = redrawn(explorer)
    low, middle, high = np.percentile(moves, [5, 50, 95])
    met = "met" if high < PROMISE else "NOT met"
    lines = [
        f"{len(moves)} moves at 224 x 224 with ten losses, one thread: from slider"
        f" event to picture bytes sent p5 {low:.0f}, median {middle:.0f},"
        f" p95 {high:.0f} ms; promised p95 below {PROMISE:.0f} ms: {met}. A picture has"
        f" {len(explorer.picture) / 1000:.0f} kB.",
        f"matplotlib shows the same picture in a median of {np.median(slow):.0f} ms:"
        f" {np.median(slow) / middle:.1f} times as long.",
    ]
    measurements.append("A move of the threshold slider", lines)


if __name__ == "__main__":
    main()
