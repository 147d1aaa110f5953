"""Which of the kit's losses another one is, by its value and its gradient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from lesionkit.catalogue import DEFINITIONS, FURTHER_LOSSES, LOSSES
from lesionkit.catalogue.protocols import PROTOCOLS
from lesionkit.losses import build_loss, cases
from lesionkit.losses.cases import Loss

CLOSE = 1e-4  # relative: formulas differ by a smooth of 1e-5 or so
NUMBERS_OF_B = PROTOCOLS["paper_b"].losses["unet"]


@dataclass(frozen=True)
class Likeness:
    """One of the kit's losses that another one equals.

    Attributes:
        name: of the kit's loss, with what was changed in it.
        how: "equal", or "factor" (of its value and gradient), "constant" (the
            gradient is a factor of its, the value is off by a constant), or
            "direction" (parallel gradients, with another length in each batch).
        factor: of the gradient; of "direction" None.
    """

    name: str
    how: str
    factor: float | None

    def __str__(self) -> str:
        if self.how == "equal":
            return f"On ordinary batches it is {self.name}, by value and gradient."
        if self.how == "direction":
            return (
                f"Its gradient has the direction of {self.name}'s, in steps of another"
                " length: it is a function of that loss."
            )
        off = " plus a constant" if self.how == "constant" else ""
        return f"On ordinary batches it is {self.factor:.4g} times {self.name}{off}."


def likenesses(loss: Loss) -> tuple[Likeness, ...]:
    """All of the kit's losses that a loss equals, the best likeness alone.

    Compared on four batches of several images, in float64.
    """
    mine = [_looked_at(loss, *batch) for batch in _batches()]
    found = [
        like for name, ours in kit_losses() if (like := _likeness(name, mine, ours))
    ]
    ranked = ("equal", "factor", "constant", "direction")
    best = min((ranked.index(like.how) for like in found), default=0)
    return tuple(like for like in found if like.how == ranked[best])


def kit_losses() -> Iterator[tuple[str, nn.Module]]:
    """Every loss of the kit with the text that makes it, each formula once.

    Those of paper B have the numbers of its U-Net; region sums are of the batch, then
    of each image.
    """
    for sums in ("batch", "image"):
        for name, definition in _pairs():
            if sums == "image" and not _has_region_part(name):
                continue
            notes = [definition] if definition else []
            notes += ["sums image"] if sums == "image" else []
            told = f"{name} ({', '.join(notes)})" if notes else name
            given: dict[str, Any] = _numbers(name) if definition == "B" else {}
            given |= {"definition": definition} if definition else {}
            yield told, build_loss(name, sums=sums, **given)


def _numbers(name: str) -> dict[str, float]:
    """The numbers that a loss of paper B needs."""
    needs = {"balanced_bce": ("alpha",), "focal": ("alpha", "gamma")}
    return {n: NUMBERS_OF_B[n] for n in needs.get(name, NUMBERS_OF_B)}


def _pairs() -> Iterator[tuple[str, str]]:
    """Each loss with its definition, "" where none changes it."""
    seen = set()
    for definition, facts in DEFINITIONS.items():
        for name in facts["losses"]:
            focal = {name, *LOSSES[name].parts} & {"focal", "balanced_bce"}
            pair = (name, definition if focal else "")
            if pair not in seen:
                seen.add(pair)
                yield pair
    yield from ((name, "") for name in FURTHER_LOSSES)


def _has_region_part(name: str) -> bool:
    """Whether `sums` changes a loss, and no other name says so already."""
    entry = LOSSES[name]
    groups = {LOSSES[part].group for part in entry.parts or (name,)}
    by_name = {e.parts for e in LOSSES.values() if e.options}  # dicebce_image
    return (
        name != "structure"  # always of each image
        and groups != {"distribution"}
        and entry.parts not in by_name
    )


@cache
def _batches() -> list[tuple[Tensor, Tensor]]:
    """Logits and masks in which images differ in their share of lesion."""
    mask = cases.discs()
    return [
        cases.uneven(),
        cases.example((2, 1, 6, 6), 11, limit=3, shares=[0.2, 0.6]),
        cases.example((2, 1, 40, 40), 12, limit=2, shares=[0.1, 0.4]),
        (cases.predicted(mask, 0.5, noise=2), mask),
    ]


def _looked_at(loss: Loss, logits: Tensor, mask: Tensor) -> tuple[float, Tensor]:
    """Value and flat gradient."""
    value, gradient = cases.loss_and_gradient(loss, logits, mask)
    return value.item(), gradient.flatten().double()


def _likeness(name: str, mine: list, ours: Loss) -> Likeness | None:
    """How a loss that gave `mine` is like one of ours, if it is."""
    theirs = []
    for batch, (_, gradient) in zip(_batches(), mine, strict=True):
        value, other = _looked_at(ours, *batch)
        if not _parallel(gradient, other):
            return None
        theirs.append((value, other))
    pairs = list(zip(mine, theirs, strict=True))
    factors = [(a[1].norm() / b[1].norm()).item() for a, b in pairs]
    factor = sum(factors) / len(factors)
    if max(factors) - min(factors) > CLOSE * factor:
        return Likeness(name, "direction", None)
    off = [a[0] - factor * b[0] for a, b in pairs]
    size = max(abs(a[0]) for a, _ in pairs)
    if max(off) - min(off) > CLOSE * size:
        return Likeness(name, "direction", None)
    if max(map(abs, off)) > CLOSE * size:
        return Likeness(name, "constant", factor)
    how = "equal" if abs(factor - 1) <= CLOSE else "factor"
    return Likeness(name, how, factor)


def _parallel(first: Tensor, second: Tensor) -> bool:
    """Whether two gradients are parallel, and neither is 0."""
    lengths = first.norm(), second.norm()
    if not all(length > 0 and length.isfinite() for length in lengths):
        return False
    return torch.dot(first / lengths[0], second / lengths[1]).item() > 1 - CLOSE**2
