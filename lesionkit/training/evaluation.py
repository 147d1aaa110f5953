"""A model and batches to per-image counts, histograms of logits, and scores.

It goes batch after batch: of an image some hundred numbers are kept, and its logits
only where they are asked for. So memory does not grow with the size of a data set.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from lesionkit import masks, metrics
from lesionkit.metrics.lesions import detections
from lesionkit.metrics.streaming import EXACT, PrecisionRecall
from lesionkit.prepared.loading import Batches
from lesionkit.training.step import autocast

Count = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
THRESHOLDS = {"probability": masks.probability_mask, "raw_mean": masks.raw_mean_mask}
AHEAD = 2  # batches of logits that may wait for the host
Masks = dict[str, np.ndarray]  # threshold name to (B, H, W), 0 or 1

# Edges of the 256 bins of a logit histogram: 2 sinh(t), t in 256 equal steps from -4.16
# to 4.16. So 0 (probability 0.5) is an edge, bins are 0.065 wide there, 0.17 at a logit
# of 5, and the outer edges are +-64; what lies beyond them counts in the outer bins.
BIN_EDGES = 2.0 * np.sinh(np.linspace(-4.16, 4.16, 257))
BIN_EDGES[128] = 0.0


@dataclass(frozen=True)
class Evaluation:
    """What a model did on the scored images of one part of a split.

    Attributes:
        positions: (N,) of the images in the arrays of the data set.
        counts: threshold name to (N, 4) tp, fp, fn, tn.
        lesion, background: (N, 256) pixels of each class by logit bin.
        extent: (N, 3) min, max and mean of the raw logits of each image.
        lesions: threshold name to columns (N,) lesions, lesions_found, false_lesions.
        precision: stratum to the AP of its images, as metrics.json has it; "" is that
            of all.
        strata: (N,) the stratum of each image, "" where it has none.
        logits: (K, H, W) float32 of the images that were asked for, in that order.
    """

    positions: np.ndarray
    counts: dict[str, np.ndarray]
    lesion: np.ndarray
    background: np.ndarray
    extent: np.ndarray
    lesions: dict[str, dict[str, np.ndarray]]
    precision: dict[str, dict[str, Any]]
    strata: np.ndarray
    logits: np.ndarray

    def summary(self, stratum: str = "") -> dict[str, Any]:
        """The scores of metrics.json: per threshold, image and pooled; and AP.

        AP is exact up to 2**25 pixels. With more it comes from bins, and
        average_precision_bounds says between which values the exact one lies.

        Args:
            stratum: score its images alone.
        """
        chosen = self.strata == stratum if stratum else np.full(len(self.strata), True)
        report: dict[str, Any] = {"images": int(chosen.sum())}
        for threshold, counts in self.counts.items():
            report[threshold] = {
                aggregation: metrics.scores(counts[chosen], aggregation=aggregation)
                for aggregation in metrics.AGGREGATIONS
            }
        return report | self.precision[stratum]

    def marked(self) -> dict[str, Any]:
        """What is marked on images that have no lesion, per threshold."""
        report: dict[str, Any] = {"images": len(self.positions)}
        for threshold, counts in self.counts.items():
            false = counts[:, 1]
            report[threshold] = {
                "images_marked": int((false > 0).sum()),
                "pixels_marked": int(false.sum()),
                "share_marked": float(false.sum() / counts.sum()),
            }
        return report


@torch.no_grad()
def validation_counts(
    model: nn.Module,
    batches: Batches,
    *,
    scoring: str,
    dtype: str = "float32",
    count: Count | None = None,
) -> torch.Tensor:
    """Counts of every image at probability 0.5, (N, 4), still on the device.

    `count` does what `counter` of the same model does, as a CUDA graph may be.
    """
    model.eval()
    count = count or counter(model, dtype, ignore=batches.ignore)
    found = [count(image, mask) for image, mask, _ in batches.in_order(scoring)]
    return torch.cat(found)


def counter(model: nn.Module, dtype: str, *, ignore: bool) -> Count:
    """What counts a batch at probability 0.5: image and mask to (B, 4)."""

    @torch.no_grad()
    def count(image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        marked = masks.probability_mask(_logits(model, image, dtype)).bool()
        return metrics.counts(marked, mask, ignore=ignore)

    return count


@torch.no_grad()
def evaluate(
    model: nn.Module,
    batches: Batches,
    *,
    scoring: str,
    dtype: str = "float32",
    strata: np.ndarray | None = None,
    keep: Iterable[int] = (),
) -> Evaluation:
    """Everything a run record keeps of a model on one part of a split.

    The host looks at the logits of a batch in a thread, while the device works on the
    next one.

    Args:
        scoring: "every_image" or "full_batches".
        dtype: "float32", or "bfloat16" for autocast.
        strata: (images of the data set,) the stratum of each, "" for none.
        keep: positions of the images whose logits are wanted.
    """
    model.eval()
    scored = batches.positions[: batches.scored(scoring)].numpy()
    its_strata = np.full(len(scored), "") if strata is None else strata[scored]
    look = _Look(batches, scored, its_strata, [int(place) for place in keep])
    found: list[dict[str, np.ndarray]] = []
    waiting: deque = deque()
    with ThreadPoolExecutor(1) as thread:  # one: batches stay in their order
        for image, mask, where in batches.in_order(scoring):
            logits = _logits(model, image, dtype)
            marked = {name: rule(logits) for name, rule in THRESHOLDS.items()}
            flat = {name: _flat(each) for name, each in marked.items()}
            counts = {
                name: metrics.counts(each, mask, ignore=batches.ignore).cpu().numpy()
                for name, each in marked.items()
            }
            given = (where.numpy(), _flat(logits), _flat(mask), flat, counts)
            waiting.append(thread.submit(look, *given))
            if len(waiting) > AHEAD:
                found.append(waiting.popleft().result())
        found += [each.result() for each in waiting]
    columns = {n: np.concatenate([each[n] for each in found]) for n in found[0]}
    return look.evaluation(columns)


class _Look:
    """What the host finds in the logits of each batch, and keeps of all of them."""

    def __init__(
        self, batches: Batches, scored: np.ndarray, strata: np.ndarray, keep: list[int]
    ) -> None:
        self.ignore, self.scored, self.strata = batches.ignore, scored, strata
        self.stratum_of = dict(zip(scored.tolist(), strata.tolist(), strict=True))
        self.pixels = {"": PrecisionRecall()}
        names = sorted(set(strata.tolist()) - {""})
        # together they keep no more than all images do
        self.pixels |= {n: PrecisionRecall(exact=EXACT // len(names)) for n in names}
        self.slots = {place: slot for slot, place in enumerate(keep)}
        shape = batches.store.masks.shape[1:]
        self.logits = np.empty((len(keep), *shape), np.float32)

    def __call__(
        self,
        where: np.ndarray,
        logits: np.ndarray,
        mask: np.ndarray,
        marked: Masks,
        counts: dict[str, np.ndarray],
    ) -> dict[str, np.ndarray]:
        """The columns of a batch, a row an image; its pixels count towards AP."""
        self._count_pixels(where, logits, mask)
        for place, its_logits in zip(where.tolist(), logits, strict=True):
            if place in self.slots:
                self.logits[self.slots[place]] = its_logits
        lesion, background = histograms(logits, mask)
        flat = logits.reshape(len(logits), -1).astype(np.float64)
        extent = np.stack([flat.min(1), flat.max(1), flat.mean(1)], axis=1)
        columns = {"lesion": lesion, "background": background, "extent": extent}
        for name, its_mask in marked.items():
            columns[f"{name} counts"] = counts[name]
            found = detections(its_mask, mask, ignore=self.ignore)
            columns |= {f"{name} {column}": of for column, of in found.items()}
        return columns

    def _count_pixels(
        self, where: np.ndarray, logits: np.ndarray, mask: np.ndarray
    ) -> None:
        """Add a batch to the AP of all images and of its strata."""
        strata = np.array([self.stratum_of[place] for place in where.tolist()])
        for name, pixels in self.pixels.items():
            chosen = strata == name if name else np.full(len(strata), True)
            some = (torch.from_numpy(each[chosen]) for each in (logits, mask))
            # a mask is bool, which has nothing to ignore, unless its data set has
            pixels.update(*some, ignore=True)

    def evaluation(self, columns: dict[str, np.ndarray]) -> Evaluation:
        """All of it, once every batch was looked at."""
        of_images = ("lesions", "lesions_found", "false_lesions")
        return Evaluation(
            positions=self.scored,
            counts={name: columns[f"{name} counts"] for name in THRESHOLDS},
            lesion=columns["lesion"],
            background=columns["background"],
            extent=columns["extent"],
            lesions={
                t: {n: columns[f"{t} {n}"] for n in of_images} for t in THRESHOLDS
            },
            precision={n: _precision(pixels) for n, pixels in self.pixels.items()},
            strata=self.strata,
            logits=self.logits,
        )


def _precision(pixels: PrecisionRecall) -> dict[str, Any]:
    """AP for metrics.json, with its bounds where it is not exact."""
    report: dict[str, Any] = {"average_precision": pixels.average_precision()}
    if pixels.binned:
        report["average_precision_bounds"] = list(pixels.bounds())
    return report


def _flat(maps: torch.Tensor) -> np.ndarray:
    return maps[:, 0].cpu().numpy()  # (N, H, W)


def histograms(logits: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of the lesion and of the background by logit bin; ignored ones in none.

    Shape:
        logits, mask: (N, H, W)
        returns: two arrays (N, 256) uint32; a bin holds its lower edge
    """
    count = len(BIN_EDGES) - 1
    inner = BIN_EDGES[1:-1].astype(np.float32)
    both = np.zeros((2, len(logits), count), np.uint32)
    for i in range(len(logits)):
        bins = np.searchsorted(inner, logits[i], side="right")
        for k, chosen in enumerate((mask[i] == 1, mask[i] == 0)):
            both[k, i] = np.bincount(bins[chosen], minlength=count)
    return both[0], both[1]


def figure_sample(
    masks_of_set: np.ndarray, positions: np.ndarray, count: int = 8
) -> np.ndarray:
    """Which images' logits are kept for figures: evenly spaced by lesion size.

    Of the images at `positions`, ordered by lesion pixels (then by their place there),
    the positions of `count` at equal distances, the smallest and the largest lesion
    among them.

    Shape:
        masks_of_set: (N, H, W), 1 is lesion
    """
    sizes = [np.count_nonzero(masks_of_set[place] == 1) for place in positions]
    order = np.argsort(sizes, kind="stable")
    count = min(count, len(order))
    return positions[order[np.linspace(0, len(order) - 1, count).round().astype(int)]]


def _logits(model: nn.Module, image: torch.Tensor, dtype: str) -> torch.Tensor:
    with autocast(image.device, dtype):
        return model(image).float()
