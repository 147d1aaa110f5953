"""The series is the one that its annotation names; what is unclear is refused."""

from __future__ import annotations

import numpy as np
import pytest
from made_ct import SIDE, write_series
from made_marks import box, truth, write_rtstruct, write_seg

from lesionkit.datasets import lungct
from lesionkit.datasets.dicom import read_series
from lesionkit.datasets.dicom.files import made_uid
from lesionkit.prepared.preparing import find_samples, prepare


@pytest.fixture
def patient(tmp_path):
    """Thick slices, and thin ones of which every second lies on a thick one."""
    home = tmp_path / "p1"
    write_series(home / "thick", 4)
    for k in range(7):
        place = [-10.0, -20.0, 1.0 * k]
        own = {"SeriesInstanceUID": made_uid("thin"), "ImagePositionPatient": place}
        own |= {"SOPInstanceUID": made_uid("thin", k), "InstanceNumber": k + 1}
        write_one(home / "thin", k, **own)
    return home


def write_one(folder, k, **own):
    from made_ct import write

    write(folder, f"n{k}.dcm", k, **own)


def of(home, name):
    """The series of one folder of a patient."""
    return read_series(home / name)[0]


def found(home):
    """The folders of the labelled slices, and how many pixels are lesion on each."""
    samples = lungct.samples(home.parent)
    folders = {sample.name.split("/")[1] for sample in samples}
    return folders, [int(sample.mask.sum()) for sample in samples]


def save_nifti(path, values, affine=None):
    import nibabel

    own = np.diag([-0.25, -0.5, 2.0, 1.0])
    own[:3, 3] = (10, 20, 0)
    array = np.asarray(values).transpose(2, 1, 0)
    nibabel.save(nibabel.Nifti1Image(array, own if affine is None else affine), path)


SUMS = [0, 6, 12, 0]


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_a_seg_marks_the_series_that_it_names(patient, kind, capsys):
    thick = of(patient, "thick")
    write_seg(patient / "seg.dcm", thick, {"Nodule": truth(thick)}, kind)
    assert found(patient) == ({"thick"}, SUMS)
    assert "1 other CT series left out" in capsys.readouterr().err


def test_contours_mark_the_series_whose_slices_they_name(patient):
    thick = of(patient, "thick")
    write_rtstruct(
        patient / "rt.dcm", [box(2, 3, 1, 2, 2.0)], named=[thick.instances[1]]
    )
    assert found(patient) == ({"thick"}, [0, 6, 0, 0])


def test_contours_mark_the_series_of_their_frame_of_reference(patient, tmp_path):
    own = {"FrameOfReferenceUID": "1.2.5", "SeriesInstanceUID": "1.2.6"}
    write_series(patient / "later", 4, **own)
    write_rtstruct(patient / "rt.dcm", [box(2, 3, 1, 2, 2.0)], frame="1.2.5")
    assert found(patient) == ({"later"}, [0, 6, 0, 0])


def test_contours_without_a_name_fit_both_series_and_are_refused(patient):
    write_rtstruct(patient / "rt.dcm", [box(2, 3, 1, 2, 2.0)])
    says = r"rt\.dcm: fits 2 series: .*p1/thin.*p1/thick.*series\.txt of the raw folder"
    with pytest.raises(ValueError, match=says):
        found(patient)
    (patient.parent / "series.txt").write_text("p1/thick\n")
    assert found(patient) == ({"thick"}, [0, 6, 0, 0])


def test_a_nifti_mask_marks_the_series_of_its_grid(patient):
    save_nifti(patient / "label.nii.gz", truth(of(patient, "thick")))
    assert found(patient) == ({"thick"}, SUMS)
    write_series(patient / "sharp", 4, SeriesInstanceUID="1.2.7")
    with pytest.raises(ValueError, match=r"label\.nii\.gz: fits 2 series: .*sharp"):
        found(patient)
    (patient.parent / "series.txt").write_text("1.2.7\n")
    assert found(patient) == ({"sharp"}, SUMS)


