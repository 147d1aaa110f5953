"""What happens beside the loop of one session: bar, state, speed and logging."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lesionkit.catalogue import MODELS
from lesionkit.records import runs
from lesionkit.records.trackers import Tracker
from lesionkit.training import checkpoint
from lesionkit.training.building import Setting
from lesionkit.training.keeping import Keeper
from lesionkit.training.loop import Progress
from lesionkit.training.profiling import Meter


class Session:
    """Called at the end of every epoch; ends with the last state on disk.

    Args:
        setting: what is trained.
        folder: of the record.
        start: where the training stands.
        logged: gets a row an epoch.
        show: whether there is a bar.
    """

    def __init__(
        self,
        setting: Setting,
        folder: Path,
        start: Progress,
        logged: Tracker,
        show: bool,
    ) -> None:
        self.setting, self.logged = setting, logged
        self.bar = _bar(setting, start) if show else None
        weights = sum(p.nbytes for p in setting.model.parameters())
        self.keeper = Keeper(
            lambda content: runs.save_state(folder, content),
            every_seconds=setting.config.save_seconds,
            counts_thread=setting.device.type == "cpu",
            expected_bytes=4 * weights,  # these, two moments, the best epoch's
        )
        self.meter = _meter(setting)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        self.keeper.close()
        if self.bar is not None:
            self.bar.close()

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
            setting, now = self.setting, vars(progress).copy()
            self.keeper.keep(
                lambda: checkpoint.capture(setting.model, setting.optimizer, now)
            )

    def facts(self) -> dict[str, Any]:
        """For the run record: speed, memory, and what storing states took."""
        return self.meter.facts() | self.keeper.facts()


def _meter(setting: Setting) -> Meter:
    """A meter that knows what an image of this network and size costs."""
    config = setting.config
    variant = MODELS[config.model].variants[config.variant]
    return Meter(
        trained=len(setting.batches["train"]),
        validated=setting.batches["validation"].scored(config.scoring),
        gmacs=variant.gmacs * (config.size / 224) ** 2,
        device=setting.device,
        dtype=config.dtype,
    )


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
