"""Average precision of any number of pixels in a fixed memory, batch after batch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from lesionkit.metrics import lesion_and_valid, same_shape

# A bin is the sign, exponent and first 16 mantissa bits of a float32 logit. Logits
# below 2**-16 in size share one bin, those above 2**14 the two outer ones.
SHIFT = 23 - 16
LEAST, MOST = ((127 + e) << 16 for e in (-16, 14))  # exponents as float32 stores them
HALF = MOST - LEAST
BINS = 2 * HALF + 1
CHUNK = 2**18  # pixels, and bins, handled at once


class PrecisionRecall:
    """AP of any number of pixels, by bins over the bits of the float32 logit.

    Two histograms of 3.9 million bins (63 MB) on the device, whatever the number of
    pixels. Bins follow the order of the logits and are at most 2**-16 of the logit
    wide. Pixels of one bin enter together, as ties do: AP is exact for logits that were
    rounded to 16 bits, and `bounds` says how far it can be off for others.

    >>> pixels = PrecisionRecall()
    >>> pixels.update(torch.tensor([2.0, 1.0]), torch.tensor([1, 0]))
    >>> pixels.update(torch.tensor([0.5]), torch.tensor([1]))
    >>> round(pixels.average_precision(), 4)  # 1/2 + 2/3 / 2
    0.8333
    """

    def __init__(self, device: str | torch.device = "cpu"):
        self.pixels = torch.zeros(BINS, dtype=torch.int64, device=device)
        self.lesion = torch.zeros_like(self.pixels)

    def update(self, logits: Tensor, mask: Tensor, *, ignore: bool = False) -> None:
        """Count the pixels of a batch.

        Args:
            ignore: leave pixels of 255 in the mask out, instead of refusing them.

        Shape:
            logits: any; float64 is rounded to float32
            mask: the same, 0 background, 1 lesion

        Raises:
            ValueError: shapes differ, a mask value is not 0 or 1, a logit is NaN;
                nothing was counted then.
        """
        same_shape("logits", logits, mask)
        lesion, valid = lesion_and_valid(mask.flatten(), ignore=ignore)
        flat = logits.detach().flatten()
        if flat.sum().isnan() and flat.isnan().any():  # inf - inf is NaN too
            raise ValueError("logits hold NaN: their pixels have no order")
        if valid is not None:
            flat, lesion = flat[valid.to(flat.device)], lesion[valid]
        one = self.pixels.new_ones(1)
        for start in range(0, flat.numel(), CHUNK):
            bins = bin_of(flat[start : start + CHUNK].to(self.pixels.device))
            marked = bins[lesion[start : start + CHUNK].to(self.pixels.device)]
            self.pixels.scatter_add_(0, bins, one.expand_as(bins))
            self.lesion.scatter_add_(0, marked, one.expand_as(marked))

    def _blocks(self) -> Iterator[tuple[np.ndarray, ...]]:
        """Lesion and background pixels of each bin, and both summed up so far.

        Bins with pixels, falling, block by block: to keep what follows small.
        """
        tp = fp = 0
        for end in range(BINS, 0, -CHUNK):
            start = max(end - CHUNK, 0)
            filled = self.pixels[start:end].nonzero().flatten().flip(0) + start
            lesion = self.lesion[filled].cpu().numpy()
            background = self.pixels[filled].cpu().numpy() - lesion
            yield lesion, background, tp + lesion.cumsum(), fp + background.cumsum()
            tp, fp = tp + lesion.sum(), fp + background.sum()

    def average_precision(self) -> float:
        """AP as metrics.average_precision sums it; NaN without lesion.

        `bounds` says how far it can be from the exact one.
        """
        total = int(self.lesion.sum())
        area = sum(
            (lesion * (tp / (tp + fp))).sum() for lesion, _, tp, fp in self._blocks()
        )
        return float(area / total) if total else float("nan")

    def bounds(self) -> tuple[float, float]:
        """What AP can be at least and at most, whatever the order inside the bins."""
        total = int(self.lesion.sum())
        if not total:
            return float("nan"), float("nan")
        lower = upper = 0.0
        for block in self._blocks():
            lesion, background, tp, fp = (part[block[0] > 0] for part in block)
            first = tp - lesion + 1  # with the bin's first lesion pixel
            lower += (lesion * (first / (first + fp))).sum()
            upper += (lesion * (tp / (tp + fp - background))).sum()
        return float(lower / total), float(upper / total)


def bin_of(logits: Tensor) -> Tensor:
    """The bin of each logit, growing with it; int64 from 0 to BINS - 1."""
    bits = logits.float().view(torch.int32)
    size = (bits & 0x7FFFFFFF).bitwise_right_shift_(SHIFT).clamp_(LEAST, MOST)
    size = size.sub_(LEAST).to(torch.int64)
    return torch.where(bits < 0, HALF - size, HALF + size)
