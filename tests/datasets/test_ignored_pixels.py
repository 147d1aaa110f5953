"""A line of lesion_values.txt that says what of a mask counts neither way."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from made_own_folder import files, picture, refusal
from PIL import Image

from lesionkit.datasets import folder
from lesionkit.datasets.pictures.ignoring import lesion_share, share_ignored, united
from lesionkit.datasets.pictures.resizing import resize_mask

VALUES = np.repeat([0, 1, 2, 255], 5)[None].repeat(12, 0).astype(np.uint8)  # (12, 20)


def raw_with(raw: Path, lines: str, mask: Image.Image | np.ndarray = VALUES) -> Path:
    """One image and its mask beside lesion_values.txt."""
    picture(raw / "images" / "a.png")
    (raw / "masks").mkdir()
    drawn = Image.fromarray(mask) if isinstance(mask, np.ndarray) else mask
    drawn.save(raw / "masks" / "a.png")
    (raw / "lesion_values.txt").write_text(lines)
    return raw


def read(raw: Path) -> np.ndarray:
    (sample,) = folder.samples(raw)
    return sample.read()[1]


def row(raw: Path) -> list[int]:
    """The values of the four stripes."""
    return read(raw)[0, ::5].tolist()


def of_palette() -> Image.Image:
    """VALUES as indices of a palette, whose last colour is #e0e0c0."""
    drawn = Image.fromarray(VALUES, "P")
    colours = np.zeros((256, 3), np.uint8)
    colours[1:3], colours[255] = [[128, 0, 0], [0, 128, 0]], (0xE0, 0xE0, 0xC0)
    drawn.putpalette(colours.tobytes())
    return drawn


@pytest.mark.parametrize(
    ("lines", "expected"),
    {
        "1\nignore 255\n": [0, 1, 0, 255],
        "1\n2\nIgnore   255\n": [0, 1, 1, 255],
        "ignore 255\nignore 2\n1\n": [0, 1, 255, 255],
        "2\nignore white\n": [0, 0, 1, 255],
        "1\n": [0, 1, 0, 0],
    }.items(),
)
def test_what_is_ignored_is_255_and_the_rest_as_listed(
    tmp_path: Path, lines: str, expected: list[int]
) -> None:
    assert row(raw_with(tmp_path, lines)) == expected


@pytest.mark.parametrize("lines", ["1\nignore 255", "#800000\nignore #e0e0c0"])
def test_of_a_palette_indices_and_colours_may_be_ignored(tmp_path, lines) -> None:
    assert row(raw_with(tmp_path, lines, of_palette())) == [0, 1, 0, 255]


def test_a_sample_says_whether_its_masks_may_ignore(tmp_path: Path) -> None:
    (one,) = folder.samples(raw_with(tmp_path, "1\nignore 255"))
    before = one.hashes()
    (tmp_path / "lesion_values.txt").write_text("1")
    (other,) = folder.samples(tmp_path)
    assert (one.ignores, other.ignores) == (True, False)
    assert before[0] == other.hashes()[0] and before[1] != other.hashes()[1]


def test_a_mask_of_0_1_and_255_is_refused_with_the_way_to_ignore(tmp_path) -> None:
    mask = np.where(VALUES == 2, 0, VALUES)
    raw = raw_with(tmp_path, "", mask)
    (raw / "lesion_values.txt").unlink()
    refusal(raw, "a.png", "0, 1, 255", "lesion_values.txt", "ignore 255")


REFUSED = {
    "ignored alone": ("ignore 255", "list what is lesion, too"),
    "both": ("255\nignore 255", "255 is lesion and ignored"),
    "both by another name": (
        "255\nignore white",
        "a.png",
        "lists pixels as lesion and ignored",
    ),
    "no value": ("1\nignore", "after ignore", "got 'ignore'"),
    "not a value": ("1\nignore purpel", "did you mean 'purple'"),
    "another mark": ("1\nignore=255", "got 'ignore=255'"),
    "what is left is another lesion": ("7\nignore 3", "of 0 and 255", "lists 7"),
}


@pytest.mark.parametrize(("lines", "names"), [(v[0], v[1:]) for v in REFUSED.values()])
def test_a_line_that_does_not_work_is_refused(tmp_path, lines, names) -> None:
    mask = np.where(VALUES == 2, 255, np.where(VALUES == 1, 0, VALUES))
    refusal(raw_with(tmp_path, lines, mask.astype(np.uint8)), *names)


