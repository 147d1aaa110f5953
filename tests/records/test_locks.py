"""Locks of files, on disks that have them and on disks that have none."""

from __future__ import annotations

import errno
import fcntl
from pathlib import Path

import pytest

from lesionkit.records.locks import NO_LOCKS, Busy, alone


def taken(path: Path) -> str:
    """What comes of a second taker; "" if it got the lock."""
    try:
        with alone(path, "another is at work"):
            return ""
    except Busy as error:
        return str(error)


def test_a_lock_has_one_holder_and_is_free_after_its_block(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with alone(path, "another is at work"):
        assert taken(path) == "another is at work"
    assert taken(path) == ""


@pytest.mark.parametrize("number", NO_LOCKS)
def test_on_a_disk_without_locks_a_file_has_one_holder(
    tmp_path: Path, monkeypatch, number: int
) -> None:
    def refuse(handle, operation) -> None:
        raise OSError(number, "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)
    path = tmp_path / "lock"
    with alone(path, "another is at work"):
        says = taken(path)
        assert says.startswith("another is at work; this disk has no file locks: if")
        assert says.endswith(f"remove {path}.held")
    assert taken(path) == ""
    assert not (tmp_path / "lock.held").exists()


def test_another_error_of_the_disk_is_no_lock(tmp_path: Path, monkeypatch) -> None:
    def refuse(handle, operation) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="Input/output"):
        taken(tmp_path / "lock")
    assert not (tmp_path / "lock.held").exists()


def test_an_error_in_the_block_is_not_taken_for_a_held_lock(tmp_path: Path) -> None:
    with pytest.raises(BlockingIOError, match="of the block"):  # noqa: SIM117
        with alone(tmp_path / "lock", "another is at work"):
            raise BlockingIOError("of the block")
    assert taken(tmp_path / "lock") == ""
