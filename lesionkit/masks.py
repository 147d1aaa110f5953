"""Logits to a predicted mask: the thresholds, each with its cut in units of the logits.

All work image by image and return uint8 0 or 1 in the shape of the logits. Half
precision is compared as float32; sums are taken in float64. What `check` refuses, all
refuse.
"""

from __future__ import annotations

from math import inf, log

import torch
from torch import Tensor


def check(logits: Tensor) -> Tensor:
    """Logits in at least float32, once their shape is known to be one map an image.

    Raises:
        TypeError: they are not floating point.
        ValueError: another shape than (N, 1, H, W) or (N, H, W), or no pixel.
    """
    if not logits.is_floating_point():
        raise TypeError(f"logits must be floating point, got {logits.dtype}")
    one_map = logits.ndim == 3 or (logits.ndim == 4 and logits.shape[1] == 1)
    if not one_map or logits.numel() == 0:
        raise ValueError(
            "logits must be (N, 1, H, W) or (N, H, W) with at least one pixel,"
            f" got {tuple(logits.shape)}"
        )
    return logits if logits.dtype == torch.float64 else logits.float()


def above(logits: Tensor, cuts: Tensor) -> Tensor:
    """1 where a logit is above the cut of its image, never where it equals it."""
    return (logits > cuts.view(-1, *[1] * (logits.ndim - 1))).to(torch.uint8)


def probability_cut(cut: float = 0.5) -> float:
    """The logit whose probability is `cut`: log(cut / (1 - cut)).

    Raises:
        ValueError: a cut outside 0 to 1.

    >>> probability_cut(0.5)
    0.0
    """
    if not 0 <= cut <= 1:
        raise ValueError(f"cut must be a probability from 0 to 1, got {cut!r}")
    if cut in (0, 1):
        return inf if cut else -inf
    return log(cut / (1 - cut))


def probability_mask(logits: Tensor, cut: float = 0.5) -> Tensor:
    """1 where the probability is at least `cut`: one absolute cut for all images.

        predicted = logits >= log(cut / (1 - cut))

    A tie is marked: a logit of exactly 0 is lesion at cut 0.5.

    Args:
        cut: probability from 0 (all is marked) to 1 (nothing is).

    Shape:
        logits: (N, 1, H, W) or (N, H, W) float, before the sigmoid
        returns: uint8 of the same shape

    Raises:
        TypeError: logits that are not floating point.
        ValueError: logits of another shape, or a cut outside 0 to 1.

    Source: both papers, at 0.5.
    Chosen: ties are lesion; the papers are silent.

    >>> probability_mask(torch.tensor([[[-1.0, 0.0, 1.0]]])).tolist()
    [[[0, 1, 1]]]
    """
    return (check(logits) >= probability_cut(cut)).to(torch.uint8)


def raw_mean_cut(logits: Tensor) -> Tensor:
    """The mean of each image's logits over all its pixels, (N,) float64."""
    flat = check(logits).flatten(1)  # (N, H*W)
    mean = flat.mean(1, dtype=torch.float64)
    # a rounded mean can leave the range, and a constant map would be marked whole
    return mean.clamp(flat.amin(1).double(), flat.amax(1).double())


def raw_mean_mask(logits: Tensor) -> Tensor:
    """1 where a logit is above the mean of its own image's logits.

        predicted = logits > mean(logits of that image)

    The mask is the same for a * logits + c with a > 0. On an image without lesion it
    still marks about half of the pixels; on a constant map none.

    Shape:
        logits: (N, 1, H, W) or (N, H, W) float, before the sigmoid
        returns: uint8 of the same shape

    Source: paper A, the masks of its figures.
    Chosen: a tie is background, so that a constant map is left empty. The mean is over
    all pixels, where a ground truth ignores some, too: a new image has none.

    >>> raw_mean_mask(torch.tensor([[[1.0, 2.0, 6.0]]])).tolist()  # mean 3
    [[[0, 0, 1]]]
    """
    if logits.device.type == "mps":  # has no float64
        return raw_mean_mask(logits.cpu()).to(logits.device)
    return above(check(logits), raw_mean_cut(logits))


def otsu_cut(logits: Tensor) -> Tensor:
    """The largest logit of the lower class in the best split of each image, (N,).

    The best split has the largest variance between the classes over all distinct
    logits, without a histogram; the lowest cut wins a tie. float64.
    """
    ranked = check(logits).flatten(1).double().sort(1).values  # (N, H*W)
    total = ranked.shape[1]
    low = torch.arange(1, total + 1, device=ranked.device)  # pixels in the lower class
    centred = ranked - ranked.mean(1, keepdim=True)
    between = centred.cumsum(1).square() / (low * (total - low)).clamp(min=1)
    # a split lies between two different logits; on a constant map there is none
    between[:, :-1][ranked[:, :-1] == ranked[:, 1:]] = -1
    between[:, -1] = -1
    best = between.argmax(1, keepdim=True)
    return ranked.gather(1, best).squeeze(1)


def otsu_mask(logits: Tensor) -> Tensor:
    """1 in the upper of the two classes that Otsu's rule finds in each image's logits.

    Like raw_mean_mask it ignores scale and offset; a constant map is left empty.

    Shape:
        logits: (N, 1, H, W) or (N, H, W) float, before the sigmoid
        returns: uint8 of the same shape

    Source: Otsu 1979; in neither paper.

    >>> otsu_mask(torch.tensor([[[0.0, 1.0, 8.0, 9.0]]])).tolist()
    [[[0, 0, 1, 1]]]
    """
    return above(check(logits), otsu_cut(logits))
