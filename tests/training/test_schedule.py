"""The learning rate of each step."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from lesionkit.config import RunConfig
from lesionkit.training.experiment import run
from lesionkit.training.schedule import Schedule


def adam(learning_rate: float = 0.1) -> torch.optim.Optimizer:
    """An optimiser of two numbers."""
    weights = nn.Parameter(torch.ones(2))
    return torch.optim.Adam([weights], lr=learning_rate, fused=True)


def rates(steps: int = 4, **how) -> list[float]:
    """The rate of every step of five epochs."""
    optimizer = adam(7.0)
    schedule = Schedule(optimizer, 0.1, epochs=5, **how)
    found = []
    for epoch in range(1, 6):
        for place in range(steps):
            schedule(epoch, place, steps)
            found.append(optimizer.param_groups[0]["lr"])
    return found


def test_a_constant_rate_is_left_to_the_optimiser() -> None:
    assert set(rates()) == {7.0}


def test_the_rate_rises_in_a_straight_line_to_the_end_of_the_warm_up() -> None:
    found = rates(warmup=1.0)
    assert found[:4] == pytest.approx([0.025, 0.05, 0.075, 0.1])
    assert set(found[4:]) == {0.1}


def test_a_cosine_falls_from_the_rate_to_nearly_nothing() -> None:
    found = rates(kind="cosine")
    assert found[0] == 0.1
    assert found[10] == pytest.approx(0.05)  # half of the steps
    assert found[5] == pytest.approx(0.05 * (1 + 2**-0.5))  # a quarter
    assert 0 < found[-1] < 0.001
    assert found == sorted(found, reverse=True)


def test_a_cosine_begins_where_the_warm_up_ends() -> None:
    found = rates(kind="cosine", warmup=1.0)
    assert found.index(max(found)) in (3, 4)
    assert found[3:5] == pytest.approx([0.1, 0.1])
    assert found[12] == pytest.approx(0.05)  # half of what is left
    assert found[4:] == sorted(found[4:], reverse=True)


@pytest.mark.parametrize("warmup", [0.3, 2.6, 5.0])
def test_any_share_of_the_epochs_may_be_the_warm_up(warmup: float) -> None:
    found = rates(kind="cosine", warmup=warmup)
    assert all(0 < rate <= 0.1 for rate in found)
    assert max(found) > 0.09


def test_a_rate_in_a_tensor_trains_as_a_number_does_and_is_one_place() -> None:
    """A captured graph reads the place anew; a number would stay as it was captured."""
    optimizer = adam()
    twin = copy.deepcopy(optimizer)
    rate = torch.tensor(0.0)
    places = set()
    for each, where in ((optimizer, None), (twin, rate)):
        schedule = Schedule(
            each, 0.1, kind="cosine", warmup=0.5, epochs=2, tensor=where
        )
        for epoch, place in ((1, 0), (1, 1), (2, 0), (2, 1)):
            schedule(epoch, place, 2)
            (group,) = each.param_groups
            group["params"][0].grad = torch.tensor([1.0, -2.0 + place])
            each.step()
            if where is not None:
                places.add(group["lr"].data_ptr())
    (one,), (other,) = (each.param_groups[0]["params"] for each in (optimizer, twin))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-7)
    assert len(places) == 1


def test_what_a_state_brought_back_does_not_matter() -> None:
    optimizer = adam()
    schedule = Schedule(optimizer, 0.1, kind="cosine", epochs=2)
    schedule(2, 1, 2)
    now = optimizer.param_groups[0]["lr"]
    state = optimizer.state_dict()
    state["param_groups"][0]["lr"] = torch.tensor(9.0)
    optimizer.load_state_dict(state)
    schedule(2, 1, 2)
    assert optimizer.param_groups[0]["lr"] == now


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here")
def test_a_captured_graph_trains_with_the_rates_of_the_plain_steps(tiny: str) -> None:
    how = {"protocol": "practice", "model": "enet", "epochs": 3, "device": "cuda"}
    how |= {"dataset": tiny, "size": 32, "batch_size": 2}
    plain, graphed = (
        run(RunConfig(**how, graphed=each), progress=False) for each in (False, True)
    )
    assert graphed.environment["sessions"][-1]["graphed"]
    assert graphed.history.equals(plain.history)
