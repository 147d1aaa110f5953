"""Bytes to disk so that a file is there whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

DAY_SECONDS = 24 * 3600
# What a system says where a folder is to be put in the place of another, or of a file.
TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)


def beside(path: Path) -> Path:
    """A hidden name beside a file or folder that nobody else has: .<name>.<hex>.part"""
    return path.with_name(f".{path.name}.{uuid4().hex[:8]}.part")


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write through a temporary file in the same folder, flushed and renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = beside(path)
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.errno and not error.filename:  # a write names no file
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON, keys in the order given; NaN becomes null."""
    text = json.dumps(_plain(value), indent=2, allow_nan=False)
    write_bytes(path, (text + "\n").encode())


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value != value:
        return None
    return value


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, so that a rename survives a power cut."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder that becomes `folder` when the block ends without error.

    What was at `folder` before stays until then, and stays when the block fails. Two
    processes may do this at once: the later one wins, whole.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(f".{folder.name}.*.part"):  # of a killed process
        with suppress(FileNotFoundError):  # another has just put it in place
            touched = [path.stat().st_mtime for path in (left, *left.rglob("*"))]
            if time.time() - max(touched) > DAY_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
    temporary, old = beside(folder), beside(folder)
    temporary.mkdir()
    try:
        yield temporary
        sync_folder(temporary)
        _put_in_place(temporary, folder, old)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    sync_folder(folder.parent)


def _put_in_place(temporary: Path, folder: Path, old: Path) -> None:
    """Rename, moving away what is there; another process may do so at once."""
    for _ in range(10):
        try:
            temporary.rename(folder)
            return
        except OSError as error:
            if error.errno not in TAKEN and not folder.exists():
                with suppress(OSError):  # what was there comes back, if anything was
                    old.rename(folder)
                raise
        shutil.rmtree(old, ignore_errors=True)
        with suppress(FileNotFoundError):  # another has just moved it away
            folder.rename(old)
    raise OSError(f"{folder} is being written by another process again and again")


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, as hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
