"""Run records behind a URL, through fsspec, kept here by their small files.

data/cache/records/<place>-<16 hex>/
    config.json, metrics.json, ...   as there; the rest once it is asked for
    DONE                             as there; read again each time
    .origin                          the URL

Every file is checked against the seal, and a failure is one line.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesionkit.config import data_folder
from lesionkit.lookup import nearest, one_line
from lesionkit.records.files import beside, sha256, whole_folder

# Two letters at least: one letter is a drive of Windows.
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(?=://)")
PASSWORD = re.compile(r"//[^/@\s]*:[^/@\s]*@")
USUAL = ("s3", "gs", "abfs", "https", "sftp", "file", "memory")
THREADS = 16  # requests at once
SMALL = (
    *("config.json", "metrics.json", "environment.json"),
    *("images.csv", "history.csv", "split.csv"),
)
ORIGIN = ".origin"
Listing = Mapping[str, Mapping[str, Any]]
Seal = dict[str, dict[str, Any]]


def is_url(place: object) -> bool:
    """Whether this is text such as s3://bucket/runs rather than a path."""
    return isinstance(place, str) and SCHEME.match(place) is not None


@dataclass(frozen=True)
class Store:
    """A folder behind a URL; files in it by their name below it.

    Attributes:
        url: without a slash at its end, unless it is a scheme alone.
        files: a file system of fsspec.
        root: the folder, as the file system names it.
    """

    url: str
    files: Any
    root: str

    def at(self, name: str) -> str:
        """The URL of a file or folder."""
        slash = "" if not name or self.url.endswith("/") else "/"
        return self.url + slash + name

    def listing(self) -> Listing:
        """Every file at any depth: name to what the file system tells of it."""
        from fsspec.asyn import AsyncFileSystem
        from fsspec.spec import AbstractFileSystem

        kind = type(self.files)
        find = kind._find if self.files.async_impl else kind.find
        with told(self.url, "read"):
            if find in (AbstractFileSystem.find, AsyncFileSystem._find):
                found = {f["name"]: f for f in _walk(self.files, self.root)}
            else:  # all at once
                found = self.files.find(self.root, detail=True)
        return {path[len(self.root) :].lstrip("/"): f for path, f in found.items()}

    def read(self, name: str) -> bytes:
        """The content of a file."""
        with told(self.at(name), "read"):
            return self.files.cat_file(f"{self.root}/{name}")

    def fetch(self, name: str, target: Path, stated: Mapping[str, Any]) -> None:
        """Write a file, of any size, to one here, if it is what the seal states."""
        with told(self.at(name), "read"):
            self.files.get_file(f"{self.root}/{name}", str(target))
        _check_size(self.at(name), target.stat().st_size, stated)
        if sha256(target) != stated["sha256"]:
            raise _damaged(self.at(name), "was changed after the run ended")

    def upload(self, source: Path, name: str) -> None:
        """Write a file from here, of any size."""
        with told(self.at(name), "written"):
            self.files.put_file(str(source), f"{self.root}/{name}")

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with told(self.at(name), "written"):
            if self.files.exists(f"{self.root}/{name}"):
                self.files.rm_file(f"{self.root}/{name}")

    def make(self, name: str = "") -> None:
        """Make the folder, or one in it, where the file system has folders.

        Object stores have none; asked for one, theirs would make a misspelt bucket.
        """
        with told(self.url, "written"):
            if not self.files.async_impl:
                self.files.makedirs(f"{self.root}/{name}", exist_ok=True)


def open_store(url: str) -> Store:
    """The folder behind a URL; nothing is asked of it yet.

    Raises:
        ValueError: an unknown scheme, or a URL with a password or another URL in it.
        ImportError: the scheme needs a package; the text says which.
    """
    if PASSWORD.search(url):
        shown = PASSWORD.sub("//", url)
        raise ValueError(
            f"a password has no place in a URL ({shown}): it would be stored; name it"
            " in ~/.config/fsspec/ or in the environment"
        )
    if "::" in url:
        raise ValueError(f"expected one URL, got a chain of them: {url}")
    from fsspec import get_filesystem_class
    from fsspec.core import url_to_fs

    scheme = url.partition("://")[0]
    try:
        get_filesystem_class(scheme)
    except ValueError:
        near = nearest(scheme, USUAL)
        hint = f" Did you mean {near!r}?" if near else ""
        raise ValueError(
            f"unknown scheme {scheme!r} in {url}.{hint} For instance: "
            f"{', '.join(USUAL)}."
        ) from None
    except ImportError as error:
        missing = getattr(error.__cause__ or error.__context__, "name", None)
        wanted = f"uv pip install {missing}" if missing else str(error)
        raise ImportError(f"{scheme}:// needs a package: {wanted}") from None
    with told(url, "opened"):
        files, root = url_to_fs(url)
        files.invalidate_cache()  # an earlier listing of this process may be old
    return Store(
        url if url.endswith("://") else url.rstrip("/"), files, root.rstrip("/")
    )


