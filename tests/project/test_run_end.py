"""benchmarks/run_end.py on few images, so that it does not rot."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest


@pytest.mark.slow
def test_memory_and_average_precision_of_a_part_are_told(
    script: Callable[[str], ModuleType],
) -> None:
    end = script("run_end")
    cells = [cell.strip() for cell in end.row(8, end.measurements.ROOT).split("|")]
    _, images, megabytes, milliseconds, precision, bounds, _ = cells
    low, high = map(float, bounds.split(" to "))
    assert images == "8" and float(megabytes) < 500 and float(milliseconds) > 0
    assert low <= float(precision) <= high
