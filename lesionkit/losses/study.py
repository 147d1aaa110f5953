"""Losses looked at from outside: their value and gradient as curves and angles."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np
import torch
from torch import nn


def pixel_curve(
    loss: nn.Module, logits: np.ndarray, mask: int
) -> tuple[np.ndarray, np.ndarray]:
    """Value and slope of a loss on an image of one pixel, for each logit.

    Args:
        loss: logits and mask to a scalar.
        logits: (K,) raw outputs.
        mask: the pixel's ground truth, 0 or 1.

    Returns:
        Two (K,) arrays: the loss, and its derivative by the logit.
    """
    curve = np.empty((2, len(logits)))
    for i, logit in enumerate(logits):
        pixel = torch.full((1, 1, 1, 1), float(logit), dtype=torch.float64)
        value = loss(pixel.requires_grad_(), torch.full_like(pixel, mask))
        (slope,) = torch.autograd.grad(value, pixel)
        curve[:, i] = value.item(), slope.item()
    return curve[0], curve[1]


def gradient(loss: nn.Module, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The gradient of a loss by the logits, in their shape."""
    logits = logits.detach().requires_grad_()
    (slope,) = torch.autograd.grad(loss(logits, mask), logits)
    return slope


def gradient_cosines(
    losses: Mapping[str, nn.Module], logits: torch.Tensor, mask: torch.Tensor
) -> dict[str, dict[str, float]]:
    """Cosine of the angle between the gradients of each two losses.

    1 means that both push every logit in the same proportion: they differ only in the
    length of the step.
    """
    slopes = {n: gradient(loss, logits, mask).flatten() for n, loss in losses.items()}
    unit = {name: slope / slope.norm() for name, slope in slopes.items()}
    return {a: {b: float(unit[a] @ unit[b]) for b in unit} for a in unit}


def example_logits(
    mask: torch.Tensor, *, gap: float = 2.0, noise: float = 1.5, seed: int = 0
) -> torch.Tensor:
    """Logits as of a half-trained network: +-gap by class, plus normal noise.

    Shape:
        mask: (N, 1, H, W) of 0 and 1
        returns: (N, 1, H, W) float64
    """
    random = torch.Generator().manual_seed(seed)
    spread = torch.randn(mask.shape, generator=random, dtype=torch.float64)
    return gap * (2 * mask.double() - 1) + noise * spread


def extreme_gradients(
    losses: Mapping[str, nn.Module], size: float = 1e4
) -> dict[str, dict[str, torch.Tensor]]:
    """Gradients where the logits are +-size, right and wrong, by case and loss.

    Returns:
        "empty", "full" and "mixed" (the mask) to loss name to a (1, 1, 8, 8) gradient.
    """
    logits = torch.full((1, 1, 8, 8), size)
    logits[..., ::2] *= -1
    masks = {
        "empty": torch.zeros(1, 1, 8, 8),
        "full": torch.ones(1, 1, 8, 8),
        "mixed": (torch.arange(64) % 3 == 0).float().reshape(1, 1, 8, 8),
    }
    return {
        case: {name: gradient(loss, logits, mask) for name, loss in losses.items()}
        for case, mask in masks.items()
    }


def error_surface(
    loss: nn.Module, *, confidence: float = 4.0
) -> tuple[np.ndarray, np.ndarray]:
    """The loss of a confident prediction that misses and adds lesion pixels.

    The image has 40 x 40 pixels, of which 80 are lesion.

    Args:
        confidence: every logit is that or minus that.

    Returns:
        errors: (21,) from 0 to 1, in units of the lesion's pixels.
        values: (21, 21), the loss with errors[i] missed and errors[j] too much.
    """
    pixels, lesion = 1600, 80
    mask = (torch.arange(pixels) < lesion).double().view(1, 1, 40, 40)
    errors, values = np.linspace(0, 1, 21), np.empty((21, 21))
    counts = (errors * lesion).round().astype(int)
    for (i, missed), (j, added) in product(enumerate(counts), repeat=2):
        logits = torch.full((pixels,), -confidence, dtype=torch.float64)
        logits[missed : lesion + added] = confidence
        values[i, j] = loss(logits.view(1, 1, 40, 40), mask).item()
    return errors, values
