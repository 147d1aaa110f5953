"""Masks that would be read wrongly without a word: right, or refused by name."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from made_own_folder import refusal
from made_picture_files import MASK, Writer, pair, pillow, tiff, turned, with_alpha
from PIL import Image

from lesionkit.datasets import folder
from lesionkit.datasets.pictures.images import decode, read_image, read_mask
from lesionkit.datasets.pictures.lesions import lesion_value

SIDE = 32
LESION = np.zeros((SIDE, SIDE), np.uint8)
LESION[4:12, 10:22] = 1
RING = np.zeros_like(LESION)
RING[1:15, 7:25] = 1
RING -= LESION
OTHER = np.zeros_like(LESION)
OTHER[20:26, 4:10] = 1
IMAGE = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)
ROWS = np.mgrid[:SIDE, :SIDE][0].astype(np.uint8)
SPECKS = (np.arange(SIDE * SIDE) % 97 % 13).astype(np.uint8).reshape(SIDE, SIDE)
SPECKS[21:25, 5:9] = 2
THIN = LESION * np.array([0, 30, 0, 90, 0, 220], np.uint8)[ROWS % 6]
NO_LESION = np.zeros_like(LESION)


def coloured(*parts: tuple[np.ndarray, tuple[int, int, int]]) -> np.ndarray:
    """Black with these parts in these colours."""
    values = np.zeros((SIDE, SIDE, 3), np.uint8)
    for part, colour in parts:
        values[part > 0] = colour
    return values


def quantised(values: np.ndarray, colours: int) -> Writer:
    """Writes a palette picture whose indices Pillow has dealt."""
    return lambda path: Image.fromarray(values).quantize(colours).save(path)


def indexed(values: np.ndarray, *colours: int, **options) -> Writer:
    """Writes a palette picture of these channels one after the other."""

    def write(path: Path) -> None:
        image = Image.fromarray(values, "P")
        image.putpalette(colours)
        image.save(path, **options)

    return write


def few_bits(values: np.ndarray, bits: int) -> Writer:
    """Writes a grey PNG of 2 or 4 bits a pixel."""
    rows = b""
    for row in values:
        places = "".join(f"{value:0{bits}b}" for value in row)
        rows += b"\0" + int(places, 2).to_bytes(len(places) // 8, "big")
    header = struct.pack(">IIBBBBB", SIDE, SIDE, bits, 0, 0, 0, 0)
    chunks = b"\x89PNG\r\n\x1a\n"
    for kind, data in (
        (b"IHDR", header),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        chunks += struct.pack(">I", len(data)) + kind + data + crc
    return lambda path: path.write_bytes(chunks)


def by_imageio(values: np.ndarray) -> Writer:
    """Writes by imageio, where it is there."""
    library = pytest.importorskip("imageio.v3", reason="imageio is not installed")
    return lambda path: library.imwrite(path, values)


def with_jpeg_noise(values: np.ndarray, quality: int) -> np.ndarray:
    """The values as they come back from a JPEG."""
    stream = BytesIO()
    Image.fromarray(values).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def resized(values: np.ndarray) -> np.ndarray:
    """The values with soft edges, as half the size gives them."""
    large = Image.fromarray(values).resize((3 * SIDE // 2,) * 2, Image.Resampling.BOX)
    return np.asarray(large.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


IMAGEJ = {"photometric": "miniswhite", "description": "ImageJ=1.54f\n"}
NAMELESS = {"photometric": "miniswhite", "software": "", "metadata": None}
# ending, how it is written: all of them say LESION
RIGHT = {
    "bool by tifffile": (".tif", tiff(LESION > 0, None)),
    "bool by tifffile, deflated": (".TIF", tiff(LESION > 0, None, compression="zlib")),
    "bool by tifffile in tiles": (".tiff", tiff(LESION > 0, None, tile=(16, 16))),
    "ImageJ, inverted table": (".tif", tiff(LESION * 255, **IMAGEJ)),
    "ImageJ, 16 bits": (".tif", tiff(LESION * np.uint16(65535), **IMAGEJ)),
    "ImageJ, black background": (".tif", tiff(LESION * 255, imagej=True)),
    "bool by Pillow": (".tif", pillow(LESION > 0)),
    "2 bits of 0 and 1": (".png", few_bits(LESION, 2)),
    "2 bits of 0 and 3": (".png", few_bits(LESION * 3, 2)),
    "4 bits of 0 and 1": (".png", few_bits(LESION, 4)),
    "4 bits of 0 and 15": (".png", few_bits(LESION * 15, 4)),
    "quantised, index 0 is black": (".png", indexed(LESION, 0, 0, 0, 255, 0, 0)),
    "palette with index 0 transparent": (
        ".png",
        indexed(LESION, 0, 0, 0, 255, 0, 0, transparency=0),
    ),
    "JPEG noise in a PNG": (".png", pillow(with_jpeg_noise(LESION * 255, 90))),
    "rougher JPEG noise": (".png", pillow(with_jpeg_noise(LESION * 255, 60))),
    "soft edges": (".png", pillow(resized(LESION * 255))),
    "0 and 200": (".png", pillow(LESION * 200)),
    "0 and 60000": (".png", pillow(LESION * np.uint16(60000))),
    "3 and 255": (".png", pillow(LESION * 252 + 3)),
    "a few stray values": (".png", pillow(LESION * 255 + OTHER * (ROWS == 22) * 32)),
    "an even noise of 11": (".png", pillow(LESION * 255 + OTHER * (9 + SPECKS))),
    "JPEG": (".JPEG", pillow(LESION * 255, quality=80)),
}


@pytest.mark.parametrize("case", RIGHT)
def test_a_mask_that_says_what_is_lesion_is_read_right(
    case: str, tmp_path: Path
) -> None:
    ending, write = RIGHT[case]
    own(tmp_path, ending, write)
    assert np.array_equal(folder.samples(tmp_path)[0].read()[1], LESION)


def test_a_bool_by_imageio_is_read_right(tmp_path: Path) -> None:
    own(tmp_path, ".tif", by_imageio(LESION > 0))
    assert np.array_equal(folder.samples(tmp_path)[0].read()[1], LESION)


def own(raw: Path, ending: str, write: Writer, listed: str = "") -> Path:
    """A folder of one image with this mask."""
    path = raw / "masks" / f"a{ending}"
    pair(raw, mask=path)
    pillow(IMAGE)(raw / "images" / "a.png")
    write(path)
    if listed:
        (raw / "lesion_values.txt").write_text(listed)
    return path


IDS = LESION * 40 + OTHER * 200
ERASED = np.dstack([IMAGE, (1 - LESION) * 255])
ERASED_LAYER = np.dstack([np.full_like(IMAGE, 255), (1 - LESION) * 255])
RED_AND_DARK = coloured((LESION, (64, 0, 0)), (OTHER, (192, 128, 128)))
VIRIDIS = np.where(LESION[..., None], (253, 231, 36), (68, 1, 84)).astype(np.uint8)
RED = coloured((LESION, (255, 0, 0)))
CLASSES = LESION + 2 * OTHER
# ending, how it is written, what the refusal says, what then makes LESION of it
REFUSED = {
    "0, 1 and a border of 255": (
        ".png",
        pillow(LESION + RING * 255),
        "values 0, 1, 255;",
        "1",
    ),
    "0, 1, 2 and 255": (
        ".png",
        pillow(CLASSES + RING * 255),
        "values 0, 1, 2, 255;",
        "1",
    ),
    "0, 1 and 255 in three channels": (
        ".png",
        pillow(np.dstack([LESION + OTHER * 255] * 3)),
        "values 0, 1, 255;",
        "1",
    ),
    "0, 1 and 65535": (
        ".tif",
        tiff(LESION + OTHER * np.uint16(65535)),
        "values 0, 1, 65535;",
        "1",
    ),
    "0, 128 and 255": (
        ".png",
        pillow(LESION * 255 + OTHER * 128),
        "values 0, 128, 255;",
        "255",
    ),
    "cup at 0 on white": (
        ".png",
        pillow((1 - LESION) * 255 - RING * 127),
        "values 0, 128, 255;",
        "0",
    ),
    "ids of lesions 40 and 200": (".png", pillow(IDS), "values 0, 40, 200;", "40"),
    "class 2 and a border of 255": (
        ".png",
        pillow(LESION * 2 + OTHER * 255),
        "values 0, 2, 255;",
        "2",
    ),
    "ids of thin lesions": (
        ".png",
        pillow(THIN),
        "values 0, 30, 90, 220;",
        "30\n90\n220",
    ),
    "ids near to background and lesion": (
        ".png",
        pillow(LESION * 10 + OTHER * 240),
        "values 0, 10, 240;",
        "10",
    ),
    "8 bits in 16": (
        ".tif",
        tiff(LESION * np.uint16(255) + OTHER * np.uint16(65535)),
        "values 0, 255, 65535;",
        "255",
    ),
    "a low class beside two high ones in 16 bits": (
        ".tif",
        tiff(
            LESION * np.uint16(5000)
            + RING * np.uint16(65535)
            + OTHER * np.uint16(62000)
        ),
        "values 0, 5000, 62000, 65535;",
        "5000",
    ),
    "classes in soft numbers": (
        ".png",
        pillow(LESION + 1),
        "values 1, 2;",
        "2",
    ),
    "1 and 255": (".png", pillow(LESION + (1 - LESION) * 255), "values 1, 255;", "1"),
    "ids up to 30000": (
        ".tif",
        tiff(LESION * np.uint16(9000) + OTHER * np.uint16(40000)),
        "values 0, 9000, 40000;",
        "9000",
    ),
    "2 bits of 0, 1 and 2": (".png", few_bits(CLASSES, 2), "values 0, 1, 2;", "1"),
    "4 bits of 0, 3 and 12": (
        ".png",
        few_bits(LESION * 3 + OTHER * 12, 4),
        "values 0, 3, 12;",
        "3",
    ),
    "lesion at index 0": (
        ".png",
        indexed(1 - LESION, 255, 0, 0, 0, 0, 0),
        "of the indices 0 #ff0000, 1 black",
        "red",
    ),
    "lesion at index 0, by Pillow": (".png", quantised(RED, 2), "#ff0000", "#F00"),
    "lesion at index 0, on white": (
        ".png",
        indexed(1 - LESION, 200, 0, 0, 255, 255, 255),
        "of the indices 0 #c80000, 1 white",
        "200,0,0",
    ),
    "palette whose background is transparent": (
        ".png",
        indexed(1 - LESION, 0, 0, 0, 255, 255, 255, transparency=1),
        "palette index and",
        "0",
    ),
    "two dark colours": (
        ".png",
        pillow(RED_AND_DARK),
        "black (87.1%), #400000 (9.4%), #c08080 (3.5%)",
        "#400000",
    ),
    "red on black": (".png", pillow(RED), "black (90.6%), #ff0000 (9.4%)", "red"),
    "colours of a plot": (".png", pillow(VIRIDIS), "#440154", "253,231,36"),
    "lesion erased from the picture": (
        ".png",
        pillow(ERASED),
        "alpha over a picture, opaque on 90.6%",
        "transparent",
    ),
    "lesion erased from a layer": (
        ".png",
        pillow(ERASED_LAYER),
        "alpha over a layer with all four corners",
        "transparent",
    ),
    "picture of the lesion alone": (
        ".png",
        pillow(np.dstack([IMAGE, LESION * 255])),
        "alpha over a picture, opaque on 9.4%",
        "opaque",
    ),
    "white is 0, of nobody": (
        ".tif",
        tiff((1 - LESION) * 255, **NAMELESS),
        "it shows black (90.6%), white (9.4%)",
        "white",
    ),
    "white is 0, 1 bit, of nobody": (
        ".tif",
        tiff(LESION > 0, **NAMELESS),
        "it shows white (90.6%), black (9.4%)",
        "black",
    ),
    "white is 0, by its stored value": (
        ".tif",
        tiff(LESION * 255, **NAMELESS),
        "in which 0 is white",
        "255",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_mask_that_does_not_say_it_is_refused_and_read_once_it_is_said(
    case: str, tmp_path: Path
) -> None:
    ending, write, says, way = REFUSED[case]
    path = own(tmp_path, ending, write)
    told = refusal(tmp_path)
    assert told.startswith(f"{path}: ")
    assert says in told
    assert "lesion_values.txt" in told
    (tmp_path / "lesion_values.txt").write_text(way)
    lesion = (LESION & (THIN > 0)) if "thin" in case else LESION
    assert np.array_equal(folder.samples(tmp_path)[0].read()[1], lesion)


@pytest.mark.parametrize(
    ("ending", "values", "says"),
    [
        (".jpg", LESION, "save the mask as PNG"),
        (".webp", LESION * 2, "save the mask as PNG"),
        (".jpg", LESION * 255 + OTHER * 128, "lesion_values.txt"),
        (".jpg", RED, "JPEG and WebP change values, save the mask as PNG"),
    ],
)
def test_what_a_jpeg_cannot_hold_is_refused(
    ending: str, values: np.ndarray, says: str, tmp_path: Path
) -> None:
    path = own(tmp_path, ending, pillow(values, quality=95))
    assert says in refusal(tmp_path, str(path))


def test_several_colours_and_values_may_be_listed(tmp_path: Path) -> None:
    own(tmp_path, ".png", pillow(RED_AND_DARK), "64, 0, 0\n#c08080\n7\n")
    assert np.array_equal(folder.samples(tmp_path)[0].read()[1], LESION | OTHER)


def test_a_mask_without_a_listed_colour_is_empty(tmp_path: Path) -> None:
    own(tmp_path, ".png", pillow(RED_AND_DARK), "lime")
    assert np.array_equal(folder.samples(tmp_path)[0].read()[1], NO_LESION)


def test_a_colour_that_is_nearly_the_listed_one_is_refused(tmp_path: Path) -> None:
    own(tmp_path, ".png", pillow(coloured((LESION, (250, 5, 0)))), "red")
    refusal(tmp_path, "#fa0500 is near to the listed #ff0000, not the same")


def test_values_of_a_coloured_mask_are_refused_with_its_colours(tmp_path: Path) -> None:
    own(tmp_path, ".png", pillow(RED_AND_DARK), "1")
    refusal(tmp_path, "a coloured mask of black (87.1%), #400000", "255,0,0")


def test_a_black_and_white_mask_is_not_empty_where_a_colour_is_listed(
    tmp_path: Path,
) -> None:
    own(tmp_path, ".png", pillow(LESION * 255), "red")
    refusal(tmp_path, "a mask of 0 and 255, lesion_values.txt lists #ff0000")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("65535", 65535),
        ("red", (255, 0, 0)),
        ("#0f0", (0, 255, 0)),
        ("#0000FF", (0, 0, 255)),
        ("1,2,3", (1, 2, 3)),
        ("Opaque", "opaque"),
    ],
)
def test_a_line_is_a_value_a_colour_or_a_layer(text: str, value: object) -> None:
    assert lesion_value(text) == value


@pytest.mark.parametrize(
    "text", ["65536", "256,0,0", "#ff00", "#ff000080", "rgb(1,2,3)"]
)
def test_other_lines_are_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match=r"a colour \(red, #ff0000 or 255,0,0\)"):
        lesion_value(text)


def test_a_misspelt_colour_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'purple'"):
        lesion_value("purpel")


SQUARE = np.rot90(IMAGE)
TURNS = {"turned": 6, "upside down": 3, "flipped": 2}


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("part", ["images", "masks"])
def test_a_turn_of_one_of_a_pair_that_fits_both_ways_is_refused(
    turn: str, part: str, tmp_path: Path
) -> None:
    own(tmp_path, ".png", pillow(LESION * 255))
    values = IMAGE if part == "images" else LESION * 255
    turned(values, TURNS[turn])(tmp_path / part / "a.png")
    refusal(
        tmp_path, "masks/a.png: its orientation tag is", str(TURNS[turn]), "upright"
    )


def test_a_turn_of_both_is_applied_to_both(tmp_path: Path) -> None:
    own(tmp_path, ".png", turned(LESION * 255, 3))
    turned(IMAGE, 3)(tmp_path / "images" / "a.png")
    image, mask = folder.samples(tmp_path)[0].read()
    assert np.array_equal(image, IMAGE[::-1, ::-1])
    assert np.array_equal(mask, LESION[::-1, ::-1])


def test_a_mask_of_the_upright_size_is_taken_for_a_turned_image(tmp_path: Path) -> None:
    pair(tmp_path)
    turned(np.rot90(with_alpha(MASK, MASK, MASK)), 6)(tmp_path / "images" / "a.png")
    assert np.array_equal(folder.samples(tmp_path)[0].read()[1], MASK)


def circle(path: Path, frames: int = 1) -> None:
    """Writes a TIFF of small frames, the last of which names the first as the next."""
    with tifffile.TiffWriter(path) as writer:
        for i in range(frames):
            shape = SIDE + i, SIDE
            writer.write(np.zeros(shape, np.uint8), metadata=None)
    with tifffile.TiffFile(path) as tiff_file:
        pages = list(tiff_file.pages)
        first, last = pages[0].offset, pages[-1]
    data = bytearray(path.read_bytes())
    place = last.offset + 2 + 12 * struct.unpack_from("<H", data, last.offset)[0]
    data[place : place + 4] = struct.pack("<I", first)
    path.write_bytes(data)


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_a_tiff_whose_frames_point_in_a_circle_is_refused(
    frames: int, tmp_path: Path
) -> None:
    circle(tmp_path / "a.tif", frames)
    with pytest.raises(ValueError, match=r"a\.tif: .*frames point in a circle") as told:
        read_image(tmp_path / "a.tif")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("bits", [2, 4])
def test_an_image_of_few_bits_is_shown_on_the_scale_of_8(
    bits: int, tmp_path: Path
) -> None:
    top = 2**bits - 1
    few_bits(LESION * top, bits)(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png")[..., 0], LESION * 255)
    raster = decode(tmp_path / "a.png")
    assert (raster.top, int(raster.stored.max())) == (top, top)


def test_an_image_with_white_at_zero_is_shown_and_its_mask_is_as_stored(
    tmp_path: Path,
) -> None:
    tiff(LESION > 0, None)(tmp_path / "a.tif")
    assert np.array_equal(read_image(tmp_path / "a.tif")[..., 0], (1 - LESION) * 255)
    assert np.array_equal(read_mask(tmp_path / "a.tif"), LESION)


@pytest.mark.parametrize("mask", ["a.TIF", "a_MASK.Tiff", "A.PNG", "a_1.BMP"])
@pytest.mark.parametrize("image", ["a.JPG", "a.jpeg", "a.PNG"])
def test_endings_in_capitals_and_tiff_masks_belong_to_any_image(
    image: str, mask: str, tmp_path: Path
) -> None:
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    pillow(IMAGE)(tmp_path / "images" / image)
    pillow(LESION * 255)(tmp_path / "masks" / mask)
    (sample,) = folder.samples(tmp_path)
    assert sample.name == f"images/{image}"
    assert np.array_equal(sample.read()[1], LESION)
