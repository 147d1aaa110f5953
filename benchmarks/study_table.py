"""The table of the small study, from the records of its finished parts.

    python benchmarks/study_table.py [--hardware TEXT] [--measurements]

Reads the records of study_small.yaml in the data folder (LESIONKIT_DATA) and writes
lesionkit/published/study_small.csv, a row a run, and the table of parts in
docs/study.md; run it again when more parts are finished. A part (a network, data set,
definition and split) enters with its last run, never before. Parts that stand in the
table and have no records here, for they were trained elsewhere, stay. The counts of
each test image go to study_small_images.csv.gz, an image known by its hash; a part
whose records were lost before has none. --measurements puts the parts at the end of
docs/measurements.md as well. --hardware is what the runs were made on, by default the
processor of this machine.
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Sequence
from pathlib import Path

import measurements
import pandas as pd

from lesionkit import published
from lesionkit.config import RunConfig
from lesionkit.papers.threshold_study import background_theory
from lesionkit.records import runs
from lesionkit.sweeps.sweep import Sweep, read_sweep
from lesionkit.tables import load_table, with_background

Part = tuple[str, ...]
PART = ("model", "dataset", "definition", "split")
FLAT = 0.01  # a median late rise below it
LATE = 0.2  # of the epochs: how flat the curve was at their end
PAGE = measurements.ROOT / "docs" / "study.md"
README = measurements.ROOT / "README.md"
COUNTS = ["tp", "fp", "fn", "tn"]
LOGITS = {"gap": 3, "spread": 4}  # decimals
DIGITS = 12  # of an image's hash
KEYS = [*("dataset", "model", "variant", "loss", "definition", "split", "repeat")]
SCORES = [
    *("dice", "iou", "precision", "recall", "average_precision", "background"),
    *("raw_mean_dice", "raw_mean_iou", "raw_mean_precision", "raw_mean_recall"),
    *("raw_mean_background", "late_rise"),
]
FACTS = [
    *("best_epoch", "epochs_trained", "epoch_limit", "wall_seconds", "protocol"),
    *("size", "source", "fingerprint", "commit", "torch", "hardware"),
]
HEAD = [
    *("network", "data set", "definition", "split", "runs", "minutes"),
    *("late rise: median", f"above {FLAT}", "test Dice, losses' means"),
]


def main() -> None:
    """Write the table of the finished parts, and say how far the others are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hardware", default=measurements.processor())
    parser.add_argument("--measurements", action="store_true")
    given = parser.parse_args()
    sweep = read_sweep("study_small.yaml")
    finished, open_parts = parts_of(sweep)
    if not finished:
        raise SystemExit(f"no part is finished; begun: {open_parts or 'none'}")
    made = {p: table_of(configs, given.hardware) for p, configs in finished.items()}
    counted = {p: images_of(configs) for p, configs in finished.items()}
    tables = in_order(sweep, earlier(published.STUDY) | made)
    write(pd.concat(tables, ignore_index=True), published.STUDY)
    images = in_order(sweep, earlier(published.STUDY_IMAGES) | counted)
    write(pd.concat(images, ignore_index=True), published.STUDY_IMAGES)
    lines = [*measurements.head(HEAD), *map(line_of, tables)]
    total = sum(table["wall_seconds"].sum() for table in tables) / 3600
    count = sum(map(len, tables))
    lines += ["", f"{count} runs, {total:.1f} hours of one core ({given.hardware})."]
    lines += ["", flatness(tables)]
    if given.measurements:
        measurements.append("The study in small", lines)
    measurements.put_between(PAGE, "parts", lines)
    measurements.put_between(README, "study", losses_of(published.study_small()))
    print("\n".join(lines))
    for part, (done, wanted) in open_parts.items():
        print(f"not in the table: {' '.join(part)}, {done} of {wanted} runs")


def parts_of(
    sweep: Sweep,
) -> tuple[dict[Part, list[RunConfig]], dict[Part, tuple[int, int]]]:
    """The parts that are finished, and of those begun how many runs are, of how many.

    Finished is a run whose record is sealed.
    """
    parts: dict[Part, list[RunConfig]] = {}
    for config in sweep.configs:
        identity = config.identity()
        parts.setdefault(tuple(identity[name] for name in PART), []).append(config)
    done = {p: sum(runs.is_done(c.folder) for c in each) for p, each in parts.items()}
    finished = {p: each for p, each in parts.items() if done[p] == len(each)}
    begun = {p: (done[p], len(parts[p])) for p in parts if 0 < done[p] < len(parts[p])}
    return finished, begun


def earlier(path: Path) -> dict[Part, pd.DataFrame]:
    """The parts of a table that was written before."""
    if not path.exists():
        return {}
    parts = pd.read_csv(path, dtype={"image": str}).groupby(list(PART), sort=False)
    return {tuple(map(str, part)): rows for part, rows in parts}


