"""What a paper states, against its table and against itself."""

from __future__ import annotations

import pandas as pd
import pytest
from made_audit import TABLE_1, said

from lesionkit.papers.audit import audit_statements


def test_points_awarded_that_are_no_rows_are_found():
    found = audit_statements(said(("all losses", "points over models", "71")))
    assert [f.says for f in found] == [
        "71 points are 11.8333 rows of 6, which is no whole number"
    ]


def test_points_awarded_for_other_rows_than_stated_are_found():
    rows = ("podium over data sets", "points awarded", "36"), ("data sets", "count", 5)
    assert [f.says for f in audit_statements(said(*rows))] == [
        "36 points are 6 rows of 6, stated 5"
    ]


# Statements against the table.


def test_a_statement_that_rounds_to_the_table_is_right():
    rows = said(("balanced_bce, U-Net", "recall", "74.5"), ("unet/focal", "gamma", "4"))
    assert audit_statements(rows, TABLE_1) == []


def test_a_parameter_of_a_row_is_held_against_the_table():
    (finding,) = audit_statements(said(("unet/focal", "gamma", "2")), TABLE_1)
    assert finding.says == "gamma is 2 in the text, 4 in the table"


def test_an_f1_in_the_text_may_be_the_right_one():
    (finding,) = audit_statements(
        said(("unet/balanced_bce", "f1", "81.06", "text")), TABLE_1
    )
    assert finding.says.endswith(
        "; precision and recall give F1 81.06: the text's agrees"
    )


def test_numbers_stated_for_their_own_row_are_right():
    rows = said(
        ("abstract", "model", "U-Net"),
        ("abstract", "beta", "0.7"),
        ("abstract", "f1", "88.77"),
        ("abstract", "recall", "90.3"),
    )
    assert audit_statements(rows, TABLE_1) == []


def test_numbers_of_no_row_are_said_to_be():
    rows = said(
        ("abstract", "beta", "0.7"),
        ("abstract", "f1", "99.00"),
        ("abstract", "recall", "99.00"),
    )
    (finding,) = audit_statements(rows, TABLE_1)
    assert "no row has these numbers; row unet/custom" in finding.says


# Statements against each other.


def test_one_value_in_two_spellings_is_one_value():
    rows = said(("images", "count", "10"), ("images", "count", "10.0"))
    assert audit_statements(rows) == []


def test_as_many_seeds_as_splits_are_right():
    rows = said(("seeds", "count", "5"), ("random splits", "count", "5"))
    assert audit_statements(rows) == []


def test_statements_need_three_columns():
    with pytest.raises(ValueError, match="need the columns subject, quantity, value"):
        audit_statements(pd.DataFrame({"subject": ["models"]}))
