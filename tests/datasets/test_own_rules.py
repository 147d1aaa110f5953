"""Groups of a folder of one's own, and masks of several classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_own_folder import columns, files, groups, lesion, picture, refusal, table
from PIL import Image

from lesionkit.datasets import folder
from lesionkit.prepared.preparing import prepare


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Two patients, each with an image img and one of a name of its own."""
    images = "images/p1/img.png images/p1/x.png images/p2/img.png images/p2/y.png"
    files(tmp_path, images, images.replace("images", "masks"))
    return tmp_path


NAMES = ["images/p1/img.png", "images/p1/x.png", "images/p2/img.png", "images/p2/y.png"]


def test_without_a_file_of_groups_there_is_none(two: Path) -> None:
    assert groups(two) == dict.fromkeys(NAMES, "")


def test_groups_may_be_a_pattern_of_the_path(two: Path) -> None:
    (two / "groups.txt").write_text("/(p[0-9]+)/\n")
    assert list(groups(two).values()) == ["p1", "p1", "p2", "p2"]


def test_groups_may_be_a_table_of_paths_or_of_their_ends(two: Path) -> None:
    rows = ["images/p1/img.png,A", r"p2\img.png,B", "x.png,A", "y.png,B", "z.png,C"]
    table(two, "file,group", *rows, name="groups.csv")
    assert list(groups(two).values()) == ["A", "A", "B", "B"]


# name of the file, its lines, what the refusal says
GROUPS = {
    "no match": ("groups.txt", "(p1)", "2 file(s) in {raw}/images/p2 have no group"),
    "no match, named": ("groups.txt", "(p1)", "img.png, y.png"),
    "empty match": ("groups.txt", "(q*)", "4 file(s)"),
    "no group": ("groups.txt", "p[0-9]", "got 0 in 'p[0-9]'"),
    "two groups": ("groups.txt", "(p)([0-9])", "got 2"),
    "not a pattern": ("groups.txt", "(p", "not a regular expression"),
    "two lines": ("groups.txt", "(p)|(q)", "got 2 lines"),
    "no line": ("groups.txt", "", "got 0 lines"),
    "image left out": (
        "groups.csv",
        "file,group|p1/img.png,A|x.png,A|y.png,B",
        "1 file(s) in {raw}/images/p2 have no group by groups.csv or groups.txt: img",
    ),
    "two files meant": (
        "groups.csv",
        "file,group|img.png,A",
        "'img.png' may be any of images/p1/img.png, images/p2/img.png",
    ),
    "in two groups": (
        "groups.csv",
        "file,group|x.png,A|p1/x.png,B",
        "line 3: 'p1/x.png' is in two groups",
    ),
    "empty group": ("groups.csv", "file,group|x.png,", "have no group"),
    "other columns": ("groups.csv", "image,patient|x.png,A", "needs the columns file"),
    "capital letters": ("Groups.txt", "(p.)", "has to be written groups.txt"),
}


@pytest.mark.parametrize("case", GROUPS)
def test_groups_that_leave_an_image_out_are_refused(case: str, two: Path) -> None:
    name, lines, says = GROUPS[case]
    (two / name).write_text(lines.replace("|", "\n"))
    refusal(two, says.format(raw=two))


@pytest.mark.parametrize(
    "names", [("groups.csv", "groups.txt"), ("pairs.csv", "groups.txt")]
)
def test_groups_are_told_once(names: tuple[str, str], two: Path) -> None:
    table(two, "file,group", "x.png,A", name="groups.csv")
    row = "images/p1/x.png,masks/p1/x.png,A"
    table(two, "image,mask,group", row)
    table(two, "(p.)", name="groups.txt")
    for name in {"pairs.csv", "groups.csv"} - set(names):
        (two / name).unlink()
    refusal(two, *names)


def test_a_file_of_groups_is_not_there_twice(tmp_path: Path) -> None:
    files(tmp_path, "mine/images/a.png", "mine/masks/a.png")
    for place in (tmp_path, tmp_path / "mine"):
        (place / "groups.txt").write_text("(a)")
    refusal(tmp_path, "groups.txt is there twice")


