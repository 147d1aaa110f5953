"""A folder of one's own: three layouts, and files that do not pair."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_own_folder import columns, files, lesion, picture, refusal

from lesionkit.datasets import folder
from lesionkit.datasets.pairs import collecting
from lesionkit.prepared.preparing import prepare

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
        "differ in case, in zeros or in a word: Ab.png",
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


def test_collecting_defects_gives_no_image_an_unclear_mask(tmp_path: Path) -> None:
    files(tmp_path, "images/ab.png images/AB.png", "masks/Ab.png")
    with collecting() as noted:
        assert folder.samples(tmp_path) == []
    assert [len(names) for _, names in noted] == [1, 2]


def test_a_set_of_ones_own_is_called_by_its_name_in_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="^my_set: no images with masks"):
        prepare("my_set", tmp_path)
