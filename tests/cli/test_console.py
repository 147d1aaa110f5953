"""Values from text, tables to text, failures to one line."""

import io
import json
import sys

import click
import pytest

from lesionkit.cli import console


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("True", True),
        ("False", False),
        ("None", None),
        ("7", 7),
        ("-7", -7),
        ("0.5", 0.5),
        ("1e-4", 1e-4),
        ("true", "true"),
        ("dice", "dice"),
        ("", ""),
    ],
)
def test_a_value_of_the_command_line_gets_the_type_papermill_gives_it(text, value):
    assert console.typed(text) == value
    assert type(console.typed(text)) is type(value)


def test_a_pair_is_cut_at_its_first_equals_sign():
    assert console.pair("a=b=c") == ("a", "b=c")


def test_a_pair_without_an_equals_sign_is_refused():
    with pytest.raises(ValueError, match="expected NAME=VALUE, got 'dice'"):
        console.pair("dice")


def test_rows_are_shown_below_their_names_and_aligned(capsys):
    rows = [{"name": "iou", "count": 12345, "note": None}]
    console.show(rows + [{"name": "dicebce", "count": 7, "note": "x"}], False)
    assert capsys.readouterr().out.splitlines() == [
        "name     count   note",
        "iou      12,345  -",
        "dicebce  7       x",
    ]


def test_one_row_upright_is_a_line_for_each_value(capsys):
    console.show_facts({"dice": 0.75, "best_epoch": 3})
    assert capsys.readouterr().out.splitlines() == [
        "dice               0.7500",
        "best_epoch         3",
    ]


def test_no_rows_show_nothing(capsys):
    console.show([], False)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("shown", [console.show, console.show_facts])
def test_json_has_null_where_a_number_is_nan(capsys, shown):
    facts = {"a": 1, "b": float("nan")}
    rows = shown is console.show
    shown([facts] if rows else facts, True)
    text = capsys.readouterr().out
    assert "NaN" not in text
    expected = {"a": 1, "b": None}
    assert json.loads(text) == ([expected] if rows else expected)


@pytest.mark.parametrize("kind", [ValueError, TypeError])
def test_a_refusal_of_an_argument_is_a_wrong_argument(kind):
    with pytest.raises(click.UsageError, match="why"), console.arguments():
        raise kind("why")


def test_any_other_error_passes_through():
    with pytest.raises(OSError, match="why"), console.arguments():
        raise OSError("why")


def test_a_failure_is_one_line_on_stderr_and_its_status(capsys):
    with pytest.raises(SystemExit) as end:
        console.fail("first\n   second", 1)
    assert end.value.code == 1
    assert capsys.readouterr() == ("", "lesionkit: first second\n")


@pytest.mark.parametrize(
    "arguments", [["-p", "loss"], ["-p", "loss=dice"], ["loss=dice"], ["loss", "dice"]]
)
def test_a_parameter_without_its_form_gets_an_example(arguments):
    from lesionkit.cli import cli

    with pytest.raises(click.UsageError) as caught:
        cli.main(["train", *arguments], standalone_mode=False)
    said = console.usage(caught.value)
    assert said.endswith(": parameters are given as -p loss dice -p epochs 3")


def test_other_wrong_arguments_are_said_as_they_are():
    from lesionkit.cli import cli

    with pytest.raises(click.UsageError) as caught:
        cli.main(["prepare", "toy", "more"], standalone_mode=False)
    assert console.usage(caught.value) == caught.value.format_message()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            PermissionError(13, "Permission denied", "/a/b"),
            "/a/b: Permission denied: na",
        ),
        (OSError("no answer"), "no answer"),
        (ValueError("why"), "why"),
        (KeyError(), "KeyError"),
        (ImportError("no libcudart"), "no libcudart: something is not installed as it"),
        (
            RuntimeError("operator torchvision::nms"),
            "operator torchvision::nms: someth",
        ),
        (ImportError("it needs: pip install x"), "it needs: pip install x"),
    ],
)
def test_an_error_says_the_way_out_where_the_system_says_none(error, said):
    assert console.told(error).startswith(said)
    if said in (text := str(error)) and "pip" in text:
        assert console.told(error) == text


def test_a_folder_that_is_gone_is_told_as_that(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert console.told(FileNotFoundError(2, "No such file")) == console.GONE


@pytest.mark.parametrize(
    ("value", "shown"), [(-0.0, "0"), (0.25, "0.25"), (3.84e-5, "3.8e-05")]
)
def test_no_number_is_shown_as_minus_nothing(value, shown, capsys):
    console.show([{"behind": value}])
    assert capsys.readouterr().out.split() == ["behind", shown]


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Makes stdout and stderr terminals of 40 columns; gives both."""

    def make():
        streams = Terminal(), Terminal()
        monkeypatch.setattr(sys, "stdout", streams[0])
        monkeypatch.setattr(sys, "stderr", streams[1])
        return streams

    monkeypatch.setenv("COLUMNS", "40")
    return make


WORDS = "a long text of some words that takes more than one line"
ROW = {"name": "ioufocal", "mean": 0.8127, "note": WORDS}


def test_a_terminal_gets_a_long_text_wrapped_at_words(terminal):
    out, err = terminal()
    console.show([ROW])
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 40
    assert lines[1].startswith("ioufocal  0.8127  a long text of")
    assert " ".join(line[18:].strip() for line in lines[1:]) == WORDS
    assert err.getvalue() == ""


def test_columns_that_do_not_fit_a_terminal_are_left_out_and_told(terminal):
    out, err = terminal()
    console.show([{f"column_{k}": "x" * 11 for k in range(5)}])
    lines = out.getvalue().splitlines()
    assert [len(line.split()) for line in lines] == [3, 3]
    assert " ".join(err.getvalue().split()) == (
        "left out, to fit 40 columns: column_3, column_4; --wide shows all"
    )


@pytest.mark.parametrize("wide", [True, False])
def test_wide_or_read_by_a_program_a_row_is_a_whole_line(wide, terminal, monkeypatch):
    out, err = terminal()
    if not wide:
        monkeypatch.setattr(sys, "stdout", out := io.StringIO())
    rows = [ROW | {f"column_{k}": "x" * 11 for k in range(5)}]
    console.show(rows, wide=wide)
    head, line = out.getvalue().splitlines()
    assert head.split() == [*rows[0]]
    assert WORDS in line
    assert line.count("x" * 11) == 5
    assert err.getvalue() == ""


def test_a_sentence_is_wrapped_in_a_terminal_with_its_indent(terminal):
    out, _ = terminal()
    console.say(f"note  {WORDS}\n\nend", indent=6)
    *lines, empty, end = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 40
    assert all(line.startswith("      ") for line in lines[1:])
    assert " ".join(" ".join(lines).split()) == f"note {WORDS}"
    assert (empty, end) == ("", "end")


def test_a_program_gets_a_sentence_on_one_line(capsys):
    console.say(f"note  {WORDS}", indent=6)
    assert capsys.readouterr().out == f"note  {WORDS}\n"
