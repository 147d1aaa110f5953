"""What a run imports and draws before its first step, and what it does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from lesionkit import training
from lesionkit.config import RunConfig
from lesionkit.datasets import toy
from lesionkit.prepared import preparing
from lesionkit.records import runs
from lesionkit.training import execution, experiment

SMALL = {"dataset": "tiny", "size": 32, "epochs": 1, "batch_size": 4, "model": "enet"}
HEAVY = "torch torch._dynamo torchvision timm segmentation_models_pytorch".split()


def imported_by(code: str) -> list[str]:
    """Which of HEAVY a process has after these lines."""
    code += f"\nimport sys; print([n for n in {HEAVY} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1].replace("'", '"'))


def test_a_run_of_the_kits_own_network_imports_torch_and_no_more(tiny: str) -> None:
    code = (
        "import lesionkit as lk\n"
        f"config = lk.RunConfig(**{SMALL}, save_seconds=0)\n"
        "record = lk.run(config, progress=False)\n"
        "print(record.metrics['epochs'])"
    )
    assert imported_by(code) == ["torch"]
    again = (
        "import lesionkit as lk\n"
        "from lesionkit import figures\n"
        "from lesionkit.figures import runs\n"
        f"record = lk.run(lk.RunConfig(**{SMALL}, save_seconds=0))\n"
        "assert record.metrics['epochs'] == 1\n"
        "lk.data_of(record)\n"
    )
    assert imported_by(again) == []


@pytest.mark.parametrize(("given", "found"), [(None, "passive"), ("active", "active")])
def test_threads_sleep_while_they_wait_unless_one_says_otherwise(given, found) -> None:
    left = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    code = "import lesionkit, os; print(os.environ['OMP_WAIT_POLICY'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=left | ({"OMP_WAIT_POLICY": given} if given else {}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == found


def test_a_finished_run_is_found_and_a_changed_one_refused(tiny: str) -> None:
    config = RunConfig(**SMALL)
    assert runs.found_finished(config) is None
    record = experiment.run(config, progress=False)
    assert training.run(config) == record == experiment.run(config)
    (record.folder / "images.csv").write_text("")
    for way in (training, experiment):
        with pytest.raises(ValueError, match="to train this run again, move"):
            way.run(config)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_the_optimisers_have_the_bits_and_the_state_of_torchs(name: str) -> None:
    torchs = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
    kept = []
    for kind in (execution.optimizer_class(name), torchs):
        torch.manual_seed(5)
        model = torch.nn.Linear(7, 3)
        step = kind(model.parameters(), lr=0.02, weight_decay=0.1, fused=True)
        for _ in range(5):
            step.zero_grad(set_to_none=True)
            model(torch.randn(4, 7)).square().sum().backward()
            step.step()
        kept.append((model.weight.detach(), step.state_dict()))
        assert model.weight.grad is not None and not model.weight.grad_fn
    (ours, state), (theirs, expected) = kept
    assert torch.equal(ours, theirs)
    assert state["param_groups"] == expected["param_groups"]
    for place, moments in expected["state"].items():
        for moment, value in moments.items():
            assert torch.equal(state["state"][place][moment], value)
    other = torchs(torch.nn.Linear(7, 3).parameters(), lr=0.1, fused=True)
    other.load_state_dict(state)
    assert isinstance(step, torch.optim.Adam)


@pytest.fixture
def few(data_home, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Which toy images were drawn, of a set of four; they draw quickly."""
    drawn: list[tuple[str, int]] = []
    some = lambda raw=None: [toy.ToySample("skin", n) for n in (0, 1, 2, 13)]  # noqa: E731
    real = toy.ToySample._draw

    def draw(sample: toy.ToySample) -> tuple[np.ndarray, np.ndarray]:
        drawn.append((sample.look, sample.number))
        return real(sample)

    monkeypatch.setattr(toy, "samples", some)
    monkeypatch.setattr(toy.ToySample, "_draw", draw)
    return drawn


def test_the_toy_set_is_drawn_once_and_never_again(few) -> None:
    first = preparing.open_data("toy", 32)
    assert sorted(few) == [("skin", n) for n in (0, 1, 2, 13)]
    again = preparing.open_data("toy", 32)
    assert len(few) == 4
    assert again.manifest == first.manifest
    assert np.array_equal(again.images, first.images)


def test_a_toy_set_of_other_code_is_compared_once_and_kept(
    few, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = preparing.open_data("toy", 32)
    monkeypatch.setattr(preparing, "drawn_by", lambda: "another")
    again = preparing.open_data("toy", 32)
    assert len(few) == 8  # compared
    assert again.manifest["sha256"] == first.manifest["sha256"]
    preparing.open_data("toy", 32)
    assert len(few) == 8


def test_a_toy_set_that_is_drawn_otherwise_now_is_made_again(
    few, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = preparing.open_data("toy", 32)
    monkeypatch.setattr(preparing, "drawn_by", lambda: "another")
    real = toy.ToySample._draw
    inverted = lambda sample: (255 - real(sample)[0], real(sample)[1])  # noqa: E731
    monkeypatch.setattr(toy.ToySample, "_draw", inverted)
    again = preparing.open_data("toy", 32)
    assert again.fingerprint != first.fingerprint
    assert again.images[0].mean() == pytest.approx(255 - first.images[0].mean(), abs=1)


def test_the_digest_is_of_code_and_library_versions(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    mine = preparing.drawn_by.__wrapped__()
    assert mine == preparing.drawn_by() and len(mine) == 16
    fake = ModuleType("datasets")
    fake.__file__ = str(tmp_path / "__init__.py")
    monkeypatch.setattr(preparing, "datasets", fake)
    (tmp_path / "toy.py").write_text("one")
    one = preparing.drawn_by.__wrapped__()
    (tmp_path / "toy.py").write_text("two")
    assert preparing.drawn_by.__wrapped__() != one
    (tmp_path / "toy.py").write_text("one")
    monkeypatch.setattr(preparing, "distributions", lambda name: iter(()))
    assert preparing.drawn_by.__wrapped__() != one
