"""What a resume needs: whole, exact, and refused when a byte is wrong."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn

from lesionkit.training import checkpoint


def drawn() -> tuple[float, float, float]:
    """A number from each generator."""
    return random.random(), float(np.random.rand()), torch.rand(1).item()  # noqa: NPY002


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
