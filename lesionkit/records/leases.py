"""Leases: one holder at a time, also on a shared disk where file locks do nothing.

A lease is a folder with a file for each holder so far: 0, 1, 2, ... Whoever creates the
next number (O_EXCL, which every file system decides for one alone) holds the lease, and
only the holder writes to its file: a growing count, from a thread, and at the end that
it is free. A file that another process saw unchanged for long enough, by that process's
own monotonic clock, is of a holder that is gone, and the next number may be taken. No
time of another machine is ever compared, and since no number is used twice, two that
judge an old holder at once cannot both take over.

On one machine nobody waits for that: the holder also has a lock of the system on its
file, which ends with the process, even by kill -9. Where it gets none, as on Windows or
on some shared disks, its signs of life decide on its own machine too. So they do where
one machine has the disk twice, as two containers may: neither mount sees the other's
locks. An error of the disk never says that a lease is free.
"""

from __future__ import annotations

import _thread
import contextlib
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
from functools import cache
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

SECONDS = 120.0
BEATS = 4  # signs of life in that time
FREE = b"free\n"
OURS = "LESIONKIT_LEASES"  # what a process holds, for its children


class Held(BlockingIOError):
    """Another holds the lease.

    Attributes:
        by: who holds it.
        alive: whether it gave a sign of life since this process first looked.
    """

    def __init__(self, told: str, by: str, alive: bool) -> None:
        super().__init__(told)
        self.by, self.alive = by, alive


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
_inherited = os.environ.get(OURS, "").split()  # what a parent held when this began


class _Own(threading.local):
    tokens: tuple[str, ...] = ()  # what this thread holds


_own = _Own()


@contextmanager
def lease(path: Path, seconds: float = SECONDS, *, owner: str = "") -> Iterator[None]:
    """Hold a lease for the block; what this thread or a parent process has is kept.

    Should another take it over, because this process was paused, the block is stopped
    as by Ctrl-C if it is in the main thread, else Lost is raised at its end.

    Args:
        path: the folder of the lease, made if it is not there.
        seconds: how long a holder may be silent; the same for all who share the lease.
        owner: told to those who find it held, besides the host and the process.

    Raises:
        BlockingIOError: `Held`: another holds it. Call again to take over from a holder
            that is gone: on this machine that is seen at once, one of another must
            have been seen unchanged for so many seconds.
        Lost: another took it over in the meantime.
    """
    file = _next(path, seconds)
    if file is None:
        yield
        return
    holder = _Holder(file, seconds, owner)
    try:
        try:
            with _heard(holder), _ours(str(holder.who["token"])):
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


def is_held(path: Path, seconds: float = SECONDS) -> bool:
    """Whether somebody holds a lease, at one look.

    Of a holder on another machine it counts whether the file changed in the last so
    many seconds, by the clock of the disk: good enough to tell people, not to decide.
    A lease that cannot be read counts as held.
    """
    here = is_held_here(path)
    if here is not None:
        return here
    probe = path / f".{uuid4().hex[:8]}.part"
    try:
        now, changed = time.time(), (path / str(_last(path))).stat().st_mtime
    except FileNotFoundError:
        return False
    except OSError:  # a disk that hangs, or a folder of somebody else
        return True
    with contextlib.suppress(OSError):  # of a disk that is read only
        probe.touch()
        now = probe.stat().st_mtime
        probe.unlink()
    return now - changed < seconds


def is_held_here(path: Path) -> bool | None:
    """Whether a process of this machine holds a lease; None: it may be another's.

    None as well where the lease cannot be read.
    """
    try:
        file = path / str(_last(path))
        content = file.read_bytes()
    except FileNotFoundError:
        return False
    except OSError:
        return None
    if content == FREE:
        return False
    return is_locked(file) if _is_here(_found(content), file) else None


def _is_here(found: dict[str, object], file: Path) -> bool:
    """Whether a holder locks its file on this machine, through the mount used here.

    The number of the device tells two mounts of one NFS or FUSE disk apart.
    """
    with contextlib.suppress(OSError):
        same_disk = found.get("disk") == file.stat().st_dev
        return same_disk and found.get("machine") == machine()
    return False


