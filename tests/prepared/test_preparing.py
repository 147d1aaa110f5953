"""Raw files to the prepared form, with the two-image folder of a user."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from made_records import made_record
from PIL import Image
from shared_data import SHARED, needs_shared

from lesionkit.cli import main
from lesionkit.config import RunConfig
from lesionkit.prepared import open_prepared, staging
from lesionkit.prepared.preparing import data_if_here, data_of, open_data, prepare
from lesionkit.prepared.staging import Arrays, Stage
from lesionkit.records.runs import RunRecord


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A user's folder: five images of two sizes with masks of 0 and 255."""
    raw = tmp_path / "own"
    (raw / "images").mkdir(parents=True)
    (raw / "masks").mkdir()
    for i in range(5):
        height, width = (40, 60) if i % 2 else (50, 30)
        image = np.full((height, width, 3), 40 * i, np.uint8)
        mask = np.zeros((height, width), np.uint8)
        mask[: height // 2] = 255
        Image.fromarray(image).save(raw / "images" / f"case{i}.png")
        Image.fromarray(mask).save(raw / "masks" / f"case{i}.png")
    return raw


def test_a_folder_of_ones_own_becomes_a_prepared_set(own: Path) -> None:
    data = prepare("my_set", own, size=32)
    assert data.images.shape == (5, 32, 32, 3)
    assert data.images[3].max() == data.images[3].min() == 120
    assert np.array_equal(data.masks[:, :16], np.ones((5, 16, 32)))
    assert data.masks[:, 16:].max() == 0
    assert data.index["lesion_share"].tolist() == [0.5] * 5
    assert data.index["height"].tolist() == [50, 40, 50, 40, 50]
    assert data.manifest["source"] == "my_set"


def test_the_lesion_share_is_that_of_the_native_mask(own: Path) -> None:
    mask = np.zeros((50, 30), np.uint8)
    mask[7, 11] = 255  # one pixel of 1,500: lost at 8 x 8
    Image.fromarray(mask).save(own / "masks" / "case0.png")
    data = prepare("my_set", own, size=8)
    assert data.index["lesion_share"][0] == pytest.approx(1 / 1500, abs=1e-6)


def test_preparing_again_does_nothing(own: Path) -> None:
    data = prepare("my_set", own, size=32)
    before = (data.folder / "manifest.json").stat().st_ino
    prepare("my_set", own, size=32)
    assert (data.folder / "manifest.json").stat().st_ino == before
    prepare("my_set", own, size=32, force=True)
    assert (data.folder / "manifest.json").stat().st_ino != before


def test_a_changed_mask_is_noticed_and_prepared_again(own: Path) -> None:
    first = prepare("my_set", own, size=32).fingerprint
    Image.fromarray(np.zeros((50, 30), np.uint8)).save(own / "masks" / "case0.png")
    data = prepare("my_set", own, size=32)
    assert data.masks[0].max() == 0
    assert data.fingerprint != first


def test_every_bad_file_is_named_and_the_others_are_kept(own: Path, data_home) -> None:
    good = (own / "images" / "case2.png").read_bytes()
    for name in ("images/case2.png", "masks/case4.png"):
        (own / name).write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match="2 of 5 samples cannot be used") as caught:
        prepare("my_set", own, size=32)
    told = str(caught.value)
    assert "case2.png: not a picture" in told
    assert "case4.png: not a picture" in told
    assert "\n" not in told
    (own / "images" / "case2.png").write_bytes(good)
    (own / "masks" / "case4.png").write_bytes(
        (own / "masks" / "case0.png").read_bytes()
    )
    data = prepare("my_set", own, size=32)
    assert data.manifest["taken_again"] == 3
    assert len(data) == 5
    assert [path.name for path in data.folder.parent.iterdir()] == ["32"]


def test_what_cannot_be_read_may_be_left_out_by_name(own: Path) -> None:
    (own / "images" / "case2.png").write_bytes(b"")
    data = prepare("my_set", own, size=32, skip_bad=True)
    assert data.manifest["left_out"] == ["images/case2.png"]
    assert len(data) == 4
    made = (data.folder / "manifest.json").stat().st_ino
    prepare("my_set", own, size=32, skip_bad=True)
    assert (data.folder / "manifest.json").stat().st_ino == made
    with pytest.raises(ValueError, match="1 of 5 samples"):
        prepare("my_set", own, size=32)


