"""A model and batches to per-image counts, histograms of logits, and scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from lesionkit import masks, metrics
from lesionkit.metrics.lesions import detections
from lesionkit.prepared.loading import Batches
from lesionkit.training.step import autocast

Count = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
THRESHOLDS = {"probability": masks.probability_mask, "raw_mean": masks.raw_mean_mask}

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
        logits: (N, H, W) float32.
        mask: (N, H, W) bool, the ground truth; uint8 with 255 for ignored pixels if
            the data set has some.
        lesions: threshold name to columns (N,) lesions, lesions_found, false_lesions.
    """

    positions: np.ndarray
    counts: dict[str, np.ndarray]
    lesion: np.ndarray
    background: np.ndarray
    extent: np.ndarray
    logits: np.ndarray
    mask: np.ndarray
    lesions: dict[str, dict[str, np.ndarray]]

    def summary(self, chosen: np.ndarray | slice = slice(None)) -> dict[str, Any]:
        """The scores of metrics.json: per threshold, image and pooled; and AP.

        `chosen`, (N,) bool, says which images count; by default all.
        """
        report: dict[str, Any] = {"images": len(self.positions[chosen])}
        for threshold, counts in self.counts.items():
            report[threshold] = {
                aggregation: metrics.scores(counts[chosen], aggregation=aggregation)
                for aggregation in metrics.AGGREGATIONS
            }
        logits, mask = map(torch.from_numpy, (self.logits[chosen], self.mask[chosen]))
        # a mask is bool, which has nothing to ignore, unless its data set has
        report["average_precision"] = metrics.average_precision(
            logits, mask, ignore=True
        )
        return report

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
    model: nn.Module, batches: Batches, *, scoring: str, dtype: str = "float32"
) -> Evaluation:
    """Everything a run record keeps of a model on one part of a split.

    Args:
        scoring: "every_image" or "full_batches".
        dtype: "float32", or "bfloat16" for autocast.
    """
    model.eval()
    counts: dict[str, list[np.ndarray]] = {name: [] for name in THRESHOLDS}
    every_marked: dict[str, list[np.ndarray]] = {name: [] for name in THRESHOLDS}
    positions, all_logits, all_masks = [], [], []
    for image, mask, where in batches.in_order(scoring):
        logits = _logits(model, image, dtype)
        for name, rule in THRESHOLDS.items():
            marked = rule(logits)
            found = metrics.counts(marked, mask, ignore=batches.ignore)
            counts[name].append(found.cpu().numpy())
            every_marked[name].append(_flat(marked))
        positions.append(where.numpy())
        all_logits.append(logits[:, 0].cpu().numpy())
        all_masks.append(_flat(mask))
    logits, every_mask = np.concatenate(all_logits), np.concatenate(all_masks)
    lesion, background = histograms(logits, every_mask)
    flat = logits.reshape(len(logits), -1).astype(np.float64)
    return Evaluation(
        positions=np.concatenate(positions),
        counts={name: np.concatenate(parts) for name, parts in counts.items()},
        lesion=lesion,
        background=background,
        extent=np.stack([flat.min(1), flat.max(1), flat.mean(1)], axis=1),
        logits=logits,
        mask=every_mask,
        lesions={
            name: detections(np.concatenate(parts), every_mask, ignore=batches.ignore)
            for name, parts in every_marked.items()
        },
    )


def _flat(mask: torch.Tensor) -> np.ndarray:
    return mask[:, 0].cpu().numpy()  # (N, H, W)


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


def figure_sample(masks_of_part: np.ndarray, count: int = 8) -> np.ndarray:
    """Which images' logits are kept for figures: evenly spaced by lesion size.

    Of the images (N, H, W), ordered by lesion pixels (then by position), the positions
    of `count` at equal distances, the smallest and the largest lesion among them.
    """
    sizes = (masks_of_part == 1).sum((1, 2), dtype=np.int64)
    order = np.argsort(sizes, kind="stable")
    count = min(count, len(order))
    return order[np.linspace(0, len(order) - 1, count).round().astype(int)]


def _logits(model: nn.Module, image: torch.Tensor, dtype: str) -> torch.Tensor:
    with autocast(image.device, dtype):
        return model(image).float()