def classes(path: Path, mode: str = "L") -> Path:
    """A mask of the values 0, 1, 2 and 3 in quarters of its columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.repeat(np.arange(4, dtype=np.uint8), 5)
    image = Image.fromarray(np.tile(values, (12, 1)))
    image.convert("RGB" if mode == "RGB" else "L").save(path)
    return path


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize(("lines", "first"), [("1\n3\n", [5, 15]), ("2", [10])])
def test_listed_values_are_the_lesion(
    lines: str, first: list[int], mode: str, tmp_path: Path
) -> None:
    picture(tmp_path / "images" / "a.png")
    classes(tmp_path / "masks" / "a.png", mode)
    (tmp_path / "lesion_values.txt").write_text(lines)
    expected = [column for start in first for column in range(start, start + 5)]
    assert columns(tmp_path) == {"images/a.png": expected}


def test_listed_values_of_a_palette_are_indices(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.png")
    (tmp_path / "masks").mkdir()
    index = Image.fromarray(np.tile(np.arange(20, dtype=np.uint8) // 5, (12, 1)), "P")
    index.putpalette([value for i in range(4) for value in (3 - i, 9, 200)])
    index.save(tmp_path / "masks" / "a.png")
    (tmp_path / "lesion_values.txt").write_text("3")
    assert columns(tmp_path) == {"images/a.png": [15, 16, 17, 18, 19]}


def test_a_mask_without_a_listed_value_is_empty(tmp_path: Path) -> None:
    files(tmp_path, "images/a.png", "")
    lesion(tmp_path / "masks" / "a.png", value=2)
    (tmp_path / "lesion_values.txt").write_text("1")
    assert columns(tmp_path) == {"images/a.png": []}


def test_another_listed_value_is_another_mask(tmp_path: Path) -> None:
    raw = tmp_path / "mine"
    picture(raw / "images" / "a.png")
    classes(raw / "masks" / "a.png")
    shares = []
    for lines in ("1", "1\n2", "2"):
        (raw / "lesion_values.txt").write_text(lines)
        data = prepare("my_set", raw, size=20)
        shares.append((float(data.masks.mean()), int(data.masks[0, 0, 7])))
    assert shares == [(0.25, 1), (0.5, 1), (0.25, 0)]


def test_without_listed_values_the_hash_is_that_of_the_files(tmp_path: Path) -> None:
    files(tmp_path, "images/a.png", "masks/a.png")
    (sample,) = folder.samples(tmp_path)
    plain = super(type(sample), sample).hashes()
    assert sample.hashes() == plain


# how the mask is saved, what the refusal says
UNLISTED = {
    "JPEG": ("a.jpg", "L", 2, "JPEG and WebP change values"),
    "WebP": ("a.webp", "L", 2, "JPEG and WebP change values"),
    "coloured": ("a.png", "HSV", 2, "coloured mask"),
    "0 and 255": ("a.png", "L", 255, "a mask of 0 and 255, lesion_values.txt lists 2"),
    "boolean": ("a.png", "1", 255, "a mask of 0 and 255, lesion_values.txt lists 2"),
    "alpha": ("a.png", "LA", 2, "alpha varies"),
}


@pytest.mark.parametrize("case", UNLISTED)
def test_a_mask_whose_values_are_not_sure_is_refused(case: str, tmp_path: Path) -> None:
    name, mode, value, says = UNLISTED[case]
    files(tmp_path, "images/a.png", "")
    with Image.open(lesion(tmp_path / "mask.png", value=value)) as grey:
        image = grey.convert("L" if mode == "HSV" else mode)
    if mode == "LA":
        image.putalpha(grey.point(lambda v: 255 - v))
    if mode == "HSV":
        image = Image.merge("RGB", (image, image, Image.new("L", image.size)))
    (tmp_path / "masks").mkdir()
    image.save(tmp_path / "masks" / name)
    (tmp_path / "lesion_values.txt").write_text("2")
    refusal(tmp_path, f"{tmp_path / 'masks' / name}: ", says)


@pytest.mark.parametrize("lines", ["", "one", "1.5", "-1", "70000", "1, 2", "1\nx"])
def test_listed_values_are_integers_one_a_line(lines: str, tmp_path: Path) -> None:
    files(tmp_path, "images/a.png", "masks/a.png")
    (tmp_path / "lesion_values.txt").write_text(lines)
    refusal(tmp_path, "lesion_values.txt: one integer a line")
