"""The prepared form: whole or not there, opened without copying, proof of change."""

from __future__ import annotations

import json

import numpy as np
import pytest
from made_data import disc_pairs, write_discs

from lesionkit import prepared
from lesionkit.records.files import sha256


def test_arrays_come_back_as_they_were_written(tiny: str) -> None:
    data = prepared.open_prepared(tiny, 32)
    images, masks = zip(*disc_pairs(20), strict=True)
    assert np.array_equal(data.images, np.stack(images))
    assert np.array_equal(data.masks, np.stack(masks))
    assert (data.images.dtype, data.masks.dtype) == (np.uint8, np.uint8)


def test_arrays_are_mapped_and_cannot_be_written(tiny: str) -> None:
    data = prepared.open_prepared(tiny, 32)
    assert isinstance(data.images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        data.images[0] = 0


def test_a_set_that_is_not_there_names_the_folder_and_the_command(data_home) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        prepared.open_prepared("kvasir", 96, resize="nearest")
    assert str(data_home / "prepared" / "kvasir" / "96-nearest") in str(caught.value)
    assert "lesionkit prepare kvasir --raw DIR --size 96 --resize nearest" in str(
        caught.value
    )


def test_a_failure_in_the_middle_leaves_nothing(data_home) -> None:
    rows = [dict.fromkeys(prepared.INDEX_COLUMNS, "") for _ in range(3)]
    small = np.zeros((32, 32), np.uint8)
    good = [(image, mask, small) for image, mask in disc_pairs(2)]
    bad = [*good, (good[0][0], good[0][1] * 255 + 7, small)]
    folder = prepared.prepared_folder("broken", 32)
    with pytest.raises(ValueError, match="expected"):
        prepared.write(folder, bad, rows, shape=(32, 32, 3), dtype="uint8", manifest={})
    assert list(data_home.rglob("*.npy")) == []
    assert not folder.exists()


def test_a_failed_second_writing_keeps_the_first(tiny: str) -> None:
    data = prepared.open_prepared(tiny, 32)
    rows = data.index.to_dict("records")
    with pytest.raises(ValueError, match="expected"):
        prepared.write(
            data.folder,
            [(np.zeros((5, 5, 3), np.uint8), *np.zeros((2, 5, 5), np.uint8))],
            rows,
            shape=(32, 32, 3),
            dtype="uint8",
            manifest={},
        )
    data = prepared.open_prepared(tiny, 32)
    kept = {name: sha256(data.folder / name) for name in data.manifest["sha256"]}
    assert kept == data.manifest["sha256"]


def test_the_manifest_has_the_hash_of_every_file(tiny: str) -> None:
    data = prepared.open_prepared(tiny, 32)
    files = {path.name for path in data.folder.iterdir()} - {"manifest.json"}
    found = {name: sha256(data.folder / name) for name in files}
    assert data.manifest["sha256"] == found


def test_another_format_version_is_refused(tiny: str) -> None:
    path = prepared.prepared_folder(tiny, 32) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))
    with pytest.raises(ValueError, match="format 99, this version reads 1") as told:
        prepared.open_prepared(tiny, 32)
    assert str(told.value).endswith("lesionkit prepare tiny --size 32 --force")


def test_the_fingerprint_depends_on_content_and_not_on_names_or_order(
    data_home,
) -> None:
    write_discs("one")
    index = prepared.open_prepared("one", 32).index
    renamed = index.assign(file="other").sample(frac=1, random_state=0)
    changed = index.assign(mask_hash=index["mask_hash"].replace("0", "1", regex=True))
    assert prepared.fingerprint(renamed) == prepared.fingerprint(index)
    assert prepared.fingerprint(changed) != prepared.fingerprint(index)
