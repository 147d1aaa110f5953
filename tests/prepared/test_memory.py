"""Free memory is what is free, of the machine and of the container."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from lesionkit.prepared import memory as room
from lesionkit.prepared.memory import memory

GIB = 1 << 30
V1_NONE = 9223372036854771712  # what version 1 says of a group without a limit


@pytest.fixture
def machine(monkeypatch, tmp_path) -> Path:
    """A machine of 64 GiB with 40 free, whose control groups a test writes."""
    monkeypatch.setattr(room, "ROOT", tmp_path / "cgroup")
    monkeypatch.setattr(room, "MINE", tmp_path / "mine")
    found = SimpleNamespace(total=64 * GIB, available=40 * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: found)
    (tmp_path / "mine").write_text("0::/\n")
    (tmp_path / "cgroup").mkdir()
    return tmp_path


def group(folder: Path, limit: object, used: int, idle: int = 0, v1: bool = False):
    """The files of one control group."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    names = names if v1 else ("memory.max", "memory.current", "inactive_file")
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 17\n{names[2]} {idle}\n")


def gib(found) -> tuple[float, float]:
    """Total and free in GiB."""
    return found.total / GIB, found.free / GIB


def test_without_a_limit_the_machine_counts(machine: Path) -> None:
    assert gib(memory()) == (64, 40)
    group(machine / "cgroup", "max", 3 * GIB)
    assert gib(memory()) == (64, 40)


def test_in_a_container_what_it_has_left_counts(machine: Path) -> None:
    group(machine / "cgroup", 8 * GIB, 6 * GIB)
    assert gib(memory()) == (8, 2)


def test_pages_of_files_that_nobody_uses_are_free(machine: Path) -> None:
    group(machine / "cgroup", 8 * GIB, 6 * GIB, idle=3 * GIB)
    assert gib(memory()) == (8, 5)


def test_a_group_that_is_over_its_limit_has_nothing_left(machine: Path) -> None:
    group(machine / "cgroup", 8 * GIB, 9 * GIB)
    assert gib(memory()) == (8, 0)


def test_a_machine_with_less_than_the_limit_has_no_more_than_it_has(machine) -> None:
    group(machine / "cgroup", 50 * GIB, GIB)
    assert gib(memory()) == (50, 40)


def test_the_limit_of_a_group_above_counts(machine: Path) -> None:
    (machine / "mine").write_text("0::/job/step\n")
    group(machine / "cgroup/job", 4 * GIB, 3 * GIB)
    group(machine / "cgroup/job/step", "max", GIB)
    assert gib(memory()) == (4, 1)


def test_the_limits_of_version_1_count(machine: Path) -> None:
    (machine / "mine").write_text("7:cpu,cpuacct:/x\n5:memory:/job\n0::/\n")
    group(machine / "cgroup/memory", V1_NONE, 20 * GIB, v1=True)
    group(machine / "cgroup/memory/job", 16 * GIB, 15 * GIB, 5 * GIB, v1=True)
    assert gib(memory()) == (16, 6)


def test_a_container_of_version_1_sees_its_group_at_the_root(machine: Path) -> None:
    (machine / "mine").write_text("5:memory:/docker/0123abcd\n")
    group(machine / "cgroup/memory", 2 * GIB, GIB, v1=True)
    assert gib(memory()) == (2, 1)


def test_where_there_are_no_groups_the_machine_counts(machine: Path) -> None:
    (machine / "mine").unlink()
    assert gib(memory()) == (64, 40)


def test_here_less_is_free_than_there_is() -> None:
    found = memory()
    assert 0 < found.free < found.total <= psutil.virtual_memory().total
