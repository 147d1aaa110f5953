"""ENet by a second training loop, written from the documentation alone.

It takes the network from the kit and nothing else. Split, batches, loss, optimiser and
scores are here in plain PyTorch, so that runs of `paper_a` can be held against it.
The loss is dicebce. All epochs are trained, on one thread. The split's seed is 42;
--seeds are the initial seeds. Each finished seed is a row of the file, and seeds in it
are not trained again: take one file for each number of epochs.

uv run python benchmarks/independent_loop.py FOLDER --seeds 42-51 --out loop.csv

FOLDER is a prepared set, such as data/prepared/kvasir/64, without ignored pixels.
"""

import argparse
import copy
import csv
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from lesionkit import build_model

COLUMNS = ["seed", "best_epoch", "validation_dice", "test_dice", "seconds"]
BATCH, RATE, SMOOTH, SPLIT_SEED = 8, 1e-3, 1e-6, 42


def load(folder: Path) -> tuple[Tensor, Tensor, list[np.ndarray]]:
    """Images from 0 to 1, masks of 0 and 1, and the positions of the three parts."""
    images = torch.from_numpy(np.load(folder / "images.npy")).permute(0, 3, 1, 2) / 255
    masks = torch.from_numpy(np.load(folder / "masks.npy")).unsqueeze(1).float()
    with (folder / "index.csv").open(newline="", encoding="utf-8") as file:
        order = np.argsort(
            [row["content_hash"] for row in csv.DictReader(file)], kind="stable"
        )
    np.random.default_rng(SPLIT_SEED).shuffle(order)
    cuts = [round(0.6 * len(order)), round(0.8 * len(order))]
    return images.contiguous(), masks, np.split(order, cuts)


def dicebce(logits: Tensor, masks: Tensor) -> Tensor:
    """Dice with sums over the batch, plus the mean of binary cross entropy."""
    found = logits.sigmoid()
    shared, total = (found * masks).sum(), found.sum() + masks.sum()
    dice = 1 - (2 * shared + SMOOTH) / (total + SMOOTH)
    return dice + binary_cross_entropy_with_logits(logits, masks)


@torch.no_grad()
def score(model: nn.Module, images: Tensor, masks: Tensor) -> float:
    """Mean of each image's Dice at probability 0.5; empty against empty is 1."""
    model.eval()
    found = torch.cat([model(part) for part in images.split(BATCH)]) >= 0
    shared = (found & (masks > 0)).sum((1, 2, 3)).double()
    total = found.sum((1, 2, 3)).double() + masks.double().sum((1, 2, 3))
    return torch.where(total > 0, 2 * shared / total, 1.0).mean().item()


def train(
    seed: int, epochs: int, images: Tensor, masks: Tensor, parts: list[np.ndarray]
):
    """The best epoch from 1, the latest of equals, its validation and its test Dice."""
    torch.manual_seed(seed)
    model = build_model("enet")
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
    training, validation, test = map(torch.from_numpy, parts)
    best, at, weights = -1.0, 0, {}
    for epoch in range(1, epochs + 1):
        model.train()
        batches = list(training[torch.randperm(len(training))].split(BATCH))
        if len(batches) > 1 and len(batches[-1]) == 1:
            batches[-2:] = [torch.cat(batches[-2:])]
        for batch in batches:
            optimiser.zero_grad()
            dicebce(model(images[batch]), masks[batch]).backward()
            optimiser.step()
        if (dice := score(model, images[validation], masks[validation])) >= best:
            best, at, weights = dice, epoch, copy.deepcopy(model.state_dict())
    model.load_state_dict(weights)
    return at, best, score(model, images[test], masks[test])


def main() -> None:
    """Train the seeds that the file lacks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seeds", default="42-51", help="first-last")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = load(options.folder)
    first, last = map(int, options.seeds.split("-"))
    if not options.out.exists():
        options.out.write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
    with options.out.open("r+", newline="", encoding="utf-8") as file:
        done = {int(row["seed"]) for row in csv.DictReader(file)}
        for seed in sorted(set(range(first, last + 1)) - done):
            began = time.perf_counter()
            at, best, test = train(seed, options.epochs, *data)
            took = time.perf_counter() - began
            csv.writer(file, lineterminator="\n").writerow(
                [seed, at, f"{best:.6f}", f"{test:.6f}", f"{took:.1f}"]
            )
            file.flush()


if __name__ == "__main__":
    main()
