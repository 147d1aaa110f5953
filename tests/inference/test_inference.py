"""Grids, contrasts and the verdict: by hand, by laws, and on the public re-run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_grids import made_grid, noise
from scipy import stats

from lesionkit import published
from lesionkit.inference.contrasts import contrast, crossed, scope, weighted
from lesionkit.inference.grids import full_grid
from lesionkit.inference.verdicts import judge


def rows(*cells: tuple) -> pd.DataFrame:
    """A table of (dataset, model, loss, repeat, dice)."""
    names = ["dataset", "model", "loss", "repeat", "dice"]
    return pd.DataFrame(list(cells), columns=names)


def test_a_full_grid_leaves_out_what_is_rarest_and_says_so():
    cells = [
        (d, m, loss, r, 0.5)
        for d in "ab"
        for m in "uv"
        for loss in ("bce", "iou", "dice")
        for r in (0, 1)
    ]
    table = rows(*[c for c in cells if c[:3] != ("b", "v", "iou")])
    table = pd.concat([table, rows(("a", "u", "rare", 0, 0.9))])
    grid = full_grid(table)
    assert grid.losses == ("bce", "iou", "dice")
    assert (grid.datasets, grid.models) == (("a", "b"), ("u", "v"))
    assert grid.means.shape == (2, 2, 3)
    assert np.argwhere(~grid.seen).tolist() == [[1, 1, 1]]
    assert grid.remarks[0] == "loss rare left out: 25 % of its cells are there"
    assert grid.remarks[1].startswith("1 of 12 cells are missing (b/v/iou): ")


def test_runs_are_paired_by_repeat_whatever_their_order_in_the_table():
    table = rows(
        ("a", "u", "bce", 1, 0.2),
        ("a", "u", "bce", 0, 0.1),
        ("a", "u", "iou", 0, 0.3),
        ("a", "u", "iou", 1, 0.4),
    )
    assert full_grid(table).runs[0, 0].tolist() == [[0.1, 0.2], [0.3, 0.4]]


def test_a_repeat_that_a_cell_lacks_is_left_out_of_the_pairs():
    table = rows(
        *[("a", "u", "bce", r, 0.5 + 0.1 * r) for r in range(3)],
        *[("a", "u", "iou", r, 0.5 + 0.2 * r) for r in range(2)],
    )
    grid = full_grid(table)
    assert grid.runs.shape == (1, 1, 2, 2)
    assert grid.means[0, 0].tolist() == [pytest.approx(0.6), pytest.approx(0.6)]
    assert "repeat 2 is not there in every cell" in grid.remarks[0]


def test_runs_without_a_score_are_told_with_their_loss():
    table = rows(
        ("a", "u", "bce", 0, 0.5),
        ("a", "u", "bce", 1, 0.6),
        ("a", "u", "iou", 0, np.nan),
        ("a", "u", "iou", 1, 0.7),
    )
    grid = full_grid(table)
    assert any(
        line.startswith("1 run failed (iou 1): a/u/iou repeat 0 (no score); ")
        for line in grid.remarks
    )


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (rows(("a", "u", "bce", 0, 0.5)), "two losses .* here are bce"),
        (rows(("a", "u", "bce", 0, np.nan)), "no value of dice"),
        (
            rows(("a", "u", "bce", 0, 0.5), ("b", "u", "iou", 0, 0.5)),
            "two losses with half of their cells or more",
        ),
    ],
)
def test_a_table_without_two_comparable_losses_is_refused(table, says):
    with pytest.raises(ValueError, match=says):
        full_grid(table)


def test_over_data_sets_alone_the_contrast_is_the_paired_t_test():
    runs = noise(6, 1, 2, 1)
    found = contrast(made_grid(runs), np.array([0]), np.array([1]))
    expected = stats.ttest_rel(runs[:, 0, 0, 0], runs[:, 0, 1, 0])
    assert found.p[0] == pytest.approx(expected.pvalue, rel=1e-12)
    low, high = expected.confidence_interval()
    assert [e[0] for e in found.interval()] == [pytest.approx(low), pytest.approx(high)]


def test_the_error_of_a_crossed_mean_is_that_computed_by_hand():
    # data sets 0 and 4 apart, networks 0 and 2, rest +-1
    d = np.array([[0.0, 2.0], [4.0, 6.0]]) + [[1.0, -1.0], [-1.0, 1.0]]
    found = crossed(d[None])
    rows_square, columns_square, rest = 2 * 8.0, 2 * 2.0, 4.0
    both = rows_square + columns_square - rest
    assert found.mean[0] == 3.0
    squares = [rows_square, columns_square, both]
    assert found.errors[:, 0] == pytest.approx(np.sqrt(np.array(squares) / 4))
    shares = rows_square**2 + columns_square**2 + rest**2
    assert found.freedoms[:, 0] == pytest.approx([1, 1, both**2 / shares])
    tests = [
        2 * stats.t.sf(3 / np.sqrt(s / 4), f)
        for s, f in zip(squares, found.freedoms[:, 0], strict=True)
    ]
    assert found.p[0] == pytest.approx(max(tests))


def test_p_is_never_below_that_of_data_sets_or_networks_alone():
    d = np.random.default_rng(3).normal(0.3, 1, (50, 5, 7))
    p = crossed(d).p
    alone = [stats.ttest_1samp(d.mean(axis), 0, axis=1).pvalue for axis in (2, 1)]
    assert (p >= np.max(alone, 0) - 1e-12).all()


def test_repeats_of_one_data_set_are_corrected_for_the_images_they_share():
    runs = noise(1, 1, 2, 5)
    found = contrast(made_grid(runs), np.array([0]), np.array([1]))
    d = runs[0, 0, 0] - runs[0, 0, 1]
    assert found.errors[0, 0] == pytest.approx(np.sqrt(d.var(ddof=1) * (1 / 5 + 1 / 3)))
    assert found.freedoms[0, 0] == 4


def test_cell_means_of_one_data_set_are_taken_as_unpaired():
    runs = noise(1, 1, 2, 5)
    grid = made_grid(runs)
    found = contrast(replace(grid, runs=None), np.array([0]), np.array([1]))
    variance = runs[0, 0].var(1, ddof=1).sum() * (1 / 5 + 1 / 3)
    assert found.errors[0, 0] == pytest.approx(np.sqrt(variance))


def test_swapping_two_losses_swaps_the_sign_and_keeps_p():
    grid = made_grid(noise(4, 3, 2, 2))
    one = contrast(grid, np.array([0]), np.array([1]))
    other = contrast(grid, np.array([1]), np.array([0]))
    assert one.mean[0] == -other.mean[0]
    assert one.p[0] == pytest.approx(other.p[0])
    assert one.greater()[0] == pytest.approx(other.less()[0])


def test_p_is_twice_the_smaller_one_sided_p():
    found = contrast(made_grid(noise(4, 3, 2, 2)), np.array([0]), np.array([1]))
    assert found.p[0] == pytest.approx(2 * min(found.greater()[0], found.less()[0]))


def test_what_is_detectable_is_found_with_its_power():
    found = contrast(made_grid(noise(30, 30, 2, 1)), np.array([0]), np.array([1]))
    powers = [
        1 - stats.nct.cdf(stats.t.ppf(0.975, f), f, found.detectable()[0] / error)
        for error, f in zip(found.errors[:, 0], found.freedoms[:, 0], strict=True)
    ]
    assert min(powers) == pytest.approx(0.8, abs=0.01)
    low, high = (end[0] for end in found.detectable_range())
    assert low < found.detectable()[0] < high


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((3, 2, 2, 1), "data sets and networks like these"),
        ((3, 1, 2, 1), "data sets like these, with net0"),
        ((1, 2, 2, 3), "set0 with networks like these"),
        ((1, 1, 2, 3), "set0 with net0"),
        ((1, 1, 2, 1), ""),
        ((1, 4, 2, 1), "the images and the split of set0 with networks like these"),
    ],
)
def test_a_result_speaks_of_what_was_varied(shape, says):
    assert scope(made_grid(noise(*shape))) == says


def test_one_run_a_cell_on_one_data_set_says_nothing():
    verdict = judge(made_grid(noise(1, 1, 3, 1)))
    assert verdict.sentence.startswith("Nothing can be said: loss")
    assert not verdict.supported
    assert len(verdict.candidates) == 3


def test_a_clear_winner_is_supported_and_alone():
    runs = noise(6, 4, 3, 2)
    runs[:, :, 1] += 0.05
    verdict = judge(made_grid(runs))
    assert (verdict.leader, verdict.supported) == ("loss1", True)
    assert verdict.candidates == ("loss1",)
    assert set(verdict.ruled_out) == {"loss0", "loss2"}
    assert verdict.sentence.startswith(
        "loss1 is supported as the best of 3 losses for data sets and networks"
    )


@pytest.mark.parametrize(
    ("repeats", "says"), [(1, "1 run a cell"), (2, "2 runs a"), (11, "11 runs a cell")]
)
def test_a_verdict_counts_its_runs_in_words_that_agree(repeats, says):
    sentence = judge(made_grid(noise(2, 2, 2, repeats))).sentence
    assert f"over 2 data sets and 2 networks with {says}" in sentence


def test_equal_losses_have_no_winner_and_none_is_ruled_out():
    verdict = judge(made_grid(noise(6, 4, 3, 2)))
    assert not verdict.supported
    assert verdict.ruled_out == ()
    assert verdict.sentence.startswith("No loss is supported as the best")
    assert "take any of them" in verdict.sentence  # noise of 0.01, margin of 0.01


def test_a_bad_loss_is_ruled_out_while_the_others_stay():
    runs = noise(6, 4, 4, 2)
    runs[:, :, 2] -= 0.1
    verdict = judge(made_grid(runs))
    assert not verdict.supported
    assert verdict.ruled_out == ("loss2",)
    assert verdict.against.index[-1] == "loss2"


def test_losses_that_may_differ_by_more_than_the_margin_are_not_called_alike():
    runs = noise(3, 2, 3, 1, spread=0.05)
    runs -= runs.mean((0, 1, 3), keepdims=True) - 0.8  # their means are the same
    runs[:, :, 0] += 0.001
    verdict = judge(made_grid(runs))
    assert verdict.against["behind"].max() < 0.01 < verdict.against["high"].max()
    assert "take any" not in verdict.sentence


def test_a_winner_has_to_beat_the_noisy_third_as_well_as_the_runner_up():
    runs = np.full((6, 4, 3, 1), 0.7)
    runs[:, :, 0] += 0.01 + 0.001 * noise(6, 4, 1)
    runs[:, :, 1] += 0.001 * noise(6, 4, 1, seed=1)
    runs[:, :, 2] += noise(6, 1, 1, seed=2, spread=0.2) - 0.81
    verdict = judge(made_grid(runs))
    assert list(verdict.against.index) == ["loss0", "loss1", "loss2"]
    assert verdict.against["p"]["loss1"] < 0.001 < 0.05 < verdict.against["p"]["loss2"]
    assert not verdict.supported


def test_two_losses_are_judged_by_the_plain_two_sided_test():
    runs = noise(6, 1, 2, 1, seed=5)
    p = stats.ttest_rel(runs[:, 0, 0, 0], runs[:, 0, 1, 0]).pvalue
    assert judge(made_grid(runs), level=p * 1.01).supported
    assert not judge(made_grid(runs), level=p * 0.99).supported


def test_the_order_of_rows_and_a_change_of_all_scores_leave_the_verdict():
    table = published.public_rerun()
    one = judge(full_grid(table))
    shuffled = table.sample(frac=1, random_state=0).assign(dice=lambda t: t.dice - 0.1)
    other = judge(full_grid(shuffled))
    assert one.candidates == other.candidates
    assert other.detectable == pytest.approx(one.detectable)


def test_the_public_rerun_supports_no_winner_and_rules_out_focal():
    verdict = judge(full_grid(published.public_rerun()))
    assert (verdict.leader, verdict.runner_up) == ("dicebce", "ioufocal")
    assert not verdict.supported
    assert verdict.ruled_out == ("focal",)


def test_a_weighted_sum_of_equal_weights_is_the_mean_of_its_contrasts():
    grid = made_grid(noise(4, 3, 3, 1))
    both = weighted(grid, np.array([[1, -0.5, -0.5]])).mean[0]
    single = contrast(grid, np.array([0, 0]), np.array([1, 2])).mean.mean()
    assert both == pytest.approx(single)
