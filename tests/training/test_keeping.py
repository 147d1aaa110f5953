"""States to disk beside the training: when, at what cost, and whole."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
import torch

from lesionkit.training import checkpoint, session
from lesionkit.training.session import Keeper


class Clock:
    """Stands for the time module; sleeping is advancing."""

    def __init__(self) -> None:
        self.now, self.thread = 100.0, 0.0

    def monotonic(self) -> float:
        return self.now

    def thread_time(self) -> float:
        return self.thread


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(session, "time", made)
    return made


def test_a_state_is_due_after_the_seconds_asked_for(clock: Clock) -> None:
    keeper = Keeper(lambda content: None, every_seconds=30)
    clock.now += 29
    assert not keeper.due()
    clock.now += 2
    assert keeper.due()


def test_a_state_that_took_two_seconds_is_followed_by_one_a_hundred_later(
    clock: Clock,
) -> None:
    def capture() -> dict:
        clock.now += 0.5  # training waits
        return {}

    def store(content: memoryview) -> None:
        clock.thread += 1.5  # beside it

    keeper = Keeper(store, every_seconds=30)
    keeper.keep(capture)
    keeper.close()
    clock.now += 99
    assert not keeper.due()
    clock.now += 2
    assert keeper.due()
    assert keeper.facts()["state_seconds"] == 2.0


def test_the_first_large_state_keeps_to_its_share_too(clock: Clock) -> None:
    # 400 MB at 5 ns a byte are 2 seconds, 2 % of 100
    keeper = Keeper(lambda content: None, every_seconds=30, expected_bytes=400_000_000)
    clock.now += 99
    assert not keeper.due()
    clock.now += 2
    assert keeper.due()


def test_beside_a_gpu_only_the_wait_counts(clock: Clock) -> None:
    def store(content: memoryview) -> None:
        clock.thread += 50

    keeper = Keeper(store, every_seconds=30, counts_thread=False)
    keeper.keep(dict)
    keeper.close()
    clock.now += 31
    assert keeper.due()


def test_storing_does_not_hold_up_the_training() -> None:
    done, go = [], threading.Event()

    def store(content: memoryview) -> None:
        go.wait(10)
        done.append(checkpoint.unpack(content))

    keeper = Keeper(store, every_seconds=1e-9)
    keeper.keep(lambda: {"epoch": 1})
    assert done == []
    assert not keeper.due()  # one is under way
    go.set()
    keeper.close()
    assert done == [{"epoch": 1}]
    assert keeper.facts()["states_stored"] == 1


def test_zero_seconds_stores_before_the_next_epoch_begins() -> None:
    done = []
    keeper = Keeper(lambda content: done.append(bytes(content)), every_seconds=0)
    assert keeper.due()
    keeper.keep(lambda: {"epoch": 1})
    assert len(done) == 1
    assert keeper.facts()["state_bytes"] == len(done[0])
    assert keeper.due()


def test_a_state_leaves_in_the_thread_after_it_was_noted_in_the_training() -> None:
    where = []

    def leaving(state: dict) -> Callable[[], dict]:
        where.append(threading.current_thread().name)

        def leave() -> dict:
            where.append(threading.current_thread().name)
            return state | {"left": 1}

        return leave

    done = []
    keeper = Keeper(
        lambda content: done.append(checkpoint.unpack(content)),
        every_seconds=30,
        leaving=leaving,
    )
    keeper.keep(lambda: {"epoch": 3})
    keeper.close()
    assert done == [{"epoch": 3, "left": 1}]
    assert where[0] == threading.current_thread().name != where[1]


def test_training_that_goes_on_does_not_change_a_captured_state() -> None:
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=1.0)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    state = checkpoint.capture(model, optimizer, {"history": [{"epoch": 1}]})
    before = bytes(checkpoint.pack(state))
    optimizer.step()
    assert bytes(checkpoint.pack(state)) == before


def test_a_full_disk_is_told_in_one_line_and_training_goes_on(capsys) -> None:
    def store(content: memoryview) -> None:
        raise OSError(28, "No space left on device")

    keeper = Keeper(store, every_seconds=0)
    keeper.keep(dict)
    keeper.keep(dict)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert all("No space left on device" in line for line in told)
    assert keeper.facts()["states_stored"] == 0


def test_the_cost_of_a_real_state_is_measured() -> None:
    keeper = Keeper(lambda content: time.sleep(0.05), every_seconds=1e-9)
    keeper.keep(lambda: {"weights": torch.zeros(1_000_000)})
    keeper.close()
    assert 0 < keeper.facts()["state_seconds"] < 0.05  # a thread that sleeps costs none
    assert keeper.facts()["state_bytes"] > 4_000_000
