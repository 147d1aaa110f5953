"""The audit finds every known contradiction by rule, and nothing in a right table."""

from __future__ import annotations

import importlib.util
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lesionkit import audit, published
from lesionkit.audit import audit_statements, audit_table, summary
from lesionkit.audit_laws import audit_row, gamma_remark
from lesionkit.audit_numbers import Row, column, numeral, our_name, printed, same

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
TABLE_1 = published.FOLDER / "paper_b_table1.csv"
CODE = sorted(Path(audit.__file__).parent.glob("audit*.py"))
PODIUM = {"loss": ["iou", "bce", "focal"] * 2, "dataset": ["a"] * 3 + ["b"] * 3}
GRID = {
    "model": ["fcn", "unet", "enet"],
    "iou": ["3", "2.5", "3"],
    "bce": ["2", "2.5", "3"],
    "focal": ["1", "1", "1"],
}


@pytest.fixture(scope="module")
def found():
    """Everything in both papers."""
    return audit.audit_published()


def told(found, rule, severity=None):
    """What a rule says, by place."""
    return {
        f.where: f.says
        for f in found
        if f.rule == rule and severity in (None, f.severity)
    }


def scores(**texts):
    """Severities by rule of a table of one row, its scores as printed."""
    table = pd.DataFrame({"loss": ["iou"], **{k: [v] for k, v in texts.items()}})
    return verdicts(table)


def verdicts(table, **options):
    """Rule and severity of what is wrong in a table; remarks left out."""
    all_found = audit_table(table, **options)
    return [(f.rule, f.severity) for f in all_found if f.severity != "remark"]


def said(*rows):
    """Statements: subject, quantity, value and, where given, the place."""
    names = ["subject", "quantity", "value", "place"]
    return pd.DataFrame([dict(zip(names, row, strict=False)) for row in rows])


# What science.md, section 8, lists of the papers.


def test_two_rows_of_table_1_are_impossible_by_these_points(found):
    impossible = told(found, "F1", "impossible")
    assert set(impossible) == {"enet/custom", "unet/balanced_bce"}
    assert "give 67.66 (+0.66)" in impossible["enet/custom"]
    assert "give 81.06 (+2.29)" in impossible["unet/balanced_bce"]


def test_eight_rows_of_table_1_are_not_pooled_and_one_can_be(found):
    of_table = {f.where for f in found if f.rule == "F1"}
    assert len(of_table) == 8
    assert "unet/custom" not in of_table


def test_the_differences_of_table_1_are_those_worked_out_before(found):
    off = {"segnet/balanced_bce": "-0.38", "segnet/focal": "-0.29"}
    off |= {"segnet/custom": "-0.21", "enet/balanced_bce": "-0.77"}
    off |= {"enet/focal": "-1.93", "unet/focal": "-0.03"}
    not_pooled = told(found, "F1", "not pooled")
    assert set(not_pooled) == set(off)
    assert all(f"({off[row]})" in says for row, says in not_pooled.items())


def test_the_text_says_another_recall_and_neither_gives_the_printed_f1(found):
    (says,) = told(found, "text").values()
    assert "recall is 76.49 in the text, 74.49 in the table" in says
    assert "the text's gives F1 82.23" in says
    assert "printed as 83.35: neither agrees" in says


def test_the_printed_f1_would_need_this_recall(found):
    assert "83.35 needs recall 78.44" in told(found, "F1")["unet/balanced_bce"]


def test_the_conclusion_has_the_numbers_of_the_focal_row(found):
    (says,) = told(found, "attribution").values()
    assert says == (
        "88.39 / 87.70 / 89.15 / 0.813 are stated for model unet, alpha 0.25, gamma 4, "
        "beta 0.7; they are the numbers of row unet/focal, whose own are model unet, "
        "alpha 0.25, gamma 4, beta none; row unet/custom, which has what is stated, "
        "has 88.77 / 87.31 / 90.30 / 0.827"
    )


def test_the_models_are_twelve_or_ten_and_the_points_agree_with_twelve(found):
    assert told(found, "values") == {
        "models": "count is 12 (title, abstract, results), but 10 (setup); the 72 "
        "points awarded are 12 rows of 6: 12 agrees"
    }


def test_one_seed_stands_beside_five_random_splits(found):
    (says,) = told(found, "seeds").values()
    assert says.startswith("1 seed (42), 5 random splits")


def test_the_focal_gamma_of_paper_a_hardly_lowers_easy_pixels(found):
    (says,) = told(found, "gamma").values()
    assert says.startswith("gamma 0.2:")
    assert says.endswith("of a larger gamma is said: stresses hard pixels")


