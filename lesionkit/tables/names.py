"""Names of data sets, models and losses to the kit's, where they are the same."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pandas as pd

from lesionkit.catalogue import DATASETS, LOSSES, MODELS
from lesionkit.tables.forms.cells import bare

KNOWN: dict[str, Mapping[str, object]] = {
    "dataset": DATASETS,
    "model": MODELS,
    "loss": LOSSES,
}
SAME = {  # other names of what the kit has, without punctuation
    **dict.fromkeys(("binarycrossentropy", "bcewithlogits", "binaryce"), "bce"),
    **dict.fromkeys(("jaccard", "softiou", "softjaccard"), "iou"),
    **dict.fromkeys(("softdice",), "dice"),
    "이진교차엔트로피": "bce",
}
SUMMARIES = {
    *("average", "avg", "avg.", "mean", "overall", "macro avg", "total", "std", "sd"),
    *("mean ± std", "mean±std", "median", "평균", "전체", "平均", "均值", "总体"),
    *("mittelwert", "mittel", "durchschnitt", "promedio", "media", "moyenne"),
    *("среднее", "в среднем", "rank", "avg rank", "average rank", "mean rank"),
}
NAMED = 8  # names that a remark shows


def is_summary(name: object) -> bool:
    """Whether a name is that of a row or column of means, not of a data set."""
    return bare(name).strip(" .:").casefold() in SUMMARIES


def ours(name: str, column: str) -> str:
    """The kit's name that a name means, by letters and digits alone, or that name.

    Example:
        >>> ours("IoULoss", "loss"), ours("BCE-Dice", "loss"), ours("U-Net++", "model")
        ('iou', 'dicebce', 'unetplusplus')
    """
    known = KNOWN[column]
    spelt = name.lower().replace("++", "plusplus").replace("v3+", "v3plus")
    if re.search(r"[+*'^]\s*$", spelt):
        return name  # UNet+ is not UNet
    squashed = "".join(c for c in spelt if c.isalnum())
    forms = [squashed]
    if column == "loss":
        forms.append(re.sub("(loss(es)?(fn|function)?|손실|损失)$", "", squashed))
        forms += [SAME[form] for form in forms if form in SAME]
    for candidate, entry in known.items():
        parts = getattr(entry, "parts", ())
        swapped = "".join(reversed(parts)) if len(parts) == 2 else ""
        if {candidate.replace("_", ""), swapped or candidate} & set(forms):
            return candidate
    return name


def is_known(name: str, column: str) -> bool:
    """Whether a name is one of the kit's data sets, models or losses."""
    return ours(bare(name), column) in KNOWN[column]


def settled(table: pd.DataFrame) -> list[str]:
    """Rename data sets, models and losses that are ours or spelt in two ways.

    Returns:
        What was renamed, a line a column.
    """
    said = []
    for column in KNOWN:
        meant: dict[str, str] = {}
        first: dict[str, str] = {}
        for name in table[column].unique():
            kit = ours(name, column)
            alike = re.sub(r"[\s_]+", "", kit).casefold()
            meant[name] = first.setdefault(alike, kit)
        renames = {name: kit for name, kit in meant.items() if kit != name}
        if not renames:
            continue
        table[column] = table[column].replace(renames)
        shown = [f"{theirs} as {kit}" for theirs, kit in renames.items()]
        more = f" and {len(shown) - NAMED} more" if len(shown) > NAMED else ""
        named = ", ".join(shown[:NAMED])
        said.append(f"{column} read under the kit's names: {named}{more}")
    return said
