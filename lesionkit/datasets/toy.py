"""Toy lesions in three looks, drawn by the kit: no download and no patient.

Each look has 99 images: skin as under a dermoscope, the gut as an endoscope sees it,
and grey ultrasound. A lesion is darker or brighter than what surrounds it, and hairs,
stains, folds and shadows share its colours, so that a network has to learn texture and
shape. The numbers come from NumPy's PCG64, seeded by look and image number: one NumPy
draws one data set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce
from hashlib import sha256
from operator import add
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIDE = 256  # pixels
IMAGES_PER_LOOK = 99
PATIENT_OF_NINE = (0, 0, 1, 1, 1, 2, 2, 2, 2)  # nine images are of three patients
WITHOUT_LESION = {"skin": (13,), "endoscopy": (40,), "ultrasound": (22, 67)}
SMALLEST_SHARE, LARGEST_SHARE = 0.012, 0.40  # of the image's pixels

# From light to dark skin, and tints of the gut's lining; red, green, blue of 0 to 1.
SKIN_TONES = np.array(
    [
        (0.95, 0.82, 0.75),
        (0.88, 0.69, 0.58),
        (0.74, 0.53, 0.41),
        (0.53, 0.36, 0.27),
        (0.34, 0.23, 0.18),
    ]
)
LININGS = np.array(
    [(0.94, 0.66, 0.52), (0.90, 0.50, 0.42), (0.80, 0.38, 0.33), (0.70, 0.36, 0.24)]
)

ROWS, COLUMNS = np.mgrid[0:SIDE, 0:SIDE] + 0.5 - SIDE / 2  # pixels from the centre


@dataclass(frozen=True)
class ToySample:
    """One drawn image with its mask; drawing it twice gives the same bytes.

    What `hashes` drew is kept for the next `read`, so that a preparation draws it once.

    >>> ToySample("skin", 5).name, ToySample("skin", 5).group
    ('skin_005', 'skin_patient_02')
    """

    look: str
    number: int
    drawn: list = field(default_factory=list, compare=False, repr=False)

    @property
    def name(self) -> str:
        """The look and the number, such as skin_000."""
        return f"{self.look}_{self.number:03d}"

    @property
    def group(self) -> str:
        """The pretend patient, of whom there are two to four images."""
        return f"{self.look}_patient_{_patient(self.number):02d}"

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Image (256, 256, 3) uint8 and mask (256, 256) uint8 of 0 and 1."""
        return self.drawn.pop() if self.drawn else self._draw()

    def _draw(self) -> tuple[np.ndarray, np.ndarray]:
        seed = list(PAINTERS).index(self.look)
        rng = _generator(seed, 0, self.number)
        patient = _generator(seed, 1, _patient(self.number))
        depth = _depth(rng)
        if self.number in WITHOUT_LESION[self.look]:
            depth = np.full_like(depth, -SIDE)
        picture = PAINTERS[self.look](rng, patient, depth)
        image = np.floor(np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
        return image, (depth > 0).astype(np.uint8)

    def hashes(self) -> tuple[str, str]:
        """SHA-256 of the image's bytes and of the mask's bytes, as hex."""
        image, mask = self._draw()
        self.drawn[:] = [(image, mask)]
        return sha256(image.tobytes()).hexdigest(), sha256(mask.tobytes()).hexdigest()


def samples(raw: Path | None = None) -> list[ToySample]:
    """All 297 toy samples, look by look.

    Args:
        raw: not looked at; other data sets have their files there.
    """
    return [ToySample(look, n) for look in PAINTERS for n in range(IMAGES_PER_LOOK)]


def _patient(number: int) -> int:
    nines, rest = divmod(number, len(PATIENT_OF_NINE))
    return 3 * nines + PATIENT_OF_NINE[rest]


def _generator(*seeds: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seeds))


def _noise(rng, rows: int, columns: int | None = None) -> np.ndarray:
    """Smooth noise, mean 0 and deviation about 1, with this many bumps a side."""
    columns = columns or rows
    grid = rng.standard_normal((rows + 3, columns + 3))
    return 2 * _spline(_spline(grid, rows).T, columns).T  # (SIDE, SIDE)


def _spline(grid: np.ndarray, cells: int) -> np.ndarray:
    """The first axis stretched to SIDE by cubic B-splines."""
    place = (np.arange(SIDE) + 0.5) * cells / SIDE
    first = place.astype(int)
    t = (place - first)[:, None]
    weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, 1 + 3 * t * (1 + t - t**2), t**3)
    return reduce(add, (w * grid[first + k] for k, w in enumerate(weights))) / 6


