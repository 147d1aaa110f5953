"""How long `lesionkit rank` takes on a table of 11,220 runs beyond its imports.

uv run python benchmarks/ranking.py

Commands run in processes of their own, in turns, and the medians are compared: one
that only imports pandas and scipy.stats, and the ranking from file to last line.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import measurements
import numpy as np
import pandas as pd

from lesionkit import published

TURNS = 7
LOSSES = 34  # the raw table of the re-run: 6 x 11 x 34 x 5 = 11,220 runs
COMMANDS = {
    "import pandas, scipy.stats": ["-c", "import pandas, scipy.stats"],
    "load_table alone": [
        "-c",
        "import sys, lesionkit as lk; lk.load_table(sys.argv[1])",
    ],
    "lesionkit rank": ["-m", "lesionkit.cli", "rank"],
    "lesionkit rank --pairs": ["-m", "lesionkit.cli", "rank", "--pairs"],
    "lesionkit claims": ["-m", "lesionkit.cli", "claims"],
}


def made_runs(seed: int = 0) -> pd.DataFrame:
    """Runs with the means and deviations of the re-run's cells, under more losses."""
    random = np.random.default_rng(seed)
    cells = published.public_rerun()
    names = [*cells["loss"].unique(), *(f"other{i}" for i in range(LOSSES - 10))]
    parts = []
    for i, name in enumerate(names):
        alike = cells[cells["loss"] == cells["loss"].unique()[i % 10]]
        for repeat in range(5):
            scores = {
                metric: np.clip(
                    random.normal(alike[metric], alike[f"{metric}_sd"]), 0, 1
                )
                for metric in ("dice", "iou", "precision", "recall")
            }
            rows = alike[["dataset", "model"]].assign(
                loss=name, repeat=repeat, **scores
            )
            parts.append(rows)
    return pd.concat(parts, ignore_index=True)


def seconds(arguments: list[str]) -> float:
    """Wall time of a process."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return time.perf_counter() - began


def in_this_process(path: Path) -> float:
    """Seconds of load_table once pandas is there."""
    from lesionkit.tables import load_table

    began = time.perf_counter()
    load_table(path)
    return time.perf_counter() - began


def main() -> None:
    """Take turns, compare medians."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.csv"
        table = made_runs()
        table.to_csv(path, index=False)
        taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
        for _ in range(TURNS):
            for name, command in COMMANDS.items():
                needs_path = name != "import pandas, scipy.stats"
                taken[name].append(seconds([*command, *([str(path)] * needs_path)]))
        loading = min(in_this_process(path) for _ in range(TURNS))
    middle = {name: statistics.median(times) for name, times in taken.items()}
    base = middle["import pandas, scipy.stats"]
    lines = [f"{len(table)} runs of {LOSSES} losses; medians of {TURNS} turns.", ""]
    lines += ["| command | seconds | beyond the imports |", "|---|---|---|"]
    lines += [f"| {n} | {t:.2f} | {t - base:+.2f} |" for n, t in middle.items()]
    lines += ["", f"load_table in a warm process: {loading:.3f} s (best of {TURNS})."]
    measurements.append("Ranking a table of 11,220 runs", lines)


if __name__ == "__main__":
    main()
