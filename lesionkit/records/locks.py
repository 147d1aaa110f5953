"""A lock on a file for one process at a time, also on disks that have no locks."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

# What a disk says that has no locks, or whose lock server does not answer.
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)


class Busy(RuntimeError):
    """Another process holds the lock."""


@contextmanager
def alone(path: Path, says: str, *, seconds: float = 0.0) -> Iterator[None]:
    """Hold a lock for the block; on a disk without locks a file `<name>.held` is it.

    Args:
        path: of the lock's file, made if it is not there.
        says: told to those who find it held.
        seconds: how long to wait for another process.

    Raises:
        Busy: another process holds it.
    """
    lock = filelock.FileLock(path)
    try:
        try:
            held = lock.acquire(timeout=seconds)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            path = path.with_name(f"{path.name}.held")
            says += f"; this disk has no file locks: if none is at work, remove {path}"
            held = filelock.SoftFileLock(path).acquire(timeout=seconds)
    except filelock.Timeout:
        raise Busy(says) from None
    with held:
        yield
