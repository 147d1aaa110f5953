"""A folder of one's own: three layouts, groups, masks of several classes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionkit.datasets import folder
from lesionkit.datasets.own_files import UNREAD
from lesionkit.datasets.pairs import collecting
from lesionkit.datasets.preparing import prepare

SHAPE = (12, 20)


def picture(path: Path, value: int = 90) -> Path:
    """An image of one value; its folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*SHAPE, 3), value, np.uint8)).save(path)
    return path


def lesion(path: Path, column: int = 3, value: int = 255) -> Path:
    """A mask of one column; its folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros(SHAPE, np.uint8)
    mask[:, column] = value
    Image.fromarray(mask).save(path)
    return path


def files(raw: Path, images: str, masks: str) -> None:
    """Images of the values 1, 2, ... and masks of the columns 1, 2, ..."""
    names = [*images.split(), *masks.split()]
    for i, name in enumerate(images.split(), 1):
        picture(raw / name, i)
    for i, name in enumerate(masks.split(), 1):
        lesion(raw / name, i)
    if len({name.casefold() for name in names}) < len(names):
        skip_where_case_is_lost(raw)


def skip_where_case_is_lost(raw: Path) -> None:
    """Some file systems hold no two names that differ in case."""
    (raw / ".probe").touch()
    if (raw / ".PROBE").exists():
        pytest.skip("the file system knows no case")


def columns(raw: Path) -> dict[str, list[int]]:
    """Each image's name with the columns of its lesion."""
    found = {}
    for sample in folder.samples(raw):
        found[sample.name] = np.flatnonzero(sample.read()[1][0]).tolist()
    return found


def groups(raw: Path) -> dict[str, str]:
    """Each image's name with its group."""
    return {sample.name: sample.group for sample in folder.samples(raw)}


def refusal(raw: Path, *names: str) -> str:
    """The one line that `raw` is refused with, which has all the names."""
    with pytest.raises((ValueError, OSError)) as caught:
        [sample.read() for sample in folder.samples(raw)]
    told = str(caught.value)
    assert len(told.splitlines()) == 1
    assert [name for name in names if name not in told] == []
    return told


