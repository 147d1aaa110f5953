"""Figures of a ranking; marks and text say what the colours say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from lesionkit import lookup
from lesionkit.catalogue import DATASETS, LOSSES, MODELS
from lesionkit.figures import BLUE, GREEN, GROUP_COLOURS, blank
from lesionkit.inference import grids, ranking
from lesionkit.records.files import write_bytes

GROUP_MARKS = {"region": "o", "distribution": "s", "compound": "^", "not ours": "v"}
ANSWER_MARKS: dict[str, dict[str, Any]] = {
    "best": {"marker": "*", "mfc": GREEN, "ms": 13},
    "alike": {"marker": "o", "mfc": BLUE, "ms": 7},
    "undecided": {"marker": "D", "mfc": "white", "ms": 6.5},
    "behind": {"marker": "X", "mfc": "0.6", "ms": 8},
}
OPEN: dict[str, Any] = {"ls": "", "mfc": "white", "mec": "black"}
PUBLISHED = OPEN | {"marker": "D", "ms": 4.5}
WHITE_TO_BLUE = LinearSegmentedColormap.from_list("white to blue", ["white", BLUE])
GAP = OPEN | {"marker": "X", "ms": 7}
# What each kind of file would say of the time of writing; without it bytes repeat.
DATED = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {}}
TEXT_AS_TEXT = {"svg.fonttype": "none", "svg.hashsalt": "", "pdf.fonttype": 42}


def kind_of(path: Path) -> str:
    """The suffix of a figure's file, in small letters.

    Raises:
        ValueError: another one than .svg, .pdf and .png.
    """
    kind = path.suffix.lower()
    if kind not in DATED:
        raise ValueError(f"path must end in .svg, .pdf or .png, got {path.name!r}")
    return kind


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure as .svg, .pdf (text stays text) or .png, whole or not at all.

    Raises:
        ValueError: another suffix.
    """
    path, content = Path(path), BytesIO()
    kind = kind_of(path)
    with rc_context(TEXT_AS_TEXT):
        figure.savefig(content, format=kind[1:], dpi=200, metadata=DATED[kind])
    write_bytes(path, content.getvalue())


def means_by_loss(
    means: pd.DataFrame,
    low: pd.DataFrame | None = None,
    high: pd.DataFrame | None = None,
    *,
    published: pd.DataFrame | None = None,
) -> Figure:
    """Each loss's mean in each metric as a point with its interval; no cut bars.

    Args:
        means: a row a metric, a column a loss; the first row gives the order.
        low: lower ends of the intervals, of the same shape.
        high: upper ends.
        published: printed values, of the same shape or a part of it.

    Source: paper A, Fig. 2A. Chosen: points, since bars would have to start at 0,
    where differences of a hundredth cannot be seen.
    """
    means = means.sort_values(means.index[0], axis=1, ascending=False)
    losses, places = means.columns, np.arange(len(means.columns))
    size = (1.3 + 2.3 * len(means), 0.34 * len(losses) + 1.5)
    figure, (axes,) = blank(size, columns=len(means), sharey=True)
    others = {}
    for axis, metric in zip(axes, means.index, strict=True):
        if low is not None and high is not None:
            ends = [table.loc[metric, losses] for table in (low, high)]
            others["interval"] = axis.hlines(places, *ends, color="black", lw=1.2)
        for place, loss in enumerate(losses):
            axis.plot(means.loc[metric, loss], place, **_style(loss))
        if published is not None:
            printed = published.reindex(means.index, columns=losses).loc[metric]
            others["published"] = axis.plot(printed, places + 0.27, **PUBLISHED)[0]
        axis.set_title(metric, fontsize=10)
        axis.locator_params(axis="x", nbins=4)
        _name_rows(axis, losses)
    figure.suptitle("the axes are zoomed: they do not start at 0", fontsize=9)
    _legend(figure, losses, others)
    return figure


def joined(mean_ranks: pd.Series, difference: float) -> list[tuple[str, ...]]:
    """Largest groups of losses whose mean ranks differ by less than `difference`.

    Example:
        >>> joined(pd.Series({"a": 1.0, "b": 1.5, "c": 2.4}), 1.0)
        [('a', 'b'), ('b', 'c')]
    """
    ranks = mean_ranks.sort_values(kind="stable")
    groups, last = [], 0
    for first in range(len(ranks)):
        end = int((ranks - ranks.iloc[first] < difference).sum())
        if end > max(last, first + 1):
            groups.append(tuple(ranks.index[first:end]))
            last = end
    return groups


