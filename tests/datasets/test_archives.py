"""Archives: unpacked whole, and refused where they would do harm."""

import io
import random
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from tqdm import tqdm

from lesionkit.datasets.fetching import archives
from lesionkit.datasets.fetching.archives import (
    BadArchive,
    Limits,
    kind_problem,
    unpack,
)
from lesionkit.prepared.preparing import prepare

NOISE = random.Random(5).randbytes(3000)
REGULAR = stat.S_IFREG | 0o644


def zipped(path, members, *, mode=REGULAR):
    """A zip of these names and contents; a content of None is a folder."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = mode << 16
            archive.writestr(info, content or b"")
    return path


def tarred(path, members, *, kind=tarfile.REGTYPE, link="", mode="w:gz"):
    """A tar of these names and contents, all of one kind."""
    with tarfile.open(path, mode) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, link, len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def made(path, members):
    """An archive of the kind that the path says."""
    if path.suffix == ".zip":
        return zipped(path, members)
    return tarred(path, members, mode="w" if path.suffix == ".tar" else "w:gz")


@pytest.fixture
def folder(tmp_path):
    """An empty folder, with nothing beside it that an archive could hit."""
    inside = tmp_path / "outer" / "inside"
    inside.mkdir(parents=True)
    return inside


@pytest.fixture(params=["a.zip", "a.tar", "a.tar.gz", "a.tgz"])
def path(request, tmp_path):
    """The path of an archive of each kind."""
    return tmp_path / request.param


def below(folder):
    """Every file below a folder with its content."""
    found = sorted(p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found}


def refused(path, folder, said, **how):
    """The archive is refused with these words, and nothing is anywhere."""
    with pytest.raises(BadArchive, match=said) as caught:
        unpack(path, folder, **how)
    assert "\n" not in str(caught.value)
    assert below(folder.parent.parent).keys() == {path.name}


def test_every_file_comes_out_as_it_went_in(path, folder):
    made(path, [("images/1.jpg", NOISE), ("masks/1.jpg", b"m"), ("masks/2.jpg", b"")])
    unpack(path, folder)
    assert below(folder) == {
        "images/1.jpg": NOISE,
        "masks/1.jpg": b"m",
        "masks/2.jpg": b"",
    }


def test_a_single_folder_around_everything_is_left_out(path, folder):
    made(path, [("Kvasir-SEG/images/1.jpg", b"i"), ("Kvasir-SEG/masks/1.jpg", b"m")])
    unpack(path, folder)
    assert below(folder) == {"images/1.jpg": b"i", "masks/1.jpg": b"m"}


def test_one_folder_of_the_archive_can_be_all_that_is_wanted(path, folder):
    names = ["r/data/Foot Ulcer/train/1.png", "r/data/other/2.png", "r/code.py"]
    made(path, [(name, b"x") for name in names])
    unpack(path, folder, part="r/data/Foot Ulcer")
    assert below(folder) == {"train/1.png": b"x"}


def test_a_wanted_folder_that_is_not_there_is_named(path, folder):
    made(path, [("a/1.png", b"x")])
    refused(path, folder, "holds no file in 'b'", part="b")


def test_what_file_browsers_leave_is_left_out(path, folder):
    names = ["K/1.jpg", "__MACOSX/K/._1.jpg", ".DS_Store", "K/.DS_Store"]
    made(path, [(name, b"x") for name in names])
    unpack(path, folder)
    assert below(folder) == {"1.jpg": b"x"}


def test_an_archive_without_a_file_is_refused(path, folder):
    refused(made(path, []), folder, "holds no file")


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../../x", "/x", "..\\x", "a\\..\\..\\x", "C:\\x", "C:x", "\\x"],
)
def test_a_path_out_of_the_folder_is_refused(path, folder, name):
    made(path, [("a/fine.jpg", b"x"), (name, b"x")])
    refused(path, folder, "would write outside its folder")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_a_link_or_a_device_in_a_zip_is_refused(tmp_path, folder, kind):
    path = zipped(tmp_path / "a.zip", [("k/link", b"../../../outer")], mode=kind)
    refused(path, folder, r"holds a link or a device: 'k/link'")


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
@pytest.mark.parametrize("link", ["../../../outer", "/etc/passwd", "inside"])
def test_a_link_or_a_device_in_a_tar_is_refused(tmp_path, folder, kind, link):
    path = tarred(tmp_path / "a.tar.gz", [("k/link", b"")], kind=kind, link=link)
    refused(path, folder, r"holds a link or a device: 'k/link'")


def test_a_link_outside_the_wanted_folder_does_no_harm(tmp_path, folder):
    path = tmp_path / "a.zip"
    zipped(path, [("r/link", b"/etc/passwd")], mode=stat.S_IFLNK)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("r/data/1.png", b"x")
    unpack(path, folder, part="r/data")
    assert below(folder) == {"1.png": b"x"}


def test_a_bomb_is_refused_by_its_ratio(path, folder):
    made(path, [("zeros", bytes(300_000))])
    limits = Limits(ratio=10) if path.suffix != ".tar" else Limits(ratio=0)
    refused(path, folder, "would unpack to more than", limits=limits)


def test_the_usual_limits_refuse_a_bomb_of_zeros(tmp_path, folder):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("zeros", bytes(20_000_000))
    refused(path, folder, "too much for its")


def test_masks_that_pack_to_a_thousandth_are_no_bomb(tmp_path, folder):
    masks = {f"masks/{i}.bmp": b"BM" + bytes(3_000_000) for i in range(3)}
    path = zipped(tmp_path / "a.zip", list(masks.items()))
    assert path.stat().st_size * 900 < sum(map(len, masks.values()))
    unpack(path, folder)
    assert below(folder) == {name[6:]: data for name, data in masks.items()}


def old_zip(path, names):
    """A zip whose names are these bytes, without a word on their encoding."""
    stand_ins = [f"{i}".rjust(len(name), "n") for i, name in enumerate(names)]
    zipped(path, [(name, b"x") for name in stand_ins])
    data = path.read_bytes()
    for name, stand_in in zip(names, stand_ins, strict=True):
        data = data.replace(stand_in.encode(), name)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("cp949", ["병변_001.png", "병변_002.png", "환자_김/용종_1.png"]),
        ("utf-8", ["병변_001.png", "병변_002.png", "환자_김/용종_1.png"]),
        ("cp932", ["画像表_1.png", "病変_1.png"]),
        ("cp437", ["lésion_1.png", "lésion_2.png"]),
    ],
)
def test_names_in_the_encoding_of_a_country_are_read(encoding, names, tmp_path, folder):
    unpack(old_zip(tmp_path / "a.zip", [n.encode(encoding) for n in names]), folder)
    assert set(below(folder)) == set(names)


def test_a_bomb_of_many_files_is_refused_by_their_sum(path, folder):
    made(path, [(f"{i}", NOISE) for i in range(5)])
    refused(path, folder, "would unpack to more than 14 kB", limits=Limits(14_000))


def test_too_many_files_are_refused(path, folder):
    made(path, [(f"{i}", b"") for i in range(5)])
    refused(path, folder, "holds more than 4 files", limits=Limits(files=4))


def test_two_files_of_one_name_are_refused(path, folder):
    with pytest.warns(UserWarning) if path.suffix == ".zip" else _nothing():
        made(path, [("k/a", b"1"), ("k/b", b"2"), ("k/a", b"3")])
    with pytest.raises(BadArchive, match="has two files called 'a'"):
        unpack(path, folder)
    assert (folder / "a").read_bytes() == b"1"


def _nothing():
    """A context in which nothing is expected."""
    import contextlib

    return contextlib.nullcontext()


def test_a_file_with_a_password_is_refused(tmp_path, folder):
    path = zipped(tmp_path / "a.zip", [("secret", b"x")])
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    refused(path, folder, "holds a file that needs a password: 'secret'")


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.99])
def test_a_truncated_archive_is_refused(tmp_path, folder, kept):
    for name in ("a.zip", "a.tar.gz"):
        path = made(tmp_path / name, [("k/a", NOISE), ("k/b", NOISE[::-1])])
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
        with pytest.raises(BadArchive, match="^a.* is damaged: "):
            unpack(path, folder / name)
        path.unlink()


def test_a_flipped_bit_is_found(tmp_path, folder):
    path = zipped(tmp_path / "a.zip", [("k/a", NOISE)])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadArchive, match="is damaged: "):
        unpack(path, folder)


def test_a_way_of_packing_that_is_not_known_is_one_line(tmp_path, folder):
    path = zipped(tmp_path / "a.zip", [("k/a", NOISE)])
    content = bytearray(path.read_bytes())
    content[8] = content[content.index(b"PK\x01\x02") + 10] = 99
    path.write_bytes(content)
    with pytest.raises(BadArchive, match="is damaged: That compression method is not"):
        unpack(path, folder)


def test_a_disk_too_small_is_said_before_anything_is_written(path, folder, monkeypatch):
    made(path, [("k/a", NOISE)])
    usage = type("usage", (), {"free": 1000})
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OSError, match="to unpack a.*, 3 kB are needed, and 1 kB"):
        unpack(path, folder)
    assert below(folder) == {}


def test_the_bar_counts_every_byte(path, folder):
    bars = []

    class Bar(tqdm):
        def __init__(self, **how):
            super().__init__(**how, file=io.StringIO())
            bars.append(self)

    made(path, [("k/a", NOISE), ("k/b", b"12345")])
    unpack(path, folder, progress=Bar)
    assert [(bar.total, bar.n) for bar in bars] == [(3005, 3005)]


@pytest.mark.parametrize(
    ("file", "start"),
    [
        ("a.zip", b"PK\x03\x04rest"),
        ("A.ZIP", b"PK\x05\x06"),
        ("a.rar", b"Rar!\x1a\x07\x00"),
        ("a.rar", b"Rar!\x1a\x07\x01\x00"),
        ("a.tar.gz", b"\x1f\x8b\x08"),
        ("a.tar", bytes(257) + b"ustar"),
        ("a.csv", b",data_name,model_name\n0,a,b\n"),
    ],
)
def test_what_begins_as_it_should_has_no_problem(file, start):
    assert kind_problem(file, start) is None


@pytest.mark.parametrize(
    ("file", "start", "said"),
    [
        ("a.csv", b"\n<!doctype html>\n", "a web page, not a table"),
        ("a.csv", b"404: Not Found", "begins with b'404: Not Found', not a table"),
        ("a.csv", b"PK\x03\x04\0,", r"begins with b'PK\x03\x04\x00,', not a table"),
        ("a.rar", b"PK\x03\x04\xff\xfe", "not a rar archive"),
        ("a.zip", b"<?xml version='1.0'?><Error/>", "a web page, not a zip archive"),
    ],
)
def test_what_begins_otherwise_is_described(file, start, said):
    assert said in kind_problem(file, start)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (46_227_172, "46.2 MB"), (5.8e9, "5.8 GB")],
)
def test_sizes_read_as_people_say_them(size, text):
    assert archives.in_bytes(size) == text


def test_nothing_here_depends_on_where_it_is_called_from(
    path, folder, tmp_path, monkeypatch
):
    made(path, [("k/a", b"x")])
    monkeypatch.chdir(tmp_path)
    unpack(Path(path.name), folder)
    assert below(folder) == {"a": b"x"}


def test_an_archive_in_place_of_its_folder_is_to_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "kvasir-seg.zip").touch()
    with pytest.raises(FileNotFoundError, match="is a file: unpack an archive first"):
        prepare("kvasir", tmp_path / "kvasir-seg.zip")
