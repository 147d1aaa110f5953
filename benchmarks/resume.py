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
from pathlib import Path

import measurements
import torch

from lesionkit.config import RunConfig
from lesionkit.records import runs
from lesionkit.training.experiment import run

sys.path.append(str(measurements.ROOT / "tests" / "made"))
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
    config: RunConfig, wanted: dict[str, bytes], *, length: float, draw: random.Random
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
    config: RunConfig, wanted: dict[str, bytes], *, told: Path, draw: random.Random
) -> tuple[bool, bool]:
    """Whether one flipped bit was noticed, and whether the run ended the same."""
    path = config.folder / "state.pt"
    state = bytearray(path.read_bytes())
    state[draw.randrange(len(state))] ^= 1 << draw.randrange(8)
    path.write_bytes(state)
    well = ended(child(config, told))
    noticed = "state.pt: the stored state is damaged" in told.read_text()
    return noticed, well and content(config) == wanted


class Tally:
    """Trainings that were killed or damaged, and how each of them ended.

    Args:
        given: the options of the command.
        told: a file for what a training says on stderr.
    """

    def __init__(self, given: argparse.Namespace, told: Path) -> None:
        self.given, self.told, self.draw = given, told, random.Random(given.seed)
        self.kills: list[int] = []
        self.same: list[bool] = []
        self.noticed: list[bool] = []
        self.recovered: list[bool] = []
        self.known: dict[tuple[str, str], tuple[dict[str, bytes], float]] = {}

    def case(self, number: int) -> tuple[RunConfig, dict[str, bytes], float]:
        """A network and a loader in turn: what they leave undisturbed, how long."""
        cases = [(model, loader) for model in NETWORKS for loader in LOADERS]
        model, loader = cases[number % len(cases)]
        config = RunConfig(
            dataset="discs",
            model=model,
            loader=loader,
            save_seconds=0.0,
            epochs=self.given.epochs,
            size=self.given.size,
            device=self.given.device,
        )
        if (model, loader) not in self.known:
            self.known[model, loader] = whole(config)
        return config, *self.known[model, loader]

    def kill(self, number: int) -> None:
        """One training, killed and finished."""
        config, wanted, length = self.case(number)
        count, same = kill_and_finish(config, wanted, length=length, draw=self.draw)
        self.kills.append(count)
        self.same.append(same)

    def corrupt(self, number: int) -> None:
        """One training, killed, its state damaged by a bit, and finished."""
        config, wanted, _ = self.case(number)
        interrupt(config)
        seen, same = corrupt_and_finish(config, wanted, told=self.told, draw=self.draw)
        self.noticed.append(seen)
        self.recovered.append(same)
        shutil.rmtree(config.folder)

    def lines(self) -> list[str]:
        """The table of the page."""
        given, kills = self.given, sum(self.kills)
        return [
            f"{', '.join(NETWORKS)}, {' and '.join(LOADERS)}, {given.epochs} epochs, 40"
            f" images of {given.size} px, {given.device}, a state after every epoch.",
            "",
            "| what | tried | as it should be |",
            "|---|---|---|",
            f"| trainings killed by kill -9 ({kills} kills before their end), finished"
            f" with the same bits | {len(self.same)} | {sum(self.same)} |",
            f"| states with one flipped bit, noticed | {len(self.noticed)} |"
            f" {sum(self.noticed)} |",
            f"| of these finished from the state before, with the same bits |"
            f" {len(self.recovered)} | {sum(self.recovered)} |",
        ]

    def well(self) -> bool:
        """Whether every run ended as it should."""
        return all(self.same) and all(self.noticed) and all(self.recovered)


def main() -> None:
    """The table, and status 1 where a run did not end the same."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as home:
        os.environ["LESIONKIT_DATA"] = home
        write_discs("discs", count=40, size=given.size)
        tally = Tally(given, Path(home) / "told")
        for number in range(given.count):
            tally.kill(number)
        for number in range(given.count):
            tally.corrupt(number)
    measurements.append("Resume after kill -9 and after a flipped bit", tally.lines())
    if not tally.well():
        raise SystemExit("not all runs ended the same")


if __name__ == "__main__":
    main()
