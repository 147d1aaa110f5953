"""What was downloaded: verified the first time and every time after."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from lesionkit.catalogue.publishers import Archive
from lesionkit.records import files

HASHES = ".lesionkit-hashes.json"  # in a raw folder: facts of each file, by its name


def verify(path: Path, archive: Archive, report: Callable[[str], None]) -> dict:
    """The hash and size of a file that is the publisher's.

    Where the publisher's SHA-256 is not known, it has to be that of the first
    download, if there was one; an MD5 that is known is checked as well.

    Args:
        path: the file, in a raw folder.
        archive: what is known of it.
        report: takes a line that says what was checked.

    Raises:
        ValueError: it is another file, which is set aside under another name.
    """
    then = recorded(path.parent).get(path.name, {}).get("sha256")
    found, md5 = files.sha256(path), ""
    if archive.md5:
        with path.open("rb") as stream:
            md5 = hashlib.file_digest(stream, "md5").hexdigest()
    why = ""
    if archive.sha256 and found != archive.sha256:
        why = f"SHA-256 {found}, not {archive.sha256}"
    elif archive.md5 and md5 != archive.md5:
        why = f"MD5 {md5}, not {archive.md5}"
    elif not archive.sha256 and then and found != then:
        why = (
            f"SHA-256 {found}, not the {then} of the first download (delete {HASHES} if"
            " the publisher has a new version)"
        )
    if why:
        raise ValueError(
            f"{path.name} is not the file it should be: {why}; kept as"
            f" {set_aside(path)}, and the next fetch downloads it again"
        )
    known = "checksum right" if archive.sha256 or archive.md5 else ""
    new = f"no checksum is known; kept for next time: {found}"
    said = known or ("the same as at the first download" if then else new)
    report(f"{path.name}: {said}")
    return {"sha256": found, "bytes": path.stat().st_size}


def set_aside(path: Path) -> Path:
    """A file that must not be used, under another name."""
    aside = path.with_name(f"{path.name}.refused")
    path.replace(aside)
    return aside


def recorded(raw: Path) -> dict[str, dict]:
    """What was downloaded to a raw folder, by file name.

    Raises:
        ValueError: the record cannot be read.
    """
    path = raw / HASHES
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text()))
    except (ValueError, TypeError):
        raise ValueError(
            f"{path} cannot be read: delete it to record the checksums anew"
        ) from None


def remember(raw: Path, file: str, facts: dict) -> None:
    """Record what was downloaded."""
    known = recorded(raw)
    if known.get(file) != facts:
        files.write_json(raw / HASHES, known | {file: facts})
