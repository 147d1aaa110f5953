"""Predicted masks in; counts, Dice, IoU, precision, recall, PR curve and AP out.

The four counts of each image are the waist: every convention about empty images and
averaging is applied to them afterwards, without the model. Takes tensors alone;
training, thresholds and pages import it.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from lesionkit.catalogue import IGNORED
from lesionkit.lookup import unknown

__all__ = [
    "average_precision",
    "boundary",
    "calibration",
    "conventions",
    "counts",
    "lesions",
    "pr_curve",
    "scores",
    "streaming",
]

METRICS = ("dice", "iou", "precision", "recall")
AGGREGATIONS = ("image", "pooled")
EMPTY = ("default", "one", "skip", "nan")
Values = ArrayLike | Tensor


def without_channel(values: Values) -> Tensor:
    """A tensor, (N, 1, H, W) turned into (N, H, W) so that both compare."""
    if not isinstance(values, Tensor):  # read-only and reversed arrays are copied
        values = torch.from_numpy(np.require(values, requirements=["C", "W"]))
    return values.squeeze(1) if values.ndim == 4 else values


def binary(name: str, values: Tensor) -> Tensor:
    """`values` as bool, once they are known to be 0 and 1."""
    if values.dtype == torch.bool or not values.numel():
        return values.bool()
    low, high = values.aminmax()
    between = values.is_floating_point() and ((values != 0) & (values != 1)).any()
    if between or low < 0 or high > 1:
        raise ValueError(
            f"{name} values must be 0 or 1, got {low.item():g} to {high.item():g}"
        )
    return values.view(torch.bool) if values.dtype == torch.uint8 else values.bool()


def lesion_and_valid(mask: Tensor, *, ignore: bool) -> tuple[Tensor, Tensor | None]:
    """Where a mask is lesion, and where a pixel counts; None where all do.

    With `ignore` pixels of 255 do not count; a bool mask has none.
    """
    if not ignore or mask.dtype == torch.bool:
        return binary("mask", mask), None
    valid = mask != IGNORED
    return binary("mask", torch.where(valid, mask, 0)), valid


def row_sums(marked: Tensor) -> Tensor:
    """How many are True in each row, (N,) int64; numpy counts bytes 10 times faster."""
    if marked.device.type == "cpu":
        return torch.from_numpy(np.count_nonzero(marked.numpy(), axis=1))
    return marked.sum(1)


def same_shape(
    name: str, values: Tensor | np.ndarray, mask: Tensor | np.ndarray
) -> None:
    """Refuse two shapes that differ: broadcasting would count pixels many times."""
    if values.shape != mask.shape:
        a, b = tuple(values.shape), tuple(mask.shape)
        raise ValueError(f"{name} and mask must have one shape, got {a} and {b}")


def pair(name: str, values: Values, mask: Values) -> tuple[Tensor, Tensor]:
    """Both as tensors of one shape, without the channel."""
    values, mask = without_channel(values), without_channel(mask)
    same_shape(name, values, mask)
    return values, mask


def counts(predicted: Values, mask: Values, *, ignore: bool = False) -> Tensor:
    """True positives, false positives, false negatives, true negatives of each image.

    Args:
        ignore: leave pixels of 255 in the mask out of all four, instead of refusing
            them. An image where all are left out is 0 in all four: undefined.

    Shape:
        predicted: (N, 1, H, W) or (N, H, W), 0 or 1 in any dtype
        mask: the same, 0 background, 1 lesion
        returns: (N, 4) int64: tp, fp, fn, tn

    Raises:
        ValueError: shapes differ or a value is not 0 or 1 (or 255, with `ignore`).

    >>> counts(np.array([[[1, 1, 0, 0]]]), np.array([[[1, 0, 1, 0]]])).tolist()
    [[1, 1, 1, 1]]
    >>> marked, mask = np.array([[[1, 1, 0, 0]]]), np.array([[[1, 255, 1, 0]]])
    >>> counts(marked, mask, ignore=True).tolist()
    [[1, 0, 1, 1]]
    """
    predicted, mask = pair("predicted", predicted, mask)
    if predicted.ndim != 3:
        shape = tuple(predicted.shape)
        raise ValueError(f"predicted must be (N, 1, H, W) or (N, H, W), got {shape}")
    predicted = binary("predicted", predicted).flatten(1)  # (N, H*W)
    mask, valid = lesion_and_valid(mask.flatten(1), ignore=ignore)
    pixels: int | Tensor = mask.shape[1]
    if valid is not None:
        predicted, pixels = predicted & valid, row_sums(valid)
    tp = row_sums(predicted & mask)
    fp, fn = row_sums(predicted) - tp, row_sums(mask) - tp
    return torch.stack((tp, fp, fn, pixels - tp - fp - fn), 1)


def as_table(counts: Values) -> np.ndarray:
    """Counts as an (N, 4) array on the CPU, once no other shape and none below 0."""
    counts = counts.cpu().numpy() if isinstance(counts, Tensor) else np.asarray(counts)
    if counts.ndim != 2 or counts.shape[1] != 4:
        raise ValueError(f"counts must be (N, 4): tp fp fn tn, got {counts.shape}")
    if not (counts >= 0).all():
        raise ValueError("counts must be 0 or more")
    return counts


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, NaN where the whole is 0."""
    nothing = np.full(len(whole), np.nan)
    return np.divide(part, whole, out=nothing, where=whole > 0)


