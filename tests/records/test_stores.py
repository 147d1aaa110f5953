"""Places of records by their URL: a web server, and those that cannot be read."""

import http.server
import threading
from functools import partial

import fsspec
import pytest
from made_records import made_record
from made_remote import DICE, SMALL_AND_DONE
from made_remote import bucket as bucket
from made_remote import elsewhere as elsewhere
from made_remote import no_power_cut as no_power_cut
from made_remote import requests as requests
from made_remote import two as two

from lesionkit.records import remote
from lesionkit.tables import load_table


@pytest.fixture
def web(tmp_path):
    """The address of a web server on this machine that lists a folder, and its log."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, form, *args):
            name = self.path.rpartition("/")[2]
            if self.command == "GET" and ("." in name or name == "DONE"):
                asked.append(name)

    (tmp_path / "data" / "runs").mkdir(parents=True)
    place = partial(Handler, directory=tmp_path / "data")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), place) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


@pytest.mark.slow
def test_records_of_a_web_server_are_read_and_pulled(web, elsewhere):
    pytest.importorskip("aiohttp", reason="fsspec reads http with aiohttp")
    address, asked = web
    made_record(DICE)
    elsewhere()
    assert list(load_table(f"{address}/runs")["loss"]) == ["dice"]
    assert sorted(asked) == SMALL_AND_DONE
    asked.clear()
    load_table(f"{address}/runs/")
    assert asked == ["DONE"]
    assert remote.pull(f"{address}/runs") == [DICE.folder]
    with pytest.raises(FileNotFoundError, match="nothing at http"):
        load_table(f"{address}/run")


@pytest.mark.parametrize(
    ("url", "kind", "message"),
    [
        ("s33://a/b", ValueError, "unknown scheme 's33' in s33://a/b. Did you mean"),
        ("file:///no/such/place", OSError, "nothing at file:///no/such/place"),
        ("memory://no/such", OSError, "(below|nothing at) memory://no/such"),
        ("ftp://me:secret@host/x", ValueError, r"no place in a URL \(ftp://host/x\)"),
        ("zip://a::file:///b.zip", ValueError, "expected one URL, got a chain"),
    ],
)
def test_a_url_that_cannot_be_read_is_told_in_one_line(url, kind, message):
    with pytest.raises(kind, match=message) as error:
        load_table(url)
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)


def test_a_scheme_without_its_package_says_what_to_install(monkeypatch):
    def none(scheme):
        raise ImportError("Install s3fs") from ModuleNotFoundError(name="s3fs")

    monkeypatch.setattr(fsspec, "get_filesystem_class", none)
    with pytest.raises(ImportError, match="s3:// needs a package: uv pip install s3fs"):
        load_table("s3://bucket/runs")


def test_no_permission_is_told_with_the_url(two, requests):
    def denied(verb, path):
        raise PermissionError("Forbidden")

    requests.broken = denied
    with pytest.raises(PermissionError, match=f"no permission: {two}/.*: Forbidden"):
        load_table(two)


def test_a_folder_that_cannot_be_listed_is_not_passed_over(tmp_path, monkeypatch):
    url = (tmp_path / "share").as_uri()
    remote.push(made_record(DICE), url)
    local = type(fsspec.filesystem("file"))
    plain = local.ls

    def failing(self, path, **rest):
        if "dice" in path:
            raise OSError("stale file handle")
        return plain(self, path, **rest)

    monkeypatch.setattr(local, "ls", failing)
    with pytest.raises(OSError, match="cannot be read: stale file handle"):
        load_table(url)
