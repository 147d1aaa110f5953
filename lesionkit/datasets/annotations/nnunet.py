"""nnU-Net: imagesTr/case_0000.png with labelsTr/case.png, and dataset.json's labels."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from lesionkit.datasets.annotations.naming import stem_of
from lesionkit.datasets.annotations.scanning import READ, Scan
from lesionkit.datasets.own_files import OwnSample, pictures, read_lines
from lesionkit.datasets.pairs import below, by_key, existing_folder, is_visible, refuse
from lesionkit.datasets.pictures.lesions import Ignored, LesionValue
from lesionkit.lookup import nearest

CHANNEL = re.compile(r"_(\d{4})\Z")
SIDES = ("images", "labels")
PARTS = {"Tr": "train", "Ts": "test"}


def found(scan: Scan) -> list[Path]:
    """The folder of this form, if there is one."""
    tops = (scan.raw, *sorted(p for p in scan.raw.iterdir() if is_visible(p)))
    return [p for p in tops if (p / "imagesTr").is_dir() and (p / "labelsTr").is_dir()]


def samples(scan: Scan) -> list[OwnSample]:
    """Every case of labelsTr and, where it is there, labelsTs.

    imagesTs without labelsTs is not read: nobody has marked it.

    Raises:
        ValueError: more than one such folder, cases without image or label, several
            channels, several labels and no lesion_values.txt.
    """
    folders = found(scan)
    if len(folders) > 1:
        names = ", ".join(path.name for path in folders)
        raise ValueError(f"folder: more than one folder of {scan.raw} fits: {names}")
    values = _values(scan, folders[0])
    several = (folders[0] / "labelsTs").is_dir()
    made = []
    for ending, part in PARTS.items() if several else [("Tr", "")]:
        for image, mask in _cases(scan.raw, folders[0], ending).items():
            name = below(image, scan.raw)
            made.append(OwnSample(name, image, (mask,), "", "", values, part))
    return made


def _cases(raw: Path, folder: Path, ending: str) -> dict[Path, Path]:
    """Each image with its label."""
    sides = [existing_folder("folder", folder / f"{s}{ending}") for s in SIDES]
    images, masks = (pictures(raw, side, READ) for side in sides)
    further = [p for p in images if _channel(p) not in ("", "0000")]
    refuse("folder", "are further channels of a case, one picture is read", further)
    cases = by_key(images, lambda path: CHANNEL.sub("", stem_of(path)))
    labels = by_key(masks, stem_of)
    for files in (*cases.values(), *labels.values()):
        refuse("folder", "are of one case", files if len(files) > 1 else [])
    without = [files[0] for case, files in cases.items() if case not in labels]
    refuse("folder", "have no mask", without)
    orphans = [files[0] for case, files in labels.items() if case not in cases]
    refuse("folder", "have no image", orphans)
    return {cases[case][0]: labels[case][0] for case in cases if case in labels}


def _channel(path: Path) -> str:
    channel = CHANNEL.search(stem_of(path))
    return channel[1] if channel else ""


def _values(scan: Scan, folder: Path) -> tuple[LesionValue, ...]:
    """The values of the lesion, by dataset.json and lesion_values.txt.

    A line such as `ignore 255`, or with the name of a label, says what is left out.
    """
    every = _labels(folder / "dataset.json")
    labels = {n: values for n, values in every.items() if n.casefold() != "ignore"}
    lines = read_lines(scan.listed) if scan.listed else []
    if not lines:
        if len(labels) > 1:
            raise ValueError(
                f"{folder / 'dataset.json'}: its labels are {', '.join(labels)}; say "
                "which of them count as lesion in lesion_values.txt in the raw folder, "
                "one name a line"
            )
        lines = list(labels)
    values: set[int] = set()
    ignored: set[int] = set()
    for line in lines:
        out = re.fullmatch(r"ignore\s+(.*)", line, re.IGNORECASE)
        if out:
            ignored |= _of_line(scan, out[1], every)
        else:
            values |= _of_line(scan, line, labels)
    if ignored and (not values or values & ignored):
        wrong = "is lesion and ignored" if values else "list what is lesion, too"
        raise ValueError(f"{scan.listed}: {wrong}: {', '.join(map(str, ignored))}")
    return (*map(Ignored, sorted(ignored)), *sorted(values))


def _of_line(scan: Scan, line: str, labels: dict[str, tuple[int, ...]]) -> set[int]:
    """The values that a line names."""
    same = [name for name in labels if name.casefold() == line.casefold()]
    if not same and not line.isdecimal():
        near = nearest(line, labels)
        hint = f"; did you mean {near!r}?" if near else ""
        raise ValueError(
            f"{scan.listed}: no label is called {line!r}{hint} (there: "
            f"{', '.join(labels)})"
        )
    return set(labels[same[0]]) if same else {int(line)}


def _labels(path: Path) -> dict[str, tuple[int, ...]]:
    """Each label with its values, background left out; {} without a file.

    Version 1 wrote the value first, version 2 writes the name first.
    """
    if not path.is_file():
        return {}
    try:
        listed: Any = json.loads(path.read_text("utf-8-sig"))["labels"]
        if all(str(key).isdecimal() for key in listed):
            listed = {name: int(value) for value, name in listed.items()}
        found = {
            str(name): tuple(map(int, value if isinstance(value, list) else [value]))
            for name, value in listed.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: no labels that can be read: {error!r}") from None
    return {name: values for name, values in found.items() if values != (0,)}
