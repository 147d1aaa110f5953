"""Archives that somebody else made, unpacked without trusting a word in them."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import charset_normalizer
from tqdm import tqdm

from lesionkit.lookup import one_line

BLOCK = 1 << 20


class BadArchive(ValueError):
    """An archive that is damaged, not one at all, or would do harm."""


@dataclass(frozen=True)
class Limits:
    """What an archive may be at most, unpacked."""

    bytes: int = 60_000_000_000  # ISIC 2017's largest has about a tenth of it
    # Of the size unpacked to the size packed: zlib cannot do more, and masks of one
    # value come near to it. What files that overlap or nest add up to is above.
    ratio: int = 1033
    files: int = 200_000

    def most(self, path: Path) -> int:
        """The bytes that this archive may unpack to."""
        return min(self.bytes, self.ratio * path.stat().st_size)


@dataclass(frozen=True)
class Member:
    """One file of an archive."""

    parts: tuple[str, ...]  # of its path
    size: int
    open: Callable[[], Any]  # gives a stream of bytes
    fault: str = ""  # why it must not be unpacked


LIMITS = Limits()
UTF_8 = 0x800  # the flag of a zip's member whose name is UTF-8
ASIA = ("utf_8", "cp949", "cp932", "gb18030", "big5")
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
# Python reads no rar; how each of these programs unpacks one, the first that can.
PROGRAMS = {
    "bsdtar": ("-xf", "{archive}", "-C", "{folder}"),
    "unar": ("-q", "-D", "-o", "{folder}", "{archive}"),
}
LOOK_SECONDS = 1.0  # between looks at how much a program has written
# RuntimeError is of a zip that is encrypted, or packed in a way that is not known.
ERRORS = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError)
ERRORS += (RuntimeError, UnicodeError)


def kind_problem(file: str, start: bytes) -> str | None:
    """What a file's first bytes are, if they are not what its name promises.

    Args:
        file: its name; the ending says what it should be.
        start: its first bytes, 300 or more where it has them.

    Returns:
        "a web page ('Not found'), not a zip archive" and the like, or None.
    """
    kind, place, starts = STARTS.get(Path(file).suffix.lower(), ("a table", 0, ()))
    is_markup = start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    if starts:
        right = start[place:].startswith(starts)
    else:
        right = b"," in start.split(b"\n", 1)[0] and b"\0" not in start
    if right and not is_markup:
        return None
    found = f"a file that begins with {start[:40]!r}" if start else "nothing"
    if is_markup:
        text = start.decode("utf-8", "replace")
        title = re.search(r"<title[^>]*>(.*?)</title", text, re.DOTALL | re.IGNORECASE)
        found = f"a web page ({title[1].strip()[:60]!r})" if title else "a web page"
    return f"{found}, not {kind}"


def unpack(
    path: Path,
    folder: Path,
    *,
    part: str = "",
    limits: Limits = LIMITS,
    progress: Callable = SILENT,
) -> None:
    """The files of a zip, tar, tar.gz or rar, below `folder`.

    A single folder around everything is left out, and so is what macOS adds. No link
    and no device is ever made, and nothing is written outside `folder`; an archive
    that asks for either is refused before anything is written. A rar is unpacked by
    a program into a temporary folder of `folder` first, then looked at likewise.

    Args:
        path: the archive.
        folder: an empty folder.
        part: the folder of the archive that is wanted; empty for all.
        limits: what it may hold at most.
        progress: makes a progress bar, tqdm for instance.

    Raises:
        BadArchive: damaged, harmful or beyond the limits; the text names what.
        FileNotFoundError: a rar, and no program that can read it.
        OSError: no space for it.
    """
    with _opened(path, folder, limits) as every:
        members = _without_prefix(path, list(_within(path, every, limits)), part)
        total = sum(member.size for member in members)
        need_space(folder, total, f"to unpack {path.name}")
        with progress(total=total, desc=f"unpack {path.name}") as bar:
            for member in members:
                target = folder.joinpath(*member.parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                with member.open() as source, target.open("xb") as stream:
                    while block := source.read(BLOCK):
                        stream.write(block)
                        bar.update(len(block))


@contextmanager
def _opened(path: Path, folder: Path, limits: Limits) -> Iterator[Iterable[Member]]:
    """All that an archive holds, as long as it is open; damage is told in one line."""
    kind = path.suffix.lower()
    try:
        if kind == ".rar":
            with TemporaryDirectory(prefix=".", dir=folder) as made:
                yield _by_program(path, Path(made), limits.most(path))
        elif kind == ".zip":
            with zipfile.ZipFile(path, metadata_encoding=_encoding(path)) as archive:
                yield _zip_members(archive)
        else:
            with tarfile.open(path) as archive:
                yield _tar_members(archive)
    except FileExistsError as error:
        place = Path(error.filename).name
        raise BadArchive(f"{path.name} has two files called {place!r}") from None
    except ERRORS as error:
        raise BadArchive(f"{path.name} is damaged: {one_line(error)}") from None


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


def _encoding(path: Path) -> str:
    """What the names of a zip are written in that does not say that it is UTF-8.

    The format's own cp437, unless all names together read as UTF-8 or as one of ASIA.
    """
    with zipfile.ZipFile(path) as archive:
        old = [i.filename for i in archive.infolist() if not i.flag_bits & UTF_8]
    names = "\n".join(name for name in old if not name.isascii()).encode("cp437")
    found = charset_normalizer.from_bytes(names, cp_isolation=[*ASIA, "cp1252"]).best()
    told = found.encoding if names and found else ""
    return told if told in ASIA else "cp437"


def _zip_members(archive: zipfile.ZipFile) -> Iterator[Member]:
    for info in archive.infolist():
        parts = safe_parts(info.filename)
        mode = stat.S_IFMT(info.external_attr >> 16)
        fault = "" if mode in (0, stat.S_IFREG, stat.S_IFDIR) else SPECIAL
        if info.flag_bits & 1:
            fault = "a file that needs a password"
        if fault or not info.is_dir():
            yield Member(parts, info.file_size, partial(archive.open, info), fault)


def _tar_members(archive: tarfile.TarFile) -> Iterator[Member]:
    for info in archive:
        parts = safe_parts(info.name)
        if not info.isdir():
            opened = partial(archive.extractfile, info)
            yield Member(parts, info.size, opened, "" if info.isreg() else SPECIAL)


def _by_program(path: Path, inside: Path, most: int) -> Iterator[Member]:
    """The files of a rar, which the first program that can has written to `inside`."""
    reasons = []
    for name in filter(shutil.which, PROGRAMS):
        made = inside / name
        made.mkdir()
        words = [w.format(archive=path.absolute(), folder=made) for w in PROGRAMS[name]]
        reason = _watched([name, *words], made, most)
        if reason is None:
            return _written(made)
        reasons.append(f"{name} says: {reason}")
    raise FileNotFoundError(
        f"{path} is a rar archive, and {'; '.join(reasons) or 'none is installed'}:"
        f" install one of {', '.join(PROGRAMS)} that can read it (unar or"
        " libarchive-tools of your system's packages are free), or unpack it there by"
        " hand; then run the same command again"
    )


def _watched(command: Sequence[str], made: Path, most: int) -> str | None:
    """Run a program and stop it when it has written too much; its failure, or None."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        errors="replace",
    ) as process:
        said = None
        while said is None:
            with suppress(subprocess.TimeoutExpired):
                said, _ = process.communicate(timeout=LOOK_SECONDS)
            written = 0
            with suppress(FileNotFoundError):  # it may be renaming a file meanwhile
                written = sum(path.lstat().st_size for path in made.rglob("*"))
            if written > most:
                process.kill()
                raise BadArchive(
                    f"the rar archive unpacks to more than {in_bytes(most)}"
                )
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    lines = [line for line in lines if "Error exit delayed" not in line]  # bsdtar's
    return None if process.returncode == 0 else (lines or ["it could not read it"])[-1]


def _written(made: Path) -> Iterator[Member]:
    """What a program wrote, to be looked at as what a zip or a tar holds."""
    for path in made.rglob("*"):
        facts = path.lstat()
        if not stat.S_ISDIR(facts.st_mode):
            fault = "" if stat.S_ISREG(facts.st_mode) else SPECIAL
            opened = partial(path.open, "rb")
            yield Member(path.relative_to(made).parts, facts.st_size, opened, fault)


def _within(path: Path, members: Iterable[Member], limits: Limits) -> Iterator[Member]:
    """The members, counted against the limits one by one."""
    total, most = 0, limits.most(path)
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
    litter = {"__MACOSX", ".DS_Store"}  # what file browsers leave
    members = [m for m in members if m.parts and not {m.parts[0], m.parts[-1]} & litter]
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
