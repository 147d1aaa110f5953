"""What the commands share: values from text, tables to text, failures to one line."""

from __future__ import annotations

import json
import os
import select
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import click

from lesionkit.lookup import Refused, one_line
from lesionkit.records.disks import in_words
from lesionkit.records.stores import is_url

GONE = "the folder this was called in is gone: cd to one that is there"
option = partial(click.option, show_default=True)
AS_JSON = option(
    "--json", "as_json", is_flag=True, help="Print JSON, for a program to read."
)
WIDE = option("--wide", is_flag=True, help="Print every column, a row on one line.")
ONLY = click.option(
    "--only",
    multiple=True,
    metavar="NAME=VALUE",
    help="Use only the rows with this value, such as dataset=kvasir. Repeat for more.",
)
UNREAD = 128 + 13  # what a shell shows of a program that SIGPIPE ended


@contextmanager
def arguments() -> Iterator[None]:
    """Turn a refusal inside the block into a wrong argument, exit status 2.

    Only what judges the arguments themselves belongs into it: what is wrong in a file
    or a folder is exit status 1, and so is Refused.
    """
    try:
        yield
    except Refused:
        raise
    except (ValueError, TypeError) as error:
        raise click.UsageError(str(error)) from None


@contextmanager
def unread() -> Iterator[None]:
    """End quietly, as `cat` does, when nobody reads the rest of an answer.

    Any other pipe that breaks stays an error with its line: click takes every one for
    that of the answer, and ends without a word.

    Raises:
        SystemExit: with UNREAD.
        OSError: a pipe to a process or a server broke.
    """
    try:
        yield
    except BrokenPipeError as error:
        left = [stream for stream in (1, 2) if _has_no_reader(stream)]
        if not left:
            said = f"{error}: a process or server that was written to is gone"
            raise OSError(said) from error
        for stream in left:  # Python writes to them once more as it ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        raise SystemExit(UNREAD) from None


def _has_no_reader(stream: int) -> bool:
    """Whether the other end of a pipe is closed."""
    if not hasattr(select, "poll"):  # Windows
        return False
    asked = select.poll()
    asked.register(stream, 0)  # what goes wrong is told unasked
    return any(found & (select.POLLERR | select.POLLHUP) for _, found in asked.poll(0))


def typed(value: str) -> bool | int | float | str | None:
    """A value of the command line in the type papermill would give it."""
    words = {"True": True, "False": False, "None": None}
    if value in words:
        return words[value]
    for kind in (int, float):
        with suppress(ValueError):
            return kind(value)
    return value


def answer(value: Any) -> None:
    """An answer for a program: JSON, with null for what is no number."""
    plain = json.loads(json.dumps(value), parse_constant=lambda _: None)
    click.echo(json.dumps(plain, indent=2))


def show_facts(facts: dict[str, Any], as_json: bool = False) -> None:
    """A line for each fact: name and value; or JSON."""
    if as_json:
        answer(facts)
        return
    width = max(18, *map(len, facts))
    for name, value in facts.items():
        if isinstance(value, dict):
            value = ", ".join(f"{count} {kind}" for kind, count in value.items())
        number = f"{value:.4f}" if isinstance(value, float) else value
        click.echo(f"{name:{width}} {'-' if value is None else number}")


def show(rows: list[dict], as_json: bool = False, *, wide: bool = False) -> None:
    """Rows as an aligned table; or JSON.

    In a terminal the table fits its width: long texts are wrapped at words, and the
    last columns are left out where that is not enough, which is told. What is read by
    a program, or `wide`, has every column, a row on one line.
    """
    if as_json:
        answer(rows)
        return
    if not rows:
        return
    text = [[*rows[0]], *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*text, strict=True)]
    if (width := None if wide else terminal_width()) is not None:
        least = [_longest_word(column) for column in zip(*text, strict=True)]
        widths = fitting(widths, least, width)
    for row in text:
        for line in _lines_of(row[: len(widths)], widths):
            click.echo(line)
    if left_out := text[0][len(widths) :]:
        names = ", ".join(left_out)
        say(f"left out, to fit {width} columns: {names}; --wide shows all", err=True)