def test_raw_mean_is_shown_for_chosen_cases(found):
    assert list(told(found, "cases")) == ["raw_mean (Fig. 3)"]


def test_no_spread_is_reported_in_table_1(found):
    (says,) = told(found, "spread").values()
    assert says == "no deviation or interval beside F1, precision, recall, AP"


def test_every_empty_statement_is_listed_as_not_stated(found):
    statements = published.statements()
    empty = statements[statements["value"] == ""]
    listed = [(f.source[-1], f.where) for f in found if f.rule == "not stated"]
    assert sorted(listed) == sorted(zip(empty["paper"], empty["subject"], strict=True))


def test_there_is_nothing_else_in_the_papers(found):
    assert {f.rule for f in found} == {
        *("F1", "text", "attribution", "values", "seeds"),
        *("gamma", "cases", "spread", "not stated"),
    }


def test_the_code_has_no_number_of_a_paper():
    text = "".join(path.read_text() for path in CODE)
    table = pd.read_csv(TABLE_1, dtype=str)[["f1", "precision", "recall"]]
    cells = list(table.to_numpy().ravel())
    cells += [f"{float(cell) * 100:.2f}" for cell in cells]
    assert [cell for cell in cells if cell in text] == []


# F1 against precision and recall.


def test_f1_is_the_harmonic_mean_of_precision_and_recall():
    # 2 * 50 * 100 / 150 = 66.67
    assert scores(f1="66.67", precision="50.00", recall="100.00") == []


def test_f1_above_the_harmonic_mean_is_impossible():
    got = scores(f1="67.67", precision="50.00", recall="100.00")
    assert got == [("F1", "impossible")]


def test_f1_below_the_harmonic_mean_is_not_pooled():
    got = scores(f1="65.67", precision="50.00", recall="100.00")
    assert got == [("F1", "not pooled")]


def test_f1_below_precision_plus_recall_minus_one_is_impossible():
    # 80 + 90 - 100 = 70 is the least that images of these means can have.
    assert scores(f1="69.90", precision="80.00", recall="90.00") == [
        ("F1", "impossible")
    ]
    assert scores(f1="70.00", precision="80.00", recall="90.00") == [
        ("F1", "not pooled")
    ]


def test_f1_above_both_is_said_once():
    table = pd.DataFrame({"f1": ["90.00"], "precision": ["80"], "recall": ["70"]})
    (finding,) = (f for f in audit_table(table) if f.severity == "impossible")
    assert finding.says.endswith("; it is above both of them")


def test_f1_says_the_recall_and_the_precision_it_would_need():
    # F1 60: recall 75 with precision 50; precision 45 with recall 90.
    table = pd.DataFrame({"f1": ["60.00"], "precision": ["50"], "recall": ["90"]})
    (finding,) = (f for f in audit_table(table) if f.rule == "F1")
    assert finding.says.endswith("60.00 needs recall 75.00 or precision 45.00")


def test_f1_says_no_recall_that_is_above_one():
    # Precision 50 gives F1 66.67 at most.
    table = pd.DataFrame({"f1": ["68.00"], "precision": ["50"], "recall": ["90"]})
    (finding,) = (f for f in audit_table(table) if f.rule == "F1")
    assert finding.says.endswith("68.00 needs precision 54.64")


@pytest.mark.parametrize(
    ("aggregation", "low", "high"),
    [
        (None, [("F1", "not pooled")], [("F1", "impossible")]),
        ("pooled", [("F1", "impossible")], [("F1", "impossible")]),
        ("image", [], [("F1", "impossible")]),
    ],
)
def test_the_aggregation_decides_what_is_impossible(aggregation, low, high):
    row = {"precision": ["50.00"], "recall": ["100.00"]}
    below = pd.DataFrame({"f1": ["60.00"], **row})
    above = pd.DataFrame({"f1": ["70.00"], **row})
    assert verdicts(below, aggregation=aggregation) == low
    assert verdicts(above, aggregation=aggregation) == high


# IoU.


def test_iou_of_pooled_pixels_follows_from_f1():
    # 0.8 / 1.2 = 66.67
    assert scores(dice="80.00", iou="66.67") == []


def test_iou_between_that_and_f1_is_not_pooled():
    assert scores(dice="80.00", iou="70.00") == [("IoU", "not pooled")]


@pytest.mark.parametrize("iou", ["66.00", "80.50"])
def test_iou_below_that_or_above_f1_is_impossible(iou):
    assert scores(dice="80.00", iou=iou) == [("IoU", "impossible")]


def test_iou_says_the_f1_it_would_need():
    table = pd.DataFrame({"dice": ["80.00"], "iou": ["60.00"]})
    (finding,) = (f for f in audit_table(table) if f.rule == "IoU")
    assert finding.says.endswith("IoU 60.00 needs F1 75.00")


