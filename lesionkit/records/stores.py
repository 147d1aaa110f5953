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
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lesionkit.config import data_folder
from lesionkit.lookup import Refused, UnknownName, nearest, one_line
from lesionkit.records.files import sha256, whole_folder
from lesionkit.records.formats import WAY_OUT, Newer, check_format, identity_of

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
Seal = dict[str, dict[str, Any]]
Sizes = Mapping[str, int | None]  # by name; None where a web server tells none


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

    def path(self, record: str) -> str:
        """The folder of a record, as the file system names it."""
        return f"{self.root}/{record}".rstrip("/")

    def sizes(self) -> Sizes:
        """The size of every file at any depth."""
        from fsspec.asyn import AsyncFileSystem
        from fsspec.spec import AbstractFileSystem

        kind = type(self.files)
        find = kind._find if self.files.async_impl else kind.find
        with told(self.url, "read"):
            if find in (AbstractFileSystem.find, AsyncFileSystem._find):
                found = {f["name"]: f for f in _walk(self.files, self.root)}
            else:  # all at once
                found = self.files.find(self.root, detail=True)
        start = len(self.root)
        return {path[start:].lstrip("/"): f.get("size") for path, f in found.items()}

    def seal(self, record: str) -> tuple[bytes, Seal]:
        """The content of a record's DONE, and the seal that it is."""
        with told(self.at(record), "read"):
            done = self.files.cat_file(f"{self.path(record)}/DONE")
        return done, read_seal(done, self.at(record))

    def get(self, record: str, seal: Seal, folder: Path) -> None:
        """Copy these files of a record to a folder here.

        Raises:
            ValueError: a file is not what the seal says.
        """
        there = [f"{self.path(record)}/{name}" for name in sorted(seal)]
        with told(self.at(record), "read"):
            self.files.get(there, [str(folder / name) for name in sorted(seal)])
        place = self.at(record)
        refuse(problems(seal, sizes_in(folder), place, folder), place)

    def put(self, folder: Path, names: Iterable[str], record: str) -> None:
        """Copy a folder's files to a record there; its DONE goes first, comes last."""
        names, there = sorted(names), self.path(record)
        self.make(record)
        with told(self.at(record), "written"):
            if self.files.exists(f"{there}/DONE"):
                self.files.rm_file(f"{there}/DONE")
            here = [str(folder / name) for name in names]
            self.files.put(here, [f"{there}/{name}" for name in names])
            self.files.put_file(str(folder / "DONE"), f"{there}/DONE")

    def make(self, name: str = "") -> None:
        """Make the folder, or one in it, where the file system has folders.

        Object stores have none; asked for one, theirs would make a misspelt bucket.
        """
        with told(self.url, "written"):
            if not self.files.async_impl:
                self.files.makedirs(self.path(name), exist_ok=True)


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
        usual = ", ".join(USUAL)
        raise UnknownName(
            f"unknown scheme {scheme!r} in {url}.{hint} For instance: {usual}."
        ) from None
    except ImportError as error:
        missing = getattr(error.__cause__ or error.__context__, "name", None)
        wanted = f"uv pip install {missing}" if missing else str(error)
        raise ImportError(f"{scheme}:// needs a package: {wanted}") from None
    with told(url, "opened"):
        files, root = url_to_fs(url)
        files.invalidate_cache()  # an earlier listing of this process may be old
    name = url if url.endswith("://") else url.rstrip("/")
    return Store(name, files, root.rstrip("/"))


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
    sizes = store.sizes()
    return at_once(lambda name: _mirror(store, name, sizes), finished(sizes))


def standing(url: str) -> list[tuple[str, str, str]]:
    """Each record at or below a URL: name, state and the reason for it.

    The state is done, damaged or, where DONE is not there (yet), unfinished.
    """
    store = open_store(url)
    sizes = store.sizes()
    done = set(finished(sizes))

    def state(name: str) -> tuple[str, str, str]:
        if name not in done:
            return name, "unfinished", ""
        try:
            folder = _mirror(store, name, sizes)
            config = json.loads((folder / "config.json").read_text())
            identity_of(config, store.at(name))
        except (ValueError, KeyError) as error:
            return name, "damaged", str(error)
        return name, "done", ""

    return at_once(state, sorted(done.union(finished(sizes, "config.json"))))


