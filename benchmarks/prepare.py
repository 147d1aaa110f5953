"""How long preparing takes, and what the sets hold: raw files of every set at hand.

    python benchmarks/prepare.py RAW_ROOT [--size 224]

RAW_ROOT holds a folder for each set, by our name or by the publisher's. The prepared
arrays go to a temporary folder: what is prepared already is left alone.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import measurements

FOLDERS = {
    "kvasir": ("kvasir", "kvasir-seg"),
    "clinicdb": ("clinicdb", "cvc-clinicdb"),
    "isic2017": ("isic2017", "isic-2017"),
    "wound": ("wound", "wound-fuseg"),
    "busi_benign": ("busi_benign", "busi"),
    "busi_malignant": ("busi_malignant", "busi"),
}


def main() -> None:
    """Prepare every set once and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("raw_root", type=Path)
    parser.add_argument("--size", type=int, default=224)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["LESIONKIT_DATA"] = scratch
        rows = [row(name, given.raw_root, given.size) for name in FOLDERS]
    head = "| set | source | images | lesion share min / median / max | empty | s |"
    lines = [head, "|---|---|---|---|---|---|", *filter(None, rows)]
    measurements.append(f"Preparing at {given.size} x {given.size}", lines)


def row(name: str, root: Path, size: int) -> str | None:
    """A line of the table; None where the set is not at hand."""
    from lesionkit.prepared.preparing import prepare

    raw = next((root / f for f in FOLDERS[name] if (root / f).is_dir()), None)
    if raw is None:
        return None
    began = time.perf_counter()
    data = prepare(name, raw, size=size)
    took = time.perf_counter() - began
    share = data.index["lesion_share"]
    shares = f"{share.min():.5f} / {share.median():.5f} / {share.max():.5f}"
    empty = int((share == 0).sum())
    source = data.manifest["source"]
    return f"| {name} | {source} | {len(data)} | {shares} | {empty} | {took:.1f} |"


if __name__ == "__main__":
    main()