@pytest.mark.parametrize(
    ("iou", "expected"),
    [
        ("50.00", []),  # 1 / (1 / 0.6 + 1 / 0.75 - 1)
        ("55.00", [("IoU", "not pooled")]),
        ("60.10", [("IoU", "impossible")]),  # above precision
        ("34.90", [("IoU", "impossible")]),  # below 60 + 75 - 100
    ],
)
def test_iou_is_held_against_precision_and_recall_where_f1_is_missing(iou, expected):
    assert scores(precision="60.00", recall="75.00", iou=iou) == expected


def test_three_images_of_other_sizes_have_means_that_are_not_pooled():
    # (tp, fp, fn) of (90, 10, 10), (1, 3, 5), (50, 0, 50), as science.md has them
    means = {"precision": "71.67", "recall": "52.22", "dice": "58.89", "iou": "47.64"}
    assert scores(**means) == [("F1", "not pooled"), ("IoU", "not pooled")]
    pooled = {"precision": "91.56", "recall": "68.45", "dice": "78.33", "iou": "64.38"}
    assert scores(**pooled) == []


# Rounding, units, missing cells.


@pytest.mark.parametrize(
    ("f1", "expected"),
    [
        # P and R in [49.5, 50.5]: so is their harmonic mean, and F1 is +- 0.5.
        ("51", []),
        ("52", [("F1", "impossible")]),
        ("49", []),
        ("48", [("F1", "not pooled")]),
    ],
)
def test_a_difference_within_rounding_is_no_finding(f1, expected):
    assert scores(f1=f1, precision="50", recall="50") == expected


def test_a_difference_of_one_in_the_last_decimal_beyond_rounding_is_one():
    assert scores(f1="50.01", precision="50.00", recall="50.00") == []
    assert scores(f1="50.02", precision="50.00", recall="50.00") == [
        ("F1", "impossible")
    ]


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


def test_one_number_outside_the_range_does_not_change_the_unit():
    table = pd.DataFrame({"dice": ["0.81", "8.12", "0.83"]})
    assert verdicts(table) == [("range", "impossible")]


def test_a_row_outside_the_range_is_asked_nothing_else():
    assert scores(f1="50", precision="101.00", recall="50") == [("range", "impossible")]


def test_one_hundred_percent_is_inside_the_range():
    assert scores(f1="100.00", precision="100.00", recall="100.00", iou="100.00") == []


def test_scores_of_nothing_found_are_zero_and_right():
    assert scores(f1="0.00", precision="0.00", recall="0.00", iou="0.00") == []


def test_missing_cells_are_asked_nothing():
    assert scores(f1="50", precision="-", recall="") == []


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


def test_two_columns_of_one_meaning_are_refused():
    table = pd.DataFrame({"dsc": ["80"], "f1": ["80"]})
    with pytest.raises(ValueError, match="columns dsc, f1 all mean 'dice'"):
        audit_table(table)


def test_a_table_with_nothing_to_check_is_refused():
    table = pd.DataFrame({"model": ["unet"], "depth": ["4"]})
    with pytest.raises(ValueError, match=r"sizes needs a column of scores.*model, dep"):
        audit_table(table, name="sizes")


def test_another_aggregation_is_refused_with_the_nearest():
    table = pd.DataFrame({"dice": ["80"]})
    with pytest.raises(ValueError, match="Did you mean 'image'"):
        audit_table(table, aggregation="images")


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="no table at"):
        audit_table(tmp_path / "none.csv")


@pytest.mark.parametrize("ask", [audit_table, audit_statements])
@pytest.mark.parametrize("content", [b"", b"a,b\n\xff,1\n", b"a\n1,2\n1,2,3\n"])
def test_a_file_that_is_no_csv_is_named(tmp_path, ask, content):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="table.csv: not a CSV that can be read: "):
        ask(path)


# Points.


def test_a_podium_awards_six_points_a_row():
    table = pd.DataFrame({**PODIUM, "points": ["3", "2", "1", "2.5", "2.5", "1"]})
    assert audit_table(table) == []


def test_a_row_that_awards_seven_points_is_found():
    table = pd.DataFrame({**PODIUM, "points": ["3", "2", "1", "3", "3", "1"]})
    assert told(audit_table(table), "points") == {
        "b": "its points sum to 7, but 3 + 2 + 1 are 6 (tied places that share their "
        "points keep the sum)"
    }


def test_shared_points_may_be_rounded():
    table = pd.DataFrame({"dataset": list("aaaaaaaa"), "loss": list("12345678")})
    table["points"] = ["3", "2", "0.17", "0.17", "0.17", "0.17", "0.17", "0.17"]
    assert audit_table(table) == []


