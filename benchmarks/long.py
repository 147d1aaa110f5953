"""Run the tests marked `long` and note what passed and what each took.

uv run python benchmarks/long.py                     # all of them, half an hour
uv run python benchmarks/long.py --log A.log B.log   # logs of `pytest -v --durations=0`
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import measurements


def run() -> str:
    """What pytest prints of the long tests."""
    command = [sys.executable, "-m", "pytest", "-m", "long", "-v", "--durations=0"]
    done = subprocess.run(
        command, cwd=measurements.ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout


def lines_of(log: str) -> list[str]:
    """A line a test: its outcome and the seconds of its call."""
    outcomes = dict(
        re.findall(r"^(tests/\S+::\S+).*?(PASSED|FAILED|SKIPPED)", log, re.M)
    )
    outcomes |= dict.fromkeys(re.findall(r"^FAILED (\S+)", log, re.M), "FAILED")
    took = {test: s for s, test in re.findall(r"^([\d.]+)s call +(\S+)", log, re.M)}
    return [
        f"| {test.split('::')[-1]} | {outcome.lower()} | {took.get(test, '')} |"
        for test, outcome in outcomes.items()
    ]


def main() -> None:
    """A row a test."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", nargs="*", type=Path)
    options = parser.parse_args()
    logs = [path.read_text() for path in options.log or []] or [run()]
    rows = [row for log in logs for row in lines_of(log)]
    table = ["| test | outcome | seconds |", "|---|---|---|", *rows]
    measurements.append("Long tests", table)


if __name__ == "__main__":
    main()
