"""Data sets from a publisher on loopback to a raw folder, whole or not at all."""

import dataclasses
import hashlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner
from lying_server import Page, lying_server

from lesionkit import lookup
from lesionkit.catalogue import DATASETS
from lesionkit.catalogue.publishers import PUBLISHERS, Archive, Publisher
from lesionkit.cli_data import fetch as fetch_command
from lesionkit.datasets import downloading, fetching
from lesionkit.datasets.archives import BadArchive
from lesionkit.datasets.downloading import DownloadError
from lesionkit.datasets.fetching import fetch

ROOT = Path(__file__).parents[1]
NOISE = random.Random(3)
PAIRS = {
    f"Kvasir-SEG/{kind}/{i}.jpg": NOISE.randbytes(40_000)
    for kind in ("images", "masks")
    for i in range(5)
}
FETCH = """
import sys
from lesionkit.catalogue.publishers import Archive, Publisher
from lesionkit.datasets.fetching import fetch
archive = Archive("kvasir-seg.zip", (sys.argv[1],), folder="Kvasir-SEG")
fetch("kvasir", publisher=Publisher("homepage", "terms", (archive,)))
"""


def zipped(members):
    """A zip of names and contents, as bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return stream.getvalue()


KVASIR = zipped(PAIRS)


@pytest.fixture
def server():
    """The publisher's server."""
    with lying_server() as running:
        yield running


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """Tries follow one another at once."""
    monkeypatch.setattr(downloading, "PAUSE_SECONDS", 0.0)


@pytest.fixture
def lines():
    """What was reported."""
    return []


@pytest.fixture
def get(lines):
    """Fetches with a publisher; the lines go to `lines`."""

    def call(name, publisher, **how):
        return fetch(name, publisher=publisher, report=lines.append, **how)

    return call


def kvasir(server, content=KVASIR, **known):
    """Kvasir-SEG of five pairs on the server."""
    url = server.serve("/kvasir-seg.zip", Page(content))
    archive = Archive("kvasir-seg.zip", (url,), folder="Kvasir-SEG", **known)
    return Publisher("homepage", "research only", (archive,))


def content_of(raw):
    """Every visible file below a raw folder with its content."""
    found = [p for p in sorted(raw.rglob("*")) if p.is_file()]
    return {
        p.relative_to(raw).as_posix(): p.read_bytes()
        for p in found
        if not p.name.startswith(".")
    }


def test_a_data_set_is_downloaded_unpacked_and_counted(server, get, lines, data_home):
    sha256 = hashlib.sha256(KVASIR).hexdigest()
    fetched = get("kvasir", kvasir(server, size=len(KVASIR), sha256=sha256))
    raw = data_home / "raw" / "kvasir"
    assert content_of(raw) == PAIRS | {"kvasir-seg.zip": KVASIR}
    assert fetched == fetching.Fetched("kvasir", raw, 5, 1000, ("kvasir-seg.zip",))
    assert lines == [
        "kvasir: Kvasir-SEG, from homepage",
        "terms: research only",
        "file: kvasir-seg.zip, 401 kB",
        f"  from {server.address}/kvasir-seg.zip",
        f"folder: {raw}",
        f"layout: {DATASETS['kvasir'].layout}",
        "kvasir-seg.zip: checksum right",
        f"kvasir: 5 images with masks in {raw}; published: 1000, not the same",
        "next: lesionkit prepare kvasir",
    ]


def test_what_is_there_is_not_downloaded_again(server, get, lines):
    publisher = kvasir(server)
    get("kvasir", publisher)
    server.asked.clear()
    lines.clear()
    again = get("kvasir", publisher, agree=pytest.fail)
    assert (server.asked, again.downloaded, again.found) == ([], (), 5)
    assert [line.split()[0] for line in lines] == ["kvasir:", "next:"]


def test_an_archive_that_was_deleted_is_not_missed(server, get, data_home):
    publisher = kvasir(server)
    get("kvasir", publisher)
    (data_home / "raw" / "kvasir" / "kvasir-seg.zip").unlink()
    assert get("kvasir", publisher).downloaded == ()


def test_a_folder_that_was_deleted_is_unpacked_from_its_archive(server, get, data_home):
    publisher = kvasir(server)
    folder = get("kvasir", publisher).folder
    before = content_of(folder)
    for path in (folder / "Kvasir-SEG").rglob("*.jpg"):
        path.unlink()
    for name in ("images", "masks", ""):
        (folder / "Kvasir-SEG" / name).rmdir()
    assert get("kvasir", publisher).downloaded == ()
    assert content_of(folder) == before


