"""Figures about thresholds: paper A's Fig. 3, and what it measures."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lesionkit.figures import (
    BLUE,
    ORANGE,
    draw_errors,
    draw_image,
    draw_outline,
    tight,
    with_legend,
)
from lesionkit.thresholds.comparison import Comparison
from lesionkit.thresholds.panels import Panels, Setting

RULES = {  # name, colour and mark
    "probability": ("probability 0.5", BLUE, "o"),
    "raw_mean": ("raw mean", ORANGE, "s"),
}


def side_by_side(shown: Panels, setting: Setting) -> Figure:
    """One image and its mask under every loss, with Dice and the share marked."""
    image, mask = shown.comparison.images[shown.position], shown.mask
    predicted, numbers = shown.predicted(setting).numpy(), shown.numbers(setting)
    columns = min(6, len(predicted) + 1)
    rows = -(-(len(predicted) + 1) // columns)
    size = (1.6 * columns, 2.0 * rows + 0.4)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    draw_image(axes.flat[0], image, mask)
    axes.flat[0].set_title(f"image\nlesion {mask.mean():.1%}", fontsize=8)
    for axis, found, row in zip(
        axes.flat[1:], predicted, numbers.itertuples(), strict=False
    ):
        draw_errors(axis, image, mask, predicted=found.astype(bool))
        draw_outline(axis, mask)
        text = f"{row.loss}\nDice {row.dice:.3f}, marks {row.marked:.1%}"
        axis.set_title(text, fontsize=8)
    return with_legend(figure)


def two_rules(
    comparison: Comparison, position: int, by_rule: dict[str, tuple]
) -> Figure:
    """Every loss under both rules on one image: paper A's Fig. 3 with its numbers.

    Args:
        comparison: what is compared.
        position: of the image in it.
        by_rule: rule to its masks (L, H, W) and its numbers; see panels.both_rules.

    Source: paper A, Fig. 3.
    """
    image, mask = comparison.images[position], comparison.masks[position]
    columns = len(comparison.losses) + 1
    size = (1.3 * columns, 1.75 * len(by_rule) + 0.5)
    figure, axes = plt.subplots(len(by_rule), columns, figsize=size, squeeze=False)
    for line, (rule, (predicted, numbers)) in zip(axes, by_rule.items(), strict=True):
        draw_image(line[0], image, mask)
        line[0].set_ylabel(RULES[rule][0], fontsize=9)
        line[0].set_xlabel(f"lesion {mask.mean():.1%}", fontsize=7)
        for axis, found, row in zip(
            line[1:], predicted, numbers.itertuples(), strict=True
        ):
            draw_errors(axis, image, mask, predicted=found.astype(bool))
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
    for shift, (rule, (name, colour, mark)) in zip(
        (-0.12, 0.12), RULES.items(), strict=True
    ):
        rows = marked[marked["rule"] == rule].set_index("loss").loc[losses]
        value = 100 * rows["marked"]
        around = [value - 100 * rows["low"], 100 * rows["high"] - value]
        axis.errorbar(
            value,
            np.arange(len(losses)) + shift,
            xerr=np.nan_to_num(np.clip(around, 0, None)),
            fmt=mark,
            color=colour,
            ms=5,
            capsize=3,
            label=name,
        )
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
