"""CVC-ClinicDB: frames of colonoscopy videos; frames of one video look alike."""

from __future__ import annotations

from bisect import bisect_left
from pathlib import Path

from lesionkit.datasets.pairs import files_in, find_root, pair
from lesionkit.datasets.pictures.samples import FileSample

# Last frame of each of the 29 runs of consecutive frames. Other descriptions count 31
# sequences of 23 patients: two runs may share a patient, no finer group is known.
LAST_FRAMES = (25, 50, 67, 78, 103, 126, 151, 177, 199, 205, 227, 252, 277, 297, 317)
LAST_FRAMES += (342, 363, 383, 408, 428, 447, 466, 478, 503, 528, 546, 571, 591, 612)


def samples(raw: Path) -> list[FileSample]:
    """Every frame with the mask of the same number; its group is its sequence.

    Args:
        raw: the folder that holds Original/ and Ground Truth/, or the one above it.

    Raises:
        FileNotFoundError: `raw` does not hold CVC-ClinicDB.
        ValueError: a frame without a mask, or a mask without a frame.
    """
    root = find_root("clinicdb", raw, [("Original", "Ground Truth")])
    images = files_in("clinicdb", root / "Original", [".tif"])
    masks = files_in("clinicdb", root / "Ground Truth", [".tif"])
    return pair("clinicdb", raw, images, masks=masks, group=sequence)


def sequence(frame: str) -> str:
    """The sequence of a frame number, "sequence_01" to "sequence_29", else "".

    >>> sequence("25"), sequence("26"), sequence("613")
    ('sequence_01', 'sequence_02', '')
    """
    if not frame.isdecimal() or not 1 <= int(frame) <= LAST_FRAMES[-1]:
        return ""
    return f"sequence_{bisect_left(LAST_FRAMES, int(frame)) + 1:02d}"
