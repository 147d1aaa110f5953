"""What distributed data-parallel would bring at batch 8, beside runs side by side.

uv run python benchmarks/distributed.py [--device cuda]

Per device: one run with the whole batch of 8 images; one run over both devices, four
images each, gradients averaged by torch's DistributedDataParallel (gloo, or nccl on
GPUs); two independent runs, one a device. On a machine without two GPUs a device is a
processor core with one thread. The three take turns; printed are images a second, and
the speed-up over one run, whose best is 2.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import time
from collections.abc import Callable
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier

import measurements
import torch
from torch import distributed
from torch.multiprocessing import get_context
from torch.nn.parallel import DistributedDataParallel

import lesionkit as lk

BATCH, STEPS, ROUNDS = 8, 12, 3
WAYS = {
    "one run, one device": (1, BATCH, False),
    "one run over two devices": (2, BATCH // 2, True),
    "two runs, one a device": (2, BATCH, False),
}


def ready(rank: int, given: dict) -> Callable[[], None]:
    """A training step on random images, on the device of one of the processes."""
    cuda = given["device"] == "cuda"
    device = torch.device("cuda", rank) if cuda else torch.device("cpu")
    model = lk.build_model(given["model"], variant=given["variant"]).to(device)
    if given["together"]:
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(given["port"])}
        backend = "nccl" if cuda else "gloo"
        distributed.init_process_group(backend, rank=rank, world_size=2)
        model = DistributedDataParallel(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    loss_of = lk.build_loss("ioufocal")
    size = given["size"]
    image = torch.rand(given["batch"], 3, size, size, device=device)
    mask = (torch.rand(given["batch"], 1, size, size, device=device) < 0.2).float()

    def step() -> None:
        optimizer.zero_grad()
        loss_of(model(image), mask).backward()
        optimizer.step()

    return step


def work(rank: int, given: dict, *, barrier: Barrier, results: SimpleQueue) -> None:
    """Train for so many steps as one of the processes; send the seconds they took."""
    torch.set_num_threads(1)
    step = ready(rank, given)
    for _ in range(2):  # the first steps choose kernels
        step()
    barrier.wait()
    began = time.perf_counter()
    for _ in range(STEPS):
        step()
    if given["device"] == "cuda":
        torch.cuda.synchronize()
    results.put(time.perf_counter() - began)
    if given["together"]:
        distributed.destroy_process_group()


def images_per_second(way: str, given: dict) -> float:
    """All images of all processes, over the time of the slowest."""
    count, batch, together = WAYS[way]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = given | {"batch": batch, "together": together, "port": port}
    context = get_context("spawn")
    barrier, results = context.Barrier(count), context.SimpleQueue()
    shared = {"barrier": barrier, "results": results}
    workers = [
        context.Process(target=work, args=(rank, given), kwargs=shared)
        for rank in range(count)
    ]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
        if each.exitcode:
            raise RuntimeError(f"{way}: a process ended with {each.exitcode}")
    slowest = max(results.get() for _ in workers)
    return count * batch * STEPS / slowest


def main() -> None:
    """A row a way."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--model", default="unet")
    parser.add_argument("--variant", default="smp_unet_resnet34")
    given = vars(parser.parse_args())
    if given["device"] == "cuda" and torch.cuda.device_count() < 2:
        parser.error("needs two GPUs")
    found = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way in WAYS:
            found[way].append(images_per_second(way, given))
    one = statistics.median(found["one run, one device"])
    lines = [
        f"{given['variant']} at {given['size']} px, float32, {STEPS} steps, median of"
        f" {ROUNDS} turns; a device is a "
        + ("GPU." if given["device"] == "cuda" else "core with one thread."),
        "",
        "| way | images a step and device | images/s | speed-up |",
        "|---|---|---|---|",
    ]
    for way, rates in found.items():
        rate = statistics.median(rates)
        lines.append(f"| {way} | {WAYS[way][1]} | {rate:.1f} | {rate / one:.2f} x |")
    measurements.append("Distributed data-parallel at batch 8", lines)


if __name__ == "__main__":
    main()
