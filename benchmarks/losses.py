"""Time and peak memory of the losses against smp, MONAI and torchvision.

    uv run --group bench python benchmarks/losses.py [--threads 1] [--rounds 7]

Forward and backward, all contestants in turn in each round, so a busy machine slows all
of them; the ratios are of the medians. Memory is the peak of what was allocated beyond
the inputs, the gradient included, in units of one logits tensor.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from math import exp, log
from statistics import median

import measurements
import torch
from torch import nn

from lesionkit.catalogue import FURTHER_LOSSES, LOSSES, PAPER_A_LOSSES
from lesionkit.losses import build_loss
from lesionkit.losses.cases import loss_and_gradient
from lesionkit.losses.cost import batch, peak_units

SHAPES = ((8, 1, 224, 224), (30, 1, 512, 512))


class Sum(nn.Module):
    """Two losses of another library, added as their users add them."""

    def __init__(self, *parts: nn.Module):
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return sum(part(logits, mask) for part in self.parts)


class TorchvisionFocal(nn.Module):
    """torchvision's focal loss of paper A's alpha and the usual gamma."""

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        from torchvision.ops import sigmoid_focal_loss

        return sigmoid_focal_loss(logits, mask, alpha=0.8, gamma=2, reduction="mean")


def smp_losses() -> dict[str, nn.Module]:
    """The base losses of segmentation-models-pytorch, batch sums."""
    from segmentation_models_pytorch import losses as smp

    return {
        "iou": smp.JaccardLoss("binary", smooth=1e-6),
        "dice": smp.DiceLoss("binary", smooth=1e-6),
        "bce": smp.SoftBCEWithLogitsLoss(),
        "focal": smp.FocalLoss("binary", alpha=0.8, gamma=2),
        "tversky": smp.TverskyLoss("binary", smooth=1e-6, alpha=0.3, beta=0.7),
        "lovasz": smp.LovaszLoss("binary"),
        "mcc": smp.MCCLoss(),
        "smoothed_bce": smp.SoftBCEWithLogitsLoss(smooth_factor=0.1),
    }


def monai_losses() -> dict[str, nn.Module]:
    """The base losses of MONAI, batch sums; its BCE is torch's."""
    from monai.losses import DiceLoss, FocalLoss, TverskyLoss

    region = {"sigmoid": True, "batch": True, "smooth_nr": 1e-6, "smooth_dr": 1e-6}
    return {
        "iou": DiceLoss(jaccard=True, **region),
        "dice": DiceLoss(**region),
        "bce": nn.BCEWithLogitsLoss(),
        "focal": FocalLoss(alpha=0.8, gamma=2, use_softmax=False),
        "tversky": TverskyLoss(alpha=0.3, beta=0.7, **region),
        "squared_dice": DiceLoss(squared_pred=True, **region),
    }


def contestants(name: str) -> dict[str, Callable]:
    """Who can compute the loss `name`, ours first."""
    ours = build_loss(name)
    found = {"eager": ours, "compiled": torch.compile(ours, fullgraph=True)}
    for library, made in (("smp", smp_losses), ("MONAI", monai_losses)):
        base = made()
        parts = LOSSES[name].parts
        if all(part in base for part in parts or (name,)):
            found[library] = Sum(*(base[p] for p in parts)) if parts else base[name]
    if name == "focal":
        found["torchvision"] = TorchvisionFocal()
    return found


def measure(name: str, shape: tuple, rounds: int) -> tuple[dict, dict]:
    """Median milliseconds and peak units of each contestant."""
    logits, mask = batch(shape)
    runners = contestants(name)
    for loss in runners.values():  # compile, and warm the caches
        loss_and_gradient(loss, logits, mask)
    times: dict[str, list] = {key: [] for key in runners}
    for _ in range(rounds):
        for key, loss in runners.items():
            began = time.perf_counter()
            loss_and_gradient(loss, logits, mask)
            times[key].append(1e3 * (time.perf_counter() - began))
    peaks = {key: peak_units(loss, logits, mask) for key, loss in runners.items()}
    return {key: median(each) for key, each in times.items()}, peaks


def geometric(values: list[float]) -> float:
    """Their geometric mean."""
    return exp(sum(map(log, values)) / len(values))


def main() -> None:
    """A table for each size of batch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--shapes", type=int, default=2, help="1: the first alone")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    lines = [f"{options.threads} thread(s), gamma 2, median of {options.rounds}."]
    names = (*PAPER_A_LOSSES, *(n for n in FURTHER_LOSSES if n != "dicebce_image"))
    for shape in SHAPES[: options.shapes]:
        found = {name: measure(name, shape, options.rounds) for name in names}
        lines += ["", *table("x".join(map(str, shape)), found)]
    measurements.append("Losses: time and memory against other libraries", lines)


def table(title: str, found: dict[str, tuple[dict, dict]]) -> list[str]:
    """Milliseconds and peak units, a loss a line, and the ratios below."""
    keys = ["compiled", "eager", "smp", "MONAI", "torchvision"]
    lines = measurements.head([f"{title}: ms, peak in logits tensors", *keys])
    for name, (times, peaks) in found.items():
        cells = [f"{times[k]:.1f}, {peaks[k]:.1f}" if k in times else "" for k in keys]
        lines.append(measurements.row([name, *cells]))
    lines.append("")
    for ours in ("compiled", "eager"):
        for theirs in ("smp", "MONAI"):
            ratios = {
                n: times[theirs] / times[ours]
                for n, (times, _) in found.items()
                if theirs in times
            }
            compounds = [ratios[n] for n in ratios if LOSSES[n].parts]
            mean, part = geometric(list(ratios.values())), geometric(compounds)
            lines.append(
                f"- {theirs} / {ours}: geometric mean {mean:.2f}"
                f" (compounds {part:.2f}, the least {min(compounds):.2f})"
            )
    return lines


if __name__ == "__main__":
    main()
