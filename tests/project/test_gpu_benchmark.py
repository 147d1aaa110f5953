"""benchmarks/gpu.py at a tiny size, so that it does not rot."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

import pytest
import torch

from lesionkit.config import RunConfig
from lesionkit.training.execution import execution

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch):
    """The script as a module."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    for name in ("gpu", "gpu_rates", "gpu_checks"):
        monkeypatch.delitem(sys.modules, name, raising=False)
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
    plain = row | {"paper_a": 6.0, "paper_a validated": 20.0}
    given = argparse.Namespace(device="cpu", size=224, packed=[2], kinds=gpu.KINDS)
    line = gpu.line("unet", row, given)
    assert line.count("|") == len(gpu.heads(given, torch.device("cpu"))) + 1
    assert "| – |" in line
    said, one = gpu.total({"unet": row, "fcn": plain}), gpu.hours(row, 200)
    assert f"600 trainings on this device: {2 * one:.1f} hours at 200 epochs" in said
    price = 10 * gpu.hours(row, 104)
    assert f"as `paper_a` {price:.1f} at 104, 1 networks" in said
    assert gpu.line("fcn", plain, given).endswith(f" {price:.1f} |")


def test_every_way_has_the_kernels_of_the_run_that_it_stands_for(gpu) -> None:
    config_of = gpu.config_of
    paper, fast = config_of("enet", "paper_a"), config_of("enet", "paper_a_fast")
    assert paper == RunConfig(model="enet", protocol="paper_a").resolved()
    assert fast == RunConfig(model="enet", protocol="paper_a_fast").resolved()
    with execution(config_of("enet", "fp32")):
        assert torch.backends.cudnn.benchmark
    with execution(fast):
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.backends.cudnn.benchmark


