"""Masks of every kind land on the slices and the pixels that they were drawn on."""

from __future__ import annotations

import numpy as np
import pytest
from made_ct import SIDE, from_rtstruct, from_seg, hu_of, masks_of, write, write_series
from made_ct import series as series
from made_marks import box, truth, write_rtstruct, write_seg
from PIL import Image
from shared_data import SHARED, needs_shared

from lesionkit import extras
from lesionkit.datasets.dicom import read_series


def stacked(found, series):
    """The found masks as a volume; every slice has to be labelled."""
    assert list(found) == list(range(len(series)))
    return np.stack(list(found.values()))


def test_a_seg_marks_the_slices_it_was_drawn_on(tmp_path, series):
    path = write_seg(tmp_path / "seg.dcm", series, {"Nodule": truth(series)})
    assert np.array_equal(stacked(from_seg(path, series), series), truth(series))


def test_a_fractional_seg_is_cut_at_half(tmp_path, series):
    shares = truth(series) * 0.4
    shares[1, 3, 1:3] = 0.6
    path = write_seg(
        tmp_path / "seg.dcm", series, {"Nodule": shares}, kind="FRACTIONAL"
    )
    found = stacked(from_seg(path, series), series)
    assert np.array_equal(found, shares > 0.5)


def test_of_several_segments_the_lesion_counts_or_the_one_that_is_named(
    tmp_path, series
):
    lung = 1 - truth(series)
    path = write_seg(
        tmp_path / "seg.dcm", series, {"Lung": lung, "Tumor 1": truth(series)}
    )
    assert np.array_equal(stacked(from_seg(path, series), series), truth(series))
    named = from_seg(path, series, ["lung*"])
    assert np.array_equal(stacked(named, series), lung)
    with pytest.raises(ValueError, match="it has Lung, Tumor 1.*structures.txt"):
        from_seg(path, series, ["kidney"])


def test_a_seg_of_another_grid_is_refused(tmp_path, series):
    path = write_seg(tmp_path / "seg.dcm", series, {"Nodule": truth(series)})
    moved = read_series(
        write_series(tmp_path / "other", ImageOrientationPatient=[0, 1, 0, 1, 0, 0])
    )[0]
    with pytest.raises(ValueError, match=r"seg\.dcm: .*(another grid|no slice is)"):
        from_seg(path, moved)


def test_a_seg_between_the_slices_is_refused(tmp_path, series):
    path = write_seg(tmp_path / "seg.dcm", series, {"Nodule": truth(series)})
    for k in range(4):
        place = [-10.0, -20.0, 2.0 * k + 0.5]
        write(tmp_path / "moved", f"{k}.dcm", k, ImagePositionPatient=place)
    (moved,) = read_series(tmp_path / "moved")
    with pytest.raises(ValueError, match=r"seg\.dcm: marks . mm, where no slice is"):
        from_seg(path, moved)


def test_a_seg_of_other_pixels_is_refused(tmp_path, series):
    path = write_seg(tmp_path / "seg.dcm", series, {"Nodule": truth(series)})
    (wider,) = read_series(write_series(tmp_path / "wide", PixelSpacing=[0.5, 0.5]))
    with pytest.raises(ValueError, match=r"seg\.dcm: .*another grid"):
        from_seg(path, wider)


def test_a_contour_marks_the_pixels_whose_centres_it_holds(tmp_path, series):
    contours = [box(2, 3, 1, 2, 2.0), box(2, 2, 1, 6, 4.0)]
    found = from_rtstruct(write_rtstruct(tmp_path / "rt.dcm", contours), series)
    assert np.array_equal(stacked(found, series), truth(series))


def test_a_contour_within_another_is_a_hole(tmp_path, series):
    contours = [box(1, 5, 1, 5, 2.0), box(3, 1, 3, 1, 2.0)]
    found = from_rtstruct(write_rtstruct(tmp_path / "rt.dcm", contours), series)
    assert (found[1].sum(), found[1][3, 3]) == (24, 0)


def test_contours_that_lie_elsewhere_are_refused(tmp_path, series):
    high = write_rtstruct(tmp_path / "high.dcm", [box(2, 2, 2, 2, 12.0)])
    with pytest.raises(ValueError, match=r"high\.dcm: marks 12 mm, where no slice is"):
        from_rtstruct(high, series)
    other = write_rtstruct(tmp_path / "o.dcm", [box(2, 2, 2, 2, 2.0)], named=["1.2.9"])
    with pytest.raises(ValueError, match="names a slice that is not here"):
        from_rtstruct(other, series)
    frame = write_rtstruct(tmp_path / "f.dcm", [box(2, 2, 2, 2, 2.0)], frame="1.2.8")
    with pytest.raises(ValueError, match="another frame of reference"):
        from_rtstruct(frame, series)


