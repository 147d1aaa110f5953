"""Waiting for what another process does."""

from __future__ import annotations

import time
from collections.abc import Callable


def comes(true: Callable[[], object], seconds: float = 120.0) -> bool:
    """Whether something comes true in time; a busy machine is given some."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if true():
            return True
        time.sleep(0.05)
    return False
