"""Tables and arrays in, matplotlib figures out; colours that all eyes can tell apart.

This file has the figures of data sets and runs, and what several figures share.
Thresholds, pages, commands and notebooks import it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from lesionkit.catalogue import DATASETS
from lesionkit.prepared import Prepared
from lesionkit.prepared.preparing import kept_places
from lesionkit.records.runs import RunRecord

__all__ = [
    "BLUE",
    "GREEN",
    "ORANGE",
    "OVERLAY",
    "PINK",
    "TRUTH",
    "copies",
    "ct",
    "draw_errors",
    "draw_image",
    "examples",
    "history",
    "leaks",
    "lesion_shares",
    "losses",
    "masks",
    "note",
    "overview",
    "pixels",
    "predictions",
    "ranking",
    "runs",
    "stored_dice",
    "thresholds",
    "tight",
    "with_legend",
]

# Okabe and Ito's palette (2008), safe for colour-blind readers.
BLUE, GREEN, ORANGE, SKY = "#0072B2", "#009E73", "#D55E00", "#56B4E9"
AMBER, PINK = "#E69F00", "#CC79A7"
GROUP_COLOURS = {"region": BLUE, "distribution": AMBER, "compound": PINK}
OVERLAY = {"found (TP)": GREEN, "too much (FP)": ORANGE, "missed (FN)": SKY}
TRUTH = "#F0E442"


def examples(data: Prepared, positions: Sequence[int], titles: Sequence[str]) -> Figure:
    """Images of a data set with the outline of their ground truth.

    Args:
        data: an opened data set.
        positions: which images, by their position in the arrays.
        titles: a line above each image.
    """
    columns = min(len(positions), 6)
    rows = -(-len(positions) // columns)
    size = (2.1 * columns, 2.35 * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, position, title in zip(axes.flat, positions, titles, strict=False):
        draw_image(axis, data.images[position], data.masks[position])
        axis.set_title(title, fontsize=8)
    return tight(figure)


def lesion_shares(shares: Mapping[str, pd.Series]) -> Figure:
    """How large the lesions of each data set are, as cumulative curves.

    Args:
        shares: data set name to the lesion share of each image, 0 to 1.
    """
    figure, axis = plt.subplots(figsize=(6.4, 3.4))
    for name, values in shares.items():
        ordered = np.sort(values.to_numpy())
        level = np.arange(1, len(ordered) + 1) / len(ordered)
        axis.step(100 * ordered, 100 * level, where="post", label=name)
    axis.axvline(5, color="grey", lw=0.8, ls=":")
    axis.set(xscale="symlog", xlabel="lesion share of the image, %", ylim=(0, 100))
    ticks = (0, 1, 2, 5, 10, 20, 50, 100)
    axis.set_xticks(ticks, [str(tick) for tick in ticks])
    axis.set_xlim(0, 100)
    axis.set_ylabel("images with at most this, %")
    axis.legend(frameon=False, fontsize=8)
    return tight(figure)


def overview(sets: Mapping[str, Prepared], count: int = 5) -> Figure:
    """A row a data set: images from the smallest to the largest lesion, and counts.

    Source: paper A, Fig. 1 (its examples are chosen; these are at equal steps of
    lesion size).
    """
    figure, axes = blank((1.6 * count + 2.2, 1.72 * len(sets)), len(sets), count)
    for row, (name, data) in zip(axes, sets.items(), strict=True):
        share = data.index["lesion_share"]
        order = share[share > 0].sort_values(kind="stable").index
        places = np.linspace(0, len(order) - 1, count).round().astype(int)
        for axis, i in zip(row, order[places], strict=True):
            draw_image(axis, data.images[i], data.masks[i])
            axis.set_title(f"{share[i]:.1%}", fontsize=7, pad=2)
        all_of = DATASETS[name].published_count if name in DATASETS else None
        told = f"{name}\n{len(data):,}{f' of {all_of:,}' if all_of else ''} images"
        empty = int((share == 0).sum())
        told += f"\n{empty} without lesion" if empty else ""
        row[0].set_ylabel(told, fontsize=8, rotation=0, ha="right")
        row[0].yaxis.set_label_coords(-0.08, 0.3)
    return figure


def leaks(table: pd.DataFrame) -> Figure:
    """What a split gives away, by image and by group.

    Where no test image has a near-copy, that is said instead of drawn.

    Args:
        table: of `inspection.inspect(...).leakage`.
    """
    leaked, copied = 100 * table["leaked_share"], table["copy_nearest_dice"]
    shown = {
        "test images with a near-copy\nin training, %": leaked,
        "Dice by copying the mask of the\nmost similar training image": copied,
    }
    without = not (leaked > 0).any()
    if without:
        del shown[next(iter(shown))]
    figure, (axes,) = blank((6.4, 2.6), columns=len(shown))
    if without:
        figure.suptitle("no test image has a near-copy in training", fontsize=9)
    places = np.arange(len(table))
    for axis, (says, values) in zip(axes, shown.items(), strict=True):
        axis.set_xlabel(says, fontsize=8)
        drawn = axis.barh(places, values, color="0.6", hatch="//", edgecolor="black")
        axis.bar_label(drawn, fmt="%.2f", padding=3, fontsize=8)
        axis.set_yticks(places, table["split"])
        axis.set_xlim(0, 1.25 * values.max() if values.max() > 0 else 1)
        axis.invert_yaxis()
    return figure


def copies(data: Prepared, pairs: pd.DataFrame, count: int = 5) -> Figure:
    """Pairs of images below each other, the most alike first, and how alike they are.

    Args:
        pairs: of `duplicates.near_pairs` on the set's thumbnails.
        count: how many pairs at most.
    """
    shown = pairs.sort_values("correlation", ascending=False).head(count)
    if shown.empty:
        return note("no two images look the same")
    figure, axes = blank((1.7 * len(shown), 3.9), 2, len(shown))
    places = shown[["first", "second"]].to_numpy()
    for column, row, ends in zip(axes.T, shown.itertuples(), places, strict=True):
        told = f"correlation {row.correlation:.2f}, {row.distance} bits"
        column[1].set_xlabel(told, fontsize=7)
        for axis, i in zip(column, ends, strict=True):
            draw_image(axis, data.images[i], data.masks[i])
            name = data.index["file"][i].rpartition("/")[2]
            axis.set_title(name[-20:], fontsize=7, pad=2)
    return figure


def history(record: RunRecord) -> Figure:
    """Training loss and validation Dice over the epochs of a run."""
    table = record.history
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
    left.plot(table["epoch"], table["train_loss"], color="black")
    left.set(xlabel="epoch", ylabel="training loss")
    right.plot(table["epoch"], table["validation_dice"], color="black")
    best = record.metrics["best_epoch"]
    right.axvline(best, color=ORANGE, lw=1, label=f"best epoch, {best}")
    right.set(xlabel="epoch", ylabel="validation Dice", ylim=(0, 1))
    right.legend(frameon=False, loc="lower center")
    for axis in (left, right):
        axis.locator_params(axis="x", integer=True)
    return tight(figure)


def predictions(records: Mapping[str, RunRecord], data: Prepared | None) -> Figure:
    """The same test images under several runs, with what each found and missed.

    The images are those whose logits the records keep: evenly spaced by lesion size,
    smallest first. Under each panel stands the Dice of the stored counts. A row an
    image, a column a run; the other way round for one run or two.

    Args:
        records: column title to run; all of one data set and one split.
        data: the prepared data set of these runs.

    Raises:
        ValueError: the runs keep different images.
    """
    if not records or data is None:
        return note("no run records stand behind this table: no images to show")
    kept = {title: record.arrays("logits") for title, record in records.items()}
    where = [kept_places(record, data) for record in records.values()]
    positions = where[0]
    if any(not np.array_equal(each, positions) for each in where):
        raise ValueError("the runs keep different test images: take one split")
    across = len(records) < 3  # few runs: the images stand side by side
    shape = (len(positions), len(records) + 1)
    rows, columns = shape[::-1] if across else shape
    size = (1.5 * columns, 1.62 * rows + 0.5)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    axes = axes.T if across else axes
    for row, position in enumerate(positions):
        image, mask = data.images[position], data.masks[position]
        draw_image(axes[row, 0], image, mask)
        for column, (title, record) in enumerate(records.items(), 1):
            predicted = kept[title]["logits"][row] >= 0
            panel = axes[row, column]
            draw_errors(panel, image, mask, predicted=predicted)
            dice = stored_dice(record, data.index["file"][position], "probability")
            panel.set_xlabel(f"Dice {dice:.2f}", fontsize=7, labelpad=1)
    for axis, title in zip(axes[0], ["ground truth", *records], strict=True):
        (axis.set_ylabel if across else axis.set_title)(title, fontsize=8)
    return with_legend(figure)


def thresholds(
    record: RunRecord | None, data: Prepared | None, count: int = 4
) -> Figure:
    """Masks by probability 0.5 beside masks by the mean of the raw output.

    Source: paper A, Fig. 3 (its images are chosen cases; these are by lesion size).
    """
    if record is None or data is None:
        return note("no run record stands behind this table: no images to show")
    kept, places = record.arrays("logits"), kept_places(record, data)
    rows = np.linspace(0, len(places) - 1, count).round().astype(int)
    figure, axes = plt.subplots(3, count, figsize=(1.9 * count, 6.3), squeeze=False)
    for column, row in enumerate(rows):
        position, logits = places[row], kept["logits"][row].astype(float)
        file = data.index["file"][position]
        image, mask = data.images[position], data.masks[position]
        draw_image(axes[0, column], image, mask)
        cuts = {"probability": logits >= 0, "raw_mean": logits > logits.mean()}
        for line, (name, predicted) in enumerate(cuts.items(), 1):
            panel = axes[line, column]
            draw_errors(panel, image, mask, predicted=predicted)
            dice = stored_dice(record, file, name)
            label = f"marks {predicted.mean():.0%}, Dice {dice:.2f}"
            panel.set_xlabel(label, fontsize=7, labelpad=1)
    names = ("ground truth", "probability 0.5", "raw mean")
    for axis, name in zip(axes[:, 0], names, strict=True):
        axis.set_ylabel(name, fontsize=8)
    return with_legend(figure)


def stored_dice(record: RunRecord, file: str, threshold: str) -> float:
    """Dice of one test image as the record has it; NaN if it was not scored."""
    table = record.images
    row = table[(table["file"] == file) & (table["threshold"] == threshold)]
    return float(row["dice"].iloc[0]) if len(row) else float("nan")


def note(text: str) -> Figure:
    """A line of text where there is nothing to draw."""
    figure, axis = plt.subplots(figsize=(6.4, 0.8))
    axis.text(0.5, 0.5, text, ha="center", va="center")
    axis.axis("off")
    return tight(figure)


def draw_image(axis: Axes, image: np.ndarray, mask: np.ndarray | None = None) -> None:
    """An image (H, W, C) of 8 or 16 bits, without ticks; its lesion's outline, if any.

    Of a mask with ignored pixels (255) the outline is that of the lesion alone.
    """
    shown = image / np.iinfo(image.dtype).max
    axis.imshow(shown.squeeze(), cmap="gray", vmin=0, vmax=1)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)
    if mask is not None and 0 < (lesion := mask == 1).mean() < 1:
        axis.contour(lesion, levels=[0.5], colors=[TRUTH], linewidths=1.2)


def draw_errors(
    axis: Axes, image: np.ndarray, mask: np.ndarray, *, predicted: np.ndarray
) -> None:
    """An image under the colours of what was found, too much, and missed.

    Ignored pixels (255) have none.
    """
    draw_image(axis, image)
    truth = mask == 1
    kinds = (predicted & truth, predicted & (mask == 0), ~predicted & truth)
    layer = np.zeros((*mask.shape, 4))
    for kind, colour in zip(kinds, OVERLAY.values(), strict=True):
        layer[kind] = to_rgba(colour, 0.6)
    axis.imshow(layer)


def with_legend(figure: Figure) -> Figure:
    """The colours of the overlay below a grid of panels, no name behind a picture."""
    figure.set_layout_engine("constrained", h_pad=0.04, w_pad=0.03)
    shown = [Patch(color=colour, label=name) for name, colour in OVERLAY.items()]
    place = "outside lower center"  # the constrained layout keeps room for it
    figure.legend(handles=shown, loc=place, ncols=3, frameon=False, fontsize=8)
    figure.draw_without_rendering()  # places the parts; titles follow at the next one
    plt.close(figure)
    return figure


def tight(figure: Figure) -> Figure:
    """The figure with its parts in place; closed, so that it is not shown twice."""
    figure.tight_layout()
    plt.close(figure)
    return figure


def blank(
    size: tuple[float, float],
    rows: int = 1,
    columns: int = 0,
    *,
    sharey: bool = False,
    ratios: Sequence[float] | None = None,
) -> tuple[Figure, Any]:
    """A figure of that size in inches and its axis; with `columns`, the rows of axes.

    Notebooks show it, pyplot keeps none.
    """
    figure = plt.figure(figsize=size, layout="constrained")
    plt.close(figure)
    if not columns:
        return figure, figure.subplots()
    look: dict[str, Any] = {"sharey": sharey, "width_ratios": ratios}
    return figure, figure.subplots(rows, columns, squeeze=False, **look)
