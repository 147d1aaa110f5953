"""CUDA graphs of what is done with every batch, and a step kept for the next run.

torch.compile and a capture cost seconds to a minute, a training on a GPU not much more.
A sweep trains one network with one loss on many data sets and repeats: their steps
differ in nothing but the numbers in weights and moments, and these are set anew where
they lie. So the bits are those of a run that began alone.
"""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lesionkit.catalogue import own
from lesionkit.config import RunConfig
from lesionkit.lookup import one_line
from lesionkit.prepared import Prepared
from lesionkit.training.step import LONGEST, Step

WARM_UP = 3  # plain calls before a graph is captured: kernels load, memory settles
Work = Callable[[Tensor, Tensor], Tensor]


class Graph:
    """A function of the tensors of a batch that is captured once as a CUDA graph.

    The first calls run plainly, as real ones. A batch of another size than the first
    always does. Where capturing fails, one warning says why, all run plainly, and
    stream, memory and random generator are as if it had not been tried.

    Args:
        work: images and masks to a tensor; it never asks the device for a value.
        what: is captured, for the warning.
        forget: called after a capture that failed.
    """

    def __init__(
        self, work: Work, *, what: str, forget: Callable[[], Any] = lambda: None
    ) -> None:
        self.work, self.what, self.forget = work, what, forget
        self.warm, self.failed = 0, False
        # what the graph reads and writes, and itself; not there before its calls
        self.images: Any = None
        self.masks: Any = None
        self.value: Any = None
        self.graph: Any = None
        self.stream = torch.cuda.Stream()

    def __call__(self, images: Tensor, masks: Tensor) -> Tensor:
        if self.images is None:
            # in their order of memory, which the graph keeps
            self.images, self.masks = images.clone(), masks.clone()
        if self.failed or images.shape != self.images.shape:
            return self.work(images, masks)
        if self.warm < WARM_UP:
            self.warm += 1
            return self._aside(images, masks)
        self.images.copy_(images)
        self.masks.copy_(masks)
        if self.graph is None and not self._capture():
            return self.work(images, masks)
        self.graph.replay()
        return self.value.clone()  # the next launch writes over it

    def again(self) -> None:
        """Capture anew at the next call: the graph reads another generator."""
        self.graph = self.value = None

    def _aside(self, images: Tensor, masks: Tensor) -> Tensor:
        """A plain call on another stream, as capturing asks for before it."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            value = self.work(images, masks)
        torch.cuda.current_stream().wait_stream(self.stream)
        return value

    def _capture(self) -> bool:
        """Record the work without doing it; False, with a warning, if that fails."""
        graph, unharmed = torch.cuda.CUDAGraph(), Unharmed()
        try:
            # a thread may write a state meanwhile: only this one must keep the rules
            with torch.cuda.graph(
                graph, stream=self.stream, capture_error_mode="thread_local"
            ):
                self.value = self.work(self.images, self.masks)
        except Exception as error:  # noqa: BLE001 - an operator that asks the host
            self.failed, self.value = True, None
            unharmed.restore(graph)
            self.forget()
            says = one_line(error, longest=LONGEST)
            warnings.warn(
                f"{self.what} runs without a CUDA graph: {says}", stacklevel=2
            )
            return False
        self.graph = graph
        return True


class Unharmed:
    """Stream and random generator of the current GPU, as they are before a capture.

    torch ends a capture that went wrong with an error of its own, and may leave the
    generator "capturing": every later random number would be an error then. A copy of
    its state, taken before, knows of no capture.
    """

    def __init__(self) -> None:
        self.stream = torch.cuda.current_stream()
        self.generator = torch.cuda.default_generators[torch.cuda.current_device()]
        self.state = self.generator.clone_state()

    def restore(self, graph: torch.cuda.CUDAGraph) -> None:
        """Drop the graph, and set stream and generator to what they were."""
        with contextlib.suppress(RuntimeError):  # of a graph that never came to be
            graph.reset()
        torch.cuda.set_stream(self.stream)
        self.generator.graphsafe_set_state(self.state)


class GraphedStep(Graph):
    """A training step as a graph; its optimiser has capturable=True."""

    def __init__(self, step: Step) -> None:
        def forget() -> None:
            step.optimizer.zero_grad(set_to_none=True)  # gradients of the capture

        super().__init__(step, what="training", forget=forget)
        self.step = step

    def facts(self) -> dict[str, bool]:
        """How a step is executed here; graphed until capturing failed."""
        return self.step.facts() | {"graphed": not self.failed}


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
