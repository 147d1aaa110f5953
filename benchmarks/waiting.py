"""How threads that wait for each other should wait: on idle cores and on busy ones.

uv run python benchmarks/waiting.py [--networks enet] [--turns 3]

OpenMP's threads spin while they wait. On a core that somebody else uses too, they spin
away the time in which the other thread would have finished. Each row trains a network
for some steps in a process of its own, on all cores: alone, and beside one program a
core that does nothing but compute. ENet has many small operations, U-Net (31 million
parameters) few large ones. Ratios are to one thread, turn by turn.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import measurements

STEPS = {"enet": 4, "unet": 2}
STEP = """
import sys, time
import torch
from lesionkit.losses import build_loss
from lesionkit.models import build_model

torch.manual_seed(0)
model, loss = build_model(sys.argv[1]).train(), build_loss("ioufocal")
adam = torch.optim.Adam(model.parameters())
images = torch.rand(8, 3, 64, 64)
masks = (images[:, :1] > 0.5).float()

def step():
    adam.zero_grad()
    loss(model(images), masks).backward()
    adam.step()

step()
wall, cpu = time.perf_counter(), time.process_time()
for _ in range(int(sys.argv[2])):
    step()
print(time.perf_counter() - wall, time.process_time() - cpu)
"""
OTHER = [sys.executable, "-c", "while True: pass"]
WAYS = {
    "one thread": {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"},
    "sleeping, as the kit sets it (OMP_WAIT_POLICY=passive)": {
        "OMP_WAIT_POLICY": "passive"
    },
    "spinning, the default of OpenMP": {},
}


def timed(network: str, way: dict[str, str]) -> tuple[float, float]:
    """Wall and processor seconds of the steps of a network."""
    known = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    left = {k: v for k, v in os.environ.items() if k not in known}
    done = subprocess.run(
        [sys.executable, "-c", STEP, network, str(STEPS[network])],
        env=left | way,
        capture_output=True,
        text=True,
        check=True,
    )
    wall, cpu = map(float, done.stdout.split())
    return wall, cpu


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many other programs that compute."""
    others = [subprocess.Popen(OTHER) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def rows(network: str, others: int, turns: int) -> list[str]:
    """A row a way, beside so many other programs."""
    found: dict[str, list] = {name: [] for name in WAYS}
    with busy(others):
        for _ in range(turns):
            for name, way in WAYS.items():
                found[name].append(timed(network, way))
                print(network, others, name, found[name][-1], flush=True)
    lines = []
    for name, times in found.items():
        wall, cpu = (statistics.median(part) for part in zip(*times, strict=True))
        alone = found["one thread"]
        ratio = statistics.median(
            mine[0] / one[0] for mine, one in zip(times, alone, strict=True)
        )
        cells = [network, name, str(others), f"{wall:.1f}", f"{cpu:.1f}"]
        lines.append(measurements.row([*cells, f"{ratio:.2f}"]))
    return lines


def main() -> None:
    """The table: a network, alone and beside others."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    heads = ["network", "threads", "others", "wall, s", "processor, s"]
    lines = measurements.head([*heads, "wall, to one thread"])
    for network in given.networks:
        for others in (0, cores):
            lines += rows(network, others, given.turns)
    steps = ", ".join(f"{STEPS[name]} of {name}" for name in given.networks)
    note = f"Steps ({steps}) of batch 8 at 64 px, median of {given.turns} turns."
    measurements.append("How threads wait for each other", [note, "", *lines])


if __name__ == "__main__":
    main()
