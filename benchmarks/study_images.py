"""Copies the images of the small study, and slices of LIDC, by a rule without a list.

    python benchmarks/study_images.py PACK OUT [--count 400]

PACK holds the raw folders of the sets; OUT gets one folder a data set, which
`lesionkit prepare NAME --raw OUT/NAME --size 64` reads. The rule: of the images of a
set, in the order of the SHA-256 of their paths below the raw folder (with forward
slashes), the first COUNT; of the wound set the first COUNT with a lesion and every one
without; of BUSI all. No image goes into the repository: every set keeps its terms.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from lesionkit.catalogue import DATASETS
from lesionkit.datasets.pictures.samples import Sample
from lesionkit.lookup import resolve

SETS = {
    "kvasir": "kvasir-seg",
    "clinicdb": "cvc-clinicdb",
    "busi": "busi",
    "wound": "wound-fuseg",
    "isic2017": "isic-2017",
    "lidc_slices_majority": "lung-lidc/LIDC-IDRI-slices",
}
WHOLE = ("busi",)


def main() -> None:
    """Copy the chosen images and masks of every set, and say how many."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pack", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=400)
    given = parser.parse_args()
    for name, folder in SETS.items():
        raw = given.pack / folder
        samples = chosen(resolve(DATASETS[name].target)(raw), name, given.count)
        for sample in samples:
            for path in (sample.image, *sample.masks):
                target = given.out / name / path.relative_to(raw)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
        print(f"{name}: {len(samples)} images in {(given.out / name).absolute()}")


def chosen(samples: Sequence[Sample], name: str, count: int) -> list[Sample]:
    """The samples of a set that the study takes."""
    ordered = sorted(samples, key=lambda sample: order(sample.name))
    if name in WHOLE:
        return ordered
    if name != "wound":
        return ordered[:count]
    marked = {sample.name: bool(sample.read()[1].any()) for sample in ordered}
    lesions = [sample for sample in ordered if marked[sample.name]]
    return lesions[:count] + [s for s in ordered if not marked[s.name]]


def order(name: str) -> str:
    """What decides the order: the SHA-256 of a path with forward slashes."""
    return hashlib.sha256(name.encode()).hexdigest()


if __name__ == "__main__":
    main()
