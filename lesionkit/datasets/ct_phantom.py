"""A chest-like phantom as real DICOM files, written by the kit: no patient.

Each patient has two spheres of known size: one inside a lung, one attached to its
wall, where the mediastinal window shows no border between the two (paper B's hard
case). The numbers come from NumPy's PCG64, seeded by the patient.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from lesionkit.datasets.dicom.files import made_uid, write_slice
from lesionkit.datasets.lungct import SliceSample
from lesionkit.datasets.lungct import samples as lungct_samples
from lesionkit.records.files import whole_folder

PATIENTS, SLICES, SIDE = 20, 16, 128
PIXEL_MM, SLICE_MM = 2.5, 5.0
AIR, LUNG, FAT, MUSCLE, BONE, NODULE = -1000, -850, -90, 50, 400, 40  # HU
NOISE_HU = 18.0
SMALLEST_MM, LARGEST_MM = 10.0, 18.0  # radius of a sphere
PADDING = -2000  # stored outside of the scanned circle, -1 where unsigned

# How a scanner may store the same Hounsfield units: type, slope, intercept.
STORED = (
    ("int16", 1, 0),
    ("uint16", 1, -1024),
    ("int16", 1, -1024),
    ("uint16", 2, -2048),
)


def samples(raw: Path) -> list[SliceSample]:
    """Every slice of the phantom; written first where it is not there.

    Args:
        raw: the folder to write to, or one that was written before.

    Raises:
        ValueError: files in it that cannot be read or do not fit.
    """
    if not raw.is_dir():
        draw(raw)
    return lungct_samples(raw)


def draw(folder: Path, patients: int = PATIENTS, side: int = SIDE) -> None:
    """Write the phantom: a folder a patient with *.dcm, masks/, strata.csv, truth.csv.

    truth.csv holds the spheres: kind, centre (x and y from the middle of a slice, z
    from the first slice, as DICOM has them) and radius, mm.
    """
    with whole_folder(folder) as part:
        for patient in range(patients):
            home = part / f"phantom_{patient:02d}"
            (home / "masks").mkdir(parents=True)
            _write_patient(home, patient, side)


def _write_patient(home: Path, patient: int, side: int) -> None:
    rng = np.random.Generator(np.random.PCG64((2026, patient)))
    pixel_mm = PIXEL_MM * SIDE / side
    chest = _chest(rng, side, pixel_mm)
    spheres = _spheres(rng, chest)
    dtype, slope, intercept = STORED[patient % len(STORED)]
    padding = PADDING if dtype == "int16" else 65535
    order = rng.permutation(SLICES)  # file names must not give the order away
    strata = []
    for k in range(SLICES):
        hu, mask, kind = _slice(rng, chest, spheres, k, pixel_mm)
        stored = np.rint((hu - intercept) / slope)
        outside = np.hypot(chest["x"], chest["y"]) > 0.499 * side * pixel_mm
        stored[outside] = padding
        name = f"{order[k]:03d}"
        tags = _tags(patient, k, pixel_mm, side) | {
            "RescaleSlope": slope,
            "RescaleIntercept": intercept,
            "PixelRepresentation": int(dtype == "int16"),  # how padding is written
            "PixelPaddingValue": padding,
        }
        write_slice(home / f"{name}.dcm", stored.astype(dtype), tags)
        np.save(home / "masks" / f"{name}.npy", mask)
        strata.append((f"{name}.dcm", kind))
    columns = ["kind", "x_mm", "y_mm", "z_mm", "radius_mm"]
    pd.DataFrame(spheres, columns=columns).to_csv(home / "truth.csv", index=False)
    table = pd.DataFrame(strata, columns=["file", "stratum"])
    table.to_csv(home / "strata.csv", index=False)


def _tags(patient: int, k: int, pixel_mm: float, side: int) -> dict[str, object]:
    """The header of slice `k`; the same for every drawing."""
    edge = -0.5 * (side - 1) * pixel_mm
    return {
        "PatientID": f"phantom_{patient:02d}",
        "StudyInstanceUID": made_uid("study", patient),
        "SeriesInstanceUID": made_uid("series", patient),
        "FrameOfReferenceUID": made_uid("frame", patient),
        "SOPInstanceUID": made_uid("slice", patient, k, side),
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "InstanceNumber": SLICES - k,
        "ImagePositionPatient": [edge, edge, k * SLICE_MM],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [pixel_mm, pixel_mm],
        "SliceThickness": SLICE_MM,
        "WindowCenter": [50, -600],
        "WindowWidth": [350, 1500],
    }


def _chest(
    rng: np.random.Generator, side: int, pixel_mm: float
) -> dict[str, np.ndarray]:
    """Maps of one patient's chest, the same on every slice but for its vessels."""
    y, x = (np.mgrid[:side, :side] - (side - 1) / 2) * pixel_mm
    width, depth = rng.uniform(138, 152), rng.uniform(98, 116)
    half, tall = rng.uniform(47, 58), rng.uniform(62, 76)
    shift = rng.uniform(8, 14) + half
    body = (x / width) ** 2 + (y / depth) ** 2
    lungs = np.minimum(
        ((x + shift) / half) ** 2 + (y / tall) ** 2,
        ((x - shift) / (half * 0.92)) ** 2 + (y / tall) ** 2,
    )
    return {
        "x": x,
        "y": y,
        "body": body,
        "lungs": lungs,
        "heart": ((x - 18) / 42) ** 2 + ((y + 22) / 36) ** 2,
        "spine": (x / 17) ** 2 + ((y - depth + 34) / 17) ** 2,
        "lung": np.array((shift, half, tall)),
    }