def test_a_set_of_which_only_what_was_left_out_remains_is_refused(own: Path) -> None:
    (own / "images" / "case2.png").write_bytes(b"")
    prepare("my_set", own, size=32, skip_bad=True)
    for path in [*own.glob("images/*"), *own.glob("masks/*")]:
        if path.stem != "case2":
            path.unlink()
    with pytest.raises(ValueError, match="1 of 1 samples cannot be used"):
        prepare("my_set", own, size=32, skip_bad=True)


def test_a_set_of_nothing_but_bad_files_is_refused(own: Path) -> None:
    for path in (own / "images").iterdir():
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="5 of 5 samples cannot be used"):
        prepare("my_set", own, size=32, skip_bad=True)


def test_one_core_and_several_prepare_the_same_in_the_same_order(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "JOBS", 1)
    one = prepare("one", own, size=32)
    monkeypatch.setattr(staging, "JOBS", 5)
    several = prepare("several", own, size=32)
    for name in ("images", "masks", "thumbnails"):
        assert np.array_equal(getattr(one, name), getattr(several, name))
    assert one.index.equals(several.index)


def test_two_copies_of_one_image_are_two_rows(own: Path) -> None:
    for kind in ("images", "masks"):
        (own / kind / "again.png").write_bytes((own / kind / "case1.png").read_bytes())
    data = prepare("my_set", own, size=32)
    assert len(data) == 6
    again, first = (
        list(data.index["file"]).index(f"images/{n}.png") for n in ("again", "case1")
    )
    assert np.array_equal(data.images[again], data.images[first])


def test_one_image_with_two_masks_keeps_both(own: Path) -> None:
    image = (own / "images" / "case1.png").read_bytes()
    (own / "images" / "again.png").write_bytes(image)
    other = np.zeros((40, 60), np.uint8)
    other[:, :30] = 255
    Image.fromarray(other).save(own / "masks" / "again.png")
    data = prepare("my_set", own, size=32)
    masks = dict(zip(data.index["file"], data.masks, strict=True))
    assert masks["images/again.png"][-1].tolist() == [1] * 16 + [0] * 16
    assert masks["images/case1.png"][-1].max() == 0


def test_copies_may_be_stored_at_the_same_moment(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "stage")
    plane = np.zeros((64, 64), np.uint8)
    arrays = Arrays(plane[..., None], plane, plane[:32, :32], np.zeros(3))
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(stage.put, "same", arrays) for _ in range(200)]
    assert [future.exception() for future in done] == [None] * 200
    assert [path.name for path in (tmp_path / "stage").iterdir()] == ["same.npz"]


def test_thumbnails_are_those_of_the_native_images(own: Path) -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (50, 15))
    Image.fromarray(stripes).convert("RGB").save(own / "images" / "case0.png")
    small, large = prepare("my_set", own, size=16), prepare("my_set", own, size=32)
    assert np.array_equal(small.thumbnails, large.thumbnails)
    assert small.thumbnails.shape == (5, 32, 32)
    assert small.thumbnails[3].min() == small.thumbnails[3].max() == 120


@pytest.mark.slow
def test_a_preparation_that_is_killed_goes_on_and_ends_the_same(
    own: Path, data_home: Path, tmp_path: Path
) -> None:
    code = (
        "import os, sys; from pathlib import Path\n"
        "from lesionkit.prepared import preparing, staging\n"
        "put, seen = staging.Stage.put, []\n"
        "def once_more(self, key, arrays):\n"
        "    put(self, key, arrays); seen.append(key)\n"
        "    len(seen) < 3 or os.kill(os.getpid(), 9)\n"
        "staging.Stage.put, staging.JOBS = once_more, 1\n"
        "preparing.prepare('my_set', Path(sys.argv[1]), size=32)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(own)], check=False)
    assert done.returncode == -9
    assert not (data_home / "prepared" / "my_set" / "32").exists()
    data = prepare("my_set", own, size=32)
    assert data.manifest["taken_again"] == 3
    straight = prepare("straight", own, size=32)
    assert np.array_equal(data.images, straight.images)
    assert data.index.equals(straight.index)


def test_an_unreadable_file_is_named_and_nothing_is_left(own: Path, data_home) -> None:
    (own / "images" / "case2.png").write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match="case2.png"):
        prepare("my_set", own, size=32)
    assert list(data_home.rglob("images.npy")) == []


