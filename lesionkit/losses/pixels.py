"""One batch of logits and ground truth, and what all losses of it share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from lesionkit.catalogue import IGNORED

SUMS = {"batch": (0, 1, 2, 3), "image": (1, 2, 3)}  # the axes a region sum runs over


IN_CACHE = 2**17  # pixels looked at at once: new memory costs more than the look
SMALLEST = torch.finfo(torch.float32).tiny  # below it a number may become 0


def check(
    logits: Tensor,
    mask: Tensor,
    valid: Tensor | None = None,
    *,
    ignore: bool = False,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Logits and mask as (N, 1, H, W) in one dtype, float32 or float64.

    With `ignore` pixels of 255 become background with logit 0, and the third result is
    1 where a pixel counts and 0 where it does not; else it is None. A `valid` that is
    given says which pixels count instead: no value of the mask is looked at then.

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
    if valid is not None:
        valid = valid.unsqueeze(1) if valid.ndim == 3 else valid
        if valid.shape != mask.shape or not valid.dtype == mask.dtype == torch.bool:
            got = f"{tuple(valid.shape)} {valid.dtype} and {mask.dtype}"
            raise ValueError(f"valid and mask must be bool, of one shape, got {got}")
    one_map = logits.ndim == 4 and logits.shape[1] == 1 and logits.numel()
    if logits.shape != mask.shape or not one_map:
        shape = "one shape, (N, 1, H, W) or (N, H, W)"
        raise ValueError(f"logits and mask must have {shape}, got {a} and {b}")
    logits = logits if logits.dtype == torch.float64 else logits.float()
    if valid is None and ignore and mask.dtype != torch.bool:
        valid = mask != IGNORED
    if valid is not None:
        logits = torch.where(valid, logits, 0)
        known = mask.dtype == torch.bool
        mask = mask & valid if known else torch.where(valid, mask, 0)
        valid = valid.to(logits.dtype)
    if mask.dtype == torch.bool:
        return logits, mask.to(logits.dtype), valid
    if torch.compiler.is_compiling():
        # an operator of its own looks at the values without breaking the graph; its 0
        # is added, or the compiler would drop it
        looked = looked_at(mask).to(logits.dtype)
        return logits, mask.to(logits.dtype) + looked, valid
    refuse_other_values(mask)
    return logits, mask.to(logits.dtype), valid


def refuse_other_values(mask: Tensor) -> None:
    """Refuse a mask that holds anything but 0 and 1."""
    # y - y^2 is 0 for 0 and 1 alone, in every dtype; its extremes are found in one pass
    size = IN_CACHE if mask.device.type == "cpu" else mask.numel()
    for part in mask.reshape(-1).split(size):
        least, most = torch.addcmul(part, part, part, value=-1).aminmax()
        if not least.item() == most.item() == 0:  # NaN included
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


class BothLogs(torch.autograd.Function):
    """log p_t and log(1 - p_t) of a margin m, the second as log p_t - m.

    Derived from that difference, the gradient of the second is sigmoid(-m) - 1, of
    which a focal term at m = -10,000 multiplies both halves by 10,000 and loses what
    they differ by. So it is stated: -sigmoid(m).
    """

    @staticmethod
    def forward(margin: Tensor) -> tuple[Tensor, Tensor]:
        right = logsigmoid(margin)
        return right, right - margin

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.save_for_backward(*output)

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> Tensor:
        (right, wrong), (of_right, of_wrong) = ctx.saved_tensors, gradients
        return of_right * wrong.exp() - of_wrong * right.exp()


class Areas(torch.autograd.Function):
    """p = sigmoid(z), sum(p y) and sum(p); new memory for p and the gradient alone."""

    @staticmethod
    def forward(
        logits: Tensor, mask: Tensor, sums: str
    ) -> tuple[Tensor, Tensor, Tensor]:
        p, image = logits.sigmoid(), SUMS["image"]
        in_cache = max(1, IN_CACHE // mask[0].numel())  # so many images
        step = in_cache if mask.device.type == "cpu" else len(mask)
        parts = zip(p.split(step), mask.split(step), strict=True)
        both = torch.cat([(part * y).sum(image) for part, y in parts])
        marked = p.sum(image)
        return (p, both, marked) if sums == "image" else (p, both.sum(), marked.sum())

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.save_for_backward(output[0], inputs[1])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (p, mask), (of_p, *of_sums) = ctx.saved_tensors, gradients
        zero = p.new_zeros(())
        of_both, of_marked = (
            (zero if each is None else each).view(-1, 1, 1, 1) for each in of_sums
        )
        slope = torch.addcmul(of_marked, of_both, mask)
        if of_p is not None:
            slope = slope + of_p
        if torch.is_grad_enabled():  # a second derivative is wanted
            return slope * p * (1 - p), None, None
        torch.ops.aten.sigmoid_backward.grad_input(slope, p, grad_input=slope)
        return slope, None, None


def share(top: Tensor, below: Tensor, *, smooth: float, empty: float) -> Tensor:
    """top / below; without `smooth`, `empty` with gradient 0 where both are 0."""
    if smooth >= SMALLEST:  # it is in below, which is not 0 then
        return top / below
    nothing = below == 0
    safe = torch.where(nothing, torch.ones_like(below), below)
    return torch.where(nothing, torch.full_like(below, empty), top / safe)


def power(base: Tensor, exponent: float) -> Tensor:
    """base ^ exponent; where the base is 0 its slope may be infinite: gradient 0."""
    safe = torch.where(base > 0, base, torch.ones_like(base))
    return torch.where(base > 0, safe**exponent, 0 * base)


class Pixels:
    """What the losses of one batch are made of, each computed once, when first asked.

    A compound loss gives one Pixels to all of its parts, so they share the sigmoid, the
    logarithms and the sums, and the gradient goes back through them once. `logits` and
    `mask` are (N, 1, H, W) in one dtype, checked; `valid` is 1 where a pixel counts, or
    None where all do.
    """

    def __init__(
        self,
        logits: Tensor,
        mask: Tensor,
        valid: Tensor | None = None,
        *,
        ignore: bool = False,
    ):
        self.logits, self.mask, self.valid = check(logits, mask, valid, ignore=ignore)
        self.kept: dict = {}

    @once
    def probability(self) -> Tensor:
        """p = sigmoid(z); 0 where a pixel does not count."""
        p = self.logits.sigmoid()
        return p if self.valid is None else p * self.valid

    @once
    def margin(self) -> Tensor:
        """(2y - 1) z, whose sigmoid is p_t."""
        return self.logits * torch.sub(self.mask, 0.5).mul_(2)

    @property
    def log_right(self) -> Tensor:
        """log p_t, from the logits: log(p) is lost once p is 0."""
        return self.logs[0] if "logs" in self.kept else self.log_right_alone

    @once
    def log_right_alone(self) -> Tensor:
        """log p_t where log(1 - p_t) was not asked for before."""
        return logsigmoid(self.margin)

    @property
    def log_wrong(self) -> Tensor:
        """log(1 - p_t)."""
        return self.logs[1]

    @once
    def logs(self) -> tuple[Tensor, Tensor]:
        """log p_t and log(1 - p_t)."""
        return BothLogs.apply(self.margin)

    @once
    def bce(self) -> Tensor:
        """The mean of -log p_t."""
        if self.valid is not None or self.kept.keys() & {"logs", "log_right_alone"}:
            return -self.mean(self.log_right)
        return binary_cross_entropy_with_logits(self.logits, self.mask)

    def areas(self, sums: str) -> tuple[Tensor, Tensor, Tensor]:
        """I = sum(p y), S = sum(p) and T = sum(y): of the batch (), by image (N,)."""
        if sums not in self.kept:
            both, marked = self._marked(sums)
            lesion = self.mask.sum(SUMS["image"])
            lesion = lesion if sums == "image" else lesion.sum()
            self.kept[sums] = both, marked, lesion
        return self.kept[sums]

    def _marked(self, sums: str) -> tuple[Tensor, Tensor]:
        """I and S."""
        alone = self.valid is None and "probability" not in self.kept
        if alone and not torch.compiler.is_compiling():  # a compiler joins the passes
            self.kept["probability"], both, marked = Areas.apply(
                self.logits, self.mask, sums
            )
            return both, marked
        p, image = self.probability, SUMS["image"]
        both, marked = (p * self.mask).sum(image), p.sum(image)
        return (both, marked) if sums == "image" else (both.sum(), marked.sum())

    def mean(self, each: Tensor) -> Tensor:
        """The mean over the pixels that count; 0 if none does."""
        if self.valid is None:
            return each.mean()
        return (each * self.valid).sum() / self.valid.sum().clamp(min=1)

    def total(self, each: Tensor, sums: str) -> Tensor:
        """The sum over the pixels that count, of the batch () or by image (N,)."""
        return (each if self.valid is None else each * self.valid).sum(SUMS[sums])

    def count(self, sums: str) -> Tensor | int:
        """How many pixels count, of the batch or by image; 1 at least."""
        if self.valid is not None:
            return self.valid.sum(SUMS[sums]).clamp(min=1)
        return self.mask.numel() // (1 if sums == "batch" else len(self.mask))
