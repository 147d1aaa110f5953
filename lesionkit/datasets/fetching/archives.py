"""Archives that somebody else made, unpacked without trusting a word in them."""

from __future__ import annotations

import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

from lesionkit.lookup import one_line

BLOCK = 1 << 20


class BadArchive(ValueError):
    """An archive that is damaged, not one at all, or would do harm."""


@dataclass(frozen=True)
class Limits:
    """What an archive may be at most, unpacked."""

    bytes: int = 60_000_000_000  # ISIC 2017's largest has about a tenth of it
    ratio: int = 200  # of the size unpacked to the size packed
    files: int = 200_000


@dataclass(frozen=True)
class Member:
    """One file of an archive."""

    parts: tuple[str, ...]  # of its path
    size: int
    open: Callable[[], IO[bytes] | None]
    fault: str = ""  # why it must not be unpacked


LIMITS = Limits()
SILENT = partial(tqdm, disable=True)  # a progress bar that shows nothing
SPECIAL = "a link or a device"
# How each kind begins, and where.
STARTS = {
    ".zip": ("a zip archive", 0, (b"PK\x03\x04", b"PK\x05\x06")),
    ".rar": ("a rar archive", 0, (b"Rar!\x1a\x07",)),
    ".gz": ("a tar.gz archive", 0, (b"\x1f\x8b",)),
    ".tgz": ("a tar.gz archive", 0, (b"\x1f\x8b",)),
    ".tar": ("a tar archive", 257, (b"ustar",)),
}
ERRORS = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    RuntimeError,  # encrypted, or packed in a way that zipfile does not know
    UnicodeError,
)


def kind_problem(file: str, start: bytes) -> str | None:
    """What a file's first bytes are, if they are not what its name promises.

    Args:
        file: its name; the ending says what it should be.
        start: its first bytes, 300 or more where it has them.

    Returns:
        "a web page ('Not found'), not a zip archive" and the like, or None.
    """
    kind, place, starts = STARTS.get(Path(file).suffix.lower(), ("a table", 0, ()))
    first = start.split(b"\n", 1)[0]
    if starts and start[place:].startswith(starts):
        return None
    if not starts and not _is_markup(start) and b"," in first and b"\0" not in start:
        return None
    return f"{_described(start)}, not {kind}"


def _is_markup(start: bytes) -> bool:
    """Whether it begins like HTML or XML."""
    return start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def _described(start: bytes) -> str:
    """What somebody else's first bytes look like, in words."""
    text = start.decode("utf-8", "replace")
    if _is_markup(start):
        title = re.search(r"<title[^>]*>(.*?)</title", text, re.DOTALL | re.IGNORECASE)
        return f"a web page ({title[1].strip()[:60]!r})" if title else "a web page"
    if text.startswith("version https://git-lfs"):
        return "a pointer to a file kept elsewhere (Git LFS)"
    if not start:
        return "nothing"
    if text.isprintable() or "\n" in text and "\0" not in text and "\ufffd" not in text:
        return f"text ({text.splitlines()[0][:60]!r})"
    return f"bytes that begin with {start[:6].hex(' ')}"


def unpack(
    path: Path,
    folder: Path,
    *,
    part: str = "",
    limits: Limits = LIMITS,
    progress: Callable = SILENT,
) -> None:
    """The files of a zip, tar or tar.gz, below `folder`.

    A single folder around everything is left out, and so is what macOS adds. No link
    and no device is ever made, and nothing is written outside `folder`; an archive
    that asks for either is refused before anything is written.

    Args:
        path: the archive.
        folder: an empty folder.
        part: the folder of the archive that is wanted; empty for all.
        limits: what it may hold at most.
        progress: makes a progress bar, tqdm for instance.

    Raises:
        BadArchive: damaged, harmful or beyond the limits; the text names what.
        OSError: no space for it.
    """
    opened = zipfile.ZipFile if path.suffix.lower() == ".zip" else tarfile.open
    with _readable(path), opened(path) as archive:
        if isinstance(archive, zipfile.ZipFile):
            members = _zip_members(archive)
        else:
            members = _tar_members(archive)
        place(path, members, folder, part=part, limits=limits, progress=progress)


