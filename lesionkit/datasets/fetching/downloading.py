"""One file over HTTP: resumed, tried again, and refused when it is something else."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
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
    """A try that failed, where another may not, after what the server asked for."""

    def __init__(self, text: str, after: str = "") -> None:
        super().__init__(text)
        self.pause_seconds = float(after) if after.isdecimal() else 0.0


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
        _forget(part)
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
        while True:
            try:
                return _attempt(session, url, part, progress=progress)
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


def _attempt(
    session: requests.Session, url: str, part: Path, *, progress: Callable
) -> None:
    """One request, which goes on from what is there if that is sure to fit."""
    validator = _noted_validator(url, part)
    start = _size(part) if validator else 0
    asked = {"Range": f"bytes={start}-", "If-Range": validator} if start else {}
    try:
        with session.get(
            url, headers=asked, stream=True, timeout=TIMEOUT_SECONDS
        ) as response:
            status = response.status_code
            going_on = status == 206 or (status == 416 and start > 0)
            if going_on and not _fits(response, start, validator):
                _forget(part)
                raise Interrupted(f"{url}: not the file it was; starting again")
            if going_on and status == 416:  # nothing lies beyond the part
                return
            said = f"{response.url} answered {status} {response.reason}"
            if status in AGAIN:
                raise Interrupted(said, response.headers.get("Retry-After", ""))
            if status not in (200, 206):
                raise NotThere(said)
            start = start if going_on else 0
            _receive(response, url, part, start=start, progress=progress)
    except requests.RequestException as error:
        raise _failure(url, error) from None


def _fits(response: requests.Response, start: int, validator: str) -> bool:
    """Whether a partial answer begins where the part ends, or ends there (416)."""
    said = response.headers.get("Content-Range", "")
    if response.status_code == 416:
        return said.endswith(f"/{start}")
    same = _facts(response)[1] in ("", validator)
    return start > 0 and said.startswith(f"bytes {start}-") and same


def _failure(url: str, error: requests.RequestException) -> OSError:
    """A failed request as one line, for good or for now."""
    text = " ".join(str(error).split())
    reasons = re.findall(r"\[Errno -?\d+\] [^'\")]+|\[SSL[^)]+", text)
    briefly = reasons[-1].strip() if reasons else text[:120]
    briefly = next((short for said, short in SHORT.items() if said in text), briefly)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        host = urlsplit(url).netloc
        return NotThere(f"the certificate of {host} is not trusted: {briefly}")
    if isinstance(error, requests.TooManyRedirects):
        return NotThere(f"{url}: redirected more than {REDIRECTS} times")
    if isinstance(error, ValueError):  # how requests marks a wrong address
        return NotThere(f"{url} is not a web address")
    via = " from the proxy" * isinstance(error, requests.exceptions.ProxyError)
    if via or "Failed to resolve" in text:
        via += " (lesionkit doctor tries it)"
    return Interrupted(f"{url}: {briefly}{via}")


def _check_redirect(response: requests.Response, **_: object) -> None:
    """Stop before a redirect that leaves http and https, or https for http."""
    if response.is_redirect:
        where = urljoin(response.url, response.headers["Location"])
        old, new = urlsplit(response.url).scheme, urlsplit(where).scheme
        if new not in ("http", "https") or (old == "https" and new == "http"):
            raise NotThere(
                f"{response.url} leads to {where}, where a download must not go"
            )


def _receive(
    response: requests.Response, url: str, part: Path, *, start: int, progress: Callable
) -> None:
    """Write what comes behind the first `start` bytes of the part."""
    length, validator = _facts(response)
    total = None if length is None else start + length
    name = part.name.removesuffix(".part")
    need_space(part.parent, length or 0, f"to download {name}")
    pieces = response.iter_content(BLOCK)
    first = b""
    if not start:
        while len(first) < ENOUGH_TO_SEE and (piece := next(pieces, b"")):
            first += piece
        if problem := kind_problem(name, first):
            raise NotThere(f"{url} sent {problem}")
        part.write_bytes(b"")
        note = {"url": url, "validator": validator}
        files.write_json(_note_path(part), note)
    bar = progress(total=total, initial=start, desc=name)
    with part.open("ab") as stream, bar:
        for piece in chain([first], pieces):
            stream.write(piece)
            bar.update(len(piece))
    if total is not None and _size(part) != total:
        had = f"{in_bytes(_size(part))} of {in_bytes(total)}"
        raise Interrupted(f"{url}: broke off after {had}")


def _facts(response: requests.Response) -> tuple[int | None, str]:
    """The bytes that come and what names this version for certain; None, "" unknown."""
    headers = response.headers
    if "Content-Encoding" in headers:
        return None, ""
    length, etag = headers.get("Content-Length", ""), headers.get("ETag", "")
    version = etag if etag.startswith('"') else headers.get("Last-Modified", "")
    return int(length) if length.isdecimal() else None, version


def _noted_validator(url: str, part: Path) -> str:
    """Which version the part is of; empty if a download cannot go on from it."""
    try:
        note = json.loads(_note_path(part).read_text())
        return note["validator"] if note["url"] == url else ""
    except (OSError, ValueError, TypeError, KeyError):
        return ""


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note_path(part).unlink(missing_ok=True)


def _note_path(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
