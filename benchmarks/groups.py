"""How near splits of groups come to 60:20:20, and how long they take.

uv run python benchmarks/groups.py
"""

from __future__ import annotations

import time
from collections.abc import Callable

import measurements
import numpy as np

from lesionkit.splits.dealing import SHARES, deal_groups, first_deal

SEEDS = range(8)
STRUCTURES: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "15 patients of 5 to 79 images": lambda random: random.integers(5, 80, 15),
    "29 groups of 6 to 30, as CVC-ClinicDB": lambda random: random.integers(6, 31, 29),
    "7 equal groups": lambda random: np.full(7, 20),
    "one group of 70 %, 60 of 0.5 %": lambda random: np.array([700, *[5] * 60]),
    "300 groups of 1 to 19": lambda random: random.integers(1, 20, 300),
    "20,000 groups of 1 or 2": lambda random: random.integers(1, 3, 20_000),
}


def row(name: str, dealt: Callable) -> str:
    """Share of training, largest miss of a share, different splits, seconds."""
    sizes = STRUCTURES[name](np.random.default_rng(0))
    random = np.random.default_rng(1)
    named = np.repeat([f"g{i}" for i in range(len(sizes))], sizes)
    bands, order = random.integers(0, 5, len(named)), random.permutation(len(named))
    train, missed, splits = [], [], set()
    seeds = SEEDS[:2] if len(sizes) > 1000 else SEEDS
    began = time.process_time()
    for seed in seeds:
        parts = dealt(named, bands, order, seed)
        shares = np.array([len(part) for part in parts]) / len(named)
        train.append(100 * shares[0])
        missed.append(100 * np.abs(shares - SHARES).max())
        splits.add(tuple(sorted(parts[2].tolist())))
    seconds = (time.process_time() - began) / len(seeds)
    return (
        f"| {name} | {min(train):.1f} to {max(train):.1f} % | {max(missed):.2f} |"
        f" {len(splits)} of {len(seeds)} | {seconds:.3f} |"
    )


def main() -> None:
    """Print and append a table of both ways to deal groups."""
    for title, dealt in (("group", deal_groups), ("group_v1", first_deal)):
        lines = [
            "| groups | training | largest miss, per cent | different test parts |"
            " processor s |",
            "|---|---|---|---|---|",
            *(row(name, dealt) for name in STRUCTURES),
        ]
        measurements.append(f"Splits of groups: {title}", lines)


if __name__ == "__main__":
    main()