def place(
    path: Path,
    every: Iterable[Member],
    folder: Path,
    *,
    part: str,
    limits: Limits,
    progress: Callable,
) -> None:
    """Write the wanted members below `folder`, once all of them have been looked at.

    Args:
        path: of their archive.
        every: all that it holds.
        folder, part, limits, progress: as `unpack` has them.

    Raises:
        BadArchive, OSError: as `unpack`.
    """
    members = _without_prefix(path, list(_within(path, every, limits)), part)
    total = sum(member.size for member in members)
    need_space(folder, total, f"to unpack {path.name}")
    with progress(total=total, desc=f"unpack {path.name}") as bar:
        for member in members:
            _write(member, folder, bar)


def need_space(folder: Path, size: int, what: str) -> None:
    """Refuse early what would fill the disk.

    Raises:
        OSError: fewer than `size` bytes are free.
    """
    free = shutil.disk_usage(folder).free
    if free < size:
        raise OSError(
            f"{what}, {in_bytes(size)} are needed, and {in_bytes(free)} are free at"
            f" {folder}"
        )


def in_bytes(size: float) -> str:
    """A number of bytes as people say it, 46.2 MB."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """What the libraries say of a damaged archive, as one line."""
    try:
        yield
    except FileExistsError as error:
        place = Path(error.filename).name
        raise BadArchive(f"{path.name} has two files called {place!r}") from None
    except ERRORS as error:
        raise BadArchive(f"{path.name} is damaged: {one_line(error)}") from None


def safe_parts(name: str) -> tuple[str, ...]:
    """The parts of a path inside an archive.

    Raises:
        BadArchive: it is absolute or leads out of the archive's folder.
    """
    text = name.replace("\\", "/")
    parts = tuple(part for part in text.split("/") if part not in ("", "."))
    if text.startswith("/") or re.match("[A-Za-z]:", text) or ".." in parts:
        raise BadArchive(f"the archive would write outside its folder: {name!r}")
    return parts


def _zip_members(archive: zipfile.ZipFile) -> Iterator[Member]:
    """The files of a zip."""
    for info in archive.infolist():
        parts = safe_parts(info.filename)
        mode = stat.S_IFMT(info.external_attr >> 16)
        fault = "" if mode in (0, stat.S_IFREG, stat.S_IFDIR) else SPECIAL
        if info.flag_bits & 1:
            fault = "a file that needs a password"
        if fault or not info.is_dir():
            yield Member(parts, info.file_size, partial(archive.open, info), fault)


def _tar_members(archive: tarfile.TarFile) -> Iterator[Member]:
    """The files of a tar."""
    for info in archive:
        parts = safe_parts(info.name)
        if not info.isdir():
            opened = partial(archive.extractfile, info)
            yield Member(parts, info.size, opened, "" if info.isreg() else SPECIAL)


def _within(path: Path, members: Iterable[Member], limits: Limits) -> Iterator[Member]:
    """The members, counted against the limits one by one."""
    total, most = 0, min(limits.bytes, limits.ratio * path.stat().st_size)
    for count, member in enumerate(members, start=1):
        total += member.size
        if count > limits.files:
            raise BadArchive(f"{path.name} holds more than {limits.files} files")
        if total > most:
            raise BadArchive(
                f"{path.name} would unpack to more than {in_bytes(most)}, too much for"
                f" its {in_bytes(path.stat().st_size)}"
            )
        yield member


def _without_prefix(path: Path, members: list[Member], part: str) -> list[Member]:
    """The members of the wanted folder, their paths counted from it."""
    members = [m for m in members if not _is_litter(m.parts)]
    tops = {member.parts[0] for member in members if len(member.parts) > 1}
    flat = any(len(member.parts) == 1 for member in members)
    prefix = tuple(tops) if len(tops) == 1 and not flat else ()
    if part:
        prefix = safe_parts(part)
    size = len(prefix)
    found = [m for m in members if m.parts[:size] == prefix and len(m.parts) > size]
    if not found:
        raise BadArchive(f"{path.name} holds no file" + f" in {part!r}" * bool(part))
    for member in found:
        if member.fault:
            name = "/".join(member.parts)
            raise BadArchive(f"{path.name} holds {member.fault}: {name!r}")
    return [replace(member, parts=member.parts[size:]) for member in found]


def _is_litter(parts: tuple[str, ...]) -> bool:
    """Whether it is no file of the data set but what a file browser left."""
    return not parts or parts[0] == "__MACOSX" or parts[-1] == ".DS_Store"


def _write(member: Member, folder: Path, bar) -> None:
    """One file, never over another; the libraries stop at the size that it says."""
    target = folder.joinpath(*member.parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    opened: Any = member.open()  # None for a folder, which is no member
    with opened as source, target.open("xb") as stream:
        while block := source.read(BLOCK):
            stream.write(block)
            bar.update(len(block))
