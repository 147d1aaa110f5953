"""What happens beside the loop: bar, state, speed, logging and the note of it all."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lesionkit.catalogue import own
from lesionkit.progress import bar, say
from lesionkit.records import runs
from lesionkit.records.curves import Curves
from lesionkit.records.runs import RunRecord
from lesionkit.records.trackers import Tracker
from lesionkit.training import checkpoint
from lesionkit.training.building import Setting
from lesionkit.training.execution import describe
from lesionkit.training.graphs import GraphedStep
from lesionkit.training.loop import Progress
from lesionkit.training.profiling import Meter, peak_flops
from lesionkit.training.step import Step

SHARE = 0.02  # of the wall time that storing states may take
SAME_BITS = ("host", "execution")  # what differs without changing a bit
SECONDS_A_BYTE = 5e-9  # of packing, hashing and writing, until one state is measured


class Session:
    """One entry of environment.json, from the first epoch to the stored record.

    Its beginning notes what executes the run; `epoch` is called after every epoch;
    leaving it waits until the last state is on disk; `end` adds what was measured.
    The loop changes `progress` in place; `logged` gets a row an epoch; `show` says
    whether there is a bar.
    """

    def __init__(
        self,
        setting: Setting,
        step: Step | GraphedStep,
        folder: Path,
        progress: Progress,
        *,
        logged: Tracker,
        show: bool,
    ) -> None:
        config = setting.config
        self.setting, self.step, self.folder = setting, step, folder
        self.progress, self.logged = progress, logged
        self._begin()
        self.began = time.monotonic()
        self.bar = _bar(setting, progress, show)
        self.curves = Curves(
            lambda content: runs.store_picture(folder, content),
            title=_title(setting),
            epochs=config.epochs,
        )
        self.best = max((row["validation_dice"] for row in progress.history), default=0)
        weights = sum(p.nbytes for p in setting.model.parameters())
        self.keeper = Keeper(
            lambda content: runs.save_state(folder, content),
            every_seconds=config.save_seconds,
            counts_thread=setting.device.type == "cpu",
            expected_bytes=4 * weights,  # these, two moments, the best epoch's
            leaving=partial(checkpoint.leaving, device=setting.device),
        )
        self.keeper.kept_epoch = progress.epoch
        variant = own.find_model(config.model).variants[config.variant]
        self.meter = Meter(
            trained=len(setting.batches["train"]),
            validated=setting.batches["validation"].scored(config.scoring),
            gmacs=variant.gmacs * (config.size / 224) ** 2,
            device=setting.device,
            peak=peak_flops(setting.device, config.dtype),
        )

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.keeper.close()
        self.bar.close()
        if isinstance(error, KeyboardInterrupt):
            error.args = (self.stopped(),)

    def stopped(self) -> str:
        """In which epoch training was stopped, and with which it will go on."""
        now, of = self.progress.epoch + 1, self.setting.config.epochs
        at = f"stopped in epoch {min(now, of)} of {of}"
        if kept := self.keeper.kept_epoch:
            return f"{at}; run again, it goes on with epoch {kept + 1}"
        return f"{at}, before a state was stored; run again, it begins with epoch 1"

    def _begin(self) -> None:
        """Note in environment.json, on stderr if it changed, what trains it."""
        known = (self.folder / "environment.json").is_file()
        earlier = RunRecord(self.folder).environment["sessions"] if known else []
        this = describe(self.setting.device) | self.step.facts()
        this["dtype"] = self.setting.config.dtype
        this["execution"] = runs.execution_of(self.setting.config)
        last = earlier[-1] if earlier else this
        differs = [
            name
            for name, value in this.items()
            if last.get(name, value) != value and name not in SAME_BITS
        ]
        if self.progress.epoch and differs:
            says = f"goes on under another {', '.join(differs)}"
            says += "; the end may differ in the last bits"
            print(f"{self.folder}: {says}", file=sys.stderr)
        this |= {
            "first_epoch": self.progress.epoch + 1,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        runs.store_json(self.folder, "environment", {"sessions": [*earlier, this]})

    def epoch(self, progress: Progress) -> None:
        """The epoch is counted, shown and logged, and its state kept if it is time."""
        self.meter.epoch()
        row = progress.history[-1]
        self.best = max(self.best, row["validation_dice"])
        dice = f"validation Dice {row['validation_dice']:.3f}, best {self.best:.3f}"
        self.bar.set_postfix_str(dice, refresh=False)
        self.bar.update()
        self.logged.epoch(row)
        self.curves.epoch(progress.history)
        if self.keeper.due():
            model, optimizer = self.setting.model, self.setting.optimizer
            self.keeper.keep(
                lambda: checkpoint.capture(model, optimizer, vars(progress))
            )

    def end(self) -> None:
        """Add last epoch, wall time, speed, memory and what storing states took.

        The curves are drawn a last time.
        """
        self.curves.draw(self.progress.history)
        environment = RunRecord(self.folder).environment
        environment["sessions"][-1] |= {
            "last_epoch": self.progress.epoch,
            "wall_seconds": round(time.monotonic() - self.began, 2),
            **self.meter.facts(),
            **self.keeper.facts(),
            **self.step.facts(),
        }
        runs.store_json(self.folder, "environment", environment)


def _title(setting: Setting) -> str:
    """What is trained, in a few words."""
    config = setting.config
    return f"{config.dataset} {config.model} {config.loss} repeat {config.repeat}"


def _bar(setting: Setting, start: Progress, show: bool = True) -> tqdm:
    """A bar over the epochs, below a line that says what is trained."""
    config = setting.config
    if show:
        what = f"{config.dataset}, {config.model}, {config.loss}"
        on = f", going on with epoch {start.epoch + 1}" if start.epoch else ""
        say(f"training {what}, repeat {config.repeat}{on}")
    return bar(show=show, total=config.epochs, initial=start.epoch, desc="epoch")


def staying(state: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    """The state is where it can be packed."""
    return lambda: state


class Keeper:
    """Stores states now and then, each in a thread, so that training goes on.

    A state is copied where it lies, which takes an instant; turning it into bytes and
    writing them is the thread's. Where both together would take more than SHARE of the
    time, states are stored less often. A state that cannot be written is told in one
    line, and the next one is tried.

    Args:
        store: writes the bytes of one state, whole or not at all.
        every_seconds: between two states, or longer as SHARE asks; 0 stores after every
            epoch and waits for it.
        counts_thread: whether the thread takes from the training what it uses, as it
            does on a CPU.
        expected_bytes: of a state, so that the first one keeps to its share as well.
        leaving: a captured state to what gives it on the CPU, called in the thread.
    """

    def __init__(
        self,
        store: Callable[[memoryview], None],
        *,
        every_seconds: float,
        counts_thread: bool = True,
        expected_bytes: int = 0,
        leaving: Callable[[dict[str, Any]], Callable[[], dict[str, Any]]] = staying,
    ) -> None:
        self.store, self.every_seconds = store, every_seconds
        self.counts_thread, self.leaving = counts_thread, leaving
        self.thread: threading.Thread | None = None
        self.last = time.monotonic()
        self.kept_epoch = 0  # of the newest state on disk
        self.stored, self.size, self.spent = 0, 0, 0.0
        self.cost = expected_bytes * SECONDS_A_BYTE * counts_thread

    def due(self) -> bool:
        """Whether it is time for the next state."""
        if self.every_seconds == 0:
            return True
        busy = self.thread is not None and self.thread.is_alive()
        wait = max(self.every_seconds, self.cost / SHARE)
        return not busy and time.monotonic() - self.last >= wait

    def keep(self, capture: Callable[[], dict[str, Any]]) -> None:
        """Store what `capture` gives: a state that does not change any more."""
        began = time.monotonic()
        state = self.leaving(capture())
        blocked = time.monotonic() - began
        if self.every_seconds == 0:
            self._write(state, blocked)
        else:
            self.thread = threading.Thread(target=self._write, args=(state, blocked))
            self.thread.start()
        self.last = time.monotonic()

    def _write(self, state: Callable[[], dict[str, Any]], blocked: float) -> None:
        """Bytes to disk; what this state cost decides when the next one is due."""
        began = time.thread_time()
        try:
            kept = state()
            content = checkpoint.pack(kept)
            self.store(content)
            self.stored, self.size = self.stored + 1, len(content)
            self.kept_epoch = kept.get("progress", {}).get("epoch", 0)
        except OSError as error:
            says = "training goes on, and the next one is tried"
            print(f"the state was not stored ({error}); {says}", file=sys.stderr)
        used = (time.thread_time() - began) * self.counts_thread
        self.cost = blocked + used
        self.spent += self.cost

    def close(self) -> None:
        """Wait until the state under way is on disk."""
        if self.thread is not None:
            self.thread.join()

    def facts(self) -> dict[str, Any]:
        """For the run record: states stored, bytes of one, seconds they all took."""
        return {
            "states_stored": self.stored,
            "state_bytes": self.size,
            "state_seconds": round(self.spent, 3),
        }
