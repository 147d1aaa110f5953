"""Which of several CT series counts: by what the user lists, or by name refused."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from lesionkit.datasets.dicom.series import Series

IN_SERIES_TXT = "list it in series.txt of the raw folder, one a line"


def is_listed(series: Series, line: str, raw: Path) -> bool:
    """Whether a line names a series: its UID, its description, or its folder.

    Args:
        line: with * and ?, in any case; folders are given below `raw`.
    """
    folders = {path.parent for path in series.paths}
    inside = [f.relative_to(raw).as_posix() for f in folders if f.is_relative_to(raw)]
    names = (series.uid, series.description, *inside)
    pattern = line.strip().rstrip("/").lower()
    return any(fnmatchcase(name.lower(), pattern) for name in names if name)


def listed_series(
    found: Sequence[Series], listed: Sequence[str], raw: Path
) -> list[Series]:
    """Those of the series that a line names."""
    return [s for s in found if any(is_listed(s, line, raw) for line in listed)]


def described(found: Sequence[Series], raw: Path) -> str:
    """The series with their UIDs, numbers of slices and folders, for an error."""
    shown = "; ".join(_described(series, raw) for series in found[:4])
    return shown + "; ..." * (len(found) > 4)


def _described(series: Series, raw: Path) -> str:
    folder = series.paths[0].parent
    place = folder.relative_to(raw).as_posix() if folder.is_relative_to(raw) else folder
    what = f" {series.description!r}" if series.description else ""
    return f"{series.uid or 'no UID'}{what} ({len(series)} slices in {place})"


def only_series(
    found: Sequence[Series],
    folder: Path,
    listed: Sequence[str] = (),
    *,
    option: str = IN_SERIES_TXT,
) -> Series:
    """The one series of a folder, or the one of several that is listed.

    Args:
        listed: UIDs, descriptions or folders below `folder`, with * and ?.
        option: how the user lists one, for the text of the error.

    Raises:
        ValueError: several series and none is listed, or several are; their names.
    """
    chosen = listed_series(found, listed, folder) if listed else list(found)
    if len(chosen) == 1:
        return chosen[0]
    what = "none of them is listed" if not chosen else "one is needed"
    raise ValueError(
        f"{folder}: {len(chosen or found)} CT series, {what}: "
        f"{described(chosen or found, folder)}; {option}"
    )
