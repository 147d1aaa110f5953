"""One file over HTTP: resumed, tried again, and refused when it is something else."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests

from lesionkit.datasets.fetching.archives import (
    SILENT,
    in_bytes,
    kind_problem,
    need_space,
)
from lesionkit.records import files

TRIES = 5  # in a row that bring nothing new
PAUSE_SECONDS = 1.0  # before the second try, doubled with each that brings nothing
LONGEST_PAUSE_SECONDS = 60.0
TIMEOUT_SECONDS = (10.0, 60.0)  # to connect, between two pieces
REDIRECTS = 10
BLOCK = 1 << 14  # at most this much is lost when a connection breaks off
ENOUGH_TO_SEE = 1024  # of a file's first bytes
HEADERS = {"User-Agent": "lesionkit", "Accept-Encoding": "identity"}
# What libraries say at length, in short.
SHORT = {
    "IncompleteRead": "the connection broke off",
    "RemoteDisconnected": "the connection broke off",
    "timed out": "no answer in time",
}
AGAIN = (408, 425, 429, 500, 502, 503, 504)


class DownloadError(OSError):
    """A file that could not be downloaded."""


class NotThere(DownloadError):
    """An address that will not give the file, however often it is asked."""


class Interrupted(DownloadError):
    """A try that failed, where another may not."""

    pause_seconds = 0.0  # what the server asked for


@dataclass(frozen=True)
class Source:
    """One address, and the part of the file that has come from it."""

    session: requests.Session
    url: str
    part: Path
    progress: Callable


def download(urls: Sequence[str], target: Path, *, progress: Callable = SILENT) -> None:
    """`target`, from the first of the addresses that gives it.

    Until it is whole it is <target>.part, from which the next call goes on if the
    server can (Range) and still has the same file (If-Range). Checked are the first
    bytes and the length, nothing else.

    Args:
        urls: http or https; redirects stay in http and https, and https stays https.
        target: its ending says what it must begin like.
        progress: makes a progress bar, tqdm for instance.

    Raises:
        DownloadError: no address has it, what came is something else, or the
            connection failed again and again.
        OSError: the disk is full.
    """
    part, refusals = target.with_name(f"{target.name}.part"), []
    for url in urls:
        try:
            _try_again(url, part, progress)
        except DownloadError as error:
            if _size(part) and not isinstance(error, NotThere):
                raise  # another address would begin anew
            refusals.append(str(error))
            continue
        part.replace(target)
        _note_path(part).unlink(missing_ok=True)
        files.sync_folder(target.parent)
        return
    raise NotThere("; ".join(refusals))


def _try_again(url: str, part: Path, progress: Callable) -> None:
    """Try until the part is whole, giving up after tries that bring nothing new."""
    best, fruitless = _size(part), 0
    with requests.Session() as session:
        session.headers.update(HEADERS)
        session.hooks["response"].append(_check_redirect)
        session.max_redirects = REDIRECTS
        source = Source(session, url, part, progress)
        while True:
            try:
                return _attempt(source)
            except Interrupted as error:
                last = error
            fruitless = 0 if _size(part) > best else fruitless + 1
            best = max(best, _size(part))
            if fruitless == TRIES:
                break
            pause = max(PAUSE_SECONDS * 2 ** max(fruitless - 1, 0), last.pause_seconds)
            time.sleep(min(pause, LONGEST_PAUSE_SECONDS))
    kept = f"; {in_bytes(_size(part))} are kept in {part}" if _size(part) else ""
    raise DownloadError(f"{last}, {TRIES} times in a row{kept}")


def _attempt(source: Source) -> None:
    """One request, which goes on from what is there if that is sure to fit."""
    note = _note(source)
    start = _size(source.part) if note else 0
    asked = {"Range": f"bytes={start}-", "If-Range": note["validator"]} if start else {}
    try:
        with source.session.get(
            source.url, headers=asked, stream=True, timeout=TIMEOUT_SECONDS
        ) as response:
            if response.status_code == 416 and start:
                return _check_end(source, response, start)
            _check_status(response)
            going_on = _goes_on(source, response, start)
            return _receive(source, response, start if going_on else 0)
    except requests.RequestException as error:
        raise _failure(source.url, error) from None


def _failure(url: str, error: requests.RequestException) -> OSError:
    """A failed request as one line, for good or for now."""
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        host = urlsplit(url).netloc
        return NotThere(f"the certificate of {host} is not trusted: {_short(error)}")
    if isinstance(error, requests.TooManyRedirects):
        return NotThere(f"{url}: redirected more than {REDIRECTS} times")
    if isinstance(error, ValueError):  # how requests marks a wrong address
        return NotThere(f"{url} is not a web address")
    via = " from the proxy" * isinstance(error, requests.exceptions.ProxyError)
    if via or "Failed to resolve" in str(error):
        via += " (lesionkit doctor tries it)"
    return Interrupted(f"{url}: {_short(error)}{via}")


def _check_redirect(response: requests.Response, **_: object) -> None:
    """Stop before a redirect that leaves http and https, or https for http."""
    if response.is_redirect:
        where = urljoin(response.url, response.headers["Location"])
        old, new = urlsplit(response.url).scheme, urlsplit(where).scheme
        if new not in ("http", "https") or (old == "https" and new == "http"):
            raise NotThere(
                f"{response.url} leads to {where}, where a download must not go"
            )


def _check_status(response: requests.Response) -> None:
    """Refuse an answer that is not the file."""
    status = response.status_code
    said = f"{response.url} answered {status} {response.reason}"
    if status in AGAIN:
        error = Interrupted(said)
        after = response.headers.get("Retry-After", "")
        error.pause_seconds = float(after) if after.isdecimal() else 0.0
        raise error
    if status not in (200, 206):
        raise NotThere(said)


def _check_end(source: Source, response: requests.Response, start: int) -> None:
    """The part is whole if the server says that there is nothing beyond it."""
    total = response.headers.get("Content-Range", "").rpartition("/")[2]
    if total != str(start):
        _forget(source.part)
        raise Interrupted(f"{response.url}: not the file it was; starting again")


def _goes_on(source: Source, response: requests.Response, start: int) -> bool:
    """Whether the answer begins where the part ends; otherwise it begins anew."""
    if response.status_code == 200:
        return False
    begins = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    same = _validator(response) in ("", _note(source).get("validator"))
    if not start or not begins or int(begins[1]) != start or not same:
        _forget(source.part)
        raise Interrupted(f"{response.url}: answered another range; starting again")
    return True


def _receive(source: Source, response: requests.Response, start: int) -> None:
    """Write what comes behind the first `start` bytes of the part."""
    part, total = source.part, _total(response, start)
    name = part.name.removesuffix(".part")
    need_space(part.parent, (total or 0) - start, f"to download {name}")
    pieces = response.iter_content(BLOCK)
    first = b"" if start else _first(pieces)
    if not start:
        if problem := kind_problem(name, first):
            raise NotThere(f"{source.url} sent {problem}")
        part.write_bytes(b"")
        note = {"url": source.url, "validator": _validator(response)}
        files.write_json(_note_path(part), note)
    bar = source.progress(total=total, initial=start, desc=name)
    with part.open("ab") as stream, bar:
        for piece in chain([first], pieces):
            stream.write(piece)
            bar.update(len(piece))
    if total is not None and _size(part) != total:
        had = f"{in_bytes(_size(part))} of {in_bytes(total)}"
        raise Interrupted(f"{source.url}: broke off after {had}")


def _first(pieces: Iterator[bytes]) -> bytes:
    """What comes first, enough of it to see what it is."""
    first = b""
    while len(first) < ENOUGH_TO_SEE and (piece := next(pieces, b"")):
        first += piece
    return first


def _total(response: requests.Response, start: int) -> int | None:
    """The size of the whole file as the server says it."""
    length = response.headers.get("Content-Length", "")
    if "Content-Encoding" in response.headers or not length.isdecimal():
        return None
    return start + int(length)


def _validator(response: requests.Response) -> str:
    """What names this version of the file for certain; empty if nothing does."""
    if "Content-Encoding" in response.headers:
        return ""
    etag = response.headers.get("ETag", "")
    if etag.startswith('"'):
        return etag
    return response.headers.get("Last-Modified", "")


def _note(source: Source) -> dict:
    """What is known of the part, if a download from this address can go on from it."""
    try:
        note = json.loads(_note_path(source.part).read_text())
    except (OSError, ValueError):
        return {}
    same = isinstance(note, dict) and note.get("url") == source.url
    return note if same and note.get("validator") else {}


def _forget(part: Path) -> None:
    """Remove a part and what is known of it."""
    part.unlink(missing_ok=True)
    _note_path(part).unlink(missing_ok=True)


def _note_path(part: Path) -> Path:
    """Where it stands what the part is a part of."""
    return part.with_name(part.name + ".json")


def _size(path: Path) -> int:
    """Bytes of a file, 0 if there is none."""
    return path.stat().st_size if path.exists() else 0


def _short(error: Exception) -> str:
    """What a library says of a failed connection, in short."""
    text = " ".join(str(error).split())
    for said, short in SHORT.items():
        if said in text:
            return short
    reasons = re.findall(r"\[Errno -?\d+\] [^'\")]+|\[SSL[^)]+", text)
    return reasons[-1].strip() if reasons else text[:120]
