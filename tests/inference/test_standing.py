"""A ranking says all it can of a table, and imports nothing that it does not need."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from made_claims import EQUAL, made

import lesionkit as lk
from lesionkit import published
from lesionkit.inference import standing
from lesionkit.tables import load_table

SEVERAL = {"iou": 0.02, "bce": 0.0, "dice": 0.01}


@pytest.fixture(scope="module")
def rerun():
    """The public re-run, ranked."""
    return lk.rank(published.public_rerun())


def test_the_podium_of_the_rerun_is_that_of_its_raw_table(rerun):
    points = rerun.losses[["points_dataset", "points_model"]]
    assert points.loc["ioufocal"].tolist() == [9, 14]
    assert points.loc["dicebce"].tolist() == [6, 15]
    assert points["points_dataset"].sum() == 36
    assert points["points_model"].sum() == 66


def test_the_losses_stand_in_the_order_of_their_means_behind_the_leader(rerun):
    table = rerun.losses
    assert table["mean"].is_monotonic_decreasing
    behind = table["mean"].iloc[0] - table["mean"]
    assert table["behind"].iloc[1:].to_numpy() == pytest.approx(behind.iloc[1:])
    assert table["behind"].iloc[0] == pytest.approx(-behind.iloc[1])
    assert (table["low"] < table["behind"]).all()
    assert (table["behind"] < table["high"]).all()
    assert list(table)[:6] == ["mean", "behind", "low", "high", "answer", "note"]
    assert table.loc["focal", "group"] == "distribution"


def test_the_first_line_is_a_sentence_and_names_what_is_not_supported(rerun):
    assert rerun.verdict.sentence.startswith("No loss is supported as the best for")
    assert "Behind: focal." in rerun.verdict.sentence


def test_ranks_are_drawn_as_often_as_was_asked(rerun):
    assert rerun.ranks.sum(axis=1).tolist() == pytest.approx([1] * 10)
    shares = lk.rank(made(SEVERAL), draws=7).ranks * 7
    assert shares.to_numpy() == pytest.approx(shares.round().to_numpy())


def test_data_sets_that_count_alike_are_told_beside_those_that_do_not(rerun):
    told = [line for line in rerun.remarks if "with equal weights: " in line]
    assert "busi_benign 11 %" in told[0]
    assert "no loss is supported, dicebce leads ioufocal" in told[0]


def test_the_answers_with_failed_runs_otherwise_stand_beside():
    table = made(SEVERAL)
    table.loc[(table["loss"] == "iou") & (table.index % 4 == 0), "dice"] = 0.01
    found = lk.rank(table)
    said = [line for line in found.remarks if line.startswith("with failed runs ")]
    assert [line.split(":")[0].removeprefix("with failed runs ") for line in said] == [
        "left out",
        "as they are",
    ]
    assert "left out: iou is supported, 0.009" in said[0]
    assert "no loss is supported, dice leads" in said[1]
    assert found.losses["failed"].to_dict() == {"iou": 15, "dice": 0, "bce": 0}
    as_they_are = lk.rank(table, failed="as they are")
    assert as_they_are.verdict.leader == "dice"


def test_the_same_table_has_the_same_ranking():
    one, same = lk.rank(made(SEVERAL)), lk.rank(made(SEVERAL))
    pd.testing.assert_frame_equal(one.losses, same.losses)


def test_another_metric_has_a_ranking_of_its_own():
    table = made(SEVERAL)
    table.loc[table["loss"] == "bce", "recall"] += 0.1
    assert lk.rank(table).verdict.leader == "iou"
    assert lk.rank(table, "recall").verdict.leader == "bce"
    with pytest.raises(ValueError, match="unknown metric 'recal'. Did you mean"):
        lk.rank(table, "recal")


def test_a_metric_without_values_has_no_row():
    table = made(SEVERAL).assign(precision=np.nan, recall=0.5)
    means, _, _ = standing.means_by_metric(table)
    assert "precision" not in means.index
    assert "dice" in means.index


def test_means_by_metric_have_intervals_around_them():
    means, low, high = standing.means_by_metric(made(SEVERAL))
    assert list(means.index) == ["dice", "iou", "precision", "recall"]
    assert ((low < means) & (means < high)).all().all()


def percent(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its scores as percent."""
    return table.assign(**{m: 100 * table[m] for m in ("dice", "iou")})


