"""Figures of data sets: what they show, and what a split gives away."""

from __future__ import annotations

import matplotlib.pyplot as plt
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


@pytest.mark.parametrize(("shares", "end"), [((0.8, 0.04), 100), ((0.0, 0.0), 1)])
def test_the_axis_of_leaks_ends_beyond_the_longest_bar(shares, end) -> None:
    assert leaks(shares).axes[0].get_xlim() == pytest.approx((0, end))


def test_figures_of_data_are_closed_so_that_a_notebook_shows_them_once() -> None:
    leaks((0.8, 0.04))
    assert plt.get_fignums() == []
