"""benchmarks/gpu.py at a tiny size, so that it does not rot."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch):
    """The script as a module."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.delitem(sys.modules, "gpu", raising=False)
    return importlib.import_module("gpu")


@pytest.mark.long
def test_hours_are_images_over_rates_times_the_runs(gpu) -> None:
    found = {"trained": 60.0, "validated": 200.0}
    # 6118 images: 0.6 / 60 + 0.2 / 200 seconds each, 50 runs, 200 epochs
    assert gpu.hours(found, 200) == pytest.approx(6118 * 0.011 * 50 * 200 / 3600)


@pytest.mark.long
def test_the_study_is_twelve_networks_of_300_trainings(gpu) -> None:
    assert sum(gpu.IMAGES.values()) == 6118  # as performance of the study is modelled
    assert 12 * gpu.RUNS * len(gpu.IMAGES) == 3600


@pytest.mark.long
def test_a_sum_over_networks_stands_below_the_table(gpu) -> None:
    rates = dict.fromkeys(gpu.WAYS, 10.0)
    row = {"rates": rates, "packed": {"2 processes": None}, "best": "bf16"}
    row |= {"memory": 2**30, "trained": 60.0, "validated": 200.0, "solo": 10.0}
    given = argparse.Namespace(device="cpu", size=224)
    lines = gpu.table({"unet": row, "fcn": row}, given)
    one = gpu.hours(row, 200)
    assert (
        f"600 trainings on this device: {2 * one:.1f} hours at 200 epochs" in lines[-1]
    )
    assert lines[2].count("|") == lines[0].count("|") == lines[1].count("|")
    assert "| – |" in lines[2]


@pytest.mark.long
def test_a_network_that_can_run_in_no_way_is_a_row_of_dashes(
    gpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> float:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(gpu, "ready", lambda *_, **given: None)
    monkeypatch.setattr(gpu, "steps_rate", full)
    given = argparse.Namespace(ways=["fp32"], compile=False, packed=[2], size=32)
    given.steps, given.device = 1, "cpu"
    found = gpu.measure("enet", given, torch.device("cpu"))
    lines = gpu.table({"enet": found}, given)
    assert {cell.strip() for cell in lines[2].split("|")[2:-1]} == {"–"}
    assert lines[2].count("|") == lines[0].count("|")
    assert "0 trainings on this device" in lines[-1]


@pytest.mark.slow
def test_the_table_is_made_on_a_cpu_at_tiny_size(
    gpu, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    monkeypatch.setattr(gpu.measurements, "PAGE", page)
    tiny = (
        "--networks enet --size 32 --steps 2 --packed 2 --ways fp32 bf16 --device cpu"
    )
    gpu.main(tiny.split())
    row = next(x for x in page.read_text().splitlines() if x.startswith("| enet"))
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert cells.count("–") == 6  # five ways that were not asked for, and no peak
    assert all(float(cell) > 0 for cell in cells[1:] if cell != "–")
    assert "300 trainings on this device" in page.read_text()