@contextmanager
def told(url: str, done: str) -> Iterator[None]:
    """Turn whatever a file system raises into one line that names the URL."""
    try:
        yield
    except FileNotFoundError:
        what = "no bucket or folder for" if done == "written" else "nothing at"
        raise FileNotFoundError(f"{what} {url}") from None
    except PermissionError as error:
        says = one_line(error, longest=300)
        raise PermissionError(f"no permission: {url}: {says}") from error
    except Exception as error:  # noqa: BLE001 - each file system has its own
        says = one_line(error, longest=300)
        raise OSError(f"{url} cannot be {done}: {says}") from error


def _walk(files: Any, folder: str) -> Iterator[dict[str, Any]]:
    """Every file below a folder; fsspec's own passes over what it cannot list."""
    for facts in files.ls(folder, detail=True):
        if facts["name"].rstrip("/") == folder.rstrip("/"):
            continue
        if facts["type"] == "directory":
            yield from _walk(files, facts["name"])
        else:
            yield facts


def mirrored(url: str) -> list[Path]:
    """Where the finished records at or below a URL are kept here, in their order.

    Only what is new or changed is read, small files alone.

    Raises:
        FileNotFoundError, PermissionError, OSError: the URL cannot be read.
        ValueError: a record is not what its seal says; the text names the file.
    """
    store = open_store(url)
    listing = store.listing()
    return at_once(lambda name: mirror(store, name, listing), finished(listing))


def standing(url: str) -> list[tuple[str, str, str]]:
    """Each record at or below a URL: name, state and the reason for it.

    The state is done, damaged or, where DONE is not there (yet), unfinished.
    """
    store = open_store(url)
    listing = store.listing()
    done = finished(listing)

    def state(name: str) -> tuple[str, str, str]:
        if name not in done:
            return name, "unfinished", ""
        try:
            mirror(store, name, listing)
        except ValueError as error:
            return name, "damaged", str(error)
        return name, "done", ""

    return at_once(state, sorted({*done, *finished(listing, "config.json")}))


def finished(listing: Listing, by: str = "DONE") -> list[str]:
    """Names of the folders that hold a DONE, sorted; "" for the place itself."""
    found = [name.rpartition("/") for name in listing]
    return sorted(folder for folder, _, last in found if last == by)


def at_once(work: Any, items: list[Any]) -> list[Any]:
    """The results in order, several requests at a time; the first failure ends all."""
    from tqdm import tqdm
    from tqdm.contrib.concurrent import thread_map

    shown = {"desc": "records", "delay": 1, "leave": False, "disable": None}
    return thread_map(work, items, max_workers=THREADS, tqdm_class=tqdm, **shown)


def mirror(store: Store, name: str, listing: Listing) -> Path:
    """Where a record is kept here, brought up to what is at the URL."""
    url, path = store.at(name), f"{name}/" if name else ""
    place = re.sub(r"[^\w-]+", ".", "/".join(url.split("/")[-6:]))[-120:].lstrip(".")
    digest = hashlib.sha256(url.encode()).hexdigest()[:16]
    folder = data_folder() / "cache" / "records" / f"{place}-{digest}"
    done = store.read(f"{path}DONE")
    seal = read_seal(done, url)
    for file, stated in seal.items():
        if (facts := listing.get(path + file)) is None:
            raise _damaged(store.at(path + file), "is missing")
        _check_size(store.at(path + file), facts.get("size"), stated)
    known = {"DONE": done, ORIGIN: url.encode()}
    if not _is_kept(folder, known, seal):
        with whole_folder(folder) as temporary:
            for file in (file for file in SMALL if file in seal):
                store.fetch(path + file, temporary / file, seal[file])
            for file, content in known.items():
                (temporary / file).write_bytes(content)
    return folder


def _is_kept(folder: Path, known: Mapping[str, bytes], seal: Seal) -> bool:
    """Whether a record is here as it is at its URL, and whole after a power cut."""
    for file, content in known.items():
        if not (folder / file).is_file() or (folder / file).read_bytes() != content:
            return False
    return all(_is_there(folder / file, seal[file]) for file in SMALL if file in seal)


def _is_there(path: Path, stated: Mapping[str, Any]) -> bool:
    """Whether a file is here, with the size that the seal states."""
    return path.is_file() and path.stat().st_size == stated["bytes"]


def complete(folder: Path, file: str) -> Path:
    """The path of a record's file, fetched first if the record is mirrored without it.

    Raises:
        ValueError: what is at the URL is not what the seal says.
    """
    path, origin = folder / file, folder / ORIGIN
    if not origin.is_file():
        return path
    url = origin.read_text()
    stated = read_seal((folder / "DONE").read_bytes(), url).get(file)
    if stated is None or _is_there(path, stated):
        return path
    temporary = beside(path)
    try:
        open_store(url).fetch(file, temporary, stated)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def read_seal(done: bytes, place: object) -> Seal:
    """The size and the hash of each file, as DONE states them.

    Raises:
        ValueError: it states something else; the text names the place.
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


def _check_size(url: str, size: int | None, stated: Mapping[str, Any]) -> None:
    """Refuse a file of another size than the seal states; a web server tells none."""
    if size not in (None, stated["bytes"]):
        raise _damaged(url, f"is {size} bytes, not {stated['bytes']}")


def _damaged(url: str, how: str) -> ValueError:
    """The error for a file that does not match its seal."""
    record = url.rpartition("/")[0]
    return ValueError(f"{url} {how}; move {record} away to leave it out")
