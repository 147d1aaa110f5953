"""The data report as one HTML page, with pictures of what the findings are about."""

from __future__ import annotations

from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np

from lesionkit.datasets.pictures.resizing import resize_image, resize_mask
from lesionkit.datasets.pictures.samples import Sample
from lesionkit.figures import TRUTH
from lesionkit.figures.pixels import address, outline, png, rgb
from lesionkit.inspection import DataReport
from lesionkit.inspection.findings import Finding
from lesionkit.pages.templates import filled
from lesionkit.records.files import write_bytes

SIDE = 128  # of a picture on the page, pixels
SHOWN = 12  # pictures of a finding


def write_page(report: DataReport, path: Path) -> Path:
    """Write the page: one file, without any request to a network."""
    by_name = {sample.name: sample for sample in report.samples}
    shown = [(f, _pictures(f, by_name)) for f in report.findings]
    text = filled(
        "inspection.html",
        report=report,
        shown=shown,
        version=version("lesionkit"),
        today=date.today().isoformat(),
    )
    write_bytes(path, text.encode())
    return path


def _pictures(finding: Finding, samples: dict[str, Sample]) -> list[tuple[str, str]]:
    """Name and picture of the first samples of a finding; "" where none can be read."""
    found = []
    for name in finding.files[:SHOWN]:
        sample = samples.get(name.partition(" = ")[0])
        found.append((name, _picture(sample) if sample else ""))
    return found


def _picture(sample: Sample) -> str:
    """A small picture with the outline of its ground truth, as a data address."""
    try:
        image, mask = sample.read()
    except (ValueError, OSError):
        return ""
    scale = 255 / np.iinfo(image.dtype).max
    small = (resize_image(image, SIDE) * scale).round().astype(np.uint8)
    picture = np.broadcast_to(small, (SIDE, SIDE, 3)).copy()
    picture[outline(resize_mask(mask, SIDE) == 1)] = rgb(TRUTH)
    return address(png(picture))