def critical_difference(
    mean_ranks: pd.Series, difference: float, *, cells: int
) -> Figure:
    """Mean ranks on a line, the losses that cannot be told apart joined by a bar.

    Args:
        mean_ranks: loss to mean rank, 1 is best.
        difference: the critical difference; ranks closer than this are joined.
        cells: how many cells the ranks are a mean over.

    Source: Demsar 2006, Fig. 1.
    """
    ranks = mean_ranks.sort_values(kind="stable")
    groups = joined(ranks, difference)
    half, depth = ceil(len(ranks) / 2), 0.9 + 0.4 * len(groups)
    figure, axis = blank((8.2, 0.28 * (half + depth) + 1.5))
    left, right = _rank_axis(axis, ranks, difference)
    for level, group in enumerate(groups, 1):
        ends, y = ranks[[group[0], group[-1]]].to_numpy(), 0.2 + 0.4 * level
        axis.plot(ends, [y, y], "k-", lw=3.5, zorder=3, label="joined")
    for place, (loss, rank) in enumerate(ranks.items()):
        at_left = place < half
        level = depth + (place if at_left else len(ranks) - 1 - place)
        reach = (right - left) * 0.05
        end = left - reach if at_left else right + reach
        axis.plot([rank, rank, end], [0, level, level], color="0.35", lw=0.9)
        axis.plot(end, level, **_style(loss))
        side, shift = ("right", -reach / 2) if at_left else ("left", reach / 2)
        text = f"{loss}  {rank:.2f}" if at_left else f"{rank:.2f}  {loss}"
        axis.text(end + shift, level, text, ha=side, va="center", fontsize=9)
    axis.set_ylim(depth + half - 0.4, -2.4)
    title = f"mean rank over {cells} cells, 1 is best; joined: less than CD apart"
    figure.suptitle(title, fontsize=10)
    _legend(figure, ranks.index)
    return figure


def _rank_axis(axis: Axes, ranks: pd.Series, difference: float) -> tuple[int, int]:
    """Draw the line of ranks and the length of the difference; the ends of the line."""
    left = floor(ranks.min())
    right = max(ceil(ranks.max()), left + ceil(difference), left + 1)
    beyond = min(max(right - len(ranks), 0), left - 1)
    left, right = left - beyond, right - beyond
    axis.axis("off")
    margin = 0.42 * (right - left)
    axis.set_xlim(left - margin, right + margin)
    last = min(right, len(ranks))
    axis.plot([left, last], [0, 0], "k-", lw=1.2)
    for rank in range(left, last + 1):
        axis.plot([rank, rank], [0, -0.25], "k-", lw=1.2)
        axis.text(rank, -0.35, str(rank), ha="center", va="bottom", fontsize=9)
    axis.plot([left, left + difference], [-1.6, -1.6], "k|-", lw=1.8, ms=8, mew=1.8)
    text, middle = f"CD = {difference:.2f}", left + difference / 2
    axis.text(middle, -1.75, text, ha="center", va="bottom")
    return left, right


def differences(
    table: pd.DataFrame, *, metric: str = "dice", margin: float | None = None
) -> Figure:
    """How far each loss is behind the best of the others, with its interval.

    Args:
        table: indexed by loss; behind, low, high and answer, as `verdicts.judge` has
            them. Worse is positive; the leader is ahead, and left of 0.
        metric: whose scores these are.
        margin: a loss whose interval ends below this is alike; shown as a band from 0.

    Raises:
        UnknownName: an answer that is not one of `ANSWER_MARKS`.
    """
    table = table.sort_values("behind", kind="stable")
    figure, axis = blank((6.8, 0.34 * len(table) + 1.6))
    axis.axvline(0, color="black", lw=1)
    axis.hlines(range(len(table)), table["low"], table["high"], color="black", lw=1.4)
    for place, row in enumerate(table.itertuples()):
        mark = lookup.find("answer", row.answer, ANSWER_MARKS)
        axis.plot(row.behind, place, ls="", mec="black", **mark)
    shown = [name for name in ANSWER_MARKS if name in set(table["answer"])]
    others: dict[str, Any] = {
        name: Line2D([], [], ls="", mec="black", **ANSWER_MARKS[name]) for name in shown
    }
    if margin is not None:
        band = axis.axvspan(0, margin, color="0.88", zorder=0)
        others[f"less than {margin:g} behind"] = band
    axis.set_xlabel(f"{metric} behind the best of the others (left of 0: ahead of it)")
    _name_rows(axis, table.index)
    _legend(figure, (), others)
    return figure


