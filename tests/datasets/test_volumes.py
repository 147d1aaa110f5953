"""A CT without masks is read as windowed slices that a mask can be written back to."""

from __future__ import annotations

import numpy as np
import pytest
from made_ct import SIDE, hu_of, write_series

from lesionkit.datasets.dicom import MEDIASTINAL, read_series, read_volume, window


def test_a_series_is_its_windowed_slices_with_their_files(tmp_path):
    series = read_series(write_series(tmp_path))[0]
    volume = read_volume(tmp_path)
    assert volume.shape == (4, SIDE, SIDE)
    assert volume.paths == series.paths
    assert volume.affine is None
    expected = window(series.slice_hu(2), **MEDIASTINAL)[..., None]
    assert np.array_equal(volume.slice(2), expected)
    masks = np.ones(volume.shape, np.uint8)
    assert volume.in_file_axes(masks) is not None
    with pytest.raises(ValueError, match="masks of"):
        volume.in_file_axes(masks[:2])


def test_of_several_series_the_listed_one_is_read(tmp_path):
    write_series(tmp_path / "thick", 4)
    write_series(tmp_path / "thin", 6, SeriesInstanceUID="1.2.3")
    with pytest.raises(ValueError, match="2 CT series, one is needed: .*1.2.3.*thin"):
        read_volume(tmp_path)
    for line in ("1.2.3", "thin", "*IN"):
        assert len(read_volume(tmp_path, [line])) == 6
    with pytest.raises(ValueError, match="none of them is listed.*--series"):
        read_volume(tmp_path, ["thinn"], option="name it by --series")


@pytest.mark.parametrize("order", ["plain", "flipped", "turned", "upper case"])
def test_a_nifti_volume_is_its_series_whatever_the_order_of_its_axes(tmp_path, order):
    import nibabel

    hu = hu_of(read_series(write_series(tmp_path))[0])
    values, affine = hu.transpose(2, 1, 0), np.diag([-0.25, -0.5, 2.0, 1.0])
    affine[:3, 3] = (10, 20, 0)
    if order == "flipped":
        affine[:3, 3] += affine[:3, :3] @ (SIDE - 1, 0, 3)
        affine[:3, 0] *= -1
        affine[:3, 2] *= -1
        values = values[::-1, :, ::-1]
    if order == "turned":
        values, affine = values.transpose(1, 2, 0), affine[:, [1, 2, 0, 3]]
    path = tmp_path / "a.nii.gz"
    nibabel.save(nibabel.Nifti1Image(values.astype(np.int16), affine), path)
    if order == "upper case":
        path = path.rename(tmp_path / "A.NII.GZ")
    volume = read_volume(path)
    assert np.array_equal(np.stack([volume.hu(i) for i in range(4)]), hu)
    assert (volume.spacing, volume.between) == ((0.5, 0.25), 2.0)
    assert np.array_equal(volume.in_file_axes(hu), values)
    assert np.array_equal(volume.affine, affine)


def test_nifti_of_frames_or_without_air_is_refused_or_said(tmp_path):
    import nibabel

    path = tmp_path / "a.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 3, 2), np.int16), np.eye(4)), path)
    with pytest.raises(ValueError, match=r"a\.nii\.gz: of 4 x 4 x 3 x 2; one frame"):
        read_volume(path)
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 3), np.int16), np.eye(4)), path)
    assert "is it in Hounsfield units?" in read_volume(path).remarks[0]
