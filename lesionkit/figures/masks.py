"""What a network says of one image: its mask, its probabilities, where runs differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from matplotlib.figure import Figure

from lesionkit.catalogue import IGNORED
from lesionkit.figures import OVERLAY, blank, draw_errors, draw_image
from lesionkit.figures.pixels import rgb


class Predicted(Protocol):
    """One image and what the networks of one run or several say of it.

    Shape:
        image: (H, W, C) uint8 or uint16
        mask: (H, W) uint8 of 0 and 1; truth likewise, 255 if ignored, or None
        probability, spread: (H, W) float, 0 to 1 and 0 to 0.5
    """

    name: str
    image: np.ndarray
    mask: np.ndarray
    truth: np.ndarray | None
    probability: np.ndarray
    spread: np.ndarray


def of_image(found: Predicted) -> Figure:
    """An image, its predicted mask, the probabilities, and where the runs differ.

    The mask is drawn in the colours of found, too much and missed where there is a
    ground truth, else in one colour. The last panel is there if several runs voted.
    """
    several = bool(found.spread.any())
    figure, (axes,) = blank((9.6, 2.9) if several else (8, 3), 1, 4 if several else 3)
    title = found.name
    if found.truth is not None:
        title += f": {_agreement(found.mask, found.truth)}"
    figure.suptitle(title, fontsize=9)
    draw_image(axes[0], found.image)
    axes[0].set_title("image", fontsize=8)
    draw_mask(axes[1], found)
    axes[1].set_title(f"mask, {found.mask.mean():.1%} of the image", fontsize=8)
    maps = [("probability of lesion", found.probability, 1.0)]
    if several:
        maps.append(("spread of the runs", found.spread, 0.5))
    for axis, (name, values, top) in zip(axes[2:], maps, strict=True):
        drawn = axis.imshow(values, cmap="viridis", vmin=0, vmax=top)
        axis.set_axis_off()
        axis.set_title(name, fontsize=8)
        figure.colorbar(drawn, ax=axis, fraction=0.046)
    return figure


def several_images(found: Sequence[Predicted], columns: int = 6) -> Figure:
    """The masks of several images, without sliders; Dice where it can be told."""
    columns = min(columns, len(found))
    rows = -(-len(found) // columns)
    figure, axes = blank((1.6 * columns, 1.95 * rows), rows, columns)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, each in zip(axes.flat, found, strict=False):
        axis.set_axis_on()
        draw_mask(axis, each)
        told = "" if each.truth is None else _agreement(each.mask, each.truth)
        title = f"{each.name[-22:]}\n{told or f'{each.mask.mean():.1%} marked'}"
        axis.set_title(title, fontsize=7)
    return figure


def draw_mask(axis, found: Predicted) -> None:
    """An image under its mask; found, too much and missed where the truth is known."""
    predicted = found.mask.astype(bool)
    if found.truth is not None:
        draw_errors(axis, found.image, found.truth, predicted=predicted)
        return
    draw_image(axis, found.image)
    layer = np.zeros((*predicted.shape, 4))
    layer[predicted] = (*np.divide(rgb(OVERLAY["found (TP)"]), 255), 0.6)
    axis.imshow(layer)


def _agreement(mask: np.ndarray, truth: np.ndarray) -> str:
    """Dice of a mask in words; 1 where both are empty, as the kit counts it."""
    valid = truth != IGNORED
    if not valid.any():
        return "all ignored"
    mask, truth = mask[valid], truth[valid]
    marked = int(mask.sum() + truth.sum())
    both = int((mask & truth).sum())
    return f"Dice {2 * both / marked if marked else 1:.2f}"
