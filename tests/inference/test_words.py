"""What a verdict says: its sentence, and a note on each loss that needs one."""

from __future__ import annotations

import numpy as np
import pytest
from made_grids import made_grid, noise, table_of

from lesionkit.inference.grids import full_grid
from lesionkit.inference.verdicts import judge
from lesionkit.inference.words import amount, number_of


def sentence(runs: np.ndarray) -> str:
    """The sentence on these runs."""
    return judge(made_grid(runs)).sentence


def notes(runs: np.ndarray, **options: float) -> dict[str, str]:
    """The note on each loss."""
    return judge(made_grid(runs), **options).against["note"].to_dict()


def test_a_winner_is_told_with_its_lead_and_the_interval_of_it():
    runs = noise(6, 1, 2, 1, spread=0.002)
    runs[:, :, 1] += 0.05
    d = (runs[:, 0, 1] - runs[:, 0, 0]).ravel()
    reach = 2.5705818 * d.std(ddof=1) / np.sqrt(6)  # t of 5 degrees
    assert sentence(runs) == (
        "loss1 is supported as the best of 2 losses for data sets like these, with "
        f"net0: {d.mean():.4f} dice ahead of loss0 (95 % interval "
        f"{d.mean() - reach:.4f} to {d.mean() + reach:.4f}), over 6 data sets and "
        "1 network with 1 run a cell."
    )


def test_no_winner_is_told_with_what_would_have_been_shown():
    runs = noise(6, 4, 3, 2, spread=0.005)
    verdict = judge(made_grid(runs))
    low, high = verdict.detectable_range
    assert verdict.sentence.startswith(
        f"No loss is supported as the best for {verdict.scope}: {verdict.leader} leads "
        f"{verdict.runner_up} by {-verdict.against['behind'].iloc[0]:.4f} dice, over "
        "6 data sets and 4 networks with 2 runs a cell. "
    )
    assert (
        "A table like this shows that two losses differ, with probability 0.8, if they "
        f"truly differ by {verdict.detectable:.4f} (an estimate: {low:.4f} to "
        f"{high:.4f})."
    ) in verdict.sentence
    assert verdict.sentence.endswith(
        "Best, or less than 0.01 behind the best of the others: "
        f"{', '.join(verdict.against.index)}; take any of them."
    )


def test_alike_undecided_and_behind_are_each_named_under_their_word():
    runs = noise(12, 1, 4, 1, spread=0.001)
    runs[:, 0, 2, 0] += np.tile([0.01, -0.016], 6)  # unsteady
    runs[:, :, 3] -= 0.2
    verdict = judge(made_grid(runs))
    assert verdict.against["answer"].to_dict() == {
        "loss0": "alike",
        "loss1": "alike",
        "loss2": "undecided",
        "loss3": "behind",
    }
    assert verdict.sentence.endswith(
        "Best, or less than 0.01 behind the best of the others: loss1, loss0; "
        "take any of them. Undecided: loss2. Behind: loss3."
    )


def test_many_undecided_losses_are_counted():
    runs = noise(3, 2, 5, 1, spread=0.1)
    assert sentence(runs).endswith("Undecided: all 5 losses.")


def test_a_tie_is_called_a_tie():
    runs = noise(4, 2, 3, 2)
    runs[:, :, 1] = runs[:, :, 0]
    runs[:, :, 2] = runs[:, :, 0] - 0.01
    assert "loss0 and loss1 tie in mean dice, over 4" in sentence(runs)


def test_nothing_is_said_of_one_run_and_why():
    runs = np.array([[[[0.7], [0.8]]]])
    assert sentence(runs) == (
        "Nothing can be said: loss1 has the best mean dice, 0.1000 ahead of loss0, but "
        "one run a cell on one data set with one network does not show how much runs "
        "differ by chance."
    )


@pytest.mark.parametrize(
    ("repeats", "says"), [(1, "1 run a cell"), (2, "2 runs a"), (11, "11 runs a cell")]
)
def test_a_verdict_counts_its_runs_in_words_that_agree(repeats, says):
    found = sentence(noise(2, 2, 2, repeats))
    assert f"over 2 data sets and 2 networks with {says}" in found
    assert number_of(1, "cell") == "1 cell"


def test_cells_that_are_missing_are_counted_in_the_sentence_and_in_the_note():
    table = table_of(noise(3, 2, 3, 2))
    verdict = judge(full_grid(table.iloc[2:]))
    assert "with 2 runs a cell, 1 of 18 cells missing." in verdict.sentence
    assert verdict.against["note"]["loss0"].startswith("1 of 6 cells missing")


def test_what_the_leader_hangs_on_is_named():
    runs = noise(4, 1, 2, 2, spread=0.001)
    runs[2, :, 0] += 0.05
    runs[[0, 1, 3], :, 1] += 0.005
    assert (
        "The lead depends on single data sets or networks: without set2 another loss "
        "leads." in sentence(runs)
    )
    runs = noise(3, 1, 2, 1, spread=0.0001)
    runs[:, :, 0] += 0.01 + np.array([0.0, 0.001, 0.002])[:, None, None]
    verdict = judge(made_grid(runs))
    assert verdict.supported
    names = verdict.hangs_on
    assert names
    assert verdict.sentence.endswith(f"{names[-1]} it is not shown.")