def test_terms_are_told_before_anything_is_asked_for(server, get, lines):
    def refuse():
        assert lines[1] == "terms: research only"
        assert server.asked == []
        raise click.Abort

    with pytest.raises(click.Abort):
        get("kvasir", kvasir(server), agree=refuse)
    assert server.asked == []


def test_a_wrong_checksum_is_refused_and_the_file_set_aside(server, get, data_home):
    publisher = kvasir(server, sha256="0" * 64)
    with pytest.raises(
        ValueError, match=f"SHA-256 .*, not {'0' * 64}; kept as .*, and"
    ):
        get("kvasir", publisher)
    raw = data_home / "raw" / "kvasir"
    assert content_of(raw) == {"kvasir-seg.zip.refused": KVASIR}
    right = hashlib.sha256(KVASIR).hexdigest()
    assert get("kvasir", kvasir(server, sha256=right)).found == 5


def test_a_wrong_md5_is_refused(server, get):
    with pytest.raises(ValueError, match="MD5 [0-9a-f]{32}, not 0000"):
        get("kvasir", kvasir(server, md5="0000"))


def test_without_a_known_checksum_the_first_one_is_held_to(
    server, get, lines, data_home
):
    publisher = kvasir(server)
    raw = get("kvasir", publisher).folder
    recorded = json.loads((raw / ".lesionkit-hashes.json").read_text())
    sha256 = hashlib.sha256(KVASIR).hexdigest()
    assert recorded["kvasir-seg.zip"] == {
        "sha256": sha256,
        "bytes": len(KVASIR),
        "unpacked_files": 10,
        "unpacked_bytes": 400_000,
    }
    assert (
        f"kvasir-seg.zip: no checksum is known; kept for next time: {sha256}" in lines
    )
    (raw / "kvasir-seg.zip").unlink()
    (raw / "Kvasir-SEG").rename(data_home / "elsewhere")
    other = zipped(PAIRS | {"Kvasir-SEG/note.txt": b"changed"})
    with pytest.raises(ValueError, match=f"not the {sha256} of the first download"):
        get("kvasir", kvasir(server, other))
    assert not (raw / "Kvasir-SEG").exists()
    publisher = kvasir(server)
    assert get("kvasir", publisher).downloaded == ("kvasir-seg.zip",)
    assert "kvasir-seg.zip: the same as at the first download" in lines


def test_a_length_that_is_too_short_is_found_without_a_checksum(server, get, data_home):
    publisher = kvasir(server)
    server.pages["/kvasir-seg.zip"].length = 200_000
    with pytest.raises(BadArchive, match="is damaged: .*; not unpacked, kept as .*ref"):
        get("kvasir", publisher)
    raw = data_home / "raw" / "kvasir"
    assert list(content_of(raw)) == ["kvasir-seg.zip.refused"]
    server.pages["/kvasir-seg.zip"].length = None
    assert get("kvasir", publisher).found == 5


@pytest.mark.parametrize("name", ["../../../../out.txt", "/tmp/lesionkit-out.txt"])
def test_an_archive_that_would_do_harm_writes_nothing(server, get, data_home, name):
    publisher = kvasir(server, zipped(PAIRS | {name: b"harm"}))
    with pytest.raises(BadArchive, match="would write outside its folder"):
        get("kvasir", publisher)
    files = {p.name for p in data_home.parent.rglob("*") if p.is_file()}
    assert files == {"kvasir-seg.zip.refused", ".lesionkit-fetch.lock"}


