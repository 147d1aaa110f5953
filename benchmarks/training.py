"""The kit's loop against a bare one, and against the plain way, part by part.

uv run python benchmarks/training.py --name kvasir --raw DIR

First: the same resident tensors, network, loss and Adam in `training.loop.train` and
in a loop written by hand; what the kit's takes more, median of paired repeats.
Second: images a second of U-Net ResNet-34 from a DataLoader that decodes files, eager
float32, loss and metrics of segmentation-models-pytorch on the host at every batch,
and what each part of the kit's way changes. One thread; CPU time of this process.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import measurements
import numpy as np
import segmentation_models_pytorch as smp
import torch
from data_path import Files
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader

from lesionkit.losses import build_loss
from lesionkit.models import build_model
from lesionkit.prepared import Prepared
from lesionkit.prepared.loading import Batches
from lesionkit.prepared.preparing import find_samples, prepare
from lesionkit.training.evaluation import validation_counts
from lesionkit.training.loop import Progress, Rules, train
from lesionkit.training.step import Step

BATCH = 8
TURNS = 3


def adam(model: nn.Module) -> torch.optim.Optimizer:
    """The optimiser of both loops."""
    return torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)


def bare(model: nn.Module, images: torch.Tensor, masks: torch.Tensor) -> Callable:
    """Epochs as short as PyTorch allows, with a validation on the last batch."""
    optimizer, best, epoch = adam(model), {}, 0

    def one_epoch() -> None:
        nonlocal best, epoch
        epoch += 1
        model.train()
        order = np.random.default_rng([0, epoch]).permutation(len(images) - BATCH)
        for where in torch.as_tensor(order).split(BATCH):
            image = images[where].permute(0, 3, 1, 2).contiguous().float() / 255
            mask = masks[where, None].float()
            optimizer.zero_grad(set_to_none=True)
            binary_cross_entropy_with_logits(model(image), mask).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            image = images[-BATCH:].permute(0, 3, 1, 2).contiguous().float() / 255
            found, mask = model(image)[:, 0] >= 0, masks[-BATCH:].bool()
            both = (found & mask).flatten(1).sum(1)
            areas = found.flatten(1).sum(1) + mask.flatten(1).sum(1)
            (2 * both / areas).mean().item()
        best = {k: v.clone() for k, v in model.state_dict().items()}

    return one_epoch


def kit(model: nn.Module, data: Prepared, count: int, loss: str = "bce") -> Callable:
    """The same epochs through the kit; the last one counts as the best, as above."""
    positions = np.arange(count)
    batches = Batches(data, positions[:-BATCH], batch_size=BATCH)
    validation = Batches(data, positions[-BATCH:], batch_size=BATCH)
    step, progress = Step(model, build_loss(loss), adam(model)), Progress()

    def one_epoch() -> None:
        train(
            step,
            batches,
            lambda m: validation_counts(m, validation, scoring="every_image"),
            model=model,
            rules=Rules(progress.epoch + 1, 1, "never", seed=0, scored_epoch="last"),
            progress=progress,
        )

    return one_epoch


def seconds(work: Callable[[], None]) -> float:
    """CPU time of this process."""
    began = time.process_time()
    work()
    return time.process_time() - began


def overhead(
    name: str, variant: str, data: Prepared, *, count: int, repeats: int
) -> list[float]:
    """What the kit's epoch takes over the bare one, a share a paired repeat."""
    torch.manual_seed(0)
    model = build_model(name, variant=variant)
    images = torch.from_numpy(np.array(data.images[:count]))
    masks = torch.from_numpy(np.array(data.masks[:count]))
    ways = {
        "kit": kit(copy.deepcopy(model), data, count),
        "bare": bare(copy.deepcopy(model), images, masks),
    }
    shares = []
    for turn in range(repeats + 2):  # the first two warm up
        took = {way: seconds(ways[way]) for way in sorted(ways, reverse=turn % 2 > 0)}
        shares.append(took["kit"] / took["bare"] - 1)
    return shares[2:]


