"""One picture file to an array, whole or not at all, and the facts of the file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image, ImageFile, UnidentifiedImageError

from lesionkit.lookup import one_line

# ISIC 2017's largest picture has 30 million. Pillow itself refuses above 179 million.
PIXEL_LIMIT = 150_000_000

_ORIENTATION = 274  # the tag's number, in EXIF and in TIFF
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")  # of the many of Pillow
_LOSSY = {"JPEG", "MPO", "WEBP", "jpeg", "tiff_jpeg", "webp"}  # the last in TIFF
_LOSSY_TIFF = (6, 7, 34892, 50001)  # the same as tifffile knows them, by their tag
_SAVE_AS_GREY = "save it as grey, with 0 for background"
_OWN_PHOTOMETRICS = (0, 1, 2, 3)  # white is 0, black is 0, RGB, palette; else Pillow

_Planes = tuple[np.ndarray, np.ndarray | None, np.ndarray | None]


@dataclass(frozen=True)
class Raster:
    """One decoded picture, not yet turned (see `turned`)."""

    colour: np.ndarray  # (H, W, C), C 1 or 3, uint8 or uint16
    alpha: np.ndarray | None = None  # (H, W)
    index: np.ndarray | None = None  # (H, W), of a palette picture
    orientation: int = 1
    exact: bool = True  # False where the file's kind changes values, as JPEG does
    bits: int = 8  # of a stored grey value: 2 or 4 are shown on the scale of 8
    white_is_zero: str = ""  # of a TIFF: "meant" as stored, or "unclear"

    @property
    def top(self) -> int:
        """The largest value that a mask's pixel can have, as it is stored."""
        few = self.bits in (2, 4) and self.index is None
        return 2**self.bits - 1 if few else _top(self.colour)

    @property
    def stored(self) -> np.ndarray:
        """(H, W, C): the values in the file, not as they are shown."""
        shown = self.colour
        shown = _top(shown) - shown if self.white_is_zero else shown
        return shown // (_top(shown) // self.top)

    @property
    def counted(self) -> np.ndarray:
        """(H, W, C): the values that a mask is read by.

        Where white is 0: as stored where the file's writer is known to mean that.
        """
        unclear = self.white_is_zero == "unclear"
        return self.top - self.stored if unclear else self.stored

    @property
    def drawn_alpha(self) -> np.ndarray | None:
        """Alpha that shows something: not the same everywhere."""
        alpha = self.alpha
        return None if alpha is None or alpha.min() == alpha.max() else alpha


@dataclass(frozen=True)
class FileFacts:
    """One picture file.

    Attributes:
        kind: "grey 8 bit", "colour 8 bit with alpha", "palette 8 bit" and so on.
        height, width: as it is to be seen, pixels.
        orientation: 1 to 8 of EXIF or TIFF; 1 is upright.
        between: share of pixels that are neither background nor full lesion: not 0
            and not the largest value that a mask of that kind has.
    """

    kind: str
    height: int
    width: int
    orientation: int
    between: float


def read_image(path: Path) -> np.ndarray:
    """The picture as its file stores it: grey with one channel, colour with three.

    A palette is applied, CMYK becomes RGB, 1 bit becomes 0 and 255. Alpha is dropped:
    the stored colours stay, nothing is blended. 16-bit grey and 16-bit TIFF stay
    uint16. The orientation tag is applied, to masks as well. A phone's JPEG with
    several pictures gives the first; an animation or a TIFF of pages is refused.

    Shape:
        returns: (H, W, C) uint8 or uint16, C 1 or 3

    Raises:
        ValueError: the file is empty, cut off, no picture, larger than PIXEL_LIMIT
            pixels, or of a mode that cannot be kept; one line with the file's name.
    """
    raster = decode(path)
    return turned(raster.colour, raster.orientation)