def in_order(sweep: Sweep, parts: dict[Part, pd.DataFrame]) -> list[pd.DataFrame]:
    """The tables of parts as the sweep takes them."""
    identities = (config.identity() for config in sweep.configs)
    order = dict.fromkeys(tuple(each[name] for name in PART) for each in identities)
    return [parts[part] for part in order if part in parts]


def table_of(configs: Sequence[RunConfig], hardware: str) -> pd.DataFrame:
    """The runs of a part, a row each, in the order of the sweep."""
    tables = [with_background(load_table(config.folder)) for config in configs]
    table = pd.concat(tables, ignore_index=True)
    table["late_rise"] = [late_rise(runs.RunRecord(c.folder)) for c in configs]
    table["epoch_limit"] = [config.resolved().epochs for config in configs]
    table["hardware"] = table["hardware"].replace("cpu", hardware)
    table["wall_seconds"] = table["wall_seconds"].round(1)
    return table[[*KEYS, *SCORES, *FACTS]].round(dict.fromkeys(SCORES, 6))


def images_of(configs: Sequence[RunConfig]) -> pd.DataFrame:
    """The counts of each test image of a part's runs, under both rules.

    An image is the first digits of the SHA-256 of its file. Gap and spread of its
    logits are what the theory of the raw mean needs (`background_theory`).

    Raises:
        SystemExit: two images of one split have the same digits.
    """
    tables = []
    for config in configs:
        record = runs.RunRecord(config.folder)
        split = record.split.drop_duplicates("file").set_index("file")
        digits = split["content_hash"].str[:DIGITS]
        if digits.nunique() < split["content_hash"].nunique():
            raise SystemExit(f"{record.folder}: {DIGITS} digits are too few")
        identity = {name: record.identity[name] for name in KEYS}
        logits = background_theory(record).set_index("file")
        for rule, found in record.images.groupby("threshold", sort=False):
            named = {"rule": rule, "image": found["file"].map(digits)}
            named |= {
                n: found["file"].map(logits[n]).round(d) for n, d in LOGITS.items()
            }
            tables.append(
                pd.DataFrame(identity | named | found[COUNTS].to_dict("series"))
            )
    table = pd.concat(tables, ignore_index=True)
    return table.sort_values([*KEYS, "rule", "image"], ignore_index=True)


def late_rise(record: runs.RunRecord) -> float:
    """By how much the best validation Dice rose in the last fifth of a run's epochs.

    0 for a run whose best epoch lies before: its curve was flat, or fell.
    """
    curve = record.history["validation_dice"]
    before = curve[: len(curve) - max(1, round(len(curve) * LATE))]
    return float(curve.max() - before.max()) if len(before) else float(curve.max())


def losses_of(table: pd.DataFrame) -> list[str]:
    """Mean Dice of each loss on each data set; the best mean over the sets first.

    Of the networks that were trained on every data set: means of a column with one
    network more could not be compared with the others.
    """
    sets = list(dict.fromkeys(table["dataset"]))
    everywhere = table.groupby("model")["dataset"].transform("nunique") == len(sets)
    table = table[everywhere]
    means = table.pivot_table(index="loss", columns="dataset", values="dice")[sets]
    means["mean"] = means.mean(axis=1)
    lines = measurements.head(["loss", *means])
    for row in means.sort_values("mean", ascending=False).itertuples(name=None):
        cells = [row[0], *(f"{value:.3f}" for value in row[1:])]
        lines.append(measurements.row(cells))
    return lines


def flatness(tables: Sequence[pd.DataFrame]) -> str:
    """Which parts were still rising when their epochs ended, in a sentence."""
    rising = [t.iloc[0] for t in tables if t["late_rise"].median() >= FLAT]
    if not rising:
        return f"The median late rise of every part is below {FLAT}: flat."
    names = "; ".join(", ".join(first[name] for name in PART) for first in rising)
    return f"Still rising at the end (median late rise of {FLAT} or more): {names}."


def write(table: pd.DataFrame, path: Path) -> None:
    """The table as CSV; the same table gives the same bytes."""
    text = table.to_csv(index=False, lineterminator="\n").encode()
    path.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)


def line_of(table: pd.DataFrame) -> str:
    """A row of the table of parts."""
    first = table.iloc[0]
    names = [first[name] for name in PART]
    rise, count = table["late_rise"], len(table)
    means = table.groupby("loss")["dice"].mean()
    minutes = f"{table['wall_seconds'].sum() / 60:.0f}"
    late = [f"{rise.median():.3f}", f"{(rise > FLAT).sum()} of {count}"]
    span = f"{means.min():.3f} to {means.max():.3f}"
    return measurements.row([*names, str(count), minutes, *late, span])


if __name__ == "__main__":
    main()
