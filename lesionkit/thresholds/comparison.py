"""The same images under several losses: from run records, or from a small bundle."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from lesionkit import masks, metrics, tables
from lesionkit.catalogue import LOSSES
from lesionkit.lookup import Refused, UnknownName, find, unknown
from lesionkit.papers import threshold_study
from lesionkit.prepared.preparing import data_of, kept_places
from lesionkit.records.files import write_bytes
from lesionkit.records.runs import RunRecord
from lesionkit.records.stores import is_url
from lesionkit.training.experiment import replay

BUNDLE = Path(__file__).parent / "toy_ten.npz"
TABLES = ("curves", "marked", "theory")  # of a comparison
ORDER = {name: place for place, name in enumerate(LOSSES)}  # that of the paper
# How an image may be chosen; each says which it is.
CHOICES = {
    "smallest": "the smallest lesion that is not empty",
    "median": "the lesion of median size",
    "largest": "the largest lesion",
    "empty": "the first image without lesion",
    "worst": "the lowest mean Dice over the losses at probability 0.5",
}


@dataclass(frozen=True)
class Comparison:
    """Images, ground truth and logits of several losses, and what whole sets say.

    Attributes:
        title: data set, network and repeat.
        losses: (L,) names.
        files: (N,) names of the images.
        images: (N, H, W, C) uint8 or uint16.
        masks: (N, H, W) uint8, 0 or 1; 255 where a pixel is ignored.
        logits: (L, N, H, W) float16 or float32.
        validation_cuts: (L,) the logit with the best mean Dice on validation.
        curves: loss, cut, dice, marked over the whole test set.
        marked: see threshold_study.background_marked.
        theory: loss and the columns of threshold_study.background_theory.
    """

    title: str
    losses: tuple[str, ...]
    files: tuple[str, ...]
    images: np.ndarray
    masks: np.ndarray
    logits: np.ndarray
    validation_cuts: np.ndarray
    curves: pd.DataFrame
    marked: pd.DataFrame
    theory: pd.DataFrame

    @property
    def tested(self) -> int:
        """How many test images there were; `files` may be a sample of them."""
        return int(self.marked["images"].max())

    def by_size(self) -> list[str]:
        """Every file, the smallest lesion first."""
        sizes = (self.masks == 1).sum((1, 2), dtype=np.int64)
        return [self.files[i] for i in np.argsort(sizes, kind="stable")]

    def position(self, image: str) -> int:
        """Where an image is, by its file name or by a rule of CHOICES.

        Raises:
            ValueError: no such name; or "empty" where every image has a lesion,
                a rule of lesion size where none has.
        """
        file = image if image in self.files else self.choices().get(image)
        if file is not None:
            return self.files.index(file)
        if image not in CHOICES:
            raise unknown("image", image, [*CHOICES, *self.files])
        lacks = "is without lesion" if image == "empty" else "has a lesion"
        raise ValueError(f"image {image!r}: none of {len(self.files)} images {lacks}")

    def choices(self) -> dict[str, str]:
        """The rules that find an image here, each with the file that it finds."""
        sizes = (self.masks == 1).sum((1, 2), dtype=np.int64)
        order = np.argsort(sizes, kind="stable")
        known = (self.masks == 0).any((1, 2))  # else it may be ignored as a whole
        lesions, empty = (
            order[sizes[order] > 0],
            order[(sizes == 0)[order] & known[order]],
        )
        dice = self.dice().mean(0)  # NaN of an image that is ignored as a whole
        found = {"empty": empty[:1], "worst": np.nan_to_num(dice, nan=2).argsort()[:1]}
        found |= {"smallest": lesions[:1], "largest": lesions[-1:]}
        found["median"] = lesions[len(lesions) // 2 :][:1]
        return {rule: self.files[i] for rule in CHOICES for i in found[rule]}

    def dice(self) -> np.ndarray:
        """Dice of every loss and image at probability 0.5, (L, N)."""
        logits = torch.from_numpy(self.logits.astype(np.float32))
        counts = [
            metrics.counts(masks.probability_mask(z), self.masks, ignore=True)
            for z in logits
        ]
        return np.stack([metrics.per_image(c)["dice"] for c in counts])

    def save(self, path: str | Path) -> Path:
        """Write a bundle: one .npz file that opens without records and data set."""
        stored = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in TABLES:
            stored[name] = np.array(stored[name].to_csv(index=False))
        stored["logits"] = self.logits.astype(np.float16)
        stream = io.BytesIO()
        np.savez_compressed(stream, **stored)
        write_bytes(Path(path), stream.getvalue())
        return Path(path)


def load_bundle(path: str | Path = BUNDLE) -> Comparison:
    """The comparison in a bundle, by default the one of toy runs that comes along.

    Raises:
        FileNotFoundError: no such file.
        Refused: not a bundle.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no bundle at {Path(path).absolute()}")
    try:
        with np.load(path, allow_pickle=False) as stored:
            values = {field.name: stored[field.name] for field in fields(Comparison)}
        for name in TABLES:
            values[name] = pd.read_csv(io.StringIO(str(values[name])))
        values["title"] = str(values["title"])
        for name in ("losses", "files"):
            values[name] = tuple(str(text) for text in values[name])
        return Comparison(**values)
    except Exception:  # noqa: BLE001 - numpy, zipfile and pandas have one each
        raise Refused(
            f"{path} is neither a folder of run records nor a bundle of them; make a "
            "bundle with: lesionkit thresholds RUNS_DIR --bundle FILE.npz"
        ) from None