def plain_epoch(model: nn.Module, loader: DataLoader) -> int:
    """As tutorials have it: decode, eager float32, metrics of a batch on the host."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loss = smp.losses.DiceLoss("binary")
    model.train()
    count = 0
    for image, mask in loader:
        logits = model(image)
        value = loss(logits, mask)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        found = smp.metrics.get_stats(
            logits.sigmoid(), mask.long(), mode="binary", threshold=0.5
        )
        smp.metrics.f1_score(*found, reduction="micro-imagewise").item()
        value.item()
        count += len(image)
    return count


def kit_steps(model: nn.Module, batches: Batches, **how: str) -> int:
    """An epoch of the kit's steps."""
    step = Step(model, build_loss("dice"), adam(model), **how)
    model.train()
    losses = [step(*batches.store.take(c)) for c in batches.order(0, 1)]
    torch.stack(losses).tolist()
    return len(batches)


def ways_of(files: Files, data: Prepared) -> dict[str, Callable[[], int]]:
    """The plain way, and the kit's with one part after the other."""
    torch.manual_seed(0)
    model = build_model("unet", variant="smp_unet_resnet34")
    loader = DataLoader(files, batch_size=BATCH, shuffle=True)
    every = np.arange(len(files))

    def way(memory_format: str, dtype: str) -> Callable[[], int]:
        layout = getattr(
            torch,
            memory_format if memory_format != "contiguous" else "contiguous_format",
        )
        mine = copy.deepcopy(model).to(memory_format=layout)
        how = {"memory_format": memory_format}
        batches = Batches(data, every, batch_size=BATCH, **how)
        return lambda: kit_steps(mine, batches, dtype=dtype, **how)

    return {
        "plain: DataLoader, eager float32, metrics a batch": lambda: plain_epoch(
            copy.deepcopy(model), loader
        ),
        "kit, float32": way("contiguous", "float32"),
        "kit, float32, channels_last": way("channels_last", "float32"),
        "kit, bfloat16": way("contiguous", "bfloat16"),
        "kit, bfloat16, channels_last": way("channels_last", "bfloat16"),
    }


def overhead_lines(given: argparse.Namespace) -> list[str]:
    """The first table: a row a network."""
    lines = [
        f"Over a bare loop at {given.small} px, {given.repeats} paired repeats:",
        "",
        "| network | overhead, median | lowest | highest |",
        "|---|---|---|---|",
    ]
    data = prepare(given.name, given.raw, size=given.small)
    for name, variant in (("unet", "smp_unet_resnet34"), ("enet", "enet_port")):
        shares = overhead(
            name, variant, data, count=given.images, repeats=given.repeats
        )
        told = (statistics.median(shares), min(shares), max(shares))
        lines.append(measurements.row([variant, *(f"{s:+.2%}" for s in told)]))
    return lines


def rates_of(ways: dict[str, Callable[[], int]]) -> dict[str, float]:
    """Images a second of each way, CPU time, median of turns."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(TURNS):
        for name, epoch in ways.items():
            began = time.process_time()
            count = epoch()
            rates[name].append(count / (time.process_time() - began))
    return {name: statistics.median(found) for name, found in rates.items()}


def way_lines(given: argparse.Namespace) -> list[str]:
    """The second table: a row a way."""
    samples, _ = find_samples(given.name, given.raw)
    files = Files(samples[: given.images], given.size)
    data = prepare(given.name, given.raw, size=given.size)
    medians = rates_of(ways_of(files, data))
    first = next(iter(medians.values()))
    return [
        f"smp_unet_resnet34 at {given.size} px, median of {TURNS} turns:",
        "",
        "| way | images a second | ratio |",
        "|---|---|---|",
        *(f"| {n} | {v:.2f} | {v / first:.2f} |" for n, v in medians.items()),
    ]


def main() -> None:
    """Both tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", default="kvasir")
    parser.add_argument("--raw", type=Path, required=True)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--small", type=int, default=64, help="Side in the first part.")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--images", type=int, default=48, help="Of an epoch.")
    given = parser.parse_args()
    torch.set_num_threads(1)
    lines = [
        f"{given.name}, {given.images} images an epoch, one thread, CPU time.",
        "",
        *overhead_lines(given),
        "",
        *way_lines(given),
    ]
    measurements.append("The training loop against a bare and a plain one", lines)


if __name__ == "__main__":
    main()
