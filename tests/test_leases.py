"""Leases: one holder at a time, and what comes of those who die, sleep or race."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from test_engines import comes

from lesionkit.engines import leases
from lesionkit.engines.leases import Held, Lost, lease

# Holds a lease until it is told otherwise; says when it has it and how it ended.
HOLDER = """
import sys, time
from pathlib import Path
from lesionkit.engines.leases import Lost, lease
try:
    with lease(Path(sys.argv[1]), float(sys.argv[2])):
        print("held", flush=True)
        time.sleep(60)
except Lost:
    print("lost", flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a lease"


@pytest.fixture
def holder(path: Path) -> Iterator[Callable[[float], subprocess.Popen]]:
    """Starts another process and waits until it holds the lease."""
    started = []

    def start(seconds: float) -> subprocess.Popen:
        command = [sys.executable, "-c", HOLDER, str(path), str(seconds)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert started[-1].stdout.readline() == "held\n"
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.communicate()


def taken(path: Path, seconds: float) -> bool:
    """Whether the lease is to be had now."""
    try:
        with lease(path, seconds):
            return True
    except BlockingIOError:
        return False


def test_a_lease_is_free_again_after_its_block(path: Path) -> None:
    with lease(path):
        assert not taken(path, 120)
    assert taken(path, 120)


def test_a_lease_is_free_again_after_an_error_in_its_block(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), lease(path):
        1 / 0  # noqa: B018
    assert taken(path, 120)


def test_a_lease_tells_who_holds_it(path: Path) -> None:
    who = f"is held by task 7, process {os.getpid()} on "
    with lease(path, owner="task 7,"), pytest.raises(Held, match=who), lease(path):
        pass


def test_a_living_process_keeps_its_lease_however_long_another_waits(
    path: Path, holder
) -> None:
    holder(1.0)
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        assert not taken(path, 1.0)
        time.sleep(0.02)


def test_a_sign_of_life_is_told_to_those_who_look_twice(path: Path, holder) -> None:
    holder(1.0)
    with pytest.raises(Held) as first, lease(path, 1.0):
        pass
    time.sleep(0.5)
    with pytest.raises(Held) as second, lease(path, 1.0):
        pass
    assert (first.value.alive, second.value.alive) == (False, True)


def test_a_lease_whose_holder_was_killed_is_taken_over_after_the_time(
    path: Path, holder
) -> None:
    killed = holder(1.0)
    killed.kill()
    killed.wait()
    began = time.monotonic()
    assert not taken(path, 1.0)
    assert comes(lambda: taken(path, 1.0), 10)
    assert time.monotonic() - began >= 1.0


def test_a_file_whose_maker_died_before_writing_is_taken_over(path: Path) -> None:
    path.mkdir()
    (path / "0").touch()
    assert not taken(path, 0.3)
    time.sleep(0.4)
    assert taken(path, 0.3)


def test_a_paused_holder_that_comes_back_is_stopped(path: Path, holder) -> None:
    paused = holder(0.5)
    paused.send_signal(signal.SIGSTOP)
    assert not taken(path, 0.5)
    time.sleep(0.7)
    with lease(path, 0.5):
        paused.send_signal(signal.SIGCONT)
        assert paused.communicate(timeout=20)[0] == "lost\n"
        assert not taken(path, 0.5)  # what the other did at its end freed nothing


def test_a_holder_that_lost_its_lease_says_so(path: Path) -> None:
    with pytest.raises(Lost, match="was taken over"), lease(path, 0.2):
        (path / "1").write_text("of another")
        time.sleep(20)


def test_ctrl_c_in_the_block_stays_ctrl_c(path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), lease(path):
        signal.raise_signal(signal.SIGINT)
    assert taken(path, 120)


def test_a_clock_that_jumps_takes_no_lease_and_frees_none(
    path: Path, holder, monkeypatch
) -> None:
    living = holder(2.0)
    for jump in (1e6, -1e6, 3600, -3600):
        monkeypatch.setattr(time, "time", lambda jump=jump: 1.8e9 + jump)
        assert not taken(path, 2.0)
    living.kill()
    living.wait()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert comes(lambda: taken(path, 2.0), 20)


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


def test_a_taker_that_judged_an_older_holder_takes_nothing(
    path: Path, monkeypatch
) -> None:
    path.mkdir()
    (path / "0").write_bytes(leases.FREE)
    late = os.listdir(path)
    with lease(path):
        monkeypatch.setattr(os, "listdir", lambda _: late)  # as a stale cache has it
        assert not taken(path, 120)


def test_a_cleared_lease_leaves_nothing(path: Path) -> None:
    with lease(path):
        pass
    leases.clear(path)
    assert not path.exists()
    assert taken(path, 120)
