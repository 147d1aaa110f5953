"""Odd pictures in a folder of one's own are read as they were meant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_picture_files import (
    ALL,
    GREY,
    HEIGHT,
    MASK,
    NONE,
    RGB,
    ROWS,
    WIDE,
    WIDTH,
    animated,
    noisy,
    pair,
    palette,
    pillow,
    tiff,
    turned,
    with_alpha,
)

from lesionkit.datasets import folder

# ending, how it is written, what has to be read, by how much it may differ
IMAGES = {
    "colour PNG": (".png", pillow(RGB), RGB, 0),
    "grey PNG": (".png", pillow(GREY), GREY, 0),
    "16-bit grey PNG": (".png", pillow(WIDE), WIDE, 0),
    "16-bit grey TIFF": (".tif", tiff(WIDE), WIDE, 0),
    "16-bit TIFF of the other byte order": (".tif", tiff(WIDE, byteorder=">"), WIDE, 0),
    "16-bit colour TIFF": (
        ".tiff",
        tiff(np.dstack([WIDE, WIDE + 1, WIDE // 2]), "rgb"),
        np.dstack([WIDE, WIDE + 1, WIDE // 2]),
        0,
    ),
    "colour TIFF tagged grey": (".tif", tiff(RGB, planarconfig="contig"), RGB, 0),
    "TIFF of planes": (
        ".tif",
        tiff(np.moveaxis(RGB, 2, 0), "rgb", planarconfig="separate"),
        RGB,
        0,
    ),
    "TIFF of tiles": (".tif", tiff(RGB, "rgb", tile=(16, 16)), RGB, 0),
    "LZW TIFF": (".tif", pillow(RGB, compression="tiff_lzw"), RGB, 0),
    "TIFF with white at 0": (".tif", tiff(GREY, "miniswhite"), 255 - GREY, 0),
    "palette": (
        ".png",
        palette(MASK, (7, 8, 9), (200, 0, 100)),
        np.where(MASK[..., None] == 1, (200, 0, 100), (7, 8, 9)),
        0,
    ),
    "1 bit": (".png", pillow(MASK.astype(bool)), MASK * 255, 0),
    "RGBA": (".png", pillow(with_alpha(*RGB.T.swapaxes(1, 2), GREY)), RGB, 0),
    "LA": (".png", pillow(with_alpha(GREY, 255 - GREY)), GREY, 0),
    "BMP": (".bmp", pillow(RGB), RGB, 0),
    "BMP of 32 bits": (
        ".bmp",
        pillow(with_alpha(*RGB.T.swapaxes(1, 2), 255)),
        RGB,
        0,
    ),
    "WebP": (".webp", pillow(RGB, lossless=True), RGB, 0),
    "progressive JPEG": (
        ".jpg",
        pillow(RGB, progressive=True, quality=100, subsampling=0),
        RGB,
        4,
    ),
    "grey JPEG": (".jpeg", pillow(GREY, quality=100), GREY, 3),
    "CMYK JPEG": (
        ".jpg",
        pillow(RGB, "CMYK", quality=100, subsampling=0),
        RGB,
        6,
    ),
    "JPEG named .png": (".png", pillow(GREY, format="JPEG", quality=100), GREY, 3),
    "PNG named .JPG": (".JPG", pillow(RGB, format="PNG"), RGB, 0),
    "TIFF named .png": (".png", pillow(RGB, format="TIFF"), RGB, 0),
    "phone's JPEG of two pictures": (".jpg", animated(GREY, "MPO"), GREY, 6),
    "turned by EXIF": (".png", turned(np.rot90(RGB), 6), RGB, 0),
}
MASKS = {
    "0 and 1": (".png", pillow(MASK), MASK),
    "0 and 255": (".png", pillow(MASK * 255), MASK),
    "a stray 32": (
        ".png",
        pillow(np.where(MASK, 255, ROWS // 11 * 32).astype(np.uint8)),
        MASK,
    ),
    "boolean": (".png", pillow(MASK.astype(bool)), MASK),
    "boolean BMP": (".bmp", pillow(MASK.astype(bool)), MASK),
    "boolean TIFF": (".tif", tiff(MASK.astype(bool)), MASK),
    "boolean TIFF as tifffile writes it": (".tif", tiff(MASK > 0, None), MASK),
    "three equal channels": (".png", pillow(np.dstack([MASK * 255] * 3)), MASK),
    "three equal channels of 0 and 1": (".png", pillow(np.dstack([MASK] * 3)), MASK),
    "palette with a red lesion": (".png", palette(MASK, (0, 0, 0), (90, 0, 0)), MASK),
    "palette on white": (".png", palette(MASK, (255, 255, 255), (255, 0, 0)), MASK),
    "palette TIFF": (".tif", palette(MASK, (0, 0, 0), (255, 0, 0)), MASK),
    "palette of one high index": (
        ".png",
        palette(MASK * 21, *[(0, 0, 0)] * 21, (255, 0, 0)),
        MASK,
    ),
    "alpha of one colour": (".png", pillow(with_alpha(255, 0, 0, MASK * 255)), MASK),
    "alpha of a black layer": (".png", pillow(with_alpha(0, MASK * 255)), MASK),
    "alpha that agrees": (".png", pillow(with_alpha(MASK * 255, MASK * 255)), MASK),
    "constant alpha": (
        ".png",
        pillow(with_alpha(*[MASK * 255] * 3, 255)),
        MASK,
    ),
    "no alpha anywhere": (".png", pillow(with_alpha(MASK * 255, 0)), MASK),
    "16 bits": (".png", pillow(MASK * np.uint16(65535)), MASK),
    "16 bits of 0 and 1": (".tif", tiff(MASK.astype(np.uint16)), MASK),
    "TIFF of three samples tagged grey": (
        ".tif",
        tiff(np.dstack([MASK * 255] * 3), planarconfig="contig"),
        MASK,
    ),
    "grey JPEG with noise": (".jpg", pillow(noisy(MASK), quality=90), MASK),
    "colour JPEG": (".jpg", pillow(np.dstack([MASK * 255] * 3), quality=95), MASK),
    "WebP": (".webp", pillow(np.dstack([MASK * 255] * 3), lossless=True), MASK),
    "all white": (".png", pillow(ALL * 255), ALL),
    "all 1": (".png", pillow(ALL), ALL),
    "empty": (".png", pillow(NONE), NONE),
    "empty JPEG": (".jpg", pillow(NONE), NONE),
    "turned by EXIF": (".png", turned(np.rot90(MASK) * 255, 6), MASK),
}


@pytest.mark.parametrize("case", IMAGES)
def test_an_odd_image_is_read_as_it_was_written(case: str, tmp_path: Path) -> None:
    ending, write, expected, most = IMAGES[case]
    path = tmp_path / "images" / f"a{ending}"
    pair(tmp_path, image=path)
    write(path)
    image, mask = folder.samples(tmp_path)[0].read()
    expected = expected.reshape(HEIGHT, WIDTH, -1)
    assert image.shape == expected.shape
    assert image.dtype == (np.uint16 if expected.max() > 255 else np.uint8)
    assert np.abs(image.astype(int) - expected).max() <= most
    assert np.array_equal(mask, MASK)


@pytest.mark.parametrize("case", MASKS)
def test_an_odd_mask_is_read_as_it_was_meant(case: str, tmp_path: Path) -> None:
    ending, write, expected = MASKS[case]
    path = tmp_path / "masks" / f"a{ending}"
    pair(tmp_path, mask=path)
    write(path)
    image, mask = folder.samples(tmp_path)[0].read()
    assert mask.dtype == np.uint8
    assert np.array_equal(mask, expected)
    assert np.array_equal(image, RGB)


def test_an_image_and_its_mask_are_turned_alike(tmp_path: Path) -> None:
    pair(tmp_path)
    turned(np.rot90(RGB), 6)(tmp_path / "images" / "a.png")
    turned(np.rot90(MASK), 6)(tmp_path / "masks" / "a.png")
    image, mask = folder.samples(tmp_path)[0].read()
    assert np.array_equal(image, RGB)
    assert np.array_equal(mask, MASK)


@pytest.mark.parametrize("value", [0, 255])
def test_a_picture_of_one_pixel_is_read(value: int, tmp_path: Path) -> None:
    pair(tmp_path)
    pillow(RGB[:1, :1])(tmp_path / "images" / "a.png")
    pillow(np.full((1, 1), value, np.uint8))(tmp_path / "masks" / "a.png")
    image, mask = folder.samples(tmp_path)[0].read()
    assert np.array_equal(image, RGB[:1, :1])
    assert mask.tolist() == [[value // 255]]
