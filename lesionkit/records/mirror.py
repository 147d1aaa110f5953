"""Run records behind a URL, kept here by their small files and checked by their seal.

data/cache/records/<place>-<16 hex>/
    config.json, metrics.json, ...   as there; the rest once it is asked for
    DONE                             as there
    .origin                          the URL, and what tells that DONE changed
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lesionkit.config import data_folder
from lesionkit.records.files import beside, sha256, whole_folder, write_bytes
from lesionkit.records.stores import Store, at_once, mark, open_store

SMALL = (
    *("config.json", "metrics.json", "environment.json"),
    *("images.csv", "history.csv", "split.csv"),
)
ORIGIN = ".origin"
Listing = Mapping[str, Mapping[str, Any]]
Seal = dict[str, dict[str, Any]]


def mirrored(url: str) -> list[Path]:
    """Where the finished records at or below a URL are kept here, in their order.

    Only what is new or changed is read, small files alone.

    Raises:
        FileNotFoundError, PermissionError, OSError: the URL cannot be read.
        ValueError: a record is not what its seal says; the text names the file.
    """
    store = open_store(url)
    listing = store.listing()
    names = finished(listing)
    return at_once(lambda name: mirror(store, name, listing), names)


def standing(url: str) -> list[tuple[str, str, str]]:
    """Each record at or below a URL: name, state and the reason for it.

    The state is done, damaged or, where DONE is not there (yet), unfinished.
    """
    store = open_store(url)
    listing = store.listing()
    done = set(finished(listing))
    names = sorted(done | set(_folders_with("config.json", listing)))

    def state(name: str) -> tuple[str, str, str]:
        if name not in done:
            return name, "unfinished", ""
        try:
            mirror(store, name, listing)
        except ValueError as error:
            return name, "damaged", str(error)
        return name, "done", ""

    return at_once(state, names)


def finished(listing: Listing) -> list[str]:
    """Names of the folders that hold a DONE, sorted; "" for the place itself."""
    return _folders_with("DONE", listing)


def _folders_with(file: str, listing: Listing) -> list[str]:
    """Names of the folders that hold a file of this name."""
    found = [name.rpartition("/") for name in listing]
    return sorted(folder for folder, _, last in found if last == file)


def mirror(store: Store, name: str, listing: Listing) -> Path:
    """Where a record is kept here, brought up to what is at the URL."""
    url, path = store.at(name), f"{name}/" if name else ""
    folder = cache_folder(url)
    known, origin = mark(listing[path + "DONE"]), _origin(folder)
    if known is None or known != origin.get("mark"):
        done, now = store.read(path + "DONE"), {"url": url, "mark": known}
        if not origin or (folder / "DONE").read_bytes() != done:
            _fetch(store, path, folder, {"DONE": done, ORIGIN: _as_bytes(now)})
        elif now != origin:
            write_bytes(folder / ORIGIN, _as_bytes(now))
    seal = read_seal((folder / "DONE").read_bytes(), url)
    for file, stated in seal.items():
        _check_size(listing.get(path + file), stated["bytes"], store.at(path + file))
    return folder


def _check_size(facts: Mapping[str, Any] | None, stated: int, url: str) -> None:
    """Refuse a file that is not there, or not with the size that the seal states."""
    if facts is None:
        raise _damaged(url, "is missing")
    if facts.get("size") not in (None, stated):  # a web server does not tell
        raise _damaged(url, f"is {facts['size']} bytes, not {stated}")


def cache_folder(url: str) -> Path:
    """Where the record at a URL is kept: its last names, and a hash of the whole."""
    names = [re.sub(r"[^\w-]+", "_", part) for part in url.split("/")[-6:]]
    digest = hashlib.sha256(url.encode()).hexdigest()[:16]
    place = ".".join(name for name in names if name)[-120:].lstrip(".")
    return data_folder() / "cache" / "records" / f"{place}-{digest}"


def _origin(folder: Path) -> dict[str, Any]:
    """What is known of a mirrored record; empty for any other folder, or a broken one.

    After a power cut a file may be there without its content.
    """
    try:
        origin = json.loads((folder / ORIGIN).read_text())
        seal = read_seal((folder / "DONE").read_bytes(), folder)
    except (FileNotFoundError, ValueError):
        return {}
    sizes = {file: stated["bytes"] for file, stated in seal.items() if file in SMALL}
    whole = all(_size(folder / file) == size for file, size in sizes.items())
    return origin if whole else {}


def _size(path: Path) -> int | None:
    """Bytes of a file, or None if it is not there."""
    return path.stat().st_size if path.is_file() else None


def _as_bytes(value: Any) -> bytes:
    """A value as the bytes of a JSON file."""
    return json.dumps(value, indent=2).encode()


def _fetch(store: Store, path: str, folder: Path, known: Mapping[str, bytes]) -> None:
    """Put a record's small files in place beside what is known, all or none."""
    seal = read_seal(known["DONE"], store.at(path.rstrip("/")))
    with whole_folder(folder) as temporary:
        for file in (file for file in SMALL if file in seal):
            content = store.read(path + file)
            digest = hashlib.sha256(content).hexdigest()
            _check(len(content), digest, seal[file], store.at(path + file))
            (temporary / file).write_bytes(content)
        for file, content in known.items():
            (temporary / file).write_bytes(content)


def complete(folder: Path, file: str) -> Path:
    """The path of a record's file, fetched first if the record is mirrored without it.

    Raises:
        ValueError: what is at the URL is not what the seal says.
    """
    path, origin = folder / file, _origin(folder)
    if path.exists() or not origin:
        return path
    seal = read_seal((folder / "DONE").read_bytes(), origin["url"])
    if file not in seal:
        return path
    store = open_store(origin["url"])
    temporary = beside(path)
    try:
        store.download(file, temporary)
        size, digest = temporary.stat().st_size, sha256(temporary)
        _check(size, digest, seal[file], store.at(file))
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def read_seal(done: bytes, place: object) -> Seal:
    """Size and hash of every file of a record, from the content of its DONE.

    Raises:
        ValueError: not a seal, or one that names a file outside its folder.
    """
    try:
        seal = json.loads(done)["files"]
        for file, stated in seal.items():
            if not re.fullmatch(r"\w[\w.-]*", file):
                raise ValueError(file)
            int(stated["bytes"]), str(stated["sha256"])  # refuses what has not both
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(
            f"{place}/DONE is not the seal of a run record; remove it, or push the"
            " record again"
        ) from None
    return seal


def _check(size: int, digest: str, stated: Mapping[str, Any], url: str) -> None:
    """Refuse a file that is not what the seal says."""
    _check_size({"size": size}, stated["bytes"], url)
    if digest != stated["sha256"]:
        raise _damaged(url, "was changed after the run ended")


def _damaged(url: str, how: str) -> ValueError:
    """The error for a file that does not match its seal."""
    record = url.rpartition("/")[0]
    return ValueError(f"{url} {how}; move {record} away to leave it out")
