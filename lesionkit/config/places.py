"""Where data/ is, which data sets are prepared in it, and from which folders."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lesionkit.extras import CHECKOUT, in_checkout
from lesionkit.lookup import Refused


def data_folder() -> Path:
    """Where raw/, prepared/, splits/ and runs/ are: LESIONKIT_DATA, or data/."""
    if named := named_folder():
        return _resolved(named, Path.cwd() if named[0] != os.sep else None)
    return (CHECKOUT if in_checkout() else Path.cwd()) / "data"


def named_folder() -> str:
    """What LESIONKIT_DATA names, without blanks or quotes around it; "" if nothing.

    Files of settings and programs that read them leave such blanks, quotes and ends of
    lines in place.

    Raises:
        Refused: it is of blanks and quotes alone.
    """
    given = os.environ.get("LESIONKIT_DATA", "")
    named = given.strip()
    if len(named) > 1 and named[0] == named[-1] and named[0] in "\"'":
        named = named[1:-1].strip()
    if given and not named:
        raise Refused(f"LESIONKIT_DATA={given!r} is blank: name a folder, or unset it")
    return named


@cache
def _resolved(named: str, cwd: Path | None) -> Path:
    """A folder from the root on; asked for thousands of times by a grid."""
    try:
        return ((cwd or Path()) / Path(named).expanduser()).resolve()
    except (RuntimeError, OSError) as error:  # no such user, a link to itself
        reason = f"LESIONKIT_DATA={named}: {str(error).rstrip('.')}"
        raise Refused(f"{reason}: name another folder") from None


def prepared_names() -> list[str]:
    """Names of the data sets that have a prepared form here."""
    root = data_folder() / "prepared"
    return sorted({p.parent.parent.name for p in root.glob("*/*/manifest.json")})


def prepared_from(name: str) -> Path | None:
    """The raw folder that a set was prepared from last; None where nobody wrote it."""
    made = (data_folder() / "prepared" / name).glob("*/manifest.json")
    for path in sorted(made, key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            raw = json.loads(path.read_text()).get("raw")
        except (OSError, ValueError, AttributeError):
            continue
        if raw:
            return Path(raw)
    return None


def set_name(value: Any) -> Any:
    """The name of a prepared set that YAML or papermill read as a number.

    `2018` comes as an integer, `1e3` as a fraction, `007` as 7, `no` as False. Any
    other value, and one that several names or none may have been, stays as it is.
    """
    if not isinstance(value, int | float):
        return value
    meant = [name for name in prepared_names() if value in _read_as(name)]
    return meant[0] if len(meant) == 1 else value


def _read_as(name: str) -> list[Any]:
    """What YAML and papermill make of a name that is no text to them."""
    found = []
    for kind in (int, float, yaml.safe_load):
        try:
            found.append(kind(name))
        except (ValueError, yaml.YAMLError):
            continue
    return [each for each in found if isinstance(each, int | float)]
