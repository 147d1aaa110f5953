"""What would make the scores of a row possible that no plain mean can have.

A true table breaks the laws of plain means where images without lesion count in one
score and not in another, where the scores are medians, where one score was averaged in
another way than the others, where pooled scores are means of several runs, or where
digits were cut off instead of rounded. Each is a way; some have a share or a scatter
that it takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lesionkit import lookup
from lesionkit.papers.laws import Law, Scores, laws_of
from lesionkit.papers.numbers import METRICS, SHOWN

AGGREGATIONS = ("pooled", "image", "median")
# What an image without lesion that is left unmarked counts in dice, iou, precision and
# recall; None where it is left out. Libraries do all of these: metrics/conventions.py.
Rule = tuple[int | None, int | None, int | None, int | None]
USUAL: tuple[Rule, ...] = ((1, 1, None, None), (1, 1, 0, 0))
OTHERS: tuple[Rule, ...] = (
    (0, 0, None, None),
    (0, 0, 1, 1),
    (None, 1, None, None),
    (1, None, None, None),
)
STEP = 0.001
SHARES = np.arange(0, 1, STEP)
SLACK = 1e-9  # of float arithmetic, far below the last printed digit


@dataclass(frozen=True)
class Told:
    """What is known of how the scores of a table came about; None for unknown.

    `aggregation` is "pooled", "image" or "median"; `empty` the share of images without
    lesion, 0 to 1; `runs` how many runs a row is the mean of.
    """

    aggregation: str | None = None
    empty: float | None = None
    runs: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.aggregation is not None:
            lookup.find("aggregation", self.aggregation, dict.fromkeys(AGGREGATIONS))
        if self.empty is not None and not 0 <= self.empty <= 1:
            raise ValueError(f"empty is a share, 0 to 1, got {self.empty:g}")
        if self.runs is not None and self.runs < 1:
            raise ValueError(f"runs is 1 or more, got {self.runs}")

    def __str__(self) -> str:
        """What was told, in words; empty if nothing was."""
        known = {
            "pooled": "pooled over all pixels",
            "image": "means over images",
            "median": "medians over images",
        }
        parts = [known[self.aggregation]] if self.aggregation else []
        if self.empty is not None:
            share = _percent(self.empty) if self.empty else "none"
            parts.append(f"{share} of the images without lesion")
        if self.runs is not None:
            parts.append("one run" if self.runs == 1 else f"{self.runs} runs")
        return ", ".join(parts)


@dataclass(frozen=True)
class Way:
    """One way in which a row is possible; `share` of empty images that it takes."""

    says: str
    share: float = 0.0


def ways(scores: Scores, broken: Sequence[Law], told: Told) -> list[Way]:
    """How scores that break a law are possible all the same, as far as was told.

    Args:
        scores: of one row.
        broken: its laws that no mean or median of the kind told can keep.

    Returns:
        No way where what was told leaves none: then the row is impossible.
    """
    found = [*_cut(scores, told)]
    if told.aggregation in (None, "image") and told.empty != 0:
        found += empties(scores, told.empty)
    if told.aggregation is None:
        found += _medians(scores)
        apart = " and ".join(dict.fromkeys(law.name for law in broken))
        others = " and ".join(dict.fromkeys(_others(law) for law in broken))
        found.append(Way(f"if {apart} was averaged in another way than {others}"))
    if told.aggregation == "median" and told.empty != 0:
        found.append(Way("if images without lesion count in some of the scores alone"))
    return found


def runs_apart(scores: Scores, unequal: Sequence[Law], told: Told) -> list[Way]:
    """How scores that were told to be pooled, and are not equal, are possible."""
    found = [*_cut(scores, told)]
    if told.runs == 1:
        return found
    says = "if it is the mean of several pooled values (runs, folds or classes)"
    if (law := max(unequal, key=lambda law: law.scatter)).bends:
        says += f" with {law.scatters} scattered by about {law.scatter:.1f} points"
    return [*found, Way(says)]


def empties(scores: Scores, most: float | None = None) -> list[Way]:
    """The least shares of empty images that make a row possible, by what these count.

    The rules that libraries follow most come first; others where these will not do.

    Args:
        most: the share of images without lesion, where it is known.
    """
    for rules in (USUAL, OTHERS):
        told = []
        for rule in rules:
            share = least_share(scores, rule)
            if share is not None and (most is None or share <= most + SLACK):
                told.append((share, _in_words(scores, rule)))
        if told:
            (share, counting), *more = told
            says = f"if {_percent(share)} of the images are empty ({counting}"
            says += "".join(f"; {_percent(less)} with {how}" for less, how in more)
            return [Way(f"{says})", min(share for share, _ in told))]
    return []


def least_share(scores: Scores, rule: Rule) -> float | None:
    """The least share of empty images with which the others obey every law, or None."""
    step = _first(scores, rule, SHARES)
    if step is None or step == 0:
        return step
    return _first(scores, rule, np.linspace(step - STEP, step, 101))


def _first(scores: Scores, rule: Rule, shares: np.ndarray) -> float | None:
    """The first of these shares that will do."""
    good = np.flatnonzero(_possible(scores, rule, shares))
    return float(shares[good[0]]) if len(good) else None


def _possible(scores: Scores, rule: Rule, shares: np.ndarray) -> np.ndarray:
    """Whether images that are not empty can have the means that are left for them.

    The laws of plain means, with every end of an interval as favourable as it can be.

    Shape:
        shares: (S,), returns: (S,) bool
    """
    low: dict[str, np.ndarray] = {}
    high: dict[str, np.ndarray] = {}
    fits = np.ones(len(shares), bool)
    for name, counts in zip(METRICS, rule, strict=True):
        if name not in scores:
            continue
        there = (float(scores[name].low), float(scores[name].high))
        if counts is not None:
            there = tuple((end - shares * counts) / (1 - shares) for end in there)
        low[name], high[name] = (np.clip(end, 0, 1) for end in there)
        fits &= (there[1] >= -SLACK) & (there[0] <= 1 + SLACK)
    if {"precision", "recall"} <= {*low}:
        least = low["precision"] + low["recall"] - 1
        p, r = high["precision"], high["recall"]
        most = {"dice": 2 * p * r / np.maximum(p + r, SLACK), "iou": np.minimum(p, r)}
        for name in ("dice", "iou"):
            if name in low:
                fits &= low[name] <= most[name] + SLACK
                fits &= high[name] >= least - SLACK
    if {"dice", "iou"} <= {*low}:
        fits &= low["iou"] <= high["dice"] + SLACK
        fits &= high["iou"] >= low["dice"] / (2 - low["dice"]) - SLACK
    return fits


def _in_words(scores: Scores, rule: Rule) -> str:
    """What empty images count, of the scores that a row has."""
    parts = []
    for counts in dict.fromkeys(rule):
        named = [
            SHOWN.get(name, name)
            for name, own in zip(METRICS, rule, strict=True)
            if own == counts and name in scores
        ]
        if named:
            parts.append(f"{_listed(named)} {'left out' if counts is None else counts}")
    return ", ".join(parts)


def _listed(names: Sequence[str]) -> str:
    """Names with commas, and "and" before the last."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _medians(scores: Scores) -> Iterator[Way]:
    """Whether the row can be medians over images."""
    if not any(law.side for law in laws_of(scores, medians=True)):
        yield Way("if the scores are medians over images")


def _cut(scores: Scores, told: Told) -> Iterator[Way]:
    """Whether it is enough that digits were cut off instead of rounded."""
    medians, pooled = told.aggregation == "median", told.aggregation == "pooled"
    laws = laws_of({n: s.cut for n, s in scores.items()}, medians=medians)
    if not any(not law.equal if pooled else law.side for law in laws):
        yield Way("if digits were cut off instead of rounded")


def _others(law: Law) -> str:
    """What a law holds a number against, by name."""
    return "precision and recall" if "precision" in law.given else "F1"


def _percent(share: float | Fraction) -> str:
    """A share in percent, never as 0 where it is not."""
    text = f"{100 * share:.1f} %"
    return "less than 0.1 %" if share and text == "0.0 %" else text