@pytest.mark.parametrize("order", ["plain", "flipped", "turned"])
def test_a_nifti_mask_lands_on_its_slices_in_whatever_order_it_is(
    tmp_path, series, order
):
    import nibabel

    volume = truth(series).transpose(2, 1, 0)  # column, row, slice
    affine = np.diag([-0.25, -0.5, 2.0, 1.0])
    affine[:3, 3] = (10, 20, 0)
    if order == "flipped":
        affine[:3, 3] += affine[:3, :3] @ (SIDE - 1, 0, 3)
        affine[:3, 0] *= -1
        affine[:3, 2] *= -1
        volume = volume[::-1, :, ::-1]
    if order == "turned":
        volume, affine = volume.transpose(1, 2, 0), affine[:, [1, 2, 0, 3]]
    path = tmp_path / "ct" / "mask.nii.gz"
    nibabel.save(nibabel.Nifti1Image(volume, affine), path)
    found = masks_of(tmp_path / "ct")
    assert np.array_equal(stacked(found, series), truth(series))


def test_a_nifti_mask_of_another_grid_is_refused(tmp_path, series):
    import nibabel

    path = tmp_path / "ct" / "mask.nii"
    nibabel.save(nibabel.Nifti1Image(np.ones((8, 8, 4), np.uint8), np.eye(4)), path)
    with pytest.raises(ValueError, match=r"mask\.nii: its grid of \(8, 8, 4\)"):
        masks_of(tmp_path / "ct")


def test_pictures_and_arrays_label_the_slices_that_they_name(tmp_path, series):
    folder = tmp_path / "ct" / "masks"
    folder.mkdir()
    Image.fromarray(truth(series)[1] * 255).save(folder / "3.png")
    np.save(folder / "2.npy", truth(series)[2])
    found = masks_of(tmp_path / "ct")
    assert list(found) == [1, 2]
    assert all(np.array_equal(found[i], truth(series)[i]) for i in found)


def test_a_picture_of_no_slice_or_another_size_is_refused(tmp_path, series):
    folder = tmp_path / "ct" / "masks"
    folder.mkdir()
    np.save(folder / "9.npy", truth(series)[1])
    with pytest.raises(ValueError, match=r"belong to no slice: 9\.npy"):
        masks_of(tmp_path / "ct")
    (folder / "9.npy").rename(folder / "2.npy")
    np.save(folder / "2.npy", np.zeros((4, 4), np.uint8))
    with pytest.raises(ValueError, match=r"2\.npy: a mask of \(4, 4\)"):
        masks_of(tmp_path / "ct")
    (folder / "2.npy").write_bytes(b"no array")
    with pytest.raises(ValueError, match=r"2\.npy: not an array"):
        masks_of(tmp_path / "ct")


def test_what_macos_puts_beside_a_mask_is_no_mask(tmp_path, series):
    folder = tmp_path / "ct" / "masks"
    folder.mkdir()
    np.save(folder / "2.npy", truth(series)[2])
    for name in ("._2.npy", "._9.png", "../._mask.nii.gz"):
        (folder / name).write_bytes(b"Mac OS X")
    assert list(masks_of(tmp_path / "ct")) == [2]


def test_no_mask_at_all_is_refused_with_what_is_looked_for(tmp_path, series):
    with pytest.raises(FileNotFoundError, match="a DICOM SEG or RTSTRUCT"):
        masks_of(tmp_path / "ct")


def test_a_missing_package_is_named_with_its_extra(tmp_path, series, monkeypatch):
    path = write_seg(tmp_path / "seg.dcm", series, {"Nodule": truth(series)})

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(extras, "import_module", missing)
    with pytest.raises(ImportError, match="highdicom: uv sync --extra ct, or pip"):
        from_seg(path, series)


@needs_shared
def test_the_real_seg_holds_soft_tissue_on_its_ct():
    folder = SHARED / "native" / "dicom" / "ct-3slice-liver-seg"
    (series,) = read_series(folder)
    masks = stacked(masks_of(folder), series)
    hu = hu_of(series)
    inside = [float(np.median(hu[i][masks[i] > 0])) for i in range(3)]
    assert all(20 < value < 70 for value in inside)  # liver without contrast agent
    reversed_spread = hu[2][masks[0] > 0].std()
    assert hu[2][masks[2] > 0].std() < 0.8 * reversed_spread


@needs_shared
def test_the_real_contours_are_read_or_refused_with_the_reason():
    folder = SHARED / "native" / "dicom" / "ct-rtstruct-phantom"
    (series,) = read_series(folder)
    ring = from_rtstruct(folder / "rt.dcm", series)
    # a square of 24 mm less a square of 15 mm with its corners cut
    area = ring[0].sum() * 0.488281**2
    assert abs(area - (24**2 - (15**2 - 2))) < 12
    for name in ("invalid_reference_rt", "non_existent_reference_rt"):
        with pytest.raises(ValueError, match="marks 70 mm, where no slice is"):
            from_rtstruct(folder / f"{name}.dcm", series, ["*"])
