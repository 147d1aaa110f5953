"""Values of masks, contours, names and padding: each by its rule, or refused."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
import tifffile
from made_ct import SIDE, from_rtstruct, masks_of, stored, write
from made_ct import series as series
from made_marks import box, truth, write_rtstruct
from PIL import Image

from lesionkit.datasets.dicom import files, read_series
from lesionkit.datasets.dicom.files import PADDING_HU, frame_hu
from lesionkit.datasets.pictures.array_masks import lesion_of_values

PLANE = np.zeros((SIDE, SIDE))
PLANE[2:5, 1:4] = 1
SOFT = PLANE.copy()
SOFT[2:5, 4] = (0.7, 0.5, 0.2)

READ = {  # an array, and how many of its pixels are lesion
    "truth values": (PLANE > 0, 9),
    "0 and 1": (PLANE.astype(np.int64), 9),
    "0 and 255 of 16 bits": (255 * PLANE.astype(np.int16), 9),
    "whole floats": (PLANE, 9),
    "soft": (SOFT, 10),
    "noise of a resampling": (np.where(PLANE > 0, 1.0, 1e-5), 9),
    "fractions on the background": (np.where(PLANE > 0, 0.97, 0.004), 9),
    "nothing": (0 * PLANE, 0),
}


@pytest.mark.parametrize("what", READ)
def test_an_array_that_says_what_is_lesion_is_read(tmp_path, what):
    values, count = READ[what]
    mask = lesion_of_values(tmp_path / "a.npy", values)
    assert (mask.sum(), mask.dtype, mask.max() <= 1) == (count, np.uint8, True)


REFUSED = {  # an array, and what the refusal says
    "classes": (PLANE + (SOFT > 0), "values 0, 1, 2; say"),
    "signed": (PLANE - 1, "no mask of 0 and 1: it has -1, 0"),
    "logits": (np.where(PLANE > 0, 3.5, -4.25), "it has -4.25, 3.5"),
    "an image": (np.arange(64.0).reshape(8, 8) * 40 - 1000, "an image, not a mask"),
    "an image of 16 bits": (np.arange(64).reshape(8, 8) * 40, "an image, not a mask"),
    "shares of readers": (PLANE * 0.5 + np.eye(8), "no mask .* 0, 0.5, 1, 1.5"),
    "areas of one half": (
        np.where(PLANE > 0, 0.5, np.eye(8)),
        "areas of one fraction",
    ),
    "no lesion above half": (PLANE * 0.4, "none above 0.5"),
    "not finite": (np.where(PLANE > 0, np.nan, 0), "not finite"),
    "percent": (100 * PLANE.astype(np.uint8), "values 0, 100"),
    "text": (PLANE.astype(str), "values of type <U"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_an_array_that_does_not_say_what_is_lesion_is_refused(tmp_path, what):
    values, says = REFUSED[what]
    with pytest.raises(ValueError, match=says) as caught:
        lesion_of_values(tmp_path / "a.npy", values)
    assert str(caught.value).startswith(str(tmp_path / "a.npy"))
    assert "\n" not in str(caught.value)


def test_listed_values_count_signed_ones_beside_them_do_not(tmp_path):
    signed = PLANE - 1  # -1 around, 0 within
    assert lesion_of_values(tmp_path, signed, [0]).sum() == 9
    assert lesion_of_values(tmp_path, PLANE + (SOFT > 0), [2]).sum() == 9
    with pytest.raises(ValueError, match="lists whole numbers"):
        lesion_of_values(tmp_path, SOFT, [1])


def test_arrays_of_one_set_may_have_slices_without_lesion(tmp_path, series):
    folder = tmp_path / "ct" / "masks"
    folder.mkdir()
    np.save(folder / "3.npy", SOFT)
    np.save(folder / "2.npy", SOFT * 0.4)
    assert [mask.sum() for mask in masks_of(tmp_path / "ct").values()] == [10, 0]


@pytest.mark.parametrize("name", ["3.TIF", "3.tiff", "3.PNG", "3.bmp", "3.dcm.png"])
def test_pictures_of_every_kind_and_in_capitals_are_read(tmp_path, series, name):
    folder = tmp_path / "ct" / "Masks"
    folder.mkdir()
    mask = (255 * PLANE).astype(np.uint8)
    if "tif" in name.lower():
        tifffile.imwrite(folder / name, mask)
    else:
        Image.fromarray(mask).save(folder / name)
    found = masks_of(tmp_path / "ct")
    assert (list(found), found[1].sum()) == ([1], 9)


def test_pictures_of_classes_are_refused_or_listed(tmp_path, series):
    folder = tmp_path / "ct" / "masks"
    folder.mkdir()
    mask = np.pad(np.full((4, 4), 128, np.uint8), 2)
    mask[2, 2:4] = 255
    Image.fromarray(mask).save(folder / "3.png")
    with pytest.raises(ValueError, match="values 0, 128, 255; say .*lesion_values"):
        masks_of(tmp_path / "ct")
    assert masks_of(tmp_path / "ct", values=(255,))[1].sum() == 2


def test_a_slice_saved_as_a_picture_is_no_mask(tmp_path, series):
    folder = tmp_path / "ct" / "masks"
    folder.mkdir()
    shades = np.arange(64, dtype=np.uint8).reshape(8, 8) * 3 + 40
    Image.fromarray(shades).save(folder / "3.png")
    with pytest.raises(ValueError, match=r"3\.png: an image, not a mask: it has 64"):
        masks_of(tmp_path / "ct")
    np.save(folder / "3.npy", shades)
    (folder / "3.png").unlink()
    with pytest.raises(ValueError, match=r"3\.npy: an image, not a mask: it has 64"):
        masks_of(tmp_path / "ct")


def test_a_mask_of_a_kind_that_is_not_read_is_refused(tmp_path, series):
    folder = tmp_path / "ct" / "masks"
    folder.mkdir()
    np.savez(folder / "3.npz", PLANE)
    with pytest.raises(ValueError, match=r"3\.npz: none of \.png"):
        masks_of(tmp_path / "ct")


def test_slices_named_by_uid_keep_their_whole_name(tmp_path):
    folder = tmp_path / "ct"
    for k in range(3):
        write(folder, f"1.2.840.{k}", k)
    (folder / "masks").mkdir()
    np.save(folder / "masks" / "1.2.840.1.npy", PLANE)
    assert list(masks_of(folder)) == [1]
    np.save(folder / "masks" / "1.2.840.npy", PLANE)
    with pytest.raises(ValueError, match=r"belong to no slice: 1\.2\.840\.npy"):
        masks_of(folder)


KINDS = {  # contours from the outside in, and how many pixels they mark
    "CLOSED_PLANAR": (["CLOSED_PLANAR"] * 3, 36 - 16 + 4),
    "CLOSEDPLANAR_XOR": (["CLOSEDPLANAR_XOR"] * 3, 36 - 16 + 4),
    "INTERPOLATED_PLANAR": (["INTERPOLATED_PLANAR", "POINT", "OPEN_PLANAR"], 36),
}
NESTED = [box(1, 6, 1, 6, 2.0), box(2, 4, 2, 4, 2.0), box(3, 2, 3, 2, 2.0)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", [1, -1])
def test_contours_are_combined_by_their_kind(tmp_path, series, kind, order):
    kinds, count = KINDS[kind]
    path = write_rtstruct(tmp_path / "a.dcm", NESTED[::order], kinds=kinds[::order])
    if order == -1 and kind == "INTERPOLATED_PLANAR":
        count = 36
    assert from_rtstruct(path, series)[1].sum() == count


def test_contours_that_overlap_are_united_and_repeated_ones_count_once(
    tmp_path, series
):
    one, other = box(1, 4, 1, 4, 2.0), box(3, 4, 3, 4, 2.0)
    path = write_rtstruct(tmp_path / "a.dcm", [one, other, one[::-1]])
    assert from_rtstruct(path, series)[1].sum() == 16 + 16 - 4
    kinds = ["CLOSEDPLANAR_XOR"] * 2
    path = write_rtstruct(tmp_path / "b.dcm", [one, other], kinds=kinds)
    assert from_rtstruct(path, series)[1].sum() == 16 + 16 - 8


def test_a_hole_by_a_narrow_channel_is_a_hole(tmp_path, series):
    outer, inner = box(1, 6, 1, 6, 2.0), box(3, 2, 3, 2, 2.0)
    keyhole = [outer[0], inner[0], *inner[:0:-1], inner[0], *outer]
    path = write_rtstruct(tmp_path / "a.dcm", [keyhole])
    assert from_rtstruct(path, series)[1].sum() == 36 - 4


@pytest.mark.parametrize(
    ("kinds", "says"),
    [
        (["CLOSED_PLANER"], "type 'CLOSED_PLANER'; allowed are CLOSED_PLANAR"),
        (["POINT"], "types POINT alone"),
        (["CLOSED_PLANAR", "CLOSEDPLANAR_XOR"], "all of one kind are allowed"),
    ],
)
def test_contours_that_mark_nothing_for_sure_are_refused(tmp_path, series, kinds, says):
    path = write_rtstruct(tmp_path / "a.dcm", NESTED[: len(kinds)], kinds=kinds)
    with pytest.raises(ValueError, match=says):
        from_rtstruct(path, series)


def test_a_contour_across_the_slices_is_refused(tmp_path, series):
    across = [(-9, -19, 0.0), (-9, -18, 0.0), (-9, -18, 6.0), (-9, -19, 6.0)]
    with pytest.raises(ValueError, match="from 0 to 6 mm does not lie in a slice"):
        from_rtstruct(write_rtstruct(tmp_path / "a.dcm", [across]), series)


PADDED = {  # type, bits, stored, VR, PixelPaddingValue and PixelPaddingRangeLimit
    "as it is": ("int16", 16, -2000, "SS", (-2000,)),
    "signed for unsigned": ("uint16", 16, 63536, "SS", (-2000,)),
    "unsigned for signed": ("int16", 16, -2000, "US", (63536,)),
    "of more bits": ("uint16", 12, 2096, "US", (63536,)),
    "a range above": ("int16", 16, 3071, "SS", (2500, 3071)),
    "a range in reverse": ("int16", 16, 2600, "SS", (3071, 2500)),
    "a signed range": ("uint16", 16, 64000, "SS", (-2000, -1)),
    "a signed range around 0": ("uint16", 16, 64000, "SS", (-2000, 10)),
    "a range down to the least": ("int16", 12, -2001, "SS", (-32768, -2000)),
}


@pytest.mark.parametrize("what", PADDED)
def test_padding_is_air_however_it_is_written(tmp_path, what):
    dtype, bits, value, vr, ends = PADDED[what]
    pixels = stored(1000, dtype)
    pixels[0] = value
    path = write(tmp_path, "a.dcm", 0, pixels, BitsStored=bits, HighBit=bits - 1)
    dataset = pydicom.dcmread(path)
    for tag, end in zip((0x00280120, 0x00280121), ends, strict=False):
        dataset.add_new(tag, vr, end)
    dataset.save_as(path)
    hu = frame_hu(path)
    assert (hu[0] == PADDING_HU).all()
    assert hu[1:].min() == 1000 + SIDE - 1024


def frames(path, count):
    """One file of some frames, each 10 more than the one before."""
    planes = np.stack([stored(10 * k) for k in range(count)])
    write(path.parent, path.name, 0, planes[0], ImagePositionPatient=None)
    dataset = pydicom.dcmread(path)
    dataset.NumberOfFrames, dataset.PixelData = count, planes.tobytes()
    dataset.save_as(path)


def test_a_file_of_frames_is_decoded_once_and_again_when_it_changes(
    tmp_path, monkeypatch
):
    decoded = []
    read = files._decoded

    def counted(dataset, path):
        decoded.append(path)
        return read(dataset, path)

    monkeypatch.setattr(files, "_decoded", counted)
    frames(tmp_path / "a.dcm", 5)
    (series,) = read_series(tmp_path)
    assert [series.slice_hu(i)[0, 0] for i in range(5)] == [
        10 * k - 1024 for k in range(5)
    ]
    assert len(decoded) == 1
    frames(tmp_path / "a.dcm", 4)
    assert series.slice_hu(3)[0, 0] == 30 - 1024
    assert len(decoded) == 2


def test_masks_of_frames_are_named_by_file_and_frame(tmp_path):
    frames(tmp_path / "a.dcm", 3)
    (tmp_path / "masks").mkdir()
    np.save(tmp_path / "masks" / "a.npy", PLANE)
    with pytest.raises(ValueError, match=r"no slice: a\.npy; .*called a#0\.png"):
        masks_of(tmp_path)
    (tmp_path / "masks" / "a.npy").rename(tmp_path / "masks" / "a#1.npy")
    assert list(masks_of(tmp_path)) == [1]


@pytest.mark.parametrize("shape", [(1,), (1, 1), (2,)])
def test_a_nifti_of_one_frame_is_read_of_several_refused(tmp_path, series, shape):
    import nibabel

    values = truth(series).transpose(2, 1, 0)[..., None]
    values = np.broadcast_to(
        values.reshape(*values.shape[:3], *[1] * len(shape)),
        (*values.shape[:3], *shape),
    )
    affine = np.diag([-0.25, -0.5, 2.0, 1.0])
    affine[:3, 3] = (10, 20, 0)
    path = tmp_path / "ct" / "MASK.NII.GZ"
    nibabel.save(nibabel.Nifti1Image(values, affine), tmp_path / "mask.nii.gz")
    (tmp_path / "mask.nii.gz").rename(path)
    if shape == (2,):
        with pytest.raises(ValueError, match=r"MASK\.NII\.GZ: of 8 x 8 x 4 x 2"):
            masks_of(tmp_path / "ct")
    else:
        sums = [int(mask.sum()) for mask in masks_of(tmp_path / "ct").values()]
        assert sums == [0, 6, 12, 0]
