"""Tests on ranks against their own libraries."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from made_grids import made_grid, noise
from made_grids import rerun as rerun
from scipy import stats

from lesionkit import published
from lesionkit.inference import rank_tests
from lesionkit.inference.grids import full_grid


def nemenyi(grid):
    """p of Nemenyi's test for every pair of losses (Demsar 2006, section 3.2.2)."""
    values = grid.at_level("cell")
    rows, count = values.shape
    ranks = values.rank(axis=1).mean().to_numpy()
    apart = np.abs(ranks[:, None] - ranks) / np.sqrt(count * (count + 1) / (6 * rows))
    p = stats.studentized_range.sf(apart * np.sqrt(2), count, np.inf)
    return pd.DataFrame(p, index=values.columns, columns=values.columns)


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
    ranks, p = rank_tests.mean_ranks(rerun), nemenyi(rerun)
    difference = rank_tests.critical_difference(rerun)
    for a in ranks.index:
        for b in ranks.index:
            apart = abs(ranks[a] - ranks[b]) > difference
            assert a == b or apart == (p.loc[a, b] < 0.05)


def test_two_losses_as_far_apart_as_the_critical_difference_have_p_of_5_percent():
    runs = noise(6, 1, 3, 1)
    grid = made_grid(runs)
    ranks, found = rank_tests.mean_ranks(grid), nemenyi(grid)
    first, last = ranks.index[0], ranks.index[-1]
    alphas = np.linspace(0.001, 0.999, 999)
    differences = [rank_tests.critical_difference(grid, alpha=a) for a in alphas]
    apart = ranks[last] - ranks[first]
    expected = float(np.interp(-apart, -np.array(differences), alphas))
    assert found.loc[first, last] == pytest.approx(expected, abs=0.002)


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
    values = rerun.at_level("cell")
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
    alike = replace(no_focal, equal=True)  # the mixed model knows no weights
    table = rank_tests.mixed_model(alike)
    assert table.attrs["leader"] == alike.losses[int(alike.overall.argmax())]
    means = alike.overall - alike.overall.max()
    for loss, row in table.iterrows():
        expected = means[alike.losses.index(loss)]
        assert row["difference"] == pytest.approx(expected, abs=1e-6)  # balanced
        assert row["low"] < row["difference"] < row["high"]
        assert row["p"] > 0.05


@pytest.mark.slow
def test_the_mixed_model_is_judged_by_students_t_of_the_fewer_axis():
    runs = noise(3, 5, 3, 2)
    row = rank_tests.mixed_model(made_grid(runs)).iloc[0]
    t = abs(row["difference"] / row["error"])
    assert row["p"] == pytest.approx(2 * stats.t.sf(t, 2))  # 3 data sets
    reach = stats.t.ppf(0.975, 2) * row["error"]
    assert row["low"] == pytest.approx(row["difference"] - reach)
    assert row["high"] == pytest.approx(row["difference"] + reach)


def test_a_fit_is_told_by_students_t_with_both_ends_of_its_interval():
    names = ["Intercept", "C(loss)[T.bce]", "C(loss)[T.iou]", "model Var"]
    fit = SimpleNamespace(
        params=pd.Series([0.8, -0.02, 0.01, 0.1], names),
        bse=pd.Series([0.1, 0.005, 0.01, 0.1], names),
    )
    table = rank_tests._differences(fit, 4)
    assert list(table.index) == ["bce", "iou"]
    assert table["difference"].tolist() == [-0.02, 0.01]
    reach = stats.t.ppf(0.975, 4) * np.array([0.005, 0.01])
    assert table["low"].to_numpy() == pytest.approx([-0.02, 0.01] - reach)
    assert table["high"].to_numpy() == pytest.approx([-0.02, 0.01] + reach)
    assert table["p"].to_numpy() == pytest.approx(2 * stats.t.sf([4, 1], 4))


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


def test_an_unknown_level_is_refused_with_the_nearest(rerun):
    with pytest.raises(ValueError, match="unknown level 'datset'.*mean 'dataset'"):
        rank_tests.mean_ranks(rerun, "datset")
