"""What of a mask of one's own is lesion: as the file says, as you say, or a refusal.

A publisher's masks are known, `images.read_mask` reads them. Anybody else's may hold
classes, instances, a border to ignore, colours, or an erased layer: what the file does
not say is refused with what it holds and with the way to say it, lesion_values.txt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
from PIL import ImageColor
from scipy.ndimage import label

from lesionkit.datasets.pictures.ignoring import with_ignored
from lesionkit.datasets.pictures.images import Raster, lesion_of
from lesionkit.lookup import nearest

Value = int | str | tuple[int, int, int]  # stored value, a layer, shown colour


@dataclass(frozen=True)
class Ignored:
    """What of a mask counts neither way: a line such as `ignore 255`."""

    value: Value


LesionValue = Value | Ignored  # a line of lesion_values.txt

READING = 2  # of these rules: a set of one's own read by others is prepared again
CLASS_LIMIT = 20  # values up to this one are numbers of classes, not greys
LAYERS = ("opaque", "transparent")
MANY_COLOURS = 16  # of what is opaque: with more it is a picture, not a mask
_SHOWN = 5  # values or colours that a refusal names
_TINT = {True: 16, False: 40}  # channels of a grey file this far apart; False: JPEG
_BORDER = 20  # greys this near to background or lesion are noise, in 8 bits
_FEW = 8  # values near to 0 that are classes; noise has more, or some near the top
_SPOT = 4  # pixels that a lesion with a number of its own has at least
_WAY = "say which of them count as lesion in lesion_values.txt in the raw folder"
_WAY_OUT = "; ignore 255 is a line for pixels that count neither way"


def lesion_in(path: Path, mask: Raster, listed: Sequence[LesionValue]) -> np.ndarray:
    """Where a mask holds what is listed, or without a list what the file says.

    Without a list these are refused:

    - a palette of several indices other than 0 or of one from 2 to CLASS_LIMIT, and one
      whose colours say that another index than 0 is the background;
    - alpha over a picture, and a layer that is there in all four corners: the lesion
      may have been rubbed out of it;
    - a TIFF in which 0 is white, by a writer whose meaning is not known;
    - colours; grey with values above 1 and none above half of the range; the values
      1, 2, ... beside the largest one; an even area of a grey between; spots of one
      grey each, of several greys; fewer than 8 bits with values between. In a JPEG, 0
      and small values: they are not as saved.

    Args:
        path: for the text of the error.
        mask: as `images.decode` gives it, not yet turned.
        listed: stored values (of a palette the index), colours as they are shown, and
            layers, each for lesion or, in Ignored, for what counts neither way; empty
            for a mask of lesion and background.

    Shape:
        returns: (H, W) uint8 of 0 and 1, and 255 where it is ignored; not yet turned

    Raises:
        ValueError: what is lesion is not clear; one line with the file's name.
    """
    if not listed:
        return _told(path, mask)
    out = ignored_of(listed)
    ignored = _where(path, mask, out) if out else np.zeros(mask.colour.shape[:2], bool)
    values = [value for value in listed if not isinstance(value, Ignored)]
    lesion = _where(path, mask, values)
    if (lesion & ignored).any():
        raise ValueError(
            f"{path}: lesion_values.txt lists pixels as lesion and ignored"
        )
    _check_found(path, mask, lesion, values, ~ignored)
    return with_ignored(lesion, ignored)


def ignored_of(listed: Sequence[LesionValue]) -> list[Value]:
    """What of a list counts neither way."""
    return [each.value for each in listed if isinstance(each, Ignored)]


def lesion_line(text: str) -> LesionValue:
    """A line of lesion_values.txt: what `lesion_value` reads, or ignore before it.

    Raises:
        ValueError: neither; the text says what is allowed.

    >>> lesion_line("2"), lesion_line("ignore 255")
    (2, Ignored(value=255))
    """
    said = re.fullmatch(r"ignore\s+(.*)", text, re.IGNORECASE)
    return Ignored(lesion_value(said[1])) if said else lesion_value(text)


def lesion_value(text: str) -> Value:
    """A value of lesion_values.txt: 2, red, #ff0000, 255,0,0, opaque or transparent.

    Raises:
        ValueError: none of these; the text says what is allowed.

    >>> lesion_value("2"), lesion_value("red"), lesion_value("64, 0, 0")
    (2, (255, 0, 0), (64, 0, 0))
    """
    if re.fullmatch("[0-9]{1,5}", text) and int(text) <= 65535:
        return int(text)
    if text.lower() in LAYERS:
        return text.lower()
    parts = re.fullmatch(r"([0-9]{1,3})\s*,\s*([0-9]{1,3})\s*,\s*([0-9]{1,3})", text)
    named = text.startswith("#") or text.isalpha()
    try:
        colour = ImageColor.getrgb(f"rgb({text})" if parts else text * named)
    except ValueError:
        colour = ()
    if len(colour) != 3 or max(colour) > 255:
        near = nearest(text, [*ImageColor.colormap, *LAYERS]) if text.isalpha() else ""
        raise ValueError(
            "one integer a line, 0 to 65535, or a colour (red, #ff0000 or 255,0,0), "
            "opaque or transparent, and after ignore what counts neither way, "
            f"got {text!r}" + (f"; did you mean {near!r}?" if near else "")
        )
    return colour


def _told(path: Path, mask: Raster) -> np.ndarray:
    """The lesion of a mask that holds nothing else."""
    layered = mask.index is not None or mask.drawn_alpha is not None
    if layered:
        lesion = lesion_of(path, mask)
        _check_palette(path, mask)
        _check_layer(path, mask)
        return lesion
    if mask.white_is_zero == "unclear" and mask.colour.min() < mask.colour.max():
        raise ValueError(
            f"{path}: a TIFF in which 0 is white; it shows {_colours(mask)}: {_WAY}, "
            "white or black"
        )
    if _tinted(mask):
        raise _coloured(path, mask)
    return _of_grey(path, mask)


def _coloured(path: Path, mask: Raster) -> ValueError:
    """The error for colours that nobody has listed."""
    lossy = "" if mask.exact else "; JPEG and WebP change values, save the mask as PNG"
    return ValueError(
        f"{path}: a coloured mask of {_colours(mask)}; {_WAY}, such as red, #ff0000 or "
        f"255,0,0, one a line{lossy}"
    )


def _unclear(path: Path, values: np.ndarray) -> ValueError:
    """The error for values that may be classes."""
    found, times = np.unique(values, return_counts=True)
    common = np.sort(found[np.argsort(-times, kind="stable")[:_SHOWN]])
    shown = ", ".join(map(str, common)) + ", ..." * (len(found) > _SHOWN)
    return ValueError(
        f"{path}: a mask of the values {shown}; {_WAY}, one a line"
        + _WAY_OUT * bool(255 in found)
    )


def _check_palette(path: Path, mask: Raster) -> None:
    """Refuse a palette that does not say that index 0 is all of the background."""
    index = mask.index
    if index is None:
        return
    used, first = np.unique(index, return_index=True)
    lesions = used[used > 0]
    if lesions.size > 1 or (lesions.size and 1 < lesions[0] <= CLASS_LIMIT):
        raise _unclear(path, index)
    colours = mask.colour.reshape(-1, 3)[first].astype(int)
    alpha = mask.drawn_alpha
    odd = alpha is not None and ((alpha > 0) != (index > 0)).any()
    if len(used) == 2 and not odd:
        spread = np.ptp(colours, axis=1)
        dark = colours.max(1) <= _BORDER
        odd = spread[0] > _TINT[True] or (dark[1] and not dark[0] and spread.any())
    if odd:
        pairs = zip(used, colours, strict=True)
        what = ", ".join(f"{i} {_name(colour)}" for i, colour in pairs)
        raise ValueError(
            f"{path}: palette index and colour differ, of the indices {what}: {_WAY}, "
            "by index or as a colour such as #ff0000"
        )


def _check_layer(path: Path, mask: Raster) -> None:
    """Refuse alpha that may be an erased lesion."""
    alpha = mask.drawn_alpha
    if alpha is None or mask.index is not None:
        return
    opaque = 2 * alpha.astype(int) > np.iinfo(alpha.dtype).max
    if not opaque.any():
        raise _unclear(path, alpha)
    drawn = _unpacked(np.unique(_packed(mask)[opaque]))
    corners = opaque[[0, 0, -1, -1], [0, -1, 0, -1]].all()
    picture = len(drawn) > MANY_COLOURS and np.ptp(drawn, axis=0).max() > _TINT[False]
    if picture or corners:
        what = "a picture" if picture else "a layer with all four corners"
        raise ValueError(
            f"{path}: alpha over {what}, opaque on {opaque.mean():.1%}: say in "
            "lesion_values.txt in the raw folder whether opaque or transparent is "
            "the lesion"
        )


def _tinted(mask: Raster) -> bool:
    """Whether channels differ by more than noise; in a mask of 0 and 1, at all."""
    planes = np.moveaxis(mask.colour, 2, 0)
    high, low = reduce(np.maximum, planes), reduce(np.minimum, planes)
    scale = np.iinfo(mask.colour.dtype).max // 255
    return bool(
        (high - low).max() > (_TINT[mask.exact] * scale if high.max() > 1 else 0)
    )


def _of_grey(path: Path, mask: Raster) -> np.ndarray:
    """The lesion of a grey mask; what may be classes is refused."""
    values, top = mask.counted[..., 0], mask.top
    most = int(values.max())
    if not mask.exact and 0 < most <= CLASS_LIMIT:
        raise ValueError(
            f"{path}: a mask of the values 0 to {most} in a kind of file that changes "
            "such values, as JPEG and WebP do; save the mask as PNG"
        )
    lesion = lesion_of(path, mask)
    if most > 1 and (not lesion.any() or _has_classes(values, top, mask.exact)):
        raise _unclear(path, values)
    return lesion


def _has_classes(values: np.ndarray, top: int, exact: bool) -> bool:
    """Whether values between background and lesion are more than soft edges or noise.

    Soft edges and the noise of a JPEG are nowhere even; areas of a class are.
    """
    found = np.flatnonzero(np.bincount(values.ravel()))
    between = found[(found > 0) & (found < top)]
    if exact and between.size and len(between) <= CLASS_LIMIT and _counts(between):
        return True
    if not between.size or len(found) == 2:
        return False
    if top < 255 or (exact and _has_numbers(values, top)):
        return True
    scale = top // 255
    side, most, border = (3, 0, _BORDER) if exact else (5, 24 * scale, 64 * scale)
    low, high = (_extreme(of, values, side) for of in (np.minimum, np.maximum))
    even = (high - low <= most) & (low > 0) & (high < top - border)
    few = exact and len(between) <= _FEW and between[-1] <= top // 2  # noise has many
    return bool((even & (few | (low > border))).any())


def _extreme(of: np.ufunc, values: np.ndarray, side: int) -> np.ndarray:
    """Least or largest value in every window of side x side pixels that fits in."""
    for axis in (0, 1):
        moved = np.moveaxis(values, axis, 0)
        size = max(len(moved) - side + 1, 0)
        moved = reduce(of, [moved[i : i + size] for i in range(side)])
        values = np.moveaxis(moved, 0, axis)
    return values


def _has_numbers(values: np.ndarray, top: int) -> bool:
    """Whether several spots are of one grey each, not all of them of the same."""
    spots, count = label(values, np.ones((3, 3)))
    one = np.zeros(count + 1, values.dtype)
    one[spots] = values  # any value of each spot
    other = np.bincount(spots[values != one[spots]], minlength=count + 1) > 0
    large = np.bincount(spots.ravel(), minlength=count + 1) >= _SPOT
    numbers = np.unique(one[~other & large])
    return ((numbers > 0) & (numbers < top)).sum() > 1


def _counts(between: np.ndarray) -> bool:
    """Whether values are 1, 2, 3 ..., as numbers of classes or lesions are."""
    return bool((between == np.arange(1, len(between) + 1)).all())


def _where(path: Path, mask: Raster, listed: Sequence[Value]) -> np.ndarray:
    """Where a mask holds one of the listed values, colours or layers, (H, W) bool."""
    if not mask.exact:
        raise ValueError(f"{path}: JPEG and WebP change values; save the mask as PNG")
    layers = [value for value in listed if isinstance(value, str)]
    colours = [value for value in listed if isinstance(value, tuple)]
    numbers = [value for value in listed if isinstance(value, int)]
    alpha = mask.drawn_alpha if mask.index is None else None
    if alpha is not None and not (layers or colours):
        raise ValueError(
            f"{path}: alpha varies; lesion_values.txt needs opaque, transparent or a "
            "colour"
        )
    lesion = np.zeros(mask.colour.shape[:2], bool)
    if numbers and alpha is None:
        lesion |= _of_numbers(path, mask, numbers, bool(colours))
    if colours:
        lesion |= _of_colours(path, mask, colours)
    if alpha is not None:
        opaque = 2 * alpha.astype(int) > np.iinfo(alpha.dtype).max
        lesion &= opaque
        lesion |= (opaque if "opaque" in layers else False) | (
            ~opaque if "transparent" in layers else False
        )
    return lesion


def _of_numbers(
    path: Path, mask: Raster, numbers: list[int], colours_too: bool
) -> np.ndarray:
    """Where one of the stored values is, of a palette the index."""
    if mask.index is not None:
        return np.isin(mask.index, numbers)
    values = mask.stored
    if (values == values[..., :1]).all():
        return np.isin(values[..., 0], numbers)
    if not colours_too:
        raise _coloured(path, mask)
    return np.zeros(values.shape[:2], bool)


def _of_colours(
    path: Path, mask: Raster, colours: list[tuple[int, int, int]]
) -> np.ndarray:
    """Where one of the colours is shown."""
    packed = _packed(mask)
    shown = _unpacked(np.unique(packed))
    apart = np.array([np.abs(shown - colour).max(1) for colour in colours])
    if 0 < apart.min() <= CLASS_LIMIT:
        i, place = divmod(int(apart.argmin()), len(shown))
        raise ValueError(
            f"{path}: {_name(shown[place])} is near to the listed {_name(colours[i])}, "
            "not the same; list it in lesion_values.txt"
        )
    return np.isin(
        packed, [red << 16 | green << 8 | blue for red, green, blue in colours]
    )


def _check_found(
    path: Path,
    mask: Raster,
    lesion: np.ndarray,
    listed: Sequence[Value],
    counts: np.ndarray,
) -> None:
    """Refuse a mask of black and white, where it counts, if else is listed."""
    values = (mask.stored if mask.index is None else mask.index)[counts]
    if not values.size:
        return
    plain = np.isin(values, (0, 255, mask.top)).all() and values.any()
    if plain and not lesion.any() and not _tinted(mask):
        shown = (_name(v) if isinstance(v, tuple) else str(v) for v in listed)
        raise ValueError(
            f"{path}: a mask of 0 and {values.max()}, lesion_values.txt lists "
            f"{', '.join(shown)}"
        )


def _packed(mask: Raster) -> np.ndarray:
    """(H, W) uint32: each colour that is shown as red, green and blue in 8 bits."""
    scale = np.iinfo(mask.colour.dtype).max // 255
    planes = [
        plane.astype(np.uint32) for plane in np.moveaxis(mask.colour // scale, 2, 0)
    ]
    return planes[0] << 16 | planes[len(planes) // 2] << 8 | planes[-1]


def _unpacked(codes: np.ndarray) -> np.ndarray:
    """(K,) codes of `_packed` as (K, 3) red, green and blue."""
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1).astype(int)


def _colours(mask: Raster) -> str:
    """The commonest colours that a mask shows, each with its share."""
    found, times = np.unique(_packed(mask), return_counts=True)
    most = np.argsort(-times, kind="stable")[:_SHOWN]
    named = zip(_unpacked(found[most]), times[most] / times.sum(), strict=True)
    shown = ", ".join(f"{_name(colour)} ({share:.1%})" for colour, share in named)
    return shown + ", ..." * (len(found) > _SHOWN)


def _name(colour: Sequence[int]) -> str:
    """black, white, or #rrggbb."""
    red, green, blue = (int(value) for value in colour)
    code = f"#{red:02x}{green:02x}{blue:02x}"
    return {"#000000": "black", "#ffffff": "white"}.get(code, code)
