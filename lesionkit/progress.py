"""How far long work is: a bar in a terminal, a line in a notebook, lines in a log."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

COUNT = "{desc} {n_fmt}/{total_fmt}{postfix}"  # first, so that no width cuts it off
BAR = COUNT + " |{bar}| {elapsed}<{remaining}"
LINE = COUNT + ", {elapsed} so far, {remaining} to go"
A_MINUTE = 60.0


def bar(items: Iterable[Any] | None = None, *, show: bool = True, **given: Any) -> tqdm:
    """A progress bar over items, or one that is updated by hand.

    In a terminal it is a bar on stderr that fits the width. In a notebook it is one
    line of output that is replaced, so that a saved copy holds its end alone. In a log
    it is a line a minute, each on a line of its own.

    Args:
        items: what is gone through; None with `total`.
        show: False for a bar that shows nothing.
        given: desc (else the unit), total, initial, ... as tqdm has them.
    """
    look: dict[str, Any] = {"bar_format": BAR, "dynamic_ncols": True}
    if in_notebook():
        look = {"bar_format": BAR, "ncols": 80, "file": _Cell(), "mininterval": 1.0}
    elif not sys.stderr.isatty():
        look = {"bar_format": LINE, "file": _Log(), "mininterval": A_MINUTE}
        look |= {"maxinterval": A_MINUTE, "delay": 1e-9}  # nothing to say at 0
    given.setdefault("desc", given.get("unit", ""))
    return tqdm(items, disable=not show, **look | given)


def say(text: str) -> None:
    """A line beside a bar, on stderr; in a notebook in the output of its cell."""
    tqdm.write(text, file=sys.stdout if in_notebook() else sys.stderr)


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    return "ipykernel" in sys.modules


class _Log:
    """Takes what a bar writes over one line, and writes it as lines."""

    encoding = "utf-8"

    def write(self, text: str) -> None:
        if text := text.strip():
            sys.stderr.write(f"{text}\n")

    def flush(self) -> None:
        sys.stderr.flush()


class _Cell:
    """Takes what a bar writes over one line, and shows it as one output of a cell."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.shown: Any = None

    def write(self, text: str) -> None:
        from IPython.display import display

        if not (text := text.strip()):
            return
        data = {"text/plain": text}
        if self.shown is None:
            self.shown = display(data, raw=True, display_id=True)
        else:
            self.shown.update(data, raw=True)

    def flush(self) -> None:
        """Nothing waits here."""