def finished(names: Iterable[str], by: str = "DONE") -> list[str]:
    """The folders that hold a DONE, sorted; "" for the place itself."""
    found = [name.rpartition("/") for name in names]
    return sorted(folder for folder, _, last in found if last == by)


def at_once(work: Any, items: list[Any]) -> list[Any]:
    """The results in order, several requests at a time; the first failure ends all."""
    from tqdm import tqdm
    from tqdm.contrib.concurrent import thread_map

    shown = {"desc": "records", "delay": 1, "leave": False, "disable": None}
    return thread_map(work, items, max_workers=THREADS, tqdm_class=tqdm, **shown)


def _mirror(store: Store, name: str, sizes: Sizes) -> Path:
    """Where a record is kept here, brought up to what is at the URL."""
    url, path = store.at(name), f"{name}/" if name else ""
    place = re.sub(r"[^\w-]+", ".", "/".join(url.split("/")[-6:]))[-120:].lstrip(".")
    digest = hashlib.sha256(url.encode()).hexdigest()[:16]
    folder = data_folder() / "cache" / "records" / f"{place}-{digest}"
    done, seal = store.seal(name)
    there = {file: sizes[path + file] for file in seal if path + file in sizes}
    refuse(problems(seal, there, url), url)
    known = {"DONE": done, ORIGIN: url.encode()}
    here = {f: (folder / f).read_bytes() for f in known if (folder / f).is_file()}
    small = {file: seal[file] for file in SMALL if file in seal}
    if here != known or problems(small, sizes_in(folder), folder):  # or a power cut
        with whole_folder(folder) as temporary:
            store.get(name, small, temporary)
            for file, content in known.items():
                (temporary / file).write_bytes(content)
    return folder


def complete(folder: Path, file: str) -> Path:
    """The path of a record's file, fetched first if the record is mirrored without it.

    Raises:
        ValueError: what is at the URL is not what the seal says.
    """
    path, origin = folder / file, folder / ORIGIN
    if not origin.is_file():
        return path
    url = origin.read_text()
    seal = read_seal((folder / "DONE").read_bytes(), url)
    stated = {file: seal[file]} if file in seal else {}
    if problems(stated, sizes_in(folder), folder):
        with TemporaryDirectory(".part", ".", folder) as temporary:
            open_store(url).get("", stated, Path(temporary))
            Path(temporary, file).replace(path)
    return path


def read_seal(done: bytes, place: object) -> Seal:
    """The size and the hash of each file, as DONE states them.

    Raises:
        Newer: a later version of the kit wrote it.
        ValueError: it states something else; the text names the place.
    """
    try:
        found = json.loads(done)
        check_format(found, place)
        seal = found["files"]
        for file, stated in seal.items():
            if not re.fullmatch(r"\w[\w.-]*", file):
                raise ValueError(file)
            int(stated["bytes"]), str(stated["sha256"])  # refuses what has not both
    except Newer:
        raise
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Refused(
            f"{place}/DONE is not the seal of a run record; remove it, or push the"
            " record again"
        ) from None
    return seal


def sizes_in(folder: Path) -> Sizes:
    """The size of every file in a folder here."""
    with os.scandir(folder) as there:
        return {each.name: each.stat().st_size for each in there if each.is_file()}


def problems(
    seal: Seal, sizes: Sizes, place: object, hashed: Path | None = None
) -> list[str]:
    """What differs from a seal, a line a file; empty when all is well.

    Args:
        seal: what is to be there.
        sizes: what is there.
        place: the folder or URL that the lines name.
        hashed: the folder whose files are read and hashed as well; None: nothing is.
    """
    found = []
    for name, stated in seal.items():
        if name not in sizes:
            found.append(f"{place}/{name} is missing")
        elif sizes[name] not in (None, wanted := stated["bytes"]):
            found.append(f"{place}/{name} is {sizes[name]} bytes, not {wanted}")
        elif hashed and sha256(hashed / name) != stated["sha256"]:
            found.append(f"{place}/{name} was changed after the run ended")
    return found


def refuse(wrong: list[str], place: object) -> None:
    """Raise the first of the problems of a record, if there is one, as Refused."""
    if wrong:
        hint = "" if WAY_OUT in wrong[0] else f"; move {place} away to leave it out"
        raise Refused(f"{wrong[0]}{hint}")
