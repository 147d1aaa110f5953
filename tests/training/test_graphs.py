"""Captures with a stand-in for CUDA: how they are asked for, what failed ones leave."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from made_models import SmallNet

from lesionkit.losses import build_loss
from lesionkit.training import evaluation, graphs
from lesionkit.training.graphs import WARM_UP, Graph, GraphedStep
from lesionkit.training.step import Step

IMAGES = torch.arange(4 * 3 * 8 * 8).view(4, 3, 8, 8).float().sin()
MASKS = IMAGES[:, :1] > 0


class Generator:
    """A generator of a GPU, which a capture may leave behind as capturing."""

    def __init__(self, capturing: bool = False) -> None:
        self.state, self.capturing = {"capturing": capturing}, capturing

    def clone_state(self) -> dict:
        return dict(self.state)

    def graphsafe_set_state(self, state: dict) -> None:
        self.state = state


class Cuda:
    """Stands for torch.cuda: a graph replays its work on the CPU.

    As torch's own, a capture that went wrong raises at its end, leaves its stream
    current and its generator capturing.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.current, self.generator = "main", Generator()
        self.modes: list[str] = []
        self.graphs: list[Any] = []
        cuda = self

        class CUDAGraph:
            def __init__(self) -> None:
                self.was_reset, self.launches = False, 0
                cuda.graphs.append(self)

            def reset(self) -> None:
                self.was_reset = True
                raise RuntimeError("there is no graph")

            def replay(self) -> None:
                self.launches += 1
                cuda.redo()

        class Capture:
            def __init__(self, graph, *, stream, capture_error_mode) -> None:
                cuda.modes.append(capture_error_mode)
                self.stream = stream

            def __enter__(self) -> None:
                cuda.current = self.stream
                cuda.generator.state["capturing"] = True

            def __exit__(self, kind, *error: object) -> None:
                if kind:
                    raise RuntimeError("operation failed due to a previous error\nmore")
                cuda.generator.state["capturing"] = False
                cuda.current = "main"

        monkeypatch.setattr(torch.cuda, "Stream", lambda: "side")
        monkeypatch.setattr(torch.cuda, "CUDAGraph", CUDAGraph)
        monkeypatch.setattr(torch.cuda, "graph", Capture)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda: self.current)
        monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
        monkeypatch.setattr(torch.cuda, "set_stream", self.set_stream)
        monkeypatch.setattr(torch.cuda, "default_generators", (self.generator,))
        monkeypatch.setattr(Graph, "_aside", lambda self, *batch: self.work(*batch))

    def set_stream(self, stream: str) -> None:
        self.current = stream

    def redo(self) -> None:
        """Do what was captured once more, into the tensor that it gave."""

    def replays(self, graph: Graph) -> None:
        """Let launches do the work of a graph on its own tensors."""

        def redo() -> None:
            graph.value.copy_(graph.work(graph.images, graph.masks))

        self.redo = redo  # ty: ignore


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    return Cuda(monkeypatch)


