"""Where data/ is, and which data sets are prepared in it."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from lesionkit.extras import CHECKOUT, in_checkout


def data_folder() -> Path:
    """Where raw/, prepared/, splits/ and runs/ are: LESIONKIT_DATA, or data/."""
    named = os.environ.get("LESIONKIT_DATA")
    if named:
        return _resolved(named, Path.cwd() if named[0] != os.sep else None)
    return (CHECKOUT if in_checkout() else Path.cwd()) / "data"


@cache
def _resolved(named: str, cwd: Path | None) -> Path:
    """A folder from the root on; asked for thousands of times by a grid."""
    try:
        return ((cwd or Path()) / Path(named).expanduser()).resolve()
    except (RuntimeError, OSError) as error:  # no such user, a link to itself
        reason = f"LESIONKIT_DATA={named}: {str(error).rstrip('.')}"
        raise ValueError(f"{reason}: name another folder") from None


def prepared_names() -> list[str]:
    """Names of the data sets that have a prepared form here."""
    root = data_folder() / "prepared"
    return sorted(p.parent.parent.name for p in root.glob("*/*/manifest.json"))
