"""How fast each network trains on this machine, in which way, and what the study costs.

uv run python benchmarks/gpu.py                              # twelve networks, 224 px
uv run python benchmarks/gpu.py --networks enet --size 32 --steps 2 --ways fp32 bf16

Images a second of whole steps (take, forward, ioufocal, backward, Adam) at batch 8 from
resident tensors, for every way a step can be executed; then the best of them several
times at once: in processes of their own and, on a GPU, on streams of one process. From
the best rates the hours of paper A's 3,600 trainings follow, at 200 epochs each and at
104, the mean of the public re-run. What cannot run here is a dash.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import measurements
import torch
from torch import multiprocessing

from lesionkit.catalogue import MODELS
from lesionkit.losses import build_loss
from lesionkit.meter import PEAKS, peak_flops, peak_memory
from lesionkit.models import build_model
from lesionkit.step import GraphedStep, Step, autocast, can_compile

BATCH = 8
WAYS = {
    "fp32": {},
    "tf32": {"dtype": "tf32"},
    "bf16": {"dtype": "bfloat16"},
    "bf16 channels_last": {"dtype": "bfloat16", "memory_format": "channels_last"},
    "graphed": {"dtype": "bfloat16", "graphed": True},
    "compiled": {"dtype": "bfloat16", "compile": True},
    "compiled graphed": {"dtype": "bfloat16", "compile": True, "graphed": True},
}
# Images of the six sets, parts 6 : 2 : 2, ten losses, five repeats.
IMAGES = {
    "isic2017": 2750,
    "wound": 1109,
    "clinicdb": 612,
    "kvasir": 1000,
    "busi_benign": 437,
    "busi_malignant": 210,
}
TRAINED, VALIDATED, RUNS = 0.6, 0.2, 50
EPOCHS = (200, 104)


@dataclass
class Bench:
    """A network ready to step on random images."""

    step: Callable
    model: torch.nn.Module
    images: torch.Tensor
    masks: torch.Tensor

    def batch(self, turn: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Eight images, taken from the resident ones."""
        where = torch.arange(
            turn * BATCH, (turn + 1) * BATCH, device=self.images.device
        )
        where %= len(self.images)
        return self.images.index_select(0, where), self.masks.index_select(0, where)


def ready(name: str, way: str, *, size: int, device: torch.device) -> Bench:
    """A network with its step, executed in one of WAYS."""
    how = dict(WAYS[way])
    graphed = how.pop("graphed", False)
    precision = "tf32" if how.get("dtype") == "tf32" else "ieee"
    torch.backends.cuda.matmul.fp32_precision = precision
    torch.backends.cudnn.conv.fp32_precision = precision
    torch.manual_seed(0)
    layout = how.get("memory_format", "contiguous_format")
    model = build_model(name).to(device, memory_format=getattr(torch, layout)).train()
    capturable = graphed and device.type == "cuda"
    adam = torch.optim.Adam(model.parameters(), fused=True, capturable=capturable)
    step = Step(model, build_loss("ioufocal"), adam, **how)
    images = torch.randint(256, (32, size, size, 3), dtype=torch.uint8, device=device)
    masks = (images[..., 0] > 200).to(torch.uint8)
    return Bench(GraphedStep(step) if graphed else step, model, images, masks)