def test_a_web_page_instead_of_the_archive_is_one_line_with_the_way_by_hand(
    server, get
):
    publisher = kvasir(server, b"<html><title>Sign in</title></html>")
    publisher = dataclasses.replace(publisher, form="use a browser")
    with pytest.raises(DownloadError) as caught:
        get("kvasir", publisher)
    assert str(caught.value) == (
        f"{server.address}/kvasir-seg.zip sent a web page ('Sign in'), not a zip"
        " archive. By hand: use a browser"
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_one_line_and_the_part_stays(
    server, get, data_home, monkeypatch
):
    raw = data_home / "raw" / "kvasir"
    raw.mkdir(parents=True)
    (raw / "kvasir-seg.zip.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match=f"the disk of {raw} is full .*goes on from here"):
        get("kvasir", kvasir(server))


def test_several_archives_are_fetched_one_by_one(server, get, data_home):
    archives = []
    for part, pairs in (("Training", 3), ("Validation", 2)):
        for content, name in (
            ("Data", "{}.jpg"),
            ("Part1_GroundTruth", "{}_segmentation.png"),
        ):
            folder = f"ISIC-2017_{part}_{content}"
            inside = {
                f"{folder}/" + name.format(f"ISIC_{part}_{i}"): b"x"
                for i in range(pairs)
            }
            url = server.serve(f"/{folder}.zip", Page(zipped(inside)))
            archives.append(Archive(f"{folder}.zip", (url,), folder=folder))
    publisher = Publisher("homepage", "CC0", tuple(archives))
    late = server.pages.pop("/ISIC-2017_Validation_Data.zip")
    with pytest.raises(DownloadError, match="404"):
        get("isic2017", publisher)
    server.pages["/ISIC-2017_Validation_Data.zip"] = late
    fetched = get("isic2017", publisher)
    assert fetched.found == 5
    assert fetched.downloaded == tuple(archive.file for archive in archives[2:])


def test_what_was_put_there_by_hand_is_counted_and_left_alone(server, get, data_home):
    raw = data_home / "raw" / "kvasir"
    for name, content in PAIRS.items():  # not in the folder the archive becomes
        path = raw / name.removeprefix("Kvasir-SEG/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    before = content_of(raw)
    fetched = get("kvasir", kvasir(server), agree=pytest.fail)
    assert (fetched.found, server.asked) == (5, [])
    assert content_of(raw) == before


def test_an_archive_that_was_saved_by_hand_is_verified_and_unpacked(
    server, get, data_home
):
    raw = data_home / "raw" / "kvasir"
    raw.mkdir(parents=True)
    (raw / "kvasir-seg.zip").write_bytes(KVASIR)
    archive = Archive("kvasir-seg.zip", folder="Kvasir-SEG")
    fetched = get("kvasir", Publisher("homepage", "terms", (archive,)))
    assert (fetched.found, fetched.downloaded) == (5, ())


def test_what_has_to_be_got_by_hand_says_how_and_where(get, lines, data_home):
    archive = Archive("kvasir-seg.zip", folder="Kvasir-SEG")
    publisher = Publisher("homepage", "terms", (archive,), form="fill in the form")
    with pytest.raises(FileNotFoundError, match="has to be got by hand and is not th"):
        get("kvasir", publisher, agree=pytest.fail)
    assert "by hand: fill in the form" in lines
    assert f"folder: {data_home / 'raw' / 'kvasir'}" in lines
    assert f"layout: {DATASETS['kvasir'].layout}" in lines


def test_files_that_lack_their_masks_are_told_by_the_adapter(server, get, data_home):
    publisher = kvasir(server)
    raw = get("kvasir", publisher).folder
    (raw / "Kvasir-SEG" / "masks" / "3.jpg").unlink()
    with pytest.raises(ValueError, match="have no mask: 3.jpg"):
        get("kvasir", publisher)


def test_a_folder_that_has_changed_since_is_told(server, get, lines):
    publisher = kvasir(server)
    raw = get("kvasir", publisher).folder
    for kind in ("images", "masks"):
        (raw / "Kvasir-SEG" / kind / "3.jpg").unlink()
    assert get("kvasir", publisher).found == 4
    assert any("has changed: 8 files of 320000 bytes, 10 of" in line for line in lines)


def test_an_archive_of_two_data_sets_is_downloaded_once(server, get, lines, data_home):
    names = [
        f"{kind} (1){end}.png"
        for kind in ("benign", "malignant")
        for end in ("", "_mask")
    ]
    members = {f"Dataset_BUSI_with_GT/{n.split()[0]}/{n}": b"x" for n in names}
    content = zipped(members)
    archive = Archive(
        "Dataset_BUSI.zip",
        (server.serve("/busi.zip", Page(content)),),
        sha256=hashlib.sha256(content).hexdigest(),
        folder="Dataset_BUSI_with_GT",
    )
    publisher = Publisher("homepage", "terms", (archive,))
    assert get("busi_benign", publisher).downloaded == ("Dataset_BUSI.zip",)
    assert get("busi_malignant", publisher).downloaded == ()
    assert len(server.asked) == 1
    first = data_home / "raw" / "busi_benign"
    assert f"Dataset_BUSI.zip: the same as in {first}, taken from it" in lines


def test_another_file_of_the_same_name_is_not_taken(server, get, data_home):
    beside = data_home / "raw" / "other" / "kvasir-seg.zip"
    beside.parent.mkdir(parents=True)
    beside.write_bytes(zipped({"Kvasir-SEG/images/1.jpg": b"x"}))
    publisher = kvasir(server, sha256=hashlib.sha256(KVASIR).hexdigest())
    assert get("kvasir", publisher).downloaded == ("kvasir-seg.zip",)


def test_one_folder_of_a_repository_is_enough(server, get, lines, data_home):
    top = "wound-segmentation-42a/data/Foot Ulcer Segmentation Challenge"
    members = {
        f"{top}/{part}/{kind}/1.png": b"x"
        for part in ("train", "validation")
        for kind in ("images", "labels")
    }
    members |= {f"{top}/test/images/1.png": b"x", "wound-segmentation-42a/a.py": b"x"}
    url = server.serve("/archive.zip", Page(zipped(members)))
    archive = Archive("wound.zip", (url,), folder="Foot Ulcer", part=top)
    publisher = Publisher("homepage", "terms", (archive,), dataset="wound")
    fetched = get("wound_fuseg", publisher)
    raw = data_home / "raw" / "wound_fuseg"
    assert (fetched.folder, fetched.found) == (raw, 2)
    assert "published: 1109, not the same; which set: fuseg" in lines[-2]
    assert lines[-1] == f"next: lesionkit prepare wound --raw {raw}"


def test_a_table_is_fetched_and_the_command_that_ranks_it_named(
    server, get, lines, data_home
):
    url = server.serve("/all.csv", Page(b",data_name\n0,CVC-ClinicDB\n"))
    publisher = dataclasses.replace(
        PUBLISHERS["public-rerun"], archives=(Archive("all_data_0511.csv", (url,)),)
    )
    assert get("public-rerun", publisher).found is None
    path = data_home / "raw" / "public-rerun" / "all_data_0511.csv"
    assert path.read_bytes() == b",data_name\n0,CVC-ClinicDB\n"
    assert lines[-1] == f"next: lesionkit rank {path}"
    path.write_text("0,1\n")
    with pytest.raises(ValueError, match="of the first download"):
        get("public-rerun", publisher)


def started(server, data_home):
    """A fetch in a process of its own, which waits in the middle of its download."""
    page = server.pages["/kvasir-seg.zip"]
    page.wait_after = 300_000
    process = subprocess.Popen(
        [sys.executable, "-c", FETCH, server.address + "/kvasir-seg.zip"],
        env=os.environ | {"PYTHONPATH": str(ROOT), "LESIONKIT_DATA": str(data_home)},
        stdout=subprocess.DEVNULL,
    )
    assert page.waiting.wait(30)
    part = data_home / "raw" / "kvasir" / "kvasir-seg.zip.part"
    for _ in range(500):
        if part.is_file() and part.stat().st_size > 250_000:
            return process
        time.sleep(0.02)
    raise AssertionError("the part does not grow")


def test_a_killed_download_goes_on_and_gives_the_same_bytes(server, get, data_home):
    publisher = kvasir(server)
    process = started(server, data_home)
    process.send_signal(signal.SIGKILL)
    process.wait()
    size = (data_home / "raw" / "kvasir" / "kvasir-seg.zip.part").stat().st_size
    left = data_home / "raw" / "kvasir" / ".Kvasir-SEG.0badcafe.part"
    (left / "images").mkdir(parents=True)  # as a kill while unpacking leaves it
    fetched = get("kvasir", publisher)
    assert server.asked[-1] == ("/kvasir-seg.zip", f"bytes={size}-")
    assert content_of(fetched.folder) == PAIRS | {"kvasir-seg.zip": KVASIR}
    assert not left.exists()


def test_a_second_fetch_at_the_same_time_is_refused(server, get, data_home):
    publisher = kvasir(server)
    process = started(server, data_home)
    with pytest.raises(RuntimeError, match="another process is fetching kvasir into"):
        get("kvasir", publisher)
    server.pages["/kvasir-seg.zip"].let_go.set()
    assert process.wait(30) == 0
    assert get("kvasir", publisher).downloaded == ()


def test_being_killed_while_unpacking_leaves_no_half_of_a_folder(
    server, get, monkeypatch
):
    publisher = kvasir(server)

    def half(path, folder, **how):
        (folder / "images").mkdir()
        (folder / "images" / "0.jpg").write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(fetching, "unpack", half)
        with pytest.raises(KeyboardInterrupt):
            get("kvasir", publisher)
    raw = fetching.data_folder() / "raw" / "kvasir"
    assert content_of(raw) == {"kvasir-seg.zip": KVASIR}
    assert get("kvasir", publisher).found == 5


def test_a_spoiled_record_is_named(server, get):
    raw = get("kvasir", kvasir(server)).folder
    (raw / ".lesionkit-hashes.json").write_text("{")
    with pytest.raises(ValueError, match="hashes.json cannot be read: delete it"):
        get("kvasir", kvasir(server))


def test_what_the_kit_draws_needs_no_download(lines):
    assert fetch("toy", report=lines.append).downloaded == ()
    assert lines == ["toy is made by the kit, next: lesionkit prepare toy"]


def test_an_unknown_name_gives_the_nearest():
    with pytest.raises(lookup.UnknownName, match="'kvazir'. Did you mean 'kvasir'"):
        fetch("kvazir")


@pytest.mark.parametrize("name", PUBLISHERS)
def test_every_publisher_says_what_is_needed(name):
    entry = PUBLISHERS[name]
    assert entry.homepage
    assert entry.terms
    assert entry.form or all(archive.urls for archive in entry.archives)
    assert entry.archives or entry.form
    assert entry.layout or (entry.dataset or name) in DATASETS
    for archive in entry.archives:
        assert all(url.startswith("https://") for url in archive.urls)
        assert len(archive.sha256 or "0" * 64) == 64
        assert len(archive.md5 or "0" * 32) == 32


def test_every_data_set_that_is_not_drawn_has_its_publisher():
    real = {n for n, e in DATASETS.items() if not e.generated and n != "folder"}
    assert real <= set(PUBLISHERS)


@pytest.fixture
def command(server, monkeypatch):
    """Runs `lesionkit fetch` for a Kvasir-SEG of five pairs on the server."""
    monkeypatch.setitem(PUBLISHERS, "kvasir", kvasir(server))

    def call(*arguments, **how):
        result = CliRunner().invoke(fetch_command, arguments, **how)
        return SimpleNamespace(
            code=result.exit_code, out=result.stdout, err=result.stderr
        )

    return call


def test_the_command_refuses_where_nobody_can_agree(command, server):
    result = command("kvasir")
    assert result.code == 2
    assert "terms: research only\n" in result.out
    assert result.err.splitlines()[-1].endswith(
        "nobody is there to agree to the terms above: lesionkit fetch kvasir --yes"
    )
    assert server.asked == []


def test_the_command_fetches_with_yes(command):
    result = command("kvasir", "--yes")
    assert result.code == 0
    assert result.out.splitlines()[-1] == "next: lesionkit prepare kvasir"


def test_the_command_gives_a_program_only_its_answer(command, data_home):
    result = command("kvasir", "--yes", "--json")
    assert json.loads(result.out) == {
        "name": "kvasir",
        "folder": str(data_home / "raw" / "kvasir"),
        "found": 5,
        "published": 1000,
        "downloaded": ["kvasir-seg.zip"],
    }


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("", 1)])
def test_the_command_asks_where_somebody_can_answer(
    command, server, monkeypatch, answer, code
):
    monkeypatch.setattr("lesionkit.cli_data._can_answer", lambda: True)
    result = command("kvasir", input=answer)
    assert result.code == code
    assert "Agree and download? [y/N]" in result.err
    assert bool(server.asked) == (code == 0)


def test_two_threads_may_fetch_two_data_sets(server, data_home):
    url = server.serve("/kvasir-seg.zip", Page(KVASIR))
    archive = Archive("kvasir-seg.zip", (url,), folder="Kvasir-SEG")
    publisher = Publisher("homepage", "terms", (archive,), dataset="kvasir")
    threads = [
        threading.Thread(
            target=fetch,
            args=(name,),
            kwargs={"publisher": publisher, "report": lambda line: None},
        )
        for name in ("one", "two")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    for name in ("one", "two"):
        assert (data_home / "raw" / name / "Kvasir-SEG" / "images" / "0.jpg").is_file()
