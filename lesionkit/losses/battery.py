"""A loss put through everything that the kit's own losses pass, one finding a check.

In comes a loss, out come plain sentences; `lesionkit check` prints them. A loss of
one's own is looked at twice: as the kit calls it, which is in float32 with a mask of
0 and 1, and as it is, which is what a user of another program gets.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lesionkit.catalogue import own
from lesionkit.lookup import one_line
from lesionkit.losses import OwnLoss, build_loss, cases, cost
from lesionkit.losses.cases import Loss, loss_and_gradient
from lesionkit.losses.likeness import Likeness, likenesses

GAPS = (-4, -2, -1, 0, 1, 2)  # logits from wrong to right
STEP = 1e-3  # of finite differences
SMALL = 1e-3  # a share below which a gradient is as good as none
EQUALS = "equals"  # with which of the kit's losses
MASK_DTYPES = (torch.bool, torch.uint8, torch.int64, torch.float32, torch.float64)


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        code: the check.
        passed: None where there is no right and wrong, but something to know.
        says: one sentence or two.
    """

    code: str
    passed: bool | None
    says: str


@dataclass(frozen=True)
class Examination:
    """What the battery found about a loss.

    Attributes:
        loss: its name with its options.
        findings: in the order of the checks.
        equals: the losses of the kit that it is.
    """

    loss: str
    findings: tuple[Finding, ...]
    equals: tuple[Likeness, ...]

    @property
    def failed(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.passed is False]


@dataclass(frozen=True)
class Subject:
    """A loss as the kit calls it, and as it is."""

    loss: Loss
    raw: Loss


def examine(
    name: str, options: Mapping[str, Any] | None = None, **arguments: Any
) -> Examination:
    """The battery for a loss by its name. This runs the code of one's own.

    Args:
        name: FILE.py:NAME, module:NAME or one of the kit's.
        options: of the loss.
        arguments: further ones of `build_loss`, such as definition.

    Raises:
        ValueError, FileNotFoundError, ImportError: as `build_loss`.
    """
    options = dict(options or {})
    loss = build_loss(name, **arguments, **options)
    short = own.reference("loss", name).name if own.is_own(name) else name
    return battery(loss, own.titled(short, options))


def battery(
    loss: Loss, name: str = "the loss", *, codes: Collection[str] | None = None
) -> Examination:
    """The findings about a loss: a function of logits and mask.

    Args:
        name: for the answer.
        codes: of the checks, "equals" among them; None takes all.
    """
    codes = (*CHECKS, EQUALS) if codes is None else codes
    subject = Subject(loss, loss.loss if isinstance(loss, OwnLoss) else loss)
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = _looked("number", _number, subject)
        if first.passed is False:
            return Examination(name, (first,), ())
        asked = {code: check for code, check in CHECKS.items() if code in codes}
        found = [_looked(code, check, subject) for code, check in asked.items()]
        equals = _equals(loss) if EQUALS in codes else ()
    return Examination(name, (first, *found), equals)


def _looked(code: str, check: Callable, subject: Subject) -> Finding:
    """What a check says; a loss that raises has failed it."""
    try:
        passed, says = check(subject)
    except Exception as error:  # noqa: BLE001 - any code of a stranger
        return Finding(code, False, f"It raises {_told(error)}")
    return Finding(code, passed, says)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {one_line(error)}"


def _equals(loss: Loss) -> tuple[Likeness, ...]:
    """The kit's losses that it is; none where it cannot be compared."""
    try:
        return likenesses(loss)
    except Exception:  # noqa: BLE001 - the checks have told it
        return ()


def _number(subject: Subject) -> tuple[bool, str]:
    value, gradient = loss_and_gradient(subject.loss, *_float_case())
    if not gradient.any():
        return False, "Its gradient is 0 for an ordinary batch: nothing is learnt."
    return True, f"It gives one number and its gradient, {value.item():.4g} here."


def _float_case() -> tuple[Tensor, Tensor]:
    """An ordinary batch of the discs, in float32: neither right nor wrong."""
    mask = cases.discs().float()
    return cases.predicted(mask, 0.2, noise=1), mask


def _finite(subject: Subject) -> tuple[bool, str]:
    return _finite_in(subject.loss, cases.DTYPES)


def _autocast(subject: Subject) -> tuple[bool, str]:
    """The same inside autocast, where libraries make halves of some operations."""
    for dtype in cases.HALF:
        with torch.autocast("cpu", dtype=dtype):
            passed, says = _finite_in(subject.loss, (dtype,))
        if not passed:
            return False, f"Under autocast: {says}"
    return True, "The same holds under autocast of both half types."


