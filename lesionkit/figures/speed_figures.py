"""Where the time of an epoch goes, as a figure."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from lesionkit.figures import AMBER, BLUE, GREEN, PINK, SKY, tight

COLOURS = (SKY, GREEN, BLUE, AMBER, PINK)


def epoch_parts(table: pd.DataFrame, title: str = "") -> Figure:
    """The parts of one epoch as bars, each with its seconds and its share.

    Args:
        table: a row a part: part, seconds, share.
        title: what was timed.
    """
    figure, axis = plt.subplots(figsize=(6.4, 2.6))
    bars = axis.barh(table["part"], table["seconds"], color=COLOURS[: len(table)])
    labels = [
        f"{seconds:.2g} s, {share:.0%}"
        for seconds, share in zip(table["seconds"], table["share"], strict=True)
    ]
    axis.bar_label(bars, labels, padding=4, fontsize=8)
    axis.invert_yaxis()
    axis.set(xlabel="seconds of one epoch", title=title)
    axis.set_xlim(0, 1.3 * table["seconds"].max())
    axis.spines[["top", "right"]].set_visible(False)
    return tight(figure)
