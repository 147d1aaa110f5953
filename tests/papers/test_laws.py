"""The laws of scores: F1 and IoU of precision and recall, to the last rounded digit."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from made_audit import scores, verdicts

from lesionkit.papers.audit import audit_row, audit_table
from lesionkit.papers.numbers import Row, gamma_remark, harmonic, printed
from lesionkit.papers.ways import Told

# F1 against precision and recall.


def test_f1_is_the_harmonic_mean_of_precision_and_recall():
    # 2 * 50 * 100 / 150 = 66.67
    assert scores(f1="66.67", precision="50.00", recall="100.00") == []


def test_where_nothing_is_right_f1_is_0_and_no_more():
    assert harmonic(Fraction(0), Fraction(0)) == 0
    assert scores(f1="0.00", precision="0.00", recall="0.00") == []
    got = scores(f1="5.00", precision="0.00", recall="0.00")
    assert got == [("F1", "only if")]


def test_f1_above_the_harmonic_mean_is_no_plain_mean():
    got = scores(f1="67.67", precision="50.00", recall="100.00")
    assert got == [("F1", "only if")]


def test_f1_below_the_harmonic_mean_is_not_pooled():
    got = scores(f1="65.67", precision="50.00", recall="100.00")
    assert got == [("F1", "not pooled")]


def test_f1_below_precision_plus_recall_minus_one_is_no_plain_mean():
    # 80 + 90 - 100 = 70 is the least that images of these means can have.
    assert scores(f1="69.90", precision="80.00", recall="90.00") == [("F1", "only if")]
    assert scores(f1="70.00", precision="80.00", recall="90.00") == [
        ("F1", "not pooled")
    ]


def test_f1_above_both_is_said_once():
    table = pd.DataFrame({"f1": ["90.00"], "precision": ["80"], "recall": ["70"]})
    (finding,) = (f for f in audit_table(table) if f.severity == "only if")
    assert finding.says.endswith(" (it is above both of them)")


def test_f1_says_the_recall_and_the_precision_it_would_need():
    # F1 60: recall 75 with precision 50; precision 45 with recall 90.
    table = pd.DataFrame({"f1": ["60.00"], "precision": ["50"], "recall": ["90"]})
    (finding,) = (f for f in audit_table(table) if f.rule == "F1")
    assert finding.says.endswith("60.00 needs recall 75.00 or precision 45.00")


def test_f1_says_no_recall_that_is_above_one():
    # Precision 50 gives F1 66.67 at most.
    table = pd.DataFrame({"f1": ["68.00"], "precision": ["50"], "recall": ["90"]})
    (finding,) = (f for f in audit_table(table) if f.rule == "F1")
    assert finding.says.endswith("(68.00 needs precision 54.64)")


@pytest.mark.parametrize(
    ("aggregation", "low", "high"),
    [
        (None, [("F1", "not pooled")], [("F1", "only if")]),
        ("pooled", [("F1", "only if")], [("F1", "impossible")]),
        ("image", [], [("F1", "only if")]),
        ("median", [], [("F1", "only if")]),
    ],
)
def test_the_aggregation_decides_what_is_impossible(aggregation, low, high):
    row = {"precision": ["50.00"], "recall": ["100.00"]}
    below = pd.DataFrame({"f1": ["60.00"], **row})
    above = pd.DataFrame({"f1": ["70.00"], **row})
    assert verdicts(below, aggregation=aggregation) == low
    assert verdicts(above, aggregation=aggregation) == high


# IoU.


def test_iou_of_pooled_pixels_follows_from_f1():
    # 0.8 / 1.2 = 66.67
    assert scores(dice="80.00", iou="66.67") == []


def test_iou_between_that_and_f1_is_not_pooled():
    assert scores(dice="80.00", iou="70.00") == [("IoU", "not pooled")]


@pytest.mark.parametrize("iou", ["66.00", "80.50"])
def test_iou_below_that_or_above_f1_is_no_plain_mean(iou):
    assert scores(dice="80.00", iou=iou) == [("IoU", "only if")]


def test_iou_says_the_f1_it_would_need():
    table = pd.DataFrame({"dice": ["80.00"], "iou": ["60.00"]})
    (finding,) = (f for f in audit_table(table) if f.rule == "IoU")
    assert finding.says.endswith("(IoU 60.00 needs F1 75.00)")


@pytest.mark.parametrize(
    ("iou", "expected"),
    [
        ("50.00", []),  # 1 / (1 / 0.6 + 1 / 0.75 - 1)
        ("55.00", [("IoU", "not pooled")]),
        ("60.10", [("IoU", "only if")]),  # above precision
        ("34.90", [("IoU", "only if")]),  # below 60 + 75 - 100
    ],
)
def test_iou_is_held_against_precision_and_recall_where_f1_is_missing(iou, expected):
    assert scores(precision="60.00", recall="75.00", iou=iou) == expected


def test_three_images_of_other_sizes_have_means_that_are_not_pooled():
    # (tp, fp, fn) of (90, 10, 10), (1, 3, 5), (50, 0, 50), as science.md has them
    means = {"precision": "71.67", "recall": "52.22", "dice": "58.89", "iou": "47.64"}
    assert scores(**means) == [("F1", "not pooled"), ("IoU", "not pooled")]
    pooled = {"precision": "91.56", "recall": "68.45", "dice": "78.33", "iou": "64.38"}
    assert scores(**pooled) == []


# Rounding, units, missing cells.


@pytest.mark.parametrize(
    ("f1", "expected"),
    [
        # P and R in [49.5, 50.5]: so is their harmonic mean, and F1 is +- 0.5.
        ("51", []),
        ("52", [("F1", "only if")]),
        ("49", []),
        ("48", [("F1", "not pooled")]),
    ],
)
def test_a_difference_within_rounding_is_no_finding(f1, expected):
    assert scores(f1=f1, precision="50", recall="50") == expected


def test_a_difference_of_one_in_the_last_decimal_beyond_rounding_is_one():
    assert scores(f1="50.01", precision="50.00", recall="50.00") == []
    assert scores(f1="50.02", precision="50.00", recall="50.00") == [("F1", "only if")]


def test_one_number_outside_the_range_does_not_change_the_unit():
    table = pd.DataFrame({"dice": ["0.81", "8.12", "0.83"]})
    assert verdicts(table) == [("range", "impossible")]


def test_a_row_outside_the_range_is_asked_nothing_else():
    assert scores(f1="50", precision="101.00", recall="50") == [("range", "impossible")]


def test_one_hundred_percent_is_inside_the_range():
    assert scores(f1="100.00", precision="100.00", recall="100.00", iou="100.00") == []


def test_scores_of_nothing_found_are_zero_and_right():
    assert scores(f1="0.00", precision="0.00", recall="0.00", iou="0.00") == []


def test_missing_cells_are_asked_nothing():
    assert scores(f1="50", precision="-", recall="") == []


def test_gamma_weighs_an_easy_pixel_as_computed_by_hand():
    # (0.1 / 0.5)^0.5 = 0.447 and (0.1 / 0.5)^2 = 0.04
    (remark,) = gamma_remark("0.5", "here")
    assert "has 0.45 of the weight" in remark.says
    assert "gamma 2 it has 0.04" in remark.says


@pytest.mark.parametrize("gamma", ["", "1", "2", "0"])
def test_no_gamma_and_gamma_from_one_need_no_remark(gamma):
    assert gamma_remark(gamma, "here") == []


def test_no_law_refuses_means_of_random_images():
    random = np.random.default_rng(0)
    for _ in range(300):
        p, r = random.beta(*random.uniform(0.2, 3, 2), (2, random.integers(1, 6)))
        f1 = 2 * p * r / (p + r)
        means = (f1, f1 / (2 - f1), p, r)
        texts = [f"{100 * values.mean():.1f}" for values in means]
        exact = [printed(text, percent=True) for text in texts]
        names = ("dice", "iou", "precision", "recall")
        row = Row("images", dict(zip(names, exact, strict=True)), {})
        assert audit_row(row, Told("image")) == []