def _finite_in(loss: Loss, dtypes: tuple) -> tuple[bool, str]:
    """Whether value and gradient are finite for all extremes, and where not."""
    wrong = []
    tried = 0
    for dtype, place, logits, fill, mask in _extreme_cases(dtypes):
        tried += 1
        value, gradient = loss_and_gradient(loss, logits, mask)
        parts = {"value": value, "gradient": gradient}
        broken = [what for what, part in parts.items() if not part.isfinite().all()]
        wrong += [(broken[0], place, fill, _short(dtype))] if broken else []
    if not wrong:
        return True, f"Value and gradient are finite in all {tried} extreme cases."
    what, logits, masks, types = (
        ", ".join(dict.fromkeys(c)) for c in zip(*wrong, strict=True)
    )
    return False, (
        f"The {what.replace(', ', ' or ')} is not finite in {len(wrong)} of {tried}"
        f" extreme cases: logits {logits}; masks {masks}; {types}."
    )


def _extreme_cases(dtypes: tuple) -> Iterator[tuple]:
    for dtype in dtypes:
        for place, logits in cases.extremes().items():
            for fill, mask in cases.fills().items():
                fitted = cases.fitting(mask, logits)
                yield dtype, place, logits.to(dtype), fill, fitted


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _half(subject: Subject) -> tuple[bool, str]:
    """Half precision without the kit's cast, as under mixed precision elsewhere."""
    kit = " The kit gives it float32, so runs here are not touched by that."
    kit = kit if subject.raw is not subject.loss else ""
    for dtype in cases.HALF:
        short = _short(dtype)
        try:
            says = _wrong_in_half(subject.raw, dtype)
        except Exception as error:  # noqa: BLE001 - any code of a stranger
            says = f"it raises {_told(error)}"
        if says:
            return False, f"In {short} {says.rstrip('.')}.{kit}"
    return True, "Half precision gives what float32 gives."


def _wrong_in_half(loss: Loss, dtype: torch.dtype) -> str:
    """What is wrong with a loss of half logits and mask; "" if nothing."""
    for _, place, logits, fill, mask in _extreme_cases((dtype,)):
        value, gradient = loss_and_gradient(loss, logits, mask.to(dtype))
        if not (value.isfinite() and gradient.isfinite().all()):
            return f"it is not finite with logits {place}, mask {fill}"
    mask = torch.zeros(1, 1, 300, 300)
    mask[..., 10:290, 10:290] = 1  # more lesion than a float16 sum can hold
    for gap in (0.5, 12.0):
        logits = (gap * (2 * mask - 1)).to(dtype)
        half = float(loss(logits, mask.to(dtype)))
        full = float(loss(logits.float(), mask))
        if not abs(half - full) <= 0.02 + 0.02 * abs(full):
            return f"it gives {half:.4g} for an image of 300 x 300, and not {full:.4g}"
    return ""


def _gradient(subject: Subject) -> tuple[bool, str]:
    """The gradient against central differences, in float64."""
    logits, mask = cases.uneven()
    value, gradient = loss_and_gradient(subject.loss, logits, mask)
    steps = STEP * torch.eye(logits.numel(), dtype=logits.dtype)
    with torch.no_grad():
        up, down = (
            [
                subject.loss(logits + s * e.view(logits.shape), mask).item()
                for e in steps
            ]
            for s in (1, -1)
        )
    found = (torch.tensor(up) - torch.tensor(down)) / (2 * STEP)
    off = (found.double() - gradient.flatten().double()).abs().max().item()
    size = max(found.abs().max().item(), gradient.abs().max().item())
    rounding = torch.finfo(torch.float32).eps * abs(value.item()) / STEP
    if off <= 0.02 * size + rounding:
        return True, "The gradient is that of finite differences."
    return False, (
        f"The gradient is not that of finite differences: off by {off:.2g} where the"
        f" largest entry is {size:.2g}. A part may be detached or rounded."
    )


def _falls(subject: Subject) -> tuple[bool, str]:
    """Whether it falls along a way from wrong to right."""
    mask = cases.discs()
    values = [subject.loss(cases.predicted(mask, gap), mask).item() for gap in GAPS]
    size = max(map(abs, values))
    for i, (before, after) in enumerate(zip(values, values[1:], strict=False)):
        if after > before + 1e-6 * size:
            return False, (
                f"It rises, from {before:.4g} to {after:.4g}, where the prediction gets"
                f" better (logits of {GAPS[i]} to {GAPS[i + 1]} on the lesion)."
            )
    if values[-1] >= values[0]:
        return False, f"It is {values[0]:.4g} for wrong and right predictions."
    return True, "It falls all the way from a wrong prediction to a right one."


