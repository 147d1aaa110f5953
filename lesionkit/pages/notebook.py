"""What the notebooks show: tables, facts, a verdict, parameters, and the next steps.

A data frame alone cuts its long texts with dots; here a text is whole and is wrapped.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from re import split
from typing import Any

import numpy as np
import pandas as pd

from lesionkit.config import RunConfig, manual
from lesionkit.extras import in_checkout
from lesionkit.records.runs import RunRecord
from lesionkit.tables import SETTING

NOTHING = "–"
SENTENCES = r"(?<=\.) (?=[A-Z])"
LEFT = {"text-align": "left"}
OF_THE_LOSS = """
loss definition alpha beta gamma focal_form alpha_form loss_options loss_code model_code
""".split()


@dataclass(frozen=True)
class Shown:
    """HTML where a notebook shows it, plain text elsewhere."""

    html: str
    plain: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.plain


def table(frame: pd.DataFrame, *, digits: int = 4, above: str = "") -> Shown:
    """A data frame with every text whole, its index as the first columns.

    Args:
        frame: an index of mere positions is left out.
        digits: of fractions; a number too small for them is in powers of ten.
        above: a sentence over the table.
    """
    flat = frame
    if not isinstance(frame.index, pd.RangeIndex):
        names = [name or "" for name in frame.index.names]
        flat = frame.reset_index(names=names)
    flat = flat.rename(columns=lambda name: str(name).replace("_", " "))
    texts = [name for name in flat if not pd.api.types.is_numeric_dtype(flat[name])]
    heads: dict[Any, Any] = {
        name: [{"selector": "th", "props": [*LEFT.items()]}] for name in texts
    }
    style = flat.style.hide(axis="index").format(partial(_told, digits), escape="html")
    style = style.set_properties(subset=texts, **LEFT).set_table_styles(heads)
    told = f"<p><b>{escape(above)}</b></p>" if above else ""
    plain = flat.to_string(index=False)
    return Shown(told + style.to_html(), f"{above}\n{plain}" if above else plain)


def facts(values: Mapping[str, Any]) -> Shown:
    """Names and values, a row each; what is empty or not known is left out."""
    told = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            value = ", ".join(f"{count} {kind}" for kind, count in value.items())
        if value is not None and value != "":
            told[name.replace("_", " ")] = _told(3, value)
    return table(pd.DataFrame({"what": [*told], "value": [*told.values()]}))


def said(text: str, remarks: Sequence[str] = (), *, above: str = "") -> Shown:
    """A verdict: its first sentence in bold, the others as a list, then the remarks.

    Args:
        above: a line between the verdict and its remarks.
    """
    first, *others = split(SENTENCES, text)
    parts = [f"<p><b>{escape(first)}</b></p>{_list(others)}"]
    if remarks:
        parts.append(f"<p>{escape(above)}</p>{_list(remarks)}")
    return Shown("".join(parts), "\n".join([text, above, *remarks]))


def parameters(config: RunConfig) -> Shown:
    """The name and parameters of a run: ten with their values, the others folded."""
    filled, rows = config.resolved(), pd.DataFrame(manual.rows(config.protocol))
    rows["value"] = [getattr(filled, name) for name in rows["name"]]
    kinds = rows["type"].replace("str", "a name")
    rows["allowed"] = rows["allowed"].where(rows["allowed"] != "", kinds)
    rows = rows[["name", "value", "meaning", "allowed"]].astype(object)
    first = rows["name"].isin(manual.FIRST)
    ten, others = (
        table(part.set_index("name")) for part in (rows[first], rows[~first])
    )
    fold = f"<summary>The other {(~first).sum()} parameters</summary>{others.html}"
    return Shown(
        f"<p>Run <code>{escape(config.run_id)}</code></p>{ten.html}"
        f"<details>{fold}</details>",
        f"{config.run_id}\n{ten.plain}\n{others.plain}",
    )


def next_steps(record: RunRecord) -> Shown:
    """Where a record is, and the commands that go on from it."""
    kit = "uv run lesionkit" if in_checkout() else "lesionkit"
    run, place = record.identity, shlex.quote(str(record.folder))
    runs, same = shlex.quote(str(record.folder.parents[4])), _kept(run)
    kept = " ".join(f"-p {name} {shlex.quote(str(v))}" for name, v in same.items())
    columns = [name for name in same if name in ("dataset", "model", *SETTING)]
    only = " ".join(f"--only {name}={same[name]}" for name in columns)
    other = "bce" if run["loss"] == "dice" else "dice"
    steps = {
        "Train another loss the same way": f"train -p loss {other} {kept}",
        "Rank the losses that you have trained": f"rank {runs} {only}",
        "Mark new images": f"predict {place} IMAGES -o masks",
        "Look at every test image": f"browse {place}",
    }
    where = f"The record is in {record.folder}"
    rows, lines = [], [where]
    for says, how in steps.items():
        rows.append(f"<b>{says}</b><br><code>{escape(f'{kit} {how}')}</code>")
        lines.append(f"{says}: {kit} {how}")
    items = "".join(f"<li>{row}</li>" for row in rows)
    return Shown(f"<p>{escape(where)}</p><ul>{items}</ul>", "\n".join(lines))


def _kept(run: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a run that another loss must share to be compared with it."""
    named = {name: run[name] for name in ("dataset", "model", "protocol")}
    plain = RunConfig(**named, loss=run["loss"], repeat=run["repeat"]).identity()
    differs = {n: v for n, v in run.items() if v != plain[n] or (n == "repeat" and v)}
    return named | {n: v for n, v in differs.items() if n not in OF_THE_LOSS}


def _list(lines: Sequence[str]) -> str:
    """A list of sentences."""
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _told(digits: int, value: Any) -> str:
    """A value as text."""
    if value is None or value != value:
        return NOTHING
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if not isinstance(value, float | np.floating):
        return str(value)
    value = float(value) + 0.0  # no -0
    tiny = value and abs(value) < 10**-digits
    return f"{value:.0e}" if tiny else f"{value:.{digits}f}"
