"""Figures of data sets: what they show, and what a split gives away."""

from __future__ import annotations

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from lesionkit import figures


def leaks(shares: tuple[float, float]):
    """The figure of these shares of near-copies, by image and by group."""
    table = {"split": ["image", "group"], "leaked_share": shares}
    return figures.leaks(pd.DataFrame(table | {"copy_nearest_dice": [0.5, 0.1]}))


def test_leaks_have_a_bar_for_each_split() -> None:
    left, right = leaks((0.8, 0.04)).axes
    assert [bar.get_width() for bar in left.patches] == pytest.approx([80, 4])
    assert [bar.get_width() for bar in right.patches] == [0.5, 0.1]
    assert [t.get_text() for t in left.get_yticklabels()] == ["image", "group"]


def test_the_axis_of_leaks_ends_beyond_the_longest_bar() -> None:
    assert leaks((0.8, 0.04)).axes[0].get_xlim() == pytest.approx((0, 100))


def test_without_a_near_copy_no_empty_axis_is_drawn_and_it_is_said() -> None:
    figure = leaks((0.0, 0.0))
    (axis,) = figure.axes
    assert [bar.get_width() for bar in axis.patches] == [0.5, 0.1]
    assert figure.get_suptitle() == "no test image has a near-copy in training"


def test_copies_say_how_alike_the_two_are() -> None:
    images = np.full((3, 8, 8, 3), 100, np.uint8)
    masks = np.zeros((3, 8, 8), np.uint8)
    index = pd.DataFrame({"file": ["a", "b", "c"]})
    data = SimpleNamespace(images=images, masks=masks, index=index)
    pairs = [(0, 1, 3, 0.91), (1, 2, 9, 0.97)]
    columns = ["first", "second", "distance", "correlation"]
    figure = figures.copies(data, pd.DataFrame(pairs, columns=columns))
    told = [axis.get_xlabel() for axis in figure.axes if axis.get_xlabel()]
    assert told == ["correlation 0.97, 9 bits", "correlation 0.91, 3 bits"]


def test_figures_of_data_are_closed_so_that_a_notebook_shows_them_once() -> None:
    leaks((0.8, 0.04))
    assert plt.get_fignums() == []
