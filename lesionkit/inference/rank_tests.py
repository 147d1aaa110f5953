"""The usual tests on ranks and differences, at the levels at which they are read.

scipy has Friedman's and Wilcoxon's test and the distribution of Nemenyi's, statsmodels
Holm's correction and the mixed model, baycomp the Bayesian signed-rank test; the last
three are imported only when they are asked for.
"""

from __future__ import annotations

import warnings
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from lesionkit.extras import install
from lesionkit.inference.contrasts import contrast
from lesionkit.inference.grids import AXES, LEVELS, Grid

# Of the mixed model, as formulas of statsmodels.
RANDOM_EFFECTS = {
    "dataset": "0 + C(dataset)",
    "model": "0 + C(model)",
    "pair": "0 + C(dataset):C(model)",
    "loss_dataset": "0 + C(loss):C(dataset)",
    "loss_model": "0 + C(loss):C(model)",
}
DEPENDENCE = (
    "Cells that share images or a network are not independent, so tests over cells "
    "find too much; over data sets or networks alone they have few units and find too "
    "little. The verdict rests on neither."
)


def mean_ranks(grid: Grid, level: str = "cell") -> pd.Series:
    """Mean rank of each loss, 1 is best; tied losses share their ranks."""
    return grid.at_level(level).rank(axis=1, ascending=False).mean().sort_values()


def friedman(grid: Grid, level: str = "cell") -> tuple[float, float]:
    """Friedman's chi squared and p: do the losses' ranks differ at all?

    NaN for fewer than three losses or two rows, and where all losses tie in each row.

    Source: Friedman, J. Am. Stat. Assoc. 32 (1937) 675-701.
    """
    values = grid.at_level(level).to_numpy()
    if values.shape[1] < 3 or len(values) < 2 or not np.ptp(values, axis=1).any():
        return np.nan, np.nan
    found = stats.friedmanchisquare(*values.T)
    return float(found.statistic), float(found.pvalue)


def critical_difference(grid: Grid, level: str = "cell", alpha: float = 0.05) -> float:
    """Difference of two mean ranks that Nemenyi's test calls significant.

    Source: Demsar, J. Mach. Learn. Res. 7 (2006) 1-30, section 3.2.2.
    """
    count, rows = len(grid.losses), len(grid.at_level(level))
    q = stats.studentized_range.ppf(1 - alpha, count, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(count * (count + 1) / (6 * rows)))


def summary_by_level(grid: Grid) -> pd.DataFrame:
    """Friedman's test over cells, data sets and models, and what Wilcoxon can reach.

    `least_p` is the smallest p that a Wilcoxon test on that many rows can have, and
    `least_holm` the smallest after Holm's correction over all pairs: where it is above
    0.05, no pair can be significant, whatever the data.
    """
    pairs = len(grid.losses) * (len(grid.losses) - 1) // 2
    rows = []
    for level in LEVELS:
        count = len(grid.at_level(level))
        chi, p = friedman(grid, level)
        least = min(1.0, 2.0 ** (1 - count))
        rows.append(
            {
                "level": level,
                "rows": count,
                "friedman_chi2": chi,
                "friedman_p": p,
                "least_p": least,
                "least_holm": min(1.0, pairs * least),
            }
        )
    return pd.DataFrame(rows)


def pairwise(grid: Grid, level: str = "cell") -> pd.DataFrame:
    """Every pair of losses, by growing p: difference, effect size and two tests.

    Returns:
        first, second (the one with the lower mean), difference with low and high (95 %)
        and p as the verdict takes them, p_holm over all pairs; wilcoxon and
        wilcoxon_holm over the rows of the level; rank_biserial (share of the ranks of
        differences that speak for the first less that against, -1 to 1), standardised
        (mean over standard deviation of the differences).

    Source: Wilcoxon, Biometrics Bulletin 1 (1945) 80-83; Holm, Scand. J. Stat. 6 (1979)
    65-70; Kerby, Comprehensive Psychology 3 (2014) 11.IT.3.1 (rank-biserial).
    """
    from statsmodels.stats.multitest import multipletests

    order = np.argsort(-grid.overall, kind="stable")
    places = np.array(list(combinations(order, 2)))
    found = contrast(grid, places[:, 0], places[:, 1])
    low, high = found.interval()
    values = grid.at_level(level).to_numpy()
    tests = [_signed_rank(values[:, a] - values[:, b]) for a, b in places]
    wilcoxon, biserial, standardised = zip(*tests, strict=True)
    names = np.array(grid.losses, object)
    table = pd.DataFrame(
        {
            "first": names[places[:, 0]],
            "second": names[places[:, 1]],
            "difference": found.mean,
            "low": low,
            "high": high,
            "p": found.p,
            "wilcoxon": wilcoxon,
            "rank_biserial": biserial,
            "standardised": standardised,
        }
    )
    for name, ours in (("p", "p_holm"), ("wilcoxon", "wilcoxon_holm")):
        known = table[name].notna()
        table[ours] = np.nan
        if known.any():
            table.loc[known, ours] = multipletests(
                table.loc[known, name], method="holm"
            )[1]
    return table.sort_values("p", kind="stable", ignore_index=True)


