"""Figures of data sets: what they show, what is in them twice, what a split leaks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lesionkit.catalogue import DATASETS
from lesionkit.figures import blank, draw_image, note
from lesionkit.prepared import Prepared

EXAMPLES = 5


def overview(sets: Mapping[str, Prepared]) -> Figure:
    """A row a data set: images from the smallest to the largest lesion, and counts.

    Source: paper A, Fig. 1 (its examples are chosen; these are at equal steps of
    lesion size).
    """
    figure = blank((1.6 * EXAMPLES + 2.2, 1.72 * len(sets)))
    axes = figure.subplots(len(sets), EXAMPLES, squeeze=False)
    for row, (name, data) in zip(axes, sets.items(), strict=True):
        share = data.index["lesion_share"]
        order = share[share > 0].sort_values(kind="stable").index
        places = np.linspace(0, len(order) - 1, EXAMPLES).round().astype(int)
        for axis, i in zip(row, order[places], strict=True):
            draw_image(axis, data.images[i], data.masks[i])
            axis.set_title(f"{share[i]:.1%}", fontsize=7, pad=2)
        told = f"{name}\n{len(data):,}{_published(name)} images"
        empty = int((share == 0).sum())
        told += f"\n{empty} without lesion" if empty else ""
        row[0].set_ylabel(told, fontsize=8, rotation=0, ha="right")
        row[0].yaxis.set_label_coords(-0.08, 0.3)
    return figure


def _published(name: str) -> str:
    count = DATASETS[name].published_count if name in DATASETS else None
    return f" of {count:,}" if count else ""


def leaks(table: pd.DataFrame) -> Figure:
    """What a split gives away, by image and by group.

    Args:
        table: of `inspection.inspect(...).leakage`.
    """
    figure = blank((6.4, 2.6))
    left, right = figure.subplots(1, 2)
    places = np.arange(len(table))
    left.set_xlabel("test images with a near-copy\nin training, %", fontsize=8)
    says = "Dice by copying the mask of the\nmost similar training image"
    right.set_xlabel(says, fontsize=8)
    shares = (100 * table["leaked_share"], table["copy_nearest_dice"])
    for axis, values in zip((left, right), shares, strict=True):
        drawn = axis.barh(places, values, color="0.6", hatch="//", edgecolor="black")
        axis.bar_label(drawn, fmt="%.2f", padding=3, fontsize=8)
        axis.set_yticks(places, table["split"])
        axis.set_xlim(0, 1.25 * values.max() if values.max() > 0 else 1)
        axis.invert_yaxis()
    return figure


def copies(data: Prepared, pairs: pd.DataFrame, count: int = 5) -> Figure:
    """Pairs of near-copies beside each other, the most alike first.

    Args:
        pairs: of `duplicates.near_pairs` on the set's thumbnails.
        count: how many pairs at most.
    """
    shown = pairs.sort_values("correlation", ascending=False).head(count)
    if shown.empty:
        return note("no two images look the same")
    figure = blank((1.7 * len(shown), 3.9))
    axes = figure.subplots(2, len(shown), squeeze=False)
    both = shown[["first", "second"]].to_numpy()
    for column, pair in zip(axes.T, both, strict=True):
        for axis, i in zip(column, pair, strict=True):
            draw_image(axis, data.images[i], data.masks[i])
            name = data.index["file"][i].rpartition("/")[2]
            axis.set_title(name[-20:], fontsize=7, pad=2)
    return figure