def test_masks_of_two_series_are_refused_unless_the_ones_that_count_are_listed(
    patient, capsys
):
    for name in ("thick", "thin"):
        series = of(patient, name)
        write_seg(patient / f"{name}.seg.dcm", series, {"Nodule": truth(series)})
    with pytest.raises(ValueError, match="thin.seg.dcm mark 2 series: .*series.txt"):
        found(patient)
    listed = patient.parent / "series.txt"
    listed.write_text("p1/thick\n")
    assert found(patient) == ({"thick"}, SUMS)
    assert "thin.seg.dcm left out: drawn on" in capsys.readouterr().err
    listed.write_text("p1/*\n")
    assert found(patient) == ({"thick", "thin"}, [*truth_sums(7), *SUMS])


def truth_sums(count):
    return [0, 6, 12] + [0] * (count - 3)


def test_a_line_of_series_txt_that_names_nothing_is_refused(patient):
    save_nifti(patient / "label.nii.gz", truth(of(patient, "thick")))
    (patient.parent / "series.txt").write_text("p1/thikc\n")
    with pytest.raises(ValueError, match="no CT series .*did you mean 'p1/thick"):
        found(patient)


def test_a_seg_of_a_series_that_is_not_here_is_refused_unless_one_is_listed(patient):
    thick = of(patient, "thick")
    write_seg(patient / "seg.dcm", thick, {"Nodule": truth(thick)})
    for path in (patient / "thick").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match="is not here; here: .*7 slices in p1/thin"):
        found(patient)
    (patient.parent / "series.txt").write_text("p1/thin\n")
    assert found(patient) == ({"thin"}, [0, 0, 6, 0, 12, 0, 0])


def test_pictures_mark_the_series_beside_them(patient):
    write_series(patient / "sharp", 5, SeriesInstanceUID="1.2.7")
    masks = patient / "masks"
    masks.mkdir()
    np.save(masks / "2.npy", np.eye(SIDE, dtype=np.uint8))
    with pytest.raises(ValueError, match="masks: fits 2 series"):
        found(patient)
    masks.rename(patient / "thick" / "masks")
    assert found(patient) == ({"thick"}, [SIDE])


def test_of_several_files_the_one_named_as_a_lesion_counts(patient, capsys):
    thick = of(patient, "thick")
    lung = np.ones_like(truth(thick))
    write_seg(patient / "a.dcm", thick, {"Lung": lung})
    write_seg(patient / "b.dcm", thick, {"Nodule": truth(thick)})
    save_nifti(patient / "heart.nii.gz", lung)
    assert found(patient) == ({"thick"}, SUMS)
    said = capsys.readouterr().err
    assert "a.dcm left out: none of its structures counts (Lung)" in said
    assert "heart.nii.gz left out" in said


def test_of_several_nifti_files_structures_txt_names_those_that_count(patient):
    thick = of(patient, "thick")
    save_nifti(patient / "heart.nii.gz", np.ones_like(truth(thick)))
    save_nifti(patient / "segmentation.nii.gz", truth(thick))
    says = "no structure is named as a lesion; heart.nii.gz has heart; segmentation"
    with pytest.raises(ValueError, match=says):
        found(patient)
    (patient.parent / "structures.txt").write_text("segmentation\n")
    assert found(patient) == ({"thick"}, SUMS)


def test_an_image_is_not_a_mask(patient):
    thick = of(patient, "thick")
    hu = np.stack([thick.slice_hu(i) for i in range(4)]).astype(np.int16)
    save_nifti(patient / "imaging.nii.gz", hu)
    says = r"imaging\.nii\.gz: an image, not a mask: it has \d+ values from -1024"
    with pytest.raises(ValueError, match=says):
        found(patient)
    save_nifti(patient / "segmentation.nii.gz", truth(thick))
    with pytest.raises(ValueError, match=says):
        found(patient)
    (patient.parent / "structures.txt").write_text("segmentation\n")
    assert found(patient) == ({"thick"}, SUMS)


