"""Downloads from a server that lies, breaks off and changes its mind."""

import contextlib
import errno
import json
import random
import socket
from pathlib import Path

import pytest
import requests
from lying_server import Page, lying_server

from lesionkit.datasets import downloading
from lesionkit.datasets.downloading import DownloadError, NotThere, download

PIECE = 20 * downloading.BLOCK
CONTENT = b"PK\x03\x04" + random.Random(7).randbytes(43 * downloading.BLOCK - 4)


@pytest.fixture
def server():
    """The server."""
    with lying_server() as running:
        yield running


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """The pauses that were made, none of which took time."""
    pauses = []
    monkeypatch.setattr(downloading.time, "sleep", pauses.append)
    return pauses


@pytest.fixture
def target(tmp_path):
    """Where the file goes."""
    return tmp_path / "a.zip"


def half_done(server, target, page):
    """A part of 300,000 bytes of the page, all that remains of a download."""
    page.breaks = [PIECE] + [0] * downloading.TRIES
    url = server.serve("/a.zip", page)
    with pytest.raises(DownloadError):
        download([url], target)
    page.breaks = []
    server.asked.clear()
    return url


def test_a_file_arrives_whole_and_leaves_nothing_beside_it(server, target):
    download([server.serve("/a.zip", Page(CONTENT))], target)
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("page", [{"chunked": True}, {"etag": ""}, {"ranges": False}])
def test_a_plain_server_is_enough(server, target, page):
    download([server.serve("/a.zip", Page(CONTENT, **page))], target)
    assert target.read_bytes() == CONTENT


def test_what_breaks_off_goes_on_from_there(server, target):
    page = Page(CONTENT, breaks=[PIECE, PIECE])
    download([server.serve("/a.zip", page)], target)
    assert target.read_bytes() == CONTENT
    ranges = [asked for _, asked in server.asked]
    assert ranges == [None, f"bytes={PIECE}-", f"bytes={2 * PIECE}-"]


def test_a_later_call_goes_on_from_the_part(server, target):
    url = half_done(server, target, Page(CONTENT))
    assert target.with_name("a.zip.part").stat().st_size == PIECE
    download([url], target)
    assert server.asked == [("/a.zip", f"bytes={PIECE}-")]
    assert target.read_bytes() == CONTENT


def test_last_modified_does_where_there_is_no_etag(server, target):
    page = Page(CONTENT, etag='W/"1"', modified="Wed, 01 Jan 2020 00:00:00 GMT")
    url = half_done(server, target, page)
    download([url], target)
    assert server.asked == [("/a.zip", f"bytes={PIECE}-")]


def test_without_anything_to_tell_versions_by_it_starts_again(server, target):
    url = half_done(server, target, Page(CONTENT, etag=""))
    download([url], target)
    assert server.asked == [("/a.zip", None)]
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("if_range", [True, False])
def test_a_file_that_has_changed_is_downloaded_from_its_start(server, target, if_range):
    url = half_done(server, target, Page(CONTENT))
    other = CONTENT[:4] + bytes(reversed(CONTENT[4:]))
    server.serve("/a.zip", Page(other, etag='"2"', if_range=if_range))
    download([url], target)
    assert target.read_bytes() == other


def test_a_server_that_ignores_range_is_read_from_the_start(server, target):
    page = Page(CONTENT)
    url = half_done(server, target, page)
    page.ranges = False
    download([url], target)
    assert target.read_bytes() == CONTENT


def test_a_part_that_is_whole_already_only_gets_its_name(server, target):
    page = Page(CONTENT, length=len(CONTENT) + 50)  # longer than what comes
    download([server.serve("/a.zip", page)], target)
    assert target.read_bytes() == CONTENT
    assert server.asked[-1] == ("/a.zip", f"bytes={len(CONTENT)}-")


def test_a_part_that_is_longer_than_the_file_is_forgotten(server, target):
    url = half_done(server, target, Page(CONTENT))
    server.serve("/a.zip", Page(CONTENT[:1000]))
    download([url], target)
    assert target.read_bytes() == CONTENT[:1000]


