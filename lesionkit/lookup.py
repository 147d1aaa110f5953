"""A name to its entry, with one wording for a name that does not exist."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from typing import Any


class UnknownName(ValueError):
    """A name that is not one of those there are, or that cannot be one.

    A command ends with status 2: the name is taken to be one of its arguments.
    """


class Refused(ValueError):
    """The arguments are right, but a file or folder that they name cannot be used.

    A command ends with status 1, not with the 2 of wrong arguments.
    """


@contextmanager
def refused_in(path: object) -> Iterator[None]:
    """Turn a wrong name or value inside the block into one of the file `path`.

    Raises:
        Refused, TypeError: in place of ValueError and of TypeError, the path in front.
    """
    try:
        yield
    except TypeError as error:
        raise TypeError(f"{path}: {error}") from None
    except ValueError as error:
        raise Refused(f"{path}: {error}") from None


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The known name closest to `name`, or None when none is close."""
    known = {known.lower(): known for known in names}
    close = get_close_matches(str(name).lower(), known, n=1, cutoff=0.5)
    return known[close[0]] if close else None


def unknown(kind: str, name: object, names: Iterable[str]) -> UnknownName:
    """The error for a name that is not one of `names`: what came, what is allowed."""
    names = list(names)
    near = nearest(str(name), names)
    hint = f" Did you mean {near!r}?" if near else ""
    return UnknownName(f"unknown {kind} {name!r}.{hint} One of: {', '.join(names)}.")


def find(kind: str, name: object, table: Mapping[str, Any]) -> Any:
    """The entry of `table` under `name`.

    Raises:
        UnknownName: no such name; the text gives the nearest one and all of them.
    """
    if isinstance(name, str) and name in table:
        return table[name]
    raise unknown(kind, name, table)


def resolve(target: str) -> Any:
    """The object a catalogue target such as "lesionkit.losses:IoULoss" names."""
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)


def one_line(said: object, *, longest: int | None = None) -> str:
    """An error or a text on one line, cut at `longest`; its type if it says nothing."""
    return " ".join(str(said).split())[:longest] or type(said).__name__


@contextmanager
def shown_in_a_line(*kinds: type[BaseException]) -> Iterator[None]:
    """Have notebooks, and so papermill, show these errors without a traceback.

    For refusals whose text says what to do; elsewhere they are errors as any other.
    """
    try:
        yield
    except kinds as error:
        line = f"{type(error).__name__}: {error}"
        # IPython asks for this; a partial, as it goes from process to process
        vars(error)["_render_traceback_"] = partial(list, [line])
        raise