def _depth(rng) -> np.ndarray:
    """Pixels below the border of a lesion of random size; negative outside of it."""
    small, large = np.sqrt(np.divide((SMALLEST_SHARE, LARGEST_SHARE), np.pi))
    radius = small + (large - small) * rng.beta(2, 2)  # few at either end
    x, y = rng.uniform(-1, 1, 2) * SIDE * max(0.03, 0.38 - radius)
    angle, stretch = rng.uniform(0, np.pi), rng.uniform(0.8, 1.0)
    along = (COLUMNS - x) * np.cos(angle) + (ROWS - y) * np.sin(angle)
    across = (ROWS - y) * np.cos(angle) - (COLUMNS - x) * np.sin(angle)
    distance = np.hypot(along * stretch, across / stretch)
    distance *= 1 + rng.uniform(0.04, 0.15) * _noise(rng, 6)
    inside = int(np.pi * radius**2 * SIDE**2)
    return np.partition(distance.ravel(), inside)[inside] - distance


def _soft(value: np.ndarray, width: float) -> np.ndarray:
    """A step from 0 to 1 around zero, about four widths long; (H, W, 1)."""
    return (0.5 + 0.5 * np.tanh(value / (2 * width)))[..., None]


def _mix(below: np.ndarray, above: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Two pictures over each other; share is how much of the second one shows."""
    return below + share * (above - below)


def _between(stops: np.ndarray, place: float) -> np.ndarray:
    """The colour at a place of 0 to 1 along evenly spaced stops."""
    at = np.linspace(0, 1, len(stops))
    return np.array([np.interp(place, at, channel) for channel in stops.T])


def _strands(rng, count: int, *, width: float, blur: float) -> np.ndarray:
    """How much each pixel is covered by bent lines; (H, W, 1) of 0 to 1."""
    canvas = Image.new("L", (2 * SIDE, 2 * SIDE))
    t = np.linspace(0, 1, 24)[:, None]
    for _ in range(count):
        start, bend, end = rng.uniform(-0.1, 1.1, (3, 2)) * 2 * SIDE
        bend = 0.5 * bend + 0.25 * (start + end)
        curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end
        points = [tuple(point) for point in curve.tolist()]
        thick = int(2 * width * rng.uniform(0.6, 1.4) + 0.5)
        ImageDraw.Draw(canvas).line(points, 255, thick, "curve")
    canvas = canvas.filter(ImageFilter.GaussianBlur(2 * blur)).reduce(2)
    return np.asarray(canvas, float)[..., None] / 255


def _light(patient) -> np.ndarray:
    """Brightness across the image: exposure, a slope, a fall towards the corners."""
    angle, slope, fall = patient.uniform((0, 0.05, 0.05), (2 * np.pi, 0.45, 0.5))
    across = (COLUMNS * np.cos(angle) + ROWS * np.sin(angle)) / SIDE
    corner = (COLUMNS**2 + ROWS**2) / SIDE**2
    return patient.uniform(0.7, 1.05) * (1 + slope * across - fall * corner)[..., None]


def _skin(rng, patient, depth: np.ndarray) -> np.ndarray:
    """Skin with a pigmented or pale lesion, stains, hairs and a round dark frame."""
    tone = _between(SKIN_TONES, patient.random()) * patient.uniform(0.93, 1.07, 3)
    light = _light(patient)
    frame = patient.uniform(0.53, 0.9) * SIDE
    hairs, hair = patient.integers(0, 12), patient.uniform(0.03, 0.2) * tone
    skin = tone * (1 + 0.04 * _noise(rng, 5) + 0.03 * _noise(rng, 70))[..., None]
    if rng.random() < 0.9:  # darker than the skin
        dark = tone * rng.uniform(0.3, 0.55)
        pigment = dark * rng.uniform((1, 0.8, 0.65), (1.2, 1, 1))
    else:  # paler and pink
        pale = rng.uniform((0.95, 0.6, 0.55), (1.0, 0.85, 0.8))
        pigment = tone + rng.uniform(0.45, 0.7) * (pale - tone)
    stains = _soft(_noise(rng, 4) - rng.uniform(1.6, 3.0), 0.3)
    picture = _mix(skin, skin * pigment / tone, 0.5 * stains)
    net = np.abs(_noise(rng, 18)) - 0.8
    spots = rng.uniform(0.15, 0.28) * net + 0.10 * _noise(rng, 9)
    core = 0.15 - rng.uniform(0.1, 0.3) * np.clip(depth / max(depth.max(), 1), 0, 1)
    lesion = pigment * (1 + spots + core)[..., None]
    picture = _mix(picture, lesion, 0.95 * _soft(depth, rng.uniform(0.8, 2.5)))
    picture = _mix(picture, hair, 0.9 * _strands(rng, hairs, width=1.4, blur=0.5))
    return picture * light * _soft(frame - np.hypot(ROWS, COLUMNS), 1.5)


def _endoscopy(rng, patient, depth: np.ndarray) -> np.ndarray:
    """The inside of a tube with folds and vessels, a polyp on it, and highlights."""
    lining = _between(LININGS, patient.random()) * patient.uniform(0.9, 1.1, 3)
    light = _light(patient)
    frame = patient.uniform(0.5, 0.62) * SIDE
    picture = lining * _tube(rng)
    vessels = _strands(rng, rng.integers(3, 12), width=1.5, blur=1.2)
    picture = picture * (1 - np.array((0.15, 0.35, 0.3)) * vessels)
    away = np.minimum(depth, 0)
    picture = picture * (1 - 0.35 * np.exp(away / 7))[..., None]
    polyp = _polyp(rng, lining, depth)
    picture = _mix(picture, polyp, _soft(depth, rng.uniform(0.8, 1.8)))
    shine = _noise(rng, 16) + 0.6 * (depth > 0) - rng.uniform(2.3, 3.0)
    picture = _mix(picture * light, np.ones(3), 0.9 * _soft(shine, 0.1))
    rounded = (ROWS**4 + COLUMNS**4) ** 0.25 * 0.4 + np.hypot(ROWS, COLUMNS) * 0.6
    return picture * _soft(frame - rounded, 1.5)


def _tube(rng) -> np.ndarray:
    """Brightness of a tube's wall: dark far inside, with ring folds; (H, W, 1)."""
    angle, off = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.5) * SIDE
    away = np.hypot(COLUMNS - off * np.cos(angle), ROWS - off * np.sin(angle)) / SIDE
    near = 0.22 + 0.78 * np.tanh(away / rng.uniform(0.2, 0.4))
    phase = rng.uniform(1.5, 3) * np.log(away + 0.2) + 0.3 * _noise(rng, 3)
    fold = phase - np.floor(phase)
    lit = np.interp(fold, (0, 0.08, 0.3, 0.75, 1), (1.12, 0.75, 0.95, 1, 1.12))
    return (near * lit * (1 + 0.05 * _noise(rng, 9)))[..., None]


