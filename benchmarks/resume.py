"""kill -9 at random moments, and single flipped bits: does every run end the same?

uv run python benchmarks/resume.py

Three networks, both loaders, forty made images. Each training is killed at a moment
drawn from its usual length, up to three times, then finished; then its stored state is
damaged by one bit and it is finished from there. All files of the record but the one of
times are compared with those of a training that nothing interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import measurements
import torch

from lesionkit import runs
from lesionkit.config import RunConfig
from lesionkit.experiment import run

sys.path.append(str(measurements.ROOT / "tests"))
from made_data import write_discs  # noqa: E402

NETWORKS = ("enet", "unet", "emcadnet")
LOADERS = ("resident", "streamed")
COMPARED = ("metrics.json", "history.csv", "images.csv", "curves.npz", "logits.npz")
COMPARED += ("best.safetensors",)


def child(config: RunConfig, told: Path | None = None) -> int:
    """Train in a process of its own, forked from this warm one; its number."""
    number = os.fork()
    if number:
        return number
    stream = io.StringIO()
    with contextlib.redirect_stderr(stream):
        run(config, progress=False)
    if told is not None:
        told.write_text(stream.getvalue())
    os._exit(0)


def ended(number: int) -> bool:
    """Wait for a process; whether it ended by itself and well."""
    return os.waitpid(number, 0)[1] == 0


def content(config: RunConfig) -> dict[str, bytes]:
    """The compared files of a finished record."""
    return {name: (config.folder / name).read_bytes() for name in COMPARED}


def whole(config: RunConfig) -> tuple[dict[str, bytes], float]:
    """What an uninterrupted training leaves, and how long it takes."""
    began = time.perf_counter()
    if not ended(child(config)):
        raise RuntimeError("the uninterrupted training failed")
    took = time.perf_counter() - began
    found = content(config)
    shutil.rmtree(config.folder)
    return found, took


def killed(config: RunConfig, after: float) -> bool:
    """Start or go on with a training and kill it; False if it had ended before."""
    number = child(config)
    time.sleep(after)
    if os.waitpid(number, os.WNOHANG)[0]:
        return False
    os.kill(number, signal.SIGKILL)
    os.waitpid(number, 0)
    return not runs.is_done(config.folder)


def kill_and_finish(
    config: RunConfig, wanted: dict[str, bytes], length: float, draw: random.Random
) -> tuple[int, bool]:
    """How often it was killed before its end, and whether it ended the same."""
    count = 0
    for _ in range(draw.randint(1, 3)):
        count += killed(config, draw.uniform(0, length))
    same = ended(child(config)) and content(config) == wanted
    shutil.rmtree(config.folder)
    return count, same


def interrupt(config: RunConfig) -> None:
    """Kill a training as soon as two states are stored."""
    states = [config.folder / name for name in runs.STATES]
    number = child(config)
    while not all(path.is_file() for path in states):
        time.sleep(0.002)
        if os.waitpid(number, os.WNOHANG)[0]:
            raise RuntimeError(f"{config.run_id} ended before it could be killed")
    os.kill(number, signal.SIGKILL)
    os.waitpid(number, 0)


def corrupt_and_finish(
    config: RunConfig, wanted: dict[str, bytes], told: Path, draw: random.Random
) -> tuple[bool, bool]:
    """Whether one flipped bit was noticed, and whether the run ended the same."""
    path = config.folder / "state.pt"
    state = bytearray(path.read_bytes())
    state[draw.randrange(len(state))] ^= 1 << draw.randrange(8)
    path.write_bytes(state)
    well = ended(child(config, told))
    noticed = "state.pt: the stored state is damaged" in told.read_text()
    return noticed, well and content(config) == wanted


def each(
    count: int, draw: random.Random, work: Callable[..., None], **rules: object
) -> None:
    """Do the work `count` times, going through networks and loaders."""
    cases = [(model, loader) for model in NETWORKS for loader in LOADERS]
    known: dict[tuple[str, str], tuple] = {}
    for i in range(count):
        model, loader = cases[i % len(cases)]
        config = RunConfig(
            dataset="discs", model=model, loader=loader, save_seconds=0.0, **rules
        )
        if (model, loader) not in known:
            known[model, loader] = whole(config)
        work(config, *known[model, loader], draw)


def main() -> None:
    """Both tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    draw = random.Random(given.seed)
    rules = {"epochs": given.epochs, "size": given.size, "device": given.device}
    kills, same, noticed, recovered = [], [], [], []
    with tempfile.TemporaryDirectory() as home:
        os.environ["LESIONKIT_DATA"] = home
        write_discs("discs", count=40, size=given.size)

        def kill(config, wanted, length, draw) -> None:
            count, alike = kill_and_finish(config, wanted, length, draw)
            kills.append(count)
            same.append(alike)

        def corrupt(config, wanted, length, draw) -> None:
            interrupt(config)
            seen, alike = corrupt_and_finish(config, wanted, Path(home) / "told", draw)
            noticed.append(seen)
            recovered.append(alike)
            shutil.rmtree(config.folder)

        each(given.count, draw, kill, **rules)
        each(given.count, draw, corrupt, **rules)
    lines = [
        f"{', '.join(NETWORKS)}, {' and '.join(LOADERS)}, {given.epochs} epochs, 40"
        f" images of {given.size} px, {given.device}, a state after every epoch.",
        "",
        "| what | tried | as it should be |",
        "|---|---|---|",
        f"| trainings killed by kill -9 ({sum(kills)} kills before their end), finished"
        f" with the same bits | {len(same)} | {sum(same)} |",
        f"| states with one flipped bit, noticed | {len(noticed)} | {sum(noticed)} |",
        f"| of these finished from the state before, with the same bits |"
        f" {len(recovered)} | {sum(recovered)} |",
    ]
    measurements.append("Resume after kill -9 and after a flipped bit", lines)
    if not (all(same) and all(noticed) and all(recovered)):
        raise SystemExit("not all runs ended the same")


if __name__ == "__main__":
    main()
