"""The chance that the order of two printed means is luck."""

from __future__ import annotations

import re
from math import inf, sqrt

import numpy as np
import pytest
from scipy import stats

from lesionkit import published
from lesionkit.papers.luck import one_row
from lesionkit.papers.scatter import CORRELATION, WIDTH, of_a_training


def chance(*row, **given):
    """The chance from the test images alone, at the middle of what is not given."""
    return one_row(*row, **given).by_images.middle


def test_it_is_the_one_sided_paired_t_test_of_the_scores():
    # 1.2 million images' worth of decimals, so that rounding adds nothing.
    random = np.random.default_rng(0)
    first = random.beta(8, 2, 40)
    second = np.clip(first - 0.02 + random.normal(0, 0.05, 40), 0, 1)
    correlation = np.corrcoef(first, second)[0, 1]
    found = chance(
        f"{first.mean():.12f}",
        f"{second.mean():.12f}",
        40,
        deviations=(first.std(ddof=1), second.std(ddof=1)),
        correlation=correlation,
    )
    p = stats.ttest_rel(first, second, alternative="greater").pvalue
    assert found == pytest.approx(p, rel=1e-6)


def test_it_is_the_formula_of_claims_reloaded_by_hand():
    # s1 = s2 = 0.1, r = 0.5: s of the difference 0.1; t = 0.02 sqrt(100) / 0.1 = 2
    found = chance("0.80000", "0.78000", 100, deviations=(0.1,), correlation=0.5)
    assert found == pytest.approx(stats.t.sf(2, 99), rel=1e-4)
    assert found == pytest.approx(0.0241, abs=1e-4)


def test_percent_and_fractions_are_one_answer():
    percent = one_row("88.77", "88.39", 120, deviations=(12.0, 13.0))
    fractions = one_row("0.8877", "0.8839", 120, deviations=(0.12, 0.13))
    assert percent.by_images == pytest.approx(fractions.by_images)
    assert percent.by_runs == pytest.approx(fractions.by_runs)


def test_the_order_in_which_the_two_are_given_changes_nothing_but_the_name():
    one = one_row("80", "82", 50, deviations=(10, 15), correlation=0.7)
    two = one_row("82", "80", 50, deviations=(15, 10), correlation=0.7)
    assert one.by_images == two.by_images
    assert (one.row.ahead, two.row.ahead) == ("second", "first")
    assert one.deviations == two.deviations == (0.15, 0.10)


def test_more_images_a_larger_lead_and_more_correlation_are_less_luck():
    usual = chance("82", "80", 100)
    assert chance("82", "80", 400) < usual
    assert chance("83", "80", 100) < usual
    assert chance("82", "80", 100, correlation=0.95) < usual
    assert chance("82", "80", 100, deviations=(5.0,)) < usual


def test_equal_means_have_no_order():
    found = one_row("80", "80.0", 100)
    assert found.by_images == (0.5, 0.5, 0.5)
    assert (found.row.ahead, found.images_needed) == ("neither", inf)
    assert found.lines == ["The two means are equal on 100 images: there is no order."]


def test_rounding_adds_its_variance():
    # Two numbers of a whole point each: 2 / 12 points squared.
    given = {"deviations": (0.0,), "correlation": 0.0}
    assert chance("81", "80", 10**6, **given) == pytest.approx(
        stats.norm.sf(1 / sqrt(2 / 12)), abs=1e-4
    )
    assert chance("81.00", "80.00", 10**6, **given) < 1e-9


# What is not printed.


def test_deviations_that_are_not_printed_are_as_wide_as_measured():
    found = one_row("0.80", "0.70", 100)
    assert found.deviations == pytest.approx(
        (WIDTH.middle * sqrt(0.8 * 0.2), WIDTH.middle * sqrt(0.7 * 0.3))
    )
    assert found.correlation == CORRELATION.middle


def test_the_range_is_that_of_what_is_not_printed():
    found = one_row("88.77", "88.39", 120)
    low, middle, high = found.by_images
    assert low < middle < high < 0.5
    given = {"deviations": (WIDTH.high * 31.6,), "correlation": CORRELATION.low}
    assert high == pytest.approx(chance("88.77", "88.39", 120, **given), abs=0.01)
    full = one_row("88.77", "88.39", 120, deviations=(12.0,), correlation=0.8)
    assert len({*full.by_images}) == 1


def test_a_deviation_far_below_what_images_have_is_asked_about_first():
    found = one_row("82.5", "80", 62, deviations=(1.2,))
    assert found.lines[0].startswith(
        "Look again: the usual deviation over images is 14.82"
    )
    assert "Look again" not in " ".join(one_row("82", "80", 62, deviations=(9,)).lines)


# Seeds and splits.


def test_trainings_add_their_scatter():
    # Error of the images 0.01; a training scatters by 0.01: sqrt(0.0001 + 0.0002)
    given = {"deviations": (0.1,), "correlation": 0.5, "run_deviations": (0.01,)}
    found = one_row("0.80000", "0.78000", 100, **given)
    assert found.by_runs == pytest.approx(stats.t.sf(0.02 / sqrt(3e-4), 99), rel=1e-3)
    five = one_row("0.80000", "0.78000", 100, runs=5, **given)
    assert five.by_runs == pytest.approx(
        stats.t.sf(0.02 / sqrt(1e-4 + 2e-4 / 5), 99), rel=1e-3
    )


def test_two_scatters_are_taken_together():
    found = one_row("82", "80", 100, run_deviations=(0.3, 0.4))
    assert found.scatter.middle == pytest.approx(sqrt((0.003**2 + 0.004**2) / 2))


