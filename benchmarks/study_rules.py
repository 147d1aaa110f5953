"""The rules 3 to 5 of the study in small, answered from its two tables.

    python benchmarks/study_rules.py [--measurements]

Writes the section of docs/study.md on geometry, definitions and groups, and the figure
of the first. A part that is not in the tables yet is not in the answer.
"""

from __future__ import annotations

import argparse

import measurements
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats
from statsmodels.stats.multitest import multipletests

from lesionkit import published
from lesionkit.papers.threshold_study import predicted_background

PAGE = measurements.ROOT / "docs" / "study.md"
FIGURE = measurements.ROOT / "docs" / "figures" / "study_geometry.png"
PART = ["dataset", "model", "definition", "split"]
GEOMETRY, PARTLY, NEAR = 0.8, 0.5, 0.05  # rule 3
ALIKE, COMPARISONS = 0.02, 8  # rule 4


def main() -> None:
    """Write the sections and the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measurements", action="store_true")
    given = parser.parse_args()
    marked = geometry(published.study_images("raw_mean"))
    table = published.study_small(every=True)
    sections = {
        "geometry": geometry_lines(marked),
        "definitions": definition_lines(table),
        "groups": group_lines(table),
    }
    for name, lines in sections.items():
        measurements.put_between(PAGE, name, lines)
    together = [line for lines in sections.values() for line in [*lines, ""]]
    if given.measurements:
        measurements.append("The rules of the study in small", together[:-1])
    drawn(marked).savefig(FIGURE, dpi=130)
    print("\n".join(together))


def geometry(images: pd.DataFrame) -> pd.DataFrame:
    """Measured and predicted share of background of each image with a lesion."""
    images = images[images["gap"].notna()].copy()
    background = images["fp"] + images["tn"]
    lesion = images["tp"] + images["fn"]
    images["share"] = lesion / (lesion + background)
    images["measured"] = images["fp"] / background
    given = images["share"], images["gap"], images["spread"]
    images["predicted"] = predicted_background(*given)
    return images


def explained(images: pd.DataFrame) -> pd.Series:
    """How much of the marked background the prediction explains; nothing is fitted."""
    measured, predicted = images["measured"], images["predicted"]
    error = measured - predicted
    around = measured - measured.mean()
    return pd.Series(
        {
            "images": len(images),
            "measured": measured.mean(),
            "predicted": predicted.mean(),
            "explained": 1 - (error**2).sum() / (around**2).sum(),
            "correlation": np.corrcoef(measured, predicted)[0, 1],
            "error": error.abs().mean(),
        }
    )


def geometry_lines(images: pd.DataFrame) -> list[str]:
    """Rule 3: a row a part, the word of the main table, and that of all parts."""
    lines = measurements.head(
        [*PART, "images x runs", "marked", "predicted", "explained", "correlation"]
        + ["mean absolute error"]
    )
    rows = images.groupby(PART, sort=False)[["measured", "predicted"]].apply(explained)
    for part, row in rows.iterrows():
        shown = [f"{row[name]:.3f}" for name in ("measured", "predicted")]
        shown += [f"{row['explained']:.0%}", f"{row['correlation']:.2f}"]
        cells = [*part, f"{row['images']:.0f}", *shown, f"{row['error']:.3f}"]
        lines.append(measurements.row(cells))
    parts = rows.index.to_frame(index=False)[list(published.MAIN)]
    main = rows[(parts == pd.Series(published.MAIN)).all(axis=1).to_numpy()]
    sets = main.index.get_level_values("dataset").nunique()
    told = f"By rule 3, on {sets} of the five data sets: **{geometry_word(main)}**."
    if len(main) < len(rows):
        told += f" With the parts beside the main table: **{geometry_word(rows)}**."
    return [*lines, "", told]


def geometry_word(rows: pd.DataFrame) -> str:
    """What rule 3 says of some parts."""
    if ((rows["explained"] >= GEOMETRY) & (rows["error"] < NEAR)).all():
        return "it is geometry"
    return (
        "in part geometry"
        if (rows["explained"] >= PARTLY).all()
        else "more than geometry"
    )


def definition_lines(table: pd.DataFrame) -> list[str]:
    """Rule 4: Dice of the other definitions less that of A-gamma2, by loss."""
    table = table[(table["model"] == "enet") & (table["split"] == "image")]
    cells = ["dataset", "loss", "repeat"]
    wide = table.pivot_table(index=cells, columns="definition", values="dice")
    rows = []
    for name in [n for n in wide if n != published.MAIN["definition"]]:
        gaps = (wide[name] - wide[published.MAIN["definition"]]).dropna()
        for loss, found in gaps.groupby("loss", sort=False):
            means = found.groupby("dataset").mean()
            rows.append((name, loss, len(means), *paired(means.to_numpy())))
    if not rows:
        return ["No run of another definition is in the table yet."]
    names = ["definition", "loss", "sets", "mean", "low", "high", "p"]
    found = pd.DataFrame(rows, columns=names)
    # the comparisons that were planned and not run yet count with a p of 1
    planned = [*found["p"], *[1.0] * (COMPARISONS - len(found))]
    found["p"] = multipletests(planned, method="holm")[1][: len(found)]
    lines = measurements.head(
        ["definition", "loss", "data sets", "Dice less A-gamma2's (90 % interval)", "p"]
        + ["by rule 4"]
    )
    for row in found.itertuples():
        inside = row.low > -ALIKE and row.high < ALIKE
        word = "it matters" if row.p < 0.05 else "alike" if inside else "open"
        shown = [row.definition, row.loss, str(row.sets)]
        if row.sets > 1:
            ends = f" ({row.low:+.3f} to {row.high:+.3f})"
            shown += [f"{row.mean:+.3f}{ends}", f"{row.p:.2f}", word]
        else:
            shown += [f"{row.mean:+.3f}", "–", "open: one data set"]
        lines.append(measurements.row(shown))
    return lines


def paired(gaps: np.ndarray) -> tuple[float, float, float, float]:
    """Mean, its 90 % t interval and two-sided p of differences; open for one alone."""
    if len(gaps) < 2:
        return float(gaps.mean()), -np.inf, np.inf, 1.0
    found = stats.ttest_1samp(gaps, 0.0)
    ends = found.confidence_interval(0.90)
    return float(gaps.mean()), float(ends.low), float(ends.high), float(found.pvalue)


def group_lines(table: pd.DataFrame) -> list[str]:
    """Rule 5: Dice by image less Dice by group, mean over the losses, a row a set."""
    table = table[(table["model"] == "enet") & (table["definition"] == "A-gamma2")]
    lines = measurements.head(
        ["data set", "Dice by image", "by group", "difference (95 % interval)"]
        + ["Kendall's tau of the losses", "by rule 5"]
    )
    begun = len(lines)
    for name, rows in table.groupby("dataset", sort=False):
        means = rows.pivot_table(index="repeat", columns="split", values="dice")
        if "group" not in means:
            continue
        gap = stats.ttest_1samp(means["image"] - means["group"], 0.0)
        ends = gap.confidence_interval(0.95)
        losses = rows.pivot_table(index="loss", columns="split", values="dice")
        tau = stats.kendalltau(losses["image"], losses["group"]).statistic
        shown = [f"{means[split].mean():.3f}" for split in ("image", "group")]
        difference = (means["image"] - means["group"]).mean()
        shown += [f"{difference:+.3f} ({ends.low:+.3f} to {ends.high:+.3f})"]
        word = "leaks" if ends.low > 0 else "not shown"
        lines.append(measurements.row([str(name), *shown, f"{tau:+.2f}", word]))
    if len(lines) == begun:
        return ["No run that is split by groups is in the table yet."]
    return lines


def drawn(images: pd.DataFrame) -> Figure:
    """Predicted against measured, a panel a part."""
    parts = list(images.groupby(PART, sort=False))
    columns = min(len(parts), 3)
    rows = -(-len(parts) // columns)
    figure = Figure(figsize=(2.9 * columns, 2.9 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axis in axes.flat[len(parts) :]:
        axis.axis("off")
    for axis in axes.flat[len(parts) - columns : len(parts)]:  # the lowest of each
        axis.tick_params(labelbottom=True)
    for axis, (part, found) in zip(axes.flat, parts, strict=False):
        axis.plot([0, 0.6], [0, 0.6], color="black", lw=0.8)
        axis.plot(
            found["predicted"], found["measured"], ",", color="#0072B2", alpha=0.4
        )
        says = f"{explained(found)['explained']:.0%} explained"
        axis.set_title(f"{', '.join(part)}\n{says}", fontsize=8)
        axis.set(xlim=(0, 0.6), ylim=(0, 0.8))
    figure.supxlabel("share of background marked: predicted", fontsize=9)
    figure.supylabel("measured", fontsize=9)
    return figure


if __name__ == "__main__":
    main()
