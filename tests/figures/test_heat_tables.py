"""Heat tables hold the numbers, places and outlines they are said to hold."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from lesionkit.figures import ranking as figures
from lesionkit.inference import ranking


def texts(axis):
    """What is written in a panel."""
    return [text.get_text() for text in axis.texts]


def row_names(axis):
    """The names at the rows of a panel, from the top."""
    return [label.get_text() for label in axis.get_yticklabels()]


@pytest.fixture
def scores():
    """Means of four losses on two data sets, with their points as ranking has them."""
    rows = [("kvasir", (0.8, 0.9, 0.6, 0.7)), ("wound", (0.9, 0.8, 0.6, 0.7))]
    losses = ("iou", "dice", "bce", "focal")
    table = pd.DataFrame(
        [
            {"dataset": name, "model": "unet", "loss": loss, "dice": value}
            for name, values in rows
            for loss, value in zip(losses, values, strict=True)
        ]
    )
    return ranking.means(table, "dataset"), ranking.podium(table)


def test_a_heat_table_numbers_the_first_three_of_each_row(scores):
    means, points = scores
    axis, bar = figures.heat(means, points, title="mean Dice").axes
    losses = [label.get_text() for label in axis.get_xticklabels()]
    assert losses == ["iou", "dice", "focal", "bce"]
    assert row_names(axis) == ["kvasir", "wound", "points"]
    written = texts(axis)
    assert written[:4] == ["0.800", "0.900", "0.700", "0.600"]
    assert written[8:12] == ["5", "5", "2", "0"]
    assert written[12:] == ["2.", "1.", "3.", "1.", "2.", "3."]
    assert bar.get_ylabel() == "gap to the best of the row"


def test_equal_scores_share_the_better_place():
    means = pd.DataFrame({"iou": [0.9], "dice": [0.9], "bce": [0.8]}, ["kvasir"])
    points = pd.DataFrame([[2.5, 2.5, 1.0]] * 2, ["kvasir", "points"], means.columns)
    axis = figures.heat(means, points, title="mean Dice").axes[0]
    assert texts(axis)[3:] == ["2.5", "2.5", "1", "1.", "1.", "3."]


def test_a_printed_heat_table_stands_beside_in_the_same_shades(scores):
    means, points = scores
    printed = pd.DataFrame({"dice": [0.5], "bce": [0.7]}, ["wound"])
    figure = figures.heat(means, points, printed, title="mean Dice")
    ours, theirs, _ = figure.axes
    assert [ours.get_title(), theirs.get_title()] == ["ours", "published"]
    assert ours.images[0].get_clim() == theirs.images[0].get_clim()
    shades = np.ma.filled(theirs.images[0].get_array(), np.nan)
    assert shades[1] == pytest.approx([np.nan, -0.2, np.nan, 0], nan_ok=True)
    assert texts(theirs)[4:12] == ["–", "0.500", "–", "0.700", "–", "2", "–", "3"]
    assert texts(theirs)[12:] == ["2.", "1."]


def test_the_text_of_a_heat_table_is_black_on_light_and_white_on_dark(scores):
    axis = figures.heat(*scores, title="mean Dice").axes[0]
    inks = {text.get_text(): text.get_color() for text in axis.texts[:4]}
    assert (inks["0.900"], inks["0.600"]) == ("black", "white")


def test_rank_probabilities_are_written_in_percent_best_on_top():
    shares = pd.DataFrame(
        {1: [0.004, 0.996], 2: [0.25, 0.004], 3: [0.746, 0.0]}, ["bce", "iou"]
    )
    axis = figures.rank_probabilities(shares).axes[0]
    assert row_names(axis) == ["iou  (1.0)", "bce  (2.7)"]
    assert texts(axis) == [">99", "<1", "", "<1", "25", "75"]


def test_shares_that_do_not_sum_to_one_are_refused():
    shares = pd.DataFrame({1: [0.5, 0.5], 2: [0.5, 0.4]}, ["bce", "iou"])
    with pytest.raises(ValueError, match=r"shares of 'iou' must sum to 1, got 0\.9"):
        figures.rank_probabilities(shares)


@pytest.fixture
def left_out():
    """Ranks of three losses; without unet two change places, without iou none."""
    rows = {
        "all": (2, 1, 3),
        "without kvasir": (2, 1, 3),
        "without unet": (1, 2, 3),
        "without iou": (1, np.nan, 2),
        "without bce": (1, 2, np.nan),
    }
    ranks = pd.DataFrame(rows, ["dice", "iou", "bce"]).T
    return figures.leave_one_out(ranks).axes[0]


def test_leaving_out_shows_ranks_in_the_order_of_all(left_out):
    written = texts(left_out)
    assert written[:3] == ["1", "2", "3"]
    assert written[9:15] == ["–", "1", "2", "2", "1", "–"]
    assert row_names(left_out)[:2] == ["all", "without kvasir"]


def test_changes_are_outlined_beyond_those_that_a_missing_loss_makes(left_out):
    boxes = [
        (round(p.get_x() + 0.45), round(p.get_y() + 0.42)) for p in left_out.patches
    ]
    assert boxes == [(0, 2), (1, 2), (0, 4), (1, 4)]


def test_of_two_equal_ranks_one_left_out_leaves_the_other_at_the_better():
    rows = {"all": (1.5, 1.5, 3.0), "without dice": (1.0, np.nan, 2.0)}
    ranks = pd.DataFrame(rows, ["iou", "dice", "bce"]).T
    assert len(figures.leave_one_out(ranks).axes[0].patches) == 0


def test_rows_are_parted_by_what_is_left_out(left_out):
    assert texts(left_out)[15:] == ["", "data set", "model", "loss"]
    lines = [line.get_ydata()[0] for line in left_out.lines]
    assert lines == [-0.5, 0.5, 1.5, 2.5]


def test_no_figure_stays_open(left_out):
    assert plt.get_fignums() == []
