"""Sets of one's own as programs leave them: rectangles, in every form, with truth."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lesionkit.datasets import folder

H, W = 30, 40
COUNT = 4


def truth(i: int) -> np.ndarray:
    """The mask of image i: a rectangle of (4 + i) x (6 + i) pixels at row 5, column 3.

    Shape:
        returns: (30, 40) uint8 of 0 and 1
    """
    mask = np.zeros((H, W), np.uint8)
    mask[5 : 9 + i, 3 : 9 + i] = 1
    return mask


def corners(i: int) -> list[list[float]]:
    """The same rectangle as an outline, x and y of each corner."""
    return [[3.0, 5.0], [9.0 + i, 5.0], [9.0 + i, 9.0 + i], [3.0, 9.0 + i]]


def pixels(i: int) -> np.ndarray:
    """The values of image i, (30, 40, 3) uint8."""
    return np.random.default_rng(i).integers(20, 230, (H, W, 3)).astype(np.uint8)


def image(path: Path, i: int, **options: Any) -> Path:
    """Image i as a file; its folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(i)).save(path, **options)
    return path


def mask(path: Path, i: int, value: int = 255) -> Path:
    """Mask i as a file; its folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(truth(i) * np.uint8(value)).save(path)
    return path


def turned_image(path: Path, i: int, tag: int, turn: Image.Transpose) -> Path:
    """Image i, stored turned, with the orientation tag that turns it back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[274] = tag
    Image.fromarray(pixels(i)).transpose(turn).save(path, exif=exif)
    return path


def write(path: Path, text: Any) -> Path:
    """A text file, or JSON of anything else; its folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    return path


def shape(i: int, label: str = "polyp", **more: Any) -> dict[str, Any]:
    """A shape of LabelMe."""
    kind = {"label": label, "points": corners(i), "shape_type": "polygon"}
    return kind | {"group_id": None, "flags": {}} | more


def labelme(path: Path, name: str, shapes: list[dict], size: Any = (H, W)) -> Path:
    """A file of LabelMe for the image of this name."""
    facts = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": name}
    facts |= {"imageData": base64.b64encode(bytes(30)).decode()}
    return write(path, facts | {"imageHeight": size[0], "imageWidth": size[1]})


def packed_png(values: np.ndarray) -> str:
    """A mask as LabelMe packs it."""
    stream = io.BytesIO()
    Image.fromarray(values.astype(bool)).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def coco(
    places: list[int],
    annotations: list[dict],
    *,
    names: tuple[str, ...] = ("polyp",),
    file: str = "{}.png",
) -> dict[str, Any]:
    """The content of a COCO file."""
    images = [
        {"id": i, "file_name": file.format(i), "height": H, "width": W} for i in places
    ]
    categories = [{"id": k, "name": name} for k, name in enumerate(names, 1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def annotation(i: int, drawn: Any, category: int = 1, **more: Any) -> dict[str, Any]:
    """An annotation of COCO on image i."""
    facts = {"id": 10 * i + category, "image_id": i, "category_id": category}
    return facts | {"segmentation": drawn, "bbox": [3, 5, 6, 4], "iscrowd": 0} | more


def outline(i: int) -> list[list[float]]:
    """The outline of image i as COCO writes it."""
    return [[value for corner in corners(i) for value in corner]]


def yolo_line(i: int, which: int = 0) -> str:
    """The outline of image i as YOLO writes it."""
    places = [f"{x / W:.6f} {y / H:.6f}" for x, y in corners(i)]
    return f"{which} {' '.join(places)}\n"


def runs(values: np.ndarray) -> list[int]:
    """The runs of a mask, column after column, the first of background."""
    flat = np.r_[0, values.T.ravel(), 1 - values.T.ravel()[-1]]
    edges = np.flatnonzero(np.diff(flat)) + 0
    return np.diff(np.r_[0, edges]).tolist()


def masks(raw: Path) -> dict[str, np.ndarray]:
    """Each image's name with the mask that is read."""
    return {sample.name: sample.read()[1] for sample in folder.samples(raw)}


def check_truth(raw: Path, count: int = COUNT) -> None:
    """Every image of `raw` in order has its mask to the pixel and its own values."""
    found = folder.samples(raw)
    assert len(found) == count
    for i, sample in enumerate(found):
        shown, marked = sample.read()
        np.testing.assert_array_equal(marked, truth(i), sample.name)
        assert marked.dtype == np.uint8
        assert shown.shape[:2] == (H, W)


def parts(raw: Path) -> list[str]:
    """The part of each image."""
    return [sample.part for sample in folder.samples(raw)]