@cache
def machine() -> str:
    """What tells this machine, since it was started, from every other."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return socket.gethostname()


def _locks(stream: BinaryIO, *, shared: bool = False) -> bool | None:
    """Whether an open file is locked now, by this; None: locks do not work here."""
    if fcntl is None:
        return None
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(stream, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a disk without locks
        return None
    return True


def is_locked(file: Path) -> bool | None:
    """Whether a process of this machine has the lock; None: locks do not work here."""
    with contextlib.suppress(OSError), file.open("rb") as stream:
        free = _locks(stream, shared=True)
        return None if free is None else not free
    return None


def _last(path: Path) -> int:
    """The number of the last holder; -1 if there was none."""
    return max((int(name) for name in os.listdir(path) if name.isdigit()), default=-1)


def _next(path: Path, seconds: float) -> Path | None:
    """The file that makes its creator the holder; created by this process alone.

    None if this thread or a parent of this process is the holder already.
    """
    path.mkdir(parents=True, exist_ok=True)
    last = _last(path)
    file = path / str(last + 1)
    try:
        if last >= 0 and (content := (path / str(last)).read_bytes()) != FREE:
            if _found(content).get("token") in (*_inherited, *_own.tokens):
                return None
            _judge(path, last, content, seconds)
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except (FileExistsError, FileNotFoundError):
        by = "another that was faster"
        raise Held(f"{path} is held by {by}", by, False) from None
    return file


def _judge(path: Path, last: int, content: bytes, seconds: float) -> None:
    """Raise Held unless the last holder is gone."""
    found, look = _found(content), _look(path, last, content)
    file = path / str(last)
    locked = is_locked(file) if _is_here(found, file) else None
    silent = time.monotonic() - look.since >= seconds
    if locked is False or (locked is None and silent):
        return
    try:
        by = "{owner} process {pid} on {host}".format_map(found).strip()
    except KeyError:
        by = "another process"
    raise Held(f"{path} is held by {by}", by, locked or look.alive)


def _look(path: Path, number: int, content: bytes) -> Look:
    """Since when this process has seen the lease as it is now."""
    before = _looks.get(path)
    if before is None or (before.number, before.content) != (number, content):
        alive = before is not None and before.number == number
        _looks[path] = Look(number, content, time.monotonic(), alive)
    return _looks[path]


@contextmanager
def _ours(token: str) -> Iterator[None]:
    """This thread, and children that are started in the block, hold it already."""
    os.environ[OURS] = f"{os.environ.get(OURS, '')} {token}".strip()
    _own.tokens = (*_own.tokens, token)
    try:
        yield
    finally:
        _own.tokens = tuple(each for each in _own.tokens if each != token)
        left = [each for each in os.environ.get(OURS, "").split() if each != token]
        os.environ[OURS] = " ".join(left)


@contextmanager
def _heard(holder: _Holder) -> Iterator[None]:
    """The holder can stop this thread also where SIGINT is ignored, as with `nohup`.

    A Ctrl-C of somebody else stays ignored.
    """
    if not holder.in_main or signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        yield
        return

    def stop(*_: object) -> None:
        if holder.lost:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _found(content: bytes) -> dict[str, object]:
    """What a holder wrote; empty while it is being written."""
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


class _Holder:
    """Gives signs of life in a file that is this process's own, until released."""

    def __init__(self, file: Path, seconds: float, owner: str) -> None:
        self.file, self.seconds, self.lost = file, seconds, False
        self.after = file.with_name(str(int(file.name) + 1))
        self.who = {"owner": owner, "host": socket.gethostname(), "pid": os.getpid()}
        self.in_main = threading.current_thread() is threading.main_thread()
        self.lock = file.open("rb+")  # on NFS a lock needs a file open for writing
        # without one this is nobody's machine: a free lock would say that it is gone
        here = machine() if _locks(self.lock) else ""
        disk = os.fstat(self.lock.fileno()).st_dev
        self.who |= {"token": uuid4().hex, "machine": here, "disk": disk}
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
            with contextlib.suppress(FileNotFoundError):  # cleared by another
                self._write(FREE)
        self.lock.close()

    def _write(self, content: bytes) -> None:
        """Replace the content, on the server when this returns."""
        with self.file.open("rb+", buffering=0) as stream:  # never made anew
            stream.truncate()
            stream.write(content)
            os.fsync(stream.fileno())

    def _refresh(self) -> None:
        """Give signs of life; if another took over, stop what the main thread does."""
        while not self.stop.wait(self.seconds / BEATS):
            try:
                self.lost = self.after.exists()
                if not self.lost:
                    self.beat()
            except OSError:  # a disk that hangs for a moment
                self.lost = time.monotonic() - self.heard > self.seconds
            if self.lost and self.in_main:
                if hasattr(signal, "pthread_kill"):  # also out of a system call
                    main = threading.main_thread().ident or 0
                    signal.pthread_kill(main, signal.SIGINT)
                else:
                    _thread.interrupt_main()
            if self.lost:
                return
