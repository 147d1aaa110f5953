"""Counts, scores and AP against torchmetrics, smp and scikit-learn.

    uv run --group bench python benchmarks/metrics.py [--pixels 100]

Part 1: a test set of 1,000 x 224 x 224, all contestants in turn, medians of the rounds.
Part 2: AP in streaming form, on 20 million pixels against scikit-learn, the least of
three runs each, and on `--pixels` million alone. The logits are made batch by batch, so
the peak of memory is that of the histogram and one batch; the system tells it (Linux).
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import measurements
import numpy as np
import torch

from lesionkit import metrics
from lesionkit.metrics.streaming import PrecisionRecall

CASES = ("mild", "saturated", "ties")
BATCH = 2**20  # pixels


def test_set(images: int = 1000, side: int = 224) -> tuple[torch.Tensor, torch.Tensor]:
    """Predicted and true masks (N, 1, side, side) uint8, about 20 % lesion."""
    random = torch.Generator().manual_seed(0)
    mask = torch.rand(images, 1, side, side, generator=random) < 0.2
    wrong = torch.rand(images, 1, side, side, generator=random) < 0.05
    return (mask ^ wrong).to(torch.uint8), mask.to(torch.uint8)


def ours(predicted: torch.Tensor, mask: torch.Tensor) -> float:
    """Mean Dice of the images."""
    return metrics.scores(metrics.counts(predicted, mask))["dice"]


def by_smp(predicted: torch.Tensor, mask: torch.Tensor) -> float:
    """smp's counts and image-wise F1."""
    from segmentation_models_pytorch.metrics import f1_score, get_stats

    stats = get_stats(predicted.long(), mask.long(), mode="binary")
    return f1_score(*stats, reduction="micro-imagewise").item()


def by_torchmetrics(predicted: torch.Tensor, mask: torch.Tensor) -> float:
    """torchmetrics' counts of each image, and Dice from them."""
    from torchmetrics.functional.classification import binary_stat_scores

    table = binary_stat_scores(predicted, mask, multidim_average="samplewise")
    tp, fp, _, fn, _ = table.T.double()
    return (2 * tp / (2 * tp + fp + fn)).mean().item()


def by_sklearn(predicted: torch.Tensor, mask: torch.Tensor) -> float:
    """scikit-learn's F1, image by image."""
    from sklearn.metrics import f1_score

    pairs = zip(mask.flatten(1).numpy(), predicted.flatten(1).numpy(), strict=True)
    return float(np.mean([f1_score(*pair) for pair in pairs]))


def timed(function: Callable, *arguments: object) -> tuple[float, object]:
    """Seconds and what came out."""
    began = time.perf_counter()
    found = function(*arguments)
    return time.perf_counter() - began, found


def score_lines(rounds: int) -> list[str]:
    """Part 1 as lines."""
    predicted, mask = test_set()
    runners = {"lesionkit": ours, "smp": by_smp, "torchmetrics": by_torchmetrics}
    runners["scikit-learn"] = by_sklearn
    seconds: dict[str, list] = {name: [] for name in runners}
    values = {}
    for number in range(rounds):
        for name, runner in runners.items():
            if name == "scikit-learn" and number:
                continue  # once is long enough
            took, values[name] = timed(runner, predicted, mask)
            seconds[name].append(took)
    base = median(seconds["lesionkit"])
    lines = ["| 1,000 x 224 x 224 | s | ratio | mean Dice |", "|---|---|---|---|"]
    for name, each in seconds.items():
        ratio = median(each) / base
        lines.append(
            f"| {name} | {median(each):.3f} | {ratio:.1f} | {values[name]:.9f} |"
        )
    return lines


def batch_of(case: str, pixels: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and mask, 2 % lesion: mild, saturated (sd 4, gap 12), or many ties."""
    random = torch.Generator().manual_seed(seed)
    mask = torch.rand(pixels, generator=random) < 0.02
    logits = torch.randn(pixels, generator=random)
    if case == "saturated":
        return logits.mul_(4).add_(mask, alpha=12).sub_(6), mask
    logits.add_(mask, alpha=2)
    return (logits.mul_(8).round_().div_(8) if case == "ties" else logits), mask


def streamed(case: str, pixels: int) -> tuple[float, PrecisionRecall]:
    """Seconds spent in the histogram, and it."""
    found, seconds = PrecisionRecall(exact=0), 0.0
    for seed, start in enumerate(range(0, pixels, BATCH)):
        part = batch_of(case, min(BATCH, pixels - start), seed)
        seconds += timed(found.update, *part)[0]
    return seconds, found


def with_ap(case: str, pixels: int) -> tuple[float, PrecisionRecall, float]:
    """Seconds of the histogram and of AP from it, the histogram, and AP."""
    seconds, found = streamed(case, pixels)
    took, value = timed(found.average_precision)
    return seconds + took, found, value


def resident(field: str) -> float:
    """VmRSS, or its peak VmHWM, of this process in MB (Linux)."""
    text = Path("/proc/self/status").read_text()
    return int(text.split(f"{field}:")[1].split()[0]) / 1024


def memory(case: str, pixels: int, queue: multiprocessing.Queue) -> None:
    """Seconds, AP, and the peak in MB beyond the imports, a batch of 2**20 included."""
    torch.set_num_threads(1)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    seconds, _, value = with_ap(case, pixels)
    queue.put((seconds, value, resident("VmHWM") - before))


def against_sklearn(case: str, pixels: int) -> str:
    """AP of both on so many pixels as a line, each the least of three runs."""
    from sklearn.metrics import average_precision_score

    seconds, found, value = min(
        (with_ap(case, pixels) for _ in range(3)), key=lambda each: each[0]
    )
    parts = [
        batch_of(case, min(BATCH, pixels - start), seed)
        for seed, start in enumerate(range(0, pixels, BATCH))
    ]
    logits, mask = (torch.cat(each).numpy() for each in zip(*parts, strict=True))
    runs = [timed(average_precision_score, mask, logits) for _ in range(3)]
    theirs, exact = min(runs)
    low, high = found.bounds()
    return (
        f"| {case} | {seconds:.2f} | {theirs:.2f} | {theirs / seconds:.1f} |"
        f" {value - exact:.1e} | {low - exact:.1e} to {high - exact:.1e} |"
    )


def alone(case: str, pixels: int) -> str:
    """Seconds and peak memory in a process of its own, as a line."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=memory, args=(case, pixels, queue))
    child.start()
    seconds, _, peak = queue.get()
    child.join()
    return f"| {case} | {seconds:.2f} | {peak:.0f} |"


def ap_lines(million: int) -> list[str]:
    """Part 2 as lines."""
    return [
        "| AP, 20 million pixels | streaming s | scikit-learn s | ratio | error |"
        " bounds |",
        "|---|---|---|---|---|---|",
        *(against_sklearn(case, 20_000_000) for case in CASES),
        "",
        f"| {million} million pixels | s | peak MB |",
        "|---|---|---|",
        *(alone(case, million * 10**6) for case in CASES),
    ]


def main() -> None:
    """Both parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pixels", type=int, default=100, help="Million.")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = [*score_lines(options.rounds), "", *ap_lines(options.pixels)]
    measurements.append("Metrics: time and memory against other libraries", lines)


if __name__ == "__main__":
    main()
