"""The same predictions scored under every known convention.

Two papers can differ by their protocol alone. `table` takes the logits of one network
on one set of images and says what each convention makes of them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from torch import Tensor

from lesionkit import masks, metrics
from lesionkit.metrics import Values

THRESHOLDS = np.arange(256) / 255  # of the saliency protocols
HEADLINE = "mean over images"


def table(
    logits: Values, mask: Values, *, batch_size: int = 8, ignore: bool = False
) -> pd.DataFrame:
    """One line a convention: what it reports for these predictions.

    Args:
        logits: (N, 1, H, W) or (N, H, W) float, before the sigmoid.
        mask: the same, 0 background, 1 lesion.
        batch_size: of the conventions that score batches.
        ignore: leave pixels of 255 in the mask out, instead of refusing them. What
            looks at a whole image first (its raw mean, its least and largest
            probability) looks at all of its pixels.

    Returns:
        Columns dice, iou, precision, recall and dice_gap, the Dice minus that of the
        headline (probability 0.5, mean over images, both empty 1); the index says the
        convention. NaN where a convention has no such value.

    Raises:
        ValueError: shapes differ, a mask value is not 0 or 1, batch_size below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be 1 or more, got {batch_size!r}")
    logits, mask = metrics.without_channel(logits), metrics.without_channel(mask)
    counts = metrics.counts(masks.probability_mask(logits), mask, ignore=ignore)
    counts = counts.cpu().numpy()
    rows = of_counts(counts, batch_size)
    raw_mean = metrics.counts(masks.raw_mean_mask(logits), mask, ignore=ignore)
    rows["cut at the raw mean of each image"] = over_images(raw_mean.cpu().numpy())
    rows |= of_probabilities(logits.float().sigmoid(), mask, ignore=ignore)
    found = pd.DataFrame(rows, index=list(metrics.METRICS)).T
    found["dice_gap"] = found["dice"] - found["dice"][HEADLINE]
    return found


def of_counts(counts: np.ndarray, batch_size: int) -> dict[str, dict[str, float]]:
    """The conventions that need no more than (N, 4) counts at one cut."""
    full = len(counts) // batch_size
    whole = counts[: full * batch_size]
    means = over_images(counts)
    total = counts.sum(0, keepdims=True)
    scored = counts[counts.sum(1) > 0]  # without images that are ignored as a whole
    # the last batch may be smaller
    batches = np.add.reduceat(counts, np.arange(0, len(counts), batch_size))
    return {
        HEADLINE: means,
        "pooled over the set": over_images(total),
        "pooled by batch, mean of batches": over_images(batches),
        "pooled by batch, incomplete batch dropped": over_images(batches[:full]),
        "mean over images, incomplete batch dropped": over_images(whole),
        "mean with background, over images": both_classes(counts),
        "mean with background, pooled": both_classes(total),
        "F1 of mean precision and mean recall": harmonic(means),
        "both empty: left out": over_images(counts, empty="skip"),
        "both empty: 1 for all four": over_images(counts, empty="one"),
        "undefined: 0": means_of(
            {k: np.nan_to_num(v) for k, v in metrics.fractions(scored).items()}
        ),
        # as many notebooks have it
        "smoothing 1 on both sides": means_of(metrics.fractions(scored, smoothing=1)),
    }


def over_images(counts: np.ndarray, empty: str = "default") -> dict[str, float]:
    """The metric of each row, then the mean of those that have one."""
    return means_of(metrics.per_image(counts, empty))


def means_of(values: dict[str, np.ndarray]) -> dict[str, float]:
    """The mean of each metric over the images that have one."""
    return {key: metrics.mean(v, skip=True) for key, v in values.items()}


def both_classes(counts: np.ndarray) -> dict[str, float]:
    """The mean of the lesion's and the background's metrics."""
    lesion, background = over_images(counts), over_images(counts[:, ::-1])
    return {key: (lesion[key] + background[key]) / 2 for key in lesion}


def harmonic(means: dict[str, float]) -> dict[str, float]:
    """Dice as the F1 of the mean precision and the mean recall; IoU from that Dice."""
    p, r = means["precision"], means["recall"]
    dice = 2 * p * r / (p + r) if p + r else float("nan")
    return {"dice": dice, "iou": dice / (2 - dice), "precision": p, "recall": r}


def of_probabilities(
    probability: Tensor, mask: Tensor, *, ignore: bool = False
) -> dict[str, dict[str, float]]:
    """The conventions that look at the probabilities (N, H, W) themselves."""
    low = probability.amin((1, 2), keepdim=True)
    high = probability.amax((1, 2), keepdim=True)
    # each image from 0 to 1; a constant map becomes 0
    stretched = (probability - low) / (high - low).clamp(min=1e-8)
    at_half = metrics.counts(stretched >= 0.5, mask, ignore=ignore).cpu().numpy()
    swept = counts_by_threshold(stretched, mask, ignore=ignore)
    plain = counts_by_threshold(probability, mask, ignore=ignore)
    return {
        "min-max stretched, cut 0.5": over_images(at_half),
        "min-max stretched, mean over 256 thresholds": over_thresholds(swept, np.mean),
        "min-max stretched, best of 256 thresholds": over_thresholds(swept, np.max),
        "mean over 256 thresholds": over_thresholds(plain, np.mean),
        "best of 256 thresholds": over_thresholds(plain, np.max),
        "soft, without a cut": soft(probability, mask, ignore=ignore),
    }


def counts_by_threshold(
    probability: Tensor, mask: Tensor, *, ignore: bool = False
) -> np.ndarray:
    """Counts (256, N, 4) of probability >= k / 255; at k = 0 all is marked."""
    tables = []
    for values, one_mask in zip(probability, mask, strict=True):
        bins = np.searchsorted(THRESHOLDS, values.double().cpu().numpy(), "right") - 1
        lesion, valid = metrics.lesion_and_valid(one_mask, ignore=ignore)
        background = ~lesion if valid is None else ~lesion & valid
        tp, fp = (
            np.bincount(bins[chosen.cpu().numpy()], minlength=256)[::-1].cumsum()[::-1]
            for chosen in (lesion, background)
        )
        tables.append(np.stack([tp, fp, tp[0] - tp, fp[0] - fp], 1))
    return np.stack(tables, 1)


def over_thresholds(counts: np.ndarray, pick: Callable) -> dict[str, float]:
    """The mean over images at each threshold, then `pick` over the thresholds.

    The best precision and the best recall say nothing: some threshold always has 1.
    """
    each = pd.DataFrame([over_images(at_one) for at_one in counts])
    names = metrics.METRICS if pick is np.mean else ("dice", "iou")
    return {name: float(pick(each[name].dropna())) for name in names}


def soft(
    probability: Tensor, mask: Tensor, *, ignore: bool = False
) -> dict[str, float]:
    """Sums of probabilities in place of counts, then the mean over images."""
    lesion, valid = metrics.lesion_and_valid(mask.flatten(1), ignore=ignore)
    p, y = probability.double().flatten(1), lesion.double()
    p = p if valid is None else p * valid
    both, marked, lesion = (p * y).sum(1), p.sum(1), y.sum(1)
    found = {
        "dice": 2 * both / (marked + lesion),
        "iou": both / (marked + lesion - both),
        "precision": both / marked,
        "recall": both / lesion,
    }
    return means_of({key: value.cpu().numpy() for key, value in found.items()})
