"""One step: what it trains on, what it costs the host, and how it is executed."""

from __future__ import annotations

import copy
import shutil
import warnings

import pytest
import torch
from every_model import DEFAULTS, images
from made_models import SmallNet
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from lesionkit.catalogue import PAPER_A_LOSSES
from lesionkit.losses import build_loss
from lesionkit.models import build_model
from lesionkit.training.graphs import GraphedStep
from lesionkit.training.step import Step, can_compile

IMAGES = torch.randint(
    0,
    256,
    (4, 16, 16, 3),
    dtype=torch.uint8,
    generator=torch.Generator().manual_seed(0),
)
MASKS = (IMAGES[..., 0] > 128).to(torch.uint8)
# Operators that make the host wait for a GPU: it needs a value, or a size.
WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "unique")


class Plain(nn.Sequential):
    """Two convolutions without batch normalisation or dropout."""

    def __init__(self) -> None:
        first = nn.Conv2d(3, 4, 3, padding=1)
        super().__init__(first, nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1))


class Asked(TorchDispatchMode):
    """Collects the names of the operators that make a host wait."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name.startswith(WAITING):
            self.names.append(name)
        return func(*args, **(kwargs or {}))


def one_step(model: nn.Module, loss: str, **how) -> tuple[torch.Tensor, dict]:
    """The loss of one plain gradient step and the weights after it."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    value = Step(model, build_loss(loss), optimizer, **how)(IMAGES, MASKS)
    return value, model.state_dict()


def twins(model: nn.Module) -> tuple[nn.Module, nn.Module]:
    """Two models with the same weights."""
    return model, copy.deepcopy(model)


def test_a_step_goes_down_the_gradient_of_its_loss() -> None:
    model, twin = twins(Plain())
    value, weights = one_step(model, "ioufocal")
    image = IMAGES.permute(0, 3, 1, 2).float() / 255
    expected = build_loss("ioufocal")(twin(image), MASKS[:, None].float())
    expected.backward()
    assert value == expected.detach()
    for name, weight in twin.named_parameters():
        torch.testing.assert_close(
            weights[name], weight.detach() - 0.1 * weight.grad, rtol=0, atol=1e-7
        )


def test_gradients_of_a_step_do_not_reach_the_next() -> None:
    model, twin = twins(Plain())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    step = Step(model, build_loss("bce"), optimizer)
    step(IMAGES, MASKS)
    once = [p.grad.clone() for p in model.parameters()]
    step(IMAGES, MASKS)
    assert all(
        torch.equal(a, p.grad) for a, p in zip(once, model.parameters(), strict=True)
    )


@pytest.mark.parametrize("loss", ["ioufocal", "dicebce"])
@pytest.mark.parametrize("ignore", [False, True])
def test_the_host_asks_for_no_value_during_a_step(loss: str, ignore: bool) -> None:
    model = SmallNet()
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    step = Step(model, build_loss(loss, ignore=ignore), optimizer, ignore=ignore)
    masks = torch.where(IMAGES[..., 1] > 200, 255, MASKS) if ignore else MASKS
    with Asked() as asked:
        step(IMAGES, masks.to(torch.uint8))
    assert asked.names == []


@pytest.mark.slow
@pytest.mark.parametrize(("name", "variant"), DEFAULTS)
def test_no_network_asks_the_device_for_a_value(name: str, variant: str) -> None:
    model, image = build_model(name, variant=variant), images(name, variant)
    with Asked() as asked:
        model(image).sum().backward()
    assert asked.names == []


@pytest.mark.parametrize("loss", ["bce", "focal", "bcefocal"])
@pytest.mark.parametrize("parts", [2, 3, 8])
def test_parts_of_a_batch_add_up_to_the_whole(loss: str, parts: int) -> None:
    model, twin = twins(Plain())
    whole, weights = one_step(model, loss)
    value, others = one_step(twin, loss, accumulate=parts)
    torch.testing.assert_close(value, whole)
    for name in weights:
        torch.testing.assert_close(others[name], weights[name])


def test_channels_last_gives_the_images_in_that_order() -> None:
    seen = []

    class Looks(Plain):
        def forward(self, image):
            seen.append(image.is_contiguous(memory_format=torch.channels_last))
            return super().forward(image)

    one_step(Looks(), "bce", memory_format="channels_last")
    one_step(Looks(), "bce", memory_format="contiguous")
    assert seen == [True, False]


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [("float32", torch.float32), ("tf32", torch.float32), ("bfloat16", torch.bfloat16)],
)
def test_the_network_computes_in_the_dtype_asked_for(dtype, kind) -> None:
    seen = []
    model = Plain()
    model[2].register_forward_hook(lambda m, i, out: seen.append(out.dtype))
    one_step(model, "bce", dtype=dtype)
    assert seen == [kind]