def test_labels_of_a_labelmap_are_chosen_by_their_whole_name(patient):
    thick = of(patient, "thick")
    labels = {"nodule margin": 1 - truth(thick), "nodule": truth(thick)}
    write_seg(patient / "seg.dcm", thick, labels, "LABELMAP")
    (patient.parent / "structures.txt").write_text("nodule\n")
    assert found(patient) == ({"thick"}, SUMS)


def test_the_index_has_the_size_of_pixels_that_are_not_square(
    patient, tmp_path_factory, monkeypatch
):
    monkeypatch.setenv("LESIONKIT_DATA", str(tmp_path_factory.mktemp("data")))
    save_nifti(patient / "seg.nii.gz", truth(of(patient, "thick")))
    index = prepare("lungct", patient.parent, size=16).index
    sizes = index[["row_mm", "column_mm", "slice_mm"]]
    assert sizes.drop_duplicates().to_numpy().tolist() == [[0.5, 0.25, 2.0]]
    assert index["height_mm"].tolist() == [0.0, 2.0, 4.0, 6.0]
    assert set(index["height"]) == set(index["width"]) == {SIDE}


def test_values_that_count_are_listed_in_lesion_values_txt(patient):
    thick = of(patient, "thick")
    save_nifti(patient / "seg.nii.gz", 1 + truth(thick))
    with pytest.raises(ValueError, match="values 1, 2; say .*lesion_values.txt"):
        found(patient)
    (patient.parent / "lesion_values.txt").write_text("2\n")
    assert found(patient) == ({"thick"}, SUMS)


def test_what_counts_neither_way_is_listed_there_too(patient):
    thick = of(patient, "thick")
    values = (1 + truth(thick)).astype(np.uint8)
    kept = values[:, 0] == 1
    values[:, 0] = np.where(kept, 255, values[:, 0])
    save_nifti(patient / "seg.nii.gz", values)
    (patient.parent / "lesion_values.txt").write_text("2\nignore 255\n")
    samples = lungct.samples(patient.parent)
    assert all(sample.ignores for sample in samples)
    masks = np.stack([sample.read()[1] for sample in samples])
    assert (masks == 255).sum() == kept.sum() > 0
    assert (masks == 1).sum() == (values == 2).sum() > 0
    assert set(np.unique(masks)) == {0, 1, 255}


def test_the_line_is_taken_up_where_no_mask_changes(
    patient, tmp_path_factory, monkeypatch
):
    monkeypatch.setenv("LESIONKIT_DATA", str(tmp_path_factory.mktemp("data")))
    save_nifti(patient / "seg.nii.gz", 1 + truth(of(patient, "thick")))
    said = {"2\n": False, "2\nignore 255\n": True}
    for lines, ignore in said.items():
        (patient.parent / "lesion_values.txt").write_text(lines)
        assert prepare("lungct", patient.parent, size=8).ignore is ignore


def test_a_report_of_one_patient_is_made(patient):
    from lesionkit.inspection import inspect

    save_nifti(patient / "label.nii.gz", truth(of(patient, "thick")))
    for count in (4, 7):
        report = inspect("lungct", patient.parent)
        assert report.facts["images"] == count
        (patient.parent / "series.txt").write_text("p1/thin\n")
        grid = np.diag([-0.25, -0.5, 1.0, 1.0])
        grid[:3, 3] = (10, 20, 0)
        save_nifti(patient / "label.nii.gz", truth(of(patient, "thin")), grid)
    by_group = report.leakage.set_index("split").loc["group"]
    assert np.isnan(by_group["copy_nearest_dice"])
    assert report.leakage["copy_nearest_dice"][0] >= 0


def test_find_samples_reads_such_a_set_by_its_name(patient):
    save_nifti(patient / "label.nii.gz", truth(of(patient, "thick")))
    assert len(find_samples("lungct", patient.parent)[0]) == 4
