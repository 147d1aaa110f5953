"""Folders of images and masks by the names that people give them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_annotations import (
    check_truth,
    image,
    labelme,
    mask,
    masks,
    parts,
    shape,
    write,
)
from made_own_folder import refusal

from lesionkit.datasets import folder
from lesionkit.datasets.annotations.naming import is_named_mask, part_of
from lesionkit.datasets.pairs import collecting

# the image's and the mask's path, by number from 0 and from 1
NAMES = {
    "as promised": ("images/a{i}.jpg", "masks/a{i}.png"),
    "capital letters": ("Images/a{i}.jpg", "Masks/a{i}.png"),
    "one each": ("image/a{i}.jpg", "mask/a{i}.png"),
    "imgs and gt": ("imgs/a{i}.jpg", "gt/a{i}.png"),
    "img and label": ("img/a{i}.jpg", "label/a{i}.png"),
    "labels": ("images/a{i}.jpg", "labels/a{i}.png"),
    "annotations": ("images/a{i}.jpg", "annotations/a{i}.png"),
    "annotation": ("images/a{i}.jpg", "annotation/a{i}.png"),
    "two words": ("Original/{j}.tif", "Ground Truth/{j}.tif"),
    "of Pascal VOC": ("JPEGImages/a{i}.jpg", "SegmentationClass/a{i}.png"),
    "_dir": ("img_dir/a{i}.jpg", "ann_dir/a{i}.png"),
    "far down": ("a/b/c/images/a{i}.jpg", "a/b/c/masks/a{i}.png"),
    "_mask": ("images/a{i}.jpg", "masks/a{i}_mask.png"),
    "-mask": ("images/a{i}.jpg", "masks/a{i}-mask.png"),
    "_seg": ("images/a{i}.jpg", "masks/a{i}_seg.png"),
    "_segmentation": ("images/a{i}.jpg", "masks/a{i}_Segmentation.png"),
    "_lesion": ("images/IMD00{i}.bmp", "masks/IMD00{i}_lesion.bmp"),
    "_gt": ("images/a{i}.jpg", "masks/a{i}_gt.png"),
    "_groundtruth": ("images/a{i}.jpg", "masks/a{i}_groundtruth.png"),
    "_ground_truth": ("images/a{i}.jpg", "masks/a{i}_ground_truth.png"),
    "mask_ first": ("images/a{i}.jpg", "masks/mask_a{i}.png"),
    "zeros": ("images/{j}.jpg", "masks/00{j}.png"),
    "zeros of the image": ("images/00{j}.jpg", "masks/{j}.png"),
    "img 7 and mask 007": ("images/img_{j}.jpg", "masks/mask_00{j}.png"),
    "img7 and mask7": ("images/img{j}.jpg", "masks/mask{j}.png"),
    "image_ and label_": ("images/image_00{i}.jpg", "labels/label_00{i}.png"),
    "_image beside _mask": ("p{i}_image.png", "p{i}_mask.png"),
    "_lesion in one folder": ("IMD{i}.bmp", "IMD{i}_lesion.bmp"),
    "-mask in one folder": ("x{i}.png", "x{i}-mask.png"),
}


def pairs(raw: Path, of_image: str, of_mask: str, count: int = 4) -> None:
    for i in range(count):
        image(raw / of_image.format(i=i, j=i + 1), i)
        mask(raw / of_mask.format(i=i, j=i + 1), i)


@pytest.mark.parametrize("case", NAMES)
def test_folders_and_names_that_people_give_are_read(case: str, tmp_path: Path):
    pairs(tmp_path, *NAMES[case])
    check_truth(tmp_path)


PARTS = {
    "folders of parts": ("{p}/images/a{i}.jpg", "{p}/masks/a{i}.png"),
    "parts of folders": ("images/{p}/a{i}.jpg", "masks/{p}/a{i}.png"),
    "in one word": ("{p}_images/a{i}.jpg", "{p}_masks/a{i}.png"),
    "the word last": ("images-{p}/a{i}.jpg", "labels-{p}/a{i}.png"),
    "in a folder more": ("set/{p}/Images/a{i}.jpg", "set/{p}/GT/a{i}.png"),
    "beside each other": ("{p}/a{i}.png", "{p}/a{i}_mask.png"),
}


@pytest.mark.parametrize("words", ["train val test", "Training Validation Testing"])
@pytest.mark.parametrize("case", PARTS)
def test_parts_are_kept(case: str, words: str, tmp_path: Path) -> None:
    for i, part in enumerate([0, 0, 1, 2]):
        for write_one, name in zip((image, mask), PARTS[case], strict=True):
            write_one(tmp_path / name.format(p=words.split()[part], i=i), i)
    said = {s.name[-5 - 4 * ("_mask" in s.name)]: s for s in folder.samples(tmp_path)}
    assert [said[str(i)].part for i in range(4)] == [
        "train",
        "train",
        "validation",
        "test",
    ]
    assert said["3"].read()[1].sum() == 7 * 9


def test_a_part_is_none_where_not_every_image_has_one(tmp_path: Path) -> None:
    pairs(tmp_path, "images/train/a{i}.jpg", "masks/train/a{i}.png", 2)
    pairs(tmp_path, "images/b{i}.jpg", "masks/b{i}.png", 2)
    assert parts(tmp_path) == [""] * 4


def test_a_path_of_two_parts_says_none() -> None:
    assert part_of(["test", "train", "images"]) == ""
    assert part_of(["Train_Data", "x"]) == "train"


def test_a_table_has_parts_too_and_is_read_before_all_else(tmp_path: Path) -> None:
    pairs(tmp_path, "train/images/a{i}.jpg", "train/masks/a{i}.png", 2)
    labelme(tmp_path / "train" / "a0.json", "a0.jpg", [shape(3)])
    rows = [f"train/images/a{i}.jpg,train/masks/a{i}.png\n" for i in range(2)]
    write(tmp_path / "pairs.csv", "image,mask\n" + "".join(rows))
    check_truth(tmp_path, 2)
    assert parts(tmp_path) == ["train", "train"]


def test_what_other_programs_leave_is_passed_over(tmp_path: Path) -> None:
    pairs(tmp_path, "Images/a{i}.jpg", "Masks/a{i}.png")
    image(tmp_path / "__MACOSX" / "Images" / "._a0.jpg", 0)
    for name in ("Images/Thumbs.db", "Masks/desktop.ini", ".DS_Store"):
        (tmp_path / name).write_bytes(b"x")
    check_truth(tmp_path)


# files to be made, what the refusal says
REFUSED = {
    "two folders of masks": (
        "images/a.png masks/a.png labels/a.png",
        "holds labels/ and masks/, which may be meant",
    ),
    "two folders of images": (
        "images/a.png imgs/a.png masks/a.png",
        "holds images/ and imgs/, which may be meant",
    ),
    "two sets": (
        "one/images/a.png one/masks/a.png two/images/a.png two/masks/a.png",
        "more than one folder of {raw} fits: one/images, two/images",
    ),
    "an image of two names": (
        "images/7.png images/07.png masks/007.png",
        "have several images, whose names differ in case, in zeros or in a word: 007",
    ),
    "two masks of one image": (
        "images/a.png masks/a.png masks/mask_a.png",
        "belong to one image: a.png, mask_a.png",
    ),
    "two masks by zeros": (
        "images/7.png masks/7.png masks/007.png",
        "belong to one image: 007.png, 7.png",
    ),
    "a part without masks": (
        "train/images/a.png train/masks/a.png test/images/b.png",
        "1 file(s) in {raw}/test/images have no mask: b.png",
    ),
    "images alone": ("a.png b.png", "found 2 .png files. Needed:"),
    "pairs.csv is the way": ("a.png", "pairs.csv with the columns image, mask always"),
    "empty masks folder": ("images/a.png masks/x.txt", "found 1 .png, 1 .txt files"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_may_be_read_in_two_ways_is_refused(case: str, tmp_path: Path) -> None:
    names, says = REFUSED[case]
    for name in names.split():
        image(tmp_path / name, 0) if name[-3:] == "png" else write(tmp_path / name, "-")
    refusal(tmp_path, says.format(raw=tmp_path))


# a file that is there beside an image, what the refusal says of it
FOUND = {
    "polyps.zip": "polyps.zip which have to be unpacked first",
    "Annotations/a.xml": "a.xml whose boxes are no masks",
    "masks.mat": "masks.mat which are not read; save them as .npy",
    "a.json": "a.json which are no JSON",
}


@pytest.mark.parametrize("name", FOUND)
def test_a_refusal_says_what_is_there(name: str, tmp_path: Path) -> None:
    image(tmp_path / "a.png", 0)
    write(tmp_path / name, "{")
    refusal(tmp_path, FOUND[name], f"1 {Path(name).suffix}", "pairs.csv")


def test_two_forms_are_refused(tmp_path: Path) -> None:
    pairs(tmp_path, "images/a{i}.png", "masks/a{i}.png", 2)
    labelme(tmp_path / "images" / "a0.json", "a0.png", [shape(0)])
    refusal(tmp_path, "1 LabelMe .json files (a0.json) and 1 mask files (masks)")


def test_settings_of_two_folders_are_not_passed_over(tmp_path: Path) -> None:
    pairs(tmp_path, "train/images/a{i}.png", "train/masks/a{i}.png", 2)
    pairs(tmp_path, "test/images/a{i}.png", "test/masks/a{i}.png", 2)
    for part in ("train", "test"):
        write(tmp_path / part / "lesion_values.txt", "255")
    refusal(tmp_path, "test, train in", "one in the raw folder is read")


def test_a_part_without_masks_can_be_left_out(tmp_path: Path) -> None:
    pairs(tmp_path, "train/images/a{i}.png", "train/masks/a{i}.png", 2)
    image(tmp_path / "test" / "images" / "b.png", 0)
    with collecting() as noted:
        assert len(folder.samples(tmp_path)) == 2
    assert [defect for defect, _ in noted] == ["have no mask"]


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        *[(name, True) for name in ("a_mask", "a-seg", "mask_7", "gt7", "a_GT_2")],
        *[(name, False) for name in ("a", "a_lesion", "lesion_3", "amask", "masked")],
    ],
)
def test_an_image_of_a_lesion_is_not_taken_for_a_mask(name: str, is_one: bool):
    assert is_named_mask(name) is is_one


def test_numbered_lesions_are_united_behind_any_word(tmp_path: Path) -> None:
    image(tmp_path / "images" / "img_7.png", 0)
    for i, name in enumerate(("mask_7_1", "mask_7_2")):
        mask(tmp_path / "masks" / f"{name}.png", i)
    (found,) = masks(tmp_path).values()
    assert np.count_nonzero(found) == 5 * 7
