"""How a sweep stands, as a heat table."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

# Worst first: a cell of several repeats shows the state that needs attention.
STATES = {
    "damaged": "#000000",
    "failed": "#D55E00",
    "running": "#E69F00",
    "unfinished": "#CC79A7",
    "missing": "#DDDDDD",
    "done": "#009E73",
}


def grid(states: pd.DataFrame) -> Figure:
    """A cell a data set, network and loss: its state and how many runs are done.

    A cell with several runs has the colour of the state that most needs a look.

    Args:
        states: of Sweep.states().
    """
    names = list(STATES)
    place = states["state"].map(names.index)
    table = states.assign(
        row=states["dataset"] + ", " + states["model"],
        place=place,
        done=states["state"] == "done",
    )
    cell = {"index": "row", "columns": "loss", "sort": False}
    worst = table.pivot_table(values="place", aggfunc="min", **cell)
    done = table.pivot_table(values="done", aggfunc="sum", **cell)
    count = table.pivot_table(values="place", aggfunc="count", **cell)
    height = 0.9 + 0.3 * len(worst)
    figure, axis = plt.subplots(figsize=(2.6 + 0.75 * worst.shape[1], height))
    colours = ListedColormap(list(STATES.values()))
    values = worst.to_numpy(float)
    axis.imshow(values, cmap=colours, vmin=-0.5, vmax=len(names) - 0.5, aspect="auto")
    for i, j in np.argwhere(~np.isnan(values)):
        text = f"{done.iloc[i, j]:.0f}/{count.iloc[i, j]:.0f}"
        pale = names[int(values[i, j])] in ("missing", "running")
        axis.text(
            j, i, text, ha="center", va="center", fontsize=7, color="k" if pale else "w"
        )
    axis.set_xticks(
        range(worst.shape[1]),
        worst.columns,
        rotation=45,
        ha="right",
        rotation_mode="anchor",
    )
    axis.set_yticks(range(len(worst)), worst.index)
    axis.tick_params(labelsize=8, length=0)
    axis.spines[:].set_visible(False)
    seen = [name for name in names if (states["state"] == name).any()]
    patches = [Patch(color=STATES[name], label=name) for name in seen]
    axis.legend(
        handles=patches,
        fontsize=7,
        frameon=False,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
    )
    figure.tight_layout()
    plt.close(figure)
    return figure
