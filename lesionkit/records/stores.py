"""Files behind a URL, through fsspec: listed, read, written; a failure is one line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lesionkit.lookup import nearest, one_line

# Two letters at least: one letter is a drive of Windows.
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(?=://)")
PASSWORD = re.compile(r"//[^/@\s]*:[^/@\s]*@")
USUAL = ("s3", "gs", "abfs", "https", "sftp", "file", "memory")
THREADS = 16  # requests at once
# What file systems tell of a file that differs once it was written again.
MARKS = (
    *("ETag", "etag", "md5Hash", "content_md5", "checksum", "generation", "sha"),
    *("mtime", "created", "LastModified", "last_modified", "updated", "modified"),
)
Item = TypeVar("Item")
Result = TypeVar("Result")


def is_url(place: object) -> bool:
    """Whether this is text such as s3://bucket/runs rather than a path."""
    return isinstance(place, str) and SCHEME.match(place) is not None


@dataclass(frozen=True)
class Store:
    """A folder behind a URL; files in it by their name below it.

    Attributes:
        url: without a slash at its end, unless it is a scheme alone.
    """

    url: str
    _files: Any  # a file system of fsspec
    _root: str

    def at(self, name: str) -> str:
        """The URL of a file or folder."""
        if not name:
            return self.url
        return self.url + ("" if self.url.endswith("/") else "/") + name

    def listing(self) -> dict[str, dict[str, Any]]:
        """Every file at any depth: name to what the file system tells of it."""
        with told(self.url, "read"):
            if _walks(self._files):
                found = {
                    facts["name"]: facts for facts in _walk(self._files, self._root)
                }
            else:
                found = self._files.find(self._root, detail=True)
        return {path[len(self._root) :].lstrip("/"): f for path, f in found.items()}

    def read(self, name: str) -> bytes:
        """The content of a file."""
        with told(self.at(name), "read"):
            return self._files.cat_file(self._path(name))

    def read_if_there(self, name: str) -> bytes | None:
        """The content of a file, or None where there is no such file."""
        try:
            return self.read(name)
        except FileNotFoundError:
            return None

    def download(self, name: str, target: Path) -> None:
        """Write a file's content, of any size, to a file here."""
        with told(self.at(name), "read"):
            self._files.get_file(self._path(name), str(target))

    def upload(self, source: Path, name: str) -> None:
        """Write a file from here, of any size."""
        with told(self.at(name), "written"):
            self._files.put_file(str(source), self._path(name))

    def write(self, name: str, content: bytes) -> None:
        """Write a file's content."""
        with told(self.at(name), "written"):
            self._files.pipe_file(self._path(name), content)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with told(self.at(name), "written"):
            if self._files.exists(self._path(name)):
                self._files.rm_file(self._path(name))

    def make(self) -> None:
        """Make the folder where the file system has folders.

        Object stores have none; asked for one, theirs would make a misspelt bucket.
        """
        with told(self.url, "written"):
            if not self._files.async_impl:
                self._files.makedirs(self._root, exist_ok=True)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


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
    from fsspec.core import url_to_fs

    _check_scheme(url)
    with told(url, "opened"):
        files, root = url_to_fs(url)
        files.invalidate_cache()  # an earlier listing of this process may be old
    plain = url if url.endswith("://") else url.rstrip("/")
    return Store(plain, files, root.rstrip("/"))


def _check_scheme(url: str) -> None:
    """Refuse a scheme that fsspec does not know or has no package for."""
    from fsspec import available_protocols, get_filesystem_class

    found = SCHEME.match(url)
    if found is None:
        return
    scheme = found.group()
    try:
        get_filesystem_class(scheme)
    except ValueError:
        near = nearest(scheme, USUAL) or nearest(scheme, available_protocols())
        hint = f" Did you mean {near!r}?" if near else ""
        raise ValueError(
            f"unknown scheme {scheme!r} in {url}.{hint} For instance: "
            f"{', '.join(USUAL)}."
        ) from None
    except ImportError as error:
        missing = getattr(error.__cause__ or error.__context__, "name", None)
        wanted = f"uv pip install {missing}" if missing else str(error)
        raise ImportError(f"{scheme}:// needs a package: {wanted}") from None


@contextmanager
def told(url: str, done: str) -> Iterator[None]:
    """Turn whatever a file system raises into one line that names the URL."""
    try:
        yield
    except FileNotFoundError:
        what = "no bucket or folder for" if done == "written" else "nothing at"
        raise FileNotFoundError(f"{what} {url}") from None
    except PermissionError as error:
        raise PermissionError(
            f"no permission: {url}: {one_line(error, longest=300)}"
        ) from error
    except Exception as error:  # noqa: BLE001 - each file system has its own
        raise OSError(
            f"{url} cannot be {done}: {one_line(error, longest=300)}"
        ) from error


def _walks(files: Any) -> bool:
    """Whether a file system lists folder by folder rather than all at once."""
    from fsspec.asyn import AsyncFileSystem
    from fsspec.spec import AbstractFileSystem

    if files.async_impl:
        return type(files)._find is AsyncFileSystem._find
    return type(files).find is AbstractFileSystem.find


def _walk(files: Any, folder: str) -> Iterator[dict[str, Any]]:
    """Every file below a folder; fsspec's own passes over what it cannot list."""
    for facts in files.ls(folder, detail=True):
        if facts["name"].rstrip("/") == folder.rstrip("/"):
            continue
        if facts["type"] == "directory":
            yield from _walk(files, facts["name"])
        else:
            yield facts


def mark(facts: Mapping[str, Any]) -> dict[str, str] | None:
    """What changes when a file is written again; None where nothing tells."""
    marks = {name: str(facts[name]) for name in MARKS if facts.get(name) is not None}
    return marks | {"size": str(facts.get("size"))} if marks else None


def at_once(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """The results in order, several requests at a time; the first failure ends all."""
    from tqdm import tqdm

    items = list(items)
    pool = ThreadPoolExecutor(THREADS)
    try:
        results = pool.map(work, items)
        shown = {"desc": "records", "delay": 1, "leave": False}
        return list(tqdm(results, total=len(items), disable=None, **shown))
    finally:
        pool.shutdown(cancel_futures=True)