def test_grey_images_stay_one_channel_and_16_bit_stay_16_bit(
    own: Path, tmp_path: Path
) -> None:
    for i, path in enumerate(sorted((own / "images").iterdir())):
        with Image.open(path) as image:
            grey = np.full(image.size[::-1], 1000 * i + 7, np.uint16)
        Image.fromarray(grey).save(path)
    data = prepare("grey_set", own, size=32)
    assert data.images.shape == (5, 32, 32, 1)
    assert data.images.dtype == np.uint16
    assert data.images[2].max() == 2007


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("kvasr", ValueError, "Did you mean 'kvasir'"),
        ("kvasir", FileNotFoundError, "Kvasir-SEG/images"),
    ],
)
def test_a_set_without_raw_files_is_refused(
    name: str, error: type[Exception], says: str
) -> None:
    with pytest.raises(error) as caught:
        prepare(name)
    assert says in str(caught.value)


@pytest.mark.parametrize("name", ["folder", "My Set", "../up", "a/b", ""])
def test_a_name_that_cannot_be_a_folder_is_refused(name: str, own: Path) -> None:
    with pytest.raises(ValueError, match="needs a name of its own"):
        prepare(name, own)


def test_an_unknown_filter_or_a_tiny_size_is_refused(own: Path) -> None:
    with pytest.raises(ValueError, match="Did you mean 'bilinear'"):
        prepare("my_set", own, resize="bilinar")
    with pytest.raises(ValueError, match="8 pixels or more, got 4"):
        prepare("my_set", own, size=4)


def test_nearest_keeps_pixel_values_and_has_a_folder_of_its_own(own: Path) -> None:
    path = own / "images" / "case0.png"
    random = np.random.default_rng(0)
    image = random.integers(0, 2, (50, 30, 3), np.uint8) * 255
    Image.fromarray(image).save(path)
    near = prepare("my_set", own, size=32, resize="nearest")
    smooth = prepare("my_set", own, size=32)
    assert set(np.unique(near.images[0])) == {0, 255}
    assert len(np.unique(smooth.images[0])) > 50
    assert near.folder != smooth.folder
    assert near.fingerprint == smooth.fingerprint


def test_no_record_has_no_data() -> None:
    assert data_of(None) is None


def test_other_images_under_the_same_name_are_not_taken(tiny: str) -> None:
    config = RunConfig(dataset="tiny", size=32, loss="dice")
    assert data_if_here(RunRecord(made_record(config))) is None
    same = open_prepared("tiny", size=32).fingerprint
    config = RunConfig(dataset="tiny", size=32, loss="iou")
    record = RunRecord(made_record(config, fingerprint=same))
    assert data_if_here(record).fingerprint == same
    config = RunConfig(dataset="kvasir", size=32)
    assert data_if_here(RunRecord(made_record(config))) is None


@needs_shared
def test_the_prepared_form_of_busi_holds_the_native_lesion_shares() -> None:
    data = prepare("busi_malignant", SHARED / "busi", size=64)
    assert data.images.shape == (38, 64, 64, 3)
    share = data.index["lesion_share"]
    assert share.min() == pytest.approx(0.02799, abs=5e-6)
    assert share.median() == pytest.approx(0.12612, abs=5e-6)
    assert share.max() == pytest.approx(0.38375, abs=5e-6)
    assert np.abs(data.masks.mean((1, 2)) - share).max() < 0.01


@pytest.mark.slow
@needs_shared
def test_the_foot_ulcer_challenge_is_recorded_as_standing_in_for_wound() -> None:
    data = prepare("wound", SHARED / "wound-fuseg", size=16)
    assert (len(data), data.manifest["source"]) == (1010, "fuseg")
    assert int((data.index["lesion_share"] == 0).sum()) == 24


def test_open_data_refuses_what_is_not_prepared() -> None:
    with pytest.raises(FileNotFoundError, match="lesionkit prepare clinicdb"):
        open_data("clinicdb", 64)


def test_what_was_done_is_told_in_six_lines(own: Path, capsys) -> None:
    command = ["prepare", "my_set", "--raw", str(own), "--size", "32"]
    main(command)
    first = capsys.readouterr().out.splitlines()
    assert len(first) == 6
    assert first[0] == "my_set: 5 images with their masks"
    assert "native sizes 50 x 30 to 40 x 60; kept as 32x32x3 uint8" in first[1]
    Image.fromarray(np.zeros((50, 30), np.uint8)).save(own / "masks" / "case0.png")
    for kind in ("images", "masks"):
        (own / kind / "case1.png").rename(own / kind / "new.png")
    main(command)
    told = capsys.readouterr().out.splitlines()
    assert told[0].endswith("; 1 changed, 1 added, 1 removed since the last time")
    assert told[3].startswith("1 masks without lesion")