# images, masks, and the column of each image's lesion
LAYOUTS = {
    "the same names": (
        "images/a.jpg images/b.png",
        "masks/a.png masks/b.bmp",
        {"images/a.jpg": [1], "images/b.png": [2]},
    ),
    "endings": (
        "images/a.png images/b.png images/c.png images/d.png",
        "masks/a_MASK.png masks/b_segmentation.png masks/c_label.png masks/d_gt.png",
        {f"images/{name}.png": [i] for i, name in enumerate("abcd", 1)},
    ),
    "an image whose own name has an ending": (
        "images/a.png images/a_mask.png",
        "masks/a.png masks/a_mask.png",
        {"images/a.png": [1], "images/a_mask.png": [2]},
    ),
    "sub-folders": (
        "images/p1/img.png images/p2/img.png images/img.png",
        "masks/p2/img.png masks/p1/img_mask.png masks/img.png",
        {"images/img.png": [3], "images/p1/img.png": [2], "images/p2/img.png": [1]},
    ),
    "several lesions by number": (
        "images/a.png images/b.png",
        "masks/a_1.png masks/a_2.png masks/b.png masks/a_10.png",
        {"images/a.png": [1, 2, 4], "images/b.png": [3]},
    ),
    "several lesions by ending and number": (
        "images/a.png",
        "masks/a_mask.png masks/a_mask_1.png",
        {"images/a.png": [1, 2]},
    ),
    "numbered images": (
        "images/a_1.png images/a_2.png images/a.png",
        "masks/a_1.png masks/a_2.png masks/a.png",
        {"images/a.png": [3], "images/a_1.png": [1], "images/a_2.png": [2]},
    ),
    "numbered images of several lesions": (
        "images/a_1.png images/a_2.png",
        "masks/a_1_1.png masks/a_1_2.png masks/a_2.png",
        {"images/a_1.png": [1, 2], "images/a_2.png": [3]},
    ),
    "names that differ in case, both there": (
        "images/a.png images/A.png",
        "masks/A.png masks/a.png",
        {"images/A.png": [1], "images/a.png": [2]},
    ),
    "a mask in another case": (
        "images/Case1.PNG",
        "masks/case1_Mask.png",
        {"images/Case1.PNG": [1]},
    ),
    "accents and other scripts": (
        "images/l\u00e9sion.png images/\u75c5\u53d8.png",
        "masks/le\u0301sion.png masks/\u75c5\u53d8.png",
        {"images/l\u00e9sion.png": [1], "images/\u75c5\u53d8.png": [2]},
    ),
    "one folder": (
        "a.png b.jpg c.png c_1.png",
        "a_mask.png b_gt.png c_mask.png c_1_mask.png",
        {"a.png": [1], "b.jpg": [2], "c.png": [3], "c_1.png": [4]},
    ),
    "one folder with several lesions": (
        "a.png",
        "a_mask_1.png a_mask_2.png",
        {"a.png": [1, 2]},
    ),
    "one folder with sub-folders": (
        "p1/img.png p2/img.png",
        "p1/img_mask.png p2/img_mask.png",
        {"p1/img.png": [1], "p2/img.png": [2]},
    ),
    "a folder further up": (
        "mine/images/a.png",
        "mine/masks/a.png",
        {"mine/images/a.png": [1]},
    ),
    "hidden files and those of archives": (
        "images/a.png images/._a.png images/.b.png __MACOSX/images/c.png "
        "images/__MACOSX/d.png images/.trash/e.png",
        "masks/a.png masks/._x.png masks/__MACOSX/y.png",
        {"images/a.png": [1]},
    ),
    "a folder named as a picture": (
        "images/x.png/a.png",
        "masks/x.png/a.png",
        {"images/x.png/a.png": [1]},
    ),
    "a very long name": (
        f"images/{'n' * 240}.png",
        f"masks/{'n' * 240}_mask.png",
        {f"images/{'n' * 240}.png": [1]},
    ),
}
# images, masks, what the refusal says
UNPAIRED = {
    "no mask": ("images/a.png images/b.png", "masks/a.png", "have no mask: b.png"),
    "no image": ("images/a.png", "masks/a.png masks/b.png", "have no image: b.png"),
    "many": (
        "images/a.png images/b.png images/c.png images/d.png images/e.png",
        "masks/a.png",
        "4 file(s) in {raw}/images have no mask: b.png, c.png, d.png, ...",
    ),
    "the mask of another folder": (
        "images/p1/img.png images/p2/img.png",
        "masks/p1/img.png masks/p3/img.png",
        "have no image: img.png",
    ),
    "two masks": (
        "images/a.png",
        "masks/a.png masks/a_mask.png",
        "belong to one image: a.png, a_mask.png",
    ),
    "a whole and a part": (
        "images/a.png",
        "masks/a.png masks/a_1.png",
        "belong to one image: a.png, a_1.png",
    ),
    "two kinds of parts": (
        "images/a.png",
        "masks/a_1.png masks/a_mask_2.png",
        "belong to one image: a_1.png, a_mask_2.png",
    ),
    "one part twice": (
        "images/a.png",
        "masks/a_1.png masks/a_1.tif",
        "belong to one image: a_1.png, a_1.tif",
    ),
    "a number that is a lost image's": (
        "images/a.png images/a_1.png",
        "masks/a_1.png masks/a_2.png masks/a_3.png",
        "have no image: a_2.png, a_3.png",
    ),
    "one stem": ("images/a.png images/a.jpg", "masks/a.png", "a.jpg, a.png"),
    "case, one image without": (
        "images/a.png images/A.png",
        "masks/a.png",
        "have no mask: A.png",
    ),
    "case, two images meant": (
        "images/ab.png images/AB.png",
        "masks/Ab.png",
        "have several images, whose names differ in case: Ab.png",
    ),
    "case, two masks": ("images/A.png", "masks/a.png masks/A.png", "A.png, a.png"),
    "one folder, no mask": ("a.png b.png", "a_mask.png", "have no mask: b.png"),
    "one folder, no image": ("a.png", "a_mask.png b_mask.png", "no image: b_mask.png"),
    "one folder, other folder": ("p1/a.png", "p2/a_mask.png", "no image: a_mask.png"),
    "beside the folder taken": (
        "mine/images/a.png b.png",
        "mine/masks/a.png b_mask.png",
        "lie beside mine/, which is taken: b_mask.png",
    ),
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_a_layout_is_read(case: str, tmp_path: Path) -> None:
    images, masks, expected = LAYOUTS[case]
    files(tmp_path, images, masks)
    assert columns(tmp_path) == expected


@pytest.mark.parametrize("case", UNPAIRED)
def test_files_that_do_not_pair_are_named(case: str, tmp_path: Path) -> None:
    images, masks, says = UNPAIRED[case]
    files(tmp_path, images, masks)
    refusal(tmp_path, says.format(raw=tmp_path))


def test_names_with_spaces_are_paired(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "left foot (2).png")
    lesion(tmp_path / "masks" / "left foot (2)_mask.png")
    assert columns(tmp_path) == {"images/left foot (2).png": [3]}


@pytest.mark.skipif(os.name == "nt", reason="no such names there")
def test_a_name_of_two_lines_is_refused_in_one(tmp_path: Path) -> None:
    files(tmp_path, "images/a.png", "masks/a.png")
    picture(tmp_path / "images" / "b\nc.png")
    lesion(tmp_path / "masks" / "b\nc.png")
    refusal(tmp_path, "line breaks", r"'b\nc.png'")


@pytest.mark.parametrize("suffix", UNREAD)
def test_a_picture_of_a_kind_that_is_not_read_is_not_passed_over(
    suffix: str, tmp_path: Path
) -> None:
    files(tmp_path, "images/a.png", "masks/a.png")
    (tmp_path / "images" / f"b{suffix}").write_bytes(b"x")
    refusal(tmp_path, f"b{suffix}", ".png")


def test_files_that_are_no_pictures_are_passed_over(tmp_path: Path) -> None:
    files(tmp_path, "images/a.png", "masks/a.png")
    (tmp_path / "images" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "masks" / "notes.txt").write_text("x")
    assert len(folder.samples(tmp_path)) == 1


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read all")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    files(tmp_path, "images/a.png", "masks/a.png")
    (tmp_path / "images" / "a.png").chmod(0)
    refusal(tmp_path, "a.png")


def test_a_link_inside_the_folder_is_followed(tmp_path: Path) -> None:
    files(tmp_path, "store/a.png", "masks/a.png")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").symlink_to(tmp_path / "store" / "a.png")
    assert columns(tmp_path) == {"images/a.png": [1]}


def test_a_raw_folder_may_be_a_link(tmp_path: Path) -> None:
    files(tmp_path / "disk", "images/a.png", "masks/a.png")
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    assert columns(tmp_path / "link") == {"images/a.png": [1]}


# what is a link, where it leads, what the refusal says
LINKS = {
    "an image outside": ("images/b.png", "../else/b.png", "lead out of {raw}: b.png"),
    "a mask outside": ("masks/b.png", "../else/b.png", "lead out of {raw}: b.png"),
    "a folder outside": ("images/more", "../else", "lead out of {raw}: more"),
    "a folder inside": ("images/more", "masks", "are links to folders"),
    "nowhere": ("images/b.png", "missing.png", "are not files: b.png"),
    "itself": ("images/b.png", "images/b.png", "are not files: b.png"),
    "groups.csv outside": ("groups.csv", "../else/groups.csv", "groups.csv: leads out"),
}


@pytest.mark.parametrize("case", LINKS)
def test_a_link_that_is_not_to_a_file_inside_is_named(
    case: str, tmp_path: Path
) -> None:
    raw, (link, target, says) = tmp_path / "mine", LINKS[case]
    files(raw, "images/a.png", "masks/a.png")
    picture(tmp_path / "else" / "b.png")
    (tmp_path / "else" / "groups.csv").write_text("file,group\na.png,1\n")
    (raw / link).symlink_to(raw / target)
    refusal(raw, Path(link).name, says.format(raw=raw))


@pytest.mark.parametrize("part", ["images", "masks"])
def test_a_folder_of_the_layout_that_is_a_link_outside_is_named(
    part: str, tmp_path: Path
) -> None:
    files(tmp_path / "else", "images/a.png", "masks/a.png")
    raw = tmp_path / "mine"
    files(raw, "images/a.png", "masks/a.png")
    (raw / part).rename(tmp_path / "old")
    (raw / part).symlink_to(tmp_path / "else" / part)
    refusal(raw, f"1 file(s) in {raw} lead out of {raw}: {part}")


def test_collecting_defects_reads_no_file_outside(tmp_path: Path) -> None:
    raw = tmp_path / "mine"
    files(raw, "images/a.png", "masks/a.png masks/b.png")
    picture(tmp_path / "b.png")
    (raw / "images" / "b.png").symlink_to(tmp_path / "b.png")
    with collecting() as noted:
        found = folder.samples(raw)
    assert [sample.name for sample in found] == ["images/a.png"]
    assert [names for _, names in noted] == [
        (str(raw / "images" / "b.png"),),
        (str(raw / "masks" / "b.png"),),
    ]


def test_collecting_defects_gives_no_image_an_unclear_mask(tmp_path: Path) -> None:
    files(tmp_path, "images/ab.png images/AB.png", "masks/Ab.png")
    with collecting() as noted:
        assert folder.samples(tmp_path) == []
    assert [len(names) for _, names in noted] == [1, 2]


def table(raw: Path, *rows: str, name: str = "pairs.csv", **options) -> None:
    """A table of these lines."""
    (raw / name).write_text("\n".join(rows) + "\n", **options)


def test_a_table_comes_before_the_folders(tmp_path: Path) -> None:
    files(tmp_path, "images/a.png images/b.png", "masks/a.png masks/b.png")
    table(tmp_path, "image,mask", "images/a.png,masks/b.png")
    assert columns(tmp_path) == {"images/a.png": [2]}


@pytest.mark.parametrize("mark", ",;\t")
def test_rows_of_one_image_unite_its_masks(mark: str, tmp_path: Path) -> None:
    files(tmp_path, "x/a.png x/b.png", "y/1.png y/2.png y/3.png")
    rows = ["Image,Mask,Group", r"x\a.png,y\1.png,p1", "./x/a.png,y/3.png,p1", ""]
    rows += ["x/b.png, y/2.png ,p2", ",,"]
    rows = [row.replace(",", mark) for row in rows]
    table(tmp_path, *rows, encoding="utf-8-sig")
    assert columns(tmp_path) == {"x/a.png": [1, 3], "x/b.png": [2]}
    assert groups(tmp_path) == {"x/a.png": "p1", "x/b.png": "p2"}


def test_a_table_may_lie_in_the_folder_below(tmp_path: Path) -> None:
    files(tmp_path / "mine", "a.png", "1.png")
    table(tmp_path / "mine", "mask,image", "1.png,a.png")
    assert columns(tmp_path) == {"mine/a.png": [1]}


# the lines of pairs.csv, what the refusal says
TABLES = {
    "missing file": ("image,mask|a.png,2.png", "line 2: mask '2.png' is not there"),
    "misspelt file": ("image,mask|ab.png,1.png", "did you mean 'a.png'?"),
    "file in another case": ("image,mask|A.png,1.png", "did you mean 'a.png'?"),
    "folder": ("image,mask|a.png,sub", "mask 'sub' is not there"),
    "empty cell": ("image,mask|a.png,", "line 2: no mask"),
    "row twice": (
        "image,mask|a.png,1.png|./a.png,1.png",
        "line 3: 'a.png' with '1.png' is there twice",
    ),
    "image as mask": ("image,mask|a.png,a.png", "'a.png' is image and mask"),
    "path out": ("image,mask|../b.png,1.png", "'../b.png' leads out"),
    "path out with \\": (r"image,mask|..\b.png,1.png", "leads out"),
    "path out and in": ("image,mask|sub/../../b.png,1.png", "leads out"),
    "absolute path": ("image,mask|/etc/b.png,1.png", "'/etc/b.png' leads out"),
    "network path": (r"image,mask|\\host\b.png,1.png", "leads out"),
    "link out": ("image,mask|out.png,1.png", "'out.png' leads out"),
    "link out on the way": ("image,mask|way/b.png,1.png", "'way/b.png' leads out"),
    "one file under two names": (
        "image,mask|a.png,1.png|link.png,1.png",
        "are one file: a.png, link.png",
    ),
    "two groups": (
        "image,mask,group|a.png,1.png,x|a.png,3.png,y",
        "line 3: 'a.png' is in two groups",
    ),
    "no group": ("image,mask,group|a.png,1.png,", "'a.png' has no group"),
    "cells too many": ("image,mask|a.png,1.png,x", "line 2: 3 cells, not 2"),
    "column unknown": ("image,mask,patient|a.png,1.png,7", "got 'image', 'mask', 'pat"),
    "column missing": ("image,group|a.png,7", "needs the columns image, mask, and may"),
    "column twice": ("image,mask,mask|a.png,1.png,1.png", "needs the columns"),
    "no heading": ("a.png,1.png", "needs the columns"),
    "no row": ("image,mask", "no row"),
    "nothing": ("", "got none"),
    "open quote": ('image,mask|"a.png,1.png', "line "),
    "two lines in a name": ('image,mask|"a\n.png",1.png', r"'a\n.png' has a line"),
    "four bad rows": (
        "image,mask|p.png,1.png|q.png,1.png|r.png,1.png|s.png,1.png",
        "4 row(s) cannot be used: line 2: image 'p.png'",
    ),
}


@pytest.mark.parametrize("case", TABLES)
def test_a_table_that_cannot_be_used_is_refused_by_its_rows(
    case: str, tmp_path: Path
) -> None:
    raw = tmp_path / "mine"
    files(raw, "a.png", "1.png sub/2.png 3.png")
    picture(tmp_path / "b.png")
    (raw / "out.png").symlink_to(tmp_path / "b.png")
    (raw / "way").symlink_to(tmp_path)
    (raw / "link.png").symlink_to(raw / "a.png")
    lines, says = TABLES[case]
    table(raw, *lines.split("|"))
    told = refusal(raw, says)
    assert str(raw) in told


def test_a_table_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    files(tmp_path, "a.png", "1.png")
    table(tmp_path, "image,mask", "l\u00e9sion.png,1.png", encoding="latin-1")
    refusal(tmp_path, "pairs.csv: not UTF-8")


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
