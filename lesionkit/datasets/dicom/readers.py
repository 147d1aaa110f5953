"""The XML files of LIDC-IDRI: what each of several readers marked on a CT series."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from lesionkit.datasets.dicom.annotations import Annotation, Masks
from lesionkit.datasets.dicom.series import Series, slice_at
from lesionkit.datasets.lidc import CONSENSUS
from lesionkit.extras import package
from lesionkit.lookup import one_line

_ROOT = b"LidcReadMessage"  # the radiographs of the same set have another one
_SERIES = ("SeriesInstanceUid", "SeriesInstanceUID", "CTSeriesInstanceUid")
_FILE_START = 2000  # bytes in which the root has to stand


def is_lidc(path: Path) -> bool:
    """Whether a file is the XML of a CT of LIDC-IDRI."""
    if path.suffix.lower() != ".xml":
        return False
    with path.open("rb") as stream:
        return _ROOT in stream.read(_FILE_START)


def open_readers(path: Path, *, consensus: str = "majority") -> Annotation:
    """What enough readers marked, as masks of the series that the file names.

    A reader's outline runs through the first pixels outside of a nodule, so they are
    not part of it; an outline whose inclusion is FALSE leaves out what is within.
    Nodules below 3 mm are single points and mark nothing.

    Args:
        consensus: "any" reader, the "majority" (half of them or more), or "all".

    Raises:
        ImportError: scikit-image is not there.
        ValueError: the file cannot be read, or has no reader.

    Source: Armato et al., Medical Physics 38 (2011) 915; the outlines as in LIDC-IDRI's
    documentation and in pylidc.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(f"{path}: not XML: {one_line(error)}") from None
    readers = list(_all(root, "readingSession"))
    if not readers:
        raise ValueError(f"{path}: no reader (readingSession)")
    needed = int(np.ceil(max(CONSENSUS[consensus] * len(readers), 1)))
    named = (node for tag in _SERIES for node in _all(root, tag))
    slices = (_text(roi, "imageSOP_UID") for roi in _all(root, "roi"))
    return Annotation(
        path,
        read=lambda series, _: _read(path, readers, needed, series),
        series_uids=frozenset({(node.text or "").strip() for node in named} - {""}),
        instances=frozenset(set(slices) - {""}),
        remark=(
            f"lesion where {needed} of {len(readers)} readers or more marked it "
            f"(consensus.txt: {consensus})"
        ),
    )


def _all(node: ElementTree.Element, tag: str) -> Iterator[ElementTree.Element]:
    """Every element of a name below one, in whatever namespace."""
    return (e for e in node.iter() if e.tag.rpartition("}")[2] == tag)


def _text(node: ElementTree.Element, tag: str) -> str:
    """The text of the first element of a name, "" where there is none."""
    return next(((e.text or "").strip() for e in _all(node, tag)), "")


def _read(
    path: Path, readers: list[ElementTree.Element], needed: int, series: Series
) -> Masks:
    """The masks of the pixels that so many readers marked."""
    votes = np.zeros((len(series), *series.shape), np.uint8)
    for reader in readers:
        mine = np.zeros(votes.shape, bool)
        for nodule in _all(reader, "unblindedReadNodule"):
            marked, left_out = (
                _areas(path, nodule, series, inclusion=which) for which in (True, False)
            )
            for i, area in marked.items():
                mine[i] |= area & ~left_out.get(i, np.zeros_like(area))
        votes += mine
    return dict(enumerate((votes >= needed).astype(np.uint8)))


def _areas(
    path: Path, nodule: ElementTree.Element, series: Series, *, inclusion: bool
) -> dict[int, np.ndarray]:
    """What lies within a nodule's outlines of one kind, on each slice."""
    areas: dict[int, np.ndarray] = {}
    for roi in _all(nodule, "roi"):
        if (_text(roi, "inclusion").upper() != "FALSE") != inclusion:
            continue
        points = np.array(
            [(_text(e, "yCoord"), _text(e, "xCoord")) for e in _all(roi, "edgeMap")],
            float,
        )
        if len(points) > 2:
            i = _slice_of(path, roi, series)
            area = _within(path, points, series.shape)
            areas[i] = areas[i] | area if i in areas else area
    return areas


def _within(path: Path, points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The pixels within an outline of pixels, which is not part of it."""
    draw = package("skimage.draw", path, extra="ct")
    last = np.array(shape) - 1
    if (points < 0).any() or (points > last).any():
        raise ValueError(f"{path}: an outline leaves the slice of {shape} pixels")
    area = draw.polygon2mask(shape, points)
    rows, columns = draw.polygon_perimeter(*points.T, shape=shape, clip=True)
    area[rows, columns] = False
    return area


def _slice_of(path: Path, roi: ElementTree.Element, series: Series) -> int:
    """The slice that an outline names, or the one at its height."""
    uid, height = _text(roi, "imageSOP_UID"), _text(roi, "imageZposition")
    if uid in series.instances:
        return series.instances.index(uid)
    if uid and any(series.instances):
        raise ValueError(f"{path}: at {height} mm it names a slice that is not here")
    return slice_at(path, series, float(height), within=0.1)
