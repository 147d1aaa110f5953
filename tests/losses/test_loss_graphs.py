"""A loss is one pass over its pixels, one graph when compiled, and can be copied."""

import copy
import pickle
import shutil
from collections import Counter

import pytest
import torch
from every_model import slow_unless
from made_losses import (
    FILLS,
    FURTHER,
    LOGITS,
    MIXED,
    PAIRS,
    UNEVEN,
    at_the_extremes,
    build,
    loss_and_gradient,
)
from torch.utils._python_dispatch import TorchDispatchMode

from lesionkit.catalogue import LOSSES, PAPER_A_LOSSES
from lesionkit.losses import build_loss

SHAPES = ("dice", "bce", "dicefocal", "topk", "structure")  # of each kind
WITH_BOTH = {"poly1", "structure", "asym_unified_focal"}
WITH_SIGMOID = WITH_BOTH | {"iou", "dice", "tversky", "focal_tversky", "squared_dice"}
WITH_SIGMOID |= {"logcosh_dice", "mcc"}
WITH_LOGARITHM = WITH_BOTH | {"bce", "focal", "balanced_bce", "topk", "smoothed_bce"}

TEN = [(name, "A-gamma2") for name in PAPER_A_LOSSES]

# One pass


class Calls(TorchDispatchMode):
    """Counts the calls of each operator."""

    def __init__(self):
        super().__init__()
        self.count = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count[function.overloadpacket.__name__] += 1
        return function(*args, **kwargs or {})


@pytest.mark.parametrize(("name", "definition"), PAIRS)
def test_a_loss_takes_each_sigmoid_and_logarithm_once(name, definition):
    with Calls() as calls:
        build(name, definition)(*UNEVEN)
    transcendental = ("sigmoid", "log_sigmoid_forward", "exp")
    assert all(calls.count[each] <= 1 for each in transcendental)
    parts = {name, *LOSSES[name].parts}
    assert calls.count["sigmoid"] == bool(parts & WITH_SIGMOID)
    logarithms = calls.count["log_sigmoid_forward"]
    logarithms += calls.count["binary_cross_entropy_with_logits"]
    assert logarithms == bool(parts & WITH_LOGARITHM)


def test_a_compound_of_region_losses_sums_once():
    with Calls() as alone:
        build_loss("iou")(*UNEVEN)
    with Calls() as both:
        build_loss("ioudice")(*UNEVEN)
    assert both.count["sum"] == alone.count["sum"]


# Compiled


class Recording:
    """A compiler that leaves the graph as it is, and counts graphs and their runs."""

    def __init__(self):
        self.graphs = self.runs = 0

    def __call__(self, graph, inputs):
        self.graphs += 1

        def run(*arguments):
            self.runs += 1
            return graph.forward(*arguments)

        return run


@pytest.fixture
def compiler():
    torch.compiler.reset()
    yield Recording()
    torch.compiler.reset()


@pytest.mark.slow
@pytest.mark.parametrize("pairs", [TEN, FURTHER], ids=["the ten", "the further ones"])
def test_losses_in_two_shapes_and_dtypes_compile_without_falling_back(pairs, compiler):
    cases = [
        (logits.to(dtype), mask)
        for logits, mask in (MIXED, UNEVEN)
        for dtype in (torch.float32, torch.bfloat16)
    ]
    made = [build(*pair) for pair in pairs]
    compiled = [torch.compile(loss, backend=compiler, fullgraph=True) for loss in made]
    for case in cases:
        for loss, fast in zip(made, compiled, strict=True):
            torch.testing.assert_close(fast(*case), loss(*case))
    assert compiler.graphs >= len(made)
    assert compiler.runs == len(made) * len(cases)


@pytest.mark.parametrize(
    ("name", "definition"), slow_unless(PAIRS, {p for p in PAIRS if p[0] in SHAPES})
)
def test_a_loss_is_one_graph(name, definition, compiler):
    fast = torch.compile(build(name, definition), backend=compiler, fullgraph=True)
    assert fast(*UNEVEN).item() == build(name, definition)(*UNEVEN).item()
    assert (compiler.graphs, compiler.runs) == (1, 1)


def test_a_compiled_loss_refuses_a_wrong_mask(compiler):
    fast = torch.compile(build_loss("dicebce"), backend=compiler, fullgraph=True)
    with pytest.raises(ValueError, match="0 or 1, got 0 to 255"):
        fast(LOGITS, 255 * (LOGITS.new_tensor([0, 1, 0, 1]).expand(2, 1, 4, 4)).byte())


@pytest.mark.slow
@pytest.mark.skipif(
    not shutil.which("g++"), reason="torch.compile needs a C++ compiler"
)
@pytest.mark.parametrize(("name", "definition"), PAIRS)
def test_the_compiled_loss_gives_the_same_value_and_gradient(name, definition):
    loss = build(name, definition)
    fast = torch.compile(loss, fullgraph=True)
    for logits, mask in (MIXED, UNEVEN):
        expected = loss_and_gradient(loss, logits.float(), mask)
        found = loss_and_gradient(fast, logits.float(), mask)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)
    for mask in FILLS.values():
        assert at_the_extremes(fast, torch.float16, mask).isfinite().all()
    torch.compiler.reset()


def test_a_loss_can_be_copied_and_stored():
    loss = build_loss("ioufocal", gamma=3)
    for again in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert again(*UNEVEN).item() == loss(*UNEVEN).item()
        assert again.forward.__self__ is again
        assert again.forward.__func__.__code__ is not loss.forward.__func__.__code__
