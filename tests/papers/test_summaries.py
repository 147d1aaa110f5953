"""What an audit says at length: coverage, cells that are no number, long tables."""

from __future__ import annotations

import pandas as pd
import pytest
from made_audit import TABLE_1, told

from lesionkit.papers.audit import audit_table, coverage, open_table, summary


def lines_of(table, **options):
    """The summary of a table with what was checked, by lines."""
    opened = open_table(table, "it")
    every = options.pop("every", False)
    found = [*audit_table(opened, **options), *coverage(opened)]
    return summary(found, every=every).splitlines()


def long_table(rows):
    """Every row above the harmonic mean, the later ones by more."""
    dice = [f"{60 + i / 100:.2f}" for i in range(2, rows + 2)]
    same = {"precision": ["60.00"] * rows, "recall": ["60.00"] * rows}
    return pd.DataFrame({"model": [f"m{i}" for i in range(rows)], "dice": dice, **same})


def test_each_law_says_of_how_many_rows_and_cells_it_was_asked():
    table = pd.DataFrame({"dice": ["80", "81", "82"], "iou": ["70", "", "71"]})
    table["precision"], table["recall"] = ["81", "80", "-"], ["80", "82", "81"]
    says = {f.rule: f.says for f in coverage(open_table(table, "it"))}
    assert says == {
        "F1": "F1 against precision and recall in 2 of 3 rows (6 cells)",
        "IoU": "IoU against F1 in 2 of 3 rows (4 cells)",
        "IoU of both": "IoU against precision and recall in 1 of 3 rows (3 cells)",
        "range": "0 to 100 percent in 10 cells; 2 without a score",
    }


def test_all_rows_of_table_1_are_checked_by_one_law():
    (first, last) = coverage(open_table(TABLE_1))
    assert first.says == "F1 against precision and recall in 9 of 9 rows (27 cells)"
    assert last.says == "0 to 100 percent in 36 cells"


def test_a_table_that_no_law_can_be_asked_of_is_not_called_right():
    lines = lines_of(pd.DataFrame({"dice": ["80 \u00b1 1"]}))
    assert lines == [
        "Checked: 0 to 100 percent in 1 cells; no law could be asked: it takes IoU "
        "and F1, or one of them with precision and recall."
    ]


def test_a_right_table_is_said_to_be_one_with_what_was_checked():
    lines = lines_of(pd.DataFrame({"dice": ["80 \u00b1 1"], "iou": ["66.7"]}))
    assert lines[0] == "it, 1 rows: 1 consistent."
    assert lines[1] == "Nothing contradicts itself, and nothing needs a remark."
    assert lines[2].startswith("Checked: IoU against F1 in 1 of 1 rows (2 cells); 0 to")


def test_a_row_that_no_law_was_asked_of_is_not_called_consistent():
    table = pd.DataFrame({"dice": ["80", "80", "101"], "iou": ["66.7", "", "66.7"]})
    assert lines_of(table)[0] == "it, 3 rows: 1 impossible; 1 consistent."


def test_each_verdict_of_table_1_is_counted():
    assert lines_of(pd.read_csv(TABLE_1, dtype=str).fillna(""))[0] == (
        "it, 9 rows: 2 possible only under a condition; 6 consistent as means over "
        "images, not as pooled values; 1 consistent."
    )


@pytest.mark.parametrize("text", ["~80", "80/81", "80 to 82", "fail", "<1"])
def test_a_cell_that_is_no_score_is_listed(text):
    table = pd.DataFrame({"model": ["a", "b"], "DSC": ["80 (1)", text]})
    found = audit_table(table)
    assert told(found, "cell") == {"b": f"DSC {text!r} is no score"}
    assert "1 not read" in summary(found)


