"""What predict leaves: a mask a file, and volumes in their own geometry.

<name>.png             0 and 255, an image or a slice
<volume>.nii.gz        0 and 1, of a NIfTI volume; <volume>.seg.dcm of a DICOM series
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lesionkit.datasets.dicom import Volume
from lesionkit.datasets.dicom.writing import as_nifti, as_seg
from lesionkit.datasets.pictures.nifti import nifti_stem
from lesionkit.export.inputs import Item
from lesionkit.export.prediction import Prediction
from lesionkit.extras import version
from lesionkit.figures.pixels import outline, png, rgb
from lesionkit.records.files import write_bytes

OUTLINE = "#00ff00"  # seen on skin, tissue and grey alike


@dataclass(frozen=True)
class Written:
    """What was written of one image, and what of the volume that it ended.

    Attributes:
        found: the prediction.
        mask: the mask's file.
        volume: the volume's file; None but at its last slice.
        remark: why there is no such file; "" where there is one or none is due.
    """

    found: Prediction
    mask: Path
    volume: Path | None = None
    remark: str = ""


def write_all(
    items: Iterable[Item],
    found: Iterable[Prediction],
    folder: Path,
    *,
    network: str,
    probability: bool = False,
    overlay: bool = False,
) -> Iterator[Written]:
    """Write each mask as it comes, and a volume's file after its last slice.

    Args:
        network: what found the masks, for the header of a DICOM SEG.
        probability, overlay: as `write`; a NIfTI volume has its probabilities too.
    """
    slices: list[Prediction] = []
    for item, each in zip(items, found, strict=True):
        path = write(each, folder, probability=probability, overlay=overlay)
        if item.volume is None:
            yield Written(each, path)
            continue
        slices.append(each)
        if len(slices) < len(item.volume):
            yield Written(each, path)
            continue
        try:
            file = _write_volume(
                item.volume, slices, folder, network=network, probability=probability
            )
            yield Written(each, path, file)
        except (ImportError, ValueError) as error:  # the pictures are there
            yield Written(each, path, remark=f"{error}; its masks are there as PNG")
        slices = []


def _write_volume(
    volume: Volume,
    slices: list[Prediction],
    folder: Path,
    *,
    network: str,
    probability: bool,
) -> Path:
    """The masks of a volume as one file in its geometry."""
    masks = np.stack([each.mask for each in slices])
    above = folder / Path(slices[0].name).parent
    if volume.affine is None:
        name = above if above != folder else folder / volume.name.resolve().name
        path = name.with_name(f"{name.name}.seg.dcm")
        facts = {"algorithm": network, "algorithm_version": "1", "software": version()}
        write_bytes(path, as_seg(volume, masks, facts))
        return path
    path = above.with_name(f"{nifti_stem(volume.name)}.nii.gz")
    write_bytes(path, as_nifti(volume, masks))
    if probability:
        values = np.stack([each.probability for each in slices])
        name = path.with_name(f"{nifti_stem(volume.name)}_probability.nii.gz")
        write_bytes(name, as_nifti(volume, values))
    return path


def write(
    found: Prediction, folder: Path, *, probability: bool = False, overlay: bool = False
) -> Path:
    """The mask as a PNG of 0 and 255 in a folder, and what else is asked for.

    Args:
        probability: also `<name>_probability.png`, 16 bits, 65,535 being 1; where
            several runs vote also `<name>_spread.png`, 65,535 being 0.5.
        overlay: also `<name>_overlay.png`, the image with the mask's outline.

    Returns:
        The mask's file.
    """
    path = folder / f"{found.name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    extra = {}
    if probability:
        extra["probability"] = np.rint(found.probability * 65535).astype(np.uint16)
        if found.spread.any():
            spread = np.rint(found.spread * 2 * 65535).clip(0, 65535)
            extra["spread"] = spread.astype(np.uint16)
    if overlay:
        extra["overlay"] = _overlay(found.image, found.mask)
    for kind, picture in extra.items():
        write_bytes(folder / f"{found.name}_{kind}.png", png(picture))
    write_bytes(path, png(255 * found.mask))
    return path


def _overlay(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The image in colours of 8 bits with the outline of its mask, (H, W, 3)."""
    top = np.iinfo(image.dtype).max
    shown = np.rint(image * (255 / top)).astype(np.uint8)
    shown = np.repeat(shown, 3 // shown.shape[2], axis=2)
    shown[outline(mask)] = rgb(OUTLINE)
    return shown
