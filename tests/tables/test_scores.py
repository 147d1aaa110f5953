"""Units a column, failed and missing runs, and which way is better."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from made_forms import runs
from made_tables import csv as csv

from lesionkit.inference import gaps
from lesionkit.inference.grids import full_grid
from lesionkit.inference.standing import rank
from lesionkit.tables import load_table, remarks
from lesionkit.tables.scores import check_metric


def of(csv, **columns):
    """The runs with other columns, as a file."""
    table = runs().assign(**columns)
    return csv(table.to_csv(index=False))


def words(first, name="dice"):
    """A column of the runs as texts, the first one this."""
    return [first, *map(str, runs()[name][1:])]


def test_each_column_has_its_own_unit(csv):
    table = load_table(of(csv, dice=runs().dice * 100))
    assert table["dice"].to_numpy() == pytest.approx(runs().dice.to_numpy())
    assert table["iou"].to_numpy() == pytest.approx(runs().iou.to_numpy())
    assert "dice is in percent, and read as fractions" in remarks(table)


@pytest.mark.parametrize("first", ["70.0", "7e1", "70 %"])
def test_two_units_in_a_column_are_refused(first, csv):
    with pytest.raises(ValueError, match=r"one unit a column"):
        load_table(of(csv, dice=words(first)))


def test_fractions_are_not_percent(csv):
    with pytest.raises(ValueError, match="is not in percent as --percent says"):
        load_table(of(csv), percent=True)


def test_a_deviation_has_the_unit_of_its_score_and_is_possible(csv):
    head = "dataset,model,loss,dice,dice_std\n"
    table = load_table(csv(head + "a,u,bce,80.0,2.0\na,u,dice,82.0,3.0\n"))
    assert list(table["dice_sd"]) == [0.02, 0.03]
    with pytest.raises(ValueError, match="deviation of dice in line 2 is 2 where"):
        load_table(csv(head + "a,u,bce,0.80,2.0\na,u,dice,0.82,0.03\n"))
    with pytest.raises(ValueError, match="too large for deviations"):
        load_table(csv("dataset,model,loss,dice\na,u,bce,0.8 (0.7)\n"))


def test_deviations_follow_scores_that_are_said_to_be_percent(csv):
    """None of these numbers says by itself that it is percent."""
    head = "dataset,model,loss,dice"
    rows = [("bce", 0.9, 0.5), ("dice", 8.0, 3.0)]
    column = "".join(f"a,u,{loss},{score},{sd}\n" for loss, score, sd in rows)
    beside = "".join(f"a,u,{loss},{score} ± {sd}\n" for loss, score, sd in rows)
    for text in (f"{head},dice_std\n{column}", f"{head}\n{beside}"):
        table = load_table(csv(text), percent=True)
        assert table["dice"].to_numpy() == pytest.approx([0.009, 0.08])
        assert table["dice_sd"].to_numpy() == pytest.approx([0.005, 0.03])


def test_points_and_commas_in_a_column_are_refused(csv):
    texts = words("0,7")
    with pytest.raises(ValueError, match="with a point and with a comma"):
        load_table(of(csv, dice=texts))


@pytest.mark.parametrize("mark", ["x", "failed", "inf", "nan (diverged)", "", "nan"])
def test_a_run_that_failed_is_charged_and_never_a_zero(mark, csv):
    table = load_table(of(csv, dice=words(mark)))
    assert math.isnan(table["dice"][0])
    grid = full_grid(table)
    assert grid.failed == {"bce": 1}
    lowest = runs().query("dataset == 'kvasir' and model == 'unet'").dice[1:].min()
    assert grid.runs is not None
    assert grid.runs[0, 0, 0, 0] == lowest
    named = mark not in ("", "nan")
    assert any(f"failed ({mark})" in line for line in remarks(table)) == named


@pytest.mark.parametrize("mark", ["-", "\u2014", "n/a", "NA"])
def test_a_run_that_is_missing_counts_for_nothing_and_is_said(mark, csv):
    table = load_table(of(csv, dice=words(mark)))
    assert gaps.missing(table, "dice").sum() == 1
    found = rank(table)
    assert found.grid.failed == {}
    said = " ".join(found.remarks)
    assert "dice is said to be missing in line 2" in said
    assert "missing runs (1) count for nothing; had they failed: " in said


def test_known_scores_know_which_way_is_better(csv):
    table = load_table(of(csv, **{"HD95 (mm)": 5.0, "FPR": 0.1, "NSD": 0.8}))
    assert table.attrs["lower_is_better"] == ["hd95", "fpr"]
    arrow = load_table(of(csv, **{"mine ↓": 9.0}))
    assert arrow.attrs["lower_is_better"] == ["mine ↓"]


def test_an_unknown_score_beyond_one_is_asked_for(csv):
    table = load_table(of(csv, mine=range(24), share=0.5, best_epoch=3))
    with pytest.raises(ValueError, match="mine is not known .* say --lower-is-better"):
        check_metric(table, "mine")
    assert "--lower-is-better turns it" in check_metric(table, "share")[0]
    for name in ("best_epoch", "repeat"):
        with pytest.raises(ValueError, match=f"{name} describes a run and is no score"):
            full_grid(table, name)
    told = load_table(of(csv, mine=range(24)), lower_is_better=["mine"])
    assert full_grid(told, "mine").lower_is_better
    told = load_table(of(csv, mine=range(24)), higher_is_better=["mine"])
    assert not full_grid(told, "mine").lower_is_better
    with pytest.raises(ValueError, match="unknown score 'mina'"):
        load_table(of(csv, mine=range(24)), lower_is_better=["mina"])


def test_the_lowest_is_the_best_where_it_is(csv):
    worse = runs().loss.map({"bce": 9.0, "dice": 5.0}) + runs().index % 3 / 10
    found = rank(load_table(of(csv, hd95=worse)), "hd95")
    assert found.verdict.leader == "dice"
    assert "differences and the margin, 0.01, are in the unit of hd95" in found.remarks
    assert pd.Series(found.losses["mean"]).idxmin() == "dice"
