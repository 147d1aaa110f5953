"""What is a picture of a folder of one's own: names, kinds, links."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from made_own_folder import columns, files, lesion, picture, refusal

from lesionkit.datasets import folder
from lesionkit.datasets.own_files import UNREAD
from lesionkit.datasets.pairs import collecting


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
