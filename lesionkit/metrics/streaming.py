"""Average precision of any number of pixels in a fixed memory, batch after batch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from lesionkit.metrics import area, lesion_and_valid, same_shape

# A bin is the sign, exponent and first 16 mantissa bits of a float32 logit. Logits
# below 2**-16 in size share one bin, those above 2**14 the two outer ones.
SHIFT = 23 - 16
LEAST, MOST = ((127 + e) << 16 for e in (-16, 14))  # exponents as float32 stores them
HALF = MOST - LEAST
BINS = 2 * HALF + 1
CHUNK = 2**18  # pixels, and bins, handled at once
EXACT = 2**25  # pixels that are kept as they come: 134 MB, 668 images of 224 x 224


class PrecisionRecall:
    """AP of any number of pixels in a bounded memory, exact while they can be kept.

    The first `exact` pixels are kept, 4 bytes each, and AP is then that of
    `metrics.average_precision`, to the bit. With one more, all go into two histograms
    of 3.9 million bins (63 MB), and every later one too. Bins are over the bits of the
    float32 logit: they follow its order and are at most 2**-16 of it wide. Pixels of
    one bin enter together, as ties do, so AP stays exact for logits that were rounded
    to 16 bits; for others `bounds` says how far it can be off.

    Args:
        device: where pixels and bins lie.
        exact: how many pixels are kept before all go into bins.

    >>> pixels = PrecisionRecall()
    >>> pixels.update(torch.tensor([2.0, 1.0]), torch.tensor([1, 0]))
    >>> pixels.update(torch.tensor([0.5]), torch.tensor([1]))
    >>> round(pixels.average_precision(), 4)  # 1/2 + 2/3 / 2
    0.8333
    """

    def __init__(self, device: str | torch.device = "cpu", *, exact: int = EXACT):
        self.device, self.room = torch.device(device), exact
        self.kept: list[tuple[Tensor, Tensor]] = []  # lesion, background logits
        self.binned = False
        self.pixels = self.lesion = torch.zeros(0, dtype=torch.int64)

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
        flat, lesion = flat.float().to(self.device), lesion.to(self.device)
        self.room -= flat.numel()
        if self.room < 0 and not self.binned:
            self._to_bins()
        if self.binned:
            self._count(flat, lesion)
        else:
            self.kept.append((flat[lesion], flat[~lesion]))

    def _to_bins(self) -> None:
        """Put the pixels kept so far into bins, for good."""
        self.binned = True
        self.pixels = torch.zeros(BINS, dtype=torch.int64, device=self.device)
        self.lesion = torch.zeros_like(self.pixels)
        while self.kept:
            for is_lesion, logits in zip((True, False), self.kept.pop(), strict=True):
                self._count(
                    logits, torch.full_like(logits, is_lesion, dtype=torch.bool)
                )

    def _count(self, flat: Tensor, lesion: Tensor) -> None:
        """Add pixels to their bins."""
        one = self.pixels.new_ones(1)
        for start in range(0, flat.numel(), CHUNK):
            bins = bin_of(flat[start : start + CHUNK])
            marked = bins[lesion[start : start + CHUNK]]
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

        Exact unless `binned`; `bounds` says how far it can be from the exact one.
        """
        if not self.binned:
            return self._exact()
        total = int(self.lesion.sum())
        steps = ((n * (tp / (tp + fp))).sum() for n, _, tp, fp in self._blocks())
        return float(sum(steps) / total) if total else float("nan")

    def _exact(self) -> float:
        """AP of the pixels that were kept."""
        ranked = []
        for each in zip(*self.kept, strict=True):
            ranked.append(torch.cat(each).cpu().numpy())
            ranked[-1].sort()
        return area(*ranked) if ranked else float("nan")

    def bounds(self) -> tuple[float, float]:
        """What AP can be at least and at most, whatever the order inside the bins."""
        if not self.binned:
            return (self._exact(),) * 2
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
