"""Outlines of LabelMe, COCO and YOLO, to the pixel, and what of them is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_annotations import (
    COUNT,
    H,
    W,
    annotation,
    check_truth,
    coco,
    corners,
    image,
    labelme,
    masks,
    outline,
    packed_png,
    parts,
    runs,
    shape,
    truth,
    turned_image,
    write,
    yolo_line,
)
from made_own_folder import refusal
from PIL import Image
from skimage.draw import polygon2mask

from lesionkit.datasets import folder
from lesionkit.datasets.annotations.areas import polygon
from lesionkit.datasets.annotations.coco import unpacked
from lesionkit.datasets.pairs import collecting

BIG = (300, 400)


def test_the_centre_of_a_pixel_decides() -> None:
    square = polygon((2.4, 3.4, 6.6, 3.4, 6.6, 8.6, 2.4, 8.6), 10, 10)
    assert np.argwhere(square).min(0).tolist() == [3, 2]
    assert square.sum() == 5 * 6
    assert polygon((2.6, 3.6, 6.4, 3.6, 6.4, 8.4, 2.6, 8.4), 10, 10).sum() == 3 * 4


@pytest.mark.parametrize("seed", range(8))
def test_an_outline_is_that_of_an_independent_library(seed: int) -> None:
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
    radius = rng.uniform(20, 120, 9)
    x, y = 200 + radius * np.cos(angles), 150 + radius * np.sin(angles)
    ours = polygon(np.stack([x, y], 1).ravel().tolist(), *BIG)
    theirs = polygon2mask(BIG, np.stack([y - 0.5, x - 0.5], 1))  # centres at integers
    assert theirs.sum() > 3000
    np.testing.assert_array_equal(ours, theirs)


def test_an_outline_that_crosses_itself_is_inside_by_turns() -> None:
    twice = (2, 2, 8, 2, 8, 8, 2, 8) * 2  # round and round: even everywhere
    assert polygon(twice, 10, 10).sum() == 0


def test_an_outline_at_the_edge_is_cut_there() -> None:
    assert polygon((-0.5, -1, 10.9, -1, 10.9, 10, -0.5, 10), 10, 10).all()


@pytest.mark.parametrize(
    "points",
    [(0, 0, 5, 5), (0, 0, 5, 5, 5), (0, 0, 13, 0, 5, 5), (0, -2, 1, 1, 5, 5),
     (0, float("nan"), 1, 1, 5, 5)],
)  # fmt: skip
def test_an_outline_of_another_image_is_refused(points: tuple) -> None:
    with pytest.raises(ValueError, match="corners|out of the image"):
        polygon(points, 10, 10)


# LabelMe: where the file lies, where the image, what imagePath says
PLACES = {
    "side by side": ("{i}.json", "{i}.png", "{i}.png"),
    "of another machine": (
        "annotations/{i}.json",
        "images/{i}.png",
        "C:\\Users\\me\\images\\{i}.png",
    ),
    "up and down": ("json/{i}.json", "img/{i}.jpg", "../img/{i}.jpg"),
    "renamed": ("json/{i}.json", "img/{i}.jpg", "IMG_{i}.jpg"),
    "parts": ("train/{i}.json", "train/{i}.png", "{i}.png"),
}


@pytest.mark.parametrize("case", PLACES)
def test_labelme_is_read(case: str, tmp_path: Path) -> None:
    of_file, of_image, says = (text.format for text in PLACES[case])
    for i in range(COUNT):
        image(tmp_path / of_image(i=i), i)
        labelme(tmp_path / of_file(i=i), says(i=i), [shape(i)])
    check_truth(tmp_path)
    assert parts(tmp_path) == [case == "parts" and "train" or ""] * COUNT


SHAPES: dict[str, Any] = {
    "rectangle": lambda i: {"points": [corners(i)[0], corners(i)[2]]},
    "mask": lambda i: {
        "points": [corners(i)[0], [8 + i, 8 + i]],
        "mask": packed_png(np.ones((4 + i, 6 + i))),
    },
    "rotation": lambda i: {"points": corners(i)},
}


@pytest.mark.parametrize("kind", SHAPES)
def test_shapes_of_labelme_are_drawn(kind: str, tmp_path: Path) -> None:
    for i in range(COUNT):
        image(tmp_path / f"{i}.png", i)
        drawn = shape(i, shape_type=kind, **SHAPES[kind](i))
        labelme(tmp_path / f"{i}.json", f"{i}.png", [drawn])
    check_truth(tmp_path)


def test_a_rectangle_may_be_drawn_from_any_corner(tmp_path: Path) -> None:
    image(tmp_path / "0.png", 0)
    drawn = shape(0, shape_type="rectangle", points=[[9, 5], [3, 9]])
    labelme(tmp_path / "0.json", "0.png", [drawn])
    check_truth(tmp_path, 1)


def test_a_circle_has_the_centres_within_its_radius(tmp_path: Path) -> None:
    image(tmp_path / "0.png", 0)
    drawn = shape(0, shape_type="circle", points=[[20, 15], [20, 20]])
    labelme(tmp_path / "0.json", "0.png", [drawn])
    (found,) = masks(tmp_path).values()
    y, x = np.mgrid[:H, :W]
    np.testing.assert_array_equal(found, np.hypot(x - 19.5, y - 14.5) <= 5)


def test_several_shapes_are_united_and_none_is_no_lesion(tmp_path: Path) -> None:
    for i, drawn in enumerate(([shape(0), shape(2)], [])):
        image(tmp_path / f"{i}.png", i)
        labelme(tmp_path / f"{i}.json", f"{i}.png", drawn)
    first, second = masks(tmp_path).values()
    np.testing.assert_array_equal(first, truth(2))
    assert second.sum() == 0


@pytest.mark.parametrize("kind", ["point", "linestrip", "line", "points"])
def test_a_shape_without_area_is_refused(kind: str, tmp_path: Path) -> None:
    image(tmp_path / "0.png", 0)
    labelme(tmp_path / "0.json", "0.png", [shape(0, shape_type=kind)])
    refusal(tmp_path, f"0.png: 'polyp' is a {kind}; a mask needs outlines")


# names of the shapes of two images, lesion_values.txt, pixels or the refusal
CHOICES = {
    "one name": (["polyp", "polyp"], "", [24, 35]),
    "two names": (["polyp", "tool"], "", "called polyp (1), tool (1); say which"),
    "one of two": (["polyp", "tool"], "POLYP", [24, 0]),
    "both of two": (["polyp", "tool"], "polyp\ntool", [24, 35]),
    "a misspelt one": (["polyp", "tool"], "polip", "did you mean 'polyp'?"),
    "case alone": (["polyp", "Polyp"], "", "polyp (1), Polyp (1)"),
    "background": (["background"] * 2, "", "called background (2)"),
    "an empty list": (["polyp", "tool"], "\n", "one name a line; there are"),
}


@pytest.mark.parametrize("case", CHOICES)
def test_names_are_chosen_by_lesion_values(case: str, tmp_path: Path) -> None:
    names, listed, wanted = CHOICES[case]
    for i, name in enumerate(names):
        image(tmp_path / f"{i}.png", i)
        labelme(tmp_path / f"{i}.json", f"{i}.png", [shape(i, name)])
    if listed:
        write(tmp_path / "lesion_values.txt", listed)
    if isinstance(wanted, str):
        refusal(tmp_path, wanted)
    else:
        assert [int(m.sum()) for m in masks(tmp_path).values()] == wanted


def test_another_choice_is_another_mask(tmp_path: Path) -> None:
    image(tmp_path / "0.png", 0)
    labelme(tmp_path / "0.json", "0.png", [shape(0), shape(1, "tool")])
    hashes = set()
    for listed in ("polyp", "tool", "polyp\ntool"):
        write(tmp_path / "lesion_values.txt", listed)
        hashes.add(folder.samples(tmp_path)[0].hashes())
    assert len(hashes) == 3
    assert len({content for content, _ in hashes}) == 1


UNCLEAR = {
    "another size": ([("0.json", "0.png", (60, 80))], "drawn on 80 x 60 pixels"),
    "no image": ([("0.json", "0.png", None), ("9.json", "9.png", None)], "no image: 9"),
    "two files": (
        [("0.json", "0.png", None), ("b/x.json", "../0.png", None)],
        "belong to one image",
    ),
    "two images": (
        [("a/0.json", "elsewhere.png", None)],
        "have several images: 0.json",
    ),
    "another's name": ([("0.json", "1.png", None)], "its imagePath is '1.png', and 0"),
    "no file": ([("0.json", "0.png", None)], "have no mask: 1.png"),
}


@pytest.mark.parametrize("case", UNCLEAR)
def test_labelme_files_of_no_image_or_two_are_refused(case: str, tmp_path: Path):
    files, says = UNCLEAR[case]
    names = ["0.png"] + ["1.png"] * (case in ("another's name", "no file"))
    names = ["b/0.png", "c/0.png"] if case == "two images" else names
    for name in names:
        image(tmp_path / name, 0)
    for name, said, size in files:
        labelme(tmp_path / name, said, [shape(0)], size or (H, W))
    refusal(tmp_path, says)


# a file, the one image of its name elsewhere, another image of the file's own folder
STRANGERS = {
    "of another patient": ("p1/1.json", "p2/1.png", "p1/2.png"),
    "of another patient, apart": ("json/p1/1.json", "img/p2/1.png", "img/p1/2.png"),
    "of another part": ("train/json/1.json", "val/img/1.png", "train/img/2.png"),
}


@pytest.mark.parametrize("case", STRANGERS)
def test_an_image_of_the_name_elsewhere_is_not_taken(case: str, tmp_path: Path) -> None:
    file, stranger, other = STRANGERS[case]
    for place in (stranger, other):
        image(tmp_path / place, 1)
    labelme(tmp_path / file, "1.png", [shape(1)])
    refusal(tmp_path, "have no image: 1.json")


@pytest.mark.parametrize(
    ("file", "said"),
    [("all.json", "train/1.png"), ("instances_train.json", "1.png")],
)
def test_coco_takes_no_image_of_another_part(file: str, said: str, tmp_path: Path):
    image(tmp_path / "val" / "1.png", 1)
    write(tmp_path / file, coco([1], [annotation(1, outline(1))], file=said))
    refusal(tmp_path, "have no image: 1.png")


def test_a_file_of_yolo_has_the_name_of_its_image(tmp_path: Path) -> None:
    image(tmp_path / "images" / "a.jpg", 0)
    write(tmp_path / "labels" / "a_1.txt", yolo_line(0))
    refusal(tmp_path, "have no image: a_1.txt")


def test_an_image_without_a_file_can_be_left_out(tmp_path: Path) -> None:
    for i in range(3):
        image(tmp_path / f"{i}.png", i)
    for i in range(2):
        labelme(tmp_path / f"{i}.json", f"{i}.png", [shape(i)])
    with collecting() as noted:
        assert len(folder.samples(tmp_path)) == 2
    assert [(what, len(files)) for what, files in noted] == [("have no mask", 1)]


TURNS = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}


@pytest.mark.parametrize("tag", TURNS)
def test_outlines_on_an_image_as_it_is_seen_are_read(tag: int, tmp_path: Path) -> None:
    turned_image(tmp_path / "0.jpg", 0, tag, TURNS[tag])
    labelme(tmp_path / "0.json", "0.jpg", [shape(0)])
    check_truth(tmp_path, 1)


@pytest.mark.parametrize("tag", TURNS)
def test_outlines_on_an_image_as_it_is_stored_are_turned(tag: int, tmp_path: Path):
    turned_image(tmp_path / "0.jpg", 0, tag, TURNS[tag])
    stored = np.asarray(Image.fromarray(truth(0)).transpose(TURNS[tag]))
    rows, columns = np.nonzero(stored)
    box = [[columns.min(), rows.min()], [columns.max() + 1, rows.max() + 1]]
    points = [[float(v) for v in corner] for corner in box]
    drawn = shape(0, shape_type="rectangle", points=points)
    labelme(tmp_path / "0.json", "0.jpg", [drawn], (W, H))
    check_truth(tmp_path, 1)


@pytest.mark.parametrize("size", [(H, W), (None, None)])
def test_an_image_that_both_ways_fit_is_refused(size: tuple, tmp_path: Path) -> None:
    turned_image(tmp_path / "0.jpg", 0, 3, Image.Transpose.ROTATE_180)
    labelme(tmp_path / "0.json", "0.jpg", [shape(0)], size)
    refusal(tmp_path, "orientation tag is 3, and what is marked fits with and without")


def of_coco(raw: Path, content: Any, file: str = "annotations.json", at: str = ""):
    for i in range(COUNT):
        image(raw / at / f"{i}.png", i)
    write(raw / file, content)


DRAWN: dict[str, Any] = {
    "polygons": outline,
    "one flat list": lambda i: outline(i)[0],
    "runs": lambda i: {"size": [H, W], "counts": runs(truth(i))},
}


@pytest.mark.parametrize("at", ["", "images", "images/deeper"])
@pytest.mark.parametrize("form", DRAWN)
def test_coco_is_read(form: str, at: str, tmp_path: Path) -> None:
    drawn = [annotation(i, DRAWN[form](i)) for i in range(COUNT)]
    of_coco(tmp_path, coco([*range(COUNT)], drawn), "annotations/default.json", at)
    check_truth(tmp_path)


# A disk of radius 9.5 about (19.5, 14.5) on 30 x 40, as pycocotools 2.0.11 packs it.
DISK = "e:8d04M2N2O0O2O00000000000001N101N2N3LQ:"


def test_packed_runs_of_another_program_are_read(tmp_path: Path) -> None:
    image(tmp_path / "0.png", 0)
    drawn = {"size": [H, W], "counts": DISK}
    write(tmp_path / "a.json", coco([0], [annotation(0, drawn)]))
    (found,) = masks(tmp_path).values()
    y, x = np.mgrid[:H, :W]
    np.testing.assert_array_equal(found, np.hypot(x - 19.5, y - 14.5) <= 9.5)


@pytest.mark.parametrize("text", ["P", "0~", "0 "])
def test_packed_runs_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="RLE"):
        unpacked(text)


@pytest.mark.parametrize("i", range(COUNT))
def test_runs_may_be_packed(i: int, tmp_path: Path) -> None:
    drawn = {"size": [H, W], "counts": packed_runs(runs(truth(i)))}
    image(tmp_path / f"{i}.png", i)
    write(tmp_path / "a.json", coco([i], [annotation(i, drawn, iscrowd=1)]))
    (found,) = masks(tmp_path).values()
    np.testing.assert_array_equal(found, truth(i))


def packed_runs(counts: list[int]) -> str:
    """As COCO's own program packs runs: five bits a letter, from the fourth less."""
    text = ""
    for place, count in enumerate(counts):
        value = count - (counts[place - 2] if place > 2 else 0)
        more = True
        while more:
            digit = value & 31
            value >>= 5
            more = value != (-1 if digit & 16 else 0)
            text += chr(48 + (digit | 32 * more))
    return text


