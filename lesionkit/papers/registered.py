"""What is to be decided, written down before the runs; and what was changed since.

A registration is a YAML file that its author writes: `claim`, and any of `metric`,
`margin`, `losses`, `datasets`, `models` and `repeats`. `register` checks it and seals
it with the time and a hash; `changes` and `decided` hold a table against it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from lesionkit import lookup
from lesionkit.inference.standing import Standing
from lesionkit.inference.verdicts import MARGIN, pairs_of
from lesionkit.papers.answers import CONTRADICTED, LEVEL, NOT_SUPPORTED, SUPPORTED

LISTS = {"losses": "loss", "datasets": "dataset", "models": "model"}
KNOWN = ("claim", "metric", "margin", *LISTS, "repeats", "registered", "seal")
_FORMS = {
    "best": re.compile(r"^(?P<one>\S+) is the best( loss)?$"),
    "better": re.compile(r"^(?P<one>\S+) is better than (?P<other>\S+)$"),
    "like": re.compile(r"^(?P<one>\S+) is (?:a)?like (?P<other>\S+)$"),
}


@dataclass(frozen=True)
class Registration:
    """What was written down, when, and whether it still is what was sealed."""

    text: dict[str, Any]
    registered: str
    intact: bool

    @property
    def metric(self) -> str:
        """The metric that decides."""
        return str(self.text.get("metric", "dice"))

    @property
    def margin(self) -> float:
        """The difference below which losses are alike."""
        return float(self.text.get("margin", MARGIN))


def read(path: Path) -> Registration:
    """A registration that was sealed.

    Raises:
        ValueError: no YAML of this form, or not registered.
        FileNotFoundError: no such file.
    """
    text = _checked(path)
    if "registered" not in text or "seal" not in text:
        raise ValueError(f"{path} is not registered; run: lesionkit register {path}")
    when, seal = str(text.pop("registered")), text.pop("seal")
    return Registration(text, when, seal == _seal(text, when))


def register(path: Path, *, now: datetime | None = None) -> Registration:
    """Check a file and seal it with the time and a hash of what it says.

    Raises:
        ValueError: no YAML of this form, or registered already.
        FileNotFoundError: no such file.
    """
    text = _checked(path)
    if "registered" in text:
        raise ValueError(
            f"{path} was registered at {text['registered']}; to register another "
            "claim write another file"
        )
    when = (now or datetime.now(UTC)).isoformat(timespec="seconds")
    seal = {"registered": when, "seal": _seal(text, when)}
    before = path.read_text(encoding="utf-8").rstrip() + "\n"
    part = path.with_name(path.name + ".part")
    part.write_text(before + yaml.safe_dump(seal, sort_keys=False), encoding="utf-8")
    part.replace(path)
    return Registration(text, when, intact=True)


def _checked(path: Path) -> dict[str, Any]:
    """The file's mapping, with every key known and of its form."""
    if not path.is_file():
        raise FileNotFoundError(
            f"no file {path}; it needs a line such as claim: ioufocal is the best "
            f"and may have {', '.join(KNOWN[1:-2])}"
        )
    try:
        text = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        first = " ".join(str(error).split())
        raise lookup.Refused(f"{path} is not YAML: {first}") from None
    with lookup.refused_in(path):
        _check(text)
    return text


def _check(text: Any) -> None:
    """Refuse a key that is not known, or a value that is not of its form."""
    if not isinstance(text, dict) or not text.get("claim"):
        raise ValueError("a claim is needed, such as: claim: ioufocal is the best")
    for name in text:
        lookup.find("key", str(name), dict.fromkeys(KNOWN))
    for name in LISTS:
        if name in text and not isinstance(text[name], list):
            raise ValueError(f"{name} must be a list, got {text[name]!r}")
    margin, repeats = text.get("margin", MARGIN), text.get("repeats", 1)
    if type(margin) not in (int, float) or not margin > 0:
        raise ValueError(f"margin must be a number above 0, got {margin!r}")
    if type(repeats) is not int or repeats < 1:
        raise ValueError(f"repeats must be a whole number from 1, got {repeats!r}")
    for name in ("claim", "metric"):
        if not isinstance(text.get(name, ""), str):
            raise ValueError(f"{name} must be a text, got {text[name]!r}")


def _seal(text: Mapping[str, Any], when: str) -> str:
    """A hash of what a file says and when it was registered."""
    said = json.dumps([dict(text), when], sort_keys=True, default=str)
    return hashlib.sha256(said.encode()).hexdigest()


def changes(
    registration: Registration, table: pd.DataFrame, metric: str, margin: float
) -> list[str]:
    """What differs from what was registered, a line each; empty where nothing does."""
    text, said = registration.text, []
    if not registration.intact:
        said.append("the file was changed after it was registered")
    if metric != registration.metric:
        said.append(f"metric {metric}; registered was {registration.metric}")
    if margin != registration.margin:
        said.append(f"margin {margin:g}; registered was {registration.margin:g}")
    for name, column in LISTS.items():
        if name not in text:
            continue
        planned, there = (
            dict.fromkeys(map(str, x)) for x in (text[name], table[column])
        )
        if lacking := [x for x in planned if x not in there]:
            said.append(f"{name} registered and not in the table: {', '.join(lacking)}")
        if added := [x for x in there if x not in planned]:
            said.append(f"{name} in the table and not registered: {', '.join(added)}")
    if "repeats" in text and "repeat" in table:
        counts = table.groupby(["dataset", "model", "loss"])["repeat"].nunique()
        if counts.min() != text["repeats"] or counts.max() != text["repeats"]:
            runs = f"{counts.min()} to {counts.max()}"
            said.append(f"{runs} runs a cell; registered were {text['repeats']}")
    return said


def decided(registration: Registration, found: Standing) -> str:
    """The claim, and what the table says of it, in a line.

    A claim in other words than "X is the best", "X is better than Y" or "X is like Y"
    is repeated, and left to the reader.
    """
    claim = " ".join(str(registration.text["claim"]).split())
    for form, pattern in _FORMS.items():
        if match := pattern.match(claim):
            names = {k: v for k, v in match.groupdict().items() if v}
            if lacking := [n for n in names.values() if n not in found.grid.losses]:
                return f"{claim}: untestable, no run of {', '.join(lacking)}"
            return f"{claim}: {_verdict(form, names, found, registration.margin)}"
    return f'registered claim: "{claim}"; compare it with the answer'


def _verdict(
    form: str, names: Mapping[str, str], found: Standing, margin: float
) -> str:
    """What a table says of a claim of one of the known forms."""
    losses = found.grid.losses
    one = losses.index(names["one"])
    if form == "best":
        row = found.losses.loc[names["one"]]
        if row["answer"] == "best":
            return SUPPORTED
        return CONTRADICTED if row["answer"] == "behind" else NOT_SUPPORTED
    other = losses.index(names["other"])
    pairs = pairs_of(found.grid.take("loss", [one, other]), LEVEL)
    mean, p, reach = (float(x[0, 1]) for x in (pairs.mean, pairs.p, pairs.reach))
    if form == "better":
        if not p < LEVEL:
            return NOT_SUPPORTED
        return SUPPORTED if mean > 0 else CONTRADICTED
    if abs(mean) + reach < margin:
        return SUPPORTED
    return CONTRADICTED if abs(mean) - reach > margin else NOT_SUPPORTED
