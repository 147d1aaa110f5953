"""How threads that wait for each other should wait: on idle cores and on busy ones.

uv run python benchmarks/waiting.py

OpenMP's threads spin while they wait. On a core that somebody else uses too, they spin
away the time in which the other thread would have finished. Each row trains U-Net for
some steps in a process of its own, on all cores: alone, beside one program a core that
does nothing but compute, and beside three. Ratios are to one thread, turn by turn.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import measurements

STEPS, TURNS = 3, 3
STEP = f"""
import sys, time
import torch
from lesionkit.losses import build_loss
from lesionkit.models import build_model

torch.manual_seed(0)
model, loss = build_model("unet").train(), build_loss("ioufocal")
adam = torch.optim.Adam(model.parameters())
images = torch.rand(8, 3, 64, 64)
masks = (images[:, :1] > 0.5).float()

def step():
    adam.zero_grad()
    loss(model(images), masks).backward()
    adam.step()

step()
wall, cpu = time.perf_counter(), time.process_time()
for _ in range({STEPS}):
    step()
print(time.perf_counter() - wall, time.process_time() - cpu)
"""
OTHER = [sys.executable, "-c", "while True: pass"]
WAYS = {
    "one thread": {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"},
    "spinning a little (GOMP_SPINCOUNT=1000)": {"GOMP_SPINCOUNT": "1000"},
    "sleeping, as the kit sets it (OMP_WAIT_POLICY=passive)": {
        "OMP_WAIT_POLICY": "passive"
    },
    "spinning, the default of OpenMP": {"GOMP_SPINCOUNT": "300000"},
}


def timed(way: dict[str, str]) -> tuple[float, float]:
    """Wall and processor seconds of the steps."""
    known = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    left = {k: v for k, v in os.environ.items() if k not in known}
    done = subprocess.run(
        [sys.executable, "-c", STEP],
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


def main() -> None:
    """A row a way, alone and beside others."""
    cores = len(os.sched_getaffinity(0))
    heads = ["threads", "others", "wall, s", "processor, s", "wall, to one thread"]
    lines = measurements.head(heads)
    for count in (0, cores, 3 * cores):
        found: dict[str, list] = {name: [] for name in WAYS}
        with busy(count):
            for _ in range(TURNS):
                for name, way in WAYS.items():
                    found[name].append(timed(way))
                    print(count, name, found[name][-1], flush=True)
        for name, times in found.items():
            wall, cpu = (statistics.median(part) for part in zip(*times, strict=True))
            first = found["one thread"]
            ratio = statistics.median(
                mine[0] / one[0] for mine, one in zip(times, first, strict=True)
            )
            cells = [name, str(count), f"{wall:.1f}", f"{cpu:.1f}", f"{ratio:.2f}"]
            lines.append(measurements.row(cells))
    note = (
        f"{STEPS} steps of U-Net ResNet-34, batch 8 at 64 px, median of {TURNS} turns."
    )
    measurements.append("How threads wait for each other", [note, "", *lines])


if __name__ == "__main__":
    main()