@pytest.mark.parametrize("text", ["", "-", "\u2014", "n/a", "NaN", "None"])
def test_a_missing_cell_is_counted_and_not_listed(text):
    table = pd.DataFrame({"model": ["a", "b"], "dice": ["80 (1)", text]})
    opened = open_table(table, "it")
    assert audit_table(opened) == []
    assert coverage(opened)[-1].says.startswith(
        "0 to 100 percent in 1 cells; 1 without"
    )


def test_marks_of_a_footnote_are_no_part_of_a_number():
    table = pd.DataFrame({"dice": ["80*", "81.5 %\u2020", "82 [80, 84]"]})
    assert coverage(open_table(table, "it"))[0].says.startswith("0 to 100 percent in 3")


# Long tables.


def test_a_long_table_shows_the_three_that_take_most_and_counts_the_others():
    lines = lines_of(long_table(40))
    shown = [line for line in lines if line.startswith("only if: it, ")]
    places = [line.split(":")[1] for line in shown]
    assert places == [" it, m39", " it, m38", " it, m37"]
    (last,) = (line for line in lines if line.startswith("only if: 40 in all, 40 rows"))
    assert last.endswith("0.4 % empty (--all prints each)")


def test_every_finding_is_printed_when_asked():
    lines = lines_of(long_table(40), every=True)
    assert len([line for line in lines if line.startswith("only if: it, m")]) == 40


def test_a_dozen_are_printed_in_full():
    lines = lines_of(long_table(12))
    assert len([line for line in lines if line.startswith("only if: it, m")]) == 12


def test_rows_that_are_means_over_images_are_no_fault_and_take_one_line():
    table = long_table(5).assign(dice="55.00")
    lines = lines_of(table)
    assert lines[0] == (
        "it, 5 rows: 5 consistent as means over images, not as pooled values."
    )
    apart = [line for line in lines if line.startswith("not pooled")]
    assert apart[0].startswith("not pooled: it, m0: F1 55.00, precision 60.00 and rec")
    assert apart[1:] == ["not pooled: 5 in all, 5 rows (--all prints each)"]


def test_the_verdicts_of_the_rows_stand_first():
    table = long_table(3)
    table.loc[0, "dice"] = "55.00"
    table.loc[1, "recall"] = "101.00"
    assert lines_of(table)[0] == (
        "it, 3 rows: 1 impossible; 1 possible only under a condition; 1 consistent as "
        "means over images, not as pooled values."
    )


# Columns.


def test_two_columns_of_one_measure_are_pointed_at_with_their_difference():
    table = pd.DataFrame({"Dice": ["90.61", "80.00"], "F1": ["88.89", "80.00"]})
    (says,) = told(audit_table(table), "twice").values()
    assert says == (
        "Dice and f1 are one measure over the same pixels, but differ in 1 of 2 rows, "
        "by up to 1.72 points: they were averaged in different ways. Dice was checked"
    )


def test_two_columns_of_one_measure_that_agree_need_no_word():
    table = pd.DataFrame({"Dice": ["90.61"], "F1": ["90.6"]})
    assert told(audit_table(table), "twice") == {}


def test_a_mean_iou_is_not_taken_for_iou_without_a_word():
    table = pd.DataFrame({"Dice": ["80 (1)"], "mIoU": ["70"]})
    (says,) = told(audit_table(table), "mean IoU").values()
    assert says.startswith("mIoU was taken for the IoU of the lesion; where it is the")
    assert told(audit_table(table.rename(columns={"mIoU": "IoU"})), "mean IoU") == {}


def test_headers_of_another_script_are_names_like_any_other():
    table = pd.DataFrame({"\u6807\u7b7e": ["a"], "\u8f93\u5165": ["b"], "Dice": ["80"]})
    assert [f.rule for f in audit_table(table)] == ["spread"]


def test_headers_of_marks_alone_are_told_apart():
    table = pd.DataFrame({"#": ["1"], "%": ["2"], "Dice": ["80"]})
    assert [f.rule for f in audit_table(table)] == ["spread"]
