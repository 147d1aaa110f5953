"""Figures hold the numbers and colours they are said to hold."""

import numpy as np
import pandas as pd
import pytest
from made_records import made_record
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgba

from lesionkit import figures, prepared
from lesionkit.config import RunConfig
from lesionkit.records.runs import RunRecord

FOUND, TOO_MUCH, MISSED = (
    to_rgba(colour, 0.6) for colour in (figures.GREEN, figures.ORANGE, figures.SKY)
)


@pytest.fixture
def data(tiny):
    """Twenty images of discs, 32 x 32; the first has none."""
    return prepared.open_prepared(tiny, 32)


@pytest.fixture
def record_of(tiny):
    """Makes the record of a run on these discs."""

    def make(loss="dice", **facts):
        config = RunConfig(loss=loss, dataset=tiny, size=32)
        return RunRecord(made_record(config, **facts))

    return make


@pytest.fixture
def axis():
    """An empty panel."""
    figure, axis = plt.subplots()
    yield axis
    plt.close(figure)


def texts(axis):
    """What is written in a panel."""
    return [text.get_text() for text in axis.texts]


def test_found_too_much_and_missed_have_their_own_colours(axis):
    image = np.zeros((2, 2, 3), np.uint8)
    mask = np.array([[1, 0], [1, 0]], np.uint8)
    predicted = np.array([[1, 1], [0, 0]], bool)
    figures.draw_errors(axis, image, mask, predicted=predicted)
    layer = axis.images[1].get_array().data
    assert layer[0, 0] == pytest.approx(FOUND)
    assert layer[0, 1] == pytest.approx(TOO_MUCH)
    assert layer[1, 0] == pytest.approx(MISSED)
    assert layer[1, 1] == pytest.approx((0, 0, 0, 0))


IMAGE = np.zeros((4, 4, 1), np.uint8)


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 65535)])
def test_an_image_is_shown_from_0_to_the_top_of_its_type(axis, dtype, top):
    figures.draw_image(axis, np.array([[[0], [top]], [[0], [top]]], dtype))
    assert axis.images[0].get_array().ravel().tolist() == [0, 1, 0, 1]
    assert axis.images[0].get_clim() == (0, 1)


@pytest.mark.parametrize("value", [0, 1])
def test_a_mask_without_an_edge_has_no_outline(axis, value):
    figures.draw_image(axis, IMAGE, np.full((4, 4), value))
    assert len(axis.collections) == 0


def test_a_mask_with_an_edge_has_one_outline(axis):
    figures.draw_image(axis, IMAGE, np.eye(4))
    assert len(axis.collections) == 1


def test_examples_have_a_panel_and_a_title_for_each_image(data):
    figure = figures.examples(data, [0, 9, 19], ["none", "some", "much"])
    assert [axis.get_title() for axis in figure.axes] == ["none", "some", "much"]
    assert [len(axis.collections) for axis in figure.axes] == [0, 1, 1]
    shown = figure.axes[1].images[0].get_array()
    assert np.array_equal(shown, data.images[9] / 255)


def test_examples_beyond_six_go_to_a_second_row(data):
    figure = figures.examples(data, range(8), [f"{i}" for i in range(8)])
    assert len(figure.axes) == 12
    assert [len(axis.images) for axis in figure.axes] == [1] * 8 + [0] * 4


def test_lesion_shares_rise_to_100_percent():
    figure = figures.lesion_shares({"made": pd.Series([0.2, 0.1, 0.0, 0.4])})
    line = figure.axes[0].lines[0]
    assert line.get_xdata() == pytest.approx([0, 10, 20, 40])
    assert line.get_ydata() == pytest.approx([25, 50, 75, 100])
    assert line.get_label() == "made"