@pytest.mark.slow
@pytest.mark.skipif(
    not shutil.which("g++"), reason="torch.compile needs a C++ compiler"
)
def test_ten_losses_in_one_process_are_all_compiled() -> None:
    """torch's own limit of 8 would leave the last ones plain without a word."""
    from torch._dynamo.utils import counters

    counters.clear()
    for loss in PAPER_A_LOSSES:
        one_step(Plain(), loss, compile=True)
    assert counters["stats"]["unique_graphs"] == 10
    assert not counters["graph_break"]


def test_where_nothing_compiles_one_warning_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*args, **kwargs):
        raise RuntimeError("No working C++ compiler found\nand more")

    monkeypatch.setattr(torch, "compile", refuse)
    with pytest.warns(UserWarning, match="without torch.compile") as told:
        assert not can_compile(torch.device("cpu"))
    assert len(told) == 1


def graphed_and_plain(steps: int) -> tuple[dict, dict, list, list]:
    """Weights and losses of the same steps, launched as a graph and one by one."""
    found = []
    for graphed in (True, False):
        torch.manual_seed(0)
        model = SmallNet().cuda()
        optimizer = torch.optim.Adam(model.parameters(), capturable=True, fused=True)
        step = Step(model, build_loss("ioufocal"), optimizer)
        step = GraphedStep(step) if graphed else step
        torch.cuda.manual_seed(1)
        batch = IMAGES.cuda(), MASKS.cuda()
        losses = [step(*batch).item() for _ in range(steps)]
        losses.append(step(batch[0][:3], batch[1][:3]).item())
        losses.append(step(*batch).item())
        if graphed:
            assert step.graph is not None
        found.append((model.state_dict(), losses))
    (one, a), (other, b) = found
    return one, other, a, b


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here")
def test_a_graph_gives_the_bits_of_plain_steps() -> None:
    one, other, a, b = graphed_and_plain(8)
    assert a == b
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here")
def test_a_step_that_cannot_be_captured_runs_plainly_with_one_warning() -> None:
    class Asks(SmallNet):
        def forward(self, image):
            return super().forward(image) * (1 + 0 * image.mean().item())

    model = Asks().cuda()
    optimizer = torch.optim.Adam(model.parameters(), capturable=True, fused=True)
    step = GraphedStep(Step(model, build_loss("bce"), optimizer))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        losses = [step(IMAGES.cuda(), MASKS.cuda()).item() for _ in range(6)]
    assert sum("without a CUDA graph" in str(w.message) for w in told) == 1
    assert losses[-1] < losses[0]


class FakeGraph:
    """Stands for a captured graph: a launch runs the step on the graph's own batch."""

    def __init__(self, graphed: GraphedStep) -> None:
        self.graphed, self.launches = graphed, 0

    def replay(self) -> None:
        self.launches += 1
        mine = self.graphed
        value = mine.step(mine.images, mine.masks)
        if mine.value is None:
            mine.value = value
        mine.value.copy_(value)  # a launch writes over what the one before gave


def without_cuda(monkeypatch: pytest.MonkeyPatch, captures: bool) -> None:
    """Let a graphed step run on a CPU, with a stand-in for capturing."""

    def capture(self: GraphedStep) -> bool:
        self.graph = FakeGraph(self) if captures else None
        self.failed = not captures
        return captures

    monkeypatch.setattr(torch.cuda, "Stream", lambda: None)
    monkeypatch.setattr(GraphedStep, "_capture", capture)
    monkeypatch.setattr(GraphedStep, "_aside", lambda self, *batch: self.step(*batch))


@pytest.mark.parametrize("captures", [True, False])
def test_a_graphed_step_trains_on_every_batch_as_the_plain_one(
    captures: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_cuda(monkeypatch, captures)
    models = twins(Plain())
    steps = [
        Step(m, build_loss("bce"), torch.optim.SGD(m.parameters(), lr=0.1))
        for m in models
    ]
    graphed = GraphedStep(steps[0])
    kept, expected = [], []
    for turn in range(8):
        count = 3 if turn == 5 else 4  # a smaller batch in the middle
        batch = IMAGES.roll(turn, 1)[:count], MASKS.roll(turn, 1)[:count]
        kept.append(graphed(*batch))
        expected.append(steps[1](*batch))
    assert torch.equal(torch.stack(kept), torch.stack(expected))
    assert graphed.facts()["graphed"] is captures
    if captures:
        assert graphed.graph.launches == 8 - 3 - 1  # warm-up, and the smaller batch
    for one, other in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(one, other)
