"""Raw files to the prepared form, whatever the adapter."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, overload

import numpy as np

from lesionkit import datasets, lookup
from lesionkit.catalogue import DATASETS, IGNORED
from lesionkit.config import data_folder, prepared_from, prepared_names
from lesionkit.datasets.pairs import below, collecting, refuse
from lesionkit.datasets.pictures.lesions import READING
from lesionkit.datasets.pictures.resizing import RESIZES
from lesionkit.datasets.pictures.samples import Sample
from lesionkit.prepared import (
    Prepared,
    open_prepared,
    prepared_folder,
    write,
)
from lesionkit.prepared.staging import Stage, fill, in_order, key_of
from lesionkit.prepared.telling import warning_of
from lesionkit.records.disks import refusals_told
from lesionkit.records.files import beside, write_json
from lesionkit.records.runs import RunRecord

SHOWN = 10  # bad files that an error names
UNPAIRED = ("have no mask", "have no image")  # the defects that skip_bad leaves out


class BackgroundWarning(UserWarning):
    """Most masks of a set look as if their background were marked."""


def prepare(
    name: str,
    raw: Path | None = None,
    *,
    size: int = 224,
    resize: str = "bilinear",
    force: bool = False,
    skip_bad: bool = False,
    progress: Callable[[Sequence[Sample]], Iterable[Sample]] = iter,
) -> Prepared:
    """A data set's prepared form, made from its raw files unless it is there already.

    Masks are resized with the nearest pixel, images with an antialiased bilinear
    filter or, as the public re-run of paper A does, with the nearest pixel too. Files
    are read on several cores; a preparation that was stopped goes on where it was.

    Args:
        name: one of lesionkit.DATASETS, or a new name for a folder of your own.
        raw: folder of raw files; by default the one of `raw_of`.
        size: side of the prepared images, pixels.
        resize: "bilinear" or "nearest", for images.
        force: make it again even if the raw files have not changed.
        skip_bad: leave out what cannot be read, images without a mask and masks
            without an image, and name them in the manifest.
        progress: wraps the list of samples, tqdm for instance.

    Raises:
        FileNotFoundError: no raw folder, or not laid out as the entry says.
        ValueError: a name, a size or a filter that is not allowed; a set that ignores
            pixels and has no lesion; unpaired or unreadable files, which the text
            names. What was read stays, so that only the mended files are read the next
            time.
        OSError: the disk is full or closed; the text says where.

    Warns:
        BackgroundWarning: most masks cover more than half of their image or touch all
            four corners.
    """
    lookup.find("resize", resize, RESIZES)
    if size < 8:
        raise ValueError(f"size must be 8 pixels or more, got {size}")
    samples, source, unpaired = _paired(name, raw, skip_bad)
    raw = raw_of(name, raw)
    folder = prepared_folder(name, size, resize)
    with refusals_told(folder):  # before the work
        folder.parent.mkdir(parents=True, exist_ok=True)
    rows, bad = _rows(samples)
    facts = {"source": source, "unpaired": unpaired, "reading": READING}
    if any(getattr(sample, "ignores", False) for sample in samples):
        facts["ignore"] = IGNORED
    there = not force and not bad and _is_prepared(name, size, resize, rows, facts)
    if there and (skip_bad or not there.manifest.get("left_out")):
        return _looked_at(_noted(there, **_where(name, raw)))
    settings = {"size": size, "resize": resize}
    with refusals_told(folder):
        probe = beside(folder)  # what the disk would refuse after the work
        probe.mkdir()
        probe.rmdir()
        stage = Stage(folder.with_name(f".{folder.name}.making"))
        again = fill(stage, samples, rows, bad=bad, **settings, progress=progress)
        if bad and not (skip_bad and len(bad) < len(samples)):
            raise ValueError(_told(name, bad, len(samples)))
        kept = [row for i, row in enumerate(rows) if i not in bad]
        left_out = [samples[i].name for i in sorted(bad)]
        facts |= {"left_out": left_out + unpaired, "taken_again": again}
        facts |= _where(name, raw)
        _assemble(stage, folder, kept, {"name": name} | settings | facts)
        stage.clear()
    return _looked_at(open_prepared(name, size, resize=resize))


def raw_of(name: str, raw: Path | None = None) -> Path:
    """The raw folder of a data set: `raw`, or where it lies as far as is known.

    That is raw/<name> in the data folder or, for a set of your own and where there is
    no such folder, the one that it was prepared from last.
    """
    if raw is not None:
        return Path(raw)
    usual, known = data_folder() / "raw" / name, prepared_from(name)
    return known if known and not (name in DATASETS and usual.is_dir()) else usual


def _where(name: str, raw: Path) -> dict[str, str]:
    """The raw folder, for the manifest; nothing of a set that the kit makes."""
    made = name in DATASETS and DATASETS[name].generated
    return {} if made else {"raw": str(raw.resolve())}


def _noted(data: Prepared, **facts: str) -> Prepared:
    """The set, whose manifest has these facts now."""
    if data.manifest | facts != data.manifest:
        data.manifest.update(facts)
        write_json(data.folder / "manifest.json", data.manifest)
    return data


def _looked_at(data: Prepared) -> Prepared:
    """The set itself, with a warning where its background may be marked."""
    if says := warning_of(data):
        warnings.warn(f"{data.name}: {says}", BackgroundWarning, stacklevel=3)
    return data


def _paired(
    name: str, raw: Path | None, skip_bad: bool
) -> tuple[list[Sample], str, list[str]]:
    """The samples of a raw folder, their source, and what is left out as unpaired."""
    if not skip_bad:
        try:
            return *find_samples(name, raw), []
        except ValueError as error:
            if not any(defect in str(error) for defect in UNPAIRED):
                raise
            hint = "mend them, or leave them out with --skip-bad"
            raise ValueError(f"{error}; {hint}") from None
    with collecting() as defects:
        samples, source = find_samples(name, raw)
    for defect, files in defects:
        if defect not in UNPAIRED or not samples:
            refuse(name, defect, [Path(file) for file in files])
    files = [Path(file) for _, files in defects for file in files]
    return samples, source, [below(path, raw_of(name, raw)) for path in files]


def _told(name: str, bad: dict[int, str], count: int) -> str:
    """What is wrong with the samples that cannot be used, and the way out."""
    reasons = [bad[i] for i in sorted(bad)]
    more = f"; and {len(reasons) - SHOWN} more" if len(reasons) > SHOWN else ""
    return (
        f"{name}: {len(bad)} of {count} samples cannot be used: "
        f"{'; '.join(reasons[:SHOWN])}{more}. Mend them and prepare again (the others "
        "are kept), or leave them out with --skip-bad"
    )


def _assemble(
    stage: Stage, folder: Path, rows: list[dict[str, Any]], manifest: dict[str, Any]
) -> None:
    """The finished samples as one prepared form, in the order of the rows."""
    known, dtype = DATASETS.get(manifest["name"]), "uint8"
    if "ignore" in manifest:
        shares = [stage.finished(key_of(row)).row["lesion_share"] for row in rows]
        if not any(shares):
            raise ValueError(
                f"{manifest['name']}: no mask has a lesion by lesion_values.txt; is "
                "what it ignores the lesion?"
            )
    channels = known.channels if known else 1
    if not known:  # a set of one's own: as many channels as its widest image
        for row in rows:
            image = stage.finished(key_of(row)).image
            channels = max(channels, image.shape[2])
            dtype = "uint16" if image.dtype == np.uint16 else dtype
    shape = (manifest["size"], manifest["size"], channels)
    samples = _finished(stage, rows, channels, dtype)
    write(folder, samples, rows, shape=shape, dtype=dtype, manifest=manifest)


def open_data(name: str, size: int = 224, *, resize: str = "bilinear") -> Prepared:
    """A prepared data set; one that the kit draws itself is prepared on the way.

    Such a set is drawn once. It is compared with what the kit draws only where its
    manifest names another code or library than the ones that are here (`drawn_by`).

    Raises:
        FileNotFoundError: it is not prepared; the text gives the command that does it.
    """
    if not (name in DATASETS and DATASETS[name].generated):
        return open_prepared(name, size, resize=resize)
    try:
        data = open_prepared(name, size, resize=resize)
        if data.manifest.get("drawn_by") == drawn_by():
            return data
    except (OSError, ValueError, KeyError):
        pass  # not there, or cut off: it is made below
    return _noted(prepare(name, size=size, resize=resize), drawn_by=drawn_by())


@cache
def drawn_by() -> str:
    """Digest of all that may change a set which the kit draws: code and libraries."""
    digest = hashlib.sha256()
    for path in sorted(Path(datasets.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    for name in ("numpy", "pillow", "pydicom"):
        found = next((d.version for d in distributions(name=name)), None)
        digest.update(f"{name} {found}".encode())
    return digest.hexdigest()[:16]


def prepared_sets(size: int = 224, *, resize: str = "bilinear") -> dict[str, Prepared]:
    """Every data set that is prepared at a size, by name."""
    found = sorted((data_folder() / "prepared").glob("*"))
    names = [p.name for p in found if prepared_folder(p.name, size, resize).is_dir()]
    return {name: open_prepared(name, size, resize=resize) for name in names}


@overload
def data_of(record: RunRecord) -> Prepared: ...
@overload
def data_of(record: None) -> None: ...
def data_of(record: RunRecord | None) -> Prepared | None:
    """The prepared data set that a run was trained on; None for no run.

    Raises:
        FileNotFoundError: it is not prepared here any more.
        ValueError: its content is not what the run saw.
    """
    if record is None:
        return None
    identity = record.identity
    data = open_data(identity["dataset"], identity["size"], resize=identity["resize"])
    if data.fingerprint != record.metrics["data"]["fingerprint"]:
        raise ValueError(
            f"{data.folder} has changed since {record.folder} was trained on it"
        )
    return data


def data_if_here(record: RunRecord) -> Prepared | None:
    """The prepared data set of a run; None if it is not here or holds other images."""
    asked = record.identity
    try:
        data = open_prepared(asked["dataset"], asked["size"], resize=asked["resize"])
    except (FileNotFoundError, ValueError):
        return None
    same = data.fingerprint == record.metrics["data"]["fingerprint"]
    return data if same else None


def kept_places(record: RunRecord, data: Prepared) -> np.ndarray:
    """Where the images of a run's kept logits lie in a data set, by their content.

    A set that was prepared again from renamed files has them in another order.

    Shape:
        returns: (N,) positions, in the order of the kept logits

    Raises:
        ValueError: the set does not hold all of them.
    """
    positions, wanted, _ = record.logits_by_hash()
    hashes = data.index["content_hash"].to_numpy(str)
    if not wanted.astype(bool).all():  # nothing is known but the place
        return positions
    inside = len(positions) and positions.max() < len(hashes)
    if inside and np.array_equal(hashes[positions], wanted):
        return positions
    places = {name: i for i, name in reversed(list(enumerate(hashes.tolist())))}
    if missing := [name for name in wanted.tolist() if name not in places]:
        raise ValueError(
            f"{data.folder} lacks {len(missing)} of the {len(wanted)} images whose"
            f" logits {record.folder} keeps"
        )
    return np.array([places[name] for name in wanted.tolist()])


def find_samples(name: str, raw: Path | None = None) -> tuple[list[Sample], str]:
    """The samples of a data set's raw folder, and the source they are from.

    Raises:
        FileNotFoundError: no raw folder, or not laid out as the entry says.
        UnknownName: no such data set, or not a name a folder can have.
    """
    folder = raw_of(name, raw)
    own = [n for n in prepared_names() if n not in DATASETS]
    if name not in (*DATASETS, *own) and raw is None and not folder.is_dir():
        names = [*(n for n in DATASETS if n != "folder"), *own]
        raise lookup.unknown("data set", name, names)
    if name == "folder" or not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise lookup.UnknownName(
            "your own data set needs a name of its own, of small letters, digits, "
            f"- and _, such as my_set; got {name!r}"
        )
    entry = DATASETS.get(name, DATASETS["folder"])
    if not entry.generated and not folder.is_dir():
        is_file = " (that is a file: unpack an archive first)" * folder.is_file()
        raise FileNotFoundError(
            f"no raw folder {folder}{is_file} for data set {name!r}; name it with"
            f" --raw DIR. It must hold {entry.layout}"
        )
    try:
        samples = lookup.resolve(entry.target)(folder)
    except (FileNotFoundError, ValueError) as error:  # a set of one's own has its name
        if name in DATASETS or not str(error).startswith("folder: "):
            raise
        raise type(error)(f"{name}: {str(error).removeprefix('folder: ')}") from None
    source = lookup.resolve(entry.which)(folder) if entry.which else name
    return samples, source


def _rows(samples: Sequence[Sample]) -> tuple[list[dict[str, Any]], dict[int, str]]:
    """The index row of each sample, but for what only decoding tells; what is bad."""
    rows, bad = [], {}
    for i, found in enumerate(in_order(_hashed, samples)):
        if isinstance(found, str):
            bad[i] = found
        rows.append({} if isinstance(found, str) else found)
    return rows, bad


def _hashed(sample: Sample) -> dict[str, Any] | str:
    """A row with the hashes of a sample's files, or why there is none."""
    try:
        content_hash, mask_hash = sample.hashes()
    except (OSError, ValueError) as error:
        return f"{sample.name}: {lookup.one_line(error)}"
    row = {"file": sample.name, "content_hash": content_hash, "mask_hash": mask_hash}
    return row | {"group": sample.group} | getattr(sample, "details", {})


