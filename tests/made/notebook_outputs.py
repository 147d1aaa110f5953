"""What is wrong with an output of an executed notebook, for whoever looks at it."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator

import numpy as np
from PIL import Image

WIDGET = "application/vnd.jupyter.widget-view+json"
CUT = re.compile(r"\.\.\.(?=<|\s*$)|…", re.MULTILINE)  # pandas' dots


def wrong_with(cell) -> list[str]:
    """A word for each output of a cell that shows nothing, or shows it badly."""
    return [word for output in cell.outputs for word in _wrong(output)]


def _wrong(output) -> Iterator[str]:
    if output["output_type"] == "error":
        yield "error"
    if output["output_type"] == "stream" and CUT.search(output["text"]):
        yield "cut"
    data = output.get("data", {})
    if "image/png" in data and is_empty(base64.b64decode(data["image/png"])):
        yield "empty figure"
    if "text/html" in data and CUT.search(data["text/html"]):
        yield "cut"
    if set(data) == {"text/plain"} and data["text/plain"][:1] in "([{<'\"":
        yield "a repr"
    if "<table" in data.get("text/html", "") and "dataframe" in data["text/html"]:
        yield "a plain data frame"


def is_empty(png: bytes) -> bool:
    """Whether a figure is a line of text, or bare axes."""
    grey = np.asarray(Image.open(io.BytesIO(png)).convert("L"))
    if grey.shape[0] < 0.14 * grey.shape[1]:  # as figures.note has it
        return True
    height, width = grey.shape
    middle = grey[height // 4 : -height // 4, width // 4 : -width // 4]
    return bool(middle.min() == middle.max())
