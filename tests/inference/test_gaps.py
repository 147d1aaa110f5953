"""Runs that failed and cells that are missing are told, and never help their loss."""

from __future__ import annotations

import numpy as np
import pytest
from made_grids import noise, table_of

from lesionkit.inference import gaps
from lesionkit.inference.grids import full_grid
from lesionkit.inference.verdicts import judge

COLLAPSED = {("set0", "net0", "loss1", 0): 0.01}


def runs_with(places: dict[tuple, float], shape=(3, 2, 3, 2)) -> np.ndarray:
    """Noise with these scores at (data set, model, loss, repeat)."""
    runs = noise(*shape)
    for (d, m, loss, r), score in places.items():
        runs[int(d[3:]), int(m[3:]), int(loss[4:]), r] = score
    return runs


def test_a_run_collapsed_below_half_of_what_its_loss_usually_reaches():
    table = table_of(runs_with({("set0", "net0", "loss1", 0): 0.39}))
    assert gaps.collapsed(table, "dice").sum() == 1
    table = table_of(runs_with({("set0", "net0", "loss1", 0): 0.42}))
    assert gaps.collapsed(table, "dice").sum() == 0


def test_hard_data_and_a_weak_loss_are_no_failure():
    runs = noise(3, 2, 3, 2)
    runs[1] *= 0.1  # a hard data set
    runs[:, :, 2] *= 0.3  # a loss that is low everywhere
    assert not gaps.collapsed(table_of(runs), "dice").any()


def test_no_run_collapses_where_the_lowest_score_is_the_best():
    table = table_of(runs_with(COLLAPSED))
    table.attrs["lower_is_better"] = ["dice"]
    assert not gaps.collapsed(table, "dice").any()


def test_a_failed_run_is_charged_the_lowest_that_worked_there():
    runs = runs_with(COLLAPSED)
    others = np.delete(runs[0, 0].ravel(), 2)  # of set0 with net0, without that run
    grid = full_grid(table_of(runs))
    assert grid.runs[0, 0, 1, 0] == others.min()
    assert grid.failed == {"loss1": 1}
    assert grid.remarks == (
        "1 run failed (loss1 1): set0/net0/loss1 repeat 0 (0.01); each counts as the "
        "lowest score of that data set and network",
    )


def test_where_the_lowest_is_the_best_a_failed_run_counts_as_the_highest():
    runs = runs_with({("set0", "net0", "loss1", 0): np.nan})
    table = table_of(runs)
    table.attrs["lower_is_better"] = ["dice"]
    grid = full_grid(table)
    assert -grid.runs[0, 0, 1, 0] == np.nanmax(runs[0, 0])
    assert grid.remarks[0].endswith(
        "each counts as the highest score of that data set and network"
    )


def test_of_many_failed_runs_and_missing_cells_the_first_three_are_named():
    places = [("set0", "net0", f"loss{i}", r) for i in (0, 1) for r in (0, 1)]
    places += [("set1", "net1", "loss2", 1)]
    told = full_grid(table_of(runs_with(dict.fromkeys(places, np.nan)))).remarks[0]
    assert told.startswith("5 runs failed (loss0 2, loss1 2, loss2 1): ")
    assert (
        "loss0 repeat 1 (no score), set0/net0/loss1 repeat 0 (no score) and 2" in told
    )
    names = {"dataset": "ab", "model": "uv", "loss": ["x", "y", "z"]}
    seen = np.ones((2, 2, 3), bool)
    seen[1, 0] = seen[0, 1, 2] = False
    (said,) = gaps.remarks(seen, names)
    assert said.startswith("4 of 12 cells are missing (a/v/z, b/u/x, b/u/y and 1 more)")
    seen[0, 1, 2] = True
    (said,) = gaps.remarks(seen, names)
    assert said.startswith("3 of 12 cells are missing (b/u/x, b/u/y, b/u/z): ")


def test_a_run_without_a_score_is_charged_like_one_that_collapsed():
    runs = runs_with({("set0", "net0", "loss1", 0): np.nan})
    grid = full_grid(table_of(runs))
    assert grid.runs[0, 0, 1, 0] == np.nanmin(runs[0, 0])
    assert "set0/net0/loss1 repeat 0 (no score)" in grid.remarks[0]


def test_where_lower_is_better_a_run_without_a_score_is_charged_the_highest():
    runs = runs_with({("set0", "net0", "loss1", 0): np.nan})
    table = table_of(runs)
    table.attrs["lower_is_better"] = ["dice"]
    assert full_grid(table).runs[0, 0, 1, 0] == -np.nanmax(runs[0, 0])


