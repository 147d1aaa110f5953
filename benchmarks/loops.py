"""An epoch as the kit has it, beside the loops that people write with other libraries.

uv run --group bench python benchmarks/loops.py

Each loop trains the same network on the same images in memory, by Adam with Dice and
BCE, and scores Dice on the validation images after each epoch: as the kit has it, with
segmentation-models-pytorch's losses and torchmetrics' scores, with MONAI's, and with
Lightning's trainer. `benchmarks/training.py` has the shortest loop that PyTorch allows.
One thread, processor time of this process, turn by turn; the ratio is the median over
the turns.
"""

from __future__ import annotations

import argparse
import copy
import logging
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import lightning
import measurements
import monai
import numpy as np
import segmentation_models_pytorch as smp
import torch
import torchmetrics
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.utils.data import DataLoader, TensorDataset
from training import BATCH, kit

sys.path.append(str(measurements.ROOT / "tests" / "made"))
from made_data import write_discs  # noqa: E402

from lesionkit.models import build_model  # noqa: E402
from lesionkit.prepared import open_prepared  # noqa: E402

EPOCHS = 3  # of a turn
Pictures = tuple[torch.Tensor, torch.Tensor]


def loaders(images: torch.Tensor, masks: torch.Tensor) -> tuple[DataLoader, DataLoader]:
    """Training and validation, as tutorials have them: float images in memory."""
    pixels = images.permute(0, 3, 1, 2).float().contiguous() / 255
    every = TensorDataset(pixels, masks[:, None].float())
    train, held = range(len(every) - BATCH), range(len(every) - BATCH, len(every))
    return (
        DataLoader(torch.utils.data.Subset(every, train), BATCH, shuffle=True),
        DataLoader(torch.utils.data.Subset(every, held), BATCH),
    )


def epochs_of(
    model: nn.Module,
    pictures: Pictures,
    loss: Callable,
    add: Callable,
    score: Any,
    result: Callable,
) -> Callable:
    """An epoch as tutorials write it, with a library's loss and score."""
    train, held = loaders(*pictures)
    adam = torch.optim.Adam(model.parameters())

    def epoch() -> None:
        model.train()
        for image, mask in train:
            adam.zero_grad()
            value = loss(model(image), mask)
            value.backward()
            adam.step()
            value.item()
        model.eval()
        with torch.no_grad():
            for image, mask in held:
                add(model(image), mask)
        result().item()
        score.reset()

    return epoch


def dice_and_bce(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The sum, with Dice of segmentation-models-pytorch."""
    return smp.losses.DiceLoss("binary")(logits, mask) + bce(logits, mask)


def with_smp(model: nn.Module, *pictures: torch.Tensor) -> Callable:
    """Losses of segmentation-models-pytorch, scores of torchmetrics."""
    score = torchmetrics.classification.BinaryF1Score()

    def add(logits: torch.Tensor, mask: torch.Tensor) -> None:
        score.update(logits, mask.long())

    return epochs_of(model, pictures, dice_and_bce, add, score, score.compute)


def with_monai(model: nn.Module, *pictures: torch.Tensor) -> Callable:
    """MONAI's loss and metric."""
    score, loss = monai.metrics.DiceMetric(), monai.losses.DiceCELoss(sigmoid=True)

    def add(logits: torch.Tensor, mask: torch.Tensor) -> None:
        score((logits >= 0).float(), mask)

    return epochs_of(model, pictures, loss, add, score, score.aggregate)


class Module(lightning.LightningModule):
    """As Lightning's tutorials have it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.score = torchmetrics.classification.BinaryF1Score()

    def training_step(self, batch: Pictures, _: int) -> torch.Tensor:
        """The loss of a batch, logged."""
        loss = dice_and_bce(self.model(batch[0]), batch[1])
        self.log("loss", loss)
        return loss

    def validation_step(self, batch: Pictures, _: int) -> None:
        """The score of a batch, logged for the epoch."""
        self.score(self.model(batch[0]), batch[1].long())
        self.log("dice", self.score, on_epoch=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters())


def with_lightning(model: nn.Module, *pictures: torch.Tensor) -> Callable:
    """A trainer that goes on by one epoch each time it is asked."""
    train, held = loaders(*pictures)
    module, quiet = Module(model), {"logger": False, "enable_checkpointing": False}
    quiet |= {"enable_progress_bar": False, "enable_model_summary": False}
    trainer = lightning.Trainer(
        max_epochs=0, accelerator="cpu", num_sanity_val_steps=0, **quiet
    )

    def epoch() -> None:
        trainer.fit_loop.max_epochs += 1
        trainer.fit(module, train, held)

    return epoch


def ways_of(name: str, side: int, count: int) -> dict[str, Callable]:
    """Each loop, with its own copy of the network."""
    torch.manual_seed(0)
    model = build_model(name)
    with tempfile.TemporaryDirectory() as home:
        os.environ["LESIONKIT_DATA"] = home
        write_discs("discs", count=count, size=side)
        data = open_prepared("discs", side)
        images = torch.from_numpy(np.array(data.images))
        masks = torch.from_numpy(np.array(data.masks))
        data = replace(data, images=images.numpy(), masks=masks.numpy())
    made = {
        "smp and torchmetrics": with_smp,
        "MONAI": with_monai,
        "Lightning": with_lightning,
    }
    ways = {n: f(copy.deepcopy(model), images, masks) for n, f in made.items()}
    return {
        "lesionkit": kit(copy.deepcopy(model), data, count, "dicebce"),
        **ways,
    }


def turns(ways: dict[str, Callable], count: int) -> dict[str, list[float]]:
    """Processor seconds of an epoch, a turn each, in another order each time."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(count + 1):  # the first warms up
        for name in sorted(ways, reverse=turn % 2 > 0):
            began = time.process_time()
            for _ in range(EPOCHS):
                ways[name]()
            took[name].append((time.process_time() - began) / EPOCHS)
    return {name: found[1:] for name, found in took.items()}


def main() -> None:
    """A row a loop, for each network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--images", type=int, default=104, help="8 of them held out.")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--networks", nargs="+", default=["enet", "unet"])
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    versions = f"smp {smp.__version__}, torchmetrics {torchmetrics.__version__}, MONAI"
    versions += f" {monai.__version__}, Lightning {lightning.__version__}"
    heads = ["network", "loop", "s an epoch", "to lesionkit", "lowest", "highest"]
    lines = [
        f"{given.images} images of {given.side} px, batch {BATCH}, one thread,"
        f" processor time, median of {given.turns} turns of {EPOCHS} epochs;"
        f" {versions}.",
        "",
        *measurements.head(heads),
    ]
    for network in given.networks:
        took = turns(ways_of(network, given.side, given.images), given.turns)
        for name, found in took.items():
            both = zip(found, took["lesionkit"], strict=True)
            ratios = [mine / kits for mine, kits in both]
            told = (statistics.median(ratios), min(ratios), max(ratios))
            seconds = f"{statistics.median(found):.2f}"
            cells = [network, name, seconds, *(f"{ratio:.2f}" for ratio in told)]
            print(*cells, flush=True)
            lines.append(measurements.row(cells))
    measurements.append("An epoch by the kit and by other libraries", lines)


if __name__ == "__main__":
    main()
