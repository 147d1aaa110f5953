"""Broken and unclear pictures in a folder of one's own are refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_own_folder import refusal
from made_picture_files import (
    CLASSES,
    GREY,
    MASK,
    RGB,
    animated,
    bomb,
    changed,
    cut,
    flipped,
    pair,
    palette,
    pillow,
    png,
    text,
    tiff,
    turned,
    with_alpha,
)

# ending, how it is written, what the refusal says
BAD_FILES = {
    "zero bytes": (".png", text(""), "0 bytes"),
    "web page": (".jpg", text("<html>\nsign in</html>"), "not a picture"),
    "pointer to a file": (".png", text("version https://git-lfs"), "not a picture"),
    "drawing": (".png", text("<svg xmlns='x'></svg>"), "not a picture"),
    "printer's file": (".png", pillow(RGB, format="EPS"), "not a picture"),
    "truncated JPEG": (".jpg", cut(pillow(RGB, quality=100), 0.9), "truncated"),
    "truncated progressive JPEG": (
        ".jpg",
        cut(pillow(RGB, progressive=True)),
        "truncated",
    ),
    "truncated PNG": (".png", cut(pillow(RGB)), "truncated"),
    "PNG of some rows": (".png", png(20, 20_000, colour=2), "truncated"),
    "truncated TIFF": (
        ".tif",
        changed(tiff(RGB, "rgb"), lambda data: data[:-1]),
        "truncated",
    ),
    "truncated WebP": (".webp", cut(pillow(RGB)), ""),
    "truncated BMP": (".bmp", cut(pillow(RGB)), "truncated"),
    "PNG with one bit changed": (
        ".png",
        changed(pillow(RGB, compress_level=0), flipped),
        "broken",
    ),
    "16-bit colour PNG": (".png", png(20, 12, bits=16, colour=2), "16 bits"),
    "16-bit grey PNG with alpha": (".png", png(20, 12, bits=16, colour=4), "16 bits"),
    "PNG of 50,000 x 50,000": (".png", png(50_000, 50_000), "150,000,000"),
    "TIFF of 50,000 x 50,000": (".tif", changed(tiff(GREY), bomb), "150,000,000"),
    "float TIFF": (".tif", tiff(GREY.astype(np.float32)), "float32"),
    "32-bit TIFF": (".tif", tiff(GREY.astype(np.uint32)), "uint32"),
    "signed TIFF": (".tif", tiff(GREY.astype(np.int16)), "int16"),
    "multi-page TIFF": (".tif", tiff(np.stack([GREY] * 3)), "3 pages"),
    "TIFF of five channels": (
        ".tif",
        tiff(np.dstack([GREY] * 5), planarconfig="contig"),
        "not supported",
    ),
    "animated PNG": (".png", animated(GREY, "PNG"), "2 pictures"),
    "animated WebP": (".webp", animated(GREY, "WEBP"), "2 pictures"),
    "animated GIF named .png": (".png", animated(GREY, "GIF"), "2 pictures"),
}
BAD_MASKS = {
    "0, 1 and 2": (".png", pillow(CLASSES), "lesion_values.txt"),
    "0, 1 and 2 in three channels": (
        ".png",
        pillow(np.dstack([CLASSES] * 3)),
        "lesion_values.txt",
    ),
    "0, 1 and 2 in 16 bits": (
        ".tif",
        tiff(CLASSES.astype(np.uint16)),
        "the values 0, 1, 2;",
    ),
    "0, 1 and 20": (
        ".png",
        pillow(np.array([0, 1, 20], np.uint8)[CLASSES]),
        "lesion_values.txt",
    ),
    "0, 128 and 255": (
        ".png",
        pillow(CLASSES * 127 + (CLASSES > 0)),
        "the values 0, 128, 255;",
    ),
    "0, 127 and 255": (
        ".png",
        pillow(CLASSES * 127 + (CLASSES > 1)),
        "the values 0, 127, 255;",
    ),
    "0 and 2": (".png", pillow(MASK * 2), "the values 0, 2;"),
    "0 and 100": (".png", pillow(MASK * 100), "the values 0, 100;"),
    "0 and 255 in 16 bits": (".png", pillow(MASK * np.uint16(255)), "0, 255;"),
    "palette of 0, 1 and 2": (
        ".png",
        palette(CLASSES, (0, 0, 0), (255, 0, 0), (0, 255, 0)),
        "lesion_values.txt",
    ),
    "palette of 0 and 7": (
        ".png",
        palette(MASK * 7, *[(0, 0, 0)] * 7, (255, 0, 0)),
        "the values 0, 7;",
    ),
    "palette with a border of 255": (
        ".png",
        palette(np.array([0, 1, 255], np.uint8)[CLASSES], *[(9, 0, 0)] * 256),
        "the values 0, 1, 255;",
    ),
    "palette of white and black": (
        ".png",
        palette(MASK, (255, 255, 255), (0, 0, 0)),
        "palette index and grey differ",
    ),
    "1-bit BMP of white and black": (
        ".bmp",
        palette(MASK, (255, 255, 255), (0, 0, 0), bits=1),
        "palette index and grey differ",
    ),
    "coloured": (".png", pillow(with_alpha(MASK * 255, 0, 0)), "coloured mask"),
    "one channel a class, 0 and 1": (
        ".png",
        pillow(with_alpha(1 - MASK, MASK, 0)),
        "coloured mask",
    ),
    "inverted alpha": (
        ".png",
        pillow(with_alpha(*[MASK * 255] * 3, 255 - MASK * 255)),
        "alpha and colour differ",
    ),
    "faint alpha": (".png", pillow(with_alpha(0, MASK * 100)), "lesion_values.txt"),
    "another size": (".png", pillow(MASK[:-1]), "20 x 11, its image a.png is 20 x 12"),
    "turned by EXIF, unlike its image": (".png", turned(MASK, 6), "12 x 20, its image"),
}


@pytest.mark.parametrize("part", ["images", "masks"])
@pytest.mark.parametrize("case", BAD_FILES)
def test_a_broken_file_is_refused_by_name(case: str, part: str, tmp_path: Path) -> None:
    ending, write, says = BAD_FILES[case]
    path = tmp_path / part / f"a{ending}"
    pair(tmp_path, **{part[:-1]: path})
    write(path)
    told = refusal(tmp_path)
    assert told.startswith(f"{path}: ")
    assert says in told


@pytest.mark.parametrize("case", BAD_MASKS)
def test_a_mask_that_does_not_say_what_is_lesion_is_refused_by_name(
    case: str, tmp_path: Path
) -> None:
    ending, write, says = BAD_MASKS[case]
    path = tmp_path / "masks" / f"a{ending}"
    pair(tmp_path, mask=path)
    write(path)
    told = refusal(tmp_path)
    assert told.startswith(f"{path}: ")
    assert says in told


def test_an_image_turned_by_exif_with_the_mask_of_its_stored_rows_is_refused(
    tmp_path: Path,
) -> None:
    pair(tmp_path)
    turned(RGB, 6)(tmp_path / "images" / "a.png")
    told = refusal(tmp_path)
    assert told.startswith(str(tmp_path / "masks" / "a.png"))
    assert "mask is 20 x 12, its image a.png is 12 x 20" in told
