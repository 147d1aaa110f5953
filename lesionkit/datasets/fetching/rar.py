"""Rar archives, which Python cannot read: through a program that is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lesionkit.datasets.fetching.archives import (
    LIMITS,
    BadArchive,
    Limits,
    in_bytes,
    is_litter,
    safe_parts,
)

LOOK_SECONDS = 1.0  # between looks at how much a program has written
# How each program lists the names in {archive}, and unpacks it into {folder}.
PROGRAMS = {
    "unrar": (
        ("unrar", "lb", "-p-", "{archive}"),
        ("unrar", "x", "-idq", "-o-", "-p-", "{archive}", "{folder}/"),
    ),
    "bsdtar": (
        ("bsdtar", "-tf", "{archive}"),
        ("bsdtar", "-xf", "{archive}", "-C", "{folder}"),
    ),
    "7z": (
        ("7z", "l", "-slt", "-ba", "-p", "{archive}"),
        ("7z", "x", "-y", "-bd", "-p", "-o{folder}", "{archive}"),
    ),
    "7zz": (
        ("7zz", "l", "-slt", "-ba", "-p", "{archive}"),
        ("7zz", "x", "-y", "-bd", "-p", "-o{folder}", "{archive}"),
    ),
    "unar": (
        ("lsar", "-j", "{archive}"),
        ("unar", "-q", "-D", "-o", "{folder}", "{archive}"),
    ),
}


def unpack_rar(
    path: Path, folder: Path, *, part: str = "", limits: Limits = LIMITS
) -> None:
    """The files of a rar, below `folder`; the rules are those of `archives.unpack`.

    Each program that is installed is tried until one can read the archive.

    Args:
        path: the archive.
        folder: an empty folder.
        part: the folder of the archive that is wanted; empty for all.
        limits: what it may hold at most.

    Raises:
        FileNotFoundError: none of the programs is installed.
        RuntimeError: none of those that are could read it.
        BadArchive: harmful, or beyond the limits.
    """
    installed = [name for name in PROGRAMS if shutil.which(PROGRAMS[name][1][0])]
    if not installed:
        raise FileNotFoundError(
            f"{path} is a rar archive, and none of {', '.join(PROGRAMS)} is installed:"
            " install one (unar or libarchive-tools of your system's packages are"
            " free), or unpack it there by hand; then run the same command again"
        )
    most = min(limits.bytes, limits.ratio * path.stat().st_size)
    reasons = []
    for name in installed:
        inside = folder / f".{name}"
        inside.mkdir()
        reason = _tried(name, path.absolute(), inside, most=most)
        if reason is None:
            _check(path, inside, limits.files)
            _move_up(path, inside, folder, part=part)
            return
        shutil.rmtree(inside)
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
    if shutil.which(listing[0]) is None:
        return f"no {listing[0]}"
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
    if program == "unar":
        try:
            members = json.loads(listing)["lsarContents"]
        except (ValueError, KeyError):
            return []
        return [member["XADFileName"] for member in members]
    lines = listing.splitlines()
    if program.startswith("7z"):
        starts = [line for line in lines if line.startswith("Path = ")]
        return [line.removeprefix("Path = ") for line in starts]
    return [line for line in lines if line.strip()]


def _watched(command: Sequence[str], inside: Path, most: int) -> str | None:
    """Run a program and stop it when it has written too much; its failure, or None."""
    log = inside.with_name(inside.name + ".log")
    with log.open("w+", errors="replace") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            while process.poll() is None and _size(inside) <= most:
                _wait(process)
        finally:
            process.kill()
            process.wait()
        output.seek(0)
        said = output.read()
    log.unlink()
    if _size(inside) > most:
        raise BadArchive(f"the rar archive unpacks to more than {in_bytes(most)}")
    return None if process.returncode == 0 else _last_line(said)


def _wait(process: subprocess.Popen) -> None:
    """Give a program time, but no longer than it needs."""
    try:
        process.wait(timeout=LOOK_SECONDS)
    except subprocess.TimeoutExpired:
        return


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


def _check(path: Path, inside: Path, most_files: int) -> None:
    """Refuse links, devices and too many files among what a program wrote."""
    written = list(inside.rglob("*"))
    for found in written:
        if found.is_symlink() or not (found.is_file() or found.is_dir()):
            name = found.relative_to(inside).as_posix()
            raise BadArchive(f"{path.name} holds a link or a device: {name!r}")
    if len(written) > most_files:
        raise BadArchive(f"{path.name} holds more than {most_files} files")


def _move_up(path: Path, inside: Path, folder: Path, *, part: str) -> None:
    """Move the wanted files up into `folder`, without a single folder around them."""
    root = inside.joinpath(*safe_parts(part)) if part else inside
    if not root.is_dir():
        raise BadArchive(f"{path.name} holds no file in {part!r}")
    kept = [p for p in root.iterdir() if not is_litter((p.name,))]
    if not part and len(kept) == 1 and kept[0].is_dir():
        kept = list(kept[0].iterdir())
    if not kept:
        raise BadArchive(f"{path.name} holds no file")
    for child in kept:
        child.rename(folder / child.name)
    shutil.rmtree(inside)
