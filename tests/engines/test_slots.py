"""Slots: how GPUs are found, and how runs share them and the cores."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from patience import nothing_is_left as nothing_is_left

from lesionkit.config import RunConfig
from lesionkit.engines import local

TWO_GPUS = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-ab4de6ff)
"""
CUT_UP = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6)
  MIG 3g.20gb     Device  0: (UUID: MIG-c7384736)
  MIG 3g.20gb     Device  1: (UUID: MIG-a28ad590)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-ab4de6ff)
"""


def test_a_gpu_is_known_by_its_uuid_and_one_cut_up_by_its_parts() -> None:
    assert local.listed(TWO_GPUS) == ["GPU-5d5ba0d6", "GPU-ab4de6ff"]
    assert local.listed(CUT_UP) == ["MIG-c7384736", "MIG-a28ad590", "GPU-ab4de6ff"]
    assert local.listed("No devices were found\n") == []


@pytest.mark.parametrize(
    ("visible", "names"), [("2, 5", ["2", "5"]), ("", []), ("-1", [])]
)
def test_gpus_given_by_the_environment_are_taken_as_given(
    monkeypatch, visible: str, names: list[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert local.gpus_for([RunConfig()]) == names


def test_gpus_are_asked_of_nvidia_smi(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{TWO_GPUS}END\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert local.gpus_for([RunConfig()]) == ["GPU-5d5ba0d6", "GPU-ab4de6ff"]
    program.write_text("#!/bin/sh\nexit 9\n")
    assert local.gpus_for([RunConfig()]) == []


@pytest.mark.parametrize(
    ("gpus", "asked", "given"),
    [
        ([], {}, {None: 1}),
        ([], {"slots": 3}, {None: 3}),
        (["a", "b"], {}, {"a": 1, "b": 1}),
        (["a", "b"], {"slots_per_gpu": 2}, {"a": 2, "b": 2}),
        (["a", "b"], {"slots": 3}, {"a": 2, "b": 1}),
        (["a", "b"], {"at_most": 1}, {"a": 1}),
        (["a", "b"], {"at_most": 0}, {"a": 1}),
    ],
)
def test_slots_are_spread_over_the_gpus(gpus, asked: dict, given: dict) -> None:
    asked = {"at_most": 9, "slots": None, "slots_per_gpu": 1} | asked
    places = local.environments(gpus, **asked)
    assert Counter(p.get("CUDA_VISIBLE_DEVICES") for p in places) == given


def test_slots_share_the_cores_unless_the_user_says_how(monkeypatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(local, "cores", lambda: 8)

    def threads(count: int) -> list[str | None]:
        places = local.environments([], at_most=9, slots=count, slots_per_gpu=1)
        return [place.get("OMP_NUM_THREADS") for place in places]

    assert threads(1) == [None]  # all of them, as without a pool
    assert threads(3) == ["2"] * 3
    assert threads(9) == ["1"] * 9
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert threads(3) == [None] * 3
