"""The training loop. It knows no data set and writes no file."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from lesionkit.metrics import scores
from lesionkit.prepared.loading import Batches
from lesionkit.training.step import Step

# Images and masks of a batch, epoch and place of the batch to images and masks.
Augment = Callable[[Tensor, Tensor, int, int], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Rules:
    """What the loop obeys.

    Attributes:
        epochs: at most this many.
        patience: epochs without a better one before it stops.
        stop_rule: "at" stops when epoch - best >= patience, "after" when it is greater,
            "never" trains every epoch.
        scored_epoch: "best" keeps the weights of the best epoch, "last" of the last.
        seed: of the shuffling.
    """

    epochs: int
    patience: int
    stop_rule: str
    seed: int
    scored_epoch: str = "best"


@dataclass
class Progress:
    """Where a training stands after a whole epoch.

    Attributes:
        epoch: epochs trained so far.
        best_epoch: the latest epoch with the best validation Dice, from 1; the last
            one where the rules say that the last epoch is scored.
        best_dice: that Dice.
        best_weights: the model's state at that epoch.
        history: a row an epoch.
    """

    epoch: int = 0
    best_epoch: int = 0
    best_dice: float = -1.0
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)


def unchanged(
    images: Tensor, masks: Tensor, epoch: int, place: int
) -> tuple[Tensor, Tensor]:
    """Images and masks as they are."""
    return images, masks


def train(
    step: Step | Callable[[Tensor, Tensor], Tensor],
    batches: Batches,
    validate: Callable[[nn.Module], Tensor],
    *,
    model: nn.Module,
    rules: Rules,
    augment: Augment = unchanged,
    schedule: Callable[[int, int, int], None] = lambda epoch, place, steps: None,
    progress: Progress | None = None,
    on_epoch: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Train until the rules say stop; the host waits for the device once an epoch.

    Args:
        step: trains on the integers of a batch and returns its loss.
        validate: model to the counts of every validation image, (N, 4), left on the
            device; their mean Dice says which epoch is the best.
        augment: images and masks of a batch, epoch (from 1) and the batch's place in it
            (from 0) to the images and masks that are trained on.
        schedule: called before every step with epoch, place and the steps of an epoch.
        progress: of an interrupted training, to go on from.
        on_epoch: called after every epoch, with the progress so far.

    Raises:
        FloatingPointError: the loss of a batch is not finite.
    """
    progress = progress or Progress()
    while not finished(progress, rules):
        epoch = progress.epoch + 1
        model.train()
        order = batches.order(rules.seed, epoch)
        losses = []
        for place, chosen in enumerate(order):
            schedule(epoch, place, len(order))
            batch = augment(*batches.store.take(chosen), epoch, place)
            losses.append(step(*batch))
        counts = validate(model)
        # the one wait: everything that the host wants to know of this epoch
        values, counts = _fetched(torch.stack(losses), counts)
        for batch, value in enumerate(values.tolist(), 1):
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"the loss is {value} at epoch {epoch}, batch {batch}"
                )
        sizes = torch.tensor([len(chosen) for chosen in order])
        update(
            progress,
            model,
            train_loss=sum((values * sizes).tolist()) / len(batches),
            validation_dice=scores(counts.long().view(-1, 4))["dice"],
            scored_epoch=rules.scored_epoch,
        )
        on_epoch(progress)
    return progress


def _fetched(losses: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """The losses and the flat counts of an epoch on the CPU, in one copy; float64."""
    if losses.device.type == "mps":  # has no float64
        return losses.cpu().double(), counts.cpu().double().flatten()
    found = torch.cat([losses.double(), counts.double().flatten()])
    values, counts = found.cpu().split([len(losses), counts.numel()])
    return values, counts


def update(
    progress: Progress,
    model: nn.Module,
    *,
    train_loss: float,
    validation_dice: float,
    scored_epoch: str = "best",
) -> None:
    """Count an epoch in place; the latest of equally good epochs is the best one."""
    progress.epoch += 1
    if scored_epoch == "last" or validation_dice >= progress.best_dice:
        progress.best_epoch = progress.epoch
        progress.best_dice = validation_dice
        state = model.state_dict()
        progress.best_weights = {k: v.detach().clone() for k, v in state.items()}
    progress.history.append(
        {
            "epoch": progress.epoch,
            "train_loss": train_loss,
            "validation_dice": validation_dice,
            "best_epoch": progress.best_epoch,
        }
    )


def finished(progress: Progress, rules: Rules) -> bool:
    """Whether the rules say stop.

    Source: paper A, II-4 (at most 200 epochs, patience 40).
    """
    if rules.stop_rule == "never":
        return progress.epoch >= rules.epochs
    waited = progress.epoch - progress.best_epoch
    patience = rules.patience + (rules.stop_rule == "after")
    return progress.epoch >= rules.epochs or waited >= patience