def _spheres(rng: np.random.Generator, chest: dict) -> list[tuple]:
    """One sphere inside a lung and one at its wall, on different slices."""
    shift, half, tall = chest["lung"]
    low = bool(rng.integers(2))
    spheres = []
    for kind, lower in (("inside", low), ("attached", not low)):
        radius = float(rng.uniform(SMALLEST_MM, LARGEST_MM))
        z = (SLICES - 1) * SLICE_MM * (0.25 if lower else 0.75) + rng.uniform(-0.7, 0.7)
        side = -1 if rng.integers(2) else 1
        scale = 1.0 if side < 0 else 0.92
        angle = rng.uniform(-0.9, 0.9) + (np.pi if side < 0 else 0)  # the outer wall
        far = 1.0 if kind == "attached" else 0.45
        away = far * half * scale - (0.35 * radius if far == 1.0 else 0)
        up = far * tall - (0.35 * radius if far == 1.0 else 0)
        x = side * shift + away * np.cos(angle)
        spheres.append((kind, float(x), float(up * np.sin(angle)), float(z), radius))
    return spheres


def _slice(
    rng: np.random.Generator, chest: dict, spheres: list[tuple], k: int, pixel_mm: float
) -> tuple[np.ndarray, np.ndarray, str]:
    """Hounsfield units and lesion mask of slice `k`, and the kind of its lesion."""
    x, y, lungs = chest["x"], chest["y"], chest["lungs"]
    hu = np.full(x.shape, float(AIR))
    hu[chest["body"] < 1] = FAT
    hu[chest["body"] < 0.86] = MUSCLE
    for i, angle in enumerate(np.linspace(0, 2 * np.pi, 18, endpoint=False)):
        reach = 1.16 if (i + k) % 2 else 1.20  # ribs, running down from slice to slice
        rib = _disc(chest, angle + 0.06 * k, reach)
        hu[(rib < 6.0) & (chest["body"] < 0.95) & (lungs > 1.02)] = BONE
    hu[lungs < 1] = LUNG
    for _ in range(14):  # vessels cut across look like small nodules
        centre = rng.uniform(-120, 120, 2) * (1.0, 0.6)
        size = rng.uniform(1.5, 5.0)
        vessel = np.hypot(x - centre[0], y - centre[1]) < size
        hu[vessel & (lungs < 0.97)] = MUSCLE - 15
    hu[chest["heart"] < 1] = MUSCLE - 5
    hu[chest["spine"] < 1] = BONE
    mask, found = np.zeros(x.shape, np.uint8), ""
    for kind, centre_x, centre_y, centre_z, radius in spheres:
        distance = np.hypot(x - centre_x, y - centre_y)
        ball = np.hypot(distance, k * SLICE_MM - centre_z) <= radius
        seen = ball & (lungs < 1) & (chest["heart"] >= 1)
        if seen.any():
            hu[seen] = NODULE
            mask[seen], found = 1, kind  # the attached sphere comes last
    noisy = hu + rng.normal(0, NOISE_HU, hu.shape)
    return np.maximum(noisy, -1024), mask, found  # a scanner cuts there too


def _disc(chest: dict, angle: float, reach: float) -> np.ndarray:
    """Distance in mm from a point on an ellipse around the lungs."""
    shift, half, tall = chest["lung"]
    x, y = (shift + half) * reach * np.cos(angle), tall * reach * np.sin(angle)
    return np.hypot(chest["x"] - x, chest["y"] - y)
