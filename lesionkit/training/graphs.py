"""CUDA graphs: what is done with every batch, captured once and launched as a whole."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lesionkit.lookup import one_line
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