def _pull(subject: Subject) -> tuple[bool | None, str]:
    """Which way lesion and background pixels are pulled."""
    mask = cases.discs()
    logits = cases.predicted(mask, 0.0, noise=0.5)
    _, gradient = loss_and_gradient(subject.loss, logits, mask)
    lesion, rest = gradient[mask == 1].mean(), gradient[mask == 0].mean()
    if lesion > 0 or rest < 0:
        which = "lesion pixels down" if lesion > 0 else "background pixels up"
        return False, f"It pulls {which}: the sign of the gradient is wrong."
    if not lesion or not rest:
        which = "lesion" if not lesion else "background"
        return None, f"It has no gradient on {which} pixels: the other alone is learnt."
    return True, "It pulls lesion pixels up and background pixels down."


def _logits(subject: Subject) -> tuple[bool, str]:
    """Whether the mask itself, as logits, is better than right logits of any size."""
    for share in (0.2, 0.7):
        mask = (torch.arange(400) < 400 * share).double().view(1, 1, 20, 20)
        as_probabilities = subject.loss(mask.clone(), mask).item()
        right = [subject.loss(gap * (2 * mask - 1), mask).item() for gap in (2, 4, 6)]
        if as_probabilities < min(right):
            return False, (
                f"It takes probabilities: it gives {as_probabilities:.4g} for logits"
                f" equal to the mask and {min(right):.4g} for right ones. The kit hands"
                " it logits; begin it with logits.sigmoid()."
            )
    return True, "It takes logits, not probabilities."


def _inputs(subject: Subject) -> tuple[bool, str]:
    logits, mask = _float_case()
    given = logits.clone(), mask.clone()
    subject.raw(*given)
    if torch.equal(given[0], logits) and torch.equal(given[1], mask):
        return True, "It leaves its inputs as they were."
    return False, "It changes the logits or the mask it is given: others use them too."


def _repeatable(subject: Subject) -> tuple[bool | None, str]:
    """Whether the same batch gives the same value again, and why not."""
    case = _float_case()
    seeded = []
    for _ in range(2):
        torch.manual_seed(0)
        seeded.append(subject.loss(*case).item())
    if seeded[0] != seeded[1]:
        return False, (
            f"The same batch gives {seeded[0]:.6g} and then {seeded[1]:.6g}: it keeps"
            " something between calls, which no record or resumed run has."
        )
    torch.manual_seed(1)
    if subject.loss(*case).item() != seeded[0]:
        return None, "It is random: another value for the same batch with each call."
    return True, "The same batch gives the same value again."


def _mask_dtype(subject: Subject) -> tuple[bool | None, str]:
    """Whether the type of the mask changes the value."""
    logits, mask = _float_case()
    wanted, refused = subject.loss(logits, mask).item(), []
    for dtype in MASK_DTYPES:
        try:
            value = float(subject.raw(logits, mask.to(dtype)))
        except Exception:  # noqa: BLE001 - a refusal is no wrong number
            refused.append(_short(dtype))
            continue
        if abs(value - wanted) > 1e-4 * max(1, abs(wanted)):
            return False, (
                f"A mask of {_short(dtype)} gives {value:.4g}, and float {wanted:.4g}."
                " The kit hands it float masks; other programs may not."
            )
    if refused:
        return None, f"It refuses masks of {', '.join(refused)}; the kit gives floats."
    return True, "The type of the mask does not matter."


def _batch(subject: Subject) -> tuple[None, str]:
    """What a batch is to it: a sum or mean of images, or one large image."""
    mask = cases.discs()
    logits = cases.predicted(mask, 0.2, noise=1)
    whole = subject.loss(logits, mask).item()
    each = [subject.loss(logits[i : i + 1], mask[i : i + 1]).item() for i in (0, 1)]
    near = 1e-6 * max(abs(whole), *map(abs, each))
    if abs(whole - sum(each) / 2) <= near:
        return None, "A batch is the mean of its images."
    if abs(whole - sum(each)) <= near:
        return None, (
            "A batch is the sum of its images: a learning rate is for one batch size,"
            " and a last, smaller batch takes a smaller step."
        )
    return None, (
        "A batch counts as one: images with much lesion weigh more than in a mean of"
        " images, and the batch size changes the loss."
    )


def _size(subject: Subject) -> tuple[None, str]:
    """How it grows with the number of pixels."""
    mask = cases.discs()
    logits = cases.predicted(mask, 0.2, noise=1)
    larger = [v.repeat_interleave(2, 2).repeat_interleave(2, 3) for v in (logits, mask)]
    ratio = _over(subject.loss(*larger).item(), subject.loss(logits, mask).item())
    if 0.9 < ratio < 1.1:
        return None, "It does not grow with the number of pixels."
    return None, f"Four times the pixels give {ratio:.2g} times the loss."


