"""Figures about thresholds: paper A's Fig. 3, and what it measures."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lesionkit.datasets.pictures.ignoring import lesion_share
from lesionkit.figures import BLUE, ORANGE, draw_errors, draw_image, tight, with_legend
from lesionkit.thresholds.comparison import Comparison
from lesionkit.thresholds.panels import Panels, Setting

RULES = {  # name, colour and mark
    "probability": ("probability 0.5", BLUE, "o"),
    "raw_mean": ("raw mean", ORANGE, "s"),
}


def two_rules(comparison: Comparison, position: int) -> Figure:
    """Every loss under both rules on one image: paper A's Fig. 3 with its numbers.

    Args:
        comparison: what is compared.
        position: of the image in it.

    Source: paper A, Fig. 3.
    """
    shown = Panels(comparison, position)
    image, mask = comparison.images[position], shown.mask
    columns = len(comparison.losses) + 1
    size = (1.3 * columns, 1.75 * len(RULES) + 0.5)
    figure, axes = plt.subplots(len(RULES), columns, figsize=size, squeeze=False)
    for line, (rule, (name, *_)) in zip(axes, RULES.items(), strict=True):
        draw_image(line[0], image, mask)
        line[0].set_ylabel(name, fontsize=9)
        line[0].set_xlabel(f"lesion {lesion_share(mask):.1%}", fontsize=7)
        predicted = shown.predicted(Setting(rule)).numpy().astype(bool)
        numbers = shown.numbers(Setting(rule)).itertuples()
        for axis, found, row in zip(line[1:], predicted, numbers, strict=True):
            draw_errors(axis, image, mask, predicted=found)
            text = f"marks {row.marked:.1%}\nDice {row.dice:.3f}"
            axis.set_xlabel(text, fontsize=7, labelpad=1)
    for axis, title in zip(axes[0], ["image", *comparison.losses], strict=True):
        axis.set_title(title, fontsize=8)
    return with_legend(figure)


def background_marked(marked: pd.DataFrame) -> Figure:
    """Share of the background marked by each rule, a line a loss, with intervals.

    Args:
        marked: of threshold_study.background_marked.
    """
    losses = list(dict.fromkeys(marked["loss"]))
    figure, axis = plt.subplots(figsize=(6.4, 0.34 * len(losses) + 1.2))
    places = np.arange(len(losses)) - 0.12
    for rule, (name, colour, mark) in RULES.items():
        rows = marked[marked["rule"] == rule].set_index("loss").loc[losses]
        value, low, high = (100 * rows[n] for n in ("marked", "low", "high"))
        around = np.nan_to_num(np.clip([value - low, high - value], 0, None))
        look = {"fmt": mark, "color": colour, "ms": 5, "capsize": 3, "label": name}
        axis.errorbar(value, places, xerr=around, **look)
        places = places + 0.24
    images = int(marked["images"].max())
    axis.set_yticks(range(len(losses)), losses)
    axis.invert_yaxis()
    axis.set_xlim(left=0)
    axis.set_xlabel(f"background marked, % (mean of {images} test images, 95 %)")
    axis.grid(axis="x", lw=0.4)
    axis.legend(frameon=False, fontsize=8)
    return tight(figure)


def dice_curves(curves: pd.DataFrame, cuts: dict[str, float] | None = None) -> Figure:
    """Mean Dice of the test set against the cut, a curve a loss.

    Args:
        curves: loss, cut (logit), dice.
        cuts: loss to the cut that was best on validation; a dot on its curve.
    """
    figure, axis = plt.subplots(figsize=(7.4, 4.2))
    styles = ("-", "--", "-.", ":")
    for i, (loss, rows) in enumerate(curves.groupby("loss", sort=False)):
        line = {"ls": styles[i % 4], "color": f"C{i}", "label": loss}
        axis.plot(rows["cut"], rows["dice"], **line, lw=1.3)
        if cuts and loss in cuts:
            at = np.interp(cuts[loss], rows["cut"], rows["dice"])
            axis.plot(cuts[loss], at, "o", ms=5, color=f"C{i}", mec="black")
    axis.axvline(0, color="grey", lw=0.8)
    axis.set_xscale("symlog", linthresh=4)
    ticks = [-64, -16, -4, -2, 0, 2, 4, 16, 64]
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set(xlabel="cut in units of the logit (0 is probability 0.5)", ylim=(0, 1))
    axis.set_ylabel("mean Dice of the test set")
    axis.legend(frameon=False, fontsize=8, ncols=2)
    return tight(figure)


def theory(table: pd.DataFrame) -> Figure:
    """Background that the raw mean marks: predicted from three numbers, and measured.

    Args:
        table: loss and the columns of threshold_study.background_theory.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.2, 4.0))
    for i, (loss, rows) in enumerate(table.groupby("loss", sort=False)):
        dots = {"s": 10, "alpha": 0.6, "color": f"C{i}", "label": loss}
        left.scatter(rows["predicted"], rows["measured"], **dots)
        right.scatter(rows["lesion_share"], rows["measured"], **dots)
    left.plot([0, 0.6], [0, 0.6], color="black", lw=0.8)
    gap = (table["measured"] - table["predicted"]).abs().median()
    left.set_title(f"{len(table)} images and losses, median gap {gap:.3f}", fontsize=9)
    left.set_xlabel("predicted share of background marked")
    left.set_ylabel("measured share of background marked")
    right.set_xlabel("lesion share of the image")
    right.axhline(0.5, color="black", lw=0.8, ls=":")
    right.set_title("no lesion: half is predicted", fontsize=9)
    right.legend(frameon=False, fontsize=7, ncols=2)
    return tight(figure)