def test_failed_runs_are_left_out_when_asked():
    runs = runs_with(COLLAPSED)
    grid = full_grid(table_of(runs), failed="left out")
    assert grid.means[0, 0, 1] == pytest.approx(runs[0, 0, 1, 1])
    assert grid.remarks[0].endswith("; they are left out")
    assert grid.runs.shape[3] == 1  # repeat 0 is not in every cell any more


def test_failed_runs_count_as_they_are_when_asked():
    runs = runs_with(COLLAPSED | {("set1", "net1", "loss2", 1): np.nan})
    grid = full_grid(table_of(runs), failed="as they are")
    assert grid.means[0, 0, 1] == pytest.approx(runs[0, 0, 1].mean())
    assert grid.means[1, 1, 2] == pytest.approx(runs[1, 1, 2, 0])  # no score to count
    assert grid.failed == {"loss1": 1, "loss2": 1}


def test_another_way_with_failed_runs_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="unknown way.*'left-out'.*mean 'left out'"):
        full_grid(table_of(noise(2, 2, 2, 2)), failed="left-out")


def test_a_loss_of_which_no_run_worked_is_left_out_and_named():
    runs = noise(3, 2, 3, 2)
    runs[:, :, 1] = np.nan
    grid = full_grid(table_of(runs))
    assert grid.losses == ("loss0", "loss2")
    assert "no run of loss1 worked: it is left out" in grid.remarks


@pytest.mark.parametrize("score", [0.01, np.nan])
def test_no_loss_gains_by_a_run_that_fails(score):
    runs = noise(4, 3, 3, 3)
    whole = full_grid(table_of(runs)).overall[1]
    runs[2, 1, 1, 0] = score
    assert full_grid(table_of(runs)).overall[1] < whole


def test_one_collapsed_run_does_not_keep_a_loss_from_being_behind():
    runs = noise(6, 4, 3, 2, spread=0.005)
    runs[:, :, 0] += 0.03
    runs[0, 0, 2, 0] = 0.013
    verdict = judge(full_grid(table_of(runs)))
    assert (verdict.leader, verdict.supported) == ("loss0", True)
    assert "1 run failed" in verdict.against["note"]["loss2"]


def test_a_gap_in_an_additive_table_is_filled_exactly():
    random = np.random.default_rng(1)
    means = random.random((4, 3, 1)) + random.random((4, 1, 5)) / 10
    means = means + random.random((1, 3, 5)) / 10
    holes = means.copy()
    holes[1, 2, 3] = holes[0, 0, 0] = np.nan
    found, seen = gaps.filled(holes)
    assert found == pytest.approx(means, abs=1e-9)
    assert np.argwhere(~seen).tolist() == [[0, 0, 0], [1, 2, 3]]
    assert gaps.filled(means)[1] is None


def test_a_missing_cell_is_told_and_the_others_are_used():
    runs = noise(3, 2, 3, 2)
    table = table_of(runs)
    gone = (table["dataset"] == "set1") & (table["model"] == "net0")
    table = table[~(gone & (table["loss"] == "loss2"))]
    grid = full_grid(table)
    assert grid.means.shape == (3, 2, 3)
    assert np.argwhere(~grid.seen).tolist() == [[1, 0, 2]]
    assert grid.repeats == 2
    assert grid.remarks[0].startswith("1 of 18 cells are missing (set1/net0/loss2): ")


def test_what_lacks_most_goes_first_until_all_have_half_of_their_cells():
    there = np.ones((3, 2, 4), bool)
    there[:, :, 3] = False
    there[0, 0, 3] = True  # a loss with one cell of six
    there[2, :, :2] = False  # a data set without two of the other three
    names = {"dataset": list("abc"), "model": list("uv"), "loss": list("wxyz")}
    kept, said = gaps.complete(there, names)
    assert kept == [[0, 1], [0, 1], [0, 1, 2]]
    assert said == [
        "loss z left out: 17 % of its cells are there",
        "dataset c left out: 33 % of its cells are there",
    ]


def test_half_of_the_cells_are_enough():
    there = np.ones((2, 2, 3), bool)
    there[0, :, 1] = False
    names = {"dataset": list("ab"), "model": list("uv"), "loss": list("xyz")}
    assert gaps.complete(there, names) == ([[0, 1], [0, 1], [0, 1, 2]], [])


def test_the_typical_number_stands_where_a_cell_is_missing():
    values = np.array([[[1.0, np.nan, 3.0, 8.0]]])
    assert gaps.typical(values).tolist() == [[[1, 3, 3, 8]]]
    assert np.isnan(gaps.typical(np.full((1, 1, 2), np.nan))).all()
