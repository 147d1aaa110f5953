"""Odd and broken pictures in a folder of one's own: read right, or refused by name."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from lesionkit.datasets import folder

HEIGHT, WIDTH = 12, 20
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH]
GREY = (ROWS * 20 + COLUMNS).astype(np.uint8)  # smooth, every quarter another
RGB = np.dstack([GREY, 255 - GREY, GREY // 2])
WIDE = GREY.astype(np.uint16) * 257 + 3  # 16 bits
MASK = np.zeros((HEIGHT, WIDTH), np.uint8)
MASK[1:6, 2:11] = 1
MASK[7, 3] = 1  # no turn of it is the same
ALL, NONE = np.ones_like(MASK), np.zeros_like(MASK)
NOISE = np.random.default_rng(0)
CLASSES = MASK.copy()
CLASSES[8:11, 12:18] = 2

Writer = Callable[[Path], None]


def pillow(array: np.ndarray, mode: str | None = None, **options) -> Writer:
    """Writes `array` by Pillow, in the format of the name unless one is given."""

    def write(path: Path) -> None:
        image = Image.fromarray(array)
        (image.convert(mode) if mode else image).save(path, **options)

    return write


def tiff(array: np.ndarray, photometric: str = "minisblack", **options) -> Writer:
    """Writes `array` by tifffile."""
    options = {"photometric": photometric, **options}
    return lambda path: tifffile.imwrite(path, array, **options)


def palette(index: np.ndarray, *colours: tuple[int, int, int], **options) -> Writer:
    """Writes a palette picture."""

    def write(path: Path) -> None:
        image = Image.fromarray(index, "P")
        image.putpalette([value for colour in colours for value in colour])
        image.save(path, **options)

    return write


def turned(array: np.ndarray, orientation: int) -> Writer:
    """Writes `array` with an orientation tag."""
    exif = Image.Exif()
    exif[274] = orientation
    return pillow(array, exif=exif)


def animated(array: np.ndarray, kind: str) -> Writer:
    """Writes two pictures in one file."""
    more = [Image.fromarray(255 - array)]
    return pillow(array, format=kind, save_all=True, append_images=more)


def cut(write: Writer, share: float = 0.6) -> Writer:
    """Writes a file and cuts off its end."""
    return changed(write, lambda data: data[: int(len(data) * share)])


def changed(write: Writer, change: Callable[[bytes], bytes]) -> Writer:
    """Writes a file and changes its bytes."""

    def broken(path: Path) -> None:
        write(path)
        path.write_bytes(change(path.read_bytes()))

    return broken


def text(content: str) -> Writer:
    """Writes text."""
    return lambda path: path.write_text(content)


def png(width: int, height: int, *, bits: int = 8, colour: int = 0) -> Writer:
    """Writes a PNG whose header is right and whose rows are zeros, at most 64 KiB."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    body = zlib.compress(bytes(min(65536, height * (1 + width * 6))))
    chunks = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", header), (b"IDAT", body), (b"IEND", b"")):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        chunks += struct.pack(">I", len(data)) + kind + data + crc
    return lambda path: path.write_bytes(chunks)


def flipped(data: bytes) -> bytes:
    """One bit in the middle of the pixels changed."""
    place = data.index(b"IDAT") + 40
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def bomb(data: bytes) -> bytes:
    """A TIFF of 12 rows that claims 50,000 x 50,000."""
    for tag in (256, 257):
        place = data.index(struct.pack("<HHI", tag, 4, 1))
        data = data[: place + 8] + struct.pack("<I", 50_000) + data[place + 12 :]
    return data


def noisy(mask: np.ndarray) -> np.ndarray:
    """0 and 255 with greys up to 40 from them."""
    values = mask * 255.0 + NOISE.normal(0, 15, mask.shape)
    return np.clip(values, 0, 255).astype(np.uint8)


def with_alpha(*planes: np.ndarray | int) -> np.ndarray:
    """Channels put together; a number fills one."""
    return np.dstack([np.broadcast_to(np.uint8(p), MASK.shape) for p in planes])


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
    "flipped by EXIF": (".png", turned(RGB[:, ::-1], 2), RGB, 0),
}
MASKS = {
    "0 and 1": (".png", pillow(MASK), MASK),
    "0 and 255": (".png", pillow(MASK * 255), MASK),
    "0, 128 and 255": (".png", pillow(CLASSES * 127 + (CLASSES > 0)), CLASSES > 0),
    "0, 127 and 255": (".png", pillow(CLASSES * 127 + (CLASSES > 1)), CLASSES > 1),
    "a stray 32": (
        ".png",
        pillow(np.where(MASK, 255, ROWS // 11 * 32).astype(np.uint8)),
        MASK,
    ),
    "boolean": (".png", pillow(MASK.astype(bool)), MASK),
    "boolean BMP": (".bmp", pillow(MASK.astype(bool)), MASK),
    "boolean TIFF": (".tif", tiff(MASK.astype(bool)), MASK),
    "boolean TIFF with white at 0": (".tif", tiff(MASK == 0, "miniswhite"), MASK),
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


def pair(raw: Path, image: Path | None = None, mask: Path | None = None) -> None:
    """Write what is not given of images/a.png and masks/a.png."""
    for part in ("images", "masks"):
        (raw / part).mkdir(exist_ok=True)
    if image is None:
        pillow(RGB)(raw / "images" / "a.png")
    if mask is None:
        pillow(MASK)(raw / "masks" / "a.png")


def refusal(raw: Path) -> str:
    """The one line that reading everything in `raw` ends with."""
    with pytest.raises((ValueError, OSError)) as caught:
        [sample.read() for sample in folder.samples(raw)]
    told = str(caught.value)
    assert len(told.splitlines()) == 1
    return told


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


def test_an_image_and_its_mask_are_turned_alike(tmp_path: Path) -> None:
    pair(tmp_path)
    turned(np.rot90(RGB), 6)(tmp_path / "images" / "a.png")
    turned(np.rot90(MASK), 6)(tmp_path / "masks" / "a.png")
    image, mask = folder.samples(tmp_path)[0].read()
    assert np.array_equal(image, RGB)
    assert np.array_equal(mask, MASK)


def test_an_image_turned_by_exif_with_the_mask_of_its_stored_rows_is_refused(
    tmp_path: Path,
) -> None:
    pair(tmp_path)
    turned(RGB, 6)(tmp_path / "images" / "a.png")
    told = refusal(tmp_path)
    assert told.startswith(str(tmp_path / "masks" / "a.png"))
    assert "mask is 20 x 12, its image a.png is 12 x 20" in told


@pytest.mark.parametrize("value", [0, 255])
def test_a_picture_of_one_pixel_is_read(value: int, tmp_path: Path) -> None:
    pair(tmp_path)
    pillow(RGB[:1, :1])(tmp_path / "images" / "a.png")
    pillow(np.full((1, 1), value, np.uint8))(tmp_path / "masks" / "a.png")
    image, mask = folder.samples(tmp_path)[0].read()
    assert np.array_equal(image, RGB[:1, :1])
    assert mask.tolist() == [[value // 255]]
