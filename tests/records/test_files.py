"""A file or a folder is there whole or not at all."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from lesionkit.records import files


def no_replace(self, target):
    """Stands in for Path.replace on a full or broken disk."""
    raise OSError(f"cannot rename to {target}")


def test_bytes_are_written_as_they_are(tmp_path):
    files.write_bytes(tmp_path / "below" / "a.bin", b"\x00\xff")
    assert (tmp_path / "below" / "a.bin").read_bytes() == b"\x00\xff"


def test_a_second_write_replaces_the_first_and_leaves_nothing_else(tmp_path):
    files.write_bytes(tmp_path / "a", b"first")
    files.write_bytes(tmp_path / "a", b"second")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a", b"second")]


def test_a_write_that_fails_leaves_the_old_content_alone(tmp_path, monkeypatch):
    files.write_bytes(tmp_path / "a", b"old")
    monkeypatch.setattr(Path, "replace", no_replace)
    with pytest.raises(OSError, match="cannot rename"):
        files.write_bytes(tmp_path / "a", b"new")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a", b"old")]


def test_what_is_not_bytes_leaves_the_old_content_alone(tmp_path):
    files.write_bytes(tmp_path / "a", b"old")
    with pytest.raises(TypeError):
        files.write_bytes(tmp_path / "a", "text")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a", b"old")]


def test_nan_becomes_null_at_any_depth(tmp_path):
    value = {"a": float("nan"), "b": [1, {"c": np.float64("nan")}], "d": (0.5,)}
    files.write_json(tmp_path / "a.json", value)
    stored = json.loads((tmp_path / "a.json").read_text())
    assert stored == {"a": None, "b": [1, {"c": None}], "d": [0.5]}


def test_infinity_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "a.json", {"a": float("inf")})
    assert list(tmp_path.iterdir()) == []


def test_keys_stay_in_their_order(tmp_path):
    files.write_json(tmp_path / "a.json", {"z": 1, "a": 2})
    assert (tmp_path / "a.json").read_text() == '{\n  "z": 1,\n  "a": 2\n}\n'


def test_a_whole_folder_is_not_there_before_the_block_ends(tmp_path):
    with files.whole_folder(tmp_path / "set") as part:
        (part / "a").write_text("new")
        assert not (tmp_path / "set").exists()
    assert (tmp_path / "set" / "a").read_text() == "new"


def test_a_whole_folder_replaces_the_old_one_and_all_its_files(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "old").write_text("old")
    with files.whole_folder(tmp_path / "set") as part:
        (part / "new").write_text("new")
    assert [p.name for p in tmp_path.rglob("*")] == ["set", "new"]


def test_a_block_that_fails_keeps_the_old_folder(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "old").write_text("old")
    with (
        pytest.raises(RuntimeError, match="half way"),
        files.whole_folder(tmp_path / "set") as part,
    ):
        (part / "new").write_text("new")
        raise RuntimeError("half way")
    assert [p.name for p in tmp_path.rglob("*")] == ["set", "old"]


def test_a_disk_that_fails_between_the_two_renames_loses_no_old_folder(
    tmp_path, monkeypatch
):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "old").write_text("old")
    rename = Path.rename

    def fails_once_moved(self, target):
        if target.name == "set" and not target.exists() and "old" not in listed(self):
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    def listed(folder):
        return [path.name for path in folder.iterdir()]

    monkeypatch.setattr(Path, "rename", fails_once_moved)
    with (
        pytest.raises(OSError, match="Input/output"),
        files.whole_folder(tmp_path / "set") as part,
    ):
        (part / "new").write_text("new")
    assert [p.name for p in tmp_path.rglob("*")] == ["set", "old"]


def test_what_another_process_is_writing_now_is_left_alone(tmp_path):
    (tmp_path / ".set.0123abcd.part").mkdir()
    with files.whole_folder(tmp_path / "set") as part:
        (part / "new").write_text("new")
    assert (tmp_path / ".set.0123abcd.part").is_dir()


def test_two_that_write_one_folder_at_once_leave_the_later_one_whole(tmp_path):
    with files.whole_folder(tmp_path / "set") as first:
        (first / "name").write_text("first")
        with files.whole_folder(tmp_path / "set") as second:
            (second / "name").write_text("second")
        assert (tmp_path / "set" / "name").read_text() == "second"
    assert (tmp_path / "set" / "name").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_two_that_move_the_old_folder_away_at_once_both_go_on(tmp_path, monkeypatch):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "old").write_text("old")
    rename = Path.rename

    def another_was_faster(self, target):
        if self.name == "set":
            monkeypatch.setattr(Path, "rename", rename)
            self.rename(tmp_path / "moved by another")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", another_was_faster)
    with files.whole_folder(tmp_path / "set") as part:
        (part / "new").write_text("new")
    assert (tmp_path / "set" / "new").read_text() == "new"


def test_a_folder_that_is_gone_again_when_it_is_looked_at_is_taken(
    tmp_path, monkeypatch
):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "old").write_text("old")
    rename = Path.rename

    def another_moves_it_then(self, target):
        try:
            return rename(self, target)
        except OSError:
            monkeypatch.setattr(Path, "rename", rename)
            rename(tmp_path / "set", tmp_path / "moved by another")
            raise

    monkeypatch.setattr(Path, "rename", another_moves_it_then)
    with files.whole_folder(tmp_path / "set") as part:
        (part / "new").write_text("new")
    assert (tmp_path / "set" / "new").read_text() == "new"


def test_what_another_process_puts_in_place_meanwhile_is_passed_over(
    tmp_path, monkeypatch
):
    gone = tmp_path / ".set.0123abcd.part"
    monkeypatch.setattr(Path, "glob", lambda self, pattern: [gone])
    with files.whole_folder(tmp_path / "set") as part:
        (part / "new").write_text("new")
    assert (tmp_path / "set" / "new").read_text() == "new"


def test_what_a_killed_process_left_is_removed_after_a_day(tmp_path):
    (tmp_path / ".set.0123abcd.part").mkdir()
    (tmp_path / ".set.0123abcd.part" / "half").write_text("half")
    for path in (tmp_path / ".set.0123abcd.part").rglob("*"):
        os.utime(path, (0, 0))
    os.utime(tmp_path / ".set.0123abcd.part", (0, 0))
    with files.whole_folder(tmp_path / "set") as part:
        (part / "new").write_text("new")
    assert [p.name for p in tmp_path.rglob("*")] == ["set", "new"]


def test_what_was_left_of_another_folder_stays(tmp_path):
    (tmp_path / ".set-nearest.0123abcd.part").mkdir()
    with files.whole_folder(tmp_path / "set"):
        pass
    assert (tmp_path / ".set-nearest.0123abcd.part").is_dir()


def test_the_hash_is_sha_256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")  # the first example of FIPS 180-2
    assert files.sha256(tmp_path / "a") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_a_write_that_the_disk_refuses_names_the_file(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space") as caught:
        files.write_bytes(tmp_path / "a.html", b"page")
    assert caught.value.filename == str(tmp_path / "a.html")
    assert list(tmp_path.iterdir()) == []
