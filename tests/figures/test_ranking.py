"""Figures of a ranking hold the numbers, marks and names they are said to hold."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.text import Text

from lesionkit.catalogue import LOSSES
from lesionkit.figures import GROUP_COLOURS
from lesionkit.figures import ranking as figures
from lesionkit.inference import grids, verdicts

MEANS = pd.DataFrame(
    {"iou": [0.70, 0.60], "dicebce": [0.90, 0.62], "theirs": [0.80, 0.61]},
    ["dice", "iou"],
)


def texts(axis):
    """What is written in a panel."""
    return [text.get_text() for text in axis.texts]


def row_names(axis):
    """The names at the rows of a panel, from the top."""
    return [label.get_text() for label in axis.get_yticklabels()]


def legend(figure):
    """The names in the legend of a figure."""
    return [text.get_text() for text in figure.legends[0].get_texts()]


def marked(axis, mark):
    """The lines of a panel that are drawn with this mark."""
    return [line for line in axis.lines if line.get_marker() == mark]


def apart_and_inside(figure, boxes):
    """Whether no two boxes overlap and none leaves the figure."""
    page = figure.bbox.padded(1)
    inside = [page.contains(*box.min) and page.contains(*box.max) for box in boxes]
    return all(inside) and not any(a.overlaps(b) for a, b in combinations(boxes, 2))


@pytest.fixture
def figure():
    """The smallest figure with names in it."""
    return figures.means_by_loss(MEANS)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["svg", "pdf", "png", "SVG"])
def test_a_figure_made_again_is_saved_as_the_same_bytes(tmp_path, suffix):
    first, second = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    figures.save(figures.means_by_loss(MEANS[["iou"]]), first)
    figures.save(figures.means_by_loss(MEANS[["iou"]]), str(second))
    assert first.read_bytes() == second.read_bytes() != b""
    assert len(list(tmp_path.iterdir())) == 2


def test_an_svg_holds_the_names_of_the_losses_as_text(figure, tmp_path):
    figures.save(figure, tmp_path / "means.svg")
    written = (tmp_path / "means.svg").read_text()
    assert [f">{name}</text>" in written for name in MEANS] == [True] * 3


@pytest.mark.slow
def test_a_pdf_holds_its_fonts_as_fonts(figure, tmp_path):
    figures.save(figure, tmp_path / "means.pdf")
    written = (tmp_path / "means.pdf").read_bytes()
    assert b"/FontFile2" in written
    assert b"/Type3" not in written


@pytest.mark.parametrize("name", ["means.gif", "means"])
def test_another_suffix_is_refused_in_one_line(figure, tmp_path, name):
    with pytest.raises(ValueError) as caught:
        figures.save(figure, tmp_path / name)
    said = str(caught.value)
    assert said == f"path must end in .svg, .pdf or .png, got {name!r}"
    assert list(tmp_path.iterdir()) == []


def test_means_have_a_panel_a_metric_with_the_best_loss_on_top(figure):
    dice, iou = figure.axes
    assert [dice.get_title(), iou.get_title()] == ["dice", "iou"]
    assert row_names(dice) == ["dicebce", "theirs", "iou"]
    assert dice.yaxis_inverted()
    assert [line.get_xdata().item() for line in dice.lines] == [0.9, 0.8, 0.7]
    assert "do not start at 0" in figure.get_suptitle()


def test_a_group_has_its_own_colour_and_its_own_mark(figure):
    shown = [(line.get_mfc(), line.get_marker()) for line in figure.axes[0].lines]
    colours = [GROUP_COLOURS["compound"], "black", GROUP_COLOURS["region"]]
    assert shown == list(zip(colours, "^vo", strict=True))
    assert legend(figure) == ["region", "compound", "not ours"]


def test_intervals_and_printed_values_stand_where_they_are_given():
    printed = pd.DataFrame({"iou": [0.72]}, ["dice"])
    figure = figures.means_by_loss(MEANS, MEANS - 0.01, MEANS + 0.03, published=printed)
    dice, iou = figure.axes
    spans = [segment[:, 0].tolist() for segment in dice.collections[0].get_segments()]
    assert np.array(spans) == pytest.approx(
        np.array([[0.89, 0.93], [0.79, 0.83], [0.69, 0.73]])
    )
    (diamonds,) = marked(dice, "D")
    assert diamonds.get_xdata() == pytest.approx([np.nan, np.nan, 0.72], nan_ok=True)
    assert np.isnan(marked(iou, "D")[0].get_xdata()).all()
    assert legend(figure)[-2:] == ["interval", "published"]


def test_losses_closer_than_the_difference_are_joined():
    ranks = pd.Series({"c": 2.4, "a": 1.0, "b": 1.5, "d": 4.0, "e": 5.0})
    assert figures.joined(ranks, 1.0) == [("a", "b"), ("b", "c")]
    assert figures.joined(ranks, 0.1) == []
    assert figures.joined(ranks, 9.0) == [("a", "b", "c", "d", "e")]


def test_a_bar_joins_the_first_and_the_last_loss_of_a_group():
    ranks = pd.Series({"iou": 1.25, "dice": 1.75, "bce": 3.0})
    figure = figures.critical_difference(ranks, 0.8, cells=72)
    (bar,) = [line for line in figure.axes[0].lines if line.get_linewidth() == 3.5]
    assert bar.get_xdata().tolist() == [1.25, 1.75]
    (length,) = marked(figure.axes[0], "|")
    assert np.ptp(length.get_xdata()) == pytest.approx(0.8)
    assert {"CD = 0.80", "iou  1.25", "3.00  bce"} <= set(texts(figure.axes[0]))
    assert "72 cells" in figure.get_suptitle()


@pytest.mark.parametrize("count", [2, 3, 5, 8, 12])
def test_no_two_labels_of_close_ranks_overlap(count):
    middle = (count + 1) / 2
    ranks = pd.Series(dict.fromkeys(list(LOSSES)[:count], middle))
    figure = figures.critical_difference(ranks, 1.3, cells=12)
    figure.draw_without_rendering()
    words = [*figure.axes[0].texts, *figure.legends, figure._suptitle]
    assert sum(f"{middle:.2f}" in text for text in texts(figure.axes[0])) == count
    assert apart_and_inside(figure, [word.get_window_extent() for word in words])


@pytest.fixture
def behind():
    """How far four losses are behind the best of the others."""
    return pd.DataFrame(
        {
            "behind": [0.02, -0.004, 0.03, 0.004],
            "low": [-0.01, -0.01, 0.01, -0.002],
            "high": [0.05, 0.003, 0.05, 0.009],
            "answer": ["undecided", "alike", "behind", "alike"],
        },
        ["iou", "dice", "bce", "focal"],
    )


def test_each_loss_has_its_interval_and_the_mark_of_its_answer(behind):
    figure = figures.differences(behind, metric="iou", margin=0.01)
    axis = figure.axes[0]
    assert row_names(axis) == ["dice", "focal", "iou", "bce"]
    zero, *dots = axis.lines
    assert set(zero.get_xdata()) == {0}
    assert [dot.get_xdata().item() for dot in dots] == [-0.004, 0.004, 0.02, 0.03]
    assert [dot.get_marker() for dot in dots] == ["o", "o", "D", "X"]
    spans = [s[:, 0].tolist() for s in axis.collections[0].get_segments()]
    assert spans == [[-0.01, 0.003], [-0.002, 0.009], [-0.01, 0.05], [0.01, 0.05]]
    assert axis.get_xlabel().startswith("iou behind the best of the others")


def test_the_legend_of_the_answers_has_those_that_are_shown(behind):
    figure = figures.differences(behind, margin=0.01)
    names = ["alike", "undecided", "behind", "less than 0.01 behind"]
    assert legend(figure) == names
    behind["answer"] = ["behind", "best", "behind", "behind"]
    figure = figures.differences(behind)
    assert legend(figure) == ["best", "behind"]
    marks = [line.get_marker() for line in figure.legends[0].get_lines()]
    assert marks == ["*", "X"]


def test_an_answer_that_is_none_is_refused(behind):
    behind["answer"] = "beaten"
    with pytest.raises(ValueError, match="unknown answer 'beaten'"):
        figures.differences(behind)


def test_every_answer_of_the_verdict_has_a_mark_of_its_own():
    answers = [verdicts.BEST, verdicts.ALIKE, verdicts.UNDECIDED, verdicts.BEHIND]
    assert list(figures.ANSWER_MARKS) == answers
    marks = [(m["marker"], m["mfc"]) for m in figures.ANSWER_MARKS.values()]
    assert len({m for m, _ in marks}) == len({c for _, c in marks}) == 4


def test_an_interval_that_is_unknown_is_not_drawn(behind):
    behind[["low", "high"]] = np.nan
    axis = figures.differences(behind).axes[0]
    assert len(axis.lines) == 5
    segments = axis.collections[0].get_segments()
    assert np.isnan([s[:, 0] for s in segments if len(s)]).all()


def test_the_band_of_what_is_alike_is_drawn_only_when_given(behind):
    (band,) = figures.differences(behind, margin=0.01).axes[0].patches
    assert (band.get_x(), band.get_width()) == pytest.approx((0, 0.01))
    assert len(figures.differences(behind).axes[0].patches) == 0


@pytest.fixture
def runs():
    """Two repeats of two losses on two data sets, and one cell of a third loss."""
    rows = [
        (name, "unet", loss, repeat, base + step * repeat)
        for name, step in (("kvasir", 0.02), ("wound", 0.04))
        for loss, base in (("dice", 0.8), ("iou", 0.7))
        for repeat in (0, 1)
    ]
    return pd.DataFrame(rows, columns=["dataset", "model", "loss", "repeat", "dice"])


def test_a_scatter_has_a_dot_a_cell_and_the_median_at_the_right(runs):
    figure = figures.scatter(runs)
    axis = figure.axes[0]
    assert row_names(axis) == ["dice", "iou"]
    expected = np.array([0.02, 0.04]) / np.sqrt(2)
    dots = marked(axis, "o")
    assert [dot.get_xdata().tolist() for dot in dots] == [pytest.approx(expected)] * 2
    assert texts(axis) == ["0.021", "0.021", "median"]


def test_a_scatter_shows_how_far_the_means_lie_apart(runs):
    figure = figures.scatter(runs)
    (band,) = figure.axes[0].patches
    assert band.get_width() == pytest.approx(0.1)
    (crosses,) = marked(figure.axes[0], "X")
    assert crosses.get_xdata() == pytest.approx([0, 0.1])
    assert "range of the means, 0.100" in legend(figure)


def test_a_scatter_of_cells_is_that_of_their_runs(runs):
    ours = figures.scatter(runs).axes[0].lines
    cells = figures.scatter(grids.cells(runs)).axes[0].lines
    pairs = list(zip(ours, cells, strict=True))
    assert all(np.array_equal(a.get_xdata(), b.get_xdata()) for a, b in pairs)


def test_a_scatter_without_repeats_is_refused(runs):
    with pytest.raises(ValueError, match="cells of every loss with repeats, got none"):
        figures.scatter(runs[runs["repeat"] == 0])


def test_background_has_a_labelled_dot_a_loss_under_both_rules():
    table = pd.DataFrame(
        {
            "loss": ["iou", "bce", "focal"],
            "dice": [0.8, 0.81, 0.7],
            "background": [0.01, 0.011, 0.02],
            "raw_mean_background": [0.05, 0.4, 0.4],
        }
    )
    figure = figures.background(table)
    ours, raw = figure.axes
    assert [ours.get_title(), raw.get_title()] == [
        "threshold: probability 0.5",
        "threshold: raw mean",
    ]
    assert [dot.get_xdata().item() for dot in raw.lines] == [0.8, 0.81, 0.7]
    assert [dot.get_ydata().item() for dot in raw.lines] == [5, 40, 40]
    assert (texts(ours), ours.get_ylim()[0]) == (["iou", "bce", "focal"], 0)


def test_the_labels_of_close_dots_are_moved_apart():
    losses = list(LOSSES)[:12]
    table = pd.DataFrame({"loss": losses, "dice": 0.8 + 0.001 * np.arange(12)})
    table["background"] = table["raw_mean_background"] = 0.2
    table.loc[11, "background"] = 0.5
    figure = figures.background(table)
    figure.draw_without_rendering()
    labels = [*figure.axes[0].texts, *figure.axes[1].texts]
    assert sorted(label.get_text() for label in labels) == sorted(2 * losses)
    boxes = [Text.get_window_extent(label) for label in labels]  # without its line
    assert apart_and_inside(figure, boxes)


def test_no_figure_stays_open(figure):
    assert plt.get_fignums() == []
