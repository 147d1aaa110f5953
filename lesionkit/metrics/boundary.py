"""Distances between outlines, by MONAI (`pip install lesionkit[boundary]`)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import torch

from lesionkit.extras import install
from lesionkit.metrics import Values, binary, counts, mean, without_channel


def per_image(
    predicted: Values,
    mask: Values,
    *,
    tolerance: float = 2.0,
    spacing: float | Sequence[float] = 1.0,
) -> dict[str, np.ndarray]:
    """Hausdorff distance at 95 % and normalised surface Dice of each image.

        hausdorff95: the larger of both directions' 95th percentile of the distances
            from one outline's pixels to the other outline
        surface_dice: the share of both outlines that is within `tolerance` of the other

    Pixels of 255 in a mask cannot be left out: where an outline runs among them is not
    known. They are refused.

    Both empty: surface_dice 1, hausdorff95 undefined. One of them empty: surface_dice
    0, hausdorff95 undefined (a distance to nothing). Undefined is NaN, never 0.

    Args:
        predicted, mask: (N, 1, H, W) or (N, H, W), 0 or 1 in any dtype.
        tolerance: in units of the spacing; pixels unless it is given.
        spacing: of the pixels, one number or (rows, columns).

    Returns:
        hausdorff95, surface_dice: (N,) float64 each.

    Raises:
        ImportError: MONAI is not installed; the text says how to.
        ValueError: shapes differ, a value is not 0 or 1, tolerance is below 0.

    Source: Maier-Hein et al., "Metrics reloaded", 2024; in neither paper.
    """
    if not tolerance >= 0:
        raise ValueError(f"tolerance must be 0 or more, got {tolerance!r}")
    tp, fp, fn, _ = counts(predicted, mask).T.cpu().numpy()  # checks both
    has_prediction, has_lesion = tp + fp > 0, tp + fn > 0
    found = {
        "hausdorff95": np.full(len(tp), np.nan),
        "surface_dice": np.where(has_prediction == has_lesion, 1.0, 0.0),
    }
    present = has_prediction & has_lesion
    if not present.any():
        return found
    try:
        from monai.metrics import compute_hausdorff_distance, compute_surface_dice
    except ImportError as error:
        needs = f"boundary metrics need MONAI: {install('boundary')}"
        raise ImportError(needs) from error
    chosen = torch.from_numpy(present)
    both = [binary("map", without_channel(each)).cpu() for each in (predicted, mask)]
    marked, lesion = (each[chosen][:, None].float() for each in both)  # (n, 1, H, W)
    options = {"include_background": True, "spacing": spacing}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of MONAI about its own calls
        distances = compute_hausdorff_distance(marked, lesion, percentile=95, **options)
        dice = compute_surface_dice(marked, lesion, [tolerance], **options)
    found["hausdorff95"][present] = distances[:, 0].double()
    found["surface_dice"][present] = dice[:, 0].double()
    return found


def scores(
    predicted: Values,
    mask: Values,
    *,
    tolerance: float = 2.0,
    spacing: float | Sequence[float] = 1.0,
) -> dict[str, object]:
    """The means of per_image over the images where each is defined.

    Arguments and errors as for per_image.

    Returns:
        hausdorff95, surface_dice: floats, NaN if no image has one; undefined: how many
        images had none, for each.
    """
    found = per_image(predicted, mask, tolerance=tolerance, spacing=spacing)
    result: dict = {name: mean(values, skip=True) for name, values in found.items()}
    result["undefined"] = {n: int(np.isnan(v).sum()) for n, v in found.items()}
    return result
