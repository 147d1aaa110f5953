"""What the options of a run cost, and how a run starts in a process that is warm.

uv run python benchmarks/execution.py

Forty made images. First: an epoch with each option against one without, CPU time of
this process, median of paired repeats; with checkpointing also the bytes that are kept
for the backward pass. Second: seconds from the call to the first step, in a process
that has trained before. Third: the share of a training that storing its states takes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time

import measurements
import torch

sys.path.append(str(measurements.ROOT / "tests" / "made"))
from made_data import write_discs  # noqa: E402

from lesionkit.config import RunConfig  # noqa: E402
from lesionkit.training.building import build, build_step  # noqa: E402
from lesionkit.training.execution import execution  # noqa: E402
from lesionkit.training.experiment import run  # noqa: E402

NETWORKS = ("enet", "unet", "emcadnet")
OPTIONS = {
    "deterministic off": {"deterministic": False},
    "activation checkpointing": {"activation_checkpointing": True},
    "streamed": {"loader": "streamed"},
}


def epoch(config: RunConfig) -> float:
    """CPU seconds of the second epoch of a run."""
    with execution(config):
        setting = build(config)
        step, batches = build_step(setting), setting.batches["train"]
        setting.model.train()
        for number in (1, 2):
            began = time.process_time()
            for chosen in batches.order(0, number):
                step(*batches.store.take(chosen))
        return time.process_time() - began


def kept_bytes(config: RunConfig) -> int:
    """Bytes of distinct storages that a step keeps for its backward pass."""
    with execution(config):
        setting = build(config)
        weights = {p.untyped_storage().data_ptr() for p in setting.model.parameters()}
        sizes: dict[int, int] = {}

        def keep(value: torch.Tensor) -> torch.Tensor:
            storage = value.untyped_storage()
            if storage.data_ptr() not in weights:
                sizes[storage.data_ptr()] = storage.nbytes()
            return value

        batches = setting.batches["train"]
        batch = batches.store.take(batches.order(0, 1)[0])
        step = build_step(setting)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
            step.objective(*batch)
        return sum(sizes.values())


def option_rows(given: argparse.Namespace) -> list[str]:
    """A row a network and option: time over the plain epoch, bytes kept."""
    rows = []
    for model in NETWORKS:
        plain = RunConfig(model=model, dataset="discs", size=given.size)
        for name, option in OPTIONS.items():
            other = RunConfig(model=model, dataset="discs", size=given.size, **option)
            ratios = [epoch(other) / epoch(plain) for _ in range(given.repeats)]
            kept = "–"
            if "activation_checkpointing" in option:
                kept = f"{kept_bytes(other) / kept_bytes(plain):.2f}"
            rows.append(
                f"| {model} | {name} | {statistics.median(ratios):.2f} | {kept} |"
            )
    return rows


def start_rows(given: argparse.Namespace) -> list[str]:
    """A row a network: seconds to the first step and after the last, warm."""
    rows = []
    for model in NETWORKS:
        found = []
        for repeat in range(4):
            config = RunConfig(
                model=model, dataset="discs", size=given.size, repeat=repeat, epochs=1
            )
            with execution(config):
                began = time.perf_counter()
                setting = build(config)
                built = time.perf_counter() - began
            began = time.perf_counter()
            record = run(config, progress=False)
            whole = time.perf_counter() - began
            (session,) = record.environment["sessions"]
            inside = session["epoch_seconds"]
            found.append((built, whole - inside))
            del setting
        built, beside = (
            statistics.median(values) for values in zip(*found[1:], strict=True)
        )
        rows.append(f"| {model} | {built:.3f} | {beside:.3f} |")
    return rows


def state_row(given: argparse.Namespace) -> str:
    """What states took of a training that stores one as often as it may."""
    config = RunConfig(
        model="unet",
        dataset="discs",
        size=given.size,
        epochs=given.epochs,
        save_seconds=0.001,
        stop_rule="never",
    )
    record = run(config, progress=False)
    (session,) = record.environment["sessions"]
    trained = session["epoch_seconds"] * given.epochs
    count, took = session["states_stored"], session["state_seconds"]
    return (
        f"U-Net, {given.epochs} epochs, a state as often as 2 % allows: {count} states"
        f" of {session['state_bytes'] / 1e6:.0f} MB in {took:.2f} of {trained:.0f} s"
        f" ({took / trained:.1%})."
    )


def main() -> None:
    """The three tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=60)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as home:
        os.environ["LESIONKIT_DATA"] = home
        write_discs("discs", count=40, size=given.size)
        lines = [
            f"40 images of {given.size} px, one thread.",
            "",
            "| network | option | epoch, CPU time | bytes kept for backward |",
            "|---|---|---|---|",
            *option_rows(given),
            "",
            "In a warm process, seconds, median of 3:",
            "",
            "| network | data, model, loss, optimiser | all of a run but its epochs |",
            "|---|---|---|",
            *start_rows(given),
            "",
            state_row(given),
        ]
    measurements.append("What the options of a run cost, and its start", lines)


if __name__ == "__main__":
    main()