def _signed_rank(differences: np.ndarray) -> tuple[float, float, float]:
    """Wilcoxon's p, rank-biserial correlation, mean over standard deviation."""
    if len(differences) < 2 or not differences.any():
        return np.nan, np.nan, np.nan
    ranks = stats.rankdata(np.abs(differences))
    ranks = np.where(differences == 0, 0, ranks)
    biserial = float((np.sign(differences) * ranks).sum() / ranks.sum())
    spread = differences.std(ddof=1)
    standard = float(differences.mean() / spread) if spread else np.inf
    return float(stats.wilcoxon(differences).pvalue), biserial, standard


def mixed_model(grid: Grid) -> pd.DataFrame:
    """Every loss against the leader by a mixed model on the cell means.

    Data set, model, their pair, and a loss's own effects on each are random; the loss
    is fixed. Fitted by restricted maximum likelihood (statsmodels). Its errors are
    taken with the degrees of freedom of the fewer of data sets and models, less one:
    statsmodels has the normal distribution, which calls too many differences shown.

    Returns:
        A row a loss but the leader: difference to it, error, low, high (95 %), p.

    Raises:
        ValueError: fewer than two data sets or models.
    """
    counts = len(grid.datasets), len(grid.models)
    if min(counts) < 2:
        raise ValueError(
            "the mixed model needs two data sets and two networks or more, got "
            f"{counts[0]} and {counts[1]}"
        )
    leader = grid.losses[int(grid.overall.argmax())]
    table = _differences(_fitted(grid, leader), min(counts) - 1)
    table.attrs["leader"] = leader
    return table.sort_values("difference", ascending=False)


def _fitted(grid: Grid, leader: str) -> Any:
    """The mixed model's fit, with losses as fixed effects against the leader."""
    from statsmodels.regression.mixed_linear_model import MixedLM

    places = (grid.datasets, grid.models, grid.losses)
    index = pd.MultiIndex.from_product(places, names=AXES)
    rows = pd.Series(grid.means.ravel(), index, name="score").reset_index()
    model = MixedLM.from_formula(
        f"score ~ C(loss, Treatment({leader!r}))",
        rows,
        groups=np.ones(len(rows)),
        re_formula="0",
        vc_formula=RANDOM_EFFECTS,
    )
    with warnings.catch_warnings():  # a variance of 0 is a finding, not a failure
        warnings.simplefilter("ignore")
        return model.fit(reml=True)


def _differences(fit: Any, freedom: int) -> pd.DataFrame:
    """The fixed effects of a fit, a row a loss, by Student's t."""
    table = pd.DataFrame({"difference": fit.params, "error": fit.bse})
    reach = stats.t.ppf(0.975, freedom) * table["error"]
    table["low"], table["high"] = (
        table["difference"] - reach,
        table["difference"] + reach,
    )
    table["p"] = 2 * stats.t.sf((table["difference"] / table["error"]).abs(), freedom)
    table = table[table.index.str.contains("[T.", regex=False)]
    losses = [name.split("[T.")[1].rstrip("]") for name in table.index]
    return table.set_axis(pd.Index(losses, name="loss"))


def bayesian(grid: Grid, margin: float, level: str = "dataset") -> pd.DataFrame:
    """Bayesian signed-rank test of every loss against the leader.

    Returns:
        A row a loss: probabilities that the leader is better by more than the margin,
        that the two are alike, that the other is better; they add up to 1.

    Raises:
        ImportError: baycomp is not installed.

    Source: Benavoli et al., J. Mach. Learn. Res. 18 (2017) 1-36.
    """
    try:
        import baycomp
    except ImportError as error:
        needs = f"the Bayesian test needs baycomp: {install('bayes')}"
        raise ImportError(needs) from error
    values = grid.at_level(level)
    order = values.mean().sort_values(ascending=False, kind="stable").index
    rows = {}
    for other in order[1:]:
        np.random.seed(0)  # noqa: NPY002 - baycomp draws from numpy's global state
        first, second = values[order[0]].to_numpy(), values[other].to_numpy()
        rows[other] = baycomp.SignedRankTest.probs(first, second, rope=margin)
    columns = [f"{order[0]} better", "alike", "other better"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)