def test_a_listed_image_without_annotation_has_no_lesion(tmp_path: Path) -> None:
    of_coco(tmp_path, coco([*range(COUNT)], [annotation(0, outline(0))]))
    assert [int(m.sum()) for m in masks(tmp_path).values()] == [24, 0, 0, 0]


def test_files_of_coco_may_be_parts(tmp_path: Path) -> None:
    for part, i in {"train": 0, "valid": 1, "test": 2}.items():
        image(tmp_path / part / "x.png", i)
        content = coco([i], [annotation(i, outline(i))], file="x.png")
        write(tmp_path / part / "_annotations.coco.json", content)
    assert sorted(parts(tmp_path)) == ["test", "train", "validation"]
    assert [int(m.sum()) for m in masks(tmp_path).values()] == [48, 24, 35]


def test_files_of_coco_name_their_part(tmp_path: Path) -> None:
    for part, i in {"train2017": 0, "val2017": 1}.items():
        image(tmp_path / part / "x.png", i)
        content = coco([i], [annotation(i, outline(i))], file="x.png")
        write(tmp_path / "annotations" / f"instances_{part}.json", content)
    assert [int(m.sum()) for m in masks(tmp_path).values()] == [24, 35]
    assert parts(tmp_path) == ["train", "validation"]


ALL = [annotation(i, outline(i)) for i in range(COUNT)]
FEWER = coco([0, 1, 2], ALL[:3])
COCO: dict[str, tuple[Any, str]] = {
    "boxes": (coco([*range(4)], [annotation(0, [])]), "'polyp' is a box; a mask"),
    "not listed": (FEWER, "have no mask: 3.png"),
    "not there": (coco([*range(5)], ALL), "have no image: 4.png"),
    "two names": (
        coco([*range(4)], [*ALL, annotation(0, outline(1), 2)], names=("a", "b")),
        "called a (4), b (1); say which",
    ),
    "another size": (
        {**coco([*range(4)], ALL), "images": [
            {"id": i, "file_name": f"{i}.png", "height": 2 * H, "width": 2 * W}
            for i in range(4)]},
        "drawn on 80 x 60 pixels",
    ),
    "runs of another size": (
        coco([*range(4)], [annotation(0, {"counts": [5, 5]})]),
        "has runs of 10 pixels, the image has 1200",
    ),
    "no such category": (coco([*range(4)], [annotation(0, outline(0), 7)]), "there: 7"),
    "no such image": (coco([*range(4)], [annotation(9, outline(0))]), "there: 9"),
    "cut off": (coco([*range(4)], [annotation(0, {"counts": "P"})]), "cut off"),
    "beyond the image": (
        coco([*range(4)], [annotation(0, [[0, 0, 99, 0, 99, 9]])]),
        "out of the image of 40 x 30",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", COCO)
def test_coco_that_does_not_fit_is_refused(case: str, tmp_path: Path) -> None:
    content, says = COCO[case]
    of_coco(tmp_path, content)
    refusal(tmp_path, says)


def test_an_image_that_two_files_list_is_refused(tmp_path: Path) -> None:
    of_coco(tmp_path, coco([*range(COUNT)], ALL))
    write(tmp_path / "instances_all.json", coco([0], ALL[:1]))
    refusal(tmp_path, "are listed twice in the COCO files: 0.png")


def test_a_name_that_ends_two_paths_is_refused(tmp_path: Path) -> None:
    for place in ("a", "b"):
        image(tmp_path / place / "0.png", 0)
    write(tmp_path / "x" / "a.json", coco([0], ALL[:1]))
    refusal(tmp_path, "are the end of several images' paths: 0.png")


# where a label and its image lie
YOLO = {
    "images and labels": ("images/{i}.jpg", "labels/{i}.txt"),
    "parts inside": ("images/train/{i}.jpg", "labels/train/{i}.txt"),
    "parts outside": ("train/images/{i}.jpg", "train/labels/{i}.txt"),
    "side by side": ("data/{i}.jpg", "data/{i}.txt"),
}


@pytest.mark.parametrize("table", ["names: [polyp]\n", "names:\n  0: polyp\n", ""])
@pytest.mark.parametrize("case", YOLO)
def test_yolo_is_read(case: str, table: str, tmp_path: Path) -> None:
    of_image, of_label = YOLO[case]
    for i in range(COUNT):
        image(tmp_path / of_image.format(i=i), i)
        write(tmp_path / of_label.format(i=i), yolo_line(i))
    write(tmp_path / "data.yaml", "train: images\nnc: 1\n" + table)
    check_truth(tmp_path)
    assert set(parts(tmp_path)) == {"train" if "parts" in case else ""}


LABELS = {
    "two classes": ([yolo_line(0), yolo_line(1, 1)], "", "called polyp (1), tool (1)"),
    "one chosen": ([yolo_line(0), yolo_line(1, 1)], "tool", [0, 35]),
    "no lesion": ([yolo_line(0), ""], "", [24, 0]),
    "boxes": (["0 0.5 0.5 0.2 0.2\n", ""], "", "'polyp' is a box; a mask needs"),
    "no file": ([yolo_line(0), None], "", "have no mask: 1.jpg"),
    "no image": ([yolo_line(0), "", yolo_line(2)], "", "have no image: 2.txt"),
    "no such class": (
        [yolo_line(0, 7), ""],
        "",
        "has class 7, there are 0 to 1",
    ),
    "pixels": (["0 3 5 9 5 9 9 3 9\n", ""], "", "out of the image of 40 x 30"),
    "words": ([yolo_line(0) + "polyp 1 2\n", ""], "", "line 2 is no class and numbers"),
}


@pytest.mark.parametrize("case", LABELS)
def test_classes_and_lines_of_yolo(case: str, tmp_path: Path) -> None:
    lines, listed, wanted = LABELS[case]
    for i, text in enumerate(lines):
        if i < 2:
            image(tmp_path / "images" / f"{i}.jpg", i)
        if text is not None:
            write(tmp_path / "labels" / f"{i}.txt", text)
    write(tmp_path / "classes.txt", "polyp\ntool\n")
    if listed:
        write(tmp_path / "lesion_values.txt", listed)
    if isinstance(wanted, str):
        refusal(tmp_path, wanted)
    else:
        assert [int(m.sum()) for m in masks(tmp_path).values()] == wanted


def test_yolo_on_a_turned_image_is_refused(tmp_path: Path) -> None:
    turned_image(tmp_path / "images" / "0.jpg", 0, 6, Image.Transpose.ROTATE_90)
    write(tmp_path / "labels" / "0.txt", yolo_line(0))
    refusal(tmp_path, "its orientation tag is 6")


def test_two_names_of_a_class_are_refused(tmp_path: Path) -> None:
    image(tmp_path / "images" / "0.jpg", 0)
    write(tmp_path / "labels" / "0.txt", yolo_line(0))
    write(tmp_path / "data.yaml", "names: [polyp]")
    write(tmp_path / "classes.txt", "tool")
    refusal(tmp_path, "name the classes differently")
