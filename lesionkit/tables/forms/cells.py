"""One cell's text to what it says: a value, a deviation, missing, a run that failed.

Numbers are read as papers print them: bold, in LaTeX, with a percent sign, a unit, a
decimal comma, and with a deviation after ± or in brackets.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

BLANK = {"", "nan", "none", "null", "nil", "<na>", "nat"}  # as programs write it
MISSING = {
    *("-", "--", "---", "–", "—", ".", "/", "\\", "?", "na", "n/a", "#n/a"),
    *("n.a.", "n.a", "n/d", "nd", "not available", "not reported", "n.r.", "nr"),
    *("missing", "tbd", "k.a.", "k. a.", "없음", "결측", "无", "缺失", "н/д"),
}
FAILED = {
    *("x", "xx", "\u2717", "\u2718", "\u00d7", "failed", "fail", "failure", "error"),
    *("inf", "+inf", "-inf", "infinity", "\u221e", "-\u221e", "diverged", "crashed"),
    *("oom", "out of memory", "did not converge", "not converged", "dnf", "killed"),
    *("timeout", "collapsed", "#div/0!", "#num!", "#value!", "#ref!", "#error!"),
    *("\uc2e4\ud328", "\u5931\u8d25", "\u53d1\u6563", "fehlgeschlagen", "abgebrochen"),
    *("fallido", "\u043e\u0448\u0438\u0431\u043a\u0430"),
}
_COMMANDS = re.compile(
    r"\\(?:(?:cell|text|row)?color(?:\[[^\]]*\])?\{[^{}]*\}|(?:textbf|textit|textsc|textrm"
    r"|texttt|textsuperscript|underline|mathbf|mathrm|bm|boldsymbol|emph|text|best|second"
    r"|uline|bfseries|itshape|bf|it|ul|num|tablenum)(?![a-zA-Z]))"
)
_TAGS = re.compile(r"</?(?:b|i|u|strong|em|sub|sup|span|br|td|th|p)\b[^<>]*>", re.I)
_MULTI = re.compile(r"\\multi(?:row|column)\{[^{}]*\}(?:\[[^\]]*\])?\{[^{}]*\}")
_SYMBOLS = {
    r"\pm": "\u00b1",
    r"\%": "%",
    r"\uparrow": "\u2191",
    r"\downarrow": "\u2193",
    r"\_": "_",
    r"\&": "&",
    r"\#": "#",
    r"\,": " ",
    r"\;": " ",
    r"\ ": " ",
    "~": " ",
    "+/-": "\u00b1",
    "+-": "\u00b1",
    r"\times": "\u00d7",
    "\u2212": "-",
    r"\{": "(",
    r"\}": ")",
    r"\dagger": "",
    r"\ddagger": "",
    r"\ast": "",
    r"\checkmark": "\u2713",
}
_NUMBER = r"[-+]?(?:\d+(?:[.,]\d+)?|[.,]\d+)(?:[eE][-+]?\d+)?"
_CELL = re.compile(
    rf"^(?P<value>{_NUMBER})\s*(?P<percent>%)?\s*(?P<rest>.*)$", re.DOTALL
)
_AFTER = re.compile(rf"^\u00b1\s*(?P<sd>{_NUMBER})\s*%?(?P<tail>.*)$")
_BRACKET = re.compile(
    rf"^[(\[]\s*(?P<pm>\u00b1)?\s*(?P<sd>{_NUMBER})\s*%?\s*[)\]](?P<tail>.*)$"
)
_SUPER = re.compile(rf"^[_^]\s*\(?\u00b1\s*(?P<sd>{_NUMBER})\s*%?\)?(?P<tail>.*)$")
_RANGE = re.compile(
    rf"^[(\[]\s*{_NUMBER}\s*%?\s*(?:,|;|-|\u2013|to|~|\s)\s*{_NUMBER}\s*%?\s*[)\]]$"
)
_CHANGE = re.compile(
    rf"^[(\[]?\s*[\u2191\u2193\u25b2\u25bc+-]\s*{_NUMBER}\s*%?\s*[)\]]?$"
)
_UNIT = re.compile(r"^(?:mm|cm|px|pixels?|voxels?|ms|s|sec|h|hours?|min|hd)\.?$", re.I)
_MARKS = "*\u2020\u2021\u00a7\u00b6^\u2191\u2193'\u00b0\u2713 "


@dataclass(frozen=True)
class Cell:
    """What one cell says.

    Attributes:
        kind: "number", "blank", "missing" (a dash, n/a), "failed" or "text".
        value: of a number, as printed.
        deviation: after ± or in brackets; None where there is none.
        percent: whether a percent sign stands behind the number.
        beside: what else stands there: "", "range", "change", "rank" or "unit".
        bracketed: whether the deviation stands in brackets without ±.
        text: the cell without its markup.
    """

    kind: str
    text: str
    value: float = float("nan")
    deviation: float | None = None
    percent: bool = False
    beside: str = ""
    bracketed: bool = False


_AS_IT_IS = re.compile(r"[A-Za-z0-9.][A-Za-z0-9 .-]*")
_DECIMAL = re.compile(r"-?\d*\.?\d+")
KEPT = 2**16  # texts whose meaning is remembered: names come again and again


@lru_cache(KEPT)
def bare(text: object) -> str:
    """A text without the markup of Markdown, HTML and LaTeX around and in it.

    Example:
        >>> bare(r"\\textbf{0.81} $\\pm$ 0.02")
        '0.81 ± 0.02'
    """
    plain = str(text)
    if _AS_IT_IS.fullmatch(plain):
        return " ".join(plain.split())
    plain = unicodedata.normalize("NFKC", plain).strip()
    if "<" in plain:
        plain = _TAGS.sub(" ", plain)
    if "\\" in plain:
        plain = _COMMANDS.sub("", _MULTI.sub("", plain))
    for theirs, ours in _SYMBOLS.items():
        plain = plain.replace(theirs, ours)
    plain = plain.replace("$", "").replace("`", "")
    plain = plain.replace("{", "").replace("}", "")
    for mark in ("**", "__", "~~"):
        if plain.count(mark) > 1:
            plain = plain.replace(mark, "")
    for mark in ("*", "_"):
        if len(plain) > 2 and plain[0] == mark == plain[-1]:
            plain = plain[1:-1]
    return " ".join(plain.split())


@lru_cache(KEPT)
def read(text: object) -> Cell:
    """What a cell says.

    Example:
        >>> read("**81,2 %** (0,4)").value, read("0.81 ± 0.02").deviation
        (81.2, 0.02)
        >>> read("\u2013").kind, read("diverged").kind
        ('missing', 'failed')
    """
    if isinstance(text, str) and _DECIMAL.fullmatch(text):
        return Cell("number", text, float(text))
    plain = bare(text)
    if (word := plain.lower()) in BLANK:
        return Cell("blank", plain)
    if word in MISSING:
        return Cell("missing", plain)
    if word in FAILED or (word.startswith("nan") and not word[3:4].isalnum()):
        return Cell("failed", plain)  # nan with a reason behind it
    found = _CELL.match(plain.rstrip(_MARKS))
    if not found:
        return Cell("text", plain)
    rest = found["rest"].strip()
    if rest.strip(_MARKS) == "":
        rest = ""
    value, percent = number(found["value"]), bool(found["percent"])
    if not rest:
        return Cell("number", plain, value, percent=percent)
    if _UNIT.match(rest):
        return Cell("number", plain, value, percent=percent, beside="unit")
    return _with_rest(Cell("number", plain, value, percent=percent), rest, found)


def _with_rest(cell: Cell, rest: str, found: re.Match[str]) -> Cell:
    """A number with what stands behind it: a deviation, a range, a change, a rank."""
    for pattern in (_AFTER, _BRACKET, _SUPER):
        after = pattern.match(rest)
        if not after or after["tail"].strip(_MARKS + ")]"):
            continue
        sd = after["sd"]
        bracketed = pattern is _BRACKET and not after["pm"]
        if bracketed and sd[0] in "+-":
            return Cell("number", cell.text, cell.value, None, cell.percent, "change")
        whole = not re.search(r"[.,]", sd)
        if bracketed and whole and re.search(r"[.,]", found["value"]):
            return Cell("number", cell.text, cell.value, None, cell.percent, "rank")
        percent = cell.percent or "%" in rest
        return Cell(
            "number", cell.text, cell.value, number(sd), percent, bracketed=bracketed
        )
    for kind, pattern in (("range", _RANGE), ("change", _CHANGE)):
        if pattern.match(rest):
            return Cell("number", cell.text, cell.value, None, cell.percent, kind)
    return Cell("text", cell.text)


def number(text: str) -> float:
    """A numeral with a decimal point or comma."""
    return float(text.replace(",", "."))


def as_text(value: object) -> str:
    """A value of JSON or Excel as text."""
    if value is None or value != value:  # noqa: PLR0124 (not a number)
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value).strip()
