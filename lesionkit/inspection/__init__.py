"""Raw files in, the data report out: defects, copies, and what a split leaks.

Free of torch; the data page and the commands import it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lesionkit import splits
from lesionkit.catalogue import DATASETS
from lesionkit.datasets.pairs import collecting
from lesionkit.datasets.pictures.resizing import resize_mask
from lesionkit.datasets.pictures.samples import Sample
from lesionkit.inspection.colour import colour_dice
from lesionkit.inspection.findings import (
    COLOUR_SIDE,
    Finding,
    Seen,
    across,
    look,
    of_copies,
    of_files,
    stacked,
)
from lesionkit.prepared.preparing import find_samples
from lesionkit.splits import duplicates, leakage

__all__ = ["DataReport", "Finding", "colour", "findings", "inspect"]

SMALL = 0.05  # of the image: below it a lesion is small
SPLITS = 20
FITTED = 400  # images that the baseline by colour is fitted to and tested on, each


@dataclass(frozen=True)
class DataReport:
    """A set looked through.

    Attributes:
        name, source: which set, and which of its sources.
        facts: counts and lesion sizes.
        findings: defects and copies, each with its files.
        leakage: what a split gives away: a row for "image", one for "group".
        colour_dice: test Dice of a baseline that knows the colour of a pixel alone;
            None where it cannot be fitted.
        samples: what the findings' names stand for.
        seen: what is in those that can be used.
    """

    name: str
    source: str
    facts: dict[str, Any]
    findings: tuple[Finding, ...]
    leakage: pd.DataFrame
    colour_dice: float | None = None
    samples: tuple[Sample, ...] = field(repr=False, default=())
    seen: tuple[Seen, ...] = field(repr=False, default=())

    @property
    def colour_alone(self) -> str:
        """How far colour alone gets, in one line; "" where that is not known."""
        if self.colour_dice is None:
            return ""
        how = "logistic regression on single pixels, tested on other images"
        return f"colour alone gets a Dice of {self.colour_dice:.2f}: {how}"

    def findings_table(self) -> pd.DataFrame:
        """A row a finding: kind, how many files, what it says, the first of them."""
        found = self.findings
        rows = [(f.kind, f.count, f.says, ", ".join(f.files[:3])) for f in found]
        return pd.DataFrame(rows, columns=["finding", "files", "says", "the first"])

    def as_json(self) -> dict[str, Any]:
        """The report as plain values."""
        findings = [asdict(f) | {"count": f.count} for f in self.findings]
        return {
            "name": self.name,
            "source": self.source,
            "facts": self.facts,
            "findings": findings,
            "leakage": self.leakage.to_dict("records"),
            "colour_dice": self.colour_dice,
        }


def inspect(
    name: str,
    raw: Path | str | None = None,
    *,
    against: Sequence[tuple[str, Path | None]] = (),
    progress: Callable[[Sequence[Sample]], Iterable[Sample]] = iter,
) -> DataReport:
    """Look through a data set's raw files: every one is decoded to its last pixel.

    Nothing is refused that can be told: files without a partner, that cannot be read,
    of another size are findings. Needs memory for thumbnails and small masks alone.

    Args:
        name: one of lesionkit.DATASETS or a name for a folder of your own.
        raw: folder of raw files; by default raw/<name> in the data folder.
        against: other sets, name and raw folder, to look for the same images in.
        progress: wraps the list of samples, tqdm for instance.

    Raises:
        FileNotFoundError: no raw folder, or not laid out as the entry says.
        UnknownName: no such data set.
    """
    raw = None if raw is None else Path(raw)
    with collecting():  # a wrong name is refused before the work
        others = [(other, find_samples(other, folder)[0]) for other, folder in against]
    with collecting() as defects:
        samples, source = find_samples(name, raw)
    report = inspect_samples(name, samples, source, progress=progress)
    findings = [Finding("unpaired", *defect) for defect in defects]
    findings += report.findings
    for other, theirs in others:
        findings += across(report.seen, other, theirs)
    return replace(report, findings=tuple(f for f in findings if f.files))


def inspect_samples(
    name: str,
    samples: Sequence[Sample],
    source: str = "",
    *,
    progress: Callable[[Sequence[Sample]], Iterable[Sample]] = iter,
) -> DataReport:
    """The same of samples that an adapter found."""
    seen = look(samples, progress)
    good = [s for s in seen if not s.bad]
    small = stacked(good)
    pairs = duplicates.near_pairs(small)
    findings = (*of_files(seen), *of_copies(good, pairs))
    return DataReport(
        name=name,
        source=source or name,
        facts=_facts(name, seen, good, pairs),
        findings=tuple(f for f in findings if f.files),
        leakage=_leakage(good, small, pairs),
        colour_dice=_colour_dice(good),
        samples=tuple(samples),
        seen=tuple(good),
    )


def _facts(
    name: str, seen: list[Seen], good: list[Seen], pairs: pd.DataFrame
) -> dict[str, Any]:
    """Counts beside the published ones, sizes of images and lesions."""
    share = np.array([s.share for s in good])
    some, entry = share[share > 0], DATASETS.get(name)
    sizes = sorted({(f.facts[0].height, f.facts[0].width) for f in good if f.facts})
    kinds = [s.facts[0].kind for s in good if s.facts]
    mask_kinds = [f.kind for s in good for f in s.facts[1:]]
    clusters = duplicates.clusters(len(good), pairs)
    return {
        "images": len(seen),
        "published": entry.published_count if entry else None,
        "readable": len(good),
        "kinds": dict(Counter(kinds).most_common()),
        "mask_kinds": dict(Counter(mask_kinds).most_common()),
        "sizes": len(sizes) or None,
        "smallest": "x".join(map(str, sizes[0])) if sizes else "",
        "largest": "x".join(map(str, sizes[-1])) if sizes else "",
        "lesion_share_min": float(share.min()) if len(share) else None,
        "lesion_share_median": float(np.median(share)) if len(share) else None,
        "lesion_share_max": float(share.max()) if len(share) else None,
        "small_lesions": float((some < SMALL).mean()) if len(some) else None,
        "groups": len({s.group for s in good if s.group}),
        "images_with_a_near_copy": len({*pairs["first"], *pairs["second"]}),
        "clusters_of_near_copies": int((np.bincount(clusters) > 1).sum()),
    }


def _leakage(good: list[Seen], small: np.ndarray, pairs: pd.DataFrame) -> pd.DataFrame:
    """What a random split gives away, by image and by group."""
    columns = ["split", "groups", "leaked_share", "copy_nearest_dice"]
    if len(good) < 5:
        return pd.DataFrame(columns=columns)
    masks = np.array([s.mask for s in good])
    kind, groups = "known", np.array([s.group for s in good])
    if not (groups != "").all():
        kind, groups = "near-copies", duplicates.clusters(len(good), pairs).astype(str)
    dealt = ("image", "", np.arange(len(good))), ("group", kind, groups)
    rows = [(*named, *_given_away(small, masks, pairs, of)) for *named, of in dealt]
    return pd.DataFrame(rows, columns=columns)


def _colour_dice(good: list[Seen]) -> float | None:
    """Dice by colour alone, of an image split of at most FITTED images."""
    if len(good) < 5:
        return None
    train, _, test = splits.deal(np.arange(len(good)), seed=0)
    train, test = train[:FITTED], test[:FITTED]
    chosen = [good[i] for i in (*train, *test)]
    images = np.array([s.colour for s in chosen], np.float32) / 255
    masks = np.array([resize_mask(s.mask, COLOUR_SIDE) for s in chosen])
    first, rest = np.split(np.arange(len(chosen)), [len(train)])
    return colour_dice(images, masks, train=first, test=rest)


def _given_away(
    small: np.ndarray, masks: np.ndarray, pairs: pd.DataFrame, labels: np.ndarray
) -> tuple[float, float]:
    """Mean over random splits: share with a near-copy in training, Dice by copying."""
    shares, dice = [], []
    for seed in range(SPLITS):
        train, _, test = splits.deal(labels, seed)
        if not (len(train) and len(test)):
            continue  # one group is nearly everything
        shares.append(leakage.leaked_share(pairs, train, test, count=len(labels)))
        parts = {"train": train, "test": test}
        scores = leakage.copy_nearest_scores(small, masks, **parts, ignore=True)
        dice.append(np.nanmean(scores) if not np.isnan(scores).all() else np.nan)
    if not shares:
        return float("nan"), float("nan")
    return float(np.mean(shares)), float(np.mean(dice))
