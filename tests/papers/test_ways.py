"""What makes a row possible that no plain mean can have, and when nothing does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from made_audit import verdicts

from lesionkit import metrics
from lesionkit.papers.audit import audit_row, audit_table
from lesionkit.papers.numbers import Row, printed
from lesionkit.papers.ways import Told, least_share

LEFT_OUT = (1, 1, None, None)


def row(**texts):
    """One row of scores in percent, as printed."""
    scores = {name: printed(text, percent=True) for name, text in texts.items()}
    return Row("it", scores, {})


def only(found):
    """The one finding there is."""
    (finding,) = found
    return finding


def verdict(one, **told):
    """What is said of one row, as severity and text."""
    finding = only(audit_row(one, Told(**told)))
    return finding.severity, finding.says


HIGH = row(dice="83.35", precision="88.91", recall="74.49")  # 81.06 at most
LOW = row(dice="69.00", precision="80.00", recall="90.00")  # 70 at least


# Empty images.


def test_the_share_of_empty_images_is_the_one_worked_out_by_hand():
    # (f - h) / (1 - h) with f 0.8335 and h 0.810632 is 0.1208; rounding makes it less.
    share = least_share(HIGH.scores, LEFT_OUT)
    assert share == pytest.approx((0.8335 - 0.810632) / (1 - 0.810632), abs=0.0008)
    assert share <= (0.8335 - 0.810632) / (1 - 0.810632)


def test_less_empty_images_will_do_where_they_count_zero_in_precision_and_recall():
    # then F1 = e + (1 - e) h' and P = (1 - e) p': e is f - h = 0.0229
    share = least_share(HIGH.scores, (1, 1, 0, 0))
    assert share == pytest.approx(0.8335 - 0.810632, abs=0.0003)


def test_an_f1_that_is_too_low_takes_images_that_count_zero_in_it_alone():
    # (1 - e) 0.70 = 0.69, and 0.71 where the intervals are at their ends
    share = least_share(LOW.scores, (0, 0, None, None))
    assert share == pytest.approx(1 - 0.69 / 0.70, abs=0.0003)
    severity, says = verdict(LOW)
    assert severity == "only if"
    assert "only if 1.4 % of the images are empty (F1 0, precision and recall" in says


def test_iou_above_f1_takes_images_that_count_in_iou_alone():
    # e + (1 - e) 0.80 = 0.81: e is 0.05
    severity, says = verdict(row(dice="80.00", iou="81.00"))
    assert severity == "only if"
    assert "only if 5.0 % of the images are empty (F1 left out, IoU 1)" in says


def test_all_scores_of_a_row_have_to_agree_on_the_share():
    # F1 alone takes 16.5 %; an IoU as low as this leaves none for it.
    of_f1 = {"dice": "92.39", "precision": "95.92", "recall": "84.57"}
    assert least_share(row(**of_f1).scores, LEFT_OUT) > 0.2
    assert least_share(row(**of_f1, iou="86.11").scores, LEFT_OUT) is None


def test_no_share_of_empty_images_can_do_for_an_iou_far_below_f1():
    severity, says = verdict(
        row(dice="71.47", iou="43.34", precision="92", recall="63")
    )
    assert severity == "only if"
    assert "empty" not in says
    assert "only if IoU was averaged in another way than F1" in says


def test_the_share_that_is_named_is_never_above_the_true_one():
    random = np.random.default_rng(1)
    for _ in range(40):
        images, nothing = 100, int(random.integers(1, 40))
        tp, fp, fn = random.integers(1, 100, (3, images))
        counts = np.stack([tp, fp, fn, np.full(images, 9000)], 1)
        counts[:nothing, :3] = 0
        found = metrics.scores(counts)
        texts = {k: f"{100 * found[k]:.2f}" for k in ("dice", "precision", "recall")}
        share = least_share(row(**texts).scores, LEFT_OUT)
        assert share is not None
        assert share <= nothing / images


# Digits, medians, mixed averaging, runs.


def test_digits_that_were_cut_off_are_a_way():
    # F1 0.900197 has IoU 0.8185075: cut off, but not rounded, 90.01 and 81.85.
    cut = row(dice="90.01", iou="81.85")
    severity, says = verdict(cut, aggregation="pooled", runs=1)
    assert (severity, "if digits were cut off" in says) == ("only if", True)
    assert audit_row(row(dice="90.02", iou="81.85"), Told("pooled", runs=1)) == []
    far = row(dice="90.00", iou="81.85")
    assert verdict(far, aggregation="pooled", runs=1)[0] == "impossible"


def test_medians_are_a_way_up_to_their_bound():
    # 2 r / (1 + r) with r 0.7449 is 0.8538
    assert "or if the scores are medians over images" in verdict(HIGH)[1]
    above = row(dice="85.45", precision="88.91", recall="74.49")
    assert "medians" not in verdict(above)[1]


@pytest.mark.parametrize("images", [3, 4, 7, 10])
def test_no_medians_are_refused_where_medians_are_told(images):
    random = np.random.default_rng(images)
    for _ in range(200):
        p, r = random.beta(*random.uniform(0.2, 3, 2), (2, images))
        f1 = 2 * p * r / (p + r)
        values = {"dice": f1, "iou": f1 / (2 - f1), "precision": p, "recall": r}
        texts = {name: f"{100 * np.median(v):.1f}" for name, v in values.items()}
        assert audit_row(row(**texts), Told("median")) == []


def test_medians_above_their_bound_are_impossible_where_no_image_is_empty():
    above = row(dice="85.45", precision="88.91", recall="74.49")
    assert verdict(above, aggregation="median")[0] == "only if"
    assert verdict(above, aggregation="median", empty=0)[0] == "impossible"
    assert audit_row(HIGH, Told("median")) == []


def test_pooled_scores_that_are_not_equal_take_runs_that_scatter():
    # Two runs: P 90 and 70, R 70 and 90. Both have F1 78.75; the mean P and R give 80.
    mean = row(dice="78.75", precision="80.00", recall="80.00")
    severity, says = verdict(mean, aggregation="pooled")
    assert severity == "only if"
    assert "precision and recall scattered by about 10.0 points" in says
    assert verdict(mean, aggregation="pooled", runs=2)[0] == "only if"
    assert verdict(mean, aggregation="pooled", runs=1)[0] == "impossible"


def test_runs_that_scatter_are_told_of_iou_too():
    # F1 90 and 70 have IoU 81.82 and 53.85, 67.83 in the mean; 80 has 66.67.
    severity, says = verdict(row(dice="80.00", iou="67.83"), aggregation="pooled")
    assert (severity, "with F1 scattered by about 10.0 points" in says) == (
        "only if",
        True,
    )


def test_no_runs_make_pooled_scores_possible_above_the_harmonic_mean():
    severity, says = verdict(HIGH, aggregation="pooled")
    assert severity == "impossible"
    assert "impossible as told (pooled over all pixels) (83.35 needs recall" in says


# What is told.


def test_what_is_told_closes_ways():
    assert verdict(HIGH)[1].count(" if ") == 3
    severity, says = verdict(HIGH, aggregation="image")
    assert (severity, says.count(" if "), "empty" in says) == ("only if", 1, True)
    severity, says = verdict(HIGH, empty=0)
    assert (severity, "empty" in says, "medians" in says) == ("only if", False, True)


def test_a_row_is_impossible_where_there_are_fewer_empty_images_than_it_takes():
    assert verdict(HIGH, aggregation="image", empty=0.20)[0] == "only if"
    few = verdict(HIGH, aggregation="image", empty=0.01)
    assert few[0] == "impossible"
    assert "(means over images, 1.0 % of the images without lesion)" in few[1]


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"empty": 12}, "empty is a share, 0 to 1, got 12"),
        ({"runs": 0}, "runs is 1 or more, got 0"),
        ({"aggregation": "medians"}, "Did you mean 'median'"),
    ],
)
def test_what_cannot_be_told_is_refused(told, says):
    with pytest.raises(ValueError, match=says):
        audit_table(pd.DataFrame({"dice": ["80"]}), **told)


def test_nothing_told_leaves_no_row_impossible_but_outside_the_range():
    random = np.random.default_rng(0)
    names = ("dice", "iou", "precision", "recall")
    texts = [dict.fromkeys(names, "") for _ in range(60)]
    rows = [{n: f"{100 * random.random():.1f}" for n in each} for each in texts]
    table = pd.DataFrame(rows)
    assert {severity for _, severity in verdicts(table)} <= {"only if", "not pooled"}
    table.loc[0, "dice"] = "101"
    assert ("range", "impossible") in verdicts(table)