def test_points_without_rows_come_in_sixes():
    table = pd.DataFrame({"loss": ["iou", "bce"], "points": ["20", "16"]})
    assert audit_table(table) == []
    assert verdicts(table.replace("16", "15")) == [("points", "inconsistent")]


def test_a_table_of_points_alone_is_known_as_one():
    assert list(told(audit_table(pd.DataFrame(GRID)), "points")) == ["enet"]


def test_a_table_of_points_may_lie_on_its_side():
    grid = pd.DataFrame(GRID).set_index("model").T.rename_axis("loss").reset_index()
    assert list(told(audit_table(grid), "points")) == ["enet"]


def test_columns_of_losses_are_not_taken_for_scores():
    # A table of Dice by loss: its column iou is no IoU of its column dice.
    table = pd.DataFrame({"model": ["unet"], "iou": ["0.90"], "dice": ["0.80"]})
    assert verdicts(table) == [("IoU", "impossible")]
    with pytest.raises(ValueError, match="needs a column of scores"):
        audit_table(table.assign(bce="0.8", focal="0.7"))


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


def test_gamma_weighs_an_easy_pixel_as_computed_by_hand():
    # (0.1 / 0.5)^0.5 = 0.447 and (0.1 / 0.5)^2 = 0.04
    says = gamma_remark("0.5", "here").says
    assert "has 0.45 of the weight" in says
    assert "gamma 2 it has 0.04" in says


@pytest.mark.parametrize("gamma", ["", "1", "2", "0"])
def test_no_gamma_and_gamma_from_one_need_no_remark(gamma):
    assert gamma_remark(gamma, "here") is None


def test_a_column_of_gamma_has_one_remark_for_each_low_value():
    table = pd.DataFrame({"loss": list("abc"), "gamma": ["0.2", "2", "0.2"]})
    table["dice"] = "80"
    assert list(told(audit_table(table), "gamma")) == ["a, c"]


def test_statements_need_three_columns():
    with pytest.raises(ValueError, match="need the columns subject, quantity, value"):
        audit_statements(pd.DataFrame({"subject": ["models"]}))


# Spread, summary, and how well it works.


@pytest.mark.parametrize(
    "columns",
    [
        {"dice": ["0.8"], "dice_sd": ["0.1"]},
        {"dice": ["80.1 \u00b1 1.2"]},
        {"dice": ["0.8"], "95% CI": ["0.7 to 0.9"]},
        {"dice": ["0.8"], "repeat": ["0"]},
    ],
)
def test_a_spread_or_single_runs_need_no_remark(columns):
    assert audit_table(pd.DataFrame(columns)) == []


def test_the_summary_begins_with_what_is_wrong():
    lines = summary(audit_table(TABLE_1, name="Table 1")).splitlines()
    assert lines[0] == (
        "Table 1: 2 of 9 rows cannot be right, 8 of 9 rows cannot be pooled values."
    )
    assert lines[1] == "Findings: 2 impossible, 6 not pooled, 1 remark."
    assert len(lines) == 2 + 9


def test_nothing_found_is_said_in_words():
    assert summary([]) == "Nothing contradicts itself, and nothing needs a remark."


def test_the_public_rerun_obeys_every_law_of_means_over_images():
    assert audit_table("public-rerun", aggregation="image") == []


def test_no_law_refuses_means_of_random_images():
    random = np.random.default_rng(0)
    for _ in range(300):
        p, r = random.beta(*random.uniform(0.2, 3, 2), (2, random.integers(1, 6)))
        f1 = 2 * p * r / (p + r)
        means = (f1, f1 / (2 - f1), p, r)
        texts = [f"{100 * values.mean():.1f}" for values in means]
        exact = [printed(text, percent=True) for text in texts]
        names = ("dice", "iou", "precision", "recall")
        row = Row("images", dict(zip(names, exact, strict=True)), {})
        assert audit_row(row, "image") == []


@pytest.mark.slow
def test_one_altered_number_is_found_as_often_as_promised(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    spec = importlib.util.spec_from_file_location("rates", BENCHMARKS / "audit.py")
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    rates = benchmark.rates(0).set_index(["made", "told"])
    assert (rates["false_alarms"] == 0).all()
    assert rates.loc[("pooled", "unknown"), "not_pooled"] == 0
    assert rates.loc[("pooled", "pooled"), "hits"] >= 0.95
    # Means over images may lie in a range, in which an altered number can hide.
    assert rates.loc[("image", "image"), "hits"] >= 0.3
    assert rates.loc[("pooled", "unknown"), "hits"] >= 0.4
