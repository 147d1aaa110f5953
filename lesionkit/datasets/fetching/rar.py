"""Rar archives, which Python cannot read: through a program that is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from lesionkit.datasets.fetching.archives import (
    LIMITS,
    SILENT,
    SPECIAL,
    BadArchive,
    Limits,
    Member,
    in_bytes,
    place,
    safe_parts,
)

LOOK_SECONDS = 1.0  # between looks at how much a program has written
# How each program lists the names in {archive}, and unpacks it into {folder}.
PROGRAMS = {
    "bsdtar": (
        ("bsdtar", "-tf", "{archive}"),
        ("bsdtar", "-xf", "{archive}", "-C", "{folder}"),
    ),
    "unar": (
        ("lsar", "-j", "{archive}"),
        ("unar", "-q", "-D", "-o", "{folder}", "{archive}"),
    ),
}


def unpack_rar(
    path: Path,
    folder: Path,
    *,
    part: str = "",
    limits: Limits = LIMITS,
    progress: Callable = SILENT,
) -> None:
    """The files of a rar, below `folder`; arguments and rules as `archives.unpack`.

    Each program that is installed is tried until one can read the archive.

    Raises:
        FileNotFoundError: none of the programs is installed.
        RuntimeError: none of those that are could read it.
        BadArchive: harmful, or beyond the limits.
    """
    installed = [
        name
        for name, commands in PROGRAMS.items()
        if all(shutil.which(command[0]) for command in commands)
    ]
    if not installed:
        raise FileNotFoundError(
            f"{path} is a rar archive, and none of {', '.join(PROGRAMS)} is installed:"
            " install one (unar or libarchive-tools of your system's packages are"
            " free), or unpack it there by hand; then run the same command again"
        )
    most = min(limits.bytes, limits.ratio * path.stat().st_size)
    reasons = []
    for name in installed:
        with TemporaryDirectory(prefix=".", dir=folder) as made:
            inside = Path(made)
            reason = _tried(name, path.absolute(), inside, most=most)
            if reason is None:
                return place(
                    path,
                    _members(inside),
                    folder,
                    part=part,
                    limits=limits,
                    progress=progress,
                )
        reasons.append(f"{name}: {reason}")
    raise RuntimeError(
        f"{path} could not be unpacked by {'; '.join(reasons)}: install another of"
        f" {', '.join(PROGRAMS)}, or delete it to download it again"
    )


def _tried(name: str, path: Path, inside: Path, *, most: int) -> str | None:
    """Unpack with one program after looking at every name; why not, or None."""
    listing, unpacking = (
        [word.format(archive=path, folder=inside) for word in command]
        for command in PROGRAMS[name]
    )
    listed = subprocess.run(
        listing, stdin=subprocess.DEVNULL, capture_output=True, errors="replace"
    )
    names = _names(name, listed.stdout) if listed.returncode == 0 else []
    if not names:
        return _last_line(listed.stderr or listed.stdout)
    for found in names:
        safe_parts(found)
    return _watched(unpacking, inside, most)


def _names(program: str, listing: str) -> list[str]:
    """The names in a program's listing."""
    if program == "bsdtar":
        return [line for line in listing.splitlines() if line.strip()]
    try:
        return [member["XADFileName"] for member in json.loads(listing)["lsarContents"]]
    except (ValueError, KeyError):
        return []


def _watched(command: Sequence[str], inside: Path, most: int) -> str | None:
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
            if _size(inside) > most:
                process.kill()
                raise BadArchive(
                    f"the rar archive unpacks to more than {in_bytes(most)}"
                )
    return None if process.returncode == 0 else _last_line(said)


def _size(folder: Path) -> int:
    """Bytes of all files of a folder, which another process may be changing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size
        except FileNotFoundError:
            continue
    return total


def _last_line(text: str) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    lines = [line for line in lines if "Error exit delayed" not in line]  # bsdtar's
    return lines[-1] if lines else "it could not read it"


def _members(inside: Path) -> Iterator[Member]:
    """What a program wrote, to be looked at as what a zip or a tar holds."""
    for path in inside.rglob("*"):
        regular = path.is_file() and not path.is_symlink()
        if regular or path.is_symlink() or not path.is_dir():
            yield Member(
                path.relative_to(inside).parts,
                path.lstat().st_size,
                partial(path.open, "rb"),
                "" if regular else SPECIAL,
            )
