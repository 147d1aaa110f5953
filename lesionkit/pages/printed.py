"""A ranking as a table for a paper, a README or a spreadsheet."""

from __future__ import annotations

import re

import pandas as pd

from lesionkit import lookup
from lesionkit.inference.standing import Standing

FORMS = ("markdown", "latex", "csv")
HEAD = ("Loss", "Mean {metric}", "Behind the best of the others", "Answer")
BOLD = ("best", "alike")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#])")
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#",
    "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would run


def table(found: Standing, form: str) -> str:
    """A ranking in a form that others read.

    Markdown and LaTeX (booktabs) have a row a loss: mean with the reach of its 95 %
    interval, how far it is behind the best of the others with the interval that
    decides, and the answer. Losses that are best or alike are bold. The verdict's
    sentence stands below, in LaTeX above as a comment. CSV has all columns of
    `Standing.losses` unrounded; a name that a spreadsheet would run as a formula gets
    an apostrophe in front.

    Args:
        form: markdown, latex or csv.

    Raises:
        UnknownName: another form.
    """
    lookup.find("form of a table", form, dict.fromkeys(FORMS))
    if form == "csv":
        return _safe(found.losses).to_csv(lineterminator="\n")
    rows = _rows(found)
    head = [name.format(metric=found.metric) for name in HEAD]
    said = " ".join(f"{found.verdict.sentence} {_legend(found)}".split())
    return (_markdown if form == "markdown" else _latex)(head, rows, said)


def _rows(found: Standing) -> list[tuple[list[str], bool]]:
    """The cells of each loss, and whether it is set in bold."""
    low, high = found.means
    rows = []
    for loss, row in found.losses.iterrows():
        ends = low[str(loss)], high[str(loss)]
        reach = max(row["mean"] - ends[0], ends[1] - row["mean"])
        mean = _number(row["mean"]) + (f" ± {_number(reach)}" if reach == reach else "")
        behind = _number(row["behind"])
        if row["low"] == row["low"]:
            behind += f" ({_number(row['low'])} to {_number(row['high'])})"
        cells = [" ".join(str(loss).split()), mean, behind, str(row["answer"])]
        rows.append((cells, row["answer"] in BOLD))
    return rows


def _legend(found: Standing) -> str:
    """What the numbers are."""
    weighted = "" if found.grid.weights is None else ", data sets by their weights"
    return (
        f"±: 95 % interval of a loss against the mean of all losses{weighted}; the "
        "difficulty of the data is not in it. In brackets: the interval that decides. "
        "Bold: best, or alike."
    )


def _number(value: float) -> str:
    """Four decimals, and no minus before nothing."""
    text = f"{value:.4f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _markdown(head: list[str], rows: list[tuple[list[str], bool]], said: str) -> str:
    """A table of Markdown, a sentence below it."""
    lines = [head, ["---", *["---:"] * (len(head) - 2), "---"]]
    for cells, bold in rows:
        cells = [_plain(cell) for cell in cells]
        lines.append([f"**{cell}**" for cell in cells] if bold else cells)
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{text}\n\n{_plain(said)}\n"


def _plain(text: str) -> str:
    """Text that Markdown prints as it is."""
    return _MARKDOWN.sub(r"\\\1", text)


def _latex(head: list[str], rows: list[tuple[list[str], bool]], said: str) -> str:
    """A table of LaTeX with the rules of booktabs, a comment above it."""
    lines = [f"% {said}", "% needs \\usepackage{booktabs}"]
    lines += [r"\begin{tabular}{lrrl}", r"\toprule"]
    lines += [" & ".join(map(_escaped, head)) + r" \\", r"\midrule"]
    for cells, bold in rows:
        cells = [_escaped(cell) for cell in cells]
        cells = [rf"\textbf{{{cell}}}" for cell in cells] if bold else cells
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _escaped(text: str) -> str:
    """Text as LaTeX prints it; a minus before a number as a minus."""
    text = "".join(_LATEX.get(letter, letter) for letter in text)
    text = re.sub(r"(?<![\w.])-(?=\d)", r"\\ensuremath{-}", text)
    return text.replace("±", r"\ensuremath{\pm}")


def _safe(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its names as text, whatever they begin with."""
    names = [f"'{n}" if str(n).startswith(_FORMULA) else n for n in table.index]
    return table.set_axis(pd.Index(names, name=table.index.name))
