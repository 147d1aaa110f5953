"""What one training step of each network costs: time and peak memory at batch 2, 224.

    python benchmarks/networks.py [--variants] [--repeats 3] [--threads 2]

Each network is measured in a process of its own: forward and backward of ioufocal on a
random batch, the median of the repeats after one that does not count. Peak memory is
the largest resident size of the process, less what it was before the network was built.
--variants measures every variant, not the default ones alone.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import measurements

from lesionkit.catalogue import MODELS


def main() -> None:
    """Measure every network and report; or one, for the script itself."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variants", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        found = cost(*given.one, repeats=given.repeats, threads=given.threads)
        print(json.dumps(found))
        return
    lines = [
        "| network | variant | parameters | GMACs | forward s | backward s"
        " | GMACs a second | peak MiB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, entry in MODELS.items():
        for variant in entry.variants if given.variants else [entry.default]:
            lines.append(row(name, variant, in_own_process(name, variant, given)))
            print(lines[-1], flush=True)
    title = f"A step of each network: batch 2, 224 x 224, {given.threads} threads"
    measurements.append(title, lines)


def in_own_process(name: str, variant: str, given: argparse.Namespace) -> dict:
    """The cost as a fresh process finds it."""
    command = [sys.executable, str(Path(__file__)), "--one", name, variant]
    command += ["--repeats", str(given.repeats), "--threads", str(given.threads)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def cost(name: str, variant: str, *, repeats: int, threads: int) -> dict:
    """Median seconds of forward and backward, and peak memory, of one network."""
    import torch

    from lesionkit.losses import build_loss
    from lesionkit.models import build_model

    torch.set_num_threads(threads)
    before = peak()
    model = build_model(name, variant=variant).train()
    loss = build_loss("ioufocal")
    image = torch.rand(2, 3, 224, 224)
    mask = (torch.rand(2, 1, 224, 224) > 0.8).float()
    forward, backward = [], []
    for _ in range(repeats + 1):
        model.zero_grad(set_to_none=True)
        began = time.perf_counter()
        value = loss(model(image), mask)
        middle = time.perf_counter()
        value.backward()
        forward.append(middle - began)
        backward.append(time.perf_counter() - middle)
    return {
        "forward": statistics.median(forward[1:]),
        "backward": statistics.median(backward[1:]),
        "peak": peak() - before,
    }


def peak() -> float:
    """The largest resident size of this process so far, in MiB."""
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / (2**20 if sys.platform == "darwin" else 2**10)


def row(name: str, variant: str, found: dict) -> str:
    """A line of the table."""
    facts = MODELS[name].variants[variant]
    both = found["forward"] + found["backward"]
    rate = 3 * 2 * facts.gmacs / both  # backward counts twice, two images
    cells = [name, variant, f"{facts.parameters:,}", f"{facts.gmacs:.2f}"]
    cells += [f"{found['forward']:.2f}", f"{found['backward']:.2f}"]
    cells += [f"{rate:.0f}", f"{found['peak']:.0f}"]
    return measurements.row(cells)


if __name__ == "__main__":
    main()
