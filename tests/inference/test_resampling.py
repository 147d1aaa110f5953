"""Rankings drawn again, and with a part left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_grids import made_grid, noise
from made_grids import rerun as rerun
from scipy import stats

from lesionkit.inference import rank_tests, ranking, resampling
from lesionkit.inference.grids import full_grid


def test_ranks_are_shares_that_follow_the_means():
    runs = noise(4, 3, 4, 5, spread=0.02)
    runs[:, :, 2] += 0.2
    found = resampling.ranks(made_grid(runs), draws=300)
    assert found.sum(axis=1).tolist() == pytest.approx([1] * 4)
    assert found.sum(axis=0).tolist() == pytest.approx([1] * 4)
    assert found.index[0] == "loss2"
    assert found.loc["loss2", 1] > 0.98


def test_of_two_losses_the_leader_is_first_as_often_as_its_p_says():
    runs = noise(5, 1, 2, 1, seed=4)
    grid = made_grid(runs)
    p = stats.ttest_rel(runs[:, 0, 0, 0], runs[:, 0, 1, 0]).pvalue
    found = resampling.ranks(grid, draws=40_000)
    assert found[1].iloc[0] == pytest.approx(1 - p / 2, abs=0.01)


def test_the_same_seed_gives_the_same_ranking_and_another_another(rerun):
    one, same, other = (
        resampling.ranks(rerun, draws=100, seed=seed) for seed in (0, 0, 1)
    )
    assert one.equals(same)
    assert not one.equals(other)


def test_nothing_is_drawn_where_nothing_is_known():
    with pytest.raises(ValueError, match="does not show how runs differ"):
        resampling.ranks(made_grid(noise(1, 1, 3, 1)))


def test_leaving_out_covers_everything_and_ranks_the_rest(rerun):
    table = resampling.leave_one_out(rerun)
    assert len(table) == 1 + 6 + 11 + 10
    ranks = resampling.ranks_left_out(table)
    assert list(ranks) == list(rerun.losses)
    assert ranks.loc["all"].sum() == 55
    assert np.isnan(ranks.loc["without focal", "focal"])
    assert ranks.loc["without focal"].sum() == 45
    assert not table["supported"].any()


def test_losses_networks_and_data_sets_may_have_any_name():
    names = ("axis", "leader", "all")
    grid = made_grid(noise(3, 3, 3, 2, seed=5))
    grid = replace(grid, losses=names, models=names, datasets=names)
    table = resampling.leave_one_out(grid)
    assert len(table) == 1 + 3 + 3 + 3
    assert table.index.is_unique
    assert {"without axis", "without axis (network)", "without axis (loss)"} < {
        *table.index
    }
    assert (
        table["axis"].tolist() == [""] + ["dataset"] * 3 + ["model"] * 3 + ["loss"] * 3
    )
    assert set(table["leader"]) <= set(names)
    ranks = resampling.ranks_left_out(table)
    assert list(ranks) == list(names)
    assert ranks.loc["all"].sum() == 6


@pytest.mark.slow
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
    assert resampling.ranks(grid, draws=20).loc["mine", 1] == 1


def test_points_by_chance_are_those_of_equal_losses_where_nothing_is_shared():
    grid = made_grid(noise(6, 1, 10, 2, seed=1))
    found = resampling.points_by_chance(grid, "dataset", draws=20_000)
    independent = ranking.chance_of_podium(6, 10)
    assert found.mean() == pytest.approx(independent.mean(), abs=0.1)
    share = (found >= 9).mean()
    assert share == pytest.approx((independent >= 9).mean(), abs=0.02)


def test_a_network_that_suits_a_loss_gives_it_points_on_every_data_set():
    runs = noise(6, 2, 4, 2, spread=0.002, seed=2)
    runs += np.random.default_rng(3).normal(0, 0.05, (1, 2, 4, 1))
    found = resampling.points_by_chance(made_grid(runs), "dataset", draws=2000)
    assert (found >= 16).mean() > 0.5  # of 18; with independent rows 0.03
    assert (ranking.chance_of_podium(6, 4) >= 16).mean() < 0.03


def test_the_noise_of_points_is_that_of_a_mean_of_runs():
    runs = noise(6, 2, 4, 20, spread=0.02, seed=2)
    runs += np.random.default_rng(3).normal(0, 0.02, (1, 2, 4, 1))
    found = resampling.points_by_chance(made_grid(runs), "dataset", draws=2000)
    assert (found >= 16).mean() > 0.8  # with the noise of single runs far less


def test_points_over_networks_share_what_a_data_set_does():
    runs = noise(2, 6, 4, 2, spread=0.002, seed=2)
    runs += np.random.default_rng(3).normal(0, 0.05, (2, 1, 4, 1))
    found = resampling.points_by_chance(made_grid(runs), "model", draws=2000)
    assert (found >= 16).mean() > 0.5


def test_points_by_chance_are_of_data_sets_or_networks(rerun):
    with pytest.raises(ValueError, match="unknown rows 'datset'.*mean 'dataset'"):
        resampling.points_by_chance(rerun, "datset")
