"""Wide tables to long ones: a column a loss, a data set, a network, or a pair of them.

A name of a column may hold a score besides: "Liver-DSC", "IoU Kvasir". A table may also
have a column that names the score of each row.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pandas as pd

from lesionkit.tables import names
from lesionkit.tables.forms.cells import read
from lesionkit.tables.forms.files import LEVELS
from lesionkit.tables.forms.headers import meaning, plain
from lesionkit.tables.forms.spellings import METRICS, PARTS, SCORES

AXES = ("dataset", "model", "loss")
LOSS_WORDS = re.compile(
    r"loss$|^(w?b?ce|bce|nll|tversky|lovasz|lovász|focal|hausdorff|boundary|hd|bd|gdice"
    r"|dice ?[-+_]? ?(ce|bce|focal|top ?k)|cross[ -_]?entropy|dicebce|dicece)\b",
    re.IGNORECASE,
)
SCORE_WORDS = re.compile(
    r"\b(f-?1|iou|dsc|score|distance|assd|asd|hd ?95|nsd|recall|precision|accuracy|auc"
    r"|sensitivity|specificity)\b",
    re.IGNORECASE,
)
_CUTS = re.compile(r"[\s_\-/.:|()\[\],]+")


@dataclass
class Long:
    """A table with a column for each key and score, and what is said of it.

    Attributes:
        wide: whether it was a wide one.
    """

    frame: pd.DataFrame
    said: list[str] = field(default_factory=list)
    wide: bool = False


def lengthened(
    frame: pd.DataFrame, roles: dict[str, str], axis: str | None, metric: str
) -> Long:
    """A frame with a row a cell or run, whatever shape it came in.

    Args:
        frame: texts under the file's names of columns.
        roles: those names to ours, where they are known.
        axis: what the names of the columns are: "loss", "model" or "dataset"; None to
            find out.
        metric: what wide numbers are, where their columns do not say.

    Raises:
        ValueError: wide, and nothing says what its columns are.
    """
    there = set(roles.values())
    melted = {"metric", "value"} <= there and not there & set(SCORES)
    if melted:
        return Long(_by_score(frame, roles, _column(roles, "value")))
    values = _value_columns(frame, roles, there)
    if axis is None:
        if not _is_wide(values, there):
            return Long(frame)
        axis = _axis(values, there)
    return _melted(frame, roles, values, axis, metric)


def _column(roles: dict[str, str], ours: str) -> str:
    """The file's column that has a role."""
    return next(theirs for theirs, role in roles.items() if role == ours)


def _value_columns(
    frame: pd.DataFrame, roles: dict[str, str], there: set[str]
) -> list[str]:
    """Columns that hold numbers and whose names say no setting or key.

    Without a column for the loss, dice and iou may be losses too.
    """
    found = []
    for name in map(str, frame):
        role = roles.get(name, "")
        loss = "loss" not in there and names.is_known(name, "loss")
        if role and not loss:
            continue
        kinds = [read(text).kind for text in frame[name]]
        if "text" not in kinds and "number" in kinds:
            found.append(name)
    return found


def is_loss(name: str) -> bool:
    """Whether a name is that of a loss, the kit's or another one."""
    said = LOSS_WORDS.search(name.strip()) and not _is_score(name)
    return names.is_known(name, "loss") or bool(said)


def _is_score(name: str) -> bool:
    """Whether a word of a name is that of a score: "f1_global", "Boundary F1"."""
    return bool(SCORE_WORDS.search(plain(name).replace("_", " ")))


def _is_wide(values: list[str], there: set[str]) -> bool:
    """Whether the columns with numbers are losses, data sets or networks."""
    values = [name for name in values if not names.is_summary(name)]
    if len(values) < 2:
        return False
    if "loss" in there:
        of_scores = any(_is_score(name) and not _thing(name)[1] for name in values)
        return not there & set(SCORES) and not of_scores
    plain = [name for name in values if is_loss(name) or is_loss(_thing(name)[0])]
    scores_too = [name for name in plain if meaning(name).ours in SCORES]
    return len(plain) > 1 and len(plain) > len(scores_too)


def _axis(values: list[str], there: set[str]) -> str:
    """What the columns of a wide table are.

    Raises:
        ValueError: it may be two things.
    """
    if "loss" not in there:
        return "loss"
    lacking = [axis for axis in AXES if axis not in there]
    things = [_thing(name)[0] or name for name in values]
    shares = {
        axis: sum(names.is_known(thing, axis) for thing in things) for axis in lacking
    }
    if len(lacking) == 1:
        return lacking[0]
    if lacking and len({*shares.values()}) > 1:
        return max(shares, key=lambda axis: shares[axis])
    if lacking and all(_thing(name)[1] for name in values):
        return "dataset" if "dataset" in lacking else lacking[0]
    shown = ", ".join(values[:4])
    if not lacking:
        likely = next(filter(_is_score, values), values[0])
        raise ValueError(
            f"no column is a score by its name alone, but {shown} may be: take one "
            f"with --map '{likely}={_thing(likely)[1] or METRICS[0]}'"
        )
    raise ValueError(
        f"are the columns {shown}{', ...' if len(values) > 4 else ''} data sets or "
        "models? Say --set columns=dataset or --set columns=model"
    )


