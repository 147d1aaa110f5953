"""Masks of CT go back to where they are from: a series' slices, or a NIfTI grid."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
from made_ct import SIDE, change, from_seg, stored, write, write_series
from PIL import Image

from lesionkit.datasets.dicom import read_series, read_volume, writing
from lesionkit.datasets.dicom.files import made_uid
from lesionkit.export import inputs, outputs, prediction


def masks_of(items: list[inputs.Item]) -> list[np.ndarray]:
    """A mask a slice that no other slice has: a block that grows and moves."""
    masks = [np.zeros((SIDE, SIDE), np.uint8) for _ in items]
    for i, mask in enumerate(masks):
        mask[1 : 3 + i, 2 : 4 + 2 * i] = 1
    return masks


def written(items: list[inputs.Item], folder: Path, masks=None, **how) -> list:
    """What is left of these masks."""
    found = [
        prediction.Prediction(item.name, mask, 0.8 * mask, 0.0 * mask, *item.read())
        for item, mask in zip(items, masks or masks_of(items), strict=True)
    ]
    return list(outputs.write_all(items, found, folder, network="net", **how))


def test_the_seg_of_a_series_has_each_mask_on_its_slice(tmp_path):
    pytest.importorskip("highdicom")
    ct = tmp_path / "p01"
    write_series(ct)
    items = inputs.items_of(ct)
    made = written(items, tmp_path / "out")
    assert [each.volume for each in made[:-1]] == [None] * 3
    assert made[-1].volume == tmp_path / "out/p01.seg.dcm"
    back = from_seg(made[-1].volume, read_series(ct)[0])
    assert np.array_equal(np.stack([back[i] for i in range(4)]), masks_of(items))
    for item, mask in zip(items, masks_of(items), strict=True):
        picture = np.array(Image.open(tmp_path / f"out/{item.name}.png"))
        assert np.array_equal(picture, 255 * mask)
    assert [item.name for item in items] == [p.stem for p in read_series(ct)[0].paths]


def test_a_mask_beside_the_series_is_its_ground_truth(tmp_path):
    ct = tmp_path / "p01"
    write_series(ct)
    items = inputs.items_of(ct)
    assert all(item.read()[1] is None for item in items)
    (ct / "masks").mkdir()
    truth = masks_of(items)[2]
    Image.fromarray(255 * truth).save(ct / f"masks/{items[2].name}.png")
    again = [item.read()[1] for item in inputs.items_of(ct)]
    assert [each is None for each in again] == [True, True, False, True]
    assert np.array_equal(again[2], truth)
    made = written(items, tmp_path / "out")
    assert made[2].found.scores() == {}


def test_a_folder_a_patient_is_a_volume_a_folder(tmp_path):
    for name in ("p01", "p02"):
        write_series(tmp_path / "raw" / name, SeriesInstanceUID=f"1.2.{name[2]}")
    items = inputs.items_of(tmp_path / "raw")
    assert {Path(item.name).parent.as_posix() for item in items} == {"p01", "p02"}
    made = written(items, tmp_path / "out")
    found = [each.volume or each.remark for each in made if each.volume or each.remark]
    assert found == [tmp_path / f"out/{name}.seg.dcm" for name in ("p01", "p02")]
    one = written(inputs.items_of(tmp_path / "raw/p01"), tmp_path / "one")
    assert one[-1].volume == tmp_path / "one/p01.seg.dcm"


def test_two_series_in_one_folder_are_refused_by_name(tmp_path):
    write_series(tmp_path / "p01")
    (tmp_path / "p01/again").mkdir()
    for k in range(4):
        write(tmp_path / "p01/again", f"{k}.dcm", k, SeriesInstanceUID="1.2.3")
    with pytest.raises(ValueError, match=r"2 CT series.*1\.2\.3.*series\.txt"):
        inputs.items_of(tmp_path / "p01")
    (tmp_path / "p01/series.txt").write_text("1.2.3\n")
    assert len(inputs.items_of(tmp_path / "p01")) == 4


def test_of_two_series_the_one_that_a_seg_names_is_taken(tmp_path):
    pytest.importorskip("highdicom")
    write_series(tmp_path / "p01/thin", 6)
    for k in range(3):
        place = [-10.0, -20.0, 2.0 * k]
        own = {"SOPInstanceUID": made_uid("other", k), "ImagePositionPatient": place}
        write(tmp_path / "p01/thick", f"t{k}.dcm", k, SeriesInstanceUID="1.2.3", **own)
    thick = read_volume(tmp_path / "p01", ["1.2.3"])
    masks = np.zeros(thick.shape, np.uint8)
    masks[1, 2:5, 3:7] = 1
    facts = {"algorithm": "a", "algorithm_version": "1", "software": "1"}
    (tmp_path / "p01/seg.dcm").write_bytes(writing.as_seg(thick, masks, facts))
    items = inputs.items_of(tmp_path / "p01")
    assert [item.name for item in items] == ["t0", "t1", "t2"]
    assert np.array_equal(np.stack([item.read()[1] for item in items]), masks)


@pytest.mark.parametrize("order", ["plain", "flipped"])
def test_the_masks_of_a_nifti_volume_lie_on_its_own_grid(tmp_path, order):
    nibabel = pytest.importorskip("nibabel")
    values = np.random.default_rng(0).integers(-1000, 300, (SIDE, SIDE, 5))
    affine = np.diag([0.5, 0.25, 2.0, 1.0])
    if order == "flipped":
        affine[2, 2] = -2.0
    path = tmp_path / "sub" / "case.nii.gz"
    path.parent.mkdir()
    nibabel.save(nibabel.Nifti1Image(values.astype(np.int16), affine), path)
    items = inputs.items_of(path)
    assert [item.name for item in items] == [f"case/{i:04d}" for i in range(5)]
    # what is bright in the picture of a slice is marked
    masks = [(item.read()[0][..., 0] > 128).astype(np.uint8) for item in items]
    made = written(items, tmp_path / "out", masks, probability=True)
    assert made[-1].volume == tmp_path / "out/case.nii.gz"
    back = nibabel.load(made[-1].volume)
    assert np.array_equal(back.affine, affine)
    assert back.get_data_dtype() == np.uint8
    assert np.array_equal(np.asarray(back.dataobj), values > 50)
    sure = nibabel.load(tmp_path / "out/case_probability.nii.gz")
    assert np.asarray(sure.dataobj) == pytest.approx(0.8 * (values > 50), abs=1e-6)
    before = made[-1].volume.read_bytes()
    written(items, tmp_path / "out", masks)
    assert made[-1].volume.read_bytes() == before
    (path.parent / "case_mask.nii.gz").write_bytes(before)
    several = inputs.items_of(tmp_path / "sub")
    assert [item.name for item in several] == [item.name for item in items]


@pytest.mark.parametrize(
    ("lacking", "says"),
    [("FrameOfReferenceUID", "no FrameOfReferenceUID"), ("", "p01: nothing is marked")],
)
def test_without_a_seg_the_pictures_are_there_and_a_remark_says_why(
    tmp_path, lacking, says
):
    ct = tmp_path / "p01"
    write_series(ct)
    for path in ct.iterdir() if lacking else ():
        change(path, **{lacking: None})
    items = inputs.items_of(ct)
    masks = None if lacking else [np.zeros((SIDE, SIDE), np.uint8) for _ in items]
    made = written(items, tmp_path / "out", masks)
    assert says in made[-1].remark and "\n" not in made[-1].remark
    assert "its masks are there as PNG" in made[-1].remark
    assert made[-1].volume is None
    assert len(list((tmp_path / "out").rglob("*.png"))) == 4
    assert not list((tmp_path / "out").rglob("*.dcm"))


@pytest.mark.parametrize(
    ("of", "taken"),
    [("kvasir", False), ("lidc_slices_all", False), ("lungct", True), ("mine", True)],
)
def test_ct_is_for_runs_that_were_trained_on_ct(tmp_path, of, taken):
    write_series(tmp_path / "p01")
    items = inputs.items_of(tmp_path / "p01")
    network = prediction.Ensemble((SimpleNamespace(dataset=of),))
    if taken:
        assert network._check(items[0]) is None
        return
    with pytest.raises(ValueError, match=f"p01 is CT, .* on {of}: CT needs a run of"):
        next(network.run(items))


def test_one_file_of_a_series_is_refused_with_its_folder(tmp_path):
    write_series(tmp_path / "p01")
    with pytest.raises(ValueError, match="one file of a series: name its folder"):
        inputs.items_of(read_volume(tmp_path / "p01").paths[0])


def write_enhanced(path: Path, count: int) -> None:
    """One file of frames whose positions run downwards."""
    planes = np.stack([stored(100 * k) for k in range(count)])
    write(path.parent, path.name, 0, planes[0], ImagePositionPatient=None)
    dataset = pydicom.dcmread(path)
    for name in ("PixelSpacing", "ImageOrientationPatient"):
        delattr(dataset, name)
    uid = pydicom.uid.EnhancedCTImageStorage
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = uid
    dataset.NumberOfFrames, dataset.PixelData = count, planes.tobytes()

    def item(**values) -> pydicom.Dataset:
        made = pydicom.Dataset()
        for name, value in values.items():
            setattr(made, name, value)
        return made

    measures = item(PixelSpacing=[0.5, 0.25], SliceThickness=2.0)
    turned = item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    shared = item(PixelMeasuresSequence=[measures], PlaneOrientationSequence=[turned])
    dataset.SharedFunctionalGroupsSequence = [shared]
    places = [item(ImagePositionPatient=[-10, -20, -2.0 * k]) for k in range(count)]
    dataset.PerFrameFunctionalGroupsSequence = [
        item(PlanePositionSequence=[place]) for place in places
    ]
    dataset.save_as(path)


def test_the_seg_of_one_file_of_frames_has_each_mask_on_its_frame(tmp_path):
    pytest.importorskip("highdicom")
    write_enhanced(tmp_path / "p01/ct.dcm", 4)
    items = inputs.items_of(tmp_path / "p01")
    assert [item.name for item in items] == [f"{i:04d}" for i in range(4)]
    assert items[0].volume.frames == (3, 2, 1, 0)
    made = written(items, tmp_path / "out")
    assert made[-1].remark == ""
    back = from_seg(made[-1].volume, read_series(tmp_path / "p01")[0])
    assert np.array_equal(np.stack([back[i] for i in range(4)]), masks_of(items))


def test_a_seg_states_how_far_its_slices_are_apart(tmp_path):
    pytest.importorskip("highdicom")
    write_series(tmp_path / "p01")
    made = written(inputs.items_of(tmp_path / "p01"), tmp_path / "out")
    seg = pydicom.dcmread(made[-1].volume)
    measures = seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert float(measures.SliceThickness) == 2.0
    assert [float(side) for side in measures.PixelSpacing] == [0.5, 0.25]
    (segment,) = seg.SegmentSequence
    assert segment.SegmentLabel == "lesion"
    assert segment.SegmentAlgorithmName == "net"


def test_a_nifti_of_masks_holds_no_time(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    path = tmp_path / "case.nii"
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 2), np.int16), np.eye(4)), path)
    volume = read_volume(path)
    packed = writing.as_nifti(volume, np.zeros(volume.shape, np.uint8))
    assert packed[4:8] == bytes(4)  # where gzip has it
