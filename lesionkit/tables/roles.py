"""Which column of a file is which of ours, and what a refusal says where none is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from lesionkit import lookup
from lesionkit.tables.forms.cells import bare, read
from lesionkit.tables.forms.files import Sheet
from lesionkit.tables.forms.headers import known_spellings, meaning, plain
from lesionkit.tables.forms.spellings import SCORES, SPELLINGS
from lesionkit.tables.shapes import is_loss

CELL = ("dataset", "model", "loss")
STAGE_ORDER = {"test": 0, "": 1, "val": 2}  # training scores are never taken
SHOWN = 12


@dataclass
class Roles:
    """Columns of a file to ours.

    Attributes:
        names: the file's to ours, one to one but for "repeat" and "image".
        said: what was chosen, a line each.
    """

    names: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def columns(self, ours: str) -> list[str]:
        """The file's columns that have a role."""
        return [theirs for theirs, role in self.names.items() if role == ours]


def assigned(frame: pd.DataFrame, columns: Mapping[str, str]) -> Roles:
    """The role of every column of a frame of texts that is known.

    Args:
        columns: names of the file to ours, which win.

    Raises:
        UnknownName: a map from a column that is not there, or to none of ours.
        ValueError: two columns mean one score and differ.
    """
    found = Roles()
    given = list(map(str, frame.columns))
    for theirs, ours in columns.items():
        lookup.find("column", ours, SPELLINGS)
        by_letters = {plain(name): name for name in given}
        theirs = theirs if theirs in given else by_letters.get(plain(theirs), theirs)
        lookup.find("column of the file", theirs, dict.fromkeys(given))
        if ours in given and ours != theirs:
            raise ValueError(
                f"two columns are {ours!r}: it and {theirs!r}; take one of them"
            )
        found.names[theirs] = ours
    mapped = set(found.names.values())
    for ours in SPELLINGS:
        likely = [
            name
            for name in given
            if name not in found.names
            and meaning(name).ours == ours
            and meaning(name).known
        ]
        if not likely:
            continue
        if ours in ("repeat", "image"):
            if ours not in mapped:
                found.names |= dict.fromkeys(likely, ours)
        elif ours == "loss":
            _loss(frame, likely, found, mapped)
        elif ours in SCORES:
            _score(frame, ours, likely, found, mapped)
        elif ours not in mapped:
            _first(ours, likely, found)
    _methods(frame, found)
    return found


def _first(ours: str, likely: list[str], found: Roles) -> None:
    """The column of our own name, or the first of the others."""
    likely = [n for n in likely if plain(n) == ours] or sorted(likely, key=_place(ours))
    if ours != "note":
        found.names[likely[0]] = ours


def _place(ours: str) -> Callable[[str], int]:
    """The place of a spelling in its list, earlier ones being likelier."""
    order = [plain(s).replace("_", "") for s in (ours, *SPELLINGS[ours])]

    def place(name: str) -> int:
        bare_name = plain(name).replace("_", "")
        return order.index(bare_name) if bare_name in order else len(order)

    return place


def _loss(
    frame: pd.DataFrame, likely: list[str], found: Roles, mapped: set[str]
) -> None:
    """The column that names the losses; one that holds their values is a score."""
    values = [name for name in likely if _holds_values(frame[name])]
    named = [name for name in likely if name not in values]
    if "loss" not in mapped and named:
        _first("loss", named, found)
    taken = "loss" in found.names.values()
    if values and "loss_value" not in found.names.values():
        found.names[values[0]] = "loss_value"
        if taken:
            loss = found.columns("loss")[0]
            found.said.append(
                f"{values[0]!r} holds numbers and is read as the value of the loss; "
                f"the losses are those of {loss!r}"
            )


def _holds_values(texts: pd.Series) -> bool:
    """Whether a column holds numbers with decimals, and no names or codes."""
    cells = [read(text) for text in texts]
    numbers = [cell.value for cell in cells if cell.kind == "number"]
    text = any(cell.kind == "text" for cell in cells)
    return bool(numbers) and not text and any(value % 1 for value in numbers)