def _is_prepared(
    name: str, size: int, resize: str, rows: list[dict], facts: dict[str, Any]
) -> Prepared | None:
    """The prepared form there, if it is of exactly these raw files.

    One of your own has to be read by the rules of today, too.
    """
    try:
        data = open_prepared(name, size, resize=resize)
    except (OSError, ValueError, KeyError):
        return None
    index, left_out = data.index, data.manifest.get("left_out", [])
    if data.manifest.get("ignore") != facts.get("ignore"):
        return None
    if data.manifest.get("unpaired", []) != facts["unpaired"]:
        return None
    if name not in DATASETS and data.manifest.get("reading") != facts["reading"]:
        return None
    rows = [row for row in rows if row["file"] not in left_out]
    columns = ["file", "content_hash", "mask_hash", "group"]
    more = ("stratum", "part")
    columns += [c for c in more if c in index or any(c in row for row in rows)]
    found = index.reindex(columns=columns, fill_value="").to_dict("records")
    same = found == [{name: row.get(name, "") for name in columns} for row in rows]
    return data if same else None


def _finished(
    stage: Stage, rows: list[dict[str, Any]], channels: int, dtype: str
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Image, mask and thumbnail of each row; completes the row."""
    for row in rows:
        arrays = stage.finished(key_of(row))
        row |= arrays.row
        image = arrays.image
        if image.dtype != dtype and dtype == "uint16":
            image = image.astype(np.uint16) * 257  # 255 becomes 65,535
        elif image.dtype != dtype:
            image = np.round(image / 257).astype(np.uint8)
        if image.shape[2] < channels:
            image = np.repeat(image, channels, axis=2)
        yield image, arrays.mask, arrays.thumbnail
