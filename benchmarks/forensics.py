"""What forensics finds in the named tables, and how often in tables of honest noise.

uv run python benchmarks/forensics.py [--tables 200] [--part noise|named|twins]

noise: tables of `tests/made/made_noise.py` with nothing wrong in them, in several
shapes, worlds and roundings; the share that has any finding. named: the tables that
come with the kit, with the verdict as it is and without what forensics names. twins:
the noise of running the same again, from the runs of the public re-run
(`lesionkit fetch public-rerun` first).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import combinations

import click
import measurements
import numpy as np
import pandas as pd
from tqdm import tqdm

from lesionkit import published
from lesionkit.inference import standing
from lesionkit.tables import forensics, load_table
from lesionkit.tables.twins import rerun_noise

sys.path.insert(0, str(measurements.ROOT / "tests" / "made"))

from made_noise import WORLDS, as_cells, noise

# Data sets, networks, losses, repeats; whether cells are seen; digits.
TABLES = (
    ((6, 11, 10, 5), False, 9),
    ((6, 11, 10, 5), True, 3),
    ((6, 11, 10, 5), True, 2),
    ((6, 11, 34, 5), True, 5),
    ((2, 11, 5, 3), False, 3),
    ((10, 3, 10, 1), False, 3),
    ((4, 1, 20, 1), False, 2),
    ((3, 2, 3, 3), False, 4),
    ((1, 5, 4, 5), False, 3),
    ((6, 1, 7, 5), True, 2),
)
KINDS = [*((world, False) for world in WORLDS), ("unequal", True)]
CLEAN = ("clinicdb", "isic2017", "kvasir", "wound")
TWINS = (("dice_gaussian", "iou_gaussian"), ("dice_edge", "focal_edge"))
NAMED = ("public-rerun", "public-rerun-34", "loss-odyssey", "loss-odyssey-v2")


def alarms(count: int) -> list[str]:
    """The share of honest tables with a finding, a row a shape."""
    lines = measurements.head(
        ["data sets x networks x losses x runs", "table of", "digits", *WORLDS]
        + ["heavy tails", "codes"]
    )
    works = [(*kind, *world, count) for kind in TABLES for world in KINDS]
    with ProcessPoolExecutor() as pool:
        bar = tqdm(pool.map(hits, works), total=len(works), file=sys.stderr)
        found = dict(zip(works, bar, strict=True))
    wrong = sum(n for work, (n, _) in found.items() if not work[4])
    tried = count * len(TABLES) * len(WORLDS)
    for kind in TABLES:
        here = [found[(*kind, *world, count)] for world in KINDS]
        codes = sum((codes for _, codes in here), Counter())
        told = ", ".join(f"{code} {n}" for code, n in sorted(codes.items())) or "none"
        row = [f"{100 * n / count:.1f} %" for n, _ in here]
        shape, cells, digits = kind
        names, what = " x ".join(map(str, shape)), "cells" if cells else "runs"
        lines.append(measurements.row([names, what, str(digits), *row, told]))
    said = (
        f"{count} tables each. Any finding in {wrong} of {tried} tables of normal "
        f"noise ({100 * wrong / tried:.2f} %). Under heavy tails (Student's t with 3 "
        "degrees of freedom) single cells do lie far out of line."
    )
    return [said, "", *lines]


def hits(work: tuple) -> tuple[int, Counter[str]]:
    """How many tables of a kind have a finding, and under which codes."""
    shape, cells, digits, world, tails, count = work
    number, found = 0, Counter()
    for seed in range(count):
        table = noise(shape, seed, world=world, tails=tails)
        table = (as_cells(table) if cells else table).round(digits)
        codes = {one.code for one in forensics.find(table)}
        number += bool(codes)
        found.update(codes)
    return number, found


def verdicts() -> list[str]:
    """The named tables: findings, the answer, and the answer without them."""
    lines = []
    for name in NAMED:
        table = load_table(name)
        lines += [f"**{name}**", "", *_said(table)]
        if name == "public-rerun":
            lines += ["without colonformer:", ""]
            lines += _said(table[table["model"] != "colonformer"])
        if name == "public-rerun-34":
            found = standing.rank(table).forensics
            clean = forensics.untainted(table, found)
            lines += ["without the cells of F2 and the network of F4:", ""]
            lines += [*_said(clean), *_leads(clean)]
    table = load_table("nnunet-revisited")
    return [*lines, "**nnunet-revisited**", "", *_said(table)]


def _said(table: pd.DataFrame) -> list[str]:
    """Findings and sentence of a table."""
    found = standing.rank(table)
    told = [f"- {one.code} {one.text}" for one in found.forensics]
    return [*told, f"- {found.verdict.sentence}", ""]


def _leads(clean: pd.DataFrame) -> list[str]:
    """How far the full table's leader is ahead of dicebce in what is left."""
    wide = clean.pivot_table(index=["dataset", "model"], columns="loss", values="dice")
    ahead = wide["iou_contextual"] - wide["dicebce"]
    return [
        f"- iou_contextual less dicebce there: {ahead.mean():+.4f} over the "
        f"{ahead.count()} pairs of data set and network that have both",
        "",
    ]


def twins() -> list[str]:
    """The noise of running the same again, and of running another loss."""
    table = published.public_rerun_runs()
    rows = table["dataset"].isin(CLEAN) & (table["model"] != "colonformer")
    lines = [f"{rows.sum()} runs of {', '.join(CLEAN)} with ten networks.", ""]
    lines += measurements.head(
        ["two names", "runs", "agree", "sd of the difference, points of Dice"]
    )
    for a, b in TWINS:
        lines.append(measurements.row(_noise(table[rows], a, b)))
    ten = [n for n in published.public_rerun()["loss"].unique() if n != "focal"]
    pairs = [rerun_noise(table[rows], "dice", a, b) for a, b in combinations(ten, 2)]
    apart = [100 * pair.std() for pair in pairs]
    largest = 100 * max(abs(pair.mean()) for pair in pairs)
    return [
        *lines,
        "",
        f"{len(pairs)} pairs of nine different losses (the ten without focal): sd "
        f"{min(apart):.2f} to {max(apart):.2f}, median {np.median(apart):.2f}; largest "
        f"difference of two means {largest:.2f}.",
    ]


def _noise(table: pd.DataFrame, a: str, b: str) -> list[str]:
    """A row on two names of one function."""
    pair = rerun_noise(table, "dice", a, b)
    same = int((pair == 0).sum())
    return [f"{a}, {b}", str(len(pair)), str(same), f"{100 * pair.std():.2f}"]


PARTS: dict[str, tuple[str, Callable[..., list[str]]]] = {
    "noise": ("Forensics on tables of honest noise", alarms),
    "named": ("Forensics on the named tables", verdicts),
    "twins": ("The noise of running the same again", twins),
}


@click.command()
@click.option("--tables", default=200, show_default=True)
@click.option("--part", type=click.Choice(list(PARTS)), multiple=True)
def main(tables: int, part: tuple[str, ...]) -> None:
    """Measure, and append to docs/measurements.md."""
    for name in part or PARTS:
        title, make = PARTS[name]
        measurements.append(title, make(tables) if name == "noise" else make())


if __name__ == "__main__":
    main()
