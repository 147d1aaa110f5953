"""The protocol `practice` against `demo`, and what augmentation costs.

uv run lesionkit sweep practice.yaml
uv run python benchmarks/practice.py

Reads the records of the sweep: test Dice and epochs of each repeat. Then the CPU time
of a step's augmentation, a batch of eight, beside the whole step of a small and of a
large network; one thread, medians of TURNS.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import measurements
import torch

from lesionkit.config import RunConfig
from lesionkit.losses import build_loss
from lesionkit.models import build_model
from lesionkit.records.runs import RunRecord
from lesionkit.sweeps.sweep import read_sweep
from lesionkit.training.augmentation import STRENGTHS, augmentation
from lesionkit.training.step import Step

BATCH, TURNS = 8, 15
NETWORKS = (("enet", "enet_port"), ("unet", "smp_unet_resnet34"))


def score_lines() -> list[str]:
    """A row a data set and protocol of the sweep."""
    configs = read_sweep("practice.yaml").configs
    first = configs[0].resolved()
    lines = [
        f"{first.model} ({first.variant}), {first.loss}, {first.size} px, random first"
        " weights, one thread. Test Dice at probability 0.5, mean over images, in"
        " points.",
        "",
    ]
    names = (
        "data set",
        "train, validation, test",
        "protocol",
        "Dice",
        "SD",
        "by repeat",
    )
    lines += measurements.head([*names, "epochs", "best epoch"])
    groups: dict[tuple[str, str], list[RunConfig]] = {}
    for config in configs:
        groups.setdefault((config.dataset, config.protocol), []).append(config)
    return lines + [score_row(*names, runs) for names, runs in groups.items()]


def score_row(dataset: str, protocol: str, configs: list[RunConfig]) -> str:
    """What the repeats of one protocol on one data set came to."""
    records = [RunRecord(config.folder) for config in configs]
    found = [record.metrics for record in records]
    dice = [100 * each["test"]["probability"]["image"]["dice"] for each in found]
    cells = (
        dataset,
        ", ".join(str(n) for n in found[0]["data"]["images"].values()),
        protocol,
        f"{statistics.mean(dice):.1f}",
        f"{statistics.stdev(dice):.1f}",
        ", ".join(f"{value:.1f}" for value in dice),
        ", ".join(str(each["epochs"]) for each in found),
        ", ".join(str(each["best_epoch"]) for each in found),
    )
    return measurements.row(cells)


def cpu_seconds(call: Callable[[int], object]) -> float:
    """The CPU time of a call, the median of several; the first two warm up."""
    found = []
    for turn in range(TURNS + 2):
        began = time.process_time()
        call(turn)
        found.append(time.process_time() - began)
    return statistics.median(found[2:])


def cost_lines() -> list[str]:
    """A row a size: milliseconds of a batch under each strength, and of a step."""
    strengths = [name for name in STRENGTHS if name != "none"]
    names = ["size", *(f"`{name}`, ms" for name in strengths)]
    names += [f"step of {variant}, ms" for _, variant in NETWORKS]
    return measurements.head(names) + [cost_row(size, strengths) for size in (64, 224)]


def cost_row(size: int, strengths: list[str]) -> str:
    """The times of one size."""
    images = torch.randint(0, 256, (BATCH, size, size, 3), dtype=torch.uint8)
    masks = (images[..., 0] > 128).to(torch.uint8)
    seconds = []
    for strength in strengths:
        augment = augmentation(strength, 42)
        seconds.append(cpu_seconds(lambda turn, a=augment: a(images, masks, 1, turn)))
    for name, variant in NETWORKS:
        model = build_model(name, variant=variant)
        optimizer = torch.optim.AdamW(model.parameters(), fused=True)
        step = Step(model, build_loss("dicebce"), optimizer, normalise="imagenet")
        seconds.append(cpu_seconds(lambda turn, s=step: s(images, masks)))
    return measurements.row([str(size), *(f"{1000 * each:.0f}" for each in seconds)])


def main() -> None:
    """Both tables."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    cost = ["", f"CPU time of a batch of {BATCH}, one thread.", "", *cost_lines()]
    measurements.append("Practice against the demo", [*score_lines(), *cost])


if __name__ == "__main__":
    main()
