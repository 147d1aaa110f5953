"""One batch of logits and ground truth, and what all losses of it share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

SUMS = {"batch": (0, 1, 2, 3), "image": (1, 2, 3)}  # the axes a region sum runs over


def check(logits: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Logits and mask as (N, 1, H, W) in one dtype, float32 or float64.

    Half precision becomes float32 before any sum, under autocast too: a float16 sum
    overflows at 65,504. The look at the mask values makes a GPU finish the mask first;
    a bool mask can hold nothing else and is not looked at.

    Raises:
        TypeError: the logits are not floating point.
        ValueError: shapes differ, or the mask holds another value than 0 and 1.
    """
    if not logits.is_floating_point():
        raise TypeError(f"logits must be floating point, got {logits.dtype}")
    a, b = tuple(logits.shape), tuple(mask.shape)
    logits, mask = (v.unsqueeze(1) if v.ndim == 3 else v for v in (logits, mask))
    one_map = logits.ndim == 4 and logits.shape[1] == 1 and logits.numel()
    if logits.shape != mask.shape or not one_map:
        shape = "one shape, (N, 1, H, W) or (N, H, W)"
        raise ValueError(f"logits and mask must have {shape}, got {a} and {b}")
    logits = logits if logits.dtype == torch.float64 else logits.float()
    if mask.dtype == torch.bool:
        return logits, mask.to(logits.dtype)
    if torch.compiler.is_compiling():
        # an operator of its own looks at the values without breaking the graph; its 0
        # is added, or the compiler would drop it
        return logits, mask.to(logits.dtype) + looked_at(mask).to(logits.dtype)
    refuse_other_values(mask)
    return logits, mask.to(logits.dtype)


def refuse_other_values(mask: Tensor) -> None:
    """Refuse a mask that holds anything but 0 and 1."""
    # y - y^2 is 0 for 0 and 1 alone, in every dtype; its extremes are found in one pass
    least, most = torch.addcmul(mask, mask, mask, value=-1).aminmax()
    if not least == most == 0:  # NaN included
        low, high = mask.min().item(), mask.max().item()
        raise ValueError(f"mask values must be 0 or 1, got {low:g} to {high:g}")


@torch.library.custom_op("lesionkit::looked_at", mutates_args=())
def looked_at(mask: Tensor) -> Tensor:
    """0, once the mask is known to hold 0 and 1; stays whole in a compiled graph."""
    refuse_other_values(mask)
    return torch.zeros((), device=mask.device)


@looked_at.register_fake
def _(mask: Tensor) -> Tensor:
    return torch.zeros((), device=mask.device)


def once(method: Callable) -> property:
    """A property that is computed when first asked for, and kept.

    functools.cached_property takes a lock in Python 3.11, which breaks a graph.
    """
    name = method.__name__

    def get(self: Pixels) -> Tensor:
        if name not in self.kept:
            self.kept[name] = method(self)
        return self.kept[name]

    return property(get, doc=method.__doc__)


class Pixels:
    """What the losses of one batch are made of, each computed once, when first asked.

    A compound loss gives one Pixels to all of its parts, so they share the sigmoid, the
    logarithms and the sums, and the gradient goes back through them once. `logits` and
    `mask` are (N, 1, H, W) in one dtype, checked.
    """

    def __init__(self, logits: Tensor, mask: Tensor):
        self.logits, self.mask = check(logits, mask)
        self.kept: dict = {}

    @once
    def margin(self) -> Tensor:
        """(2y - 1) z, whose sigmoid is p_t."""
        return self.logits * torch.sub(self.mask, 0.5).mul_(2)

    @once
    def log_right(self) -> Tensor:
        """log p_t, from the logits: log(p) is lost once p is 0."""
        return logsigmoid(self.margin)

    @once
    def log_wrong(self) -> Tensor:
        """log(1 - p_t), which is log(p_t) minus the margin."""
        return self.log_right - self.margin

    @once
    def bce(self) -> Tensor:
        """The mean of -log p_t."""
        if "log_right" in self.kept:
            return -self.log_right.mean()
        return binary_cross_entropy_with_logits(self.logits, self.mask)

    @once
    def areas(self) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
        """I = sum(p y), S = sum(p) and T = sum(y): of the batch (), by image (N,)."""
        p, y, image = self.logits.sigmoid(), self.mask, SUMS["image"]
        both, marked, lesion = (p * y).sum(image), p.sum(image), y.sum(image)
        in_batch = both.sum(), marked.sum(), lesion.sum()
        return {"image": (both, marked, lesion), "batch": in_batch}
