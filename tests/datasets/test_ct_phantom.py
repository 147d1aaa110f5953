"""The phantom is real DICOM, stored in four ways, with spheres of known size."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pydicom
import pytest

from lesionkit.datasets import ct_phantom, lungct
from lesionkit.datasets.dicom import read_series
from lesionkit.papers.paper_b import lesion_sizes
from lesionkit.prepared import open_prepared
from lesionkit.prepared.preparing import prepare
from lesionkit.splits import split


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Four patients, one for each way of storing."""
    folder = tmp_path_factory.mktemp("phantom") / "raw"
    ct_phantom.draw(folder, patients=4)
    return folder


@pytest.fixture(scope="module")
def samples(drawn):
    return ct_phantom.samples(drawn)


def test_each_patient_is_stored_in_a_way_of_its_own(drawn):
    ways = set()
    for home in sorted(drawn.iterdir()):
        header = pydicom.dcmread(next(home.glob("*.dcm")))
        ways.add(
            (header.PixelRepresentation, header.RescaleSlope, header.RescaleIntercept)
        )
    assert ways == {(1, 1, 0), (0, 1, -1024), (1, 1, -1024), (0, 2, -2048)}


def test_hounsfield_units_are_the_same_however_they_are_stored(samples):
    for patient in sorted({sample.group for sample in samples}):
        slices = [s for s in samples if s.group == patient]
        hu = np.stack([s.hu() for s in slices])
        mask = np.stack([s.mask for s in slices]) > 0
        assert abs(np.median(hu[mask]) - ct_phantom.NODULE) < 3
        assert hu.min() == -1024  # padding and air, nothing below
        assert 350 < np.percentile(hu, 99.9) < 500


def test_drawing_twice_gives_the_same_files(drawn, tmp_path):
    ct_phantom.draw(tmp_path / "again", patients=2)
    for path in sorted((tmp_path / "again").rglob("*.dcm")):
        first = drawn / path.relative_to(tmp_path / "again")
        assert path.read_bytes() == first.read_bytes()


def test_file_names_do_not_give_the_order_away(drawn):
    for home in sorted(drawn.iterdir()):
        (series,) = read_series(home)
        names = [path.name for path in series.paths]
        assert names != sorted(names)
        assert np.allclose(np.diff(series.heights), ct_phantom.SLICE_MM)


def test_a_slice_is_attached_where_its_lesion_touches_the_wall(samples):
    touching = {"attached": [], "inside": []}
    for sample in samples:
        assert (sample.stratum == "") == (not sample.mask.any())
        if sample.stratum:
            around = np.zeros(sample.mask.shape, bool)
            rows, columns = np.nonzero(sample.mask)
            for row, column in zip(rows, columns, strict=True):
                around[row - 1 : row + 2, column - 1 : column + 2] = True
            ring = sample.hu()[around & (sample.mask == 0)]
            touching[sample.stratum].append((ring > -300).mean())
    assert np.mean(touching["attached"]) > 0.25
    assert np.mean(touching["inside"]) < 0.1


def test_spheres_inside_have_their_diameter_and_volume_within_a_voxel(drawn, data_home):
    data = prepare("lungct", drawn, size=ct_phantom.SIDE)
    table = lesion_sizes(data)
    checked = 0
    for home in sorted(drawn.iterdir()):
        spheres = pd.read_csv(home / "truth.csv").set_index("kind")
        radius = spheres["radius_mm"]["inside"]
        volume = 4 / 3 * np.pi * radius**3
        mine = table[table["patient"] == home.name]
        near = mine.iloc[(mine["volume_mm3"] - volume).abs().argmin()]
        offside = ct_phantom.SLICE_MM / 2
        low = 2 * np.sqrt(radius**2 - offside**2) - ct_phantom.PIXEL_MM
        assert low <= near["longest_mm"] <= 2 * radius + ct_phantom.PIXEL_MM
        shell = 4 * np.pi * radius**2 * ct_phantom.PIXEL_MM / 2
        assert abs(near["volume_mm3"] - volume) < shell
        checked += 1
    assert checked == 4


def test_sizes_do_not_change_with_the_size_of_the_images(drawn, data_home):
    table = {
        size: lesion_sizes(prepare("lungct", drawn, size=size)) for size in (64, 128)
    }
    total = {size: t["volume_mm3"].sum() for size, t in table.items()}
    assert total[64] == pytest.approx(total[128], rel=0.15)


def test_a_split_never_parts_a_patient(drawn, data_home):
    data = prepare("lungct", drawn, size=32)
    parts = split(data, kind="group", seed=42)
    groups = [set(data.index["group"][parts.part(n)]) for n in ("train", "test")]
    assert not groups[0] & groups[1]
    assert data.images.shape[-1] == 1


def test_the_kit_writes_the_phantom_when_it_is_asked_for(data_home, monkeypatch):
    monkeypatch.setattr(ct_phantom, "PATIENTS", 1)
    monkeypatch.setattr(ct_phantom.draw, "__defaults__", (1, 32))
    data = prepare("ct_phantom", size=32)
    assert len(data) == ct_phantom.SLICES
    assert (data_home / "raw" / "ct_phantom" / "phantom_00" / "truth.csv").is_file()
    assert set(data.index["stratum"]) == {"", "attached", "inside"}
    assert open_prepared("ct_phantom", 32).fingerprint == data.fingerprint


def test_one_series_under_two_patients_is_refused(drawn, tmp_path):
    home = next(iter(sorted(drawn.iterdir())))
    for name in ("a", "b"):
        (tmp_path / name).symlink_to(home, target_is_directory=True)
    with pytest.raises(ValueError, match="the same series as in a"):
        lungct.samples(tmp_path)


def test_a_folder_without_patients_or_masks_is_refused(drawn, tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder of a patient"):
        lungct.samples(tmp_path)
    home = tmp_path / "p1"
    home.mkdir()
    for path in sorted(drawn.rglob("*.dcm"))[:2]:
        (home / path.name).write_bytes(path.read_bytes())
    with pytest.raises(FileNotFoundError, match="no mask in .*p1"):
        lungct.samples(tmp_path)


def test_tables_with_the_mark_of_a_spreadsheet_are_read(drawn, tmp_path):
    raw = tmp_path / "raw"
    shutil.copytree(drawn, raw)
    before = [sample.stratum for sample in lungct.samples(raw)]
    for path in raw.glob("*/strata.csv"):
        path.write_text(path.read_text(), "utf-8-sig")
    assert [sample.stratum for sample in lungct.samples(raw)] == before


def test_every_slice_has_a_content_of_its_own(samples):
    assert len({sample.hashes()[0] for sample in samples}) == len(samples)
    empty = {s.hashes()[1] for s in samples if not s.mask.any()}
    assert len(empty) == 1


def test_the_same_slice_with_another_header_is_the_same_content(drawn, tmp_path):
    home = sorted(drawn.iterdir())[0]
    (tmp_path / "p").mkdir()
    for path in home.rglob("*"):
        if path.is_file():
            target = tmp_path / "p" / path.relative_to(home)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(path.read_bytes())
            if path.suffix == ".dcm":
                dataset = pydicom.dcmread(target)
                dataset.PatientName = "Somebody^Else"
                dataset.save_as(target)
    before = [s.hashes() for s in ct_phantom.samples(drawn)[: ct_phantom.SLICES]]
    assert [s.hashes() for s in lungct.samples(tmp_path)] == before