def wait(device: torch.device) -> None:
    """Until the device has done everything."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def steps_rate(bench: Bench, steps: int, device: torch.device) -> float:
    """Images a second, after steps that load, compile and capture."""
    for turn in range(max(2, min(6, steps))):
        bench.step(*bench.batch(turn))
    wait(device)
    began = time.perf_counter()
    for turn in range(steps):
        bench.step(*bench.batch(turn))
    wait(device)
    return steps * BATCH / (time.perf_counter() - began)


@torch.no_grad()
def validation_rate(bench: Bench, way: str, steps: int, device: torch.device) -> float:
    """Images a second of the forward pass in eval mode."""
    bench.model.eval()
    dtype = WAYS[way].get("dtype", "float32")
    for turn in range(steps + 1):
        if turn == 1:
            wait(device)
            began = time.perf_counter()
        with autocast(device, dtype):
            bench.model(bench.batch(turn)[0].permute(0, 3, 1, 2).float() / 255)
    wait(device)
    bench.model.train()
    return steps * BATCH / (time.perf_counter() - began)


def one_of_several(
    settings: tuple, number: int, barrier: object, rates: object
) -> None:
    """The work of one process among several: ready, all together, its rate."""
    name, way, size, steps, kind = settings
    device = torch.device(kind)
    torch.set_num_threads(1)
    bench = ready(name, way, size=size, device=device)
    steps_rate(bench, 1, device)
    barrier.wait()
    rates[number] = steps_rate(bench, steps, device)


def processes_rate(settings: tuple, count: int) -> float:
    """Images a second of several processes together."""
    context = multiprocessing.get_context("spawn")
    barrier, rates = context.Barrier(count), context.Array("d", count)
    started = [
        context.Process(target=one_of_several, args=(settings, i, barrier, rates))
        for i in range(count)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join()
    if any(process.exitcode for process in started):
        raise RuntimeError("a process of several ended badly (out of memory?)")
    return sum(rates)


def streams_rate(settings: tuple, count: int) -> float:
    """Images a second of several models, each on a stream of this process."""
    name, way, size, steps, kind = settings
    device = torch.device(kind)
    benches = [ready(name, way, size=size, device=device) for _ in range(count)]
    streams = [torch.cuda.Stream() for _ in benches]
    began = 0.0
    for turn in range(steps + 6):
        if turn == 6:
            wait(device)
            began = time.perf_counter()
        for bench, stream in zip(benches, streams, strict=True):
            with torch.cuda.stream(stream):
                bench.step(*bench.batch(turn))
    wait(device)
    return count * steps * BATCH / (time.perf_counter() - began)


def tried(work: Callable[[], float]) -> float | None:
    """The rate, or None where it cannot run; the reason goes to the terminal."""
    try:
        return work()
    except (RuntimeError, torch.OutOfMemoryError) as error:
        print(f"  not measured: {str(error).splitlines()[0]}")
        return None


def measure(name: str, given: argparse.Namespace, device: torch.device) -> dict:
    """All rates of one network, and the memory of its best way."""
    rates: dict[str, float | None] = dict.fromkeys(WAYS)
    memory, validated, best = 0, 0.0, None
    for way, how in WAYS.items():
        cuda_only = how.get("graphed") or how.get("dtype") == "tf32"
        no_compiler = how.get("compile") and not given.compile
        if way not in given.ways or no_compiler:
            continue
        if cuda_only and device.type != "cuda":
            continue
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        bench = ready(name, way, size=given.size, device=device)
        rates[way] = tried(lambda b=bench: steps_rate(b, given.steps, device))
        if rates[way] and (best is None or rates[way] > rates[best]):
            best, memory = way, peak_memory(device) or 0
            validated = validation_rate(bench, way, given.steps, device)
        del bench
    settings = (name, best, given.size, given.steps, device.type)
    packed = {}
    for count in given.packed:
        packed[f"{count} processes"] = tried(
            lambda n=count: processes_rate(settings, n)
        )
        if device.type == "cuda":
            packed[f"{count} streams"] = tried(
                lambda n=count: streams_rate(settings, n)
            )
    found = [rate for rate in (*packed.values(), rates[best]) if rate]
    return {
        "rates": rates,
        "packed": packed,
        "best": best,
        "memory": memory,
        "trained": max(found),
        "validated": validated * max(found) / rates[best],
        "solo": rates[best],
    }


def hours(found: dict, epochs: int) -> float:
    """All runs of one network on the six data sets."""
    images = sum(IMAGES.values())
    seconds = images * (TRAINED / found["trained"] + VALIDATED / found["validated"])
    return RUNS * epochs * seconds / 3600


def utilisation(name: str, found: dict, given: argparse.Namespace) -> float | None:
    """Model FLOP utilisation of the best rate, where the peak is known."""
    dtype = WAYS[found["best"]].get("dtype", "float32")
    peak = peak_flops(torch.device(given.device), dtype)
    gmacs = MODELS[name].variants[MODELS[name].default].gmacs * (given.size / 224) ** 2
    return 6e9 * gmacs * found["trained"] / peak if peak else None


def shown(value: float | None, digits: int = 0) -> str:
    """A number, or a dash."""
    return "–" if value is None else f"{value:.{digits}f}"


def table(measured: dict[str, dict], given: argparse.Namespace) -> list[str]:
    """The lines of the page: a row a network, and the sum."""
    packs = list(next(iter(measured.values()))["packed"])
    heads = ["network", *WAYS, *packs, "GiB", "MFU", *(f"h at {e}" for e in EPOCHS)]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for name, found in measured.items():
        used = utilisation(name, found, given)
        cells = [shown(rate, 1) for rate in found["rates"].values()]
        cells += [shown(rate, 1) for rate in found["packed"].values()]
        cells += [f"{found['memory'] / 2**30:.2f}", shown(used, 3)]
        cells += [f"{hours(found, epochs):.1f}" for epochs in EPOCHS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    sums = [sum(hours(f, epochs) for f in measured.values()) for epochs in EPOCHS]
    whole = len(measured) * RUNS * len(IMAGES)
    said = " and ".join(
        f"{total:.1f} hours at {epochs} epochs"
        for total, epochs in zip(sums, EPOCHS, strict=True)
    )
    return [*lines, "", f"{whole:,} trainings on this device: {said}."]


def main(arguments: list[str] | None = None) -> None:
    """One table, and the price of the study."""
    papers = [name for name in MODELS if name not in ("segnet", "enet")]
    parser = argparse.ArgumentParser()
    parser.add_argument("--networks", nargs="+", default=papers, choices=list(MODELS))
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--packed", type=int, nargs="*", default=[2, 4])
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--device", default=None, help="cuda where there is one.")
    given = parser.parse_args(arguments)
    given.device = given.device or ("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(given.device)
    if device.type == "cpu":
        torch.set_num_threads(1)
    given.compile = any("compile" in WAYS[w] for w in given.ways) and can_compile(
        device
    )
    measured = {}
    for name in given.networks:
        print(name, flush=True)
        measured[name] = measure(name, given, device)
    known = ", ".join(PEAKS)
    lines = [
        f"Images a second at {given.size} px, batch {BATCH}, {given.steps} steps, on"
        f" {given.device}; MFU where the peak is known ({known}).",
        "",
        *table(measured, given),
    ]
    measurements.append("Rates of the networks, and the price of the study", lines)


if __name__ == "__main__":
    main()
