"""DICOM slices become series in their order and 8 bits, or are refused by name."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from made_ct import change, hu_of, stored, write, write_series
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from shared_data import SHARED, needs_shared

from lesionkit.datasets.dicom import read_series, window
from lesionkit.datasets.dicom.files import PADDING_HU

TABLE = {  # HU to LINEAR and LINEAR_EXACT; width 350, centre 50
    -125: (0, 0),
    -124: (1, 1),
    0: (91, 91),
    49.5: (128, 127),
    50: (128, 128),
    223: (254, 254),
    224: (255, 254),
    225: (255, 255),
}


@pytest.mark.parametrize("hu", TABLE)
def test_the_mediastinal_window_has_the_grey_levels_of_the_table(hu):
    shades = [
        int(window(np.array(hu), center=50, width=350, function=name))
        for name in ("LINEAR", "LINEAR_EXACT")
    ]
    assert tuple(shades) == TABLE[hu]


def test_the_two_functions_differ_by_one_level_at_127_integers():
    hu = np.arange(-1024, 3072)
    linear, exact = (
        window(hu, center=50, width=350, function=name).astype(int)
        for name in ("LINEAR", "LINEAR_EXACT")
    )
    assert np.abs(linear - exact).max() == 1
    assert (linear != exact).sum() == 127


def test_a_linear_window_of_width_one_is_a_step():
    hu = np.array([49.4, 49.5, 49.6])
    assert window(hu, center=50, width=1).tolist() == [0, 0, 255]


@pytest.mark.parametrize(
    ("function", "width", "says"),
    [
        ("LINAER", 350, "Did you mean 'LINEAR'"),
        ("LINEAR", 0.5, "width of 1 or more, got center 50 and width 0.5"),
        ("LINEAR_EXACT", 0, "more than 0"),
        ("LINEAR", np.nan, "finite"),
        ("SIGMOID", 350, "One of: LINEAR, LINEAR_EXACT"),
    ],
)
def test_a_window_that_is_none_is_refused(function, width, says):
    with pytest.raises(ValueError, match=says):
        window(np.zeros(1), center=50, width=width, function=function)


def test_slices_are_ordered_by_position_and_not_by_file_name(tmp_path):
    series = read_series(write_series(tmp_path))[0]
    assert [path.name for path in series.paths] == ["4.dcm", "3.dcm", "2.dcm", "1.dcm"]
    assert series.heights.tolist() == [0, 2, 4, 6]
    assert hu_of(series)[:, 0, 0].tolist() == [-1024, -924, -824, -724]
    assert (series.between, series.spacing, series.remarks) == (2.0, (0.5, 0.25), ())


def test_a_tilted_series_is_ordered_along_its_normal(tmp_path):
    sagittal = [0, 1, 0, 0, 0, -1]
    for k in range(3):
        position = [-3.0 * k, 7.0, 9.0]
        write(
            tmp_path,
            f"{k}.dcm",
            k,
            ImagePositionPatient=position,
            ImageOrientationPatient=sagittal,
        )
    series = read_series(tmp_path)[0]
    assert series.normal.tolist() == [-1, 0, 0]
    assert [path.name for path in series.paths] == ["0.dcm", "1.dcm", "2.dcm"]


def test_monochrome1_keeps_its_values_and_is_said(tmp_path):
    write(tmp_path, "a.dcm", 0, PhotometricInterpretation="MONOCHROME1")
    series = read_series(tmp_path)[0]
    assert hu_of(series)[0, 0, :2].tolist() == [-1024, -1023]
    assert "MONOCHROME1" in series.remarks[0]


def test_a_missing_rescale_is_identity_and_is_said(tmp_path):
    write(tmp_path, "a.dcm", 0, stored(7), RescaleSlope=None, RescaleIntercept=None)
    series = read_series(tmp_path)[0]
    assert hu_of(series)[0, 0, 0] == 7
    assert "no rescale" in series.remarks[0]


def enhanced(path, positions, intercepts):
    """One multi-frame file with a position and a rescale of its own for each frame."""
    frames = np.stack([stored(10 * k) for k in range(len(positions))])
    other = {"ImagePositionPatient": None, "RescaleSlope": None}
    write(path.parent, path.name, 0, frames[0], RescaleIntercept=None, **other)
    dataset = pydicom.dcmread(path)
    groups = []
    for height, intercept in zip(positions, intercepts, strict=True):
        group, plane, values = Dataset(), Dataset(), Dataset()
        plane.ImagePositionPatient = [0, 0, height]
        values.RescaleSlope, values.RescaleIntercept = 1, intercept
        group.PlanePositionSequence = Sequence([plane])
        group.PixelValueTransformationSequence = Sequence([values])
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = Sequence(groups)
    dataset.SharedFunctionalGroupsSequence = Sequence([Dataset()])
    dataset.NumberOfFrames = len(positions)
    dataset.PixelData = frames.tobytes()
    dataset.save_as(path)


def test_frames_of_one_file_have_their_own_position_and_rescale(tmp_path):
    enhanced(tmp_path / "a.dcm", [4, 0, 2], [-1000, -2000, -3000])
    series = read_series(tmp_path)[0]
    assert series.frames == (1, 2, 0)
    assert hu_of(series)[:, 0, 0].tolist() == [10 - 2000, 20 - 3000, -1000]


def test_two_series_of_one_folder_stay_apart_longest_first(tmp_path):
    write_series(tmp_path, 2)
    for k in range(3):
        write(tmp_path, f"other{k}.dcm", k, SeriesInstanceUID="1.2.3")
    assert [len(series) for series in read_series(tmp_path)] == [3, 2]


def test_a_scout_image_is_left_out_and_said(tmp_path):
    write_series(tmp_path, 3)
    write(tmp_path, "scout.dcm", 9, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    series = read_series(tmp_path)[0]
    assert len(series) == 3
    assert series.remarks == ("1 scout image(s) left out",)


OTHER = {
    "a PET": ({"Modality": "PT"}, "image(s) of modality PT"),
    "an MR without modality": (
        {"Modality": None, "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"},
        "image(s) of modality MR Image Storage",
    ),
    "a topogram": ({"ImageType": ["ORIGINAL", "PRIMARY", "TOPOGRAM"]}, "scout"),
    "a dose report": ({"SamplesPerPixel": 3}, "colour picture(s)"),
    "a perfusion map": (
        {"PhotometricInterpretation": "PALETTE COLOR"},
        "colour picture(s) (photometric PALETTE COLOR)",
    ),
    "a screenshot": (
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "RescaleIntercept": None},
        "screenshot(s) or report(s)",
    ),
    "an iodine map": ({"RescaleType": "MGML"}, "image(s) in MGML, not HU,"),
}


@pytest.mark.parametrize("what", OTHER)
@pytest.mark.parametrize("series", ["of the CT", "of its own"])
def test_what_is_no_ct_is_left_out_and_said(tmp_path, what, series):
    tags, says = OTHER[what]
    write_series(tmp_path, 3)
    path = write(tmp_path, "other.dcm", 1)
    own = {} if series == "of the CT" else {"SeriesInstanceUID": "1.2.3"}
    change(path, **tags, **own)
    (found,) = read_series(tmp_path)
    assert len(found) == 3
    assert len(found.remarks) == 1
    assert found.remarks[0].startswith(f"1 {says}")
    assert found.remarks[0].endswith("left out")


def test_a_folder_without_any_ct_is_refused_with_what_is_there(tmp_path):
    change(write(tmp_path, "a.dcm", 0), Modality="MR")
    with pytest.raises(FileNotFoundError, match=r"no CT image.*1 image\(s\) of mod"):
        read_series(tmp_path)


def test_a_broken_series_is_left_out_beside_a_whole_one(tmp_path):
    write_series(tmp_path, 3)
    for k, across in enumerate(([1, 0, 0, 0, 0, -1], [0, 1, 0, 0, 0, -1])):
        other = {"ImageOrientationPatient": across, "SeriesInstanceUID": "1.2.3"}
        write(tmp_path / "scouts", f"{k}.dcm", k, **other)
    (series,) = read_series(tmp_path)
    assert len(series) == 3
    assert "series 1.2.3 left out: " in series.remarks[0]
    assert "several orientations" in series.remarks[0]


def test_a_missing_slice_is_said_with_its_place(tmp_path):
    for k in (0, 1, 2, 4, 5):
        write(tmp_path, f"{k}.dcm", k)
    remarks = read_series(tmp_path)[0].remarks
    assert remarks == ("about 1 slice(s) missing between 4 and 8 mm",)


def test_the_same_slice_twice_counts_once(tmp_path):
    write_series(tmp_path, 3)
    write(tmp_path, "again.dcm", 1)
    series = read_series(tmp_path)[0]
    assert len(series) == 3
    assert series.remarks == ("1 repeated slice(s) left out",)


def test_a_file_that_is_no_image_is_passed_over(tmp_path):
    write_series(tmp_path, 3)
    path = write(tmp_path, "report.dcm", 9)
    change(path, Modality="SR", Rows=None)
    (tmp_path / "notes.txt").write_text("not DICOM")
    assert len(read_series(tmp_path)[0]) == 3


def test_stripped_headers_are_read_and_what_is_missing_is_said(tmp_path):
    for k in range(3):
        path = write(
            tmp_path,
            f"{k}.dcm",
            k,
            PatientID=None,
            SeriesInstanceUID=None,
            PixelSpacing=None,
            ImagePositionPatient=None,
            InstanceNumber=3 - k,
        )
        change(path, Modality=None)
    series = read_series(tmp_path)[0]
    assert [path.name for path in series.paths] == ["2.dcm", "1.dcm", "0.dcm"]
    assert np.isnan(series.heights).all()
    assert np.isnan(series.spacing).all()
    said = " ".join(series.remarks)
    for part in ("InstanceNumber", "no Modality", "no PatientID", "no PixelSpacing"):
        assert part in said
    assert "no SeriesInstanceUID" in said


def test_a_file_without_preamble_is_read(tmp_path):
    path = write(tmp_path, "a.dcm", 0)
    path.write_bytes(path.read_bytes()[132:])
    assert hu_of(read_series(tmp_path)[0])[0, 0, 0] == -1024


WRONG = {
    "another size": (
        lambda f: write(f, "b.dcm", 1, np.zeros((4, 8), np.int16)),
        "slices of 4 x 8 and 8 x 8 pixels",
    ),
    "another orientation": (
        lambda f: write(f, "b.dcm", 1, ImageOrientationPatient=[0, 1, 0, 0, 0, -1]),
        "several orientations, a.dcm and b.dcm",
    ),
    "another picture at the same place": (
        lambda f: write(f, "b.dcm", 0, stored(5)),
        "two different slices at 0 mm: a.dcm and b.dcm",
    ),
    "one slice without position": (
        lambda f: write(f, "b.dcm", 1, ImagePositionPatient=None),
        "1 of 2 slices have no ImagePositionPatient, b.dcm",
    ),
    "not DICOM": (
        lambda f: (f / "b.dcm").write_bytes(b"hello" * 40),
        "b.dcm: not a DICOM file",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_series_that_is_none_is_refused_by_name(tmp_path, what):
    make, says = WRONG[what]
    write(tmp_path, "a.dcm", 0)
    make(tmp_path)
    with pytest.raises(ValueError, match=says) as caught:
        read_series(tmp_path)
    assert "\n" not in str(caught.value)


def test_slices_without_any_order_are_refused(tmp_path):
    for k in range(2):
        write(tmp_path, f"{k}.dcm", k, ImagePositionPatient=None, InstanceNumber=None)
    with pytest.raises(ValueError, match="have no order"):
        read_series(tmp_path)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no DICOM image in"):
        read_series(tmp_path)


@needs_shared
def test_real_slices_have_the_values_of_a_chest():
    found = {}
    for folder in sorted((SHARED / "native" / "dicom").iterdir()):
        (found[folder.name],) = read_series(folder)
    assert [len(series) for series in found.values()] == [3, 2, 2]
    liver = found["ct-3slice-liver-seg"]
    assert liver.heights[0] < liver.heights[-1]
    assert [path.name for path in liver.paths] == ["03.dcm", "02.dcm", "01.dcm"]
    assert hu_of(liver).min() == PADDING_HU  # stored -2000 and intercept -1024
    assert found["ct-chest-noid"].remarks == ("no Modality", "no PatientID")
