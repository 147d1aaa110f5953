"""The XML of LIDC-IDRI marks what enough readers outlined on the series it names."""

from __future__ import annotations

import numpy as np
import pytest
from made_ct import SIDE, write_series

from lesionkit.datasets import lungct
from lesionkit.datasets.dicom import read_series
from lesionkit.datasets.dicom.files import made_uid


def outline(top, left, bottom, right):
    """The pixels around rows top..bottom and columns left..right, in their order."""
    up, down, west, east = top - 1, bottom + 1, left - 1, right + 1
    around = [(up, c) for c in range(west, east + 1)]
    around += [(r, east) for r in range(up + 1, down + 1)]
    around += [(down, c) for c in range(east - 1, west - 1, -1)]
    return around + [(r, west) for r in range(down - 1, up, -1)]


def roi(series, i, points, inclusion="TRUE", uid=None):
    edges = "".join(
        f"<edgeMap><xCoord>{c}</xCoord><yCoord>{r}</yCoord></edgeMap>"
        for r, c in points
    )
    return (
        f"<roi><imageZposition>{series.heights[i]}</imageZposition><imageSOP_UID>"
        f"{series.instances[i] if uid is None else uid}</imageSOP_UID>"
        f"<inclusion>{inclusion}</inclusion>{edges}</roi>"
    )


def write_xml(path, series, readers, uid=None):
    """A file of readers, each a list of its outlines in one nodule."""
    sessions = "".join(
        f"<readingSession><unblindedReadNodule><noduleID>1</noduleID>{''.join(rois)}"
        "</unblindedReadNodule></readingSession>"
        for rois in readers
    )
    path.write_text(
        '<?xml version="1.0"?><LidcReadMessage xmlns="http://www.nih.gov"><Response'
        f"Header><SeriesInstanceUid>{uid or series.uid}</SeriesInstanceUid></Response"
        f"Header>{sessions}</LidcReadMessage>"
    )


@pytest.fixture
def series(tmp_path):
    return read_series(write_series(tmp_path / "LIDC-IDRI-0001" / "ct"))[0]


@pytest.fixture
def home(tmp_path):
    return tmp_path / "LIDC-IDRI-0001"


def sums(home):
    return [int(sample.mask.sum()) for sample in lungct.samples(home.parent)]


WIDE, NARROW = outline(2, 2, 5, 5), outline(3, 3, 4, 4)


@pytest.mark.parametrize(
    ("rule", "count"), [(None, 4), ("any", 16), ("majority", 4), ("all", 0)]
)
def test_enough_readers_have_to_agree(home, series, rule, count, capsys):
    readers = [[roi(series, 1, WIDE)], [roi(series, 1, NARROW)], [], []]
    write_xml(home / "069.xml", series, readers)
    if rule:
        (home.parent / "consensus.txt").write_text(f"{rule}\n")
    assert sums(home) == [0, count, 0, 0]
    said = capsys.readouterr().err
    assert (
        f"of 4 readers or more marked it (consensus.txt: {rule or 'majority'})" in said
    )


def test_an_outline_is_not_part_of_its_nodule_and_may_leave_out_what_is_within(
    home, series
):
    hole = roi(series, 2, outline(4, 4, 4, 4), "FALSE")
    small = roi(series, 1, [(3, 3)])  # below 3 mm: a point
    write_xml(home / "069.xml", series, [[roi(series, 2, WIDE), hole, small]])
    samples = lungct.samples(home.parent)
    mask = samples[2].mask
    expected = np.zeros((SIDE, SIDE), np.uint8)
    expected[2:6, 2:6] = 1
    expected[4, 4] = 0
    assert np.array_equal(mask, expected)
    assert samples[1].mask.sum() == 0


def test_the_series_is_the_one_that_the_file_names(home, series):
    own = {"SeriesInstanceUID": "1.2.3", "FrameOfReferenceUID": "1.2.4"}
    write_series(home / "other", 6, **own)
    write_xml(home / "069.xml", series, [[roi(series, 1, WIDE)]])
    assert sums(home) == [0, 16, 0, 0]


REFUSED = {
    "another series": ({"uid": "1.2.9"}, {"uid": "1.2.10"}, "which is not here"),
    "another slice": ({}, {"uid": "1.2.10"}, "names a slice that is not here"),
    "out of the slice": ({}, {"points": outline(2, 2, 9, 5)}, "leaves the slice"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_belongs_elsewhere_is_refused(home, series, what):
    of_file, of_roi, says = REFUSED[what]
    marked = roi(series, 1, **{"points": WIDE, **of_roi})
    write_xml(home / "069.xml", series, [[marked]], **of_file)
    with pytest.raises(ValueError, match=rf"069\.xml: .*{says}"):
        sums(home)


def test_broken_files_and_rules_are_refused_and_other_xml_is_none(home, series):
    (home / "069.xml").write_text("<LidcReadMessage><a></LidcReadMessage>")
    with pytest.raises(ValueError, match=r"069\.xml: not XML"):
        sums(home)
    (home / "069.xml").write_text("<LidcReadMessage></LidcReadMessage>")
    with pytest.raises(ValueError, match=r"069\.xml: no reader"):
        sums(home)
    (home / "069.xml").write_text("<IdriReadMessage></IdriReadMessage>")
    with pytest.raises(FileNotFoundError, match="the XML of LIDC-IDRI"):
        sums(home)
    (home.parent / "consensus.txt").write_text("most\n")
    with pytest.raises(ValueError, match="One of: any, majority, all"):
        sums(home)


def test_slices_without_uid_are_found_by_their_height(home):
    own = {"SeriesInstanceUID": None, "SOPInstanceUID": None}
    for path in (home / "ct").glob("*"):
        path.unlink()
    write_series(home / "ct", 4, **own)
    assert made_uid("series")
    series = read_series(home / "ct")[0]
    write_xml(home / "069.xml", series, [[roi(series, 3, WIDE, uid="")]], uid="1.2.3")
    assert sums(home) == [0, 0, 0, 16]