def _range(subject: Subject) -> tuple[None, str]:
    mask = cases.discs()
    right, wrong = (
        subject.loss(cases.predicted(mask, gap, noise=0), mask).item()
        for gap in (10, -10)
    )
    says = f"It is {right:.4g} for a right, sure prediction and {wrong:.4g} for a wrong"
    if min(right, wrong) < -1e-6:
        says += "; it can be negative"
    elif right > 0.05 * abs(wrong):
        says += "; it does not reach 0: a floor, or a sigmoid applied twice"
    return None, f"{says}."


def _scale(subject: Subject) -> tuple[None, str]:
    ratio = _over(_norm(subject.loss), _norm(build_loss("dicebce")))
    return None, (
        f"Its gradient is {ratio:.2g} times that of dicebce on an ordinary batch: a"
        " learning rate tuned for one need not be right for the other."
    )


def _norm(loss: Loss, gap: float = 0.2) -> float:
    """Length of the gradient for a prediction of the discs."""
    mask = cases.discs()
    return _length(loss, cases.predicted(mask, gap, noise=1), mask)


def _length(loss: Loss, logits: Tensor, mask: Tensor) -> float:
    return loss_and_gradient(loss, logits, mask)[1].norm().item()


def _over(top: float, below: float) -> float:
    return top / below if below else float("inf")


def _sure(subject: Subject) -> tuple[None, str]:
    """How much of the gradient is left for mistakes that are sure."""
    share = _over(_norm(subject.loss, -15), _norm(subject.loss))
    if share < SMALL:
        return None, (
            "Sure mistakes (logits of 15) have next to no gradient: what is wrong and"
            " sure stays wrong."
        )
    return None, f"Sure mistakes have {share:.2g} times the usual gradient."


def _empty(subject: Subject) -> tuple[None, str]:
    """What an image without lesion teaches, alone and beside one with lesion."""
    mask = cases.discs()
    logits = cases.predicted(mask, 1.0, noise=0.5)  # marks the discs
    usual = _norm(subject.loss)
    alone = _over(_length(subject.loss, logits, torch.zeros_like(mask)), usual)
    beside = mask.clone()
    beside[1] = 0
    _, gradient = loss_and_gradient(subject.loss, logits, beside)
    share = _over(gradient[1].norm().item(), usual)
    says = (
        f"A batch without any lesion has {alone:.2g} times the usual gradient; an empty"
        f" image beside one with lesion {share:.2g} times"
    )
    if alone < SMALL:
        says += ". False positives in batches without lesion are not pushed down"
    return None, f"{says}."


def _compile(subject: Subject) -> tuple[bool | None, str]:
    """Whether torch.compile sees one graph; no compiler is run."""
    torch.compiler.reset()
    case = _float_case()
    copied = deepcopy(subject.loss)
    try:
        whole = torch.compile(copied, backend="eager", fullgraph=True)(*case).item()
    except Exception as error:  # noqa: BLE001 - of the compiler or of a stranger
        said = one_line(error, longest=100)
        return None, f"It is not one graph: compile gains nothing in it ({said})"
    finally:
        torch.compiler.reset()
    expected = subject.loss(*case).item()
    if abs(whole - expected) > 1e-5 * max(1, abs(expected)):
        return False, f"Compiled it gives {whole:.6g}, and not {expected:.6g}."
    return True, "torch.compile makes one graph of it."


def _cost(subject: Subject) -> tuple[None, str]:
    ours = build_loss("dicebce")
    seconds = cost.processor_seconds({"it": subject.loss, "dicebce": ours})
    case = cost.batch()
    mine, theirs = (cost.peak_units(loss, *case) for loss in (subject.loss, ours))
    times = _over(seconds["it"], seconds["dicebce"])
    return None, (
        f"It takes {times:.2g} times the processor seconds of dicebce and"
        f" {_over(mine, theirs):.2g} times its memory"
        f" ({1e3 * seconds['it']:.0f} ms for 8 images of 224 x 224)."
    )


CHECKS: dict[str, Callable[[Subject], tuple[bool | None, str]]] = {
    "finite": _finite,
    "autocast": _autocast,
    "half": _half,
    "gradient": _gradient,
    "logits": _logits,
    "falls": _falls,
    "pull": _pull,
    "inputs": _inputs,
    "repeatable": _repeatable,
    "mask-dtype": _mask_dtype,
    "compile": _compile,
    "range": _range,
    "batch": _batch,
    "size": _size,
    "scale": _scale,
    "sure": _sure,
    "empty": _empty,
    "cost": _cost,
}