def _polyp(rng, lining: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """A dome lit from one side, redder or paler than the lining, with a pitted skin."""
    dome = np.clip(depth, 0, None) / max(depth.max(), 1)
    height = np.sqrt(1 - (1 - dome) ** 2) * max(depth.max(), 1)
    down, right = np.gradient(height)
    angle, tilt = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.7)
    facing = 1 + tilt * (right * np.cos(angle) + down * np.sin(angle))
    facing = facing / np.sqrt(1 + right**2 + down**2)
    red = rng.uniform((0.7, 0.4, 0.4), (1.0, 0.7, 0.7))
    pale = rng.uniform((0.95, 1.2, 1.15), (1.15, 1.5, 1.5))
    pits = rng.uniform(0.14, 0.22) * (np.abs(_noise(rng, 19)) - 0.8)
    colour = lining * (red if rng.random() < 0.85 else pale)
    return colour * (0.45 + 0.55 * np.clip(facing, 0, 1.4) + pits)[..., None]


def _ultrasound(rng, patient, depth: np.ndarray) -> np.ndarray:
    """Speckled layers of tissue with shadows; a lesion is a patch of other speckle."""
    down = ROWS / SIDE + 0.5 + 0.03 * _noise(rng, 3)
    stops = np.cumsum(patient.uniform(0.06, 0.3, 6)) - 0.05
    echoes = patient.uniform(0.34, 0.6, 7)
    bands = np.interp(
        down, np.repeat(stops, 2) + np.tile((0, 0.02), 6), np.repeat(echoes, 2)[1:-1]
    )
    streaks = 0.13 * _noise(rng, 50, 4) + 0.1 * _noise(rng, 6)
    tissue = bands * (1 + streaks) * _grain(rng, 120, 64)
    around = np.median(bands[depth > -12]) if (depth > 0).any() else 0.5
    if rng.random() < 0.88:
        echo = rng.uniform(0.18, 0.38) * np.minimum(bands, around)
    else:
        echo = rng.uniform(1.6, 1.9) * np.maximum(bands, around)
    lesion = echo * (1 + 0.1 * _noise(rng, 6)) * _grain(rng, 75, 60)
    inside = _soft(depth, rng.uniform(1.5, 4))[..., 0]
    picture = _mix(tissue, lesion, inside)
    behind = np.clip(np.cumsum(inside, axis=0) / 25, 0, 1) * (1 - inside)
    picture = picture * (1 + rng.uniform(-0.4, 0.4) * behind)
    stripes = _soft(_noise(rng, 1, 9) - rng.uniform(1.2, 3.0), 0.3)[..., 0]
    shadow = stripes * np.clip(3 * down, 0, 1) * (1 - 0.7 * inside)
    picture = picture * (1 - 0.5 * shadow)
    gain = patient.uniform(0.65, 1.2) * (1 - patient.uniform(0.1, 0.5) * down)
    return np.repeat((picture * gain)[..., None], 3, axis=2)


def _grain(rng, rows: int, columns: int) -> np.ndarray:
    """Speckle, mean about 1: the compressed size of a random complex echo."""
    echo = np.hypot(_noise(rng, rows, columns), _noise(rng, rows, columns))
    return 0.95 * echo**0.45


PAINTERS: dict[str, Callable[..., np.ndarray]] = {
    "skin": _skin,
    "endoscopy": _endoscopy,
    "ultrasound": _ultrasound,
}
