"""What was prepared, in six lines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lesionkit.datasets.pictures.ignoring import share_ignored
from lesionkit.prepared import Prepared, open_prepared


def background_marked(shares: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Positions of the masks whose background may be marked, if they are the most.

    Such a mask covers more than half of its image or touches all four of its corners.
    Empty masks are not counted.

    Shape:
        shares: (N,) the share of each image that is lesion
        masks: (N, H, W) uint8 of 0, 1 and 255 (ignored), at any size
        returns: (K,) positions, none where they are not more than half of the masks
    """
    corners = (masks[:, [0, 0, -1, -1], [0, -1, 0, -1]] == 1).all(1)  # (N,)
    marked = np.flatnonzero((shares > 0.5) | corners)
    return marked if 2 * len(marked) > (shares > 0).sum() else marked[:0]


def told_of_background(count: int, masks: int) -> str:
    """What `background_marked` found, in one line."""
    return (
        f"{count} of {masks} masks with lesion cover more than half of the image or "
        "touch all four corners: is the background marked? Look at some with lesionkit "
        "inspect; in a set of your own lesion_values.txt says what is lesion"
    )


def warning_of(data: Prepared) -> str:
    """The line of `told_of_background` for a prepared set, "" where there is none."""
    share = data.index["lesion_share"].to_numpy()
    marked = background_marked(share, data.masks)
    return told_of_background(len(marked), int((share > 0).sum())) * bool(len(marked))


def facts_of(
    data: Prepared, before: dict[str, tuple[str, str]] | None = None
) -> dict[str, Any]:
    """Counts, kinds and sizes of a prepared set, and what changed since `before`.

    Args:
        before: of `prepared_hashes`, from before it was prepared.
    """
    index, share, now = data.index, data.index["lesion_share"], _hashes(data.index)
    old, area = before or {}, index["height"] * index["width"]
    return {
        "name": data.name,
        "source": data.manifest["source"],
        "images": len(data),
        "left_out": data.manifest.get("left_out", []),
        "shape": "x".join(str(side) for side in data.images.shape[1:]),
        "dtype": str(data.images.dtype),
        "resize": data.manifest["resize"],
        "smallest": _size(index, int(area.idxmin())),
        "largest": _size(index, int(area.idxmax())),
        "lesion_share_min": float(share.min()),
        "lesion_share_median": float(share.median()),
        "lesion_share_max": float(share.max()),
        "empty_masks": int((share == 0).sum()),
        **_ignored(data),
        "warning": warning_of(data),
        "groups": int(index["group"].replace("", None).nunique()),
        "exact_copies": int(index["content_hash"].duplicated().sum()),
        "added": len(now.keys() - old.keys()) if old else 0,
        "removed": len(old.keys() - now.keys()),
        "changed": sum(old[f] != now[f] for f in now.keys() & old.keys()),
        "folder": str(data.folder),
    }


def _ignored(data: Prepared) -> dict[str, Any]:
    """What is ignored, of a set where pixels may be; {} of any other."""
    if not data.ignore:
        return {}
    share = share_ignored(data.masks)
    return {
        "ignored_share": float(share.mean()),
        "ignored_images": int((share > 0).sum()),
        "wholly_ignored": int((share == 1).sum()),
    }


def prepared_hashes(name: str, size: int, resize: str) -> dict[str, tuple[str, str]]:
    """File to the hashes of image and masks, as they were prepared; {} if not."""
    try:
        return _hashes(open_prepared(name, size, resize=resize).index)
    except (OSError, ValueError, KeyError):
        return {}


def _hashes(index: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """File to the hashes of image and masks."""
    columns = index[["file", "content_hash", "mask_hash"]].itertuples(index=False)
    return {file: (image, mask) for file, image, mask in columns}


def _size(index: pd.DataFrame, i: int) -> str:
    """Rows by columns of one image."""
    return f"{index['height'][i]} x {index['width'][i]}"


def _told_ignored(facts: dict[str, Any]) -> list[str]:
    """What is ignored, in one line; none where nothing may be."""
    if "ignored_share" not in facts:
        return []
    whole = facts["wholly_ignored"]
    return [
        f"ignored: {facts['ignored_share']:.2%} of the pixels, in "
        f"{facts['ignored_images']} images; they are in no loss, count or score"
        + (f"; {whole} images are ignored as a whole" if whole else "")
    ]


def told(facts: dict[str, Any]) -> list[str]:
    """The facts in six lines, one on what is ignored, and the warning, if any."""
    out = facts["left_out"]
    changes = ", ".join(
        f"{facts[what]} {what}"
        for what in ("changed", "added", "removed")
        if facts[what]
    )
    groups = (
        f"{facts['groups']} known groups"
        if facts["groups"]
        else ("no known groups: a group split deals clusters of near-copies")
    )
    return [
        f"{facts['name']}: {facts['images']} images with their masks"
        + (f", {len(out)} left out ({', '.join(out[:3])})" if out else "")
        + (f"; {changes} since the last time" if changes else ""),
        f"native sizes {facts['smallest']} to {facts['largest']}; kept as "
        f"{facts['shape']} {facts['dtype']}, images {facts['resize']}, masks nearest",
        f"lesion share: least {facts['lesion_share_min']:.4f}, median "
        f"{facts['lesion_share_median']:.4f}, most {facts['lesion_share_max']:.4f}",
        f"{facts['empty_masks']} masks without lesion, {facts['exact_copies']} images "
        "that are there already",
        *_told_ignored(facts),
        groups,
        facts["folder"],
        *[f"Warning: {facts['warning']}"] * bool(facts["warning"]),
    ]
