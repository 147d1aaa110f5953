"""Tests on ranks against their own libraries; resampling, variance and planning."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from test_inference import made_grid, noise

from lesionkit import published
from lesionkit.inference import planning, rank_tests, resampling, variance
from lesionkit.inference.contrasts import contrast
from lesionkit.inference.grids import full_grid


@pytest.fixture(scope="module")
def rerun():
    """The public re-run."""
    return full_grid(published.public_rerun())


@pytest.fixture(scope="module")
def no_focal():
    """The public re-run without focal."""
    table = published.public_rerun()
    return full_grid(table[table["loss"] != "focal"])


def test_friedman_finds_the_public_rerun_as_its_raw_table_does(rerun, no_focal):
    chi, p = rank_tests.friedman(rerun)
    assert round(chi, 1) == 131.1
    assert f"{p:.0e}" == "7e-24"
    assert round(rank_tests.friedman(no_focal)[1], 3) == 0.054


def test_friedman_of_two_losses_is_not_defined():
    assert np.isnan(rank_tests.friedman(made_grid(noise(4, 2, 2, 1)))).all()


def test_mean_ranks_of_all_levels_add_up_to_those_of_a_permutation(rerun):
    for level in rank_tests.LEVELS:
        assert rank_tests.mean_ranks(rerun, level).sum() == pytest.approx(55)


def test_rank_1_is_the_best_of_a_row():
    runs = np.array([[0.9, 0.8, 0.7], [0.9, 0.7, 0.8]]).reshape(2, 1, 3, 1)
    ranks = rank_tests.mean_ranks(made_grid(runs))
    assert ranks.to_dict() == {"loss0": 1.0, "loss1": 2.5, "loss2": 2.5}


def test_the_critical_difference_is_that_of_demsars_table(rerun):
    # q at 0.05 for 10 classifiers is 3.164 there
    expected = 3.164 * np.sqrt(10 * 11 / (6 * 66))
    assert rank_tests.critical_difference(rerun) == pytest.approx(expected, rel=1e-3)


def test_nemenyi_and_the_critical_difference_agree(rerun):
    ranks, p = rank_tests.mean_ranks(rerun), rank_tests.nemenyi(rerun)
    difference = rank_tests.critical_difference(rerun)
    for a in ranks.index:
        for b in ranks.index:
            apart = abs(ranks[a] - ranks[b]) > difference
            assert a == b or apart == (p.loc[a, b] < 0.05)


def test_six_data_sets_cannot_bear_45_pairs(rerun):
    table = rank_tests.summary_by_level(rerun).set_index("level")
    assert table.loc["dataset", "least_p"] == pytest.approx(0.03125)
    assert table.loc["dataset", "least_holm"] == 1.0
    least = stats.wilcoxon(np.arange(1, 7)).pvalue
    assert table.loc["dataset", "least_p"] == pytest.approx(least)


def test_pairs_have_the_p_of_their_libraries(rerun):
    table = rank_tests.pairwise(rerun)
    assert len(table) == 45
    assert (table["difference"] >= 0).all()
    row = table[(table["first"] == "ioufocal") & (table["second"] == "dicefocal")].iloc[
        0
    ]
    values = rank_tests.at_level(rerun, "cell")
    d = values["ioufocal"] - values["dicefocal"]
    assert row["wilcoxon"] == pytest.approx(stats.wilcoxon(d).pvalue)
    ranks = d.abs().rank()
    assert row["rank_biserial"] == pytest.approx(
        (np.sign(d) * ranks).sum() / ranks.sum()
    )
    assert row["standardised"] == pytest.approx(d.mean() / d.std())


@pytest.mark.parametrize("name", ["p", "wilcoxon"])
def test_holm_multiplies_each_p_by_the_number_of_those_not_below_it(rerun, name):
    table = rank_tests.pairwise(rerun).sort_values(name)
    holm = table["p_holm" if name == "p" else "wilcoxon_holm"]
    steps = np.minimum(1, table[name].to_numpy() * np.arange(45, 0, -1))
    assert holm.to_numpy() == pytest.approx(np.maximum.accumulate(steps))


def test_losses_with_the_same_scores_have_no_test():
    runs = noise(3, 2, 2, 1)
    runs[:, :, 1] = runs[:, :, 0]
    row = rank_tests.pairwise(made_grid(runs)).iloc[0]
    assert (row["difference"], row["p"]) == (0, 1)
    assert np.isnan([row["wilcoxon"], row["rank_biserial"]]).all()


@pytest.mark.slow
def test_the_mixed_model_agrees_on_what_is_ahead(no_focal):
    table = rank_tests.mixed_model(no_focal)
    assert table.attrs["leader"] == "dicebce"
    means = no_focal.overall - no_focal.overall.max()
    for loss, row in table.iterrows():
        expected = means[no_focal.losses.index(loss)]
        assert row["difference"] == pytest.approx(expected, abs=1e-6)  # balanced
        assert row["low"] < row["difference"] < row["high"]
        assert row["p"] > 0.05


def test_the_mixed_model_needs_two_of_both():
    with pytest.raises(ValueError, match="two data sets and two networks"):
        rank_tests.mixed_model(made_grid(noise(1, 4, 3, 2)))


def test_bayes_calls_equal_losses_alike_and_a_better_one_better():
    pytest.importorskip("baycomp")
    runs = noise(8, 1, 3, 1, spread=0.001)
    runs[:, :, 0] += 0.05
    runs[:, :, 1] += 0.05
    table = rank_tests.bayesian(made_grid(runs), margin=0.01)
    assert table.sum(axis=1).tolist() == pytest.approx([1, 1])
    assert table.iloc[0]["alike"] > 0.95
    assert table.loc["loss2"].iloc[0] > 0.95


def test_bootstrapped_ranks_are_shares_that_follow_the_means():
    runs = noise(4, 3, 4, 5, spread=0.02)
    runs[:, :, 2] += 0.2
    found = resampling.bootstrap(made_grid(runs), draws=300)
    assert found.shares.sum(axis=1).tolist() == pytest.approx([1] * 4)
    assert found.shares.index[0] == "loss2"
    assert found.summary.loc["loss2"].tolist() == [1, 1, 1.0]
    assert found.summary["first"].sum() == pytest.approx(1)


def test_rank_intervals_hold_95_percent_of_the_drawn_ranks(rerun):
    found = resampling.bootstrap(rerun, "cells", draws=500)
    for loss, row in found.summary.iterrows():
        shares = found.shares.loc[loss]
        assert row["low"] <= row["high"]
        assert shares.loc[row["low"] : row["high"]].sum() >= 0.95
        assert shares.loc[: row["low"] - 1].sum() <= 0.025
        assert shares.loc[row["high"] + 1 :].sum() <= 0.025


def test_repeats_are_drawn_for_all_losses_together():
    # one loss always ahead by the same in every repeat, however far repeats lie apart
    runs = np.broadcast_to(noise(2, 1, 1, 5, spread=0.1), (2, 1, 2, 5)).copy()
    runs[:, :, 1] += 1e-6
    assert (
        resampling.bootstrap(made_grid(runs), draws=200).summary["first"].iloc[0] == 1
    )


def test_the_same_seed_gives_the_same_ranking_and_another_another(rerun):
    one, same, other = (
        resampling.bootstrap(rerun, "cells", draws=100, seed=seed).shares
        for seed in (0, 0, 1)
    )
    assert one.equals(same)
    assert not one.equals(other)


def test_the_spread_of_drawn_means_is_that_of_the_bootstrap():
    runs = noise(1, 1, 2, 5, spread=0.1)
    means = resampling._of_repeats(made_grid(runs), np.random.default_rng(0), 20_000)
    expected = runs[0, 0].std(1) / np.sqrt(5)  # (R - 1) / R of the variance of the mean
    assert means.std(0) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("shape", [(2, 2, 3, 1), (1, 1, 3, 1)])
def test_single_runs_cannot_be_drawn(shape):
    with pytest.raises(ValueError, match="two runs or more in every cell"):
        resampling.bootstrap(made_grid(noise(*shape)), "repeats")


def test_cell_means_cannot_be_drawn_by_repeat(rerun):
    with pytest.raises(ValueError, match="here are cell means"):
        resampling.bootstrap(rerun, "repeats")


def test_leaving_out_covers_everything_and_ranks_the_rest(rerun):
    table = resampling.leave_one_out(rerun)
    assert len(table) == 1 + 6 + 11 + 10
    ranks = table[list(rerun.losses)]
    assert ranks.loc["all"].sum() == 55
    assert np.isnan(ranks.loc["without focal", "focal"])
    assert ranks.loc["without focal"].sum() == 45
    assert not table["supported"].any()


def test_variance_shares_add_up_and_find_what_was_planted():
    random = np.random.default_rng(1)
    runs = 0.5 + random.normal(0, 0.02, (40, 30, 5, 3))
    runs += random.normal(0, 0.1, (40, 1, 1, 1))
    runs += random.normal(0, 0.05, (1, 30, 5, 1))
    table = variance.shares(made_grid(runs))
    assert table["share"].sum() == pytest.approx(1)
    assert table["freedom"].sum() == runs.size - 1
    found = table["deviation"]
    assert found["data set"] == pytest.approx(0.1, rel=0.25)
    assert found["model x loss"] == pytest.approx(0.05, rel=0.15)
    assert found[variance.RUNS] == pytest.approx(0.02, rel=0.03)
    assert found["data set x loss"] < 0.005


def test_what_all_losses_of_a_repeat_share_is_not_in_their_difference():
    random = np.random.default_rng(2)
    runs = 0.5 + random.normal(0, 0.01, (6, 8, 5, 5))
    runs += random.normal(0, 0.1, (6, 8, 1, 5))
    grid = made_grid(runs)
    assert variance.of_differences(grid)["run"] == pytest.approx(0.01, rel=0.1)
    cells = type(grid)(**{**grid.__dict__, "runs": None})
    assert variance.of_differences(cells)["run"] == pytest.approx(0.01, rel=0.2)


def test_what_is_planned_is_what_the_test_shows():
    runs = noise(6, 8, 6, 4, spread=0.02)
    runs += np.random.default_rng(9).normal(0, 0.01, (6, 1, 6, 1))
    grid = made_grid(runs)
    a, b = np.triu_indices(6, 1)
    shown = np.median(contrast(grid, a, b).detectable())
    planned = planning.detectable(variance.of_differences(grid), 6, 8, 4)
    assert planned == pytest.approx(shown, rel=0.25)


SPREAD = {"dataset": 0.01, "model": 0.005, "cell": 0.0, "run": 0.03}


def test_more_of_anything_shows_smaller_differences():
    now = planning.detectable(SPREAD, 4, 4, 4)
    for size in ((8, 4, 4), (4, 8, 4), (4, 4, 8)):
        assert planning.detectable(SPREAD, *size) < now


def test_repeats_alone_do_not_overcome_the_data_sets():
    floor = np.sqrt(2 * 0.01**2 / 4) * (stats.norm.ppf(0.975) + stats.norm.ppf(0.8))
    assert planning.detectable(SPREAD, 4, 4, 10_000) > floor
    grid = made_grid(
        noise(4, 4, 3, 3) + np.random.default_rng(0).normal(0, 0.05, (4, 1, 3, 1))
    )
    assert planning.needed(grid, 0.005, "repeats") is None
    assert planning.needed(grid, 0.03, "datasets") > 4


def test_what_is_needed_is_the_least_that_shows():
    grid = made_grid(noise(3, 3, 3, 3, spread=0.03))
    count = planning.needed(grid, 0.02, "datasets")
    spread = planning.spread_of(grid)
    assert planning.detectable(spread, count, 3, 3) <= 0.02
    assert planning.detectable(spread, count - 1, 3, 3) > 0.02


def test_a_pilot_on_one_data_set_does_not_plan_others():
    grid = made_grid(noise(1, 1, 3, 5))
    table = planning.plan(grid, 0.01)
    assert set(table["datasets"]) == set(table["models"]) == {1}
    assert table["detectable"].is_monotonic_decreasing
    assert planning.needed(grid, 0.0001, "datasets") is None


@pytest.mark.parametrize(
    ("grid", "difference", "says"),
    [
        (made_grid(noise(1, 1, 3, 5)), 0.0, "between 0 and 1, got 0"),
        (made_grid(noise(1, 1, 3, 1)), 0.01, "two repeats or more in every cell"),
    ],
)
def test_a_plan_without_ground_is_refused(grid, difference, says):
    with pytest.raises(ValueError, match=says):
        planning.plan(grid, difference)


def test_words_say_what_would_decide():
    grid = made_grid(noise(3, 3, 3, 3, spread=0.03))
    assert planning.more_data(grid, -0.1) == "no amount: the means point the other way"
    assert planning.more_data(grid, 0.5).startswith("no more: a study of this size")
    one = made_grid(noise(1, 1, 2, 4))
    assert "(1 data set, 1 network, 4 repeats)" in planning.more_data(one, 0.5)
    assert " data sets or " in planning.more_data(grid, 0.02)
    assert "two repeats" in planning.more_data(made_grid(noise(1, 1, 2, 1)), 0.1)


def test_an_unknown_level_or_axis_is_refused_with_the_nearest(rerun):
    with pytest.raises(ValueError, match="unknown level 'datset'.*mean 'dataset'"):
        rank_tests.mean_ranks(rerun, "datset")
    with pytest.raises(ValueError, match="unknown axis 'repeat'.*mean 'repeats'"):
        planning.needed(rerun, 0.01, "repeat")


def test_nothing_here_needs_a_loss_of_ours():
    table = pd.DataFrame(
        [
            (d, "m", loss, r, 0.5 + 0.1 * (loss == "mine") + 0.01 * r)
            for d in "abc"
            for loss in ("mine", "theirs")
            for r in (0, 1)
        ],
        columns=["dataset", "model", "loss", "repeat", "dice"],
    )
    grid = full_grid(table)
    assert rank_tests.pairwise(grid)["first"][0] == "mine"
    assert resampling.bootstrap(grid, draws=20).summary["first"]["mine"] == 1
