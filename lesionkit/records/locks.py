"""File locks of the operating system, which end with the process that has them."""

from __future__ import annotations

import contextlib
import socket
from functools import cache
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


@cache
def machine() -> str:
    """What tells this machine, since it was started, from every other."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return socket.gethostname()


def locked(file: Path) -> BinaryIO:
    """The open file with a lock on it, until it is closed; where locks work."""
    stream = file.open("rb")
    if fcntl is not None:
        with contextlib.suppress(OSError):
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return stream


def is_locked(file: Path) -> bool | None:
    """Whether a process of this machine has the lock; None: locks do not work here."""
    if fcntl is None:
        return None
    try:
        with file.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False
