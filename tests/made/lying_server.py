"""A server on loopback that serves files, and lies and fails as it is told."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Page:
    """What the server does when it is asked for one path."""

    content: bytes = b""
    etag: str = '"1"'
    modified: str = ""
    ranges: bool = True  # it can go on from a place in the middle
    if_range: bool = True  # it looks whether the file is still the same
    breaks: list[int] = field(default_factory=list)  # body bytes of the next answers
    statuses: list[int] = field(default_factory=list)  # of the next answers
    after: str = ""  # the Retry-After of those
    length: int | None = None  # the length it says, if not the right one
    chunked: bool = False
    location: str = ""  # it redirects there
    kind: str = "application/zip"
    wait_after: int | None = None  # sends so many bytes and waits to be let go
    let_go: threading.Event = field(default_factory=threading.Event)
    waiting: threading.Event = field(default_factory=threading.Event)


class Server:
    """The pages by path, and the Range of each request that came."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.pages: dict[str, Page] = {}
        self.asked: list[tuple[str, str | None]] = []

    def serve(self, path: str, page: Page) -> str:
        """Put a page at a path; its address."""
        self.pages[path] = page
        return self.address + path


def _begin(handler: BaseHTTPRequestHandler, page: Page) -> tuple[int, int]:
    """The status and the first byte of an answer."""
    wanted = re.match(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    if not wanted or not page.ranges:
        return 200, 0
    same = handler.headers.get("If-Range") in (None, page.etag, page.modified)
    if page.if_range and not same:
        return 200, 0
    start = int(wanted[1])
    return (416, start) if start >= len(page.content) else (206, start)


def _head(handler: BaseHTTPRequestHandler, page: Page, status: int, start: int) -> None:
    """The lines before the body."""
    size = len(page.content)
    handler.send_response(status)
    handler.send_header("Content-Type", page.kind)
    if page.etag:
        handler.send_header("ETag", page.etag)
    if page.modified:
        handler.send_header("Last-Modified", page.modified)
    if status == 206:
        handler.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
    if status == 416:
        handler.send_header("Content-Range", f"bytes */{size}")
    if page.chunked:
        handler.send_header("Transfer-Encoding", "chunked")
    else:
        length = size - start if page.length is None else page.length
        handler.send_header("Content-Length", str(0 if status == 416 else length))
    handler.end_headers()


def _body(handler: BaseHTTPRequestHandler, page: Page, body: bytes) -> None:
    """The body, or the first bytes of it."""
    if page.breaks:
        body = body[: page.breaks.pop(0)]
    if page.chunked:
        for piece in (body[:1], body[1:]):
            handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        handler.wfile.write(b"0\r\n\r\n")
        return
    if page.wait_after is not None:
        handler.wfile.write(body[: page.wait_after])
        handler.wfile.flush()
        page.waiting.set()
        page.let_go.wait(20)
        body, page.wait_after = body[page.wait_after :], None
    handler.wfile.write(body)


@contextmanager
def lying_server() -> Iterator[Server]:
    """The server, running."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def end_headers(self):
            self.send_header("Connection", "close")
            super().end_headers()

        def do_GET(self):
            path = self.path.split("?")[0]
            server.asked.append((path, self.headers.get("Range")))
            page = server.pages.get(path)
            if page is None or page.statuses:
                self.send_response(page.statuses.pop(0) if page else 404)
                self.send_header("Retry-After", page.after if page else "")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if page.location:
                self.send_response(302)
                self.send_header("Location", page.location)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            status, start = _begin(self, page)
            _head(self, page, status, start)
            if status != 416:
                try:
                    _body(self, page, page.content[start:])
                except OSError:  # whoever asked is gone
                    return

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    server = Server(f"http://127.0.0.1:{http.server_port}")
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        for page in server.pages.values():
            page.let_go.set()
        http.shutdown()
        http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    """The server of one test."""
    with lying_server() as running:
        yield running
