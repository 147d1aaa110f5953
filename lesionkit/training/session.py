"""What happens beside the loop: bar, state, speed, logging and the note of it all."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from tqdm import tqdm

from lesionkit.catalogue import MODELS
from lesionkit.records import runs
from lesionkit.records.runs import RunRecord
from lesionkit.records.trackers import Tracker
from lesionkit.training import checkpoint
from lesionkit.training.building import Setting
from lesionkit.training.execution import describe
from lesionkit.training.keeping import Keeper
from lesionkit.training.loop import Progress
from lesionkit.training.profiling import Meter
from lesionkit.training.step import GraphedStep, Step


class Session:
    """One entry of environment.json, from the first epoch to the stored record.

    Its beginning notes what executes the run; `epoch` is called after every epoch;
    leaving it waits until the last state is on disk; `end` adds what was measured.

    Args:
        setting: what is trained.
        step: what trains it.
        folder: of the record.
        progress: where the training stands; the loop changes it in place.
        logged: gets a row an epoch.
        show: whether there is a bar.
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
        self.bar = _bar(setting, progress) if show else None
        weights = sum(p.nbytes for p in setting.model.parameters())
        self.keeper = Keeper(
            lambda content: runs.save_state(folder, content),
            every_seconds=config.save_seconds,
            counts_thread=setting.device.type == "cpu",
            expected_bytes=4 * weights,  # these, two moments, the best epoch's
        )
        variant = MODELS[config.model].variants[config.variant]
        self.meter = Meter(
            trained=len(setting.batches["train"]),
            validated=setting.batches["validation"].scored(config.scoring),
            gmacs=variant.gmacs * (config.size / 224) ** 2,
            device=setting.device,
            dtype=config.dtype,
        )

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        self.keeper.close()
        if self.bar is not None:
            self.bar.close()

    def _begin(self) -> None:
        """Note in environment.json what goes on with the run.

        Says in one line on stderr when an interrupted run goes on under something else
        than it began with, because the end may then differ in the last bits.
        """
        known = (self.folder / "environment.json").is_file()
        earlier = RunRecord(self.folder).environment["sessions"] if known else []
        this = describe(self.setting.device) | self.step.facts()
        differs = [k for k in this if earlier and earlier[-1].get(k) != this[k]]
        if self.progress.epoch and differs:
            print(
                f"{self.folder}: goes on under another {', '.join(differs)}; "
                "the end may differ in the last bits",
                file=sys.stderr,
            )
        this |= {
            "first_epoch": self.progress.epoch + 1,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        runs.store_json(self.folder, "environment", {"sessions": [*earlier, this]})

    def epoch(self, progress: Progress) -> None:
        """The epoch is counted, shown and logged, and its state kept if it is time."""
        self.meter.epoch()
        row = progress.history[-1]
        if self.bar is not None:
            dice = f"validation Dice {row['validation_dice']:.3f}"
            self.bar.set_postfix_str(dice, refresh=False)
            self.bar.update()
        self.logged.epoch(row)
        if self.keeper.due():
            model, optimizer = self.setting.model, self.setting.optimizer
            self.keeper.keep(
                lambda: checkpoint.capture(model, optimizer, vars(progress))
            )

    def end(self) -> None:
        """Add last epoch, wall time, speed, memory and what storing states took."""
        environment = RunRecord(self.folder).environment
        environment["sessions"][-1] |= {
            "last_epoch": self.progress.epoch,
            "wall_seconds": round(time.monotonic() - self.began, 2),
            **self.meter.facts(),
            **self.keeper.facts(),
            **self.step.facts(),
        }
        runs.store_json(self.folder, "environment", environment)


def _bar(setting: Setting, start: Progress) -> tqdm:
    """A plain bar over the epochs: every two seconds, in a log file every minute."""
    config, in_notebook = setting.config, "ipykernel" in sys.modules
    stream = sys.stdout if in_notebook else sys.stderr
    return tqdm(
        total=config.epochs,
        initial=start.epoch,
        desc=f"{config.dataset} {config.model} {config.loss} repeat {config.repeat}",
        unit="epoch",
        mininterval=2.0 if in_notebook or stream.isatty() else 60.0,
        file=stream,
    )