def read_mask(path: Path) -> np.ndarray:
    """The mask as 0 (background) and 1 (lesion).

    The first rule that fits decides:

    1. palette: by index, not by the colour it shows; 0 is background. Where all its
       colours are grey, they have to say the same by rules 3 and 4;
    2. alpha that is not constant: alpha is the mask, cut at half of its range. Where
       the colours are black and white, they have to say the same;
    3. no value above 1: a 0/1 mask, anything but 0 is lesion;
    4. otherwise the mean of the channels, lesion above half of the range (1.5, 7.5,
       127.5 or 32767.5 for 2, 4, 8 or 16 bits). Channels further apart than that (in
       a 0/1 mask: that differ) are a coloured mask, refused: the file does not say
       which colour is the lesion.

    A TIFF in which 0 is white is read by rules 3 and 4 as it is shown; one of truth
    values that tifffile wrote, or one of ImageJ, as it is stored: there the values
    that are not 0 are the lesion, though they are shown in black.

    Shape:
        returns: (H, W) uint8 of 0 and 1

    Raises:
        ValueError: as `read_image`, or the mask is coloured or contradicts itself.
    """
    raster = decode(path)
    return turned(lesion_of(path, raster), raster.orientation)


def read_array(path: Path, key: str = "") -> np.ndarray:
    """The array of a .npy file, or the one of a .npz file under a key.

    Raises:
        ValueError: it cannot be read without running code, or has no such key.
    """
    try:
        with path.open("rb") as stream:
            loaded = np.load(stream, allow_pickle=False)
            return loaded[key] if path.suffix == ".npz" else loaded
    except Exception as error:  # noqa: BLE001 - truncated, pickled, another key
        raise ValueError(f"{path}: not an array that can be read: {error}") from error


def file_facts(path: Path) -> FileFacts:
    """The facts of a picture, after decoding it to its last pixel.

    Raises:
        ValueError: as `read_image`.
    """
    raster = decode(path)
    colour = raster.colour
    bits = 8 * colour.dtype.itemsize
    grey_or_colour = "grey" if colour.shape[2] == 1 else "colour"
    kind = "palette" if raster.index is not None else grey_or_colour
    alpha = " with alpha" if raster.alpha is not None else ""
    height, width = turned(colour, raster.orientation).shape[:2]
    values = raster.index if raster.index is not None else colour
    top = int(values.max())
    full = top if top <= 1 else np.iinfo(values.dtype).max  # 1 in a mask of 0 and 1
    return FileFacts(
        kind=f"{kind} {bits} bit{alpha}",
        height=height,
        width=width,
        orientation=raster.orientation,
        between=float(((values != 0) & (values != full)).mean()),
    )


def lesion_of(path: Path, raster: Raster) -> np.ndarray:
    """What `read_mask` reads, not yet turned.

    Args:
        path: for the text of the error.

    Shape:
        returns: (H, W) uint8 of 0 and 1

    Raises:
        ValueError: the mask is coloured or contradicts itself.
    """
    colour, top = raster.counted, raster.top
    what, told = "", True
    if raster.index is not None:
        what, lesion = "palette index and grey", raster.index != 0
    elif raster.drawn_alpha is not None:
        alpha = raster.drawn_alpha[..., None]
        what, lesion = "alpha and colour", _cut(alpha, _top(alpha))
        told = np.array_equal(np.unique(colour), [0, top])
    elif _coloured(colour):
        raise ValueError(f"{path}: a coloured mask; {_SAVE_AS_GREY}")
    else:
        lesion = _cut(colour, top)
    also = what and told and (colour == colour[..., :1]).all()  # grey tells it too
    if also and (lesion != _cut(colour, top)).any():
        raise ValueError(
            f"{path}: {what} differ; {_SAVE_AS_GREY}, or in a set of your own list "
            "what is lesion in lesion_values.txt"
        )
    return lesion.astype(np.uint8)


def decode(path: Path, data: bytes | None = None) -> Raster:
    """The whole picture, or a ValueError of one line that begins with its path.

    Args:
        path: the file.
        data: its bytes, where they do not lie in a file of their own.
    """
    data = path.read_bytes() if data is None else data
    if not data:
        raise ValueError(f"{path}: the file is empty (0 bytes)")
    reader = _decode_tiff if data[:4] in _TIFF_STARTS else _decode_pillow
    try:
        return reader(data)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - decoders fail in many ways
        raise ValueError(f"{path}: {one_line(error)}") from error