def test_the_scatter_of_a_training_is_that_of_the_public_rerun_without_its_images():
    cells = published.public_rerun()
    own = cells[(cells["dataset"] == "kvasir") & (cells["model"] == "unet")]
    images = WIDTH.middle**2 * own["dice"] * (1 - own["dice"]) / 200
    expected = sqrt((own["dice_sd"] ** 2 - images).mean())
    found, where = of_a_training("kvasir", "unet")
    assert found == pytest.approx([expected] * 3)
    assert where.endswith("public re-run, those of kvasir and unet")


def test_without_a_data_set_the_scatter_has_the_range_of_all_cells():
    found, where = of_a_training()
    assert 0 <= found.low < found.middle < found.high < 0.06
    assert where.endswith("all data sets and networks")


# What it takes.


def test_the_images_that_it_takes_give_a_chance_of_one_in_twenty():
    row = ("0.80000", "0.79000")
    given = {"deviations": (0.12, 0.13), "correlation": 0.7}
    needed = one_row(*row, 50, **given).images_needed
    assert chance(*row, int(needed), **given) <= 0.05
    assert chance(*row, int(needed) - 2, **given) > 0.05


def test_the_lead_that_it_takes_gives_a_chance_of_one_in_twenty():
    given = {"deviations": (0.12,), "correlation": 0.7}
    lead = one_row("0.80000", "0.79000", 50, **given).lead_needed
    assert chance("0.80000", f"{0.8 - lead:.5f}", 50, **given) == pytest.approx(
        0.05, abs=1e-4
    )


def test_no_number_of_images_helps_where_rounding_is_wider_than_the_lead():
    # 0.01 / 1.645 is below sqrt(2 / 12) 0.01.. of two decimals, 0.0041: it is above.
    assert one_row("0.81", "0.80", 50).images_needed < inf
    coarse = one_row("1", "0.99", 50, deviations=(0.0,))
    assert coarse.images_needed == inf
    assert "takes no number of images at this rounding" in coarse.lines[-1]


# In words, and refused.


def test_the_answer_in_words():
    given = {"deviations": (12.0, 13.0), "correlation": 0.7, "runs": 5}
    found = one_row("88.77", "88.39", 120, run_deviations=(0.5,), **given)
    assert found.lines[:5] == [
        "88.77 leads 88.39 by 0.38 points on 120 images.",
        "Chance that the order is luck, from the test images alone: 0.335.",
        "  deviations over images 12.00 and 13.00, as given; correlation of the two "
        "scores of an image 0.7, as given",
        "With other seeds and splits as well: 0.344.",
        "  a training scatters by 0.50, as given; 5 trainings of each method",
    ]
    assert re.fullmatch(
        r"A chance of 0\.05 from the test images alone takes 1,\d+ images at this "
        r"lead, or a lead of 1\.\d+ on 120 images\. Images of one patient .*",
        found.lines[5],
    )


def test_a_range_stands_beside_the_chance_where_something_is_not_printed():
    found = one_row("88.77", "88.39", 120)
    low, middle, high = (f"{chance:.3f}" for chance in found.by_images)
    assert found.lines[1].endswith(f"alone: {middle} ({low} to {high}).")
    assert low < middle < high


def test_a_small_chance_is_never_nothing():
    line = one_row("90", "50", 1000).lines[1]
    assert line.endswith("alone: below 0.001.")


@pytest.mark.parametrize(
    ("row", "given", "says"),
    [
        (("0.8", "82", 9), {}, "0.8 and 82 are in two units: percent, and 0 to 1"),
        (("188", "87", 9), {}, "a score is 0 to 1 or 0 to 100, got 188 and 87"),
        (("-1", "87", 9), {}, "a score is 0 to 1 or 0 to 100, got -1 and 87"),
        (("88\u00b11", "87", 9), {}, "give the mean alone, and say what the deviation"),
        (("88 (1)", "87", 9), {}, "--sd for test images, --run-sd for trainings"),
        (("good", "87", 9), {}, "'good' is no score; a mean such as 88.77 or 0.8877"),
        (("88", "87", 1), {}, "images is 2 or more, got 1"),
        (("88", "87", 9), {"runs": 0}, "runs is 1 or more, got 0"),
        (("88", "87", 9), {"correlation": 1}, "correlation is from -1 to below 1, got"),
        (("88", "87", 9), {"deviations": (60.0,)}, "deviations 60: scores with a mean"),
        (("88", "87", 9), {"deviations": (-1.0,)}, "have one of 0 to 34.47"),
        (("0.8", "0.7", 9), {"deviations": (12.0,)}, "in the unit of the means"),
        (("88", "87", 9), {"deviations": (1, 2, 3)}, "one each, got 3"),
        (("88", "87", 9), {"like": "kvazir"}, "Did you mean 'kvasir'"),
        (("88", "87", 9), {"model": "unett"}, "Did you mean 'unet'"),
    ],
)
def test_what_is_no_row_is_refused_by_name(row, given, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        one_row(*row, **given)


@pytest.mark.parametrize("row", [("0", "0.5"), ("0", "100"), ("1", "0")])
def test_scores_at_the_ends_of_their_range_are_scores(row):
    found = one_row(*row, 50).row
    assert found.means == (max(map(float, row)) / found.unit, 0)


def test_a_comma_and_a_percent_sign_are_read():
    assert chance("88,77 %", "88,39 %", 120) == chance("88.77", "88.39", 120)
