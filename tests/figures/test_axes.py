"""Every axis says what is drawn along it: labels against the numbers, both ways."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from made_records import complete_record, made_record
from matplotlib.axes import Axes

from lesionkit import figures
from lesionkit.config import RunConfig
from lesionkit.figures import ct, losses, ranking, runs
from lesionkit.losses import FocalLoss
from lesionkit.losses.study import pixel_curve
from lesionkit.papers import paper_b
from lesionkit.prepared import open_prepared
from lesionkit.records.runs import RunRecord
from lesionkit.thresholds import figures as threshold_figures

SLICE = np.linspace(-1000, 1000, 64 * 64).reshape(64, 64)


def labels(axis: Axes) -> tuple[str, str]:
    """What stands along the axes of a panel."""
    return axis.get_xlabel(), axis.get_ylabel()


def drawn(line: object) -> tuple[np.ndarray, np.ndarray]:
    """Where the points of a line lie."""
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


def same(found: object, expected: object) -> bool:
    """Whether two rows of numbers are the same; NaN where the other has it."""
    return np.allclose(found, expected, equal_nan=True)


def test_precision_stands_over_recall_and_recall_over_false_positives(tiny) -> None:
    record = RunRecord(complete_record(RunConfig(dataset=tiny, size=32)))
    table = paper_b.rates(record)
    left, right = ct.precision_and_roc({"mine": record}).axes
    curve, base = left.lines
    assert labels(left) == ("recall", "precision")
    assert same(drawn(curve), (table["recall"], table["precision"]))
    assert same(base.get_ydata(), paper_b.base_rate(record))
    assert base.get_label() == "guessing: base rate 0.1406"  # 9 of 64 pixels
    curve, diagonal = right.lines
    assert labels(right) == ("false positive rate", "recall")
    assert same(drawn(curve), (table["false_positive_rate"], table["recall"]))
    assert same(drawn(diagonal), ((0, 1), (0, 1)))


def test_the_curves_of_ct_are_labelled_with_their_own_numbers(tiny) -> None:
    record = RunRecord(complete_record(RunConfig(dataset=tiny, size=32)))
    left, right = ct.precision_and_roc({"mine": record}).axes
    ap = record.metrics["test"]["average_precision"]
    assert left.lines[0].get_label() == f"mine, AP {ap:.3f}"
    # the area is the chance that a lesion pixel has a higher logit than another one
    arrays = record.arrays("curves")
    lesion, other = (
        arrays[f"test_{kind}"].sum(0).astype(float) for kind in ("lesion", "background")
    )
    below = np.cumsum(other) - other / 2
    area = (lesion * below).sum() / (lesion.sum() * other.sum())
    assert right.lines[0].get_label() == f"mine, area {area:.3f}"


def test_cases_are_lesions_from_small_to_large_with_their_stratum() -> None:
    masks = np.zeros((4, 10, 10), np.uint8)
    for i, size in enumerate((4, 1, 3, 2)):
        masks[i, :size, :5] = 1
    index = pd.DataFrame({"stratum": ["inside", "inside", "attached", ""]})
    index["lesion_share"] = masks.mean((1, 2))
    images = np.arange(4, dtype=np.uint8)[:, None, None, None] + np.zeros(
        (4, 10, 10, 1), np.uint8
    )
    data = SimpleNamespace(index=index, masks=masks, images=images)
    axes = ct.cases(data, count=2).axes
    assert [axis.get_title() for axis in axes] == [
        "attached\n15.00% of the pixels",
        "attached\n15.00% of the pixels",
        "inside\n5.00% of the pixels",
        "inside\n20.00% of the pixels",
    ]
    shown = [axis.images[0].get_array()[0, 0] * 255 for axis in axes]
    assert shown == pytest.approx([2, 2, 1, 0])


def test_a_window_lies_where_its_title_says_and_is_the_image_beside_it() -> None:
    left, right = ct.windowed(SLICE, center=50, width=350).axes
    assert labels(left) == ("Hounsfield units", "pixels")
    assert left.get_title() == "center 50, width 350: -125 to 224 HU"
    band = next(p for p in left.patches if p.get_label() == "window")
    assert (band.get_x(), band.get_width()) == pytest.approx((-125, 349))
    counted = {bar.get_x(): bar.get_height() for bar in left.patches if bar is not band}
    assert counted[0] == ((SLICE >= 0) & (SLICE < 20)).sum()
    shown = right.images[0].get_array()
    assert shown[SLICE <= -125].max() == 0
    assert shown[SLICE >= 225].min() == 1
    assert np.all(np.diff(shown.ravel()) >= 0)


def test_each_window_has_its_band_its_name_and_its_slice() -> None:
    first, *others = ct.windows(SLICE).axes
    assert labels(first) == ("Hounsfield units", "pixels")
    bands = {p.get_label(): p for p in first.patches if p.get_label() in ct.WINDOWS}
    for axis, (name, (center, width)) in zip(others, ct.WINDOWS.items(), strict=True):
        assert axis.get_title() == f"{name}: W{width} L{center}"
        ends = bands[name].get_x(), bands[name].get_x() + bands[name].get_width()
        assert ends == pytest.approx((center - width / 2, center + width / 2 - 1))
        shown = axis.images[0].get_array()
        middle = shown[np.abs(SLICE - center) < width / 40]
        assert np.allclose(middle, 0.5, atol=0.05)


def test_a_surface_has_what_is_missed_upwards_and_what_is_too_much_to_the_right():
    errors = np.linspace(0, 1, 21)
    values = 10 * errors[:, None] + errors[None, :]  # what is missed counts most
    axis = losses.surfaces({"one": (errors, values)}).axes[0]
    assert labels(axis) == (
        "too much (FP), % of the lesion",
        "missed (FN), % of the lesion",
    )
    corners = {}
    for paths, level in zip(
        axis.collections[0].get_paths(), axis.collections[0].levels, strict=False
    ):
        for x, y in paths.vertices if len(paths.vertices) else ():
            corners.setdefault((round(x), round(y)), level)
    assert corners[0, 100] > corners[100, 0]


def test_value_and_slope_of_the_focal_loss_stand_over_the_logit() -> None:
    value, slope = losses.focal_curves(0.8, 2).axes
    assert labels(value) == ("logit", "loss of the pixel")
    assert labels(slope) == ("logit", "slope: d loss / d logit")
    names = ["lesion", "lesion, half of BCE", "background", "background, half of BCE"]
    settings = [(0.8, 2, 1), (0.5, 0, 1), (0.8, 2, 0), (0.5, 0, 0)]
    for k, axis in enumerate((value, slope)):
        for line, name, (alpha, gamma, mask) in zip(
            axis.lines, names, settings, strict=False
        ):
            assert line.get_label() == name
            expected = pixel_curve(FocalLoss(alpha, gamma), losses.LOGITS, mask)[k]
            assert same(drawn(line), (losses.LOGITS, expected))


def test_lesion_shares_have_the_share_to_the_right_and_images_upwards() -> None:
    (axis,) = figures.lesion_shares({"made": pd.Series([0.1, 0.2])}).axes
    assert labels(axis) == (
        "lesion share of the image, %",
        "images with at most this, %",
    )
    assert axis.get_legend().get_texts()[0].get_text() == "made"


def test_the_overview_says_name_count_and_share(tiny) -> None:
    data = open_prepared(tiny, 32)
    axes = figures.overview({tiny: data}, count=3).axes
    share = data.index["lesion_share"]
    empty = int((share == 0).sum())
    assert axes[0].get_ylabel() == f"tiny\n20 images\n{empty} without lesion"
    told = [axis.get_title() for axis in axes]
    seen = share[share > 0].sort_values(kind="stable")
    assert (told[0], told[-1]) == (f"{seen.iloc[0]:.1%}", f"{seen.iloc[-1]:.1%}")
    last = axes[-1].images[0].get_array()
    assert same(last, data.images[seen.index[-1]] / 255)


def test_leaks_stand_below_what_they_are_shares_of() -> None:
    table = pd.DataFrame({"split": ["image", "group"], "leaked_share": [0.8, 0.04]})
    table["copy_nearest_dice"] = [0.5, 0.1]
    left, right = figures.leaks(table).axes
    assert left.get_xlabel() == "test images with a near-copy\nin training, %"
    assert left.patches[0].get_width() == pytest.approx(80)
    assert right.get_xlabel().startswith("Dice by copying the mask")
    assert right.patches[0].get_width() == 0.5
    table["leaked_share"] = 0.0
    (only,) = figures.leaks(table).axes
    assert only.get_xlabel().startswith("Dice by copying the mask")


def test_history_has_the_epochs_to_the_right(tiny) -> None:
    record = RunRecord(made_record(RunConfig(dataset=tiny, size=32), dice=0.75))
    left, right = figures.history(record).axes
    assert labels(left) == ("epoch", "training loss")
    assert labels(right) == ("epoch", "validation Dice")
    for axis, name in ((left, "train_loss"), (right, "validation_dice")):
        expected = record.history["epoch"], record.history[name]
        assert same(drawn(axis.lines[0]), expected)


def test_the_parts_of_an_epoch_have_their_seconds_to_the_right() -> None:
    table = pd.DataFrame({"part": ["data", "step"], "seconds": [1.0, 3.0]})
    (axis,) = runs.epoch_parts(table.assign(share=[0.25, 0.75]), "unet").axes
    assert (axis.get_xlabel(), axis.get_title()) == ("seconds of one epoch", "unet")
    assert [t.get_text() for t in axis.get_yticklabels()] == ["data", "step"]
    assert [t.get_text() for t in axis.texts] == ["1 s, 25%", "3 s, 75%"]
    assert axis.yaxis_inverted()


def test_ranks_stand_along_the_axis_that_is_called_rank() -> None:
    shares = pd.DataFrame({1: [0.25, 0.75], 2: [0.75, 0.25]}, ["bce", "iou"])
    (axis,) = ranking.rank_probabilities(shares).axes
    assert axis.get_xlabel() == "rank, 1 is best"
    assert [t.get_text() for t in axis.get_xticklabels()] == ["1", "2"]
    assert same(axis.images[0].get_array(), [[0.75, 0.25], [0.25, 0.75]])


def test_a_scatter_is_of_the_metric_that_its_axis_names() -> None:
    cells = [("a", "u", loss, r) for loss in ("dice", "iou") for r in (0, 1)]
    table = pd.DataFrame(cells, columns=["dataset", "model", "loss", "repeat"])
    table = table.assign(dice=[0.8, 0.9, 0.7, 0.7], recall=[0.5, 0.7, 0.4, 0.6])
    (axis,) = ranking.scatter(table, "recall").axes
    told = "standard deviation of recall over the repeats of a cell"
    assert axis.get_xlabel() == told
    dots = [line for line in axis.lines if line.get_marker() == "o"]
    assert same([dot.get_xdata() for dot in dots], 0.2 / np.sqrt(2))


def test_background_has_dice_to_the_right_and_the_share_upwards() -> None:
    table = pd.DataFrame({"loss": ["iou", "bce"], "dice": [0.8, 0.7]})
    table = table.assign(background=[0.01, 0.02], raw_mean_background=[0.3, 0.4])
    for axis, shares in zip(
        ranking.background(table).axes, ([1, 2], [30, 40]), strict=True
    ):
        assert labels(axis) == ("mean Dice", "background marked, %")
        dots = [drawn(line) for line in axis.lines]
        assert same(np.ravel(dots), np.ravel([(0.8, shares[0]), (0.7, shares[1])]))


def test_background_by_rule_says_of_how_many_images() -> None:
    table = pd.DataFrame({"loss": ["bce"] * 2, "rule": ["probability", "raw_mean"]})
    table = table.assign(marked=[0.01, 0.4], low=[0.0, 0.3], high=[0.02, 0.5], images=7)
    (axis,) = threshold_figures.background_marked(table).axes
    told = "background marked, % (mean of 7 test images, 95 %)"
    assert axis.get_xlabel() == told
    names = [t.get_text() for t in axis.get_legend().get_texts()]
    assert names == ["probability 0.5", "raw mean"]
    assert [t.get_text() for t in axis.get_yticklabels()] == ["bce"]


def test_dice_stands_over_the_cut() -> None:
    curves = pd.DataFrame({"loss": "bce", "cut": [-2.0, 0.0, 2.0]})
    curves["dice"] = [0.1, 0.8, 0.3]
    (axis,) = threshold_figures.dice_curves(curves).axes
    assert labels(axis) == (
        "cut in units of the logit (0 is probability 0.5)",
        "mean Dice of the test set",
    )
    assert same(drawn(axis.lines[0]), (curves["cut"], curves["dice"]))
    assert axis.lines[0].get_label() == "bce"


def test_what_is_measured_stands_over_what_is_predicted_and_the_lesion_share():
    table = pd.DataFrame({"loss": "dice", "lesion_share": [0.0, 0.1]})
    table = table.assign(predicted=[0.5, 0.3], measured=[0.49, 0.2])
    left, right = threshold_figures.theory(table).axes
    assert labels(left) == (
        "predicted share of background marked",
        "measured share of background marked",
    )
    dots = left.collections[0].get_offsets()
    assert same(dots, table[["predicted", "measured"]])
    assert right.get_xlabel() == "lesion share of the image"
    dots = right.collections[0].get_offsets()
    assert same(dots, table[["lesion_share", "measured"]])


def test_the_difference_is_drawn_along_the_axis_of_the_metric_it_names() -> None:
    table = pd.DataFrame({"behind": [0.02], "low": [0.01], "high": [0.05]}, ["bce"])
    (axis,) = ranking.differences(table.assign(answer="behind"), metric="iou").axes
    told = "iou behind the best of the others (left of 0: ahead of it)"
    assert axis.get_xlabel() == told
