"""One cell's text: numbers as papers print them, missing ones, runs that failed."""

import math

import pytest

from lesionkit.tables.forms.cells import bare, read


@pytest.mark.parametrize(
    ("text", "value", "deviation"),
    [
        ("0.81", 0.81, None),
        (".81", 0.81, None),
        ("0,81", 0.81, None),
        ("1.2e-5", 1.2e-5, None),
        ("\u22120.3", -0.3, None),
        ("0.81 ± 0.02", 0.81, 0.02),
        ("0.81±.02", 0.81, 0.02),
        ("0.81 +/- 0.02", 0.81, 0.02),
        ("0.81 (0.02)", 0.81, 0.02),
        ("0,81 (0,02)", 0.81, 0.02),
        (r"$0.81 \pm 0.02$", 0.81, 0.02),
        (r"$0.81_{\pm 0.02}$", 0.81, 0.02),
        (r"$\mathbf{0.81}\pm0.02$", 0.81, 0.02),
        ("**0.81**", 0.81, None),
        ("__0.81__", 0.81, None),
        ("<b>0.81</b>", 0.81, None),
        (r"\textbf{0.81}", 0.81, None),
        (r"{\bf 0.81}", 0.81, None),
        (r"\cellcolor{gray!20}\underline{0.81}", 0.81, None),
        ("0.81*", 0.81, None),
        ("2.80 mm", 2.8, None),
    ],
)
def test_numbers_are_read_as_papers_print_them(text, value, deviation):
    found = read(text)
    assert (found.kind, found.value, found.deviation) == ("number", value, deviation)


@pytest.mark.parametrize("text", ["81.2%", "81.2 %", r"81.2\%", "81.2 ± 1 %"])
def test_a_percent_sign_is_seen(text):
    assert (read(text).value, read(text).percent) == (81.2, True)


@pytest.mark.parametrize(
    ("text", "beside"),
    [
        ("0.81 [0.79, 0.83]", "range"),
        ("0.81 (0.79-0.83)", "range"),
        ("0.81 (+0.02)", "change"),
        ("0.81 (↑1.2)", "change"),
        ("0.81 (1)", "rank"),
    ],
)
def test_what_is_no_deviation_is_not_read_as_one(text, beside):
    found = read(text)
    assert (found.value, found.deviation, found.beside) == (0.81, None, beside)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        *[(text, "missing") for text in ("-", "\u2014", "NA", "#N/A", "n.a.")],
        *[(text, "blank") for text in ("", "NaN", "nan", "None", "null")],
        *[(text, "failed") for text in ("x", "failed", "inf", "OOM", "nan (diverged)")],
        *[(text, "text") for text in ("U-Net", "24.8M", "3D", "nanunet", "nan1-2")],
        ("0.8 / 0.7", "text"),
    ],
)
def test_missing_failed_and_text_are_told_apart(text, kind):
    assert read(text).kind == kind
    assert math.isnan(read(text).value)


def test_names_lose_their_markup():
    assert bare("**SegFormer B2**") == "SegFormer B2"
    assert bare(r"\multirow{2}{*}{\textbf{Kvasir}}") == "Kvasir"
    assert bare("__Loss Function__") == "Loss Function"
    assert bare(r"my\_set") == "my_set"
