"""The verdict: the best, alike, behind or undecided, and how far behind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_grids import made_grid, noise, table_of
from scipy import stats

from lesionkit import published
from lesionkit.inference.contrasts import contrast
from lesionkit.inference.grids import full_grid
from lesionkit.inference.verdicts import is_best, judge, pairs_of


def answers(runs: np.ndarray, **options: float) -> dict[str, str]:
    """The answer for each loss of these runs."""
    return judge(made_grid(runs), **options).against["answer"].to_dict()


def test_one_run_a_cell_on_one_data_set_says_nothing():
    verdict = judge(made_grid(noise(1, 1, 3, 1)))
    assert not verdict.supported
    assert verdict.scope == ""
    assert set(verdict.against["answer"]) == {"undecided"}
    assert len(verdict.candidates) == 3


def test_a_clear_winner_is_the_best_and_all_others_are_behind():
    runs = noise(6, 4, 3, 2)
    runs[:, :, 1] += 0.05
    verdict = judge(made_grid(runs))
    assert (verdict.leader, verdict.supported) == ("loss1", True)
    assert verdict.candidates == ("loss1",)
    assert set(verdict.ruled_out) == {"loss0", "loss2"}
    found = verdict.against["answer"].to_dict()
    assert found == {"loss1": "best", "loss0": "behind", "loss2": "behind"}
    assert (verdict.against["low"].iloc[1:] > 0).all()
    assert verdict.against["high"].iloc[0] < 0


def test_equal_losses_are_alike_where_less_than_the_margin_lies_between():
    runs = noise(6, 4, 3, 2, spread=0.005)
    assert set(answers(runs).values()) == {"alike"}
    assert set(answers(runs, margin=0.0001).values()) == {"undecided"}


def test_a_bad_loss_is_behind_while_the_others_stay():
    runs = noise(6, 4, 4, 2)
    runs[:, :, 2] -= 0.1
    verdict = judge(made_grid(runs))
    assert not verdict.supported
    assert verdict.ruled_out == ("loss2",)
    assert verdict.against.index[-1] == "loss2"


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
    expected = stats.ttest_rel(runs[:, 0, 0, 0], runs[:, 0, 1, 0])
    p = expected.pvalue
    assert judge(made_grid(runs)).against["p"].iloc[1] == pytest.approx(p)
    for factor, shown in ((1.01, True), (0.99, False)):
        verdict = judge(made_grid(runs), level=p * factor)
        assert verdict.supported is shown
        assert bool(verdict.ruled_out) is shown  # one answer, not two


def test_of_two_losses_how_far_behind_is_the_interval_of_the_t_test():
    runs = noise(6, 1, 2, 1, seed=5)
    table = judge(made_grid(runs)).against
    by_loss = {f"loss{i}": runs[:, 0, i, 0] for i in range(2)}
    ahead = stats.ttest_rel(by_loss[table.index[0]], by_loss[table.index[1]])
    low, high = ahead.confidence_interval()
    behind = table.loc[table.index[1], ["low", "high"]].tolist()
    assert behind == pytest.approx([low, high])
    assert table.loc[table.index[0], ["low", "high"]].tolist() == pytest.approx(
        [-high, -low]
    )


def test_of_three_losses_how_far_behind_is_taken_over_all_others():
    runs = noise(5, 3, 3, 2)
    grid = made_grid(runs)
    table = judge(grid).against
    assert not table["answer"].eq("best").any()
    for loss in range(3):
        others = [k for k in range(3) if k != loss]
        found = contrast(grid, np.array(others), np.full(2, loss))
        # 5 % shared by the two others, one side each
        reach = (stats.t.ppf(1 - 0.05 / 2, found.freedoms) * found.errors).max(0)
        row = table.loc[f"loss{loss}"]
        assert row["behind"] == pytest.approx(found.mean.max())
        assert row["low"] == pytest.approx((found.mean - reach).max())
        assert row["high"] == pytest.approx((found.mean + reach).max())


def test_the_level_is_shared_by_all_others_of_a_loss():
    grid = made_grid(noise(5, 1, 6, 1))
    found = contrast(grid, np.array([0]), np.array([1]))
    reach = stats.t.ppf(1 - 0.05 / 5, found.freedoms[0, 0]) * found.errors[0, 0]
    pairs = pairs_of(grid)
    assert pairs.reach[0, 1] == pairs.reach[1, 0] == pytest.approx(reach)
    assert pairs.mean[0, 1] == -pairs.mean[1, 0] == pytest.approx(found.mean[0])


def test_a_supported_winner_is_told_with_the_interval_of_its_own_test():
    runs = noise(6, 1, 4, 1, spread=0.005)
    runs[:, :, 2] += 0.011
    grid = made_grid(runs)
    verdict = judge(grid)
    assert verdict.supported
    order = [grid.losses.index(name) for name in verdict.against.index]
    found = contrast(grid, np.full(3, order[0]), np.array(order[1:]))
    least = (found.mean - stats.t.ppf(0.975, found.freedoms[0]) * found.errors[0]).min()
    assert verdict.against["high"].iloc[0] == pytest.approx(-least)


def test_the_order_of_rows_and_a_change_of_all_scores_leave_the_verdict():
    table = published.public_rerun()
    one = judge(full_grid(table))
    shuffled = table.sample(frac=1, random_state=0).assign(dice=lambda t: t.dice - 0.1)
    other = judge(full_grid(shuffled))
    assert one.candidates == other.candidates
    assert other.detectable == pytest.approx(one.detectable)


def test_the_public_rerun_supports_no_winner_and_focal_is_behind():
    verdict = judge(full_grid(published.public_rerun()))
    assert (verdict.leader, verdict.runner_up) == ("dicebce", "ioufocal")
    assert not verdict.supported
    assert verdict.ruled_out == ("focal",)
    found = verdict.against["answer"]
    assert set(found.drop("focal")) == {"alike"}
    assert verdict.detectable == pytest.approx(0.0038, abs=0.00005)
    low, high = verdict.detectable_range
    assert low < verdict.detectable < high


def test_where_lower_is_better_the_verdict_is_the_mirror_image():
    runs = noise(5, 3, 4, 2, spread=0.02)
    runs[:, :, 1] += 0.05
    runs[:, :, 3] -= 0.1
    higher = judge(full_grid(table_of(runs)))
    table = table_of(1 - runs)
    table.attrs["lower_is_better"] = ["dice"]
    lower = judge(full_grid(table))
    same = ["behind", "low", "high", "p"]
    one, other = higher.against, lower.against
    assert list(one.index) == list(other.index)
    assert other[same].to_numpy() == pytest.approx(one[same].to_numpy(), nan_ok=True)
    assert other["answer"].tolist() == one["answer"].tolist()
    assert other["mean"].to_numpy() == pytest.approx(1 - one["mean"].to_numpy())
    assert higher.supported
    assert lower.supported


def test_ties_have_no_winner_and_keep_the_order_of_the_table():
    runs = noise(4, 2, 3, 2)
    runs[:, :, 1] = runs[:, :, 0]
    runs[:, :, 2] = runs[:, :, 0] - 0.001
    verdict = judge(made_grid(runs))
    assert list(verdict.against.index) == ["loss0", "loss1", "loss2"]
    assert not verdict.supported
    assert verdict.against["p"].iloc[1] == 1
    assert verdict.against["behind"].iloc[:2].tolist() == [0, 0]


def lacking(gaps: list[tuple[int, int, int]], lead: float) -> tuple:
    """A grid in which loss0 leads, whole and with some cells missing."""
    runs = noise(5, 2, 3, 1, spread=0.002)
    runs[:, :, 0] += lead
    runs[:, :, 2] -= 0.3
    table = table_of(runs)
    places = [(f"set{d}", f"net{m}", f"loss{k}") for d, m, k in gaps]
    keys = table[["dataset", "model", "loss"]].itertuples(index=False, name=None)
    gone = [tuple(key) in places for key in keys]
    return full_grid(table), full_grid(table[~np.array(gone)])


def test_a_leader_with_a_missing_cell_has_to_lead_with_the_lowest_score_there():
    whole, gap = lacking([(0, 0, 0)], lead=0.02)
    assert is_best(whole)
    assert gap.overall[0] > gap.overall[1]
    assert not is_best(gap)  # 0.3 lower in one of ten cells


def test_a_missing_cell_of_another_loss_leaves_the_winner():
    whole, gap = lacking([(0, 0, 1)], lead=0.02)
    assert is_best(whole)
    assert is_best(gap)
    assert judge(gap).leader == "loss0"


def test_the_answer_hangs_on_the_data_set_that_makes_the_leader():
    runs = noise(4, 3, 2, 2, spread=0.001)
    runs[2, :, 0] += 0.05
    runs[[0, 1, 3], :, 1] += 0.005
    verdict = judge(made_grid(runs))
    assert verdict.leader == "loss0"
    assert verdict.hangs_on == ("set2",)
    assert judge(made_grid(noise(2, 1, 2, 2))).hangs_on == ()  # nothing to leave out


def test_a_winner_hangs_on_what_it_is_not_shown_without():
    runs = noise(3, 2, 2, 2, spread=0.001)
    runs[:, :, 0] += 0.01
    verdict = judge(made_grid(runs))
    assert verdict.supported
    left = {
        name: is_best(made_grid(np.delete(runs, i, axis)))
        for axis, prefix, count in ((0, "set", 3), (1, "net", 2))
        for i, name in enumerate(f"{prefix}{k}" for k in range(count))
    }
    assert verdict.hangs_on == tuple(name for name, shown in left.items() if not shown)


def test_printed_tables_of_two_digits_have_no_certain_winner():
    runs = np.array([[[0.81], [0.80]], [[0.71], [0.70]]])[:, None]
    verdict = judge(full_grid(table_of(runs)))
    assert not verdict.supported
    assert replace(full_grid(table_of(runs)), unit=0.0).unit == 0  # and without it:
    assert judge(replace(full_grid(table_of(runs)), unit=0.0)).supported


def test_no_interval_is_wider_than_its_score():
    runs = noise(2, 1, 3, 2, spread=0.6, seed=1)
    bounded = judge(made_grid(runs)).against
    assert bounded["high"].max() == 1
    assert bounded["low"].min() >= -1
    free = judge(made_grid(100 * runs, metric="hd95")).against
    assert free["high"].max() > 1
