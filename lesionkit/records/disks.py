"""What a disk refuses, in one line with the way out."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lesionkit.config import data_folder

FULL = (errno.ENOSPC, errno.EDQUOT)
CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)
# A file where a folder has to be, or a place where none can be made.
IN_THE_WAY = (errno.ENOTDIR, errno.EEXIST)
ELSEWHERE = "name another folder (for data: export LESIONKIT_DATA=DIR)"


class DiskFull(OSError):
    """There is no room: the same command does it once there is."""


@contextmanager
def refusals_told(place: Path) -> Iterator[None]:
    """Turn what the disk refuses inside the block into one line with the way out.

    Args:
        place: what is written, for errors that do not say where.

    Raises:
        OSError: in place of the system's, of the same class; DiskFull of a full disk.
    """
    try:
        yield
    except OSError as error:
        words = in_words(error, place)
        if words is None:
            raise
        kind = DiskFull if error.errno in FULL else type(error)
        raise kind(words) from error


def in_words(error: OSError, place: Path) -> str | None:
    """What the disk refused, where, and the way out; None for any other error."""
    named = error.filename if isinstance(error.filename, str | os.PathLike) else place
    where = Path(named)
    if half := re.fullmatch(r"\.(.+)\.[0-9a-f]{8}\.part", where.name):
        where = where.with_name(half[1])  # what was asked for, not the half-written one
    upwards = (where, *where.absolute().parents)
    if error.errno in FULL:
        existing = next(path for path in upwards if path.is_dir())
        free = shutil.disk_usage(existing).free / (1 << 20)
        return (
            f"the disk of {existing} is full ({free:.1f} MiB free): make room, and the"
            f" same command goes on from here; or {ELSEWHERE}"
        )
    if error.errno in CLOSED:
        return f"{where}: {error.strerror}: {ELSEWHERE} that can be written"
    if error.errno in IN_THE_WAY:
        existing = next(path for path in upwards if path.exists())
        return f"{where}: {existing} is no folder: {ELSEWHERE}"
    # such as /proc, which takes no folder and says that there is none;
    # nobody reads the data folder, or one above it, as a file
    if error.errno == errno.ENOENT and data_folder().is_relative_to(where):
        return f"{where}: {error.strerror}: no folder can be made here; {ELSEWHERE}"
    return None
