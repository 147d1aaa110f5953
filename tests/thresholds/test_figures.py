"""The figures show the numbers of the tables they were given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from made_comparison import made_comparison

from lesionkit.thresholds import figures as threshold_figures
from lesionkit.thresholds import panels

COMPARISON = made_comparison()


def test_both_rules_stand_under_every_loss_with_their_numbers():
    figure = threshold_figures.two_rules(COMPARISON, 0)
    shown = panels.Panels(COMPARISON, 0)
    columns = len(COMPARISON.losses) + 1
    labels = [axis.get_xlabel() for axis in figure.axes]
    assert len(labels) == 2 * columns
    for line, rule in enumerate(("probability", "raw_mean")):
        for row in shown.numbers(panels.Setting(rule)).itertuples():
            text = f"marks {row.marked:.1%}\nDice {row.dice:.3f}"
            assert labels[line * columns + row.Index + 1] == text
    assert [figure.axes[i].get_ylabel() for i in (0, columns)] == [
        "probability 0.5",
        "raw mean",
    ]


def test_the_rows_are_painted_with_the_masks_of_their_rule():
    figure = threshold_figures.two_rules(COMPARISON, 0)
    layer = figure.axes[5].images[-1].get_array()  # raw mean, first loss
    shown = panels.Panels(COMPARISON, 0)
    predicted = shown.predicted(panels.Setting("raw_mean")).numpy()
    missed = COMPARISON.masks[0] & ~predicted[0] & 1
    assert np.array_equal(layer[..., 3] > 0, (predicted[0] | missed) > 0)


def texts_behind_pictures(figure):
    """Names and numbers whose place on the page meets a picture's."""
    figure.canvas.draw()
    pictures = [axis.get_window_extent() for axis in figure.axes if axis.images]
    found = [text for axis in figure.axes for text in (axis.title, axis.xaxis.label)]
    boxes = {t.get_text(): t.get_window_extent() for t in found if t.get_text()}
    boxes["legend"] = figure.legends[0].get_window_extent()
    return [name for name, box in boxes.items() if box.count_overlaps(pictures)]


@pytest.mark.parametrize("losses", [3, 7, 10])
def test_no_name_of_a_loss_lies_behind_a_picture(losses):
    made = made_comparison(losses=losses)
    assert texts_behind_pictures(threshold_figures.two_rules(made, 0)) == []


def test_a_loss_stands_at_its_share_with_its_interval():
    marked = COMPARISON.marked
    axis = threshold_figures.background_marked(marked).axes[0]
    for container, rule in zip(
        axis.containers, ("probability", "raw_mean"), strict=True
    ):
        rows = marked[marked["rule"] == rule]
        assert np.allclose(container.lines[0].get_xdata(), 100 * rows["marked"])
        ends = [bar.get_segments() for bar in container.lines[2]][0]
        assert np.allclose([e[:, 0] for e in ends], 100 * rows[["low", "high"]])


def test_every_curve_has_the_dot_of_its_own_cut():
    curves = COMPARISON.curves
    cuts = dict(zip(COMPARISON.losses, [-0.5, 0.0, 0.5], strict=True))
    axis = threshold_figures.dice_curves(curves, cuts).axes[0]
    dots = [line for line in axis.lines if len(line.get_xdata()) == 1]
    assert [float(dot.get_xdata()[0]) for dot in dots] == [-0.5, 0.0, 0.5]
    rows = curves[curves["loss"] == COMPARISON.losses[0]]
    expected = np.interp(-0.5, rows["cut"], rows["dice"])
    assert float(dots[0].get_ydata()[0]) == expected


def test_the_title_of_the_theory_says_how_far_it_is_off():
    table = pd.DataFrame(
        {
            "loss": "dice",
            "lesion_share": [0.0, 0.1, 0.2],
            "predicted": [0.5, 0.3, 0.1],
            "measured": [0.5, 0.32, 0.2],
        }
    )
    axis = threshold_figures.theory(table).axes[0]
    assert axis.get_title() == "3 images and losses, median gap 0.020"
