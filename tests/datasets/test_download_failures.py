"""Downloads that cannot be: what is refused, tried again, and said."""

import errno
import socket
from pathlib import Path

import pytest
import requests
from lying_server import Page
from lying_server import server as server
from made_downloads import CONTENT, PIECE, half_done
from made_downloads import no_pauses as no_pauses
from made_downloads import target as target

from lesionkit.datasets.fetching import downloading
from lesionkit.datasets.fetching.downloading import DownloadError, NotThere, download


def test_a_length_that_never_comes_is_refused_and_the_part_kept(server, target):
    page = Page(CONTENT, length=len(CONTENT) + 50, ranges=False)
    with pytest.raises(DownloadError, match="in a row; 705 kB are kept in .*part$"):
        download([server.serve("/a.zip", page)], target)
    assert not target.exists()
    assert len(server.asked) == 1 + downloading.TRIES


@pytest.mark.parametrize("where", ["file:///etc/passwd", "ftp://127.0.0.1/a.zip"])
def test_a_redirect_out_of_http_is_refused(server, target, where):
    url = server.serve("/a.zip", Page(location=where))
    with pytest.raises(NotThere, match=f"leads to {where}, where a download must not"):
        download([url], target)
    assert len(server.asked) == 1


def test_a_redirect_from_https_to_http_is_refused():
    response = requests.Response()
    response.url, response.status_code = "https://a.org/b", 302
    response.headers["Location"] = "http://a.org/b"
    with pytest.raises(NotThere, match="must not go"):
        downloading._check_redirect(response)


def test_redirects_that_go_round_end(server, target):
    with pytest.raises(NotThere, match="redirected more than 10 times"):
        download([server.serve("/a.zip", Page(location="/a.zip"))], target)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html><title>Please log in</title>", r"a web page \('Please log"),
        (b"<html>" + b" " * 5000, "a web page, not a zip archive"),
        (b"version https://git-lfs.github.com/spec/v1\n", "begins with b'version ht"),
        (b"Not here\n", r"sent a file that begins with b'Not here\\n', not"),
        (
            b"\x89PNG\r\n\x1a\n\xff",
            r"begins with b'\\x89PNG.*', not a zip archive",
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
    from lesionkit.datasets.fetching.downloading import _failure

    error = requests.exceptions.ProxyError("x: [Errno 111] Connection refused')")
    assert str(_failure("http://a/b", error)) == (
        "http://a/b: [Errno 111] Connection refused from the proxy"
        " (lesionkit doctor tries it)"
    )
