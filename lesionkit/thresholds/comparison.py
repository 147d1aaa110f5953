"""The same images under several losses: from run records, or from a small bundle."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from lesionkit import masks, metrics, tables
from lesionkit.catalogue import LOSSES
from lesionkit.lookup import find, unknown
from lesionkit.papers import threshold_study
from lesionkit.prepared.preparing import data_of
from lesionkit.records.files import write_bytes
from lesionkit.records.runs import RunRecord
from lesionkit.records.stores import is_url

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
        title: data set, model and repeat.
        losses: (L,) names.
        files: (N,) names of the images, the smallest lesion first.
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
        ValueError: not a bundle.
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
    except Exception as error:
        raise ValueError(
            f"{path} is not a bundle of lesionkit ({error}); make one with: "
            "lesionkit thresholds RUNS_DIR --bundle FILE.npz"
        ) from None


def compare(records: Mapping[str, RunRecord], title: str = "") -> Comparison:
    """The comparison of runs that share a data set, a split and their stored images.

    Args:
        records: loss to run.
        title: what it is called.

    Raises:
        FileNotFoundError: the data set is not prepared here any more.
        ValueError: no records; or the runs keep different images or saw different
            data; or the data set has changed.
    """
    if not records:
        raise ValueError("no run records to compare")
    kept = {loss: record.arrays("logits") for loss, record in records.items()}
    positions = next(iter(kept.values()))["positions"]
    for loss, arrays in kept.items():
        if not np.array_equal(arrays["positions"], positions):
            raise ValueError(f"{title}: {loss} keeps other test images: take one split")
    prints = {r.metrics["data"]["fingerprint"] for r in records.values()}
    if len(prints) > 1:
        raise ValueError(f"{title}: the runs were trained on different data")
    data = data_of(next(iter(records.values())))
    return Comparison(
        title=title,
        losses=tuple(records),
        files=tuple(data.index["file"].iloc[positions]),
        images=np.asarray(data.images[positions]),
        masks=np.asarray(data.masks[positions]),
        logits=np.stack([arrays["logits"] for arrays in kept.values()]),
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
    """

    def __init__(self, makers: Mapping[str, Callable[[], Comparison]]):
        self.makers = {title: cache(maker) for title, maker in makers.items()}
        self.titles = list(makers)

    def open(self, title: str | None = None) -> Comparison:
        """The comparison of a title, the first by default."""
        title = self.titles[0] if title is None else title
        return find("comparison", title, self.makers)()


def shelf(source: str | Path = "", only: str = "") -> Shelf:
    """The comparisons in a folder of run records or in a bundle.

    Args:
        source: a folder of run records or the URL of one, a bundle, or "" for the
            bundle of toy runs.
        only: for records, conditions such as "dataset=kvasir model=unet".

    Raises:
        FileNotFoundError: nothing there.
        ValueError: not a bundle; or no run meets the conditions.
    """
    path = source if is_url(source) else Path(source or BUNDLE)
    if isinstance(path, Path) and not path.is_dir():
        if only:
            raise ValueError(f"only {only!r} chooses among run records; {path} is none")
        bundle = load_bundle(path)
        return Shelf({bundle.title: lambda: bundle})
    return Shelf(_cells(tables.select(tables.load_table(path), only)))


def _cells(table: pd.DataFrame) -> dict[str, Callable[[], Comparison]]:
    """Title to comparison: the runs that differ in their loss alone."""
    keys = ["dataset", "model", "repeat", "fingerprint", *tables.SETTING]
    free = "definition alpha gamma beta focal_form alpha_form".split()  # of a loss
    keys = [name for name in keys if name in table and name not in free]
    keys.append("variant")
    makers: dict[str, Callable[[], Comparison]] = {}
    for values, rows in table.groupby(keys, sort=False, dropna=False):
        title = "{}, {}, repeat {}".format(*values[:3])
        same = [name for name in makers if name.split(" (")[0] == title]
        title += f" ({len(same) + 1})" if same else ""
        rows = rows.sort_values("loss", key=lambda n: n.map(ORDER), kind="stable")
        names = rows["loss"]
        for column in ("definition", "run_id"):  # where a loss comes twice
            twice = names.duplicated(keep=False)
            names = names.where(~twice, rows["loss"] + " " + rows[column])
        runs = [RunRecord(Path(folder)) for folder in rows["folder"]]
        records = dict(zip(names, runs, strict=True))
        makers[title] = lambda records=records, title=title: compare(records, title)
    return makers
