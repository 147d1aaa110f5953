"""What is in a data set's files: each one looked at, and what is unusual in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from lesionkit.datasets.pictures.ignoring import lesion_share
from lesionkit.datasets.pictures.images import FileFacts, file_facts
from lesionkit.datasets.pictures.resizing import (
    THUMBNAIL,
    resize_image,
    resize_mask,
    thumbnail,
)
from lesionkit.datasets.pictures.samples import Sample
from lesionkit.lookup import one_line
from lesionkit.prepared.staging import in_order
from lesionkit.prepared.telling import background_marked, told_of_background
from lesionkit.splits import duplicates, leakage

MASK_SIDE = 64  # of the masks that are copied from the nearest training image
COLOUR_SIDE = 32  # of the pictures that the baseline by colour is fitted to
ARRAYS = (
    ".npy",
    ".npz",
    ".nii",
    ".gz",
    ".parquet",
)  # files of samples that are no pictures


@dataclass(frozen=True)
class Finding:
    """One thing to know of a set, with the files that it is about."""

    kind: str
    says: str
    files: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many files."""
        return len(self.files)


@dataclass(frozen=True)
class Seen:
    """What one sample holds; `bad` says why it could not be used."""

    name: str
    group: str
    bad: str = ""
    facts: tuple[FileFacts, ...] = ()  # of the image, then of its masks
    hashes: tuple[str, str] = ("", "")
    share: float = 0.0
    thumbnail: np.ndarray | None = field(default=None, repr=False)
    mask: np.ndarray | None = field(default=None, repr=False)
    colour: np.ndarray | None = field(default=None, repr=False)  # grey: three alike


def look(samples: Sequence[Sample], progress: Callable) -> list[Seen]:
    """Every sample, decoded; in the order of the samples."""
    found = in_order(look_at, samples)
    seen = [next(found) for _ in progress(samples)]
    found.close()
    return seen


def look_at(sample: Sample) -> Seen:
    """One sample; what cannot be used says why."""
    try:
        paths = (getattr(sample, "image", None), *getattr(sample, "masks", ()))
        pictures = [p for p in paths if p is not None and p.suffix not in ARRAYS]
        facts = tuple(file_facts(path) for path in pictures)
        image, mask = sample.read()
        small = resize_image(image, COLOUR_SIDE) * (255 / np.iinfo(image.dtype).max)
        colour = np.broadcast_to(small.round(), (*small.shape[:2], 3))
        return Seen(
            name=sample.name,
            group=sample.group,
            facts=facts,
            hashes=sample.hashes(),
            share=lesion_share(mask),
            thumbnail=thumbnail(image),
            mask=resize_mask(mask, MASK_SIDE),
            colour=colour.astype(np.uint8),
        )
    except (ValueError, OSError) as error:
        return Seen(sample.name, sample.group, bad=one_line(error))


def of_files(seen: list[Seen]) -> list[Finding]:
    """What is unusual in single files."""
    bad, good = [s for s in seen if s.bad], [s for s in seen if not s.bad]
    grey = [s for s in good if any(f.between > 0 for f in s.facts[1:])]
    most = max((f.between for s in grey for f in s.facts[1:]), default=0.0)
    turned = [s for s in good if any(f.orientation != 1 for f in s.facts)]
    several = [s for s in good if len(s.facts) > 2]
    empty = [s for s in good if s.share == 0]
    full = [s for s in good if s.share == 1]
    marked = _marked(good)
    lesions = len(good) - len(empty)
    between = "masks with values between background and lesion, in up to "
    between += f"{most:.1%} of their pixels; cut at half of the range"
    return [
        _named("cannot be used", "; ".join(s.bad for s in bad[:3]), bad),
        _named("grey mask values", between, grey),
        _named("several masks", "united to one ground truth", several),
        _named("empty mask", "no lesion: Dice needs a stated rule there", empty),
        _named("full mask", "every pixel is lesion", full),
        _named("background marked", told_of_background(len(marked), lesions), marked),
        _named("turned", "an orientation tag, which is applied", turned),
    ]


def _marked(good: list[Seen]) -> list[Seen]:
    """Samples whose background may be marked, if they are the most."""
    shares = np.array([s.share for s in good])
    masks = np.array([s.mask for s in good], np.uint8).reshape(-1, MASK_SIDE, MASK_SIDE)
    return [good[i] for i in background_marked(shares, masks)]


def _named(kind: str, says: str, seen: list[Seen]) -> Finding:
    return Finding(kind, says, tuple(s.name for s in seen))


def of_copies(good: list[Seen], pairs: pd.DataFrame) -> list[Finding]:
    """Images that are there twice, to the byte or nearly, and labels that disagree."""
    exact = duplicates.exact_copies([s.hashes[0] for s in good])
    different = [g for g in exact if len({good[i].hashes[1] for i in g}) > 1]
    pairs_of = [[np.asarray(good[i].mask) for i in group[:2]] for group in different]
    dice = [leakage.dice(*both, ignore=True) for both in pairs_of]
    labelled = (
        f"median Dice between the labels {np.nanmedian(dice):.2f}" if dice else ""
    )
    extra = sum(len(group) - 1 for group in exact)
    return [
        _named(
            "the same image again",
            f"{len(exact)} groups of byte-identical images, {extra} extra copies",
            [good[i] for group in exact for i in group],
        ),
        _named(
            "one image, two labels",
            f"{len(different)} of these groups have masks that differ; {labelled}",
            [good[i] for group in different for i in group],
        ),
        _named(
            "near-copies",
            f"{len(pairs)} pairs that look the same (perceptual hash and correlation)",
            [good[i] for i in sorted({*pairs["first"], *pairs["second"]})],
        ),
    ]


def across(
    good: Sequence[Seen], other: str, samples: Sequence[Sample]
) -> list[Finding]:
    """Images of this set that are in another set too."""
    theirs = [s for s in look(samples, iter) if not s.bad]
    pairs = duplicates.near_pairs(stacked(good), stacked(theirs))
    places = zip(pairs["first"], pairs["second"], strict=True)
    named = tuple(f"{good[a].name} = {theirs[b].name}" for a, b in places)
    return [Finding(f"also in {other}", f"{len(named)} pairs look the same", named)]


def stacked(seen: Sequence[Seen]) -> np.ndarray:
    """The thumbnails, (N, 32, 32) uint8."""
    found = [s.thumbnail for s in seen]
    return np.array(found, np.uint8).reshape(-1, THUMBNAIL, THUMBNAIL)