def test_history_shows_both_curves_and_the_best_epoch(record_of):
    left, right = figures.history(record_of(dice=0.75)).axes
    assert left.lines[0].get_ydata().tolist() == [0.9, 0.6, 0.5]
    assert right.lines[0].get_ydata().tolist() == [0.3, 0.75, 0.65]
    assert list(right.lines[1].get_xdata()) == [2, 2]
    assert right.get_legend().get_texts()[0].get_text() == "best epoch, 2"


def test_predictions_have_a_row_for_each_image_and_a_column_for_each_run(
    record_of, data
):
    dice = {"dice": 0.75, "iou": 0.5, "bce": 0.25}
    records = {loss: record_of(loss, dice=value) for loss, value in dice.items()}
    axes = figures.predictions(records, data).axes
    assert len(axes) == 4 * 4
    assert [axis.get_title() for axis in axes[:4]] == ["ground truth", *dice]
    labels = [axis.get_xlabel() for axis in axes[4:8]]
    assert labels == ["", "Dice 0.75", "Dice 0.50", "Dice 0.25"]
    image = axes[4].images[0].get_array()
    assert np.array_equal(image, data.images[7] / 255)


def test_the_images_of_a_single_run_stand_side_by_side(record_of, data):
    axes = figures.predictions({"dice": record_of("dice", dice=0.75)}, data).axes
    assert len(axes) == 2 * 4
    assert [axes[0].get_ylabel(), axes[4].get_ylabel()] == ["ground truth", "dice"]
    assert [axis.get_xlabel() for axis in axes[4:]] == ["Dice 0.75"] * 4


def test_predictions_colour_what_the_logits_say(record_of, data):
    logits = np.where(data.masks[[1, 19]] == 1, 2.0, -2.0)
    logits[:, 0, 0] = 0.0  # probability 0.5 is marked
    record = record_of(positions=(1, 19), logits=logits)
    panel = figures.predictions({"dice": record}, data).axes[3]
    layer = panel.images[1].get_array().data
    assert layer[0, 0] == pytest.approx(TOO_MUCH)
    assert np.allclose(layer[data.masks[19] == 1], FOUND)
    assert not layer[0, 1:].any()


def test_runs_that_keep_different_images_are_not_set_side_by_side(record_of, data):
    records = {
        "dice": record_of("dice"),
        "iou": record_of("iou", positions=(0, 1, 2, 3)),
    }
    with pytest.raises(ValueError, match="keep different test images"):
        figures.predictions(records, data)


def test_without_records_there_is_a_note_instead_of_images(data):
    figure = figures.predictions({}, data)
    assert texts(figure.axes[0]) == [
        "no run records stand behind this table: no images to show"
    ]


def test_without_a_record_there_is_a_note_instead_of_thresholds(data):
    figure = figures.thresholds(None, data)
    assert texts(figure.axes[0]) == [
        "no run record stands behind this table: no images to show"
    ]


def test_thresholds_show_what_each_rule_marks(record_of, data):
    # a ramp from -3 to 5: 3/8 of it lies below 0, half of it below its mean of 1
    axes = np.reshape(figures.thresholds(record_of(dice=0.75), data).axes, (3, 4))
    assert axes[1, 0].get_xlabel() == "marks 62%, Dice 0.75"
    assert axes[2, 0].get_xlabel() == "marks 50%, Dice 0.50"
    names = [axis.get_ylabel() for axis in axes[:, 0]]
    assert names == ["ground truth", "probability 0.5", "raw mean"]


def test_the_dice_below_a_panel_is_the_stored_one(record_of):
    record = record_of(dice=0.75)
    assert figures.stored_dice(record, "disc_07.png", "probability") == 0.75
    assert figures.stored_dice(record, "disc_07.png", "raw_mean") == 0.5
    assert np.isnan(figures.stored_dice(record, "not_scored.png", "raw_mean"))


def test_figures_are_closed_so_that_a_notebook_shows_them_once(data):
    figures.examples(data, [0], ["none"])
    figures.predictions({}, data)
    assert plt.get_fignums() == []
