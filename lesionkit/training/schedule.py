"""The learning rate of every step, from the step's place in the training alone."""

from __future__ import annotations

import math
from typing import Any

import torch


class Schedule:
    """Sets the learning rate of an optimiser before each step.

    In the warm-up it rises in a straight line to `learning_rate`, one part a step.
    After it, "constant" leaves it there and "cosine" lets it fall along half a cosine
    wave, to nearly 0 at the last step of the last epoch. It holds no state, so that a
    training that goes on has the rates it would have had.

    Args:
        optimizer: its groups are given the rate.
        learning_rate: the highest.
        kind: "constant" or "cosine".
        warmup: epochs in which the rate rises; a part of an epoch is allowed.
        epochs: of the whole training, if nothing stops it earlier.
        tensor: where the rate is written, so that a CUDA graph reads it anew at each
            launch; None for a plain number.

    Source: Loshchilov and Hutter 2017 (SGDR), one cycle; Goyal et al. 2017 (warm-up).
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        learning_rate: float,
        *,
        kind: str = "constant",
        warmup: float = 0.0,
        epochs: int = 1,
        tensor: torch.Tensor | None = None,
    ) -> None:
        self.optimizer, self.learning_rate = optimizer, learning_rate
        self.kind, self.warmup, self.epochs = kind, warmup, epochs
        self.changes = kind != "constant" or warmup > 0
        self.tensor = tensor

    def __call__(self, epoch: int, place: int, steps: int) -> None:
        """Set the rate of the step at a place (from 0) of an epoch (from 1)."""
        if not self.changes:
            return
        rate: Any = self.rate(epoch, place, steps)
        if self.tensor is not None:
            rate = self.tensor.fill_(rate)
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def rate(self, epoch: int, place: int, steps: int) -> float:
        """The learning rate of a step, as a plain number."""
        begins = epoch - 1 + place / steps  # in epochs
        if begins < self.warmup:
            share = (begins + 1 / steps) / self.warmup
            return self.learning_rate * min(share, 1.0)
        if self.kind == "constant":
            return self.learning_rate
        share = (begins - self.warmup) / (self.epochs - self.warmup)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * share))