def scatter(table: pd.DataFrame, metric: str = "dice") -> Figure:
    """Scatter of repeats within each cell, beside how far the losses lie apart.

    A dot a cell: the standard deviation of its repeats. The band is as wide as the
    range of the losses' means over the cells that every loss has.

    Args:
        table: cells (dataset, model, loss, mean, std, count) or runs (a row a repeat).
        metric: the column of runs; of cells, what their mean is of.

    Raises:
        ValueError: no cell has every loss, or none has two repeats.
    """
    cells = table if "std" in table else grids.cells(table, metric)
    wide = cells.pivot_table("mean", ["dataset", "model"], "loss").dropna()
    means, noise = wide.mean().sort_values(ascending=False), cells.dropna(subset="std")
    if wide.empty or noise.empty:
        raise ValueError("table must have cells of every loss with repeats, got none")
    figure, axis = blank((7.2, 0.4 * len(means) + 1.7))
    random = np.random.default_rng(0)
    right = {"transform": axis.get_yaxis_transform(), "va": "center", "fontsize": 8}
    for place, loss in enumerate(means.index):
        values = noise.loc[noise["loss"] == loss, "std"]
        y = place + random.uniform(-0.28, 0.28, len(values))
        axis.plot(values, y, **_style(loss) | {"ms": 4, "mew": 0.3, "alpha": 0.6})
        ends, median = (place - 0.36, place + 0.36), values.median()
        stroke = axis.vlines(median, *ends, color="black", lw=2.5)
        axis.text(1.01, place, f"{median:.3f}", **right)
    axis.text(1.01, -0.75, "median", **right)
    gaps = means.max() - means
    crosses, *_ = axis.plot(gaps, range(len(gaps)), **GAP)
    band = axis.axvspan(0, gaps.max(), fc="0.9", ec="0.5", lw=0.8, zorder=0)
    axis.set_xlabel(f"standard deviation of {metric} over the repeats of a cell")
    axis.set_xlim(left=-0.01 * noise["std"].max())
    _name_rows(axis, means.index)
    others = {"median": stroke, f"range of the means, {gaps.max():.3f}": band}
    _legend(figure, means.index, others | {"mean behind the best": crosses})
    return figure


def background(table: pd.DataFrame) -> Figure:
    """How much background each loss marks under both rules, against its mean Dice.

    Args:
        table: loss, dice, background and raw_mean_background (shares, 0 to 1): of
            the masks at probability 0.5 and by the mean of the raw output.

    Source: paper A, Fig. 3 and its text.
    """
    height = 0.22 * len(table) + 2.6
    rules = {"background": "probability 0.5", "raw_mean_background": "raw mean"}
    figure, (axes,) = blank((9.6, height), columns=len(rules))
    for axis, (column, rule) in zip(axes, rules.items(), strict=True):
        ordered = table.sort_values(column)
        shares, top = 100 * ordered[column], 108 * ordered[column].max()
        axis.set(title=f"threshold: {rule}", xlabel="mean Dice", ylim=(0, top))
        axis.set_ylabel("background marked, %")
        axis.grid(lw=0.4)
        places = _apart(shares.to_numpy(), 0.2 * top / (height - 1.3))
        line = {"arrowstyle": "-", "color": "0.6", "lw": 0.6, "relpos": (0, 0.5)}
        beside = {"va": "center", "fontsize": 9, "arrowprops": line}
        beside["textcoords"] = axis.get_yaxis_transform()
        for row, y, place in zip(ordered.itertuples(), shares, places, strict=True):
            axis.annotate(row.loss, (row.dice, y), (1.04, place), **beside)
            axis.plot(row.dice, y, **_style(row.loss))
    _legend(figure, table["loss"])
    return figure


