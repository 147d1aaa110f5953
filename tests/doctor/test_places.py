"""Data folder, disk and network as doctor sees them."""

import errno
import os
import shutil
import socket
import tempfile
import time
from types import SimpleNamespace

import pytest
from made_doctor import examined, findings, only
from made_records import complete_record

from lesionkit.config import RunConfig
from lesionkit.doctor import places
from lesionkit.prepared import prepared_folder
from lesionkit.records import runs


def test_a_data_folder_that_is_a_file_stops_the_demo(data_home, monkeypatch):
    data_home.write_text("")
    monkeypatch.setenv("LESIONKIT_DATA", str(data_home / "below"))
    assert only(examined(places.folder)) == (
        "stops",
        f"the data folder {data_home / 'below'} cannot be: {data_home} is a file;"
        f" {places.ELSEWHERE}",
    )


def test_a_blank_data_folder_stops_the_demo(monkeypatch):
    monkeypatch.setenv("LESIONKIT_DATA", " ")
    level, says = only(examined(places.folder))
    assert level == "stops"
    assert says == "LESIONKIT_DATA=' ' is blank: name a folder, or unset it"


def test_a_data_folder_that_is_not_there_is_a_warning(data_home):
    level, says = only(examined(places.folder))
    assert level == "warning"
    assert says.startswith(f"LESIONKIT_DATA names {data_home}, which is not there: ")


def test_the_reason_for_the_data_folder_is_told(monkeypatch, data_home):
    data_home.mkdir()
    section = examined(places.folder)
    assert section.facts["folder"] == f"{data_home} (LESIONKIT_DATA)"
    monkeypatch.delenv("LESIONKIT_DATA")
    assert examined(places.folder).facts["folder"].endswith("(the checkout's)")


def test_raw_folders_are_named_and_an_empty_one_is_called_so(data_home):
    (data_home / "raw" / "kvasir" / "images").mkdir(parents=True)
    (data_home / "raw" / "busi").mkdir()
    (data_home / "raw" / ".hidden").mkdir()
    assert examined(places.raw_sets).facts == {"raw": "busi (empty), kvasir"}


def test_prepared_sets_are_told_with_their_sizes(tiny, data_home):
    section = examined(places.prepared_sets)
    assert (section.facts, findings(section)) == ({"prepared": "tiny at 32"}, [])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("images.npy", None, "No such file"),
        (
            "index.csv",
            b"file\na\n",
            "images, masks and index have [20, 20, 1] entries, not 20",
        ),
        ("manifest.json", b"{", "Expecting property name"),
        ("manifest.json", b"{}", "format"),
        ("masks.npy", b"", "No data left in file"),
    ],
)
def test_a_damaged_prepared_set_is_named_with_the_way_out(tiny, name, content, said):
    folder = prepared_folder(tiny, 32)
    (folder / name).unlink(missing_ok=True)
    if content is not None:
        (folder / name).write_bytes(content)
    level, says = only(examined(places.prepared_sets))
    assert level == "warning"
    assert says.startswith(f"{folder} is damaged (")
    assert said in says
    assert says.endswith("lesionkit prepare tiny --size 32 --force")


def test_records_are_counted_by_state_and_damaged_ones_named(tiny, data_home):
    for repeat in range(3):
        complete_record(RunConfig(dataset="tiny", size=32, repeat=repeat))
    damaged = RunConfig(dataset="tiny", size=32, repeat=2).folder
    (damaged / "metrics.json").write_text("")
    failed = runs.start(RunConfig(dataset="tiny", size=32, repeat=3))
    runs.note_failure(failed, "why")
    runs.start(RunConfig(dataset="tiny", size=32, repeat=4))
    section = examined(places.records)
    told = "1 damaged, 2 done, 1 failed, 1 unfinished"
    assert section.facts["run records"] == told
    level, says = only(section)
    assert level == "warning"
    assert says.startswith(
        f"2 run records are damaged or failed ({damaged}, {failed}): lesionkit status"
    )


