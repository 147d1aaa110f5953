"""Logits and masks, losses of every definition, and what both give at the extremes."""

import torch

from lesionkit.catalogue import DEFINITIONS, FURTHER_LOSSES, LOSSES
from lesionkit.losses import build_loss

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
HALF = (torch.float16, torch.bfloat16)
DTYPES = (torch.float64, torch.float32, *HALF)


def uniform(count, seed):
    """Numbers in [0, 1) from a hash of their index: the same in every library."""
    numbers = []
    for k in range(count):
        z = (k * 2654435761 + seed * 40503 + 12345) % 2**32
        z = ((z ^ z >> 15) * 2246822519) % 2**32
        z = ((z ^ z >> 13) * 3266489917) % 2**32
        numbers.append((z ^ z >> 16) / 2**32)
    return torch.tensor(numbers, dtype=torch.float64)


def example(shape, seed, *, limit, shares):
    """Logits in -limit to limit, masks with one lesion share for each image."""
    count = torch.Size(shape).numel()
    logits = -limit + 2 * limit * uniform(count, seed).view(shape)
    shares = torch.tensor(shares, dtype=torch.float64).view(-1, 1, 1, 1)
    return logits, (uniform(count, seed + 7).view(shape) < shares).double()


def loss_and_gradient(loss, logits, mask):
    """The loss and its gradient with respect to the logits."""
    logits = logits.clone().requires_grad_()
    value = loss(logits, mask)
    value.backward()
    return value.detach(), logits.grad


def build(name, definition, **changes):
    """The loss of a pair, with paper B's U-Net numbers where the pair has none."""
    if definition not in DEFINITIONS:
        form = {"weighting": definition} if definition != "any" else {}
        return build_loss(name, **form | changes)
    numbers = NUMBERS_B[name] if definition == "B" else {}
    return build_loss(name, definition=definition, **numbers | changes)


MIXED = example((1, 1, 4, 4), 2, limit=3, shares=[0.4])
UNEVEN = example((3, 1, 5, 7), 3, limit=4, shares=[0.0, 1.0, 0.25])
EXTREMES = {
    "all on": torch.full((2, 1, 4, 4), 1e4),
    "all off": torch.full((2, 1, 4, 4), -1e4),
    "zero": torch.zeros(2, 1, 4, 4),
    "mixed": torch.linspace(-1e4, 1e4, 32).view(2, 1, 4, 4),
    "one wrong pixel": torch.full((2, 1, 4, 4), -1e4).index_fill(3, torch.tensor(0), 3),
    "one pixel images": torch.tensor([1e4, -1e4]).view(2, 1, 1, 1),
    "batch of one": torch.linspace(-60, 60, 16).view(1, 1, 4, 4),
}
ONE_PIXEL = torch.zeros(2, 1, 4, 4)
ONE_PIXEL[0, 0, 0, 0] = 1
FILLS = {
    "empty": torch.zeros(2, 1, 4, 4),
    "full": torch.ones(2, 1, 4, 4),
    "one pixel": ONE_PIXEL,
}


def at_the_extremes(loss, dtype, mask):
    """Loss and gradient entries of one loss for all EXTREMES, in one row."""
    found = []
    for logits in EXTREMES.values():
        n, _, height, width = logits.shape
        fitting = mask[:n, :, :height, :width]
        value, gradient = loss_and_gradient(loss, logits.to(dtype), fitting)
        found += [value.double().view(1), gradient.double().flatten()]
    return torch.cat(found)


# Refusals

LOGITS = torch.zeros(2, 1, 4, 4)
