"""A set of one's own is a set everywhere: its folder, its parts, its name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from made_annotations import (
    annotation,
    coco,
    image,
    labelme,
    mask,
    outline,
    pixels,
    shape,
    truth,
    write,
)

from lesionkit import inspection, splits
from lesionkit.cli import main
from lesionkit.config import RunConfig, data_folder, prepared_from
from lesionkit.config.parameters import notebook_parameters
from lesionkit.config.places import set_name
from lesionkit.prepared import open_prepared
from lesionkit.prepared.preparing import prepare, raw_of

NAMES = ("train", "val", "test")


@pytest.fixture
def raw(tmp_path: Path, data) -> Path:
    """Eight images, six to train, one to validate, one to test."""
    made = tmp_path / "elsewhere"
    for i in range(8):
        part = NAMES[max(0, i - 5)]
        image(made / part / "images" / f"{i}.png", i)
        mask(made / part / "masks" / f"{i}.png", i)
    return made


@pytest.fixture
def data(tmp_path: Path, monkeypatch) -> Path:
    """A data folder of its own."""
    monkeypatch.setenv("LESIONKIT_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def test_folders_of_parts_are_the_split_of_lists(raw: Path) -> None:
    found = prepare("mine", raw, size=16)
    parts = splits.split(found, kind="lists")
    files = found.index["file"].to_numpy()
    assert [len(parts.part(name)) for name in splits.PARTS] == [6, 1, 1]
    assert files[parts.validation].tolist() == ["val/images/6.png"]
    assert files[parts.test].tolist() == ["test/images/7.png"]
    written = list((data_folder() / "splits" / "mine").glob("lists-*.csv"))
    assert len(written) == 1


def test_lists_come_before_the_folders(raw: Path) -> None:
    found = prepare("mine", raw, size=16)
    folder = data_folder() / "splits" / "mine" / "lists"
    folder.mkdir(parents=True)
    for i, name in enumerate(splits.PARTS):
        (folder / f"{name}.txt").write_text(f"{i}\n")
    parts = splits.split(found, kind="lists")
    assert found.index["file"][parts.test[0]] == "train/images/2.png"
    assert len(parts.train) == 1


def test_a_part_that_is_not_there_is_named(raw: Path) -> None:
    (raw / "val").rename(raw / "train2")
    for side in ("images", "masks"):
        (raw / "train2" / side / "6.png").rename(raw / "train" / side / "6.png")
    found = prepare("mine", raw, size=16)
    with pytest.raises(FileNotFoundError, match="1 in test, none is in val"):
        splits.split(found, kind="lists")
    assert len(splits.split(found, kind="image").train) == 5


def test_a_moved_image_is_in_its_new_part(raw: Path) -> None:
    before = prepare("mine", raw, size=16)
    for side in ("images", "masks"):
        (raw / "train" / side / "0.png").rename(raw / "test" / side / "0.png")
    after = prepare("mine", raw, size=16)
    assert after.fingerprint == before.fingerprint
    assert len(splits.split(after, kind="lists").test) == 2


def test_a_set_without_parts_any_more_has_none(raw: Path) -> None:
    prepare("mine", raw, size=16)
    for part in ("val", "test"):
        for side in ("images", "masks"):
            for path in (raw / part / side).iterdir():
                path.rename(raw / "train" / side / path.name)
    (raw / "train").rename(raw / "all")
    assert "part" not in prepare("mine", raw, size=16).index
    with pytest.raises(FileNotFoundError, match=r"in the folders train/, val/ and"):
        splits.split(open_prepared("mine", 16), kind="lists")


def test_the_raw_folder_is_remembered(raw: Path) -> None:
    prepare("mine", raw, size=16)
    assert prepared_from("mine") == raw
    assert raw_of("mine") == raw
    assert len(prepare("mine", size=8)) == 8
    assert inspection.inspect("mine").facts["images"] == 8


def test_a_relative_raw_folder_is_found_from_anywhere(raw: Path, monkeypatch) -> None:
    monkeypatch.chdir(raw.parent)
    prepare("mine", Path(raw.name), size=16)
    monkeypatch.chdir("/")
    assert len(prepare("mine", size=8)) == 8


def test_a_moved_raw_folder_is_remembered_though_nothing_is_new(raw: Path) -> None:
    prepare("mine", raw, size=16)
    moved = raw.rename(raw.with_name("moved"))
    before = (data_folder() / "prepared/mine/16/images.npy").stat().st_mtime_ns
    assert len(prepare("mine", moved, size=16)) == 8
    assert prepared_from("mine") == moved
    after = (data_folder() / "prepared/mine/16/images.npy").stat().st_mtime_ns
    assert before == after


def test_a_raw_folder_that_is_gone_is_named(raw: Path) -> None:
    prepare("mine", raw, size=16)
    raw.rename(raw.with_name("moved"))
    with pytest.raises(FileNotFoundError, match="no raw folder .*elsewhere"):
        prepare("mine", size=8)


def test_a_set_of_the_catalogue_is_where_fetch_puts_it(tmp_path: Path, data) -> None:
    for place in (tmp_path / "pack", data / "raw" / "kvasir"):
        for i in range(3 if place.name == "pack" else 5):
            image(place / "images" / f"{i}.jpg", i)
            mask(place / "masks" / f"{i}.jpg", i)
    assert len(prepare("kvasir", tmp_path / "pack", size=16)) == 3
    assert len(prepare("kvasir", size=16)) == 5
    (data / "raw" / "kvasir").rename(data / "away")
    assert raw_of("kvasir") == data / "raw" / "kvasir"  # prepared from it last


def test_commands_know_the_set(raw: Path, capsys) -> None:
    for command in (["prepare", "mine", "--raw", str(raw), "--size", "16"],
                    ["datasets", "--json"]):  # fmt: skip
        capsys.readouterr()
        main(command)
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["mine"]["prepared"] == "16"
    assert rows["mine"]["source"] == str(raw)
    assert rows["kvasir"]["published"] == 1000
    main(["fetch", "mine"])
    assert str(raw) in capsys.readouterr().out
    main(["inspect", "mine", "--json"])
    assert json.loads(capsys.readouterr().out)["facts"]["images"] == 8


@pytest.mark.parametrize("name", ["mini", "min"])
def test_a_misspelt_set_of_ones_own_has_a_hint(name: str, raw: Path) -> None:
    prepare("mine", raw, size=16)
    with pytest.raises(ValueError, match="Did you mean 'mine'"):
        prepare(name, size=16)


# the set's name, and what YAML or papermill makes of it
NUMBERS = [("2018", 2018), ("1e3", 1000.0), ("007", 7), ("2018_01", 201801),
           ("no", False), ("0x10", 16), ("mine", "mine")]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), NUMBERS)
def test_a_name_that_was_read_as_a_number_is_the_name(name, value, raw: Path) -> None:
    prepare(name, raw, size=16)
    assert RunConfig(dataset=value, size=16).dataset == name
    cells = ['dataset: str = "toy"', f"# Parameters\ndataset = {value!r}"]
    namespace = {"In": cells, "dataset": value}
    assert notebook_parameters(namespace) == {"dataset": name}
    assert namespace["dataset"] == name


def test_a_number_that_may_be_two_names_or_none_is_refused(raw: Path) -> None:
    for name in ("7", "007"):
        prepare(name, raw, size=16)
    assert set_name(7) == 7
    for value in (7, 8):
        with pytest.raises(TypeError, match="must be of type str"):
            RunConfig(dataset=value)


def test_what_has_no_partner_can_be_left_out_of_a_part(raw: Path) -> None:
    image(raw / "test" / "images" / "9.png", 9)
    with pytest.raises(ValueError, match=r"have no mask: 9.png; .*--skip-bad"):
        prepare("mine", raw, size=16)
    found = prepare("mine", raw, size=16, skip_bad=True)
    assert found.manifest["left_out"] == ["test/images/9.png"]
    np.testing.assert_array_equal(found.index["part"].value_counts()["train"], 6)


def of_labelme(raw: Path) -> None:
    for i in range(5):
        image(raw / f"{i}.png", i)
        labelme(raw / f"{i}.json", f"{i}.png", [shape(i)])


def of_arrays(raw: Path) -> None:
    arrays = {"images": [pixels(i) for i in range(5)]}
    np.savez(raw / "a.npz", **arrays, masks=[truth(i) for i in range(5)])


def of_nifti(raw: Path) -> None:
    nibabel = pytest.importorskip("nibabel", reason="NIfTI needs the extra ct")
    for side, of in {"images": lambda i: pixels(i)[..., 0], "masks": truth}.items():
        (raw / side).mkdir()
        for i in range(5):
            stored = nibabel.Nifti1Image(of(i).T[..., None], np.eye(4))
            nibabel.save(stored, raw / side / f"{i}.nii.gz")


def of_parquet(raw: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="parquet needs the extra hub")
    of_labelme(raw / "x")
    shown = [{"bytes": (raw / "x" / f"{i}.png").read_bytes()} for i in range(5)]
    paths = [mask(raw / "x" / "m" / f"{i}.png", i) for i in range(5)]
    marked = [{"bytes": path.read_bytes()} for path in paths]
    shutil.rmtree(raw / "x")
    table = datasets.Dataset.from_dict({"image": shown, "mask": marked})
    table.to_parquet(raw / "train.parquet")


@pytest.mark.parametrize("make", [of_labelme, of_arrays, of_nifti, of_parquet])
def test_every_form_is_prepared_inspected_and_split(
    make, tmp_path: Path, data: Path
) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    make(raw)
    found = prepare("mine", raw, size=40)
    shares = found.index["lesion_share"].to_numpy()
    np.testing.assert_allclose(shares, [truth(i).mean() for i in range(5)])
    assert found.index["content_hash"].nunique() == 5
    assert len(splits.split(found).train) == 3
    report = inspection.inspect("mine")
    assert report.facts["readable"] == 5
    assert not [f for f in report.findings if f.kind == "cannot be used"]
    assert prepare("mine", size=40).manifest["taken_again"] == 0


def test_a_part_that_a_file_is_called_by_is_taken_anew(tmp_path: Path, data) -> None:
    raw, places = tmp_path / "raw", [*range(5)]
    for i in places:
        image(raw / f"{i}.png", i)
    marked = [annotation(i, outline(i)) for i in places]
    path = write(raw / "instances_train.json", coco(places, marked))
    assert set(prepare("mine", raw, size=16).index["part"]) == {"train"}
    path.rename(raw / "instances_test.json")
    assert set(prepare("mine", raw, size=16).index["part"]) == {"test"}
    (raw / "instances_test.json").rename(raw / "all.json")
    assert "part" not in prepare("mine", raw, size=16).index
