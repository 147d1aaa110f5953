"""Rankings drawn around their means, and with a part left out."""

from __future__ import annotations

import numpy as np
import pytest
from made_grids import made_grid, noise
from made_grids import rerun as rerun
from scipy import stats

from lesionkit import published
from lesionkit.inference import rank_tests, resampling
from lesionkit.inference.contrasts import contrast
from lesionkit.inference.grids import full_grid


def test_drawn_ranks_are_shares_that_follow_the_means():
    runs = noise(4, 3, 4, 5, spread=0.02)
    runs[:, :, 2] += 0.2
    found = resampling.ranks(made_grid(runs), draws=300)
    assert found.sum(axis=1).tolist() == pytest.approx([1] * 4)
    assert found.sum(axis=0).tolist() == pytest.approx([1] * 4)
    assert found.index[0] == "loss2"
    assert found.loc["loss2", 1] > 0.98


# 20,000 draws know a share to 0.01 (three standard errors).
@pytest.mark.parametrize("shape", [(4, 1, 2, 1), (1, 1, 2, 4), (9, 1, 2, 1)])
def test_of_two_losses_the_leader_is_first_as_often_as_its_one_sided_p_says(shape):
    grid = made_grid(noise(*shape, seed=4))
    found = resampling.ranks(grid, draws=20_000)
    leader = grid.losses.index(found.index[0])
    p = contrast(grid, np.array([leader]), np.array([1 - leader])).greater()[0]
    assert 0.01 < p < 0.45
    assert found[1].iloc[0] == pytest.approx(1 - p, abs=0.011)
    assert found[2].iloc[0] == pytest.approx(p, abs=0.011)


def test_equal_losses_are_first_alike_often():
    runs = noise(6, 1, 4, 1)
    runs -= runs.mean(0, keepdims=True)
    shares = resampling.ranks(made_grid(runs), draws=20_000)[1]
    assert shares.to_numpy() == pytest.approx(np.full(4, 0.25), abs=0.06)


def test_the_same_seed_gives_the_same_ranks_and_another_others(rerun):
    one, same, other = (
        resampling.ranks(rerun, draws=100, seed=seed) for seed in (0, 0, 1)
    )
    assert one.equals(same)
    assert not one.equals(other)


def test_a_table_that_says_nothing_has_no_drawn_ranks():
    with pytest.raises(ValueError, match="one run a cell on one data set"):
        resampling.ranks(made_grid(noise(1, 1, 3, 1)))


def test_leaving_out_covers_everything_and_ranks_the_rest(rerun):
    table = resampling.leave_one_out(rerun)
    assert len(table) == 1 + 6 + 11 + 10
    ranks = table[list(rerun.losses)]
    assert ranks.loc["all"].sum() == 55
    assert np.isnan(ranks.loc["without focal", "focal"])
    assert ranks.loc["without focal"].sum() == 45
    assert not table["supported"].any()


def test_nothing_here_needs_a_loss_of_ours():
    runs = 0.5 + np.zeros((3, 1, 2, 2)) + [[[[0.0, 0.0123]]]]
    runs[:, :, 0] += np.array([0.1, 0.11, 0.12])[:, None, None]
    grid = made_grid(runs)
    assert rank_tests.pairwise(grid)["first"][0] == "loss0"
    p = stats.ttest_1samp([0.1, 0.11, 0.12], 0, alternative="greater").pvalue
    assert resampling.ranks(grid)[1]["loss0"] == pytest.approx(1 - p, abs=0.005)


def test_a_table_with_a_missing_cell_has_drawn_ranks_too():
    table = published.public_rerun().iloc[1:]
    assert resampling.ranks(full_grid(table), draws=50).shape == (10, 10)