def test_a_length_that_never_comes_is_refused_and_the_part_kept(server, target):
    page = Page(CONTENT, length=len(CONTENT) + 50, ranges=False)
    with pytest.raises(DownloadError, match="in a row; 705 kB are kept in .*part$"):
        download([server.serve("/a.zip", page)], target)
    assert not target.exists()
    assert len(server.asked) == 1 + downloading.TRIES


def test_a_short_file_is_noticed_even_if_the_library_does_not(
    server, target, monkeypatch
):
    strict = requests.Response.iter_content

    def lenient(response, size):
        with contextlib.suppress(requests.exceptions.ChunkedEncodingError):
            yield from strict(response, size)

    monkeypatch.setattr(requests.Response, "iter_content", lenient)
    page = Page(CONTENT, breaks=[PIECE])
    download([server.serve("/a.zip", page)], target)
    assert target.read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_redirects_are_followed_with_the_range(server, target):
    page = Page(CONTENT, breaks=[PIECE])
    server.serve("/real", page)
    download([server.serve("/a.zip", Page(location="/real"))], target)
    assert server.asked[-1] == ("/real", f"bytes={PIECE}-")
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("where", ["file:///etc/passwd", "ftp://127.0.0.1/a.zip"])
def test_a_redirect_out_of_http_is_refused(server, target, where):
    url = server.serve("/a.zip", Page(location=where))
    with pytest.raises(NotThere, match=f"leads to {where}, where a download must not"):
        download([url], target)
    assert len(server.asked) == 1


def test_a_redirect_from_https_to_http_is_refused():
    with pytest.raises(NotThere, match="must not go"):
        downloading._allowed("https://a.org/b", "http://a.org/b")


def test_redirects_that_go_round_end(server, target):
    with pytest.raises(NotThere, match="redirected more than 10 times"):
        download([server.serve("/a.zip", Page(location="/a.zip"))], target)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html><title>Please log in</title>", r"a web page \('Please log"),
        (b"<html>" + b" " * 5000, "a web page, not a zip archive"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"Not here\n", r"text \('Not here'\), not a zip archive"),
        (
            b"\x89PNG\r\n\x1a\n\xff",
            "bytes that begin with 89 50 4e 47 0d 0a, not",
        ),
        (b"", "sent nothing, not a zip archive"),
    ],
)
def test_what_is_no_archive_is_refused_at_once_and_named(server, target, content, said):
    url = server.serve("/a.zip", Page(content))
    with pytest.raises(NotThere, match=said):
        download([url], target)
    assert len(server.asked) == 1
    assert list(target.parent.iterdir()) == []


def test_a_login_page_leaves_the_part_as_it_is(server, target):
    page = Page(CONTENT)
    url = half_done(server, target, page)
    server.serve("/a.zip", Page(b"<html>no</html>", etag='"2"'))
    with pytest.raises(NotThere):
        download([url], target)
    server.serve("/a.zip", page)
    download([url], target)
    assert server.asked[-1] == ("/a.zip", f"bytes={PIECE}-")
    assert target.read_bytes() == CONTENT


def test_a_missing_page_is_asked_for_once(server, target):
    with pytest.raises(NotThere, match="answered 404 Not Found$"):
        download([server.address + "/a.zip"], target)
    assert len(server.asked) == 1


def test_a_server_in_trouble_is_asked_again_with_growing_pauses(
    server, target, no_pauses
):
    page = Page(CONTENT, statuses=[500, 503, 502])
    download([server.serve("/a.zip", page)], target)
    assert target.read_bytes() == CONTENT
    assert no_pauses == [1.0, 2.0, 4.0]


@pytest.mark.parametrize(("after", "pause"), [("7", 7.0), ("9999", 60.0), ("x", 1.0)])
def test_a_server_may_say_how_long_to_wait_within_reason(
    server, target, no_pauses, after, pause
):
    page = Page(CONTENT, statuses=[429], after=after)
    download([server.serve("/a.zip", page)], target)
    assert no_pauses == [pause]


def test_a_server_that_stays_in_trouble_is_given_up(server, target):
    page = Page(CONTENT, statuses=[500] * 99)
    with pytest.raises(DownloadError, match="answered 500"):
        download([server.serve("/a.zip", page)], target)
    assert len(server.asked) == downloading.TRIES


