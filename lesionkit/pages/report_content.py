"""Everything that a report says of a table."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field

import pandas as pd

from lesionkit import published
from lesionkit.inference import rank_tests, resampling, standing, variance
from lesionkit.inference.standing import Standing
from lesionkit.inference.verdicts import MARGIN
from lesionkit.papers import claims


@dataclass(frozen=True)
class Report:
    """What both forms of a report are made of.

    Attributes:
        title: of the page.
        source: where the table came from, as the reader would type it.
        standing: the ranking.
        answers: every claim with its verdict.
        left_out: ranks as one thing is left out.
        variance: where the variation comes from.
        pairs: every pair of losses.
        table: the runs or cells themselves.
        metric, margin: what was ranked, and what is alike in practice.
    """

    title: str
    source: str
    standing: Standing
    answers: pd.DataFrame
    left_out: pd.DataFrame
    variance: pd.DataFrame
    pairs: pd.DataFrame
    table: pd.DataFrame = field(repr=False)
    metric: str = "dice"
    margin: float = MARGIN

    @property
    def command(self) -> str:
        """Source and options of how its table was read, as the reader would type."""
        options = self.table.attrs.get("options")
        return " ".join(filter(None, (shlex.quote(self.source), options)))

    @property
    def beside_published(self) -> bool:
        """Whether the public re-run can stand beside: another table, of its losses."""
        known = set(published.public_rerun()["loss"])
        return self.source != published.NAME and set(self.standing.grid.losses) <= known


def make(
    table: pd.DataFrame,
    source: str,
    *,
    metric: str = "dice",
    margin: float = MARGIN,
    title: str = "",
) -> Report:
    """Everything a report says of a table.

    Raises:
        ValueError: as `standing.rank`.
    """
    found = standing.rank(table, metric, margin=margin)
    return Report(
        title=title or "Which loss, and is the difference real?",
        source=source,
        standing=found,
        answers=claims.check(table),
        left_out=resampling.leave_one_out(found.grid),
        variance=variance.shares(found.grid),
        pairs=rank_tests.pairwise(found.grid),
        table=table,
        metric=metric,
        margin=margin,
    )
