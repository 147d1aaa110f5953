"""What a GPU has to confirm: same bits, what a run pays first, the way of a state.

uv run python benchmarks/gpu_checks.py bits starts states
uv run python benchmarks/gpu_checks.py bits --networks enet --size 32 --device cpu

bits: the same eight steps twice plainly and once as a graph, with the kernels of
`paper_a` and with those of `paper_a_fast`; all weights and losses are compared.
starts: seconds until the first five steps are over, plain, captured, compiled, and
compiled again; then images a second.
states: how long a state takes to the host while steps are queued, on a stream of its
own, as a run does it, and on the stream of the training; whether steps were still
queued when it was there, and whether it is that of its moment.

Every part takes at most --seconds; a row is on the page as soon as it is known.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import measurements
import torch
from gpu_rates import Bench, config_of, ready, steps_rate, wait, warm

from lesionkit.catalogue import MODELS
from lesionkit.lookup import one_line
from lesionkit.training import checkpoint
from lesionkit.training.execution import execution

STEPS, QUEUED = 8, 200
DASH = "–"


@contextmanager
def telling(said: set[str]) -> Iterator[None]:
    """What torch warns of is collected, the first sentence of each."""
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)  # else only the first network of a process is told of
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
    finally:
        torch.set_warn_always(before)
    said |= {one_line(each.message, longest=90) for each in caught}


def trained(
    name: str, way: str, given: argparse.Namespace, *, graphed: bool
) -> list[torch.Tensor]:
    """Losses and weights after some steps."""
    with execution(config_of(name, way)):
        bench = ready(name, way, size=given.size, device=given.at, graphed=graphed)
        losses = [bench.step(*bench.batch(turn)) for turn in range(STEPS)]
        wait(given.at)
    if graphed and given.at.type == "cuda" and bench.step.failed:
        raise RuntimeError("the step could not be captured")
    return [*losses, *bench.model.state_dict().values()]


def compared(one: list[torch.Tensor], other: list[torch.Tensor]) -> str:
    """Equal, or how many tensors differ and the first loss that does."""
    differ = [
        at for at, (a, b) in enumerate(zip(one, other, strict=True)) if not a.equal(b)
    ]
    if not differ:
        return "equal"
    first = f", from step {differ[0] + 1}" if differ[0] < STEPS else ""
    return f"{len(differ)} of {len(one)} differ{first}"


def bits_row(name: str, given: argparse.Namespace) -> list[str]:
    """Whether steps of one network repeat, and whether a graph gives their bits."""
    said: set[str] = set()
    cells: list[str] = []
    with telling(said):
        for way in ("paper_a", "paper_a_fast"):
            one, again = (trained(name, way, given, graphed=False) for _ in range(2))
            cells.append(compared(one, again))
            if given.at.type == "cuda":
                cells.append(compared(one, trained(name, way, given, graphed=True)))
            else:
                cells.append(DASH)  # nothing is captured
            del one, again
    return [*cells, "; ".join(sorted(said)) or DASH]


def begun(name: str, way: str, given: argparse.Namespace) -> tuple[str, str]:
    """Seconds of the first five steps, and images a second after them."""
    if given.at.type == "cuda":
        torch.cuda.empty_cache()
    with execution(config_of(name, way)):
        at = time.perf_counter()
        bench = ready(name, way, size=given.size, device=given.at)
        warm(bench, 4, given.at)
        first = time.perf_counter() - at
        return f"{first:.1f}", f"{steps_rate(bench, (given.steps, 2.0), given.at):.0f}"


def starts_row(name: str, given: argparse.Namespace) -> list[str]:
    """What a run pays before its steps have their speed."""
    cells: list[str] = []
    for way in ("fp32", "paper_a_fast"):
        cells += begun(name, way, given)
    for _ in range(2):  # the second finds the compiled kernels on disk
        torch.compiler.reset()
        cells += begun(name, "fast, compiled", given)
    return cells


def states_row(name: str, given: argparse.Namespace) -> list[str]:
    """Seconds of a state to the host beside a full queue, and whether it is whole."""
    with execution(config_of(name, "paper_a_fast")):
        bench = ready(name, "paper_a_fast", size=given.size, device=given.at)
        warm(bench, 4, given.at)
        optimizer = getattr(bench.step, "step", bench.step).optimizer
        alone = steps_rate(bench, (QUEUED, 2.0), given.at) / len(bench.batch(0)[0])
        cells = []
        for leaving in (checkpoint.leaving, here):
            state, whole, took, behind = sent(bench, optimizer, given, leaving)
            cells += [f"{took:.3f}", "yes" if behind else "no"]
            cells += ["yes" if whole else "NO"]
        size = len(checkpoint.pack(state)) / 2**20
    return [f"{size:.0f}", f"{QUEUED / alone:.2f}", *cells]


def here(state: dict[str, Any], device: torch.device) -> Callable[[], dict]:
    """A state that is fetched on the stream of the training, for comparison."""
    from torch.utils._pytree import tree_map

    return lambda: tree_map(lambda v: v.cpu() if torch.is_tensor(v) else v, state)


def sent(
    bench: Bench, optimizer: Any, given: argparse.Namespace, leaving: Callable
) -> tuple[dict, bool, float, bool]:
    """A state that left while steps were queued, whether it is that of its moment.

    Its seconds, and whether steps were still queued when it was there.
    """
    cuda = given.at.type == "cuda"
    wait(given.at)
    kept = [value.cpu().clone() for value in bench.model.state_dict().values()]
    state = checkpoint.capture(bench.model, optimizer, {"epoch": 1})
    gives = leaving(state, given.at)
    with ThreadPoolExecutor(1) as writer:  # as the thread of a run
        at = time.perf_counter()
        leaves = writer.submit(lambda: (gives(), time.perf_counter() - at))
        turn = 0
        while not turn or (cuda and turn < QUEUED and not leaves.done()):
            bench.step(*bench.batch(turn))
            turn += 1
        there, took = leaves.result()
    behind = not torch.cuda.current_stream().query() if cuda else False
    wait(given.at)
    pairs = zip(kept, there["model"].values(), strict=True)
    whole = all(a.equal(b.cpu()) for a, b in pairs)
    return there, whole, took, behind


PARTS: dict[str, tuple[str, Callable, list[str]]] = {
    "bits": (
        "Same bits on this device",
        bits_row,
        [
            *("network", "`paper_a` twice", "`paper_a`, graph"),
            *("fast twice", "fast, graph", "torch warns"),
        ],
    ),
    "starts": (
        "What a run pays before its steps have their speed",
        starts_row,
        [
            "network",
            *("float32, first 5 steps, s", "images/s"),
            *("graph, first 5 steps, s", "images/s"),
            *("compiled and graph, s", "images/s", "again, s", "images/s"),
        ],
    ),
    "states": (
        "A state on its way to the host beside a full queue",
        states_row,
        [
            *("network", "MiB", f"{QUEUED} queued steps, s"),
            *("own stream, s", "steps queued behind it", "whole"),
            *("stream of the training, s", "steps queued behind it", "whole"),
        ],
    ),
}


def run(part: str, given: argparse.Namespace) -> None:
    """One table, row by row; a network that fails has its error in place of cells."""
    title, work, names = PARTS[part]
    end = time.monotonic() + given.seconds
    lines = [f"{given.size} px, batch 8, on {given.at}.", "", *measurements.head(names)]
    measurements.append(title, lines)
    for name in given.networks:
        if time.monotonic() > end:
            print(f"{name}: no time is left")
            continue
        try:
            cells = work(name, given)
        except Exception as error:  # noqa: BLE001 - the other networks still run
            says = f"{type(error).__name__}: {one_line(error, longest=150)}"
            cells = [says, *[DASH] * (len(names) - 2)]
        measurements.add([measurements.row([name, *cells])])


def main(arguments: list[str] | None = None) -> None:
    """The parts that were asked for, one after the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="+", choices=list(PARTS))
    parser.add_argument(
        "--networks", nargs="+", default=list(MODELS), choices=list(MODELS)
    )
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--device", default=None, help="cuda where there is one.")
    given = parser.parse_args(arguments)
    known = "cuda" if torch.cuda.is_available() else "cpu"
    given.at = torch.device(given.device or known)
    for part in given.parts:
        run(part, given)


if __name__ == "__main__":
    main()