BAD = {
    "a cell is missing": (
        lambda t: t[~((t.dataset == "set0") & (t.model == "fcn") & (t.loss == "iou"))],
        "iou is supported",
        "1 of 60 cells are missing (set0/fcn/iou)",
    ),
    "a run is missing": (
        lambda t: t.drop(index=t.index[0]),
        "iou is supported",
        "have fewer than 3 runs",
    ),
    "a run twice": (
        lambda t: pd.concat([t, t.iloc[[0]]]),
        "iou is supported",
        "the same run again: line 182",
    ),
    "two results for a run": (
        lambda t: pd.concat([t, t.iloc[[0]].assign(dice=0.1)]),
        "different results for dataset set0, model fcn, loss iou, repeat 0 in lines 2",
        "",
    ),
    "one repeat": (lambda t: t[t.repeat == 0], "iou is supported", "nothing"),
    "one data set": (
        lambda t: t[t.dataset == "set0"],
        "for set0 with networks like these",
        "nothing",
    ),
    "one data set, one network": (
        lambda t: t[(t.dataset == "set0") & (t.model == "fcn")],
        "for set0 with fcn",
        "nothing",
    ),
    "one data set, one network, one run": (
        lambda t: t[(t.dataset == "set0") & (t.model == "fcn") & (t.repeat == 0)],
        "Nothing can be said: iou has the best mean",
        "nothing",
    ),
    "a run that failed": (
        lambda t: t.assign(dice=t.dice.where(t.index != 0)),
        "iou is supported",
        "with failed runs left out: iou is supported",
    ),
    "a loss that always failed": (
        lambda t: t.assign(dice=t.dice.where(t.loss != "bce")),
        "best of 2 losses",
        "no run of bce worked: it is left out",
    ),
    "every run failed": (
        lambda t: t.assign(dice=np.nan),
        "the table has no value of dice",
        "",
    ),
    "a run that collapsed": (
        lambda t: t.assign(dice=t.dice.where(t.index != 0, 0.013)),
        "iou is supported",
        "1 run failed (iou 1): set0/fcn/iou repeat 0 (0.013); each counts as",
    ),
    "percent": (percent, "iou is supported", "dice, iou are in percent, and read as"),
    "two losses": (
        lambda t: t[t.loss != "bce"],
        "best of 2 losses",
        "nothing",
    ),
    "one loss": (lambda t: t[t.loss == "bce"], "two losses .* here: bce", ""),
    "all scores equal": (
        lambda t: t.assign(dice=0.5),
        "No loss is supported",
        "nothing",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_table_gets_a_right_answer_or_a_reason(what, tmp_path):
    change, says, remark = BAD[what]
    path = tmp_path / "table.csv"
    change(made(SEVERAL)).to_csv(path, index=False)
    if not remark:
        with pytest.raises(ValueError, match=says) as caught:
            lk.rank(load_table(path))
        assert "\n" not in str(caught.value)
        return
    found = lk.rank(load_table(path))
    assert says in found.verdict.sentence
    expected = [] if remark == "nothing" else [remark]
    told = " ".join(found.remarks)
    assert [part for part in expected if part not in told] == []
    assert bool(found.remarks) == bool(expected)


def test_ten_equal_losses_have_no_winner():
    found = lk.rank(made(EQUAL, spread=0.02))
    assert not found.verdict.supported
    assert "do not show that any loss is better" in found.podium


@pytest.mark.parametrize(
    "then",
    [
        "lk.rank(t)",
        pytest.param("lk.claims.check(t)", marks=pytest.mark.slow),
        pytest.param("lk.audit", marks=pytest.mark.slow),
    ],
)
def test_judging_a_table_imports_no_torch(then, tmp_path):
    path = tmp_path / "t.csv"
    made(SEVERAL).to_csv(path, index=False)
    code = (
        f"import sys, lesionkit as lk; t = lk.load_table({str(path)!r}); {then}; "
        "heavy = {'torch', 'statsmodels', 'matplotlib', 'jinja2'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