def per_image(counts: Values, empty: str = "default") -> dict[str, np.ndarray]:
    """Dice, IoU, precision and recall of each row of counts, NaN where undefined.

        dice = 2 tp / (2 tp + fp + fn)      iou = tp / (tp + fp + fn)
        precision = tp / (tp + fp)          recall = tp / (tp + fn)

    Mask empty and prediction not: recall is undefined, the others are 0. Prediction
    empty and mask not: precision is undefined, the others are 0. An image of no pixel
    that counts (all four counts 0) has no value, whatever `empty` says.

    Args:
        counts: (N, 4) tp, fp, fn, tn.
        empty: what an image is given whose mask and prediction are both empty:
            "default" Dice and IoU 1, precision and recall NaN; "one" 1 for all four;
            "skip" and "nan" NaN for all four.

    Raises:
        ValueError: counts are not (N, 4) or below 0, or empty is none of the names.

    >>> values = per_image([[1, 1, 2, 0]])
    >>> [round(float(value[0]), 4) for value in values.values()]
    [0.4, 0.25, 0.5, 0.3333]
    """
    if empty not in EMPTY:
        raise unknown("empty", empty, EMPTY)
    table = as_table(counts)
    values = fractions(table)
    for name in {"default": ("dice", "iou"), "one": METRICS}.get(empty, ()):
        values[name][both_empty(table)] = 1.0
    return values


def both_empty(table: np.ndarray) -> np.ndarray:
    """Which rows of counts have pixels, but neither lesion nor prediction; (N,)."""
    return (table[:, :3].sum(1) == 0) & (table[:, 3] > 0)


def fractions(counts: np.ndarray, smoothing: int = 0) -> dict[str, np.ndarray]:
    """The metrics of each row of counts, with a number added above and below."""
    tp, fp, fn, _ = counts.T
    right = (2 * tp, tp, tp, tp)
    wrong = (fp + fn, fp + fn, fp, fn)
    return {
        name: ratio(part + smoothing, part + rest + smoothing)
        for name, part, rest in zip(METRICS, right, wrong, strict=True)
    }


def scores(counts: Values, aggregation: str = "image", empty: str = "default") -> dict:
    """Dice, IoU, precision and recall of a set of images, with what was undefined.

    Args:
        counts: (N, 4) tp, fp, fn, tn.
        aggregation: "image" is the metric of each image, then the mean; "pooled" sums
            the counts over the set first.
        empty: see per_image. An undefined value is left out of the mean and counted;
            with "nan" it makes the mean NaN instead. A mean of nothing is NaN.

    Returns:
        dice, iou, precision, recall as floats; images and both_empty, how many there
        are; undefined, for each metric how many rows (pooled: of one) had no value.

    Raises:
        ValueError: an unknown name, or counts that are not (N, 4) or are below 0.

    Source: the metrics of both papers.
    Chosen: mean over images; eight of nine rows of paper B's Table 1 cannot be pooled.

    >>> three = [[90, 10, 10, 0], [1, 3, 5, 0], [50, 0, 50, 0]]
    >>> round(scores(three)["dice"], 6), round(scores(three, "pooled")["dice"], 6)
    (0.588889, 0.783333)
    """
    if aggregation not in AGGREGATIONS:
        raise unknown("aggregation", aggregation, AGGREGATIONS)
    table = as_table(counts)
    pooled = aggregation == "pooled"
    values = per_image(table.sum(0, keepdims=True) if pooled else table, empty)
    result: dict = {name: mean(values[name], skip=empty != "nan") for name in METRICS}
    result["images"] = len(table)
    result["both_empty"] = int(both_empty(table).sum())
    result["undefined"] = {name: int(np.isnan(values[name]).sum()) for name in METRICS}
    return result


