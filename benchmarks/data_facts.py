"""What the data report finds in the sets at hand, as a table of docs/measurements.md.

uv run python benchmarks/data_facts.py kvasir=DIR clinicdb=DIR ...
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import measurements

from lesionkit import inspection

COLUMNS = (
    "set images published near_copies leaked_image leaked_group copied_image "
    "copied_group empty grey again labels seconds"
).split()


def row(name: str, raw: Path) -> list[str]:
    """The facts of one set."""
    began = time.perf_counter()
    report = inspection.inspect(name, raw)
    took = time.perf_counter() - began
    found = {finding.kind: finding.count for finding in report.findings}
    leakage = report.leakage.set_index("split")
    leaks = [f"{leakage.loc[k, 'leaked_share']:.3f}" for k in ("image", "group")]
    copied = [f"{leakage.loc[k, 'copy_nearest_dice']:.3f}" for k in ("image", "group")]
    kinds = ("empty mask", "grey mask values", "the same image again")
    return [
        name,
        str(report.facts["images"]),
        str(report.facts["published"] or ""),
        str(report.facts["images_with_a_near_copy"]),
        *leaks,
        *copied,
        *(str(found.get(kind, 0)) for kind in kinds),
        str(found.get("one image, two labels", 0)),
        f"{took:.0f}",
    ]


def main() -> None:
    """Look through every set that is named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("sets", nargs="+", metavar="NAME=DIR")
    named = [text.partition("=") for text in parser.parse_args().sets]
    rows = [row(name, Path(folder)) for name, _, folder in named]
    lines = [COLUMNS, ["---"] * len(COLUMNS), *rows]
    measurements.append(
        "What the data report finds",
        [
            "Leaked: mean share over 20 random splits; copied: Dice of copying the "
            "mask of the most similar training image.",
            "",
            *(measurements.row(cells) for cells in lines),
        ],
    )


if __name__ == "__main__":
    main()