def test_more_than_three_names_are_counted():
    runs = noise(9, 1, 2, 2, spread=0.0001)
    runs[:5, :, 0] += 0.01
    runs[5:, :, 1] += 0.0124
    assert "without any one of set0, set1, set2 or 2 more another" in sentence(runs)


def test_a_loss_that_is_lower_in_every_row_is_told_so():
    runs = noise(6, 2, 3, 1, spread=0.001)
    runs[:, :, 0] += 0.02
    runs[:, :, 1] += 0.02
    runs[0, :, 2] += 0.04  # higher on one of six
    found = notes(runs)
    assert found["loss2"] == "lower than loss1 on 5 of 6 data sets" or (
        found["loss2"] == "lower than loss0 on 5 of 6 data sets"
    )
    runs[0, :, 2] -= 0.04
    assert "on all 6 data sets" in notes(runs)["loss2"]
    assert "networks" in notes(runs[:1])["loss2"]  # of one data set: a row a network


def test_where_most_of_a_gap_lies_is_named():
    runs = noise(4, 2, 2, 1, spread=0.0001)
    runs[:, :, 0] += 0.01
    runs[3, :, 0] += 0.06  # 7 of 10 parts
    assert notes(runs)["loss1"].endswith("; 70 % of its gap is on set3")
    assert "of its gap" not in notes(runs, margin=0.2)["loss1"]  # 0.025 is little


def test_a_loss_that_is_surely_behind_by_little_is_told_so():
    runs = noise(6, 4, 2, 2, spread=0.0005)
    runs[:, :, 0] += 0.004
    assert "; by less than 0.01" in notes(runs)["loss1"]
    assert "by less than" not in notes(runs, margin=0.001)["loss1"]


def test_an_open_loss_below_one_that_is_behind_is_told_why():
    runs = noise(8, 1, 3, 1, spread=0.001)
    runs[:, :, 1] -= 0.016
    runs[:, 0, 2, 0] += np.tile([-0.5, 0.3], 4)
    runs[:, 0, 0, 0] += 0.0
    verdict = judge(made_grid(runs))
    assert list(verdict.against.index) == ["loss0", "loss1", "loss2"]
    assert verdict.against["answer"].to_dict()["loss1"] == "behind"
    assert verdict.against["answer"].to_dict()["loss2"] == "undecided"
    gaps = (runs[:, 0, [0]] - runs[:, 0, 1:])[..., 0]
    times = gaps[:, 1].std() / gaps[:, 0].std()
    expected = f"not shown: its gap varies {times:.1f} times that of loss1"
    assert verdict.against["note"]["loss2"] == expected


def test_where_lower_is_better_a_loss_is_higher_than_the_leader():
    runs = noise(6, 2, 2, 1, spread=0.001)
    runs[:, :, 1] += 0.02
    table = table_of(runs)
    table.attrs["lower_is_better"] = ["dice"]
    verdict = judge(full_grid(table))
    assert verdict.leader == "loss0"
    assert verdict.against["note"]["loss1"] == "higher than loss0 on all 6 data sets"


def test_failed_runs_are_counted_in_the_note_of_their_loss():
    runs = noise(6, 4, 3, 2)
    runs[0, 0, 2] = 0.01
    note = judge(full_grid(table_of(runs))).against["note"]
    assert note["loss2"].startswith("2 runs failed")
    assert "failed" not in note["loss1"]


@pytest.mark.parametrize(
    ("value", "says"), [(0.05, "0.0500"), (3.84e-5, "3.8e-05"), (0.0, "0.0000")]
)
def test_a_tiny_difference_is_not_told_as_none(value, says):
    assert amount(value) == says


def test_of_two_data_sets_a_loss_is_lower_on_both():
    runs = noise(2, 3, 2, 2, spread=0.001)
    runs[:, :, 1] += 0.02
    assert notes(runs)["loss0"] == "lower than loss1 on both data sets"


def test_who_keeps_a_leader_from_being_alike_is_named():
    runs = noise(4, 1, 3, 2, spread=0.001)
    runs[:, 0, 1] += np.array([0.05, -0.05, 0.05, -0.06])[:, None]  # unsteady
    runs[:, :, 0] += 0.003
    table = judge(made_grid(runs)).against
    assert table.index[0] == "loss0"
    assert table["answer"].iloc[0] == "undecided"
    high = table["high"].iloc[0]
    assert table["note"].iloc[0] == f"loss1 may be up to {high:.4f} ahead"


def test_all_that_tie_are_named():
    runs = noise(3, 2, 4, 2)
    runs[:, :, 1] = runs[:, :, 2] = runs[:, :, 0]
    runs[:, :, 3] -= 0.3
    assert "loss0, loss1 and loss2 tie in mean dice" in sentence(runs)


def test_nothing_is_ahead_by_an_unknown_amount():
    found = judge(made_grid(noise(1, 1, 3, 1)))
    assert found.against["answer"].iloc[0] == "undecided"
    assert "nan" not in " ".join(found.against["note"])
