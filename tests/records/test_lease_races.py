"""Of those who take a lease at once, one has it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from lesionkit.records import leases
from lesionkit.records.leases import lease


def race(path: Path, seconds: float, takers: int = 2) -> list[str]:
    """What comes of takers that start at once, the winner still holding."""
    found, start, end = [], threading.Barrier(takers), threading.Barrier(takers)

    def take() -> None:
        start.wait()
        try:
            with lease(path, seconds):
                found.append("won")
                end.wait()
        except BlockingIOError:
            found.append("held")
            end.wait()

    threads = [threading.Thread(target=take) for _ in range(takers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(found)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["free", "new", "stale"])
def test_of_two_takers_at_once_exactly_one_wins(tmp_path: Path, kind: str) -> None:
    results = []
    for i in range(50):
        path = tmp_path / str(i)
        if kind != "new":
            path.mkdir()
            (path / "0").write_bytes({"free": leases.FREE, "stale": b"gone"}[kind])
        if kind == "stale":  # seen a long time ago
            leases._looks[path] = leases.Look(0, b"gone", time.monotonic() - 1000)
        results.append(race(path, 120))
    assert results == [["held", "won"]] * 50
