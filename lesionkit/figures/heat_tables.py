"""Heat tables of a ranking: scores, probabilities of ranks, ranks without one thing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from lesionkit.catalogue import DATASETS, MODELS
from lesionkit.figures import BLUE, blank
from lesionkit.inference import ranking

WHITE_TO_BLUE = LinearSegmentedColormap.from_list("white to blue", ["white", BLUE])


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
    width = 1.9 + 0.62 * len(losses) * len(tables)
    figure = blank((width, 0.31 * len(points) + 1.5))
    axes = figure.subplots(1, len(tables), sharey=True, squeeze=False)[0]
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
    figure = blank((0.6 * shares.shape[1] + 2.4, 0.36 * len(shares) + 1.1))
    axis = figure.subplots()
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
    figure = blank((0.66 * ranks.shape[1] + 2.8, 0.25 * len(ranks) + 1.3))
    axis = figure.subplots()
    texts = ranks.map(lambda rank: "–" if pd.isna(rank) else f"{rank:g}")
    image = heat_table(
        axis, ranks, texts, Normalize(1, ranks.shape[1]), colormaps["cividis_r"]
    )
    for row, column in np.argwhere(_changed(ranks).to_numpy()):
        box = Rectangle((column - 0.45, row - 0.42), 0.9, 0.84, fill=False)
        box.set(ec=_ink(image, ranks.iloc[row, column]), lw=1.8, zorder=3)
        axis.add_patch(box)
    _name_kinds(axis, [_kind(row, ranks.columns) for row in ranks.index])
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


def _kind(row: str, losses: Iterable[str]) -> str:
    """What is left out in a row: a data set, model, loss, or something else."""
    name = row.removeprefix("without ")
    kinds = {"data set": DATASETS, "model": MODELS, "loss": losses, "": ["all"]}
    return next((kind for kind, names in kinds.items() if name in names), "other")


def _name_kinds(axis: Axes, kinds: list[str]) -> None:
    """Lines between rows of different kinds, and the kinds at the right."""
    starts = [i for i, kind in enumerate(kinds) if i == 0 or kind != kinds[i - 1]]
    for start, end in zip(starts, [*starts[1:], len(kinds)], strict=True):
        axis.axhline(start - 0.5, color="white", lw=4)
        place = {"transform": axis.get_yaxis_transform(), "fontsize": 9}
        middle = (start + end - 1) / 2
        axis.text(1.01, middle, kinds[start], rotation=270, va="center", **place)


def heat_table(
    axis: Axes,
    shades: pd.DataFrame,
    texts: pd.DataFrame,
    norm: Normalize,
    colours: Colormap,
) -> AxesImage:
    """Shaded cells with their text; a cell without a shade is white."""
    image = axis.imshow(
        shades.to_numpy(float),
        cmap=colours.with_extremes(bad="white"),
        norm=norm,
        aspect="auto",
    )
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
    """Black on a light shade, white on a dark one."""
    red, green, blue, _ = image.to_rgba(np.ma.masked_invalid([shade]))[0]
    light = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "black" if light > 0.45 else "white"
