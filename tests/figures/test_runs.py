"""The grid of a sweep as a heat table."""

from __future__ import annotations

import pandas as pd
from matplotlib.colors import to_hex

from lesionkit.figures.runs import STATES, grid


def states(*rows: tuple[str, str, str]) -> pd.DataFrame:
    """A run a row: data set, loss, state."""
    table = pd.DataFrame(rows, columns=["dataset", "loss", "state"])
    return table.assign(model="unet")


def test_a_cell_says_how_many_of_its_runs_are_done() -> None:
    figure = grid(
        states(
            ("toy", "iou", "done"),
            ("toy", "iou", "missing"),
            ("toy", "dice", "done"),
            ("kvasir", "iou", "failed"),
        )
    )
    axis = figure.axes[0]
    texts = {t.get_position(): t.get_text() for t in axis.texts}
    assert texts == {(0, 0): "1/2", (1, 0): "1/1", (0, 1): "0/1"}
    assert [t.get_text() for t in axis.get_xticklabels()] == ["iou", "dice"]
    rows = [t.get_text() for t in axis.get_yticklabels()]
    assert rows == ["toy, unet", "kvasir, unet"]


def test_a_cell_has_the_colour_of_the_state_that_most_needs_a_look() -> None:
    table = states(
        ("toy", "iou", "done"), ("toy", "iou", "failed"), ("toy", "iou", "missing")
    )
    (image,) = grid(table).axes[0].images
    colour = to_hex(image.cmap(image.norm(image.get_array()[0, 0]))).upper()
    assert colour == STATES["failed"]


def test_the_legend_names_the_states_there_are() -> None:
    legend = grid(states(("toy", "iou", "done"))).axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["done"]