def test_an_image_without_lesion_may_have_an_ignored_border(tmp_path: Path) -> None:
    mask = np.where(VALUES == 255, 255, 0).astype(np.uint8)
    assert row(raw_with(tmp_path, "1\nignore 255", mask)) == [0, 0, 0, 255]


def test_a_jpeg_cannot_say_what_is_ignored(tmp_path: Path) -> None:
    files(tmp_path, "images/a.png", "masks/a.jpg")
    (tmp_path / "lesion_values.txt").write_text("1\nignore 255")
    refusal(tmp_path, "JPEG and WebP change values")


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32])
def test_arrays_are_read_alike(tmp_path: Path, dtype: type) -> None:
    picture(tmp_path / "images" / "a.png")
    (tmp_path / "masks").mkdir()
    np.save(tmp_path / "masks" / "a.npy", VALUES.astype(dtype))
    (tmp_path / "lesion_values.txt").write_text("1\nignore 255")
    assert row(tmp_path) == [0, 1, 0, 255]


def test_signed_arrays_are_read_alike(tmp_path: Path) -> None:
    from lesionkit.datasets.pictures.array_masks import lesion_of_values
    from lesionkit.datasets.pictures.lesions import Ignored

    values = np.where(VALUES == 2, -1, VALUES.astype(int))[None]
    found = lesion_of_values(Path("a.npy"), values, (Ignored(255), 1))
    assert found[0, 0, ::5].tolist() == [0, 1, 0, 255]


def test_of_several_masks_lesion_is_before_ignored_and_that_before_background(
    tmp_path: Path,
) -> None:
    raw_with(tmp_path, "1\nignore 255")
    (tmp_path / "masks" / "a.png").unlink()
    stripes = np.array([255, 255, 1, 0])
    Image.fromarray(VALUES).save(tmp_path / "masks" / "a_1.png")
    second = np.repeat(stripes, 5)[None].repeat(12, 0).astype(np.uint8)
    Image.fromarray(second).save(tmp_path / "masks" / "a_2.png")
    assert row(tmp_path) == [255, 1, 1, 255]


def test_masks_of_0_and_1_are_united_as_ever() -> None:
    random = np.random.default_rng(0)
    masks = random.integers(0, 2, (3, 8, 8)).astype(np.uint8)
    found = united(list(masks))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, np.bitwise_or.reduce(masks))


def test_shares_are_of_the_pixels_that_count() -> None:
    mask = np.array([[1, 0, 0, 255]], np.uint8)
    assert lesion_share(mask) == pytest.approx(1 / 3)
    assert lesion_share(np.full((2, 2), 255, np.uint8)) == 0
    assert share_ignored([mask]).tolist() == [0.25]


def test_resizing_makes_no_other_value() -> None:
    mask = np.random.default_rng(1).choice([0, 1, 255], (37, 53)).astype(np.uint8)
    for size in (16, 64):
        assert set(np.unique(resize_mask(mask, size))) == {0, 1, 255}


LABELS = {"background": 0, "polyp": 1, "tool": 2, "ignore": 255}


@pytest.mark.parametrize(
    ("lines", "expected"),
    {
        "polyp": [0, 1, 0, 0],
        "polyp\nignore 255": [0, 1, 0, 255],
        "polyp\nignore ignore\nignore tool": [0, 1, 255, 255],
    }.items(),
)
def test_labels_of_nnunet_may_be_ignored(tmp_path, lines, expected) -> None:
    picture(tmp_path / "imagesTr" / "a_0000.png")
    (tmp_path / "labelsTr").mkdir()
    Image.fromarray(VALUES).save(tmp_path / "labelsTr" / "a.png")
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": LABELS}))
    (tmp_path / "lesion_values.txt").write_text(lines)
    assert row(tmp_path) == expected


@pytest.mark.parametrize(
    ("lines", "says"),
    {
        "polyp\nignore toool": "no label is called 'toool'; did you mean 'tool'?",
        "ignore 255": "list what is lesion, too",
        "polyp\nignore 1": "is lesion and ignored: 1",
    }.items(),
)
def test_a_line_that_no_label_meets_is_refused(tmp_path, lines, says) -> None:
    test_labels_of_nnunet_may_be_ignored(tmp_path, "polyp", [0, 1, 0, 0])
    (tmp_path / "lesion_values.txt").write_text(lines)
    refusal(tmp_path, says)