def mean(values: np.ndarray, *, skip: bool) -> float:
    """The mean, without the NaN entries if `skip`; NaN if nothing is left."""
    kept = values[~np.isnan(values)] if skip else values
    return float(kept.mean()) if kept.size else float("nan")


def lesion_and_background(
    probability: Values, mask: Values, *, ignore: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The probabilities of lesion and of background pixels, each sorted upwards."""
    probability, mask = pair("probability", probability, mask)
    if probability.dtype in (torch.float16, torch.bfloat16):
        probability = probability.float()
    if probability.isnan().any():
        raise ValueError("probability holds NaN: its pixels have no order")
    values = probability.detach().cpu().numpy().ravel()
    found, valid = lesion_and_valid(mask, ignore=ignore)
    lesion = found.cpu().numpy().ravel()
    if valid is not None:
        kept = valid.cpu().numpy().ravel()
        values, lesion = values[kept], lesion[kept]
    # two plain sorts are several times faster than one that carries the mask along
    return np.sort(values[lesion]), np.sort(values[~lesion])


def at_least(ranked: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """How many entries of a sorted array reach each threshold."""
    return len(ranked) - np.searchsorted(ranked, thresholds, side="left")


def pr_curve(
    probability: Values, mask: Values, *, ignore: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision and recall of all pixels pooled, at every distinct probability.

    A pixel is marked when its probability is at least the threshold, so equal ones
    enter together. The baseline to draw is mask.mean(), the positive rate.

    Args:
        probability: any shape; only the order counts, so logits do as well.
        mask: the same shape, 0 background, 1 lesion.
        ignore: leave pixels of 255 in the mask out, instead of refusing them.

    Returns:
        precision, recall, thresholds, all of one length, thresholds falling, without a
        made-up end point. Recall is NaN throughout when the mask has no lesion.

    Raises:
        ValueError: shapes differ, a mask value is not 0 or 1, a probability is NaN.

    >>> precision, recall, _ = pr_curve([[0.9, 0.8, 0.7]], [[1, 0, 1]])
    >>> precision.round(4).tolist(), recall.tolist()
    ([1.0, 0.5, 0.6667], [0.5, 0.5, 1.0])
    """
    lesion, background = lesion_and_background(probability, mask, ignore=ignore)
    thresholds = np.unique(np.concatenate((lesion, background)))[::-1]
    tp, fp = at_least(lesion, thresholds), at_least(background, thresholds)
    return ratio(tp, tp + fp), ratio(tp, np.full(len(tp), len(lesion))), thresholds


def average_precision(
    probability: Values, mask: Values, *, ignore: bool = False
) -> float:
    """AP: precision summed over the steps of recall, exact, without interpolation.

        AP = sum over thresholds of (R_n - R_(n-1)) P_n

    over the distinct probabilities of all pixels pooled. NaN when the mask has no
    lesion: AP is undefined there, not 0. Arguments and errors as for pr_curve.

    Source: paper B, Table 1, column AP.
    Chosen: this sum; the trapezoid and fixed thresholds give other numbers.

    >>> round(average_precision([[0.9, 0.8, 0.7]], [[1, 0, 1]]), 4)  # 1/2 + 2/3 / 2
    0.8333
    """
    return area(*lesion_and_background(probability, mask, ignore=ignore))


def area(lesion: np.ndarray, background: np.ndarray) -> float:
    """AP of the probabilities of lesion and background pixels, each sorted upwards."""
    if not lesion.size:
        return float("nan")
    # recall moves only at the probabilities of lesion pixels
    thresholds = np.unique(lesion)[::-1]
    tp, fp = at_least(lesion, thresholds), at_least(background, thresholds)
    return float((np.diff(tp, prepend=0) / len(lesion) * tp / (tp + fp)).sum())
