"""One optimiser step, in which the host never waits for the device."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial, reduce
from operator import add
from typing import Any

import torch
from torch import Tensor, nn

from lesionkit.catalogue import IGNORED
from lesionkit.lookup import one_line
from lesionkit.prepared.loading import normalised

Loss = Callable[..., Tensor]  # of logits and mask, and with ignore what counts
LONGEST = 200  # characters of an error of torch's, which may go on for pages
RECOMPILE_LIMIT = 512  # past it torch runs plainly without a word; its own is 8


class Step:
    """One step of training on a batch of integers, as they come from the store.

    Args:
        model: image (B, C, H, W) to logits (B, 1, H, W).
        loss: logits and mask to a scalar. With deep supervision the loss of a batch is
            the weighted sum over what `model.supervised(image)` gives.
        optimizer: over the model's parameters.
        dtype: "float32" or "tf32", or "bfloat16" for autocast.
        memory_format: "contiguous" or "channels_last".
        normalise: "unit" or "imagenet": the scale of the pixels.
        deep_supervision: train on every head.
        accumulate: parts that a batch is cut into; their gradients are summed, each
            with its share of the images. The same as the whole batch only for a loss
            that is a mean over pixels and a network without batch normalisation.
        ignore: leave pixels of 255 in a mask out; the loss takes a third argument that
            says which pixels count. A part of a batch has the share of the pixels that
            count then, not of the images.
        compile: let torch.compile make network and loss.

    Shape:
        images: (B, H, W, C) uint8 or uint16
        masks: (B, H, W) uint8, 0 background, 1 lesion, 255 ignored where that is so
        returns: () float, the loss, still on the device
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        optimizer: torch.optim.Optimizer,
        *,
        dtype: str = "float32",
        memory_format: str = "contiguous",
        normalise: str = "unit",
        deep_supervision: bool = False,
        accumulate: int = 1,
        ignore: bool = False,
        compile: bool = False,
    ) -> None:
        self.optimizer, self.accumulate = optimizer, accumulate
        self.ignore = ignore
        self.dtype, self.memory_format = dtype, memory_format
        network: Any = model  # not every module has several heads
        forward = network.supervised if deep_supervision else network
        scaled = partial(normalised, memory_format=memory_format, normalise=normalise)
        self.objective = _objective(forward, loss, dtype, scaled, ignore)
        self.compiled = compile
        self.mark: Callable[[str], Any] = nullcontext  # around each part, to time it
        if compile:
            torch._dynamo.config.recompile_limit = RECOMPILE_LIMIT
            torch._dynamo.config.accumulated_recompile_limit = RECOMPILE_LIMIT
            self.objective = torch.compile(self.objective, dynamic=False)

    def __call__(self, images: Tensor, masks: Tensor) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        if self.accumulate == 1:
            value = self._gradient(images, masks)
        else:
            value = torch.zeros((), device=images.device)
            parts = [each.tensor_split(self.accumulate) for each in (images, masks)]
            for some, their_masks in zip(*parts, strict=True):
                if len(some):  # a small last batch may have fewer images than parts
                    share = self._share(their_masks, masks)
                    value += self._gradient(some, their_masks, share)
        with self.mark("optimiser"):
            self.optimizer.step()
        return value

    def facts(self) -> dict[str, bool]:
        """How a step is executed here."""
        return {"compiled": self.compiled, "graphed": False}

    def _share(self, some: Tensor, masks: Tensor) -> float | Tensor:
        """The share of a part in its batch, of images or of pixels that count."""
        if not self.ignore:
            return len(some) / len(masks)
        part, whole = ((each != IGNORED).sum() for each in (some, masks))
        return part / whole.clamp(min=1)

    def _gradient(
        self, images: Tensor, masks: Tensor, share: float | Tensor | None = None
    ) -> Tensor:
        """The loss of some images by their share, its gradient added to the weights."""
        with self.mark("forward"):
            value = self.objective(images, masks)
            value = value if share is None else value * share
        with self.mark("backward"):
            value.backward()
        return value.detach()


def _objective(
    forward: Callable,
    loss: Loss,
    dtype: str,
    scaled: Callable[[Tensor], Tensor],
    ignore: bool,
) -> Callable[[Tensor, Tensor], Tensor]:
    """Integers of a batch to its loss: all that has a gradient, in one function."""

    def objective(images: Tensor, masks: Tensor) -> Tensor:
        image, mask = scaled(images), masks[:, None]
        # no shape depends on how many pixels count: a CUDA graph has fixed ones
        truth = (mask == 1, mask != IGNORED) if ignore else (mask.bool(),)
        with autocast(images.device, dtype):
            output = forward(image)
        weighted = [(1.0, output)] if torch.is_tensor(output) else output
        return reduce(add, (part * loss(logits, *truth) for part, logits in weighted))

    return objective


def can_compile(device: torch.device) -> bool:
    """Whether torch.compile works here; if not, one warning says why."""
    try:
        torch.compile(torch.sin, fullgraph=True)(torch.ones(2, device=device))
    except Exception as error:  # noqa: BLE001 - no compiler, no headers, no Triton
        warnings.warn(
            "training runs without torch.compile, which does not work here"
            f" ({type(error).__name__}: {one_line(error, longest=LONGEST)})",
            stacklevel=2,
        )
        return False
    return True


def autocast(device: torch.device, dtype: str) -> Any:
    """The context a forward pass runs in."""
    half = dtype == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16) if half else nullcontext()
