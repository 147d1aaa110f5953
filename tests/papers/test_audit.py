"""The audit finds every known contradiction by rule, and nothing in a right table."""

from __future__ import annotations

import importlib
from pathlib import Path

import pandas as pd
import pytest
from made_audit import TABLE_1, told, verdicts

from lesionkit import published
from lesionkit.papers import audit, laws, numbers, summaries, text, ways
from lesionkit.papers.audit import audit_statements, audit_table, summary

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
CODE = [Path(m.__file__) for m in (audit, laws, numbers, summaries, text, ways)]
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


# What science.md, section 8, lists of the papers.


def test_two_rows_of_table_1_are_possible_only_with_empty_slices(found):
    only_if = told(found, "F1", "only if")
    assert set(only_if) == {"enet/custom", "unet/balanced_bce"}
    assert "give at most 67.66 (+0.66)" in only_if["enet/custom"]
    assert "only if 2.0 % of the images are empty" in only_if["enet/custom"]
    assert "give at most 81.06 (+2.29)" in only_if["unet/balanced_bce"]
    assert "only if 12.0 % of the images are empty" in only_if["unet/balanced_bce"]
    assert [f for f in found if f.severity == "impossible"] == []


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
@pytest.mark.parametrize("content", [b"", b"%PDF-1.7", b"a\n1,2\n1,2,3\n"])
def test_a_file_that_is_no_table_is_named(tmp_path, ask, content):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"table\.csv: .*(empty|PDF|cells under)"):
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
    assert verdicts(table) == [("IoU", "only if")]
    with pytest.raises(ValueError, match="needs a column of scores"):
        audit_table(table.assign(bce="0.8", focal="0.7"))


def test_a_column_of_gamma_has_one_remark_for_each_low_value():
    table = pd.DataFrame({"loss": list("abc"), "gamma": ["0.2", "2", "0.2"]})
    table["dice"] = "80"
    assert list(told(audit_table(table), "gamma")) == ["a, c"]


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
        "Table 1, 9 rows: 2 possible only under a condition; 6 consistent as means "
        "over images, not as pooled values."
    )
    assert lines[1] == "Findings: 2 only if, 6 not pooled, 1 remark."
    kinds = [line.partition(":")[0] for line in lines[2:]]
    assert kinds == ["only if", "only if", "not pooled", "not pooled", "remark"]


def test_nothing_found_is_said_in_words():
    assert summary([]) == "Nothing contradicts itself, and nothing needs a remark."


def test_the_public_rerun_obeys_every_law_of_means_over_images():
    assert audit_table("public-rerun", aggregation="image") == []


@pytest.fixture(scope="module")
def benchmark():
    """The script that measures the audit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        return importlib.import_module("audit_rates")


def test_every_kind_of_true_table_is_made(benchmark):
    names = [kind.name for kind in benchmark.kinds()]
    assert {"pooled", "medians over images", "both empty: left out"} <= {*names}
    assert len(names) >= 35


@pytest.mark.slow
def test_no_true_table_of_any_kind_is_impossible(benchmark):
    rates = benchmark.true_rates(0, 20).set_index(["kind", "empty", "told"])
    assert (rates["impossible"] == 0).all()
    plain = rates.loc[["pooled", "means over images", "both empty: left out"]]
    assert (plain["only if"] == 0).all()
    ours = rates.loc[("mean over images", 0.15, "nothing")]
    assert ours["only if"] == 1
    assert ours["greatest least share"] <= 0.16


@pytest.mark.slow
def test_one_altered_number_is_found_as_often_as_promised(benchmark):
    rates = benchmark.altered_rates(0, 40).set_index(["told", "altered by"])
    assert (rates.loc["aggregation pooled, runs 1", "impossible"] == 1).all()
    assert (rates.loc["aggregation pooled", "either"] == 1).all()
    assert rates.loc[("aggregation image, empty 0.0", 5.0), "impossible"] >= 0.3
