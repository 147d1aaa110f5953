"""Tables that people have, beside the checkout: each read right, asked or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from lesionkit.inference.ranking import check_comparable
from lesionkit.inference.standing import rank
from lesionkit.papers.audit import audit_table
from lesionkit.tables import load_table, remarks

CASES = Path(__file__).parents[3] / "shared" / "cases" / "tables"
pytestmark = pytest.mark.skipif(
    not CASES.is_dir(), reason=f"no tables of others in {CASES}"
)
SAME = """bom.csv crlf.csv cr.csv utf16.csv semicolon.csv tab.tsv tab.csv pipe.csv
excel_de.csv quoted_comma.csv percent.csv percent_dice_only.csv percent_sign.csv
title.csv comment.csv index.csv index_blank.csv blankline.csv blankcommas.csv
shuffled.csv header_again.csv gz.csv.gz x.xlsx records.json lines.jsonl long.md
latex.tex korean.csv korean_cp949.csv chinese.csv chinese_gbk.csv german.csv
hdr_space.csv hdr_val.csv hdr_test.csv hdr_pct.csv hdr_arrow.csv hdr_coef.csv
hdr_dash.csv hdr_trail.csv hdr_mdice.csv hdr_mean.csv loss_suffix.csv loss_case.csv
repeat_text.csv seed_repeat.csv fold_seed.csv dup_same.csv avgrow.csv avgrow2.csv
wide.csv wide.md pm.csv pm_tight.csv paren.csv bold.csv keras_loss.csv
keras_loss2.csv""".split()
# file: what its refusal says
REFUSED = {
    "form_empty.csv": "the file is empty",
    "form_header_only.csv": "no row below the names",
    "form_onerow.csv": "two losses",
    "form_oneloss.csv": "two losses",
    "form_dup_diff.csv": "different results for dataset Polyp, model unet, loss bce",
    "cell_dup.csv": "different results",
    "cell_sd.csv": "deviation of dice",
    "mixed_units2.csv": r"one unit a column",
    "nan_all.csv": "no value of dice",
    "protocol.csv": "differ in protocol",
    "size.csv": "differ in size",
    "lr.csv": "differ in learning_rate",
    "source.csv": "sources a, b, c",
    "epochs.csv": "differ in epochs",
    "hermite_es.csv": "no column for 'loss'",
    "octa_zh.csv": "no column for 'loss'",
    "visium_audit.csv": "no column for 'loss'",
}
MISSING = ["-", "NA", "NaN", "None", "emdash", "empty", "hNA", "n.a.", "nan"]
BROKEN = ["failed", "inf", "x"]


def answer(name: str):
    """What a file says of its losses, as the command asks it."""
    table = load_table(CASES / name)
    check_comparable(table)
    return rank(table, draws=2)


@pytest.mark.parametrize("name", SAME)
def test_a_form_of_the_base_has_its_answer(name):
    want, got = answer("form_base.csv"), answer(f"form_{name}")
    assert got.verdict.leader == "dice"
    difference = got.losses["mean"].to_numpy() - want.losses["mean"].to_numpy()
    assert abs(difference).max() < 0.0002


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_ranked_is_refused_in_a_line(name):
    with pytest.raises(ValueError, match=REFUSED[name]) as caught:
        answer(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mark", [*MISSING, *BROKEN])
def test_one_run_without_a_score_is_said_and_no_zero(mark):
    found = answer(f"form_miss_{mark}.csv")
    assert found.losses.loc["focal", "mean"] > 0.66
    said = " ".join(found.remarks)
    assert "line 9" in said
    assert (f"failed ({mark}), so without dice" in said) == (mark in BROKEN)


def test_fold_and_seed_are_repeats():
    found = answer("fold_x_seed.csv")
    assert found.grid.repeats == 6
    assert "each pair of fold and seed is a repeat" in found.remarks
    assert answer("seed_fold.csv").grid.repeats == 3


@pytest.mark.parametrize("name", ["per_image.csv", "per_image2.csv"])
def test_rows_of_images_are_no_trainings(name):
    found = answer(name)
    assert found.grid.repeats == 1
    assert any("rows are images (image), not trainings" in r for r in found.remarks)


def test_lower_is_better_for_a_distance():
    found = rank(load_table(CASES / "form_hd95_strong.csv"), "hd95", draws=2)
    assert found.verdict.leader == "dice"
    assert found.losses.index[-1] == "focal"


def test_wide_tables_are_those_of_their_long_form():
    wide = rank(load_table(CASES / "odyssey_wide.csv"), draws=2).losses["mean"]
    long = rank(load_table(CASES / "odyssey_long.csv"), draws=2).losses["mean"]
    assert dict(wide) == pytest.approx(dict(long))
    markdown = rank(load_table(CASES / "odyssey.md"), draws=2).losses["mean"]
    assert dict(markdown) == dict(wide)


def test_a_mean_iou_is_asked_for():
    table = load_table(CASES / "pets_long_spaced.csv")
    assert "miou" in table
    assert "iou" not in table
    assert any("is kept as miou" in line for line in remarks(table))


@pytest.mark.parametrize(
    "name", ["visium_audit.csv", "roads_audit.csv", "octa_audit.csv"]
)
def test_true_tables_have_no_finding(name):
    assert {f.severity for f in audit_table(CASES / name)} <= {"remark"}