def compare(
    records: Mapping[str, RunRecord],
    title: str = "",
    progress: Callable[[Iterable[Any]], Iterable[Any]] | None = None,
) -> Comparison:
    """The comparison of runs that share a data set, a split and their test images.

    Args:
        records: loss to run.
        title: what it is called.
        progress: of tqdm's form. With it every test image is in the comparison, from
            the weights of the runs; without it, or where a run kept no weights, the
            few images whose logits the records hold.

    Raises:
        FileNotFoundError: the data set is not prepared here any more.
        ValueError: no records; or the runs keep different images or saw different
            data; or the data set has changed.
    """
    if not records:
        raise ValueError("no run records to compare")
    prints = {r.metrics["data"]["fingerprint"] for r in records.values()}
    if len(prints) > 1:
        raise ValueError(f"{title}: the runs were trained on different data")
    data = data_of(next(iter(records.values())))
    weights = [record.file("best.safetensors") for record in records.values()]
    kept: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    if progress is not None and all(path.is_file() for path in weights):
        places = {file: i for i, file in enumerate(data.index["file"])}
        for loss in progress(list(records)):
            said = replay(records[loss])
            kept[loss] = np.array([places[f] for f in said.files]), said.logits
    else:
        for loss, record in records.items():
            logits = record.arrays("logits")["logits"]
            kept[loss] = kept_places(record, data), logits
    positions = next(iter(kept.values()))[0]
    for loss, (own, _) in kept.items():
        if not np.array_equal(own, positions):
            raise ValueError(f"{title}: {loss} has other test images: take one split")
    return Comparison(
        title=title,
        losses=tuple(records),
        files=tuple(data.index["file"].iloc[positions]),
        images=np.asarray(data.images[positions]),
        masks=np.asarray(data.masks[positions]),
        logits=np.stack([logits for _, logits in kept.values()]),
        validation_cuts=np.array(
            [threshold_study.best_validation_cut(r) for r in records.values()]
        ),
        curves=_stacked(records, threshold_study.dice_curve),
        marked=threshold_study.background_marked(records),
        theory=_stacked(records, threshold_study.background_theory),
    )


def _stacked(
    records: Mapping[str, RunRecord], of: Callable[[RunRecord], pd.DataFrame]
) -> pd.DataFrame:
    parts = {loss: of(record) for loss, record in records.items()}
    return pd.concat(parts, names=["loss"]).reset_index("loss").reset_index(drop=True)


class Shelf:
    """Comparisons by title; each is read when it is asked for, and kept.

    Attributes:
        titles: what there is.
        runs: the records of each, by title; none where a bundle is shown.
    """

    def __init__(
        self,
        makers: Mapping[str, Callable[[], Comparison]],
        runs: Mapping[str, Mapping[str, RunRecord]] | None = None,
    ):
        self.makers = {title: cache(maker) for title, maker in makers.items()}
        self.titles, self.runs = list(makers), runs or {}

    def expect(self, image: str) -> None:
        """Refuse an image that no run was tested on, before a network is run.

        Raises:
            ValueError: no such image.
        """
        splits = [r.split for runs in self.runs.values() for r in runs.values()]
        known = {f for s in splits for f in s.loc[s["part"] == "test", "file"]}
        if known and image not in CHOICES and image not in known:
            raise unknown("image", image, [*CHOICES, *sorted(known)])

    def open(self, title: str | None = None) -> Comparison:
        """The comparison of a title, the first by default."""
        title = self.titles[0] if title is None else title
        return find("comparison", title, self.makers)()


def shelf(
    source: str | Path = "",
    only: str = "",
    progress: Callable[[Iterable[Any]], Iterable[Any]] | None = None,
) -> Shelf:
    """The comparisons in a folder of run records or in a bundle.

    Args:
        source: a folder of run records or the URL of one, a bundle, or "" for the
            bundle of toy runs.
        only: for records, conditions such as "dataset=kvasir model=unet".
        progress: for records, see compare.

    Raises:
        FileNotFoundError: nothing there.
        ValueError: not a bundle; or no run meets the conditions.
    """
    path = source if is_url(source) else Path(source or BUNDLE)
    if isinstance(path, Path) and not path.is_dir():
        if only:
            raise UnknownName(
                f"only {only!r} chooses among run records, and {path} is a bundle"
            )
        bundle = load_bundle(path)
        return Shelf({bundle.title: lambda: bundle})
    cells = cells_of(tables.select(tables.load_table(path), only))
    return Shelf(
        {
            title: lambda runs=runs, title=title: compare(runs, title, progress)
            for title, runs in cells.items()
        },
        cells,
    )


def cells_of(table: pd.DataFrame) -> dict[str, dict[str, RunRecord]]:
    """Title to the runs that differ in their loss alone, by its name."""
    keys = ["dataset", "model", "repeat", "fingerprint", *tables.SETTING]
    free = "definition alpha gamma beta focal_form alpha_form".split()  # of a loss
    keys = [name for name in keys if name in table and name not in free]
    keys.append("variant")
    found: dict[str, dict[str, RunRecord]] = {}
    for values, rows in table.groupby(keys, sort=False, dropna=False):
        title = "{}, {}, repeat {}".format(*values[:3])
        same = [name for name in found if name.split(" (")[0] == title]
        title += f" ({len(same) + 1})" if same else ""
        rows = rows.sort_values("loss", key=lambda n: n.map(ORDER), kind="stable")
        names = rows["loss"]
        for column in ("definition", "run_id"):  # where a loss comes twice
            twice = names.duplicated(keep=False)
            names = names.where(~twice, rows["loss"] + " " + rows[column])
        runs = [RunRecord(Path(folder)) for folder in rows["folder"]]
        found[title] = dict(zip(names, runs, strict=True))
    return found
