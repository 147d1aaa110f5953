"""A column's name to what it means: ours, the part of the data, a unit, a direction.

A header is known by its letters and digits alone: "Loss Function", "loss_function" and
"LossFunction" are one. Units, arrows, the part of the data (test, val) and what
trackers put before a name (params., config/, summary.) are taken off first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from lesionkit.tables.forms.cells import bare
from lesionkit.tables.forms.spellings import (
    PARTS,
    PLAIN,
    SCORES,
    SHOWN,
    SPELLINGS,
    STAGES,
)

BEFORE = re.compile(
    r"^(?:params|parameters|config|summary(?:_?metrics)?|metrics?|hparams?|tags"
    r"|hyperparameters|attributes|args|cfg|userconfig|data)[./:](?=.)",
    re.IGNORECASE,
)
UNIT = re.compile(
    r"[(\[]\s*(?:%|percent|in %|mm|cm|px|pixels?|voxels?|s|↑|↓|0-1|higher.*|lower.*)"
    r"\s*[)\]]"
    r"|[,/]\s*(?:%|mm)\s*$|%\s*$|_pct$|_percent$|_mm$|\bin %",
    re.IGNORECASE,
)


POOLED = ("global", "pooled")  # over all pixels: a score all the same


@dataclass(frozen=True)
class Header:
    """What a column's name says.

    Attributes:
        given: as it stands in the file.
        ours: our name; theirs in small letters where it is not known.
        known: whether it is one of SPELLINGS.
        stage: "test", "val", "train", or "" where it does not say.
        part: "" or "mean" for the score, "sd" its deviation, "other" another statistic.
        percent: whether it says percent.
        lower: True or False where an arrow says which way is better.
        mean_over: whether it says a mean over something: mDice, Mean Dice, mIoU.
    """

    given: str
    ours: str
    known: bool
    stage: str = ""
    part: str = ""
    percent: bool = False
    lower: bool | None = None
    mean_over: bool = False


def plain(name: object) -> str:
    """A name in small letters, all that is no letter or digit as one underscore.

    Example:
        >>> plain(" Loss-Function "), plain("标签 1")
        ('loss_function', '标签_1')
    """
    return re.sub(r"[\W_]+", "_", bare(name).casefold()).strip("_")


def squashed(name: object) -> str:
    """The letters and digits of a name alone, in small letters."""
    return plain(name).replace("_", "")


@cache
def _known() -> dict[str, str]:
    """Every spelling without its punctuation to our name; the first one wins."""
    known: dict[str, str] = {}
    for ours, theirs in SPELLINGS.items():
        for spelling in (ours, *theirs):
            known.setdefault(squashed(spelling) or spelling, ours)
    return known


@cache
def meaning(given: str) -> Header:
    """What a column's name says.

    Example:
        >>> meaning("test/Dice (%)").ours, meaning("summary.val_DSC").stage
        ('dice', 'val')
        >>> meaning("HD95 ↓").lower, meaning("Mean IoU").ours
        (True, 'miou')
    """
    text = bare(given)
    arrow = next(iter(re.findall("[↑↓]", text)), "")
    found = Header(
        given,
        plain(text) or text.strip(),
        False,
        percent=bool(re.search(r"%|percent|_pct$", text, re.IGNORECASE)),
        lower={"↑": False, "↓": True}.get(arrow),
    )
    core = re.sub("[↑↓]", " ", UNIT.sub(" ", text)).strip()
    for name, facts in _readings(core):
        ours = _known().get(squashed(name) or name.strip())
        beside = facts.get("part") or facts.get("stage")
        if ours == "loss" and beside:
            ours = "loss_value"  # test_loss is a number
        elif ours == "iou" and facts.get("mean_over"):
            ours = "miou"
        elif ours in PLAIN and (beside or facts.get("mean_over")):
            continue  # train_size is no size
        if ours:
            return replace(found, ours=ours, known=True, **facts)
    return found


def _readings(core: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """A name as it is, and without what may stand before and behind it."""
    yield core, {}
    while BEFORE.match(core):
        core = BEFORE.sub("", core)
        yield core, {}
    if "(" in core:  # DSC (Dice)
        yield re.sub(r"\([^()]*\)", " ", core), {}
    facts: dict[str, Any] = {}
    words = plain(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", core)).split("_")
    while len(words) > 1:
        if words[0] in STAGES or words[-1] in STAGES:
            place = 0 if words[0] in STAGES else -1
            facts.setdefault("stage", STAGES[words.pop(place)])
        elif words[0] in POOLED or words[-1] in POOLED:
            words.pop(0 if words[0] in POOLED else -1)
        elif words[-1] in PARTS:
            facts.setdefault("part", PARTS[words.pop()])
        elif PARTS.get(words[0]) == "mean":
            facts["mean_over"] = bool(words.pop(0))
        elif words[0] in PARTS:
            facts.setdefault("part", PARTS[words.pop(0)])
        else:
            break
        yield "_".join(words), dict(facts)
    if re.fullmatch(r"m_?(dice|dsc|precision|recall|f1)", name := "_".join(words)):
        yield re.sub("^m_?", "", name), facts | {"mean_over": True}


def our_name(given: object) -> str:
    """Our name of a column, theirs in small letters where it is not known."""
    found = meaning(str(given))
    ours = found.ours if found.known and found.ours != "note" else plain(given)
    return f"{ours}_sd" if found.known and found.part == "sd" else ours


def metric_name(given: str) -> str:
    """Our name of a score, or what was given."""
    found = meaning(given)
    return found.ours if found.ours in SCORES and not found.part else given


def known_spellings(ours: str) -> str:
    """Our name and the first others, for a refusal."""
    return ", ".join((ours, *SPELLINGS[ours][:SHOWN]))