def _check_pixels(width: int, height: int) -> None:
    """Refuse from the header, before any memory is taken."""
    if width * height > PIXEL_LIMIT:
        raise ValueError(
            f"{width} x {height} pixels are more than the limit of {PIXEL_LIMIT:,}"
        )


def _decode_pillow(data: bytes) -> Raster:
    """A picture Pillow knows, decoded to its last row."""
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise ValueError(
            "PIL.ImageFile.LOAD_TRUNCATED_IMAGES would fill with grey; set it to False"
        )
    try:
        with warnings.catch_warnings():  # our own pixel limit replaces Pillow's
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(BytesIO(data), formats=_FORMATS)
    except Image.DecompressionBombError:
        raise ValueError(f"more pixels than the limit of {PIXEL_LIMIT:,}") from None
    except UnidentifiedImageError:
        raise ValueError(
            f"not a picture that can be read; it begins with {data[:16]!r}"
        ) from None
    _check_pixels(*image.size)
    if image.format == "PNG" and data[24] == 16 and data[25] != 0:
        raise ValueError(
            "colour PNG of 16 bits a channel would lose 8; save it as 8-bit or as TIFF"
        )
    pictures = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    if pictures > 1:
        raise ValueError(f"the file holds {pictures} pictures, one is expected")
    image.load()
    exact = not _LOSSY & {image.format, image.info.get("compression")}
    turn = image.getexif().get(_ORIENTATION, 1)
    few = image.format == "PNG" and data[25] == 0  # grey: 2 and 4 bits are spread to 8
    return Raster(*_planes(image), turn, exact, data[24] if few else 8)


