"""A table of pairs in a folder of one's own, read or refused by its rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_own_folder import columns, files, groups, picture, refusal, table


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