def heat(
    means: pd.DataFrame,
    points: pd.DataFrame,
    published: pd.DataFrame | None = None,
    *,
    title: str,
) -> Figure:
    """Mean scores, the first three of each row numbered, points below.

    A shade is the gap to the best of its row, on one scale for ours and published.

    Args:
        means: a row a data set or model, a column a loss.
        points: of ranking.podium: rows and columns in their order, and "points".
        published: printed means, the same rows and columns or some of them.
        title: a line above.

    Source: paper A, Fig. 2B and 2C.
    """
    rows, losses = points.index.drop("points"), points.columns
    total: Any = points.loc["points"]  # a row: a label occurs once
    tables = {"ours": (means.loc[rows, losses], total)}
    if published is not None:
        theirs = published.reindex(index=rows, columns=losses)
        given = np.array([ranking.row_points(row) for row in theirs.to_numpy()])
        total = pd.Series(given.sum(axis=0), losses).where(theirs.notna().any())
        tables["published"] = (theirs, total)
    gaps = [table.sub(table.max(axis=1), axis=0) for table, _ in tables.values()]
    # one far-off loss must not make the others look alike
    lowest = min(np.nanquantile(np.concatenate(gaps), 0.05), -1e-9)
    size = (1.9 + 0.62 * len(losses) * len(tables), 0.31 * len(points) + 1.5)
    figure, (axes,) = blank(size, columns=len(tables), sharey=True)
    for axis, (name, (table, total)) in zip(axes, tables.items(), strict=True):
        image = _podium(axis, table, total, lowest)
        axis.set_title(name if len(tables) > 1 else "", fontsize=9)
    bar = figure.colorbar(image, ax=axes, extend="min", pad=0.01, fraction=0.02)
    bar.set_label("gap to the best of the row", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    figure.suptitle(title, fontsize=10)
    return figure


def _podium(
    axis: Axes, table: pd.DataFrame, total: pd.Series, lowest: float
) -> AxesImage:
    """One heat table of scores with its places and the row of points."""
    shades = table.sub(table.max(axis=1), axis=0)
    shades.loc["points"] = np.nan
    texts = table.map("{:.3f}".format)
    texts.loc["points"] = total.map("{:.3g}".format)
    texts = texts.replace("nan", "–")
    image = heat_table(axis, shades, texts, Normalize(lowest, 0), colormaps["cividis"])
    places = table.rank(axis=1, ascending=False, method="min").to_numpy()
    for row, column in np.argwhere(places <= 3):
        text = f"{places[row, column]:.0f}."
        ink = _ink(image, shades.iloc[row, column])
        corner = {"ha": "left", "va": "top", "fontsize": 6.5, "weight": "bold"}
        axis.text(column - 0.46, row - 0.46, text, color=ink, **corner)
    axis.axhline(len(table) - 0.5, color="black", lw=1)
    return image


def rank_probabilities(shares: pd.DataFrame) -> Figure:
    """How probable each rank is for each loss, in percent; the best loss on top.

    Args:
        shares: a row a loss, a column a rank from 1; each row sums to 1.

    Raises:
        ValueError: a row does not sum to 1.
    """
    for loss, total in shares.sum(axis=1).items():
        if not np.isclose(total, 1, atol=1e-6):
            raise ValueError(f"shares of {loss!r} must sum to 1, got {total:g}")
    mean = (shares * np.arange(1, shares.shape[1] + 1)).sum(axis=1).sort_values()
    shares = shares.loc[mean.index]
    figure, axis = blank((0.6 * shares.shape[1] + 2.4, 0.36 * len(shares) + 1.1))
    texts = shares.map(_percent)
    heat_table(axis, shares, texts, PowerNorm(0.5, 0, 1), WHITE_TO_BLUE)
    axis.set_xticks(range(shares.shape[1]), shares.columns, rotation=0, ha="center")
    labels = [f"{loss}  ({rank:.1f})" for loss, rank in mean.items()]
    axis.set_yticks(range(len(mean)), labels)
    axis.set_xlabel("rank, 1 is best", fontsize=9)
    axis.set_title("probability of each rank, %   (mean rank)", fontsize=10)
    return figure


def _percent(share: float) -> str:
    """A share in whole percent; nothing only for nothing, 100 only for all."""
    if 0 < share < 0.005:
        return "<1"
    if 0.995 <= share < 1 - 1e-9:
        return ">99"
    return f"{100 * share:.0f}" if share else ""


def leave_one_out(ranks: pd.DataFrame) -> Figure:
    """Each loss's rank with everything, and without each thing; changes outlined.

    Without a loss, the change is from the rank among the losses that are left.

    Args:
        ranks: rows "all", "without kvasir", ...; a column a loss; NaN where the loss
            itself is left out.
    """
    ranks = ranks.sort_values("all", axis=1)
    figure, axis = blank((0.66 * ranks.shape[1] + 2.8, 0.25 * len(ranks) + 1.3))
    texts = ranks.map("{:g}".format).replace("nan", "–")
    norm = Normalize(1, ranks.shape[1])
    image = heat_table(axis, ranks, texts, norm, colormaps["cividis_r"])
    for row, column in np.argwhere(_changed(ranks).to_numpy()):
        box = Rectangle((column - 0.45, row - 0.42), 0.9, 0.84, fill=False)
        box.set(ec=_ink(image, ranks.iloc[row, column]), lw=1.8, zorder=3)
        axis.add_patch(box)
    groups = {"data set": DATASETS, "model": MODELS, "loss": ranks, "": ["all"]}
    names = [row.removeprefix("without ") for row in ranks.index]
    kinds = [next((k for k in groups if n in groups[k]), "other") for n in names]
    starts = [i for i, kind in enumerate(kinds) if i == 0 or kind != kinds[i - 1]]
    for start, end in zip(starts, [*starts[1:], len(kinds)], strict=True):
        axis.axhline(start - 0.5, color="white", lw=4)
        place: dict[str, Any] = {"transform": axis.get_yaxis_transform(), "fontsize": 9}
        middle = (start + end - 1) / 2
        axis.text(1.01, middle, kinds[start], rotation=270, va="center", **place)
    axis.set_title("rank of each loss as one thing is left out", fontsize=10)
    figure.supxlabel("outlined: a change from the order with everything", fontsize=8)
    return figure


def _changed(ranks: pd.DataFrame) -> pd.DataFrame:
    """Where a rank is not that of the row "all", less the losses that are left out."""
    whole, expected = ranks.loc["all"], ranks.copy()
    for name, row in ranks.iterrows():
        gone = whole[row.isna()].to_numpy()[:, None]
        better = (gone < whole.to_numpy()) + 0.5 * (gone == whole.to_numpy())
        expected.loc[str(name)] = whole - better.sum(axis=0)
    return ranks.notna() & ~np.isclose(ranks, expected)


def heat_table(
    axis: Axes,
    shades: pd.DataFrame,
    texts: pd.DataFrame,
    norm: Normalize,
    colours: Colormap,
) -> AxesImage:
    """Shaded cells with their text; a cell without a shade is white."""
    colours = colours.with_extremes(bad="white")
    image = axis.imshow(shades.to_numpy(float), colours, norm, aspect="auto")
    middle = {"ha": "center", "va": "center", "fontsize": 8}
    for row, column in np.argwhere(texts.notna().to_numpy()):
        ink = _ink(image, shades.iloc[row, column])
        axis.text(column, row, texts.iloc[row, column], color=ink, **middle)
    turned = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
    axis.set_xticks(range(shades.shape[1]), shades.columns, **turned)
    axis.set_yticks(range(len(shades)), shades.index)
    axis.tick_params(length=0, labelsize=9)
    axis.spines[:].set_visible(False)
    return image


def _ink(image: AxesImage, shade: float) -> str:
    red, green, blue, _ = image.to_rgba(np.ma.masked_invalid([shade]))[0]
    light = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "black" if light > 0.45 else "white"


def _apart(rising: np.ndarray, least: float) -> np.ndarray:
    """Rising values moved apart by at least so much, each cluster about its centre."""
    steps = least * np.arange(len(rising))
    up = np.maximum.accumulate(rising - steps)
    down = np.minimum.accumulate((rising - steps)[::-1])[::-1]
    return (up + down) / 2 + steps


def _group(loss: Any) -> str:
    return LOSSES[loss].group if loss in LOSSES else "not ours"


def _style(loss: object) -> dict[str, Any]:
    group = _group(loss)
    colour = GROUP_COLOURS.get(group, "black")
    return {"mfc": colour, "mec": "black", "ls": "", "marker": GROUP_MARKS[group]}


def _legend(figure: Figure, losses: Iterable[str], others: Mapping | None = None):
    """The groups that are shown, and other names to their marks, below a figure."""
    of_group = {_group(loss): loss for loss in losses}
    groups = [name for name in GROUP_MARKS if name in of_group]
    shown = {name: Line2D([], [], **_style(of_group[name])) for name in groups}
    shown |= others or {}
    columns = min(len(shown), int(figure.get_figwidth() / 1.8))
    place: dict[str, Any] = {"loc": "outside lower center", "ncols": columns}
    figure.legend(shown.values(), shown.keys(), fontsize=8, frameon=False, **place)


def _name_rows(axis: Axes, names: Sequence[str] | pd.Index) -> None:
    """The names at the rows of a panel, the first on top; a grid for the values."""
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.grid(axis="x", lw=0.4)
