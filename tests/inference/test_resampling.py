"""Rankings drawn again, and with a part left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from made_grids import made_grid, noise
from made_grids import rerun as rerun

from lesionkit.inference import rank_tests, resampling
from lesionkit.inference.grids import full_grid


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
    assert resampling.bootstrap(grid, draws=20).summary["first"]["mine"] == 1
