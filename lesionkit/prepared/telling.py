"""What was prepared, in six lines."""

from __future__ import annotations

from typing import Any

import pandas as pd

from lesionkit.prepared import Prepared, open_prepared


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
        "groups": int(index["group"].replace("", None).nunique()),
        "exact_copies": int(index["content_hash"].duplicated().sum()),
        "added": len(now.keys() - old.keys()) if old else 0,
        "removed": len(old.keys() - now.keys()),
        "changed": sum(old[f] != now[f] for f in now.keys() & old.keys()),
        "folder": str(data.folder),
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


def told(facts: dict[str, Any]) -> list[str]:
    """The facts in six lines."""
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
        groups,
        facts["folder"],
    ]
