"""Every network as a GPU that is to be repeatable has it, on the meta device.

The meta device has shapes and no numbers: an operator that asks the host for a value
cannot run there, and torch takes the ways that it takes on a GPU.
"""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from every_model import DEFAULTS, FAST, facts, shapes_only, slow_unless
from torch.utils._python_dispatch import TorchDispatchMode

from lesionkit.losses import build_loss
from lesionkit.models import resampling
from lesionkit.training.step import Step

# What torch makes of bilinear interpolation, and what it warns of, when it is to be
# deterministic on a GPU.
TAKEN_APART = ("_unsafe_index", "index_put", "_index_put_impl_")
NOT_REPEATABLE = (
    *("upsample_bilinear2d_backward", "_adaptive_avg_pool2d_backward"),
    *("adaptive_max_pool2d_backward", "grid_sampler_2d_backward", "cumsum"),
    *("reflection_pad2d_backward", "replication_pad2d_backward", "kthvalue"),
)
HOST = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "unique")


class Names(TorchDispatchMode):
    """Counts operators by name."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.found[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


def step_of(name: str, variant: str) -> Counter[str]:
    """The operators of a whole training step and of a validation batch, by name."""
    model, side = shapes_only(name, variant), facts(name, variant).nearest(64)
    loss = build_loss("ioufocal")
    step = Step(model.train(), loss, torch.optim.SGD(model.parameters(), lr=0.1))
    images = torch.empty(2, side, side, 3, dtype=torch.uint8, device="meta")
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with Names() as names:
            step(images, images[..., 0])
            model.eval()
            with torch.no_grad():
                model(images.permute(0, 3, 1, 2).float())
    finally:
        torch.use_deterministic_algorithms(False)
        model.zero_grad(set_to_none=True)
    return names.found


@pytest.mark.parametrize(("name", "variant"), slow_unless(DEFAULTS, FAST))
def test_a_network_repeats_on_a_gpu_and_asks_the_host_nothing(name, variant) -> None:
    found = step_of(name, variant)
    assert found["convolution_backward"] > 10  # forward and backward did run
    wrong = (*TAKEN_APART, *NOT_REPEATABLE, *HOST)
    assert {n: found[n] for n in wrong if found[n]} == {}


def test_torchs_own_way_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "by_products", lambda maps: False)
    found = step_of("emcadnet", "emcadnet_b0")
    assert any(found[name] for name in TAKEN_APART)


def test_a_value_that_the_host_asks_for_cannot_be_had_on_the_meta_device() -> None:
    with pytest.raises((RuntimeError, NotImplementedError)):
        torch.empty(1, device="meta").item()
