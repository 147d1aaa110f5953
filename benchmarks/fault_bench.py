"""Where benchmarks/faults.py works: an undisturbed sweep, and homes beside it."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sys
import time
from pathlib import Path

import measurements
import psutil
from fault_homes import Home, finish

sys.path.append(str(measurements.ROOT / "tests"))
from made_data import write_discs  # noqa: E402

LEAVE_SECONDS = 10.0  # for a process to end by itself
GRID = """\
name: faults
fixed: {{protocol: demo, dataset: discs, model: enet, size: 32, epochs: {epochs},
        repeats: {repeats}, threads: 1, device: cpu, save_seconds: 0.0}}
axes:
  loss: [dice]
  repeat: 0-{last}
{more}"""


class Bench:
    """A scratch folder with an undisturbed sweep, and homes beside it.

    Args:
        scratch: a short path: sockets of Ray lie below it.
        runs: of the grid.
        epochs: of each run.
        seed: of the random moments.
    """

    def __init__(self, scratch: Path, *, runs: int, epochs: int, seed: int) -> None:
        self.scratch, self.draw = scratch, random.Random(seed)
        self.runs, self.epochs, self.count = runs, epochs, 0
        self.reference = self.home()
        began = time.monotonic()
        with self.reference.watched():
            finish(self.reference.go())
        # the first run of a worker loads the networks' libraries, within its limit
        self.cold = min(when for _, when in self.reference.began) - began
        took = [
            self.reference.sessions(config.run_id)[-1]["wall_seconds"]
            for config in self.reference.sweep.configs
        ]
        self.length = sum(took) / len(took)

    def home(self, *, more: str = "", at: Path | None = None) -> Home:
        """A new home with the prepared images and no runs.

        Args:
            more: what the sweep file has besides the grid.
            at: where it lies; None: in the scratch folder.
        """
        self.count += 1
        folder = at or self.scratch / f"h{self.count}"
        os.environ["LESIONKIT_DATA"] = str(folder)
        write_discs("discs")
        grid = self.scratch / f"g{self.count}.yaml"
        last = self.runs - 1
        text = GRID.format(
            epochs=self.epochs, repeats=max(5, self.runs), last=last, more=more
        )
        grid.write_text(text)
        return Home(folder, grid)

    def copy(self) -> Home:
        """A home with the records of the undisturbed sweep."""
        made = self.home()
        shutil.copytree(self.reference.folder, made.folder, dirs_exist_ok=True)
        return made

    def wait_in_run(self) -> None:
        """Wait for a random moment of a run."""
        time.sleep(self.draw.uniform(0, self.length))


def end_left(scratch: Path) -> list[str]:
    """Processes that name the scratch folder after a while; each is ended."""
    found = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = " ".join(process.cmdline())
            home = process.environ().get("LESIONKIT_DATA", "")
            if str(scratch) in f"{words} {home}" and process.pid != os.getpid():
                found[process] = f"{process.pid} {words[:80]}"
    _, left = psutil.wait_procs(list(found), LEAVE_SECONDS)
    for process in left:
        process.kill()
    psutil.wait_procs(left, LEAVE_SECONDS)
    return [found[process] for process in left]