def terminal_width() -> int | None:
    """The columns of the terminal that reads the answer; None where a program does."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def fitting(widths: Sequence[int], least: Sequence[int], width: int) -> list[int]:
    """The widths of the first columns that fit into `width` with two spaces between.

    The widest are narrowed first, none below its `least`.

    Example:
        >>> fitting([4, 30], [4, 9], 20), fitting([4, 30], [4, 25], 20)
        ([4, 14], [4])
    """
    count = len(widths)
    while count > 1 and sum(least[:count]) + 2 * (count - 1) > width:
        count -= 1
    found = list(widths[:count])
    while sum(found) + 2 * (count - 1) > width:
        can = [i for i in range(count) if found[i] > least[i]]
        if not can:
            break
        found[max(can, key=lambda i: found[i])] -= 1
    return found


def _longest_word(column: Sequence[str]) -> int:
    """What a column cannot be narrower than; texts have 12 letters at least."""
    word = max(len(word) for text in column for word in text.split() or [""])
    return max(word, min(12, max(map(len, column))))


def _lines_of(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """The lines of one row, its long texts wrapped at words."""
    cells = [_wrapped(text, width) for text, width in zip(row, widths, strict=True)]
    for k in range(max(map(len, cells))):
        parts = [cell[k] if k < len(cell) else "" for cell in cells]
        line = "  ".join(p.ljust(w) for p, w in zip(parts, widths, strict=True))
        yield line.rstrip()


def _wrapped(text: str, width: int) -> list[str]:
    """A text in lines of that width; a longer word stays whole."""
    whole = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.wrap(text, max(width, 1), **whole) or [""]


def say(text: str, *, indent: int = 0, err: bool = False) -> None:
    """A text on stdout or stderr; a terminal gets it wrapped at words.

    Args:
        indent: spaces before each line that follows the first.
    """
    stream = sys.stderr if err else sys.stdout
    if stream.isatty():
        width = shutil.get_terminal_size().columns
        lines = [_wrapped(line, width - indent) for line in text.split("\n")]
        text = "\n".join(f"\n{' ' * indent}".join(found) for found in lines)
    click.echo(text, err=err)


def _cell(value: Any) -> str:
    """A value as it stands in a table, a tiny number in powers of ten."""
    if value is None or value != value:
        return "-"
    if isinstance(value, float):
        value += 0.0  # no -0
        tiny = value and abs(value) < 0.0001
        return f"{value:.1e}" if tiny else f"{value:.4f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) and value > 9999 else str(value)


def show_numbers(table: Any, *, index: bool = True, wide: bool = False) -> None:
    """A data frame as `show` has it."""
    show((table.reset_index() if index else table).to_dict("records"), wide=wide)


def pair(text: str) -> tuple[str, str]:
    """NAME=VALUE as a pair."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"expected NAME=VALUE, got {text!r}")
    return name, value


def _place(text: str) -> Source:
    """A URL as it is, anything else as a path."""
    return text if is_url(text) else Path(text)


Source = str | Path  # a URL or a path
SOURCE = click.argument("source", type=_place)
MAYBE_SOURCE = click.argument("source", type=_place, required=False)


def usage(error: click.UsageError) -> str:
    """What is wrong with the arguments, with an example where -p was forgotten."""
    text = error.format_message().rstrip(".")
    options = error.ctx.command.params if error.ctx else []
    astray = "unexpected" in text and ["-p"] in [option.opts for option in options]
    if "'-p'" in text or astray:
        return f"{text}: parameters are given as -p loss dice -p epochs 3"
    return error.format_message()


def told(error: Exception) -> str:
    """An error in one line, with the way out where the system says none."""
    if isinstance(error, OSError):
        try:
            return in_words(error, Path.cwd()) or str(error)
        except FileNotFoundError:
            return GONE
    text = str(error) or type(error).__name__
    ours = isinstance(error, ModuleNotFoundError) and error.name is None  # has its hint
    broken = "torchvision::" in text or (isinstance(error, ImportError) and not ours)
    if broken and "pip install" not in text:
        return (
            f"{text}: something is not installed as it should be; ask lesionkit doctor"
        )
    return text


def fail(error: object, code: int) -> None:
    """One line on stderr, and the end."""
    with unread():
        say(f"lesionkit: {one_line(error)}", err=True)
    raise SystemExit(code)
