"""Logits and masks that every loss is tried on: ordinary ones, discs, and extremes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]

HALF = (torch.float16, torch.bfloat16)
DTYPES = (torch.float64, torch.float32, *HALF)


def uniform(count: int, seed: int) -> Tensor:
    """Numbers in [0, 1) from a hash of their index: the same in every library."""
    numbers = []
    for k in range(count):
        z = (k * 2654435761 + seed * 40503 + 12345) % 2**32
        z = ((z ^ z >> 15) * 2246822519) % 2**32
        z = ((z ^ z >> 13) * 3266489917) % 2**32
        numbers.append((z ^ z >> 16) / 2**32)
    return torch.tensor(numbers, dtype=torch.float64)


def example(
    shape: Sequence[int], seed: int, *, limit: float, shares: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Logits in -limit to limit, masks with one lesion share for each image.

    Shape:
        returns: two (N, 1, H, W) float64
    """
    count = torch.Size(shape).numel()
    logits = -limit + 2 * limit * uniform(count, seed).view(*shape)
    lesion = torch.tensor(shares, dtype=torch.float64).view(-1, 1, 1, 1)
    return logits, (uniform(count, seed + 7).view(*shape) < lesion).double()


def mixed() -> tuple[Tensor, Tensor]:
    """One small image, logits to 3."""
    return example((1, 1, 4, 4), 2, limit=3, shares=[0.4])


def uneven() -> tuple[Tensor, Tensor]:
    """Three images, of which one has no lesion and one is all lesion."""
    return example((3, 1, 5, 7), 3, limit=4, shares=[0.0, 1.0, 0.25])


def discs() -> Tensor:
    """Masks of a large and a small disc: (2, 1, 24, 24) float64."""
    y, x = torch.meshgrid(torch.arange(24), torch.arange(24), indexing="ij")
    round_ones = [(y - b) ** 2 + (x - a) ** 2 <= r**2 for b, a, r in DISCS]
    return torch.stack(round_ones)[:, None].double()


DISCS = ((11, 12, 8), (8, 14, 4))  # row, column and radius


def predicted(mask: Tensor, gap: float, *, noise: float = 0.5) -> Tensor:
    """Logits of `gap` on lesion and -gap elsewhere, each off by up to `noise`."""
    off = 2 * noise * (uniform(mask.numel(), 5).view(mask.shape) - 0.5)
    return gap * (2 * mask - 1) + off.to(mask.dtype)


def extremes() -> dict[str, Tensor]:
    """Logits at which formulas break, by what they are: (N, 1, H, W) float32."""
    off = torch.full((2, 1, 4, 4), -1e4)
    return {
        "all on": -off,
        "all off": off,
        "zero": torch.zeros(2, 1, 4, 4),
        "mixed": torch.linspace(-1e4, 1e4, 32).view(2, 1, 4, 4),
        "one wrong pixel": off.index_fill(3, torch.tensor(0), 3),
        "one pixel images": torch.tensor([1e4, -1e4]).view(2, 1, 1, 1),
        "batch of one": torch.linspace(-60, 60, 16).view(1, 1, 4, 4),
    }


def fills() -> dict[str, Tensor]:
    """Masks at which formulas break: (2, 1, 4, 4) float32."""
    one = torch.zeros(2, 1, 4, 4)
    one[0, 0, 0, 0] = 1
    return {
        "empty": torch.zeros(2, 1, 4, 4),
        "full": torch.ones(2, 1, 4, 4),
        "one pixel": one,
    }


def fitting(mask: Tensor, logits: Tensor) -> Tensor:
    """The corner of a mask that has the shape of the logits."""
    n, _, height, width = logits.shape
    return mask[:n, :, :height, :width]


def loss_and_gradient(loss: Loss, logits: Tensor, mask: Tensor) -> tuple:
    """The loss and its gradient with respect to the logits.

    Shape:
        returns: () and (N, 1, H, W)
    """
    logits = logits.clone().requires_grad_()
    value = loss(logits, mask)
    value.backward()
    return value.detach(), logits.grad
