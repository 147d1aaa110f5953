"""Other processes: whether they are there, and waiting for what they do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import psutil
import pytest


def comes(true: Callable[[], object], seconds: float = 120.0) -> bool:
    """Whether something comes true in time; a busy machine is given some."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if true():
            return True
        time.sleep(0.05)
    return False


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def children() -> set[int]:
    """Processes that this one started, zombies too."""
    return {child.pid for child in psutil.Process().children(recursive=True)}


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No test leaves a worker or a zombie behind."""
    before = children()
    yield
    assert children() <= before