def _things(values: list[str]) -> dict[str, tuple[str, str, str]]:
    """Each column's name as a thing, a score and the part: ("Liver", "nsd", "").

    The score is "" where the names are those of things alone. "Dice-BCE" may be a loss
    or the Dice of one; it is the latter where not all such names are losses.

    Raises:
        ValueError: all of them are, and could be the scores of others too.
    """
    split = {name: _thing(name) for name in values}
    of_scores = {score for _, score, _ in split.values()}
    if "" in of_scores:
        return {
            name: (thing, "", part) if part == "sd" else (name, "", "")
            for name, (thing, _, part) in split.items()
        }
    losses = all(names.is_known(name, "loss") for name in values)
    if not losses:
        return split
    things = {thing for thing, _, _ in split.values()}
    if len(of_scores) > 1 and len(things) * len(of_scores) == len(values):
        first = values[0]
        thing, score, _ = split[first]
        raise ValueError(
            f"is column {first!r} a loss, or the {score} of {thing}? Write it as "
            f"{thing!r} with a column Metric, or as one word"
        )
    return {name: (name, "", "") for name in values}


def _thing(name: str) -> tuple[str, str, str]:
    """One column's name as a thing, a score and the part of it, where it has them."""
    part, stripped = "", name.strip(" ()[]")
    words = [word for word in _CUTS.split(stripped) if word]
    if len(words) > 1 and (statistic := PARTS.get(words[-1].casefold())):
        part = statistic
        stripped = stripped[: stripped.rindex(words[-1])].rstrip(" _-/.:|()[],")
    cuts = [(m.start(), m.end()) for m in _CUTS.finditer(stripped)]
    if LEVELS in stripped:
        place = stripped.index(LEVELS)
        cuts = [(place, place + len(LEVELS))]
    for start, end in cuts:
        pair = stripped[:start], stripped[end:]
        for thing, score in (pair, pair[::-1]):
            found = meaning(score)
            if thing and found.known and found.ours in SCORES:
                return thing.strip(), found.ours, part or found.part
    return stripped if part else name, "", part


def _melted(
    frame: pd.DataFrame,
    roles: dict[str, str],
    values: list[str],
    axis: str,
    metric: str,
) -> Long:
    """A row for each of the values' columns."""
    left = [name for name in values if names.is_summary(_thing(name)[0])]
    values = [name for name in values if name not in left]
    if len(values) < 2:
        raise ValueError(
            f"a table with one column per {axis} needs at least two columns of numbers"
        )
    said = [f"left out, no {axis}: {', '.join(left)}"] if left else []
    split = _things(values)
    by_score = "metric" in roles.values()
    kept = [name for name in frame if name not in {*values, *left}]
    parts: dict[str, pd.DataFrame] = {}
    for name, (thing, score, part) in split.items():
        column = (score or ("" if by_score else metric)) or "(value)"
        column += "_sd" if part == "sd" else ""
        if thing not in parts:
            parts[thing] = frame[kept].assign(**{axis: thing})
        parts[thing][column] = frame[name]
    long = pd.concat(parts.values()).sort_index(kind="stable").fillna("")
    columns = ", ".join(list(parts)[:4]) + (", ..." if len(parts) > 4 else "")
    said.insert(0, f"a column a {axis}: {columns}")
    if by_score:
        long = _by_score(long, roles, "(value)")
    elif not any(score for _, score, _ in split.values()):
        said.append(
            f"the numbers under them are taken for {metric}; --set metric=NAME says "
            "another score"
        )
    return Long(long, said, wide=True)


def _by_score(frame: pd.DataFrame, roles: dict[str, str], value: str) -> pd.DataFrame:
    """A column a score, of a frame with a row a score."""
    named = _column(roles, "metric")
    keys = [name for name in frame if name not in (named, value)]
    order = frame.groupby(keys, sort=False).ngroup()
    rows = frame[keys].assign(_group=order).drop_duplicates("_group")
    wide = frame.assign(_group=order, _name=frame[named])
    if wide.duplicated(["_group", "_name"]).any():
        again = wide[wide.duplicated(["_group", "_name"])]
        place = ", ".join(map(str, again[keys].iloc[0]))
        raise ValueError(f"{again['_name'].iloc[0]} stands twice for {place}")
    scores = wide.set_index(["_group", "_name"])[value].unstack(fill_value="")  # noqa: PD010
    joined = rows.join(scores, on="_group")
    return joined.drop(columns="_group")
