"""Progress in a terminal, in a log, and in a notebook."""

from __future__ import annotations

import io
import sys

import pytest

from lesionkit import progress

DICE = "validation Dice 0.537, best 0.601"


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch):
    """Makes stderr a stream of that kind."""

    def make(stream: io.StringIO) -> io.StringIO:
        monkeypatch.setattr(sys, "stderr", stream)
        return stream

    monkeypatch.setattr(progress, "in_notebook", lambda: False)
    return make


def went_through(epochs: int = 12) -> None:
    """A bar to its end."""
    with progress.bar(total=epochs, desc="epoch") as shown:
        for _ in range(epochs):
            shown.set_postfix_str(DICE, refresh=False)
            shown.update()


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_terminal_shows_the_whole_number_at_any_width(stderr, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("tqdm.std._screen_shape_wrapper", lambda: shape(columns))
    stream = stderr(Terminal())
    went_through()
    last = stream.getvalue().split("\r")[-1]
    assert last.startswith(f"epoch 12/12, {DICE} |")
    assert len(last.rstrip("\n")) <= columns


def shape(columns: int):
    """What tqdm asks for the size of a terminal."""
    return lambda stream: (columns, 24)


def test_a_log_has_lines_of_its_own_and_few_of_them(stderr):
    stream = stderr(io.StringIO())
    went_through(500)
    text = stream.getvalue()
    assert "\r" not in text
    assert text.endswith("\n")
    (line,) = text.splitlines()
    assert line.startswith(f"epoch 500/500, {DICE}, 00:0")
    assert "so far" in line


def test_a_notebook_has_one_output_that_ends_with_the_last_state(monkeypatch):
    class Handle:
        def update(self, data, raw) -> None:
            outputs[-1] = data

    def display(data, raw, display_id):
        outputs.append(data)
        return Handle()

    outputs: list[dict] = []
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", display)
    went_through()
    (last,) = outputs
    assert last["text/plain"].startswith(f"epoch 12/12, {DICE} |")
    assert len(last["text/plain"]) <= 80


def test_a_bar_that_is_not_shown_writes_nothing(stderr):
    stream = stderr(Terminal())
    for _ in progress.bar([1, 2], show=False):
        pass
    assert stream.getvalue() == ""


def test_a_bar_without_a_name_is_called_by_its_unit(stderr):
    stream = stderr(io.StringIO())
    for _ in progress.bar([1, 2], unit="image"):
        pass
    assert stream.getvalue().startswith("image 2/2, ")
