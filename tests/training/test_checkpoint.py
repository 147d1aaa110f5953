"""What a resume needs: whole, exact, and refused when a byte is wrong."""

from __future__ import annotations

import random
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn

from lesionkit.training import checkpoint


def drawn() -> tuple[float, float, float]:
    """A number from each generator."""
    return random.random(), float(np.random.rand()), torch.rand(1).item()  # noqa: NPY002


def test_one_seed_starts_every_generator() -> None:
    checkpoint.seed_everything(5)
    first = drawn()
    drawn()
    checkpoint.seed_everything(5)
    assert drawn() == first
    checkpoint.seed_everything(6)
    assert all(a != b for a, b in zip(drawn(), first, strict=True))
    checkpoint.seed_everything(2**32 + 5)  # numpy takes no more than 32 bits
    assert drawn()[1] == first[1]


def test_restored_generators_draw_the_same_numbers_again() -> None:
    checkpoint.seed_everything(5)
    random.gauss(0, 1)
    np.random.normal()  # noqa: NPY002 - leaves a second value waiting
    states = checkpoint.unpack(checkpoint.pack(checkpoint.random_states()))
    first = drawn()
    drawn()
    checkpoint.restore_random_states(states)
    assert drawn() == first


def test_the_waiting_gauss_values_are_restored_too() -> None:
    checkpoint.seed_everything(5)
    random.gauss(0, 1), np.random.normal()  # noqa: NPY002
    states = checkpoint.random_states()
    first = random.gauss(0, 1), np.random.normal()  # noqa: NPY002
    checkpoint.restore_random_states(states)
    assert (random.gauss(0, 1), np.random.normal()) == first  # noqa: NPY002


class Cards:
    """Stands for torch.cuda with some GPUs, each with a generator's state."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
        self.states = [torch.tensor([10 + i]) for i in range(count)]
        for name in ("get_rng_state", "set_rng_state"):
            monkeypatch.setattr(torch.cuda, name, getattr(self, name))
        monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

    def get_rng_state(self, device: torch.device) -> torch.Tensor:
        return self.states[device.index or 0].clone()

    def set_rng_state(self, state: torch.Tensor, device: torch.device) -> None:
        self.states[device.index or 0] = state

    def numbers(self) -> list[int]:
        return [int(state) for state in self.states]


def test_of_the_gpus_the_runs_own_is_stored_alone(monkeypatch) -> None:
    Cards(monkeypatch, 4)
    states = checkpoint.random_states(torch.device("cuda", 2))
    assert [int(state) for state in states["cuda"]] == [12]
    assert checkpoint.random_states()["cuda"] == []


def test_a_run_goes_on_with_fewer_gpus_in_sight(monkeypatch) -> None:
    Cards(monkeypatch, 4)
    states = checkpoint.random_states(torch.device("cuda", 2))
    cards = Cards(monkeypatch, 1)
    checkpoint.restore_random_states(states, torch.device("cuda"))
    assert cards.numbers() == [12]


@pytest.mark.parametrize(("number", "expected"), [(0, 20), (1, 21), (3, 20)])
def test_an_older_state_of_every_gpu_gives_that_of_the_same_number(
    monkeypatch, number: int, expected: int
) -> None:
    cards = Cards(monkeypatch, 4)
    every = [torch.tensor([20]), torch.tensor([21])]
    states = checkpoint.random_states() | {"cuda": every}
    checkpoint.restore_random_states(states, torch.device("cuda", number))
    others = [10, 11, 12, 13]
    others[number] = expected
    assert cards.numbers() == others


def test_on_a_cpu_the_state_of_a_gpu_is_left_alone(monkeypatch) -> None:
    cards = Cards(monkeypatch, 1)
    states = checkpoint.random_states(torch.device("cuda"))
    cards.states = [torch.tensor([5])]
    checkpoint.restore_random_states(states)
    assert cards.numbers() == [5]


def test_the_generator_of_apples_gpu_is_stored_and_restored(monkeypatch) -> None:
    told = []
    monkeypatch.setattr(torch.mps, "get_rng_state", lambda: torch.tensor([7]))
    monkeypatch.setattr(torch.mps, "set_rng_state", told.append)
    device = torch.device("mps")
    states = checkpoint.unpack(checkpoint.pack(checkpoint.random_states(device)))
    checkpoint.restore_random_states(states, device)
    assert told == [torch.tensor([7])]


def test_a_state_leaves_a_gpu_on_a_stream_of_its_own(monkeypatch) -> None:
    said = []

    class Event:
        def record(self) -> None:
            said.append("captured")

    class Stream:
        def __init__(self, device: torch.device) -> None:
            said.append(f"stream on {device}")

        def wait_event(self, event: Event) -> None:
            said.append("waits for what was captured")

        def synchronize(self) -> None:
            said.append("all is there")

    @contextmanager
    def stream(chosen: Stream):
        said.append("enter")
        yield
        said.append("leave")

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", stream)
    state = {"weights": torch.arange(3.0), "epoch": 2}
    leave = checkpoint.leaving(state, torch.device("cuda"))
    assert said == ["captured"]
    there = leave()
    assert said[1:] == [
        "stream on cuda",
        "waits for what was captured",
        "enter",
        "leave",
        "all is there",
    ]
    assert torch.equal(there["weights"], state["weights"]) and there["epoch"] == 2


def test_on_a_cpu_a_state_is_packed_where_it_is() -> None:
    state = {"weights": torch.arange(3.0)}
    assert checkpoint.leaving(state, torch.device("cpu"))() is state


@pytest.mark.parametrize("place", [0, 30, 90, -1, -200])
def test_a_flipped_byte_is_noticed(place: int) -> None:
    content = bytearray(checkpoint.pack({"weights": torch.arange(100.0)}))
    content[place] ^= 1
    with pytest.raises(ValueError, match="damaged"):
        checkpoint.unpack(bytes(content))


@pytest.mark.parametrize("length", [0, 10, 60, 500])
def test_a_cut_state_is_noticed(length: int) -> None:
    content = checkpoint.pack({"weights": torch.arange(100.0)})
    with pytest.raises(ValueError, match="damaged"):
        checkpoint.unpack(content[:length])


def test_a_captured_model_and_optimizer_come_back_with_their_progress() -> None:
    torch.manual_seed(0)
    model, twin = nn.Linear(3, 1), nn.Linear(3, 1)
    optimizer = torch.optim.Adam(model.parameters())
    other = torch.optim.Adam(twin.parameters())
    model(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    content = checkpoint.pack(checkpoint.capture(model, optimizer, {"epoch": 7}))
    assert checkpoint.restore(content, twin, other) == {"epoch": 7}
    assert torch.equal(twin.weight, model.weight)
    moment = other.state_dict()["state"][0]["exp_avg"]
    assert torch.equal(moment, optimizer.state_dict()["state"][0]["exp_avg"])
