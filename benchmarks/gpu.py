"""How fast each network trains on this machine, in which way, and what the study costs.

uv run python benchmarks/gpu.py                              # twelve networks, 224 px
uv run python benchmarks/gpu.py --networks enet --size 32 --steps 2 --ways fp32 bf16

Images a second of whole steps (take, forward, ioufocal, backward, Adam) at batch 8 from
resident tensors, for every way a run can be executed, with the kernels that such a run
has; then the best of them several times at once: in processes of their own and, on a
GPU, on streams of one process. From the rates the hours of paper A's 3,600 trainings
follow, at 200 epochs each and at 104, the mean of the public re-run: of the best way,
and of `paper_a` as it is.

Everything takes at most --seconds (540, for the ten minutes of a lent GPU): each
network has its share of what is left. A row is on the page as soon as it is known. What
cannot run here, or what there was no time for, is a dash.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import measurements
import torch
from gpu_rates import (
    BATCH,
    WAYS,
    config_of,
    processes_rate,
    ready,
    steps_rate,
    streams_rate,
    validation_rate,
    warm,
)

from lesionkit.catalogue import MODELS
from lesionkit.training.execution import execution
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
KINDS = ["processes", "streams"]  # of several at once
NEEDS = {"compile": 40.0, "graphed": 2.0}  # seconds before the first timed step


class Time:
    """Seconds that are left, for all networks and for the one under way."""

    def __init__(self, seconds: float, networks: int) -> None:
        self.end = time.monotonic() + seconds
        self.networks = networks
        self.its_end = self.end

    def next_network(self) -> None:
        """Give the next network its share of what is left."""
        now = time.monotonic()
        self.its_end = now + (self.end - now) / max(self.networks, 1)
        self.networks -= 1

    def left(self, needed: float = 1.0) -> bool:
        """Whether there is time for something that needs so many seconds."""
        return time.monotonic() + needed <= self.its_end


def tried(work: Callable[[], Any]) -> Any:
    """What the work gives, or None where it cannot run; the terminal has the reason."""
    try:
        return work()
    except (RuntimeError, torch.OutOfMemoryError) as error:
        print(f"  not measured: {str(error).splitlines()[0]}")
        return None


def possible_ways(given: argparse.Namespace, device: torch.device) -> list[str]:
    """The ways that were asked for and that this device and its compiler have."""
    found = []
    for way in WAYS:
        how = config_of("unet", way)
        needs_cuda = how.graphed or how.dtype == "tf32"
        lacks_cuda = needs_cuda and device.type != "cuda"
        lacks_compiler = how.compile and not given.compile
        if way in given.ways and not lacks_cuda and not lacks_compiler:
            found.append(way)
    return found


def alone(
    name: str, given: argparse.Namespace, device: torch.device
) -> tuple[dict[str, float | None], dict | None]:
    """The rate of one network in each way, and what is known of the best one."""
    rates: dict[str, float | None] = dict.fromkeys(WAYS)
    best, first = None, {}
    for way in possible_ways(given, device):
        config = config_of(name, way)
        needed = sum(more for key, more in NEEDS.items() if getattr(config, key))
        if not given.time.left(needed + 2 * given.cell):
            print(f"  {way}: no time is left")
            continue
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        found = tried(partial(in_a_way, name, way, given, device))
        if found is None:
            continue
        rates[way] = found["solo"]
        print(f"  {way}: {found['solo']:.1f} images a second", flush=True)
        if way == "paper_a":
            first = {"paper_a": found["solo"], "paper_a validated": found["validated"]}
        if best is None or found["solo"] > best["solo"]:
            best = found
    return rates, best and best | first


def in_a_way(
    name: str, way: str, given: argparse.Namespace, device: torch.device
) -> dict:
    """Training and validation of one network in one way."""
    limits, config = (given.steps, given.cell), config_of(name, way)
    with execution(config):
        bench = ready(name, way, size=given.size, device=device)
        warm(bench, given.steps, device)
        found = {"best": way, "solo": steps_rate(bench, limits, device)}
        found["memory"] = peak_memory(device) or 0
        rate = validation_rate(bench, config, limits, device=device)
        return found | {"validated": rate}


def together(
    name: str, way: str | None, given: argparse.Namespace, device: torch.device
) -> dict[str, float | None]:
    """The rates of several at once, in the best way; None where there is none."""
    known = {"processes": processes_rate, "streams": streams_rate}
    kinds = {kind: known[kind] for kind in kinds_of(given, device)}
    settings = (name, way, given.size, (given.steps, given.cell), device.type)
    found: dict[str, float | None] = {}
    for count in given.packed:
        for kind, rate in kinds.items():
            needed = given.cell + count * (12.0 if kind == "processes" else 2.0)
            may = way and given.time.left(needed)
            found[f"{count} {kind}"] = (
                tried(partial(rate, settings, count)) if may else None
            )
    return found


def measure(name: str, given: argparse.Namespace, device: torch.device) -> dict:
    """All rates of one network; `best` is None where it can run in no way."""
    given.time.next_network()
    rates, best = alone(name, given, device)
    packed = together(name, best and best["best"], given, device)
    found = {"rates": rates, "packed": packed}
    if best is None:
        return found | {"best": None}
    trained = max(rate for rate in (*packed.values(), best["solo"]) if rate)
    validated = best["validated"] * trained / best["solo"]
    return found | best | {"trained": trained, "validated": validated}


def hours(found: dict, epochs: int, kind: str = "") -> float:
    """All runs of one network on the six data sets; `kind` "paper_a" of that way."""
    images = sum(IMAGES.values())
    trained = found["paper_a"] if kind else found["trained"]
    validated = found[f"{kind} validated".strip()]
    seconds = images * (TRAINED / trained + VALIDATED / validated)
    return RUNS * epochs * seconds / 3600


def utilisation(name: str, found: dict, given: argparse.Namespace) -> float | None:
    """Model FLOP utilisation of the best rate, where the peak is known."""
    dtype = config_of(name, found["best"]).dtype
    peak = peak_flops(torch.device(given.device), dtype)
    gmacs = MODELS[name].variants[MODELS[name].default].gmacs * (given.size / 224) ** 2
    return 6e9 * gmacs * found["trained"] / peak if peak else None


def shown(value: float | None, digits: int = 0) -> str:
    """A number, or a dash."""
    return "–" if value is None else f"{value:.{digits}f}"


def costs(name: str, found: dict, given: argparse.Namespace) -> list[str]:
    """Memory, utilisation and hours of a network; dashes where it cannot run."""
    if found["best"] is None:
        return [shown(None)] * (3 + len(EPOCHS))
    used = utilisation(name, found, given)
    every = [f"{hours(found, epochs):.1f}" for epochs in EPOCHS]
    plain = hours(found, EPOCHS[-1], "paper_a") if "paper_a" in found else None
    return [f"{found['memory'] / 2**30:.2f}", shown(used, 3), *every, shown(plain, 1)]


def kinds_of(given: argparse.Namespace, device: torch.device) -> list[str]:
    """The kinds of packing that were asked for and that this device has."""
    return [k for k in given.kinds if k != "streams" or device.type == "cuda"]


def heads(given: argparse.Namespace, device: torch.device) -> list[str]:
    """The names of the columns."""
    kinds = kinds_of(given, device)
    packs = [f"{count} {kind}" for count in given.packed for kind in kinds]
    at = [f"h at {epochs}" for epochs in EPOCHS]
    return [
        "network",
        *WAYS,
        *packs,
        "GiB",
        "MFU",
        *at,
        f"`paper_a`, h at {EPOCHS[-1]}",
    ]


def line(name: str, found: dict, given: argparse.Namespace) -> str:
    """The row of a network."""
    cells = [shown(rate, 1) for rate in found["rates"].values()]
    cells += [shown(rate, 1) for rate in found["packed"].values()]
    return measurements.row([name, *cells, *costs(name, found, given)])


def total(measured: dict[str, dict]) -> str:
    """The hours of all networks that ran, in the best way and as `paper_a`."""
    known = [found for found in measured.values() if found["best"]]
    sums = [sum(hours(found, epochs) for found in known) for epochs in EPOCHS]
    whole = len(known) * RUNS * len(IMAGES)
    said = " and ".join(
        f"{hours_:.1f} hours at {epochs} epochs"
        for hours_, epochs in zip(sums, EPOCHS, strict=True)
    )
    plain = [found for found in known if "paper_a" in found]
    price = sum(hours(found, EPOCHS[-1], "paper_a") for found in plain)
    other = f"; as `paper_a` {price:.1f} at {EPOCHS[-1]}, {len(plain)} networks"
    return f"{whole:,} trainings on this device: {said}{other if plain else ''}."


def main(arguments: list[str] | None = None) -> None:
    """One table, and the price of the study."""
    papers = [name for name in MODELS if name not in ("segnet", "enet")]
    parser = argparse.ArgumentParser()
    parser.add_argument("--networks", nargs="+", default=papers, choices=list(MODELS))
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=540.0)
    parser.add_argument("--cell", type=float, default=3.0, help="seconds, at most")
    parser.add_argument("--packed", type=int, nargs="*", default=[2, 4])
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--device", default=None, help="cuda where there is one.")
    given = parser.parse_args(arguments)
    given.device = given.device or ("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(given.device)
    if device.type == "cpu":
        torch.set_num_threads(1)
    given.compile = any(WAYS[w].get("compile") for w in given.ways) and can_compile(
        device
    )
    given.time = Time(given.seconds, len(given.networks))
    known = ", ".join(PEAKS)
    lines = [
        f"Images a second at {given.size} px, batch {BATCH}, at most {given.steps}"
        f" steps or {given.cell:g} s a cell, on {given.device}; MFU where the peak is"
        f" known ({known}).",
        "",
        *measurements.head(heads(given, device)),
    ]
    measurements.append("Rates of the networks, and the price of the study", lines)
    measured = {}
    for name in given.networks:
        print(name, flush=True)
        measured[name] = measure(name, given, device)
        measurements.add([line(name, measured[name], given)])
    measurements.add(["", total(measured)])


if __name__ == "__main__":
    main()
