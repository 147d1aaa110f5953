"""Leases: one holder at a time, also on a shared disk where file locks do nothing.

A lease is a folder with a file for each holder so far: 0, 1, 2, ... Whoever creates the
next number (O_EXCL, which every file system decides for one alone) holds the lease, and
only the holder writes to its file: a growing count, from a thread, and at the end that
it is free. A file that another process saw unchanged for long enough, by that process's
own monotonic clock, is of a holder that is gone, and the next number may be taken. No
time of another machine is ever compared, and since no number is used twice, two that
judge an old holder at once cannot both take over.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

SECONDS = 120.0
BEATS = 4  # signs of life in that time
FREE = b"free\n"


class Held(BlockingIOError):
    """Another holds the lease.

    Attributes:
        alive: whether it gave a sign of life since this process first looked.
    """

    def __init__(self, path: Path, by: str, alive: bool) -> None:
        super().__init__(f"{path} is held by {by}")
        self.alive = alive


class Lost(RuntimeError):
    """This process was silent for so long that another took its lease."""


@dataclass
class Look:
    """What this process last saw of a lease, and since when."""

    number: int
    content: bytes
    since: float
    alive: bool = False


_looks: dict[Path, Look] = {}  # a holder is judged over several calls


@contextmanager
def lease(path: Path, seconds: float = SECONDS, *, owner: str = "") -> Iterator[None]:
    """Hold a lease for the block.

    Should another take it over, because this process was paused, the block is stopped
    as by Ctrl-C. For that the block must be in the main thread.

    Args:
        path: the folder of the lease, made if it is not there.
        seconds: how long a holder may be silent; the same for all who share the lease.
        owner: told to those who find it held, besides the host and the process.

    Raises:
        BlockingIOError: `Held`: another holds it. Call again to take over from a holder
            that is gone: it must have been seen unchanged for so many seconds.
        Lost: another took it over in the meantime.
    """
    holder = _Holder(_next(path, seconds), seconds, owner)
    try:
        try:
            yield
        finally:
            holder.release()
    except KeyboardInterrupt:
        if not holder.lost:
            raise
    if holder.lost:
        raise Lost(f"{path} was taken over while this process was silent")


def clear(path: Path) -> None:
    """Remove a lease that nobody will need again, as of a run that is done."""
    shutil.rmtree(path, ignore_errors=True)
    _looks.pop(path, None)


def _next(path: Path, seconds: float) -> Path:
    """The file that makes its creator the holder; created by this process alone."""
    path.mkdir(parents=True, exist_ok=True)
    numbers = [int(name) for name in os.listdir(path) if name.isdigit()]
    last = max(numbers, default=-1)
    if numbers and (content := (path / str(last)).read_bytes()) != FREE:
        look = _look(path, last, content)
        if time.monotonic() - look.since < seconds:
            raise Held(path, _told(content), look.alive)
    file = path / str(last + 1)
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        raise Held(path, "another that was faster", False) from None
    return file


def _look(path: Path, number: int, content: bytes) -> Look:
    """Since when this process has seen the lease as it is now."""
    before, now = _looks.get(path), time.monotonic()
    if before is None or before.number != number:
        _looks[path] = Look(number, content, now)
    elif before.content != content:
        _looks[path] = Look(number, content, now, alive=True)
    return _looks[path]


def _told(content: bytes) -> str:
    """Who holds a lease, as it says itself."""
    try:
        found = json.loads(content)
        return f"{found['owner']} process {found['pid']} on {found['host']}".strip()
    except (ValueError, KeyError, TypeError):  # it is being written
        return "another process"


class _Holder:
    """Gives signs of life in a file that is this process's own, until released."""

    def __init__(self, file: Path, seconds: float, owner: str) -> None:
        self.file, self.seconds, self.lost = file, seconds, False
        self.after = file.with_name(str(int(file.name) + 1))
        self.who = {"owner": owner, "host": socket.gethostname(), "pid": os.getpid()}
        self.who["token"] = uuid4().hex
        self.beats, self.heard = 0, time.monotonic()
        self.beat()
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._refresh, daemon=True)
        self.thread.start()

    def beat(self) -> None:
        """A sign of life: content that was never there before."""
        self.beats += 1
        said = {**self.who, "beats": self.beats, "time": time.time()}
        self._write(json.dumps(said).encode() + b"\n")
        self.heard = time.monotonic()

    def release(self) -> None:
        """End the signs of life and say that the lease is free."""
        self.stop.set()
        self.thread.join()
        if not self.lost:
            self._write(FREE)

    def _write(self, content: bytes) -> None:
        """Replace the content, on the server when this returns."""
        handle = os.open(self.file, os.O_WRONLY | os.O_TRUNC)  # never made anew
        try:
            os.write(handle, content)
            os.fsync(handle)
        finally:
            os.close(handle)

    def _refresh(self) -> None:
        """Give signs of life; if another took over, stop what the main thread does."""
        while not self.stop.wait(self.seconds / BEATS):
            try:
                self.lost = self.after.exists()
                if not self.lost:
                    self.beat()
            except OSError:  # a disk that hangs for a moment
                self.lost = time.monotonic() - self.heard > self.seconds
            if self.lost:
                # a real signal: it also wakes the main thread from a system call
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
                return
