"""Picture files of every kind, right, odd and broken, each as a test asks."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

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


def pair(raw: Path, image: Path | None = None, mask: Path | None = None) -> None:
    """Write what is not given of images/a.png and masks/a.png."""
    for part in ("images", "masks"):
        (raw / part).mkdir(exist_ok=True)
    if image is None:
        pillow(RGB)(raw / "images" / "a.png")
    if mask is None:
        pillow(MASK)(raw / "masks" / "a.png")
