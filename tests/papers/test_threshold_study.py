"""Whole sets from the histograms and counts of records, against pixels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from made_records import made_record

from lesionkit import masks, metrics
from lesionkit.config import RunConfig
from lesionkit.inference.images import mean_interval
from lesionkit.papers import threshold_study
from lesionkit.records import runs
from lesionkit.records.runs import RunRecord
from lesionkit.training import evaluation


@pytest.fixture
def pixels():
    """Logits (6, 24, 24) and masks with lesions of growing size, the first empty."""
    random = np.random.default_rng(3)
    lesion = np.zeros((6, 24, 24), np.uint8)
    for i in range(1, 6):
        lesion[i, : 3 * i, : 2 * i] = 1
    logits = random.normal(-2, 1.5, lesion.shape) + 4 * lesion
    return torch.from_numpy(logits.astype(np.float32)), torch.from_numpy(lesion)


@pytest.fixture
def record(pixels, data_home) -> RunRecord:
    """A record whose curves and counts are those of these pixels, shifted by part."""
    logits, lesion = pixels
    folder = made_record(RunConfig(loss="dice", dataset="toy"), sealed=False)
    curves = {"bin_edges": evaluation.BIN_EDGES}
    for part, shift in (("test", 0.0), ("validation", 1.0)):
        moved = (logits + shift).numpy()
        found = evaluation.histograms(moved, lesion.bool().numpy())
        curves[f"{part}_lesion"], curves[f"{part}_background"] = found
        flat = moved.reshape(6, -1).astype(float)
        extent = [flat.min(1), flat.max(1), flat.mean(1)]
        curves[f"{part}_extent"] = np.stack(extent, 1)
    runs.store_arrays(folder, "curves", curves)
    tables = []
    for rule in ("probability", "raw_mean"):
        predicted = evaluation.THRESHOLDS[rule](logits)
        counts = metrics.counts(predicted, lesion).numpy()
        table = pd.DataFrame(counts, columns=["tp", "fp", "fn", "tn"])
        tables.append(table.assign(file="f", threshold=rule))
    runs.store_table(folder, "images", pd.concat(tables))
    runs.finish(folder)
    return RunRecord(folder)


def dice_at(pixels, cut: float, shift: float = 0.0) -> float:
    """Mean Dice of logits >= cut, from the pixels themselves."""
    logits, lesion = pixels
    predicted = (logits + shift >= np.float32(cut)).to(torch.uint8)
    return metrics.scores(metrics.counts(predicted, lesion))["dice"]


def test_four_pixels_in_two_bins_are_counted_from_above():
    lesion, background = np.array([[0, 1]]), np.array([[2, 1]])
    found = threshold_study.counts_at_edges(lesion, background)
    assert found[0].tolist() == [[1, 3, 0, 0], [1, 1, 0, 2], [0, 0, 1, 3]]


@pytest.mark.parametrize("edge", [1, 90, 120, 128, 140, 200, 255])
def test_the_curve_is_the_dice_of_the_pixels_at_every_edge(record, pixels, edge):
    row = threshold_study.dice_curve(record).iloc[edge]
    assert row["dice"] == pytest.approx(dice_at(pixels, row["cut"]), abs=1e-12)


def test_an_image_that_is_ignored_as_a_whole_is_in_no_curve(record):
    before = threshold_study.dice_curve(record)
    stored = {k: np.array(v) for k, v in record.arrays("curves").items()}
    for name in [k for k in stored if k != "bin_edges"]:
        more = np.zeros_like(stored[name][:1])
        stored[name] = np.concatenate([stored[name], more])
    (record.folder / "curves.npz").unlink()
    runs.store_arrays(record.folder, "curves", stored)
    runs.finish(record.folder)
    after = threshold_study.dice_curve(RunRecord(record.folder))
    pd.testing.assert_frame_equal(before, after)


def test_the_share_marked_is_that_of_the_pixels_at_probability_one_half(record, pixels):
    curve = threshold_study.dice_curve(record).set_index("cut")
    share = masks.probability_mask(pixels[0]).float().mean()
    assert curve.loc[0.0, "marked"] == pytest.approx(float(share), abs=1e-7)


def test_the_best_cut_is_that_of_validation_and_not_of_test(record, pixels):
    cut = threshold_study.best_validation_cut(record)
    edges = evaluation.BIN_EDGES[1:-1]
    on_validation = [dice_at(pixels, edge, shift=1.0) for edge in edges]
    on_test = [dice_at(pixels, edge) for edge in edges]
    assert dice_at(pixels, cut, shift=1.0) == max(on_validation)
    assert dice_at(pixels, cut) < max(on_test)


def test_a_part_that_the_record_does_not_have_is_refused(record):
    with pytest.raises(ValueError, match="no part 'train'"):
        threshold_study.dice_curve(record, "train")


def test_the_background_marked_is_false_positives_over_background(record, pixels):
    found = threshold_study.background_marked({"dice": record}).set_index("rule")
    logits, lesion = pixels
    predicted = masks.raw_mean_mask(logits).bool()
    shares = [
        float(p[~truth].float().mean())
        for p, truth in zip(predicted, lesion.bool(), strict=True)
    ]
    assert found.loc["raw_mean", "marked"] == pytest.approx(np.mean(shares), abs=1e-6)
    assert found.loc["raw_mean", "low"] < np.mean(shares)
    assert found.loc["raw_mean", "high"] > np.mean(shares)
    assert list(found["images"]) == [6, 6]


def test_the_interval_covers_the_true_mean_about_as_often_as_it_says():
    random = np.random.default_rng(5)
    hits = 0
    for _ in range(100):
        low, high = mean_interval(random.normal(0, 1, 40), resamples=400)
        hits += low <= 0 <= high
    assert 86 <= hits <= 99  # 0.95 of 100, the bootstrap of 40 a little short of it


def test_one_image_has_no_interval():
    assert np.isnan(mean_interval(np.array([0.3]), resamples=100)).all()


@pytest.mark.parametrize(
    ("share", "gap", "expected"), [(0.10, 8, 0.212), (0.02, 8, 0.436), (0, 8, 0.5)]
)
def test_the_prediction_has_the_values_of_the_notes(share, gap, expected):
    found = threshold_study.predicted_background(share, gap, 1)
    assert float(found) == pytest.approx(expected, abs=5e-4)


def test_a_normal_background_is_marked_as_predicted(record):
    table = threshold_study.background_theory(record)
    gap = (table["predicted"] - table["measured"]).abs()
    assert gap.max() < 0.05  # 576 pixels: a standard error of 0.02
    assert table["gap"].iloc[1:].to_numpy() == pytest.approx(4, abs=0.8)
    assert table["spread"].to_numpy() == pytest.approx(1.5, abs=0.1)
    assert np.isnan(table["gap"][0])


def test_a_large_lesion_leaves_less_background_above_the_mean(record):
    table = threshold_study.background_theory(record)
    assert table["lesion_share"].is_monotonic_increasing
    assert table["predicted"].iloc[0] == pytest.approx(0.5, abs=0.02)
    assert table["measured"].iloc[-1] < table["measured"].iloc[0] - 0.1


def test_an_outer_bin_reaches_to_the_extremes_of_the_image():
    edges, low, high = np.array([-4.0, 0.0, 4.0]), np.array([-9.0]), np.array([6.0])
    assert threshold_study._middles(edges, low, high).tolist() == [[-4.5, 3.0]]