def _planes(image: Image.Image) -> _Planes:
    """Colour (H, W, C), alpha and palette index of a loaded Pillow image."""
    mode = image.mode
    if mode == "P":
        shown = np.asarray(image.convert("RGBA"))
        seen_through = "transparency" in image.info
        return (
            shown[..., :3],
            shown[..., 3] if seen_through else None,
            np.asarray(image),
        )
    if mode in ("1", "L"):
        return np.asarray(image.convert("L"))[..., None], None, None
    if mode in ("RGB", "CMYK", "YCbCr"):
        return np.asarray(image.convert("RGB")), None, None
    if mode in ("LA", "RGBA"):
        values = np.asarray(image)
        return values[..., :-1], values[..., -1], None
    if mode == "I" or mode.startswith("I;16"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("values outside 0 to 65535 are not supported")
        return values.astype(np.uint16)[..., None], None, None
    raise ValueError(
        f"mode {mode!r} is not supported; save it as 8-bit or 16-bit grey or 8-bit RGB"
    )


def _decode_tiff(data: bytes) -> Raster:
    """A TIFF's one page, its channels counted, not guessed from the photometric tag."""
    with tifffile.TiffFile(BytesIO(data)) as tiff:
        page: Any = tiff.pages[0]  # a TiffPage: it is the first
        _check_pixels(page.imagewidth, page.imagelength)
        _check_page(page, len(data), sum(p.shape == page.shape for p in _frames(tiff)))
        if page.photometric not in _OWN_PHOTOMETRICS:
            return _decode_pillow(data)
        kind = {"bits": page.bitspersample, "white_is_zero": _white_is_zero(page)}
        orientation = page.tags.get(_ORIENTATION)
        try:
            values = page.asarray()
        except ValueError as error:
            # Pillow brings LZW and JPEG, but cuts 16-bit colour to 8 bits
            narrow = page.samplesperpixel == 1 or page.dtype == np.uint8
            if "imagecodecs" in str(error) and narrow:
                return replace(_decode_pillow(data), **kind)
            raise
        colour, alpha, index = _tiff_planes(page, values)
    turn = int(orientation.value) if orientation else 1
    exact = page.compression not in _LOSSY_TIFF
    return Raster(colour, alpha, index, turn, exact, **kind)


def _frames(tiff: tifffile.TiffFile) -> Iterator[Any]:
    """The pages of a TIFF, each of which names the place of the next."""
    places = set()
    for i in count():
        try:
            page: Any = tiff.pages[i]
        except IndexError:
            return
        if page.offset in places:
            raise ValueError("the TIFF's frames point in a circle: save it again")
        places.add(page.offset)
        yield page


def _white_is_zero(page: Any) -> str:
    """What a TIFF says in which 0 is white; "" of any other.

    tifffile (and so imageio and scikit-image) writes truth values with this tag, but
    does not invert them; ImageJ writes masks so whose objects are 255.
    """
    if page.photometric != tifffile.PHOTOMETRIC.MINISWHITE:
        return ""
    truth = page.dtype == bool and page.software.startswith("tifffile")
    return "meant" if truth or page.description.startswith("ImageJ=") else "unclear"


def means_stored(data: bytes) -> bool:
    """Whether a file is a TIFF in which 0 is white, to be read as it is stored."""
    if data[:4] not in _TIFF_STARTS:
        return False
    try:
        with tifffile.TiffFile(BytesIO(data)) as tiff:
            return _white_is_zero(tiff.pages[0]) == "meant"
    except Exception:  # noqa: BLE001 - what is broken is told when it is decoded
        return False


def _check_page(page: tifffile.TiffPage, length: int, pages: int) -> None:
    """Refuse what would be read in part: stacks, strips past the file's end."""
    if pages > 1:
        raise ValueError(f"the TIFF holds {pages} pages, one is expected")
    types = (bool, np.uint8, np.uint16)
    if page.samplesperpixel > 4 or page.imagedepth > 1 or page.dtype not in types:
        raise ValueError(f"TIFF of {page.shape} {page.dtype} is not supported")
    strips = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if not strips or any(not n or start + n > length for start, n in strips):
        raise ValueError("TIFF file is truncated")


def _tiff_planes(page: tifffile.TiffPage, values: np.ndarray) -> _Planes:
    if values.dtype == bool:
        values = values.astype(np.uint8) * 255
    if page.photometric == tifffile.PHOTOMETRIC.PALETTE:
        if values.ndim != 2:
            raise ValueError(f"palette TIFF of shape {page.shape} is not supported")
        palette = (np.asarray(page.colormap) >> 8).astype(np.uint8).T  # (256, 3)
        return palette[values], None, values
    if page.bitspersample in (2, 4):
        values = values * np.uint8(255 // (2**page.bitspersample - 1))
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        values = np.iinfo(values.dtype).max - values
    if values.ndim == 2:
        values = values[..., None]
    elif page.axes == "SYX":
        values = np.moveaxis(values, 0, 2)  # (H, W, samples)
    if values.shape[2] in (2, 4):
        return values[..., :-1], values[..., -1], None
    return values, None, None


def _coloured(colour: np.ndarray) -> bool:
    """Whether the channels of any pixel differ by more than half of the range.

    In a mask of 0 and 1, whether they differ at all.
    """
    planes = np.moveaxis(colour, 2, 0)
    high, low = reduce(np.maximum, planes), reduce(np.minimum, planes)
    return bool((high - low).max() > (_top(colour) // 2 if high.max() > 1 else 0))


def _cut(values: np.ndarray, top: int) -> np.ndarray:
    """(H, W, C) to (H, W): mean above half range; in a 0/1 mask, anything but 0."""
    planes = np.moveaxis(values, 2, 0)
    total = reduce(np.add, (plane.astype(np.uint32) for plane in planes))
    if values.max() <= 1:
        return total > 0
    return 2 * total > values.shape[2] * top


def _top(values: np.ndarray) -> int:
    return int(np.iinfo(values.dtype).max)


def turned(array: np.ndarray, orientation: int) -> np.ndarray:
    """The array as the orientation tag (1 to 8) says it is to be seen."""
    if orientation in (5, 6, 7, 8):
        array = np.swapaxes(array, 0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.array(array)
