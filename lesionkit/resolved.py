"""A config with nothing left open, in the types of code that computes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lesionkit.config import RunConfig

if TYPE_CHECKING:

    class Resolved(RunConfig):
        """A RunConfig after `resolved()`: what every run has is not None.

        What depends on the loss stays as it is: alpha, gamma, beta and the two forms.
        """

        definition: str
        variant: str
        sums: str
        smooth: float
        pretrained: bool
        deep_supervision: bool
        size: int
        resize: str
        split: str
        split_seed: int
        init_seed: int
        repeats: int
        batch_size: int
        epochs: int
        patience: int
        stop_rule: str
        scored_epoch: str
        without_lesion: str
        learning_rate: float
        weight_decay: float
        scoring: str
        dtype: str
        memory_format: str
        accumulate: int
        compile: bool
        graphed: bool
        deterministic: bool
        threads: int
else:
    Resolved = RunConfig  # to a checker alone they are two


def resolved(config: RunConfig) -> Resolved:
    """The same run with every open parameter filled in."""
    filled: Any = config.resolved()
    return filled