def test_tries_that_all_bring_something_are_counted_as_they_were(
    server, target, monkeypatch
):
    monkeypatch.setattr(downloading, "ALL_TRIES", 2)
    page = Page(CONTENT, breaks=[PIECE, PIECE])
    with pytest.raises(DownloadError, match="broke off, 2 times; 6.* kB are kept"):
        download([server.serve("/a.zip", page)], target)


def test_a_second_address_is_taken_where_the_first_fails(server, target):
    good = server.serve("/b.zip", Page(CONTENT))
    download([server.address + "/a.zip", good], target)
    assert target.read_bytes() == CONTENT


def test_a_second_address_does_not_undo_what_came_from_the_first(server, target):
    page = Page(CONTENT, breaks=[PIECE] + [0] * 5)
    first = server.serve("/a.zip", page)
    second = server.serve("/b.zip", Page(CONTENT))
    with pytest.raises(DownloadError, match="5 times in a row; 328 kB are kept"):
        download([first, second], target)
    assert "/b.zip" not in [path for path, _ in server.asked]


def test_nobody_at_an_address_is_one_line(target):
    with pytest.raises(DownloadError, match=r"\[Errno \d+\] Connection refused, 5 t"):
        download(["http://127.0.0.1:9/a.zip"], target)


def test_a_connection_that_breaks_off_is_said_in_few_words(server, target):
    page = Page(CONTENT, breaks=[0] * downloading.TRIES)
    with pytest.raises(DownloadError, match="the connection broke off, 5 times in"):
        download([server.serve("/a.zip", page)], target)


@pytest.mark.parametrize("url", ["ftp://a/b", "/a/b", "http://"])
def test_what_is_no_web_address_is_not_asked_again(target, url, no_pauses):
    with pytest.raises(NotThere, match="is not a web address"):
        download([url], target)
    assert no_pauses == []


def test_a_disk_too_small_is_said_before_anything_is_written(
    server, target, monkeypatch
):
    url = server.serve("/a.zip", Page(CONTENT))
    usage = type("usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(OSError, match="to download a.zip, 705 kB are needed, and 1 kB"):
        download([url], target)
    assert list(target.parent.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_disk_that_fills_up_keeps_its_own_error(server, target):
    url = server.serve("/a.zip", Page(CONTENT))
    target.with_name("a.zip.part").symlink_to("/dev/full")
    with pytest.raises(OSError) as caught:
        download([url], target)
    assert caught.value.errno == errno.ENOSPC


def test_the_bar_counts_every_byte_once(server, target):
    bars = []

    class Bar(downloading.Silent):
        def __init__(self, **how):
            super().__init__(**how)
            bars.append(self)

    page = Page(CONTENT, breaks=[PIECE])
    download([server.serve("/a.zip", page)], target, progress=Bar)
    assert [bar.total for bar in bars] == [len(CONTENT)] * 2
    assert [bar.n for bar in bars] == [PIECE, len(CONTENT)]


def test_a_spoiled_note_starts_again(server, target):
    url = half_done(server, target, Page(CONTENT))
    target.with_name("a.zip.part.json").write_text(json.dumps([1]))
    download([url], target)
    assert server.asked == [("/a.zip", None)]


def test_a_name_that_nobody_knows_sends_to_the_doctor(target, monkeypatch):
    from urllib3.util import connection

    def unknown(*_, **__):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(connection.socket, "getaddrinfo", unknown)
    with pytest.raises(DownloadError) as caught:
        download(["http://publisher.invalid/a.zip"], target)
    assert str(caught.value) == (
        "http://publisher.invalid/a.zip: [Errno -3] Temporary failure in name"
        " resolution (lesionkit doctor tries it), 5 times in a row"
    )


def test_a_proxy_that_refuses_is_named_as_the_one_who_does():
    import requests

    from lesionkit.datasets.downloading import _failure

    error = requests.exceptions.ProxyError("x: [Errno 111] Connection refused')")
    assert str(_failure("http://a/b", error)) == (
        "http://a/b: [Errno 111] Connection refused from the proxy"
        " (lesionkit doctor tries it)"
    )
