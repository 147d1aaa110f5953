"""Data sets from a publisher on loopback to a raw folder, whole or not at all."""

import dataclasses
import hashlib
from pathlib import Path

import click
import pytest
from lying_server import Page
from lying_server import server as server
from made_publisher import KVASIR, PAIRS, content_of, kvasir, zipped
from made_publisher import get as get
from made_publisher import lines as lines
from made_publisher import no_pauses as no_pauses

from lesionkit import lookup
from lesionkit.catalogue import DATASETS
from lesionkit.catalogue.publishers import PUBLISHERS, Archive, Publisher
from lesionkit.datasets import fetching
from lesionkit.datasets.fetching import fetch
from lesionkit.datasets.fetching.archives import BadArchive
from lesionkit.datasets.fetching.downloading import DownloadError


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
    assert lines[-1] == "next: lesionkit rank public-rerun-runs"
    path.write_text("0,1\n")
    with pytest.raises(ValueError, match="of the first download"):
        get("public-rerun", publisher)


def test_what_the_kit_draws_needs_no_download(lines):
    assert fetch("toy", report=lines.append).downloaded == ()
    assert lines == ["toy is made by the kit, next: lesionkit prepare toy"]


def test_an_unknown_name_gives_the_nearest():
    with pytest.raises(lookup.UnknownName, match="'kvazir'. Did you mean 'kvasir'"):
        fetch("kvazir")
