"""Downloads that break off, start again and go on, from a server that lies."""

import contextlib
import io
import json

import pytest
import requests
from lying_server import Page
from lying_server import server as server
from made_downloads import CONTENT, PIECE, half_done
from made_downloads import no_pauses as no_pauses
from made_downloads import target as target
from tqdm import tqdm

from lesionkit.datasets.fetching.downloading import DownloadError, download


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


def test_the_bar_counts_every_byte_once(server, target):
    bars = []

    class Bar(tqdm):
        def __init__(self, **how):
            super().__init__(**how, file=io.StringIO())
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