def breaks_in_a_capture(cuda: Cuda) -> Any:
    """A work that asks the host, which a capture does not allow."""

    def work(images: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        if cuda.generator.state["capturing"]:
            raise RuntimeError("Cannot copy between CPU and CUDA during capture")
        return images.sum() + masks.sum()

    return work


def test_a_capture_binds_its_own_thread_alone(cuda: Cuda) -> None:
    graph = Graph(lambda images, masks: images + masks, what="validation")
    for _ in range(WARM_UP + 1):
        graph(IMAGES, MASKS)
    assert cuda.modes == ["thread_local"]


def test_a_failed_capture_leaves_stream_and_generator_as_they_were(cuda: Cuda) -> None:
    graph = Graph(breaks_in_a_capture(cuda), what="validation")
    with pytest.warns(
        UserWarning, match="validation runs without a CUDA graph"
    ) as told:
        values = [graph(IMAGES + turn, MASKS) for turn in range(WARM_UP + 3)]
    assert len(told) == 1
    assert "\n" not in str(told[0].message)
    assert cuda.current == "main"
    assert cuda.generator.state == {"capturing": False}
    assert [g.was_reset for g in cuda.graphs] == [True]
    expected = [(IMAGES + turn).sum() + MASKS.sum() for turn in range(WARM_UP + 3)]
    assert torch.equal(torch.stack(values), torch.stack(expected))


def test_after_a_failed_capture_the_gradients_of_it_are_gone(cuda: Cuda) -> None:
    model = SmallNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    step = Step(model, build_loss("bce"), optimizer)
    graphed = GraphedStep(step)
    images = (IMAGES * 100).byte().permute(0, 2, 3, 1)

    def half_done(*batch: torch.Tensor) -> torch.Tensor:
        for weight in model.parameters():
            weight.grad = torch.ones_like(weight)
        raise RuntimeError("in the middle")

    graphed.warm, graphed.work = WARM_UP, half_done
    graphed.images, graphed.masks = images.clone(), MASKS[:, 0].clone()
    with pytest.warns(UserWarning, match="training runs without"):
        assert not graphed._capture()
    assert all(weight.grad is None for weight in model.parameters())
    assert graphed.facts() == {"compiled": False, "graphed": False}


def test_validation_in_a_graph_counts_as_plain_validation(cuda: Cuda) -> None:
    model = SmallNet().eval()
    plain = evaluation.counter(model, "float32", ignore=False)
    graph = Graph(plain, what="validation")
    cuda.replays(graph)
    batches = [(IMAGES.roll(turn, 2), MASKS.roll(turn, 3)) for turn in range(8)]
    batches.append((IMAGES[:3], MASKS[:3]))  # a smaller last one
    found = [graph(*batch) for batch in batches]
    expected = [plain(*batch) for batch in batches]
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert cuda.graphs[0].launches == 8 - WARM_UP
    assert len(cuda.modes) == 1


def test_a_step_is_captured_anew_after_another_capture_replaced_its_generator(
    cuda: Cuda,
) -> None:
    step = Graph(lambda images, masks: images.sum(), what="training")
    other = Graph(breaks_in_a_capture(cuda), what="validation", forget=step.again)
    cuda.replays(step)
    for _ in range(WARM_UP + 1):
        step(IMAGES, MASKS)
    first = step.graph
    with pytest.warns(UserWarning, match="validation runs without"):
        for _ in range(WARM_UP + 1):
            other(IMAGES, MASKS)
    assert step(IMAGES + 1, MASKS) == (IMAGES + 1).sum()
    assert step.graph is not first and step.graph is not None


def test_a_graph_reads_the_weights_as_training_has_left_them(cuda: Cuda) -> None:
    model = SmallNet().eval()
    plain = evaluation.counter(model, "float32", ignore=False)
    graph = Graph(plain, what="validation")
    cuda.replays(graph)
    for _ in range(WARM_UP + 1):
        graph(IMAGES, MASKS)
    with torch.no_grad():
        model[4].weight.neg_()
        model[4].bias.fill_(0.3)
    assert torch.equal(graph(IMAGES, MASKS), plain(IMAGES, MASKS))


def test_a_value_of_a_launch_outlives_the_next(cuda: Cuda) -> None:
    graph = Graph(lambda images, masks: images.sum(), what="validation")
    cuda.replays(graph)
    for _ in range(WARM_UP):
        graph(IMAGES, MASKS)
    one = graph(IMAGES, MASKS)
    graph(IMAGES + 1, MASKS)
    assert one == IMAGES.sum()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here")
def test_random_numbers_go_on_after_a_failed_capture_as_without_it() -> None:
    def work(images: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        return torch.rand(3, device="cuda") + images.mean().item()

    images = torch.zeros(2, 2, device="cuda")
    graph = Graph(work, what="training")
    torch.cuda.manual_seed(3)
    with pytest.warns(UserWarning, match="without a CUDA graph"):
        found = [graph(images, images) for _ in range(WARM_UP + 3)]
    torch.cuda.manual_seed(3)
    expected = [work(images, images) for _ in range(WARM_UP + 3)]
    assert torch.equal(torch.stack(found), torch.stack(expected))
    assert torch.cuda.current_stream() == torch.cuda.default_stream()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here")
def test_a_thread_may_copy_from_the_gpu_during_a_capture() -> None:
    state, done = torch.ones(1 << 20, device="cuda"), []

    def work(images: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        if torch.cuda.is_current_stream_capturing():
            thread = threading.Thread(target=lambda: done.append(state.cpu().sum()))
            thread.start()
            thread.join()
        return images + masks

    graph = graphs.Graph(work, what="training")
    images = torch.ones(2, 2, device="cuda")
    for _ in range(WARM_UP + 1):
        value = graph(images, images)
    assert not graph.failed
    assert done == [1 << 20]
    assert (value == 2).all()