def _score(
    frame: pd.DataFrame, ours: str, likely: list[str], found: Roles, mapped: set[str]
) -> None:
    """The column of a score, and that of its deviation; the others keep their names."""
    facts = {name: meaning(name) for name in likely}
    spread = [name for name in likely if facts[name].part == "sd"]
    if spread and f"{ours}_sd" not in found.names.values():
        found.names[spread[0]] = f"{ours}_sd"
    if ours in mapped:
        return
    able = [
        name
        for name in likely
        if facts[name].part in ("", "mean") and facts[name].stage in STAGE_ORDER
    ]
    if not able:
        return
    exact = [name for name in able if name.strip().casefold() == ours]
    ranked = sorted(able, key=lambda name: STAGE_ORDER[facts[name].stage])
    first = (exact or ranked)[0]
    rivals = [
        name
        for name in able
        if name != first
        and _differ(frame[first], frame[name])
        and STAGE_ORDER[facts[name].stage] == STAGE_ORDER[facts[first].stage]
    ]
    if rivals and not exact:
        both = ", ".join([first, *rivals])
        raise ValueError(
            f"columns {both} all mean {ours!r} and differ; take one of them with "
            f"--map '{first}={ours}'"
        )
    found.names[first] = ours
    _say_chosen(frame, ours, first, [n for n in able if n != first], found)


def _say_chosen(
    frame: pd.DataFrame, ours: str, first: str, others: list[str], found: Roles
) -> None:
    """Which of several columns is taken for a score, and what it says of itself."""
    fact = meaning(first)
    differ = [name for name in others if _differ(frame[first], frame[name])]
    if differ:
        found.said.append(
            f"{ours} is column {first!r}; also there, with other numbers: "
            f"{', '.join(map(repr, differ))}"
        )
    if fact.stage == "val":
        found.said.append(f"{first!r}, read as {ours}, is of validation images")
    if ours == "miou":
        found.said.append(
            f"{first!r} is kept as miou, which may be a mean over classes, background "
            f"among them; if it is the lesion's IoU: --map '{first}=iou'"
        )
    elif fact.mean_over:
        found.said.append(
            f"{first!r} is read as {ours}; if it is a mean "
            "over classes, the background may be in it"
        )


def _differ(one: pd.Series, other: pd.Series) -> bool:
    """Whether two columns hold other numbers."""
    pairs = zip(one.map(read), other.map(read), strict=True)
    return any(
        (a.kind == "number") != (b.kind == "number")
        or (a.kind == "number" and a.value != b.value)
        for a, b in pairs
    )


def _methods(frame: pd.DataFrame, found: Roles) -> None:
    """A column of methods that names losses is the column of the losses.

    So is one whose name ends in "loss" and whose cells are words: "Seg Loss".
    """
    if "loss" in found.names.values():
        return
    words = [
        name
        for name in map(str, frame.columns)
        if name not in found.names
        and plain(name).endswith("_loss")
        and all(read(text).kind == "text" for text in frame[name] if bare(text))
    ]
    if len(words) == 1:
        found.names[words[0]] = "loss"
        found.said.append(f"{words[0]!r} is read as the loss")
        return
    for name in found.columns("model"):
        values = [bare(text) for text in frame[name] if text]
        losses = [value for value in values if is_loss(value)]
        if len(losses) > len(values) / 2:
            found.names[name] = "loss"
            found.said.append(f"{name!r} names losses, and is read as that")


def refusal(ours: str, frame: pd.DataFrame, roles: Roles, sheet: Sheet) -> str:
    """That a column is missing: what is there, and the options that would help."""
    shown = ", ".join(map(str, frame.columns[:SHOWN]))
    more = (
        f" and {len(frame.columns) - SHOWN} more" if len(frame.columns) > SHOWN else ""
    )
    said = (
        f"no column for {ours!r} (known spellings: {known_spellings(ours)}, ...). "
        f"Columns: {shown}{more} ({sheet.kind})"
    )
    likely = candidates(ours, frame, roles)
    if likely:
        said += f". If {likely[0]!r} is it: --map '{likely[0]}={ours}'"
    if ours == "loss":
        methods = roles.columns("model")
        if methods and not likely:
            said += f". To compare its models instead: --map '{methods[0]}=loss'"
        return said + ". What needs no losses: lesionkit audit"
    return (
        said + f"{', or' if likely else '. If'} all rows share one: --set {ours}=NAME"
    )


def candidates(ours: str, frame: pd.DataFrame, roles: Roles) -> list[str]:
    """Columns without a role that may be the one, the likeliest first.

    A key may be a column of words; a score one of numbers.
    """
    found = []
    for name in map(str, frame.columns):
        if name in roles.names or meaning(name).ours in ("note", "best_epoch"):
            continue
        if "threshold" in plain(name):  # how masks were cut is no network and no score
            continue
        kinds = [read(text).kind for text in frame[name]]
        words, numbers = kinds.count("text"), kinds.count("number")
        if (words > numbers) if ours in (*CELL, "repeat") else (numbers > words):
            found.append(name)
    near = lookup.nearest(ours, found)
    return sorted(found, key=lambda name: name != near)
