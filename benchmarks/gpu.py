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
from collections.abc import Callable
from functools import partial

import measurements
import torch
from gpu_rates import (
    BATCH,
    WAYS,
    processes_rate,
    ready,
    steps_rate,
    streams_rate,
    validation_rate,
)

from lesionkit.catalogue import MODELS
from lesionkit.training.profiling import PEAKS, peak_flops, peak_memory
from lesionkit.training.step import can_compile

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


def tried(work: Callable[[], float]) -> float | None:
    """The rate, or None where it cannot run; the reason goes to the terminal."""
    try:
        return work()
    except (RuntimeError, torch.OutOfMemoryError) as error:
        print(f"  not measured: {str(error).splitlines()[0]}")
        return None


def possible_ways(given: argparse.Namespace, device: torch.device) -> list[str]:
    """The ways that were asked for and that this device and its compiler have."""
    found = []
    for way, how in WAYS.items():
        needs_cuda = how.get("graphed") or how.get("dtype") == "tf32"
        lacks_cuda = needs_cuda and device.type != "cuda"
        lacks_compiler = how.get("compile") and not given.compile
        if way in given.ways and not lacks_cuda and not lacks_compiler:
            found.append(way)
    return found


def alone(
    name: str, given: argparse.Namespace, device: torch.device
) -> tuple[dict[str, float | None], dict | None]:
    """The rate of one network in each way, and what is known of the best one."""
    rates: dict[str, float | None] = dict.fromkeys(WAYS)
    best = None
    for way in possible_ways(given, device):
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        bench = ready(name, way, size=given.size, device=device)
        rate = tried(partial(steps_rate, bench, given.steps, device))
        rates[way] = rate
        if rate and (best is None or rate > best["solo"]):
            memory = peak_memory(device) or 0
            validated = validation_rate(bench, way, given.steps, device=device)
            best = {"best": way, "solo": rate, "memory": memory, "validated": validated}
        del bench
    return rates, best


def together(
    name: str, way: str | None, given: argparse.Namespace, device: torch.device
) -> dict[str, float | None]:
    """The rates of several at once, in the best way; None where there is none."""
    kinds = {"processes": processes_rate}
    if device.type == "cuda":
        kinds["streams"] = streams_rate
    settings = (name, way, given.size, given.steps, device.type)
    return {
        f"{count} {kind}": tried(partial(rate, settings, count)) if way else None
        for count in given.packed
        for kind, rate in kinds.items()
    }


def measure(name: str, given: argparse.Namespace, device: torch.device) -> dict:
    """All rates of one network; `best` is None where it can run in no way."""
    rates, best = alone(name, given, device)
    packed = together(name, best and best["best"], given, device)
    found = {"rates": rates, "packed": packed}
    if best is None:
        return found | {"best": None}
    trained = max(rate for rate in (*packed.values(), best["solo"]) if rate)
    validated = best["validated"] * trained / best["solo"]
    return found | best | {"trained": trained, "validated": validated}


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


def costs(name: str, found: dict, given: argparse.Namespace) -> list[str]:
    """Memory, utilisation and hours of a network; dashes where it cannot run."""
    if found["best"] is None:
        return [shown(None)] * (2 + len(EPOCHS))
    used = utilisation(name, found, given)
    every = [f"{hours(found, epochs):.1f}" for epochs in EPOCHS]
    return [f"{found['memory'] / 2**30:.2f}", shown(used, 3), *every]


def table(measured: dict[str, dict], given: argparse.Namespace) -> list[str]:
    """The lines of the page: a row a network, and the sum."""
    packs = list(next(iter(measured.values()))["packed"])
    heads = ["network", *WAYS, *packs, "GiB", "MFU", *(f"h at {e}" for e in EPOCHS)]
    lines = measurements.head(heads)
    for name, found in measured.items():
        cells = [name, *(shown(rate, 1) for rate in found["rates"].values())]
        cells += [shown(rate, 1) for rate in found["packed"].values()]
        cells += costs(name, found, given)
        lines.append(measurements.row(cells))
    known = [found for found in measured.values() if found["best"]]
    sums = [sum(hours(found, epochs) for found in known) for epochs in EPOCHS]
    whole = len(known) * RUNS * len(IMAGES)
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
