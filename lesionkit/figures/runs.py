"""How the runs of a sweep stand, and where the time of an epoch goes."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from lesionkit.figures import AMBER, BLUE, GREEN, ORANGE, PINK, SKY, tight
from lesionkit.figures.ranking import heat_table

# Worst first: a cell of several repeats shows the state that needs attention.
STATES = {
    "damaged": "#000000",
    "failed": ORANGE,
    "running": AMBER,
    "unfinished": PINK,
    "missing": "#DDDDDD",
    "done": GREEN,
}
PARTS = (SKY, GREEN, BLUE, AMBER, PINK)


def grid(states: pd.DataFrame) -> Figure:
    """A cell a data set, network and loss: its state and how many runs are done.

    A cell with several runs has the colour of the state that most needs a look.

    Args:
        states: of Sweep.states().
    """
    table = states.assign(
        row=states["dataset"] + ", " + states["model"],
        place=states["state"].map(list(STATES).index),
        done=states["state"] == "done",
    )
    cells = {"index": "row", "columns": "loss", "sort": False}
    worst, done, runs = (
        table.pivot_table(values=name, aggfunc=how, **cells)
        for name, how in (("place", "min"), ("done", "sum"), ("place", "count"))
    )
    told = (done.map("{:.0f}/".format) + runs.map("{:.0f}".format)).where(worst.notna())
    size = (2.6 + 0.75 * worst.shape[1], 0.9 + 0.3 * len(worst))
    figure, axis = plt.subplots(figsize=size)
    norm = Normalize(-0.5, len(STATES) - 0.5)
    heat_table(axis, worst, told, norm, ListedColormap(list(STATES.values())))
    seen = [name for name in STATES if (states["state"] == name).any()]
    patches = [Patch(color=STATES[name], label=name) for name in seen]
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
    axis.legend(handles=patches, fontsize=7, frameon=False, **place)
    return tight(figure)


def epoch_parts(table: pd.DataFrame, title: str = "") -> Figure:
    """The parts of one epoch as bars, each with its seconds and its share.

    Args:
        table: a row a part: part, seconds, share.
        title: what was timed.
    """
    figure, axis = plt.subplots(figsize=(6.4, 2.6))
    bars = axis.barh(table["part"], table["seconds"], color=PARTS[: len(table)])
    labels = [f"{row.seconds:.2g} s, {row.share:.0%}" for row in table.itertuples()]
    axis.bar_label(bars, labels, padding=4, fontsize=8)
    axis.invert_yaxis()
    axis.set(xlabel="seconds of one epoch", title=title)
    axis.set_xlim(0, 1.3 * table["seconds"].max())
    axis.spines[["top", "right"]].set_visible(False)
    return tight(figure)
