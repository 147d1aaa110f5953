"""Podium points, their ties, their chance level."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_cells import table as table
from made_cells import table_of
from made_records import TWO_BY_THREE

from lesionkit.inference import ranking
from lesionkit.inference.grids import cells

PUBLISHED = Path(__file__).parents[3] / "shared" / "published"
needs_published = pytest.mark.skipif(
    not PUBLISHED.is_dir(), reason=f"the public re-run's cells are not in {PUBLISHED}"
)
NAN = float("nan")


@pytest.fixture(scope="module")
def public_rerun():
    """The cell means of the public re-run, Dice as `dice`."""
    cells = pd.read_csv(PUBLISHED / "public_rerun_cells.csv")
    return cells.rename(columns={"dice_mean": "dice"})


@pytest.mark.parametrize(
    ("values", "ties", "points"),
    [
        ((0.9, 0.9, 0.7, 0.6), "share", [2.5, 2.5, 1, 0]),
        ((0.9, 0.9, 0.7, 0.6), "min", [3, 3, 1, 0]),
        ((0.9, 0.9, 0.7, 0.6), "dense", [3, 3, 2, 1]),
        ((0.9, 0.9, 0.7, 0.6), "first", [3, 2, 1, 0]),
        ((0.9, 0.8, 0.8, 0.6), "share", [3, 1.5, 1.5, 0]),
        ((0.9, 0.8, 0.8, 0.6), "min", [3, 2, 2, 0]),
        ((0.5, 0.5, 0.5, 0.5), "share", [1.5, 1.5, 1.5, 1.5]),
        ((0.9, 0.8, 0.7, 0.7), "share", [3, 2, 0.5, 0.5]),
        ((0.6, 0.7, 0.8, 0.9), "share", [0, 1, 2, 3]),
    ],
)
def test_tied_places_get_the_points_of_their_rule(values, ties, points):
    assert list(ranking.row_points(np.array(values), ties)) == points


def test_values_that_differ_in_the_last_bit_are_not_tied():
    values = np.array([0.9, np.nextafter(0.9, 1), 0.7])
    assert list(ranking.row_points(values)) == [2, 3, 1]


@pytest.mark.parametrize("ties", ranking.TIES)
def test_nan_ranks_last_and_gets_nothing(ties):
    assert list(ranking.row_points(np.array([NAN, 0.9, 0.8]), ties)) == [0, 3, 2]


@pytest.mark.parametrize("ties", ranking.TIES)
def test_a_row_of_nothing_but_nan_awards_nothing(ties):
    assert list(ranking.row_points(np.array([NAN, NAN]), ties)) == [0, 0]


def test_an_unknown_tie_rule_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="unknown tie rule 'dens'.*mean 'dense'"):
        ranking.row_points(np.array([0.9]), "dens")


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), min_size=3, max_size=10))
@settings(max_examples=30, deadline=None)
def test_shared_points_always_add_up_to_6(values):
    assert ranking.row_points(np.array(values)).sum() == pytest.approx(6)


def test_podium_sums_its_rows_and_puts_the_most_points_first(table):
    points = ranking.podium(table)
    assert list(points.columns) == ["dice", "bce", "iou"]
    assert points.loc["toy"].to_dict() == {"dice": 3, "bce": 1, "iou": 2}
    assert points.loc["kvasir"].to_dict() == {"dice": 2, "bce": 3, "iou": 1}
    assert points.loc["points"].to_dict() == {"dice": 5, "bce": 4, "iou": 3}


def test_every_row_of_a_podium_awards_6_points(table):
    assert list(ranking.podium(table).sum(axis=1)) == [6, 6, 12]


def test_a_podium_over_models_has_a_row_for_each_model(table):
    points = ranking.podium(table, "model")
    assert list(points.index) == ["unet", "points"]
    # means over both data sets: dice .75, bce .675, iou .65
    assert points.loc["points"].to_dict() == {"dice": 3, "bce": 2, "iou": 1}


def test_a_podium_of_a_missing_cell_gives_that_loss_nothing():
    cells = {k: v for k, v in TWO_BY_THREE.items() if k != ("kvasir", "unet", "bce")}
    assert ranking.podium(table_of(cells)).loc["kvasir", "bce"] == 0


def test_a_podium_of_one_loss_has_one_column(table):
    points = ranking.podium(table[table["loss"] == "dice"])
    assert points.to_dict() == {"dice": {"toy": 3, "kvasir": 3, "points": 6}}


def test_a_cell_is_the_mean_and_sample_deviation_of_its_repeats():
    table = pd.DataFrame(
        {"dataset": "a", "model": "m", "loss": "iou", "dice": [0.6, 0.8]}
    )
    cell = cells(table).iloc[0]
    assert (cell["mean"], cell["count"]) == (pytest.approx(0.7), 2)
    assert cell["std"] == pytest.approx(np.sqrt(0.02))  # 2 x 0.1 squared, over 1


def test_an_unknown_metric_is_refused_with_the_nearest(table):
    with pytest.raises(ValueError, match="unknown metric 'dicee'.*mean 'dice'"):
        cells(table, "dicee")


def test_a_column_of_words_is_no_metric(table):
    with pytest.raises(ValueError, match="unknown metric 'loss'.*One of: repeat, dice"):
        cells(table, "loss")


def test_a_cell_with_more_repeats_weighs_no_more_in_a_mean():
    table = pd.DataFrame(
        {
            "dataset": "a",
            "model": ["m", "n", "n", "n"],
            "loss": "iou",
            "dice": [0.4, 0.8, 0.8, 0.8],
        }
    )
    assert ranking.means(table, "dataset").loc["a", "iou"] == pytest.approx(0.6)


def test_means_are_over_data_sets_or_models_only(table):
    with pytest.raises(ValueError, match="unknown rows 'modle'.*mean 'model'"):
        ranking.means(table, "modle")


# 100,000 simulations: the mean is known to 0.006 (its deviation is below 2) and a
# probability to 0.002; the stated values are rounded to 0.1 and 0.01.
@pytest.mark.parametrize(("rows", "mean"), [(6, 8.1), (12, 13.4)])
def test_the_best_of_ten_equal_losses_collects_this_many_points(rows, mean):
    chance = ranking.chance_of_podium(rows, 10)
    assert chance.mean() == pytest.approx(mean, abs=0.05 + 3 * 0.006)


@pytest.mark.parametrize(
    ("rows", "points", "probability"), [(6, 8, 0.62), (12, 16, 0.16)]
)
def test_ten_equal_losses_reach_the_points_this_often(rows, points, probability):
    chance = ranking.chance_of_podium(rows, 10)
    reached = (chance >= points).mean()
    assert reached == pytest.approx(probability, abs=0.005 + 3 * 0.002)


def test_the_better_of_two_equal_losses_over_one_row_always_has_3_points():
    assert set(ranking.chance_of_podium(1, 2, simulations=100)) == {3}


def test_the_chance_level_is_the_same_every_time():
    first = ranking.chance_of_podium(2, 4, simulations=50, seed=1)
    ranking.chance_of_podium.cache_clear()
    again = ranking.chance_of_podium(2, 4, simulations=50, seed=1)
    assert np.array_equal(first, again)


def test_the_sentence_names_leader_points_rows_and_chance(table):
    # Over two rows, 3, 2, 1 and one of its six orders: the best of the three losses
    # has 4 points for one of them and 5 or 6 for the others, five of six.
    sentence = ranking.podium_sentence(ranking.podium(table))
    assert sentence.startswith(
        "dice leads with 5 of 12 points over 2 data sets (a loss can have 6). "
    )
    assert "If all 3 losses were equal" in sentence
    assert "5 or more with probability 0.83" in sentence
    assert sentence.endswith("these points do not show that any loss is better.")


def test_the_sentence_of_a_sure_winner_ends_with_its_probability():
    cells = {(f"set{i}", "m", f"loss{j}"): j / 10 for i in range(9) for j in range(10)}
    points = ranking.podium(table_of(cells))
    sentence = ranking.podium_sentence(points, "loss9")
    assert sentence.startswith(
        "loss9 leads with 27 of 54 points over 9 data sets (a loss can have 27)."
    )
    assert sentence.endswith("27 or more with probability 0.00.")


@pytest.mark.parametrize("best", [None, "loss8"])
def test_points_find_no_winner_that_the_verdict_does_not(best):
    cells = {(f"set{i}", "m", f"loss{j}"): j / 10 for i in range(9) for j in range(10)}
    sentence = ranking.podium_sentence(ranking.podium(table_of(cells)), best)
    assert sentence.endswith(
        "0.00. This takes every data set for independent of the others, which is too "
        "optimistic: go by the verdict, which does not show this leader to be the best."
    )


def test_the_sentence_of_two_losses_counts_5_points_a_row(table):
    two = table[table["loss"] != "bce"]
    sentence = ranking.podium_sentence(ranking.podium(two))
    assert sentence.startswith(
        "dice leads with 6 of 10 points over 2 data sets (a loss can have 6). "
    )
    assert "probability 0.50" in sentence  # the same loss twice first: one in two


def test_the_sentence_of_one_loss_compares_nothing(table):
    sentence = ranking.podium_sentence(ranking.podium(table[table["loss"] == "iou"]))
    assert sentence == "iou is the only loss here: there is nothing to compare."


def test_the_sentence_names_all_that_lead():
    cells = {("a", "m", "iou"): 0.9, ("a", "m", "bce"): 0.9, ("a", "m", "dice"): 0.1}
    sentence = ranking.podium_sentence(ranking.podium(table_of(cells)))
    assert sentence.endswith(
        "lead, each with 2.5 of 6 points over 1 data set: points "
        "say no more there than the means."
    )
    assert {"iou", "bce"} == set(sentence.split(" lead,")[0].split(", "))


@needs_published
@pytest.mark.parametrize(
    ("rows", "points"),
    [
        (
            "dataset",
            {
                "ioufocal": 9,
                "bce": 6,
                "dicebce": 6,
                "ioubce": 5,
                "bcefocal": 3,
                "iou": 3,
                "dice": 2,
                "ioudice": 2,
                "focal": 0,
                "dicefocal": 0,
            },
        ),
        (
            "model",
            {
                "dicebce": 15,
                "ioufocal": 14,
                "dice": 8,
                "bce": 8,
                "ioubce": 7,
                "iou": 5,
                "bcefocal": 4,
                "ioudice": 4,
                "dicefocal": 1,
                "focal": 0,
            },
        ),
    ],
)
def test_the_public_rerun_has_the_podium_points_found_in_its_raw_table(
    public_rerun, rows, points
):
    assert ranking.podium(public_rerun, rows).loc["points"].to_dict() == points


@needs_published
@pytest.mark.parametrize(
    ("loss", "mean"),
    [("dicebce", 0.7981), ("ioufocal", 0.7979), ("bce", 0.7977), ("focal", 0.7718)],
)
def test_the_public_rerun_has_the_mean_dice_found_in_its_raw_table(
    public_rerun, loss, mean
):
    # stated to four digits
    means = ranking.means(public_rerun, "dataset").mean()
    assert means[loss] == pytest.approx(mean, abs=5.1e-5)
