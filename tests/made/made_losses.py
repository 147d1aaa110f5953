"""Logits and masks, and losses of every definition."""

import torch

from lesionkit.catalogue import DEFINITIONS, FURTHER_LOSSES, LOSSES
from lesionkit.losses import build_loss, cases
from lesionkit.losses.cases import DTYPES as DTYPES
from lesionkit.losses.cases import HALF as HALF
from lesionkit.losses.cases import example as example
from lesionkit.losses.cases import loss_and_gradient as loss_and_gradient
from lesionkit.losses.cases import uniform as uniform

EVERY_PAIR = [(name, k) for k, each in DEFINITIONS.items() for name in each["losses"]]
# A definition says what the focal term is: without one a loss is the same in all.
FOCAL = {n for n, e in LOSSES.items() if {n, *e.parts} & {"focal", "balanced_bce"}}
PAIRS = [
    (name, key)
    for i, (name, key) in enumerate(EVERY_PAIR)
    if name in FOCAL or name not in {first for first, _ in EVERY_PAIR[:i]}
]
# No definition changes a further loss; the structure loss has two forms.
FURTHER = [(name, "any") for name in FURTHER_LOSSES] + [("structure", "as_run")]
PAIRS += FURTHER
IGNORING = [pair for pair in PAIRS if pair[0] != "structure"]  # that can
NUMBERS_B = {
    "balanced_bce": {"alpha": 0.25},
    "focal": {"alpha": 0.25, "gamma": 4},
    "custom": {"alpha": 0.25, "gamma": 4, "beta": 0.7},
}


def build(name, definition, **changes):
    """The loss of a pair, with paper B's U-Net numbers where the pair has none."""
    if definition not in DEFINITIONS:
        form = {"weighting": definition} if definition != "any" else {}
        return build_loss(name, **form | changes)
    numbers = NUMBERS_B[name] if definition == "B" else {}
    return build_loss(name, definition=definition, **numbers | changes)


def at_the_extremes(loss, dtype, mask):
    """Loss and gradient entries of one loss for all extremes, in one row."""
    found = []
    for logits in cases.extremes().values():
        given = logits.to(dtype), cases.fitting(mask, logits)
        value, gradient = loss_and_gradient(loss, *given)
        found += [value.double().view(1), gradient.double().flatten()]
    return torch.cat(found)


MIXED, UNEVEN = cases.mixed(), cases.uneven()
FILLS = cases.fills()

# Refusals

LOGITS = torch.zeros(2, 1, 4, 4)
