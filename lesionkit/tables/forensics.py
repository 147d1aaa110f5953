"""What should be looked at in a table before its answer is believed.

Each finding says what the numbers show. None says who or what made them so:
docs/forensics.md has for each code what else can explain it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from lesionkit.tables import outliers, twins, values
from lesionkit.tables.findings import Finding
from lesionkit.tables.images import collapsed
from lesionkit.tables.reading import METRICS, is_cells

SHOWN = 10  # lines at most
PAGE = "docs/forensics.md"


def find(
    table: pd.DataFrame, metric: str = "dice", failed: pd.Series | None = None
) -> tuple[Finding, ...]:
    """Every finding of a table, by code; none for a table that looks sound.

    Args:
        table: of `load_table`.
        metric: the score that is to be ranked.
        failed: which runs are known to have failed; they are not told again. Its index
            is the table's, or that of `images.collapsed(table)` if rows are images.
    """
    by_image = "image" in table
    runs = collapsed(table) if by_image else table
    if metric not in runs or runs[metric].dtype.kind not in "fiu" or runs.empty:
        return ()
    lost = pd.Series(False, runs.index) if failed is None else failed
    if metric in METRICS:
        lost = lost | (runs[metric] < values.NOTHING)  # F5 tells these
    as_images = [] if by_image else list(values.images_as_runs(runs, metric))
    found = [*as_images, *values.other_images(_with_counts(table, runs))]
    found += values.constants(runs, metric)
    if not as_images:
        found += values.nothing_marked(runs, metric)
        found += twins.same_scores(runs, metric, _scores(runs, metric))
        found += _lines(runs, metric, lost)
    return tuple(sorted(found, key=lambda one: one.code))


def _lines(runs: pd.DataFrame, metric: str, lost: pd.Series) -> list[Finding]:
    """Cells out of line and campaigns."""
    lines = outliers.lines_of(runs, metric, lost)
    if lines is None:
        return []
    groups = outliers.campaigns(runs, lines)
    cells = outliers.out_of_line(runs, lines, groups)
    return [*cells, *([groups] if groups else [])]


def _scores(table: pd.DataFrame, metric: str) -> list[str]:
    """The columns that copies have to agree in."""
    names = [n for n in dict.fromkeys((metric, *METRICS)) if n in table]
    if is_cells(table):
        names += [f"{n}_sd" for n in names if f"{n}_sd" in table]
    return [n for n in names if table[n].notna().any()]


def _with_counts(table: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """The runs with how many images each has, where rows are images."""
    if "image" not in table:
        return runs
    keys = [name for name in ("dataset", "model", "loss", "repeat") if name in runs]
    counts = table.groupby(keys).size().rename("images")
    return runs.drop(columns="images", errors="ignore").join(counts, on=keys)


def untainted(table: pd.DataFrame, findings: Iterable[Finding]) -> pd.DataFrame:
    """The table without the cells of F2 and the networks of F4.

    Of two campaigns it is not known which one is wrong, so that of a network that has
    two nothing is kept. Cells of F3 stay: a loss must not gain by doing badly.
    """
    cells = {cell for one in findings if one.code == "F2" for cell in one.cells}
    models = {cell[1] for one in findings if one.code == "F4" for cell in one.cells}
    names = table[["dataset", "model", "loss"]].astype(str)
    places = pd.Series(list(names.itertuples(index=False, name=None)), table.index)
    kept = table[~places.isin(cells) & ~names["model"].isin(models)]
    kept.attrs.update(table.attrs)
    return kept


def lines(findings: Sequence[Finding]) -> list[str]:
    """The findings as text, a line each, SHOWN at most; none for no finding."""
    if not findings:
        return []
    told = [f"{one.code}  {one.text}" for one in findings]
    if len(told) > SHOWN - 1:
        more = len(told) - SHOWN + 2
        told = [*told[: SHOWN - 2], f"and {more} more findings"]
    return [f"Look at this first ({PAGE} explains each code):", *told]