def test_parts_of_a_day_ago_are_named_and_newer_ones_are_not(data_home):
    old, new = data_home / "raw" / "a.zip.part", data_home / "runs" / ".b.part"
    for path in (old, new):
        path.parent.mkdir(parents=True)
        path.touch()
    inside = data_home / "raw" / ".folder.part"
    inside.mkdir()
    ago = time.time() - 2 * places.DAY_SECONDS
    for path in (old, inside):
        os.utime(path, (ago, ago))
    level, says = only(examined(places.left_behind))
    assert level == "warning"
    assert says.startswith("2 unfinished .part files or folders, a day old or more (")
    assert str(old) in says
    assert str(new) not in says


@pytest.fixture
def free(monkeypatch):
    """Sets the free space of every disk."""

    def bytes_(count):
        usage = SimpleNamespace(total=10**12, used=0, free=count)
        monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)

    return bytes_


def test_a_full_disk_stops_the_demo_and_a_small_rest_is_a_warning(free, data_home):
    free(places.DEMO_BYTES - 1)
    level, says = only(examined(places.disk))
    assert (level, says[:14]) == ("stops", "200 MiB are fr")
    free(places.DEMO_BYTES)
    assert only(examined(places.disk))[0] == "warning"
    free(places.ROOM_BYTES)
    assert findings(examined(places.disk)) == []


def refusing(*_, **__):
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def test_a_folder_that_cannot_be_written_stops_the_demo(monkeypatch, data_home):
    monkeypatch.setattr(tempfile, "TemporaryDirectory", refusing)
    assert only(examined(places.disk)) == (
        "stops",
        f"{data_home.parent}: no file can be written (Read-only file system):"
        f" {places.ELSEWHERE}",
    )


def test_trying_out_a_disk_leaves_nothing_behind(data_home):
    data_home.mkdir()
    assert findings(examined(places.disk)) == []
    assert list(data_home.iterdir()) == []


def test_a_temporary_folder_that_cannot_be_written_stops_the_demo(monkeypatch):
    monkeypatch.setattr(tempfile, "TemporaryDirectory", refusing)
    level, says = only(examined(places.temporary))
    assert (level, says[-17:]) == ("stops", "export TMPDIR=DIR")


def test_a_full_temporary_folder_is_a_warning(free):
    free(places.DEMO_BYTES - 1)
    assert only(examined(places.temporary))[0] == "warning"


@pytest.fixture
def proxy(monkeypatch):
    """Sets one proxy variable and unsets the others."""
    proxies = [f"{name}_proxy" for name in places.PROXIES]
    for name in proxies:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return lambda value: monkeypatch.setenv("HTTPS_PROXY", value)


def test_no_proxy_is_nothing_wrong(proxy):
    section = examined(places.proxies)
    assert (section.facts, findings(section)) == ({"proxy": "none"}, [])


def test_a_proxy_that_answers_is_told_without_its_password(proxy):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        proxy(f"http://me:secret@127.0.0.1:{port}")
        section = examined(places.proxies)
    assert section.facts == {"https_proxy": f"127.0.0.1:{port}"}
    assert findings(section) == []


def test_a_proxy_where_nothing_answers_is_a_warning(proxy):
    proxy("http://127.0.0.1:9")
    level, says = only(examined(places.proxies))
    assert level == "warning"
    assert says.startswith("https_proxy: nothing answers at 127.0.0.1:9 (")
    assert says.endswith("fetch will not work; mend the variable, or unset it")


@pytest.mark.parametrize("value", ["nonsense://", "http://:80", "http://a:port"])
def test_a_proxy_that_is_no_address_is_a_warning(proxy, value):
    proxy(value)
    _, says = only(examined(places.proxies))
    assert "not the address of a proxy, such as http://proxy.example:3128" in says
