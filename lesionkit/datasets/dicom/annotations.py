"""Which series an annotation belongs to, and which of its structures are lesion."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from pathlib import Path

import numpy as np

from lesionkit.datasets.dicom.choosing import IN_SERIES_TXT, described
from lesionkit.datasets.dicom.series import Series

LESION_NAMES = r"nodul|tumou?r|lesion|gtv|neoplas|cancer|carcinom|mass"
_SAY = "Name those that count in structures.txt of the raw folder, one a line"

Masks = dict[int, np.ndarray]  # position in the series to (H, W) uint8 of 0 and 1


@dataclass(frozen=True)
class Annotation:
    """A file, or a folder of pictures, that marks slices of one series.

    Attributes:
        path: of the file or folder.
        read: masks of a series, of the structures with the given numbers.
        names: of its structures by number; empty where it has no names.
        series_uids, instances, frames: UIDs that it names: of series, of slices, and of
            frames of reference.
        named_by_file: whether its one structure is called as the file.
        remark: how it is read, where there are several ways.
        prefers: whether a series is nearer than others that fit too, by its size or
            its folder; None where none is.
        check: raises a ValueError where it is no mask, whatever the series.
    """

    path: Path
    read: Callable[[Series, set[int]], Masks] = field(repr=False)
    names: dict[int, str] = field(default_factory=dict)
    series_uids: frozenset[str] = frozenset()
    instances: frozenset[str] = frozenset()
    frames: frozenset[str] = frozenset()
    named_by_file: bool = False
    remark: str = ""
    prefers: Callable[[Series], bool] | None = field(default=None, repr=False)
    check: Callable[[], None] = field(default=lambda: None, repr=False)


def chosen_structures(
    annotations: Sequence[Annotation], structures: Sequence[str], folder: Path
) -> tuple[dict[Path, set[int]], list[str]]:
    """The numbers of the structures that count, by path, and what was left out.

    Those that are listed; without a list those named as a lesion, or the only one.

    Args:
        structures: names, with * and ?, in any case.

    Raises:
        ValueError: none counts; the names that are there.
    """
    named = [a for a in annotations if a.names]
    pattern = "|".join(translate(name.lower()) for name in structures)
    pattern = pattern or f".*({LESION_NAMES})"
    found = {
        a.path: {n for n, name in a.names.items() if re.match(pattern, name.lower())}
        for a in named
    }
    only = sum(len(a.names) for a in named) == 1
    if only and not any(found.values()) and (not structures or named[0].named_by_file):
        found = {a.path: set(a.names) for a in named}
    if named and not any(found.values()):
        for annotation in named:
            annotation.check()
        raise ValueError(_none_chosen(named, folder))
    left = [
        f"{a.path.name} left out: none of its structures counts "
        f"({', '.join(a.names.values())})"
        for a in named
        if not found[a.path]
    ]
    return found, left


def _none_chosen(named: Sequence[Annotation], folder: Path) -> str:
    if len(named) == 1:
        listed = ", ".join(named[0].names.values()) or "none"
        return (
            f"{named[0].path}: no structure is named as a lesion; it has {listed}. "
            f"{_SAY}"
        )
    listed = "; ".join(
        f"{a.path.name} has {', '.join(a.names.values())}" for a in named[:6]
    )
    more = "; ..." * (len(named) > 6)
    return f"{folder}: no structure is named as a lesion; {listed}{more}. {_SAY}"


def owners(
    annotation: Annotation,
    found: Sequence[Series],
    listed: Sequence[Series],
    raw: Path,
) -> list[Series]:
    """The series that an annotation belongs to: one, or several that are listed.

    By the slices and series that it names, its frame of reference, then its grid.

    Args:
        found: every series of the folder.
        listed: those that the user chose, empty where nothing was chosen.
        raw: the folder below which series.txt names folders, for the errors.

    Raises:
        ValueError: it fits none; or several and none is listed.
    """
    named = _named(annotation, found)
    if named is None and not listed:
        there = described(found, raw)
        raise ValueError(
            f"{annotation.path}: drawn on series "
            f"{', '.join(sorted(annotation.series_uids)) or 'of other slices'}, which "
            f"is not here; here: {there}. If one of them is the same, {IN_SERIES_TXT}"
        )
    fitting = list(listed) if named is None else named
    if len(fitting) > 1 and any(s in listed for s in fitting):
        fitting = [s for s in fitting if s in listed]
    if len(fitting) > 1:
        fitting = _fitting(annotation, fitting)
    if len(fitting) > 1 and not listed:
        raise ValueError(
            f"{annotation.path}: fits {len(fitting)} series: "
            f"{described(fitting, raw)}; say which, and {IN_SERIES_TXT}"
        )
    return fitting


def _named(annotation: Annotation, found: Sequence[Series]) -> list[Series] | None:
    """The series that an annotation names, or all; None where it names others alone."""
    by_slice = [s for s in found if annotation.instances & set(s.instances)]
    by_series = [s for s in found if s.uid in annotation.series_uids]
    unknown = [s for s in found if not s.uid]
    names_some = annotation.series_uids or annotation.instances
    if names_some and not (by_slice or by_series or unknown):
        return None
    both = [s for s in by_slice if s.uid in annotation.series_uids]
    named = both or by_slice or by_series or unknown
    fitting = named if names_some else list(found)
    frames = annotation.frames
    same = [s for s in fitting if s.frame_of_reference in frames]
    known = frames and all(s.frame_of_reference for s in fitting)
    if known and not same and not names_some:
        raise ValueError(f"{annotation.path}: drawn in another frame of reference")
    return same or fitting


def _fitting(annotation: Annotation, found: Sequence[Series]) -> list[Series]:
    """Those of several series whose grid an annotation can be read on."""
    fitting, errors = [], []
    for series in found:
        try:
            annotation.read(series, set(annotation.names))
        except ValueError as error:
            errors.append(error)
        else:
            fitting.append(series)
    if not fitting:
        raise errors[0]
    nearer = [s for s in fitting if annotation.prefers and annotation.prefers(s)]
    return nearer or fitting
