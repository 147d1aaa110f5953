"""Numbers as printed: rounding, units and spellings, and names that are the same."""

from __future__ import annotations

from fractions import Fraction

import pandas as pd
import pytest
from made_audit import TABLE_1, verdicts

from lesionkit.papers.audit import audit_table, open_table
from lesionkit.papers.numbers import column, numeral, our_name, printed, same


def test_rounding_edges_are_exact():
    # 0.3 has no exact float; its interval ends at 0.25 and 0.35 all the same.
    number = printed("0.3", percent=False)
    assert (number.low, number.high) == (Fraction(1, 4), Fraction(7, 20))


def test_dropped_zeros_come_back_from_the_longest_number_of_the_column():
    first, second = column(["63.3", "55.87"])
    assert first.high - first.low == Fraction(1, 10000)
    assert (str(first), str(second)) == ("63.30", "55.87")


def test_percent_and_fractions_give_the_same_findings():
    fractions = pd.read_csv(TABLE_1, dtype=str, keep_default_na=False)
    hundreds = fractions.copy()
    for name in ("f1", "precision", "recall"):
        hundreds[name] = [f"{float(n) * 100:.2f}" for n in fractions[name]]
    assert audit_table(hundreds) == audit_table(fractions)
    assert len(audit_table(hundreds)) == 9


def test_numbers_give_the_findings_of_their_text():
    text = audit_table(pd.read_csv(TABLE_1, dtype=str, keep_default_na=False))
    assert audit_table(pd.read_csv(TABLE_1)) == text


def test_floats_in_full_are_not_held_to_their_last_digit():
    precision, recall = 0.7, 0.9
    row = {"precision": [precision], "recall": [recall]}
    f1 = 2 * precision * recall / (precision + recall)
    assert verdicts(pd.DataFrame({"dice": [f1], **row}), aggregation="pooled") == []


@pytest.mark.parametrize(
    ("text", "number"),
    [("83.35 \u00b1 1.2", "83.35"), ("83,4 %", "83.4"), ("n/a", None), ("", None)],
)
def test_a_number_is_read_from_the_start_of_a_cell(text, number):
    assert numeral(text) == number


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("F1-score (%)", "f1_score"),
        ("Sensitivity [%]", "recall"),
        ("dice_mean", "dice"),
        ("mIoU", "iou"),
        ("dice_sd", "dice_sd"),
    ],
)
def test_columns_are_known_by_common_spellings(theirs, ours):
    assert our_name(theirs) == our_name(ours)


def test_names_are_the_same_up_to_case_and_punctuation():
    assert same("U-Net", "unet")
    assert same("4", "4.0")
    assert not same("4", "")


def test_columns_can_be_named_where_two_mean_one_score(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(
        "run_id,seed,DSC,f1,precision,recall\n1,0,0.9,0.8,0.7,0.7\n2,1,0.9,0.8,0.7,0.7\n"
    )
    with pytest.raises(ValueError, match="take one of them: --map 'DSC=dice'"):
        open_table(path)
    table = open_table(path, columns={"f1": "dice"})
    assert [str(row.scores["dice"]) for row in table.rows] == ["80", "80"]
    with pytest.raises(ValueError, match="unknown column of the file 'f2'"):
        open_table(path, columns={"f2": "dice"})
