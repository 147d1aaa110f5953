"""The training loop. It knows no data set and writes no file."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from lesionkit.loading import Batches


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
        dtype: "float32", or "bfloat16" for autocast.
        deep_supervision: train on all that `model.supervised` gives.
        compile: let torch.compile make the forward pass of training.
    """

    epochs: int
    patience: int
    stop_rule: str
    seed: int
    dtype: str = "float32"
    deep_supervision: bool = False
    compile: bool = False
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


def train(
    model: nn.Module,
    loss: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Batches,
    validate: Callable[[nn.Module], float],
    *,
    rules: Rules,
    progress: Progress | None = None,
    on_epoch: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Train until the rules say stop.

    Args:
        model: image (N, C, H, W) to logits (N, 1, H, W).
        loss: logits and mask to a scalar. With deep supervision the loss of a batch is
            the weighted sum over what `model.supervised(image)` gives.
        optimizer: over the model's parameters.
        batches: the training images.
        validate: model to mean validation Dice.
        rules: when to stop, how to shuffle.
        progress: of an interrupted training, to go on from.
        on_epoch: called after every epoch, with the progress so far.

    Returns:
        The progress at the end, with the weights of the best epoch.

    Raises:
        FloatingPointError: the loss of a batch is not finite.
    """
    progress = progress or Progress()
    forward = model.supervised if rules.deep_supervision else model
    if rules.compile:
        forward = torch.compile(forward)
    while not finished(progress, rules):
        epoch = progress.epoch + 1
        model.train()
        total, count = 0.0, 0
        for step, (image, mask, _) in enumerate(batches.shuffled(rules.seed, epoch), 1):
            with autocast(image.device, rules.dtype):
                output = forward(image)
            weighted = output if rules.deep_supervision else [(1.0, output)]
            value = sum(weight * loss(logits, mask) for weight, logits in weighted)
            if not torch.isfinite(value):
                raise FloatingPointError(
                    f"the loss is {value.item()} at epoch {epoch}, batch {step}: "
                    "lower learning_rate, or take dtype float32"
                )
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            optimizer.step()
            total += value.item() * len(image)
            count += len(image)
        update(progress, model, total / count, validate(model), rules.scored_epoch)
        on_epoch(progress)
    return progress


def update(
    progress: Progress,
    model: nn.Module,
    train_loss: float,
    validation_dice: float,
    scored_epoch: str = "best",
) -> None:
    """Count an epoch; the latest of equally good epochs is the best one."""
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


def can_compile(device: torch.device) -> bool:
    """Whether torch.compile works here; if not, one warning says why."""
    try:
        torch.compile(torch.sin, fullgraph=True)(torch.ones(2, device=device))
    except Exception as error:  # noqa: BLE001 - no compiler, no headers, no Triton
        reason = (str(error).strip().splitlines() or [""])[0]
        warnings.warn(
            "training runs without torch.compile, which does not work here"
            f" ({type(error).__name__}: {reason})",
            stacklevel=2,
        )
        return False
    return True


def autocast(device: torch.device, dtype: str) -> Any:
    """The context a forward pass runs in."""
    if dtype == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
