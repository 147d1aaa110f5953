"""How a sweep stands, as a heat table."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from lesionkit.figures import AMBER, GREEN, ORANGE, PINK, tight

# Worst first: a cell of several repeats shows the state that needs attention.
STATES = {
    "damaged": "#000000",
    "failed": ORANGE,
    "running": AMBER,
    "unfinished": PINK,
    "missing": "#DDDDDD",
    "done": GREEN,
}
PALE = ("running", "missing")  # text on them is black


def grid(states: pd.DataFrame) -> Figure:
    """A cell a data set, network and loss: its state and how many runs are done.

    A cell with several runs has the colour of the state that most needs a look.

    Args:
        states: of Sweep.states().
    """
    worst, told = _cells(states)
    size = (2.6 + 0.75 * worst.shape[1], 0.9 + 0.3 * len(worst))
    figure, axis = plt.subplots(figsize=size)
    _shade(axis, worst, told)
    _name(axis, worst)
    seen = [name for name in STATES if (states["state"] == name).any()]
    patches = [Patch(color=STATES[name], label=name) for name in seen]
    beside: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
    axis.legend(handles=patches, fontsize=7, frameon=False, **beside)
    return tight(figure)


def _cells(states: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The worst state of each cell by its place in STATES, and "done/runs"."""
    table = states.assign(
        row=states["dataset"] + ", " + states["model"],
        place=states["state"].map(list(STATES).index),
        done=states["state"] == "done",
    )
    cell = {"index": "row", "columns": "loss", "sort": False}
    worst = table.pivot_table(values="place", aggfunc="min", **cell)
    done = table.pivot_table(values="done", aggfunc="sum", **cell)
    runs = table.pivot_table(values="place", aggfunc="count", **cell)
    return worst, done.map("{:.0f}".format) + "/" + runs.map("{:.0f}".format)


def _shade(axis: Axes, worst: pd.DataFrame, told: pd.DataFrame) -> None:
    """Every cell in the colour of its state, with its text; white without runs."""
    names, values = list(STATES), worst.to_numpy(float)
    colours = ListedColormap(list(STATES.values()))
    axis.imshow(values, cmap=colours, vmin=-0.5, vmax=len(names) - 0.5, aspect="auto")
    middle = {"ha": "center", "va": "center", "fontsize": 7}
    for row, column in np.argwhere(~np.isnan(values)):
        ink = "k" if names[int(values[row, column])] in PALE else "w"
        axis.text(column, row, told.iloc[row, column], color=ink, **middle)


def _name(axis: Axes, cells: pd.DataFrame) -> None:
    """The losses below, data sets and networks at the left."""
    turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    axis.set_xticks(range(cells.shape[1]), cells.columns, **turned)
    axis.set_yticks(range(len(cells)), cells.index)
    axis.tick_params(labelsize=8, length=0)
    axis.spines[:].set_visible(False)
