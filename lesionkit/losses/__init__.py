"""Logits and ground truth in, one number to minimise out: the losses of both papers.

Each class is one printed formula; p is sigmoid(logits), y the mask, p_t the probability
given to the true class. What several losses are made of is in `pixels`. Takes tensors
alone; training, figures, thresholds and commands import it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial, reduce
from inspect import Parameter, signature
from itertools import count
from math import inf
from numbers import Real
from types import FunctionType, MethodType
from typing import Any

import torch
from torch import Tensor, nn

from lesionkit.catalogue import DEFINITIONS, FURTHER_LOSSES, LOSSES, own
from lesionkit.lookup import find, resolve, unknown
from lesionkit.losses.pixels import SUMS, Pixels, check, share

__all__ = [
    "FocalLoss",
    "PixelLoss",
    "battery",
    "build_loss",
    "build_own",
    "cases",
    "cost",
    "further",
    "libraries",
    "likeness",
    "study",
    "within",
]

FOCAL_FORMS = {"pixel": ("alpha_t", "constant"), "meanfirst": ("constant",)}
NUMBERS = count()  # one for each copied code


def within(name: str, value: float, high: float) -> float:
    """`value`, refused unless it is a finite number from 0 to `high`."""
    if isinstance(value, Real) and 0 <= value <= high and value < inf:
        return float(value)
    raise ValueError(f"{name} must be a number from 0 to {high:g}, got {value!r}")


def class_weight(mask: Tensor, alpha: float) -> Tensor:
    """alpha_t: alpha on lesion, 1 - alpha on background, in the dtype of the mask."""
    return mask.mul(2 * alpha - 1).add_(1 - alpha)


class PixelLoss(nn.Module):
    """A loss of logits and mask; a subclass says by `of(pixels)` what it makes of them.

    A compound loss gives the same Pixels to all of its parts.

    torch.compile keeps at most eight compiled forms of one code object and then quietly
    runs what it was given. So each loss has a `forward` with a code of its own, or the
    ninth loss that is compiled would run eager.

    Attributes:
        ignore: whether pixels of 255 in a mask are left out; else they are refused.
            A call may say by a third argument, bool, which pixels count, and then with
            a bool mask: no value is looked at, and a device not waited for.
        ignorable: whether the loss can leave pixels out.
    """

    ignorable = True

    def __init__(self):
        super().__init__()
        self.ignore = False
        self.forward = own_code(self.forward)

    def __getstate__(self) -> dict:
        return {key: v for key, v in self.__dict__.items() if key != "forward"}

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        self.forward = own_code(self.forward)

    def forward(
        self, logits: Tensor, mask: Tensor, valid: Tensor | None = None
    ) -> Tensor:
        return self.of(Pixels(logits, mask, valid, ignore=self.ignore))

    def of(self, pixels: Pixels) -> Tensor:
        """The loss of a batch: what a subclass defines."""
        raise TypeError(f"{type(self).__name__} has no formula: define of(pixels)")


def own_code(method: MethodType) -> MethodType:
    """The same method on a copy of its code."""
    function, number = method.__func__, next(NUMBERS)
    code = function.__code__.replace(co_name=f"{function.__name__}_{number}")
    defaults = function.__defaults__
    copied = FunctionType(code, function.__globals__, None, defaults)
    return MethodType(copied, method.__self__)


class IoULoss(PixelLoss):
    """One minus the soft IoU of the prediction and the ground truth.

        loss = 1 - (sum(p y) + smooth) / (sum(p) + sum(y) - sum(p y) + smooth)

    Args:
        sums: over the "batch", or over each "image" and the losses averaged.
        smooth: keeps the fraction defined when mask and prediction are empty.

    Shape:
        logits: (N, 1, H, W) or (N, H, W) float, before the sigmoid
        mask: the same, 0 background, 1 lesion, in any dtype
        returns: () float; these lines hold for all losses; pixels.check raises

    Source: paper A, II-3 (1).
    Chosen: batch sums and smooth 1e-6, the usual ones; the papers are silent on both.

    >>> marked_one, mask = torch.tensor([[[100.0, -100.0]]]), torch.ones(1, 1, 2)
    >>> round(IoULoss()(marked_one, mask).item(), 4)  # 1 - 1 / 2
    0.5
    """

    def __init__(self, sums: str = "batch", smooth: float = 1e-6):
        super().__init__()
        find("sums", sums, SUMS)
        self.sums, self.smooth = sums, within("smooth", smooth, inf)

    def of(self, pixels: Pixels) -> Tensor:
        both, marked, lesion = pixels.areas(self.sums)
        top, below = both + self.smooth, marked + lesion - both + self.smooth
        return (1 - share(top, below, smooth=self.smooth, empty=1.0)).mean()


class DiceLoss(PixelLoss):
    """One minus the soft Dice overlap of the prediction and the ground truth.

        loss = 1 - (2 sum(p y) + smooth) / (sum(p) + sum(y) + smooth)

    Sums and smooth as for IoULoss. Source: paper A, II-3 (2); paper B, (4).

    >>> marked_one, mask = torch.tensor([[[100.0, -100.0]]]), torch.ones(1, 1, 2)
    >>> round(DiceLoss()(marked_one, mask).item(), 4)  # 1 - 2 / 3
    0.3333
    """

    def __init__(self, sums: str = "batch", smooth: float = 1e-6):
        super().__init__()
        find("sums", sums, SUMS)
        self.sums, self.smooth = sums, within("smooth", smooth, inf)

    def of(self, pixels: Pixels) -> Tensor:
        return self.each(pixels).mean()

    def each(self, pixels: Pixels) -> Tensor:
        """The loss of the batch (), or of each image (N,)."""
        both, marked, lesion = pixels.areas(self.sums)
        top, below = 2 * both + self.smooth, marked + lesion + self.smooth
        return 1 - share(top, below, smooth=self.smooth, empty=1.0)


class BCELoss(PixelLoss):
    """The binary cross entropy: the mean of -log(p_t). Source: paper A, II-3 (3).

    >>> undecided, mask = torch.zeros(1, 1, 2), torch.ones(1, 1, 2)
    >>> round(BCELoss()(undecided, mask).item(), 4)  # log 2
    0.6931
    """

    def of(self, pixels: Pixels) -> Tensor:
        return pixels.bce


class BalancedBCELoss(PixelLoss):
    """The cross entropy with class weights: the mean of -alpha_t log(p_t).

    Lesion weighs alpha, from 0 to 1, background 1 - alpha. It is a mean over pixels,
    not divided by the sum of the weights.

    Source: paper B, (2).

    >>> undecided, mask = torch.zeros(1, 1, 2), torch.ones(1, 1, 2)
    >>> round(BalancedBCELoss(0.75)(undecided, mask).item(), 4)  # 0.75 log 2
    0.5199
    """

    def __init__(self, alpha: float):
        super().__init__()
        self.alpha = within("alpha", alpha, 1)

    def of(self, pixels: Pixels) -> Tensor:
        return -pixels.mean(class_weight(pixels.mask, self.alpha) * pixels.log_right)


class FocalLoss(PixelLoss):
    """The cross entropy with less weight where the prediction is already right.

        pixel:      loss = mean(-alpha_t (1 - p_t)^gamma log(p_t))
        meanfirst:  loss = alpha (1 - exp(-b))^gamma b, b the BCE of the batch

    The second only rescales the step of BCE: it never favours hard pixels.

    Args:
        alpha: weight of the lesion class, from 0 to 1; background weighs 1 - alpha.
        gamma: focusing exponent, 0 or more.
        focal_form: "pixel" or "meanfirst".
        alpha_form: "alpha_t" or "constant", alpha on every pixel. None: the form's own.

    Source: paper A, II-3 (4); paper B, (3).
    Chosen: alpha_t where paper B prints a bare alpha, to agree with its (2).

    >>> undecided, mask = torch.zeros(1, 1, 2), torch.ones(1, 1, 2)
    >>> round(FocalLoss(0.8, 2)(undecided, mask).item(), 4)  # 0.8 0.5^2 log 2
    0.1386
    """

    def __init__(
        self,
        alpha: float,
        gamma: float,
        *,
        focal_form: str = "pixel",
        alpha_form: str | None = None,
    ):
        super().__init__()
        allowed = find("focal_form", focal_form, FOCAL_FORMS)
        if alpha_form not in (None, *allowed):
            raise unknown(f"{focal_form} alpha_form", alpha_form, allowed)
        self.alpha, self.gamma = within("alpha", alpha, 1), within("gamma", gamma, inf)
        self.focal_form, self.alpha_form = focal_form, alpha_form or allowed[0]

    def of(self, pixels: Pixels) -> Tensor:
        if self.focal_form == "meanfirst":  # at bce = 0 the limit, 0 with gradient 0
            bce = pixels.bce
            safe = torch.where(bce > 0, bce, torch.ones_like(bce))
            focus = torch.exp(self.gamma * torch.log(-torch.expm1(-safe)))
            return self.alpha * torch.where(bce > 0, focus * safe, 0 * bce)
        # (1 - p_t) ** gamma has an infinite slope at p_t = 1 for gamma below 1
        focus = torch.exp(self.gamma * pixels.log_wrong)
        each = focus * pixels.log_right
        if self.alpha_form == "constant":
            return -self.alpha * pixels.mean(each)
        return -pixels.mean(class_weight(pixels.mask, self.alpha) * each)


class SumLoss(PixelLoss):
    """The plain sum of its parts, each with weight 1. Source: paper A, II-3."""

    def __init__(self, *parts: PixelLoss):
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def of(self, pixels: Pixels) -> Tensor:
        # the last first: a focal part leaves its logarithms for the BCE before it
        parts: Any = reversed(self.parts)  # losses, which a ModuleList does not know
        return reduce(torch.add, (part.of(pixels) for part in parts))


class WeightedSumLoss(PixelLoss):
    """The custom loss, (1 - beta) focal + beta dice. Source: paper B, (5)."""

    def __init__(self, focal: PixelLoss, dice: PixelLoss, *, beta: float):
        super().__init__()
        self.focal, self.dice, self.beta = focal, dice, within("beta", beta, 1)

    def of(self, pixels: Pixels) -> Tensor:
        focal, dice = self.focal.of(pixels), self.dice.of(pixels)
        return (1 - self.beta) * focal + self.beta * dice


def assemble(name: str, arguments: dict) -> PixelLoss:
    """The loss `name` from its parts, each with those arguments that it has."""
    cls = resolve(LOSSES[name].target)
    own = {key: arguments[key] for key in signature(cls).parameters if key in arguments}
    return cls(*(assemble(part, arguments) for part in LOSSES[name].parts), **own)


def build_loss(
    name: str,
    *,
    definition: str = "A-gamma2",
    alpha: float | None = None,
    gamma: float | None = None,
    beta: float | None = None,
    sums: str = "batch",
    smooth: float = 1e-6,
    focal_form: str | None = None,
    alpha_form: str | None = None,
    ignore: bool = False,
    **options: Any,
) -> nn.Module:
    """The loss `name` in one definition: loss(logits, mask) -> ().

    Args:
        name, definition: of lesionkit.LOSSES and of catalogue.DEFINITIONS; a name
            FILE.py:NAME or module:NAME is a loss of one's own, whose code this runs.
        alpha, gamma, beta: None takes the definition's; B has none of its own.
        sums, smooth: see IoULoss; only region parts have a use for them.
        focal_form, alpha_form: see FocalLoss; None takes the definition's.
        ignore: leave pixels of 255 in a mask out, instead of refusing them.
        options: of the further losses, such as weighting of structure; of one's own
            loss all of its options.

    Raises:
        ValueError: a name or pair that does not exist; a number that is missing, out of
            range, or given to a loss that has no use for it; pixels cannot be ignored.
        FileNotFoundError, ImportError: there is no such file or library.
    """
    if own.is_own(name):
        given = {"alpha": alpha, "gamma": gamma, "beta": beta}
        options |= {key: value for key, value in given.items() if value is not None}
        return build_own(name, options, ignore=ignore)
    own.find_loss(name)
    defined = find("definition", definition, DEFINITIONS)
    if name not in (*defined["losses"], *FURTHER_LOSSES):
        homes = [key for key, each in DEFINITIONS.items() if name in each["losses"]]
        wrong = f"loss {name!r} is not in definition {definition!r}"
        here = f"{definition} has {', '.join(defined['losses'])}"
        raise ValueError(f"{wrong}. It is in {', '.join(homes)}; {here}.")
    given = {"alpha": alpha, "gamma": gamma, "beta": beta}
    given |= {"focal_form": focal_form, "alpha_form": alpha_form}
    classes = [resolve(LOSSES[part].target) for part in (name, *LOSSES[name].parts)]
    used = set().union(*(signature(cls).parameters for cls in classes))
    if unused := [key for key in given if given[key] is not None and key not in used]:
        raise ValueError(f"loss {name!r} has no use for {', '.join(unused)}")
    filled = {key: defined.get(key) if v is None else v for key, v in given.items()}
    if missing := [key for key in given if filled[key] is None and key in used]:
        needs = ", ".join(missing)
        raise ValueError(f"loss {name!r} in definition {definition!r} needs {needs}")
    if filled["focal_form"] == "meanfirst" and alpha_form is None:
        filled["alpha_form"] = "constant"
    for key in options:
        find(f"option of {name}", key, dict.fromkeys(_options_of(classes)))
    filled |= {"sums": sums, "smooth": smooth} | dict(LOSSES[name].options)
    loss = assemble(name, filled | options)
    if ignore and not _can_ignore(name):
        raise _cannot_ignore(name)
    loss.ignore = ignore
    return loss


def _can_ignore(name: str) -> bool:
    """Whether a loss of the catalogue can leave pixels out."""
    parts = (name, *LOSSES[name].parts)
    return all(resolve(LOSSES[part].target).ignorable for part in parts)


def _cannot_ignore(name: str) -> ValueError:
    """The error for a loss that sees every pixel of a mask."""
    return ValueError(
        f"loss {name!r} cannot leave pixels of 255 in a mask out; these can: "
        f"{', '.join(filter(_can_ignore, LOSSES))}"
    )


def _options_of(classes: Iterable[type]) -> list[str]:
    """What a loss takes beside the parameters that all runs have."""
    every = dict.fromkeys(key for cls in classes for key in signature(cls).parameters)
    common = {"parts", "focal", "dice", *signature(build_loss).parameters}
    return [key for key in every if key not in common]


class OwnLoss(nn.Module):
    """A loss of one's own, given float32 or float64 logits and a mask of 0 and 1.

    Args:
        name: for the text of an error.
        loss: a function of logits and mask, or an object that can be called so.

    Shape:
        logits: (N, 1, H, W) float; mask: the same, handed on in the logits' dtype
        returns: () float

    Raises:
        TypeError, ValueError: as pixels.check; the loss gives no single number.
    """

    def __init__(self, name: str, loss: Callable[[Tensor, Tensor], Tensor]):
        super().__init__()
        self.name, self.loss = name, loss

    def forward(self, logits: Tensor, mask: Tensor) -> Tensor:
        logits, mask, _ = check(logits, mask)
        value = self.loss(logits, mask)
        if not isinstance(value, Tensor) or value.numel() != 1:
            what = tuple(value.shape) if isinstance(value, Tensor) else type(value)
            raise ValueError(f"{self.name} must give one number, got {what}")
        return value.reshape(())


def build_own(
    name: str, options: dict[str, Any], *, ignore: bool = False, code: str | None = None
) -> OwnLoss:
    """A loss of one's own: a class made with its options, or a function.

    A function that takes logits and mask is the loss; one that takes neither makes it.

    Args:
        code: what the file must be, see catalogue.own.load.

    Raises:
        ValueError, FileNotFoundError, ImportError: as `build_loss`.
    """
    if ignore:
        raise _cannot_ignore(name)
    where = own.reference("loss", name)
    found = own.load("loss", where, code)
    if own.takes(found, "sigmoid") and "sigmoid" not in options:
        raise ValueError(
            f"{where.name} is given logits and takes them for probabilities unless "
            'told: loss_options {"sigmoid": true}'
        )
    if own.is_function(found) and _takes_two(found):
        for key in options:
            find(f"option of {where.name}", key, dict(signature(found).parameters))
        return OwnLoss(where.name, partial(found, **options) if options else found)
    made = own.made("loss", where, found, options)
    if not callable(made):
        raise ValueError(f"{where.name} is no loss: it cannot be called")
    return OwnLoss(where.name, made)


def _takes_two(function: Callable) -> bool:
    """Whether a function has two parameters that must be given."""
    listed = signature(function).parameters.values()
    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in kinds and p.default is p.empty for p in listed) >= 2
