"""The pixels of a DICOM file become Hounsfield units, or are refused by name."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from made_ct import SIDE, change, stored, write
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless

from lesionkit.datasets.dicom.files import PADDING_HU, frame_hu


@pytest.mark.parametrize(
    ("dtype", "value", "slope", "intercept", "hu"),
    [
        ("int16", -1000, 1, 0, -1000),
        ("uint16", 24, 1, -1024, -1000),
        ("int16", -512, 2, -100, -1124),
        ("uint16", 65000, 0.5, -1024, 31476),
        ("int16", 100, 1.5, -0.5, 149.5),
    ],
)
def test_rescale_keeps_the_sign_of_the_stored_value(
    tmp_path, dtype, value, slope, intercept, hu
):
    path = write(
        tmp_path,
        "a.dcm",
        0,
        stored(value, dtype),
        RescaleSlope=slope,
        RescaleIntercept=intercept,
    )
    assert frame_hu(path)[0, 0] == hu


def test_bits_that_are_not_stored_are_dropped_and_the_sign_is_carried(tmp_path):
    pixels = np.full((SIDE, SIDE), 0x0FFF, np.int16)  # -1 in 12 bits
    pixels[0, 0] = 0x5005  # 5, and something of another's in the high bits
    path = write(tmp_path, "a.dcm", 0, pixels, BitsStored=12, HighBit=11)
    hu = frame_hu(path)
    assert (hu[0, 0], hu[1, 1]) == (5 - 1024, -1 - 1024)


@pytest.mark.parametrize("padding", [-2000, 63536])
def test_padding_becomes_air_however_its_sign_is_written(tmp_path, padding):
    pixels = stored(0)
    pixels[0, :2] = -2000
    path = write(tmp_path, "a.dcm", 0, pixels)
    dataset = pydicom.dcmread(path)
    dataset.add_new(0x00280120, "US" if padding > 0 else "SS", padding)
    dataset.save_as(path)
    hu = frame_hu(path)
    assert hu[0, :3].tolist() == [PADDING_HU, PADDING_HU, 2 - 1024]


def test_a_range_of_padding_becomes_air(tmp_path):
    path = write(tmp_path, "a.dcm", 0, PixelPaddingValue=3, PixelPaddingRangeLimit=1)
    assert frame_hu(path)[0, :5].tolist() == [-1024, -1024, -1024, -1024, -1020]


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_compressed_slices_have_the_same_values(tmp_path, syntax):
    pixels = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    path = write(tmp_path, "a.dcm", 0, pixels)
    plain = frame_hu(path)
    dataset = pydicom.dcmread(path)
    try:
        dataset.compress(syntax)
    except (RuntimeError, NotImplementedError) as error:
        pytest.skip(f"no encoder here: {error}")
    dataset.save_as(path)
    assert np.array_equal(frame_hu(path), plain)


def test_a_missing_decoder_is_named_with_its_package(tmp_path):
    path = write(tmp_path, "a.dcm", 0)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff\xd9"])
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path)
    with pytest.raises(ValueError, match=r"a\.dcm.*install pylibjpeg-libjpeg \(GPL"):
        frame_hu(path)


def test_a_slope_of_zero_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"a\.dcm: rescale with slope 0"):
        frame_hu(write(tmp_path, "a.dcm", 0, RescaleSlope=0))


def test_pixels_that_are_cut_off_are_refused(tmp_path):
    path = write(tmp_path, "a.dcm", 0)
    change(path, PixelData=b"\0" * 20)
    with pytest.raises(ValueError, match=r"a\.dcm: pixels cannot be read"):
        frame_hu(path)