def test_a_network_has_its_share_of_the_time_that_is_left(gpu, monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr(gpu.time, "monotonic", lambda: now[0])
    given = gpu.Time(100.0, 2)
    given.next_network()
    assert given.left(50) and not given.left(51)
    now[0] = 20.0  # the first took less than its share
    given.next_network()
    assert given.left(80) and not given.left(81)
    now[0] = 101.0
    assert not given.left(0.1)


def test_what_there_is_no_time_for_is_a_dash_and_not_begun(gpu, monkeypatch) -> None:
    begun = []
    monkeypatch.setattr(gpu, "ready", lambda *_, **given: begun.append(given))
    given = argparse.Namespace(ways=["fp32"], compile=False, packed=[2], size=32)
    given.kinds, given.cell = gpu.KINDS, 3.0
    given.steps, given.device, given.time = 1, "cpu", gpu.Time(0.0, 1)
    found = gpu.measure("enet", given, torch.device("cpu"))
    assert begun == []
    assert found["best"] is None
    assert set(found["rates"].values()) | set(found["packed"].values()) == {None}


def test_a_process_captures_before_the_others_are_timed(gpu, monkeypatch) -> None:
    rates, order = importlib.import_module("gpu_rates"), []

    class Barrier:
        def wait(self) -> None:
            order.append("all are ready")

    def step(*batch: object) -> None:
        order.append("step")

    bench = rates.Bench(step, torch.nn.Identity(), *torch.zeros(2, 32, 2, 2))
    monkeypatch.setattr(rates, "ready", lambda *_, **given: bench)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    found = [0.0, 0.0]
    settings = ("enet", "fp32", 32, (5, None), "cpu")
    rates.one_of_several(settings, 1, barrier=Barrier(), rates=found)
    assert order == ["step"] * 4 + ["all are ready"] + ["step"] * 5
    assert found[0] == 0 < found[1]


def test_a_rate_of_a_step_that_could_not_be_captured_is_none(gpu, monkeypatch) -> None:
    rates = importlib.import_module("gpu_rates")
    monkeypatch.setattr(torch.cuda, "Stream", lambda: None)
    monkeypatch.setattr(rates.GraphedStep, "__call__", lambda self, *batch: None)
    step = rates.GraphedStep(argparse.Namespace(optimizer=None))
    bench = rates.Bench(step, torch.nn.Identity(), *torch.zeros(2, 32, 2, 2))
    rates.warm(bench, 4, torch.device("cpu"))
    step.failed = True
    with pytest.raises(RuntimeError, match="could not be captured"):
        rates.warm(bench, 4, torch.device("cpu"))


@pytest.mark.long
def test_a_network_that_can_run_in_no_way_is_a_row_of_dashes(
    gpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **given: object) -> float:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(gpu, "ready", full)
    monkeypatch.setattr(gpu, "processes_rate", full)
    given = argparse.Namespace(ways=["fp32"], compile=False, packed=[2], size=32)
    given.kinds, given.cell = gpu.KINDS, 3.0
    given.steps, given.device, given.time = 1, "cpu", gpu.Time(100.0, 1)
    found = gpu.measure("enet", given, torch.device("cpu"))
    line = gpu.line("enet", found, given)
    assert {cell.strip() for cell in line.split("|")[2:-1]} == {"–"}
    assert line.count("|") == len(gpu.heads(given, torch.device("cpu"))) + 1
    assert "0 trainings on this device" in gpu.total({"enet": found})


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
    assert cells.count("–") == 7  # five ways that were not asked for, no peak, no price
    assert all(float(cell) > 0 for cell in cells[1:] if cell != "–")
    assert "300 trainings on this device" in page.read_text()


@pytest.mark.parametrize(
    ("way", "device", "asked", "found"),
    [
        ("paper_a", "cuda", None, False),
        ("paper_a", "cuda", True, True),
        ("paper_a_fast", "cuda", None, True),
        ("paper_a_fast", "cuda", False, False),
        ("paper_a_fast", "cpu", True, False),
    ],
)
def test_a_step_is_captured_as_asked_or_as_its_way_says(
    gpu, way: str, device: str, asked: bool | None, found: bool
) -> None:
    rates = importlib.import_module("gpu_rates")
    config = rates.config_of("enet", way)
    assert rates.captures(config, torch.device(device), asked) is found


def test_the_checks_of_a_gpu_tell_equal_steps_from_others(gpu) -> None:
    checks = importlib.import_module("gpu_checks")
    losses = [torch.tensor(float(i)) for i in range(checks.STEPS)]
    same, weight = [*losses, torch.ones(3)], torch.tensor([1.0, 1.0, 1.5])
    assert checks.compared(same, [*losses, torch.ones(3)]) == "equal"
    assert checks.compared(same, [*losses, weight]) == "1 of 9 differ"
    other = [*losses[:2], *[loss + 1 for loss in losses[2:]], weight]
    assert checks.compared(same, other) == "7 of 9 differ, from step 3"


@pytest.mark.slow
def test_the_checks_of_a_gpu_are_made_on_a_cpu_at_tiny_size(
    gpu, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    checks, page = importlib.import_module("gpu_checks"), tmp_path / "page.md"
    monkeypatch.setattr(gpu.measurements, "PAGE", page)
    begun = []
    monkeypatch.setattr(
        checks, "begun", lambda *of, **given: begun.append(of[1]) or ("1.0", "8")
    )
    checks.main("bits starts states --networks enet --size 32 --device cpu".split())
    bits, starts, states = (
        [cell.strip() for cell in x.split("|")[1:-1]]
        for x in page.read_text().splitlines()
        if x.startswith("| enet")
    )
    assert bits == ["enet", "equal", "–", "equal", "–", "–"]  # no graph on a CPU
    assert begun == ["fp32", "paper_a_fast", *["fast, compiled"] * 2]
    assert starts == ["enet", *["1.0", "8"] * 4]
    assert [states[at] for at in (4, 5, 7, 8)] == ["no", "yes", "no", "yes"]
    assert 1 < float(states[1]) < 20  # MiB: three times the weights, the generators


def test_a_state_that_changed_on_its_way_is_told(gpu) -> None:
    checks, rates = (importlib.import_module(n) for n in ("gpu_checks", "gpu_rates"))
    model = torch.nn.Linear(2, 1)
    adam = torch.optim.Adam(model.parameters())
    bench = rates.Bench(lambda *batch: None, model, *torch.zeros(2, 32, 2, 2))
    given = argparse.Namespace(at=torch.device("cpu"))

    def changing(state: dict, device: torch.device):
        wrong = {k: v + 1 for k, v in state["model"].items()}
        return lambda: state | {"model": wrong}

    assert checks.sent(bench, adam, given, checks.here)[1] is True
    assert checks.sent(bench, adam, given, changing)[1] is False


def test_a_cell_ends_after_its_seconds_and_the_host_is_not_far_ahead(
    gpu, monkeypatch
) -> None:
    rates, calls, waited = importlib.import_module("gpu_rates"), [], []

    class Event:
        def record(self, stream: object) -> None:
            self.at = len(calls)

        def synchronize(self) -> None:
            waited.append((self.at, len(calls)))

    now = iter(range(1000))  # a second a look at the clock
    monkeypatch.setattr(rates.time, "perf_counter", lambda: float(next(now)))
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    rate = rates.timed(calls.append, (500, 20.0), torch.device("cuda"))
    assert calls == list(range(20)) and rate == 20 / 22
    assert waited == [(at, at + rates.AHEAD) for at in range(1, 13)]
