"""What a run leaves for the next of its kind in one process: a compiled, captured step.

torch.compile and a CUDA graph cost seconds to a minute, a training on a GPU not much
more. A sweep trains one network with one loss on many data sets and repeats: their
steps differ in nothing but the numbers in weights and moments, and these are set anew
where they lie. So the bits are those of a run that began alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from lesionkit.catalogue import own
from lesionkit.config import RunConfig
from lesionkit.prepared import Prepared

# In which runs of one step may differ: what is trained on, how long, what is scored.
FREE = (
    *("dataset", "repeat", "split", "split_seed", "init_seed", "resize", "augment"),
    *("epochs", "patience", "stop_rule", "scored_epoch", "without_lesion", "scoring"),
)
_kept: list[Kept] = []  # one at most: its memory is that of a training


@dataclass
class Kept:
    """The parts of a run that a captured step reads and writes.

    Attributes:
        key: what a run must be to go on with them.
        rate: the tensor of the learning rate, None where it is a number.
        step, count: of training and validation; None before they are built.
    """

    key: str
    model: nn.Module
    loss: nn.Module
    optimizer: torch.optim.Optimizer
    rate: torch.Tensor | None
    step: Any = None
    count: Any = None

    def restart(self, fresh: nn.Module) -> None:
        """First weights and empty moments, written where the step reads them."""
        self.model.load_state_dict(fresh.state_dict())
        for state in self.optimizer.state.values():
            for value in state.values():
                value.zero_()
        self.optimizer.zero_grad(set_to_none=True)

    def forget(self) -> None:
        """Build the steps anew: what they read has been replaced."""
        self.step = self.count = None


def key_of(config: RunConfig, data: Prepared, device: torch.device) -> str | None:
    """What two runs must share to share a step, or None where nothing is gained.

    One's own loss or network may keep things that nobody here knows of.
    """
    config = config.resolved()
    mine = own.is_own(config.loss) or own.is_own(config.model)
    if mine or not worth_it(config, device):
        return None
    shared = {k: v for k, v in config.identity().items() if k not in FREE}
    shape, kind = data.images.shape[1:], str(data.images.dtype)
    more = [shape, kind, data.ignore, config.activation_checkpointing, str(device)]
    return json.dumps([shared, *more], sort_keys=True, default=str)


def worth_it(config: RunConfig, device: torch.device) -> bool:
    """Whether a step costs something to build."""
    return bool(config.compile) or (bool(config.graphed) and device.type == "cuda")


def take(key: str | None) -> Kept | None:
    """What the last run left, if it fits; what does not fit is freed."""
    found = [each for each in _kept if each.key == key]
    _kept.clear()
    return found[0] if key and found else None


def keep(kept: Kept | None) -> None:
    """Leave the parts of a finished run to the next one, in place of others.

    Not those of a step whose capture failed: its next run tries again.
    """
    _kept.clear()
    parts = (kept.step, kept.count) if kept else ()
    if kept and not any(getattr(part, "failed", False) for part in parts):
        _kept.append(kept)
