"""A RunConfig to a finished run record."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from lesionkit.config import RunConfig
from lesionkit.lookup import shown_in_a_line
from lesionkit.records import runs
from lesionkit.records.disks import DiskFull, refusals_told
from lesionkit.records.runs import RunRecord
from lesionkit.records.trackers import Tracker, tracker
from lesionkit.training import checkpoint, evaluation
from lesionkit.training.building import Setting, build, build_step
from lesionkit.training.execution import execution, memory_told
from lesionkit.training.loop import Progress, Rules, train
from lesionkit.training.session import Session
from lesionkit.training.storing import store


@shown_in_a_line(FileNotFoundError, BlockingIOError, MemoryError)
def run(config: RunConfig, *, progress: bool = True) -> RunRecord:
    """The finished record of a run: trained, gone on with, or found finished.

    A run that was interrupted goes on after the last stored epoch and ends with the
    same bits as one that was not (same machine, versions, device and threads). Of one
    that fails the reason, the epochs so far and the last state stay; of one that finds
    the disk full, the last state.

    Args:
        config: the run's parameters.
        progress: whether to show a bar over the epochs.

    Raises:
        FileNotFoundError: the data set is not prepared; the text says how.
        ValueError: a combination that does not exist, another run's folder, or a
            finished record that was changed.
        ImportError: what `track` names is not installed; the text says how.
        BlockingIOError: another process is training this run.
        FloatingPointError: the loss became infinite or NaN.
        MemoryError: the device has not enough memory; the text says what to change.
        OSError: the disk is full or closed; the text says where.
    """
    if (config.folder / "DONE").exists():
        return _finished(config)
    with execution(config), _told(config):
        setting = build(config)
        logged = tracker(config.track, setting.config)
        folder = runs.start(config)
        with runs.claim(folder), logged:
            if not runs.is_done(folder):  # another process may have just ended it
                _run(setting, folder, logged, progress)
    return RunRecord(folder)


@contextmanager
def _told(config: RunConfig) -> Iterator[None]:
    """Memory that gives out and a disk that refuses, each in one line."""
    with memory_told(config), refusals_told(config.folder):
        yield


def _finished(config: RunConfig) -> RunRecord:
    """The record that is there, or an error if it is not as it was sealed."""
    folder = runs.start(config)
    wrong = runs.problems(folder, hashes=False)
    if wrong:
        raise ValueError(f"{wrong[0]}; to train this run again, move {folder} away")
    return RunRecord(folder)


def _run(setting: Setting, folder: Path, logged: Tracker, show: bool) -> None:
    """Train from where the run stands and write its record, or why it failed."""
    runs.clear_failure(folder)
    progress = _resume(setting, folder)
    try:
        with _told(setting.config):
            step = build_step(setting)
            session = Session(setting, step, folder, progress, logged=logged, show=show)
            _train_and_store(session)
            logged.end(RunRecord(folder).metrics)
            runs.finish(folder)
    except DiskFull:  # nothing is wrong with the run: a sweep tries it again
        raise
    except Exception as error:
        if progress.history:
            runs.store_table(folder, "history", pd.DataFrame(progress.history))
        runs.note_failure(folder, str(error) or type(error).__name__)
        raise


def _train_and_store(session: Session) -> None:
    """Train, evaluate the best weights and write every file of the record."""
    setting, progress = session.setting, session.progress
    with session:
        _train(session)
    setting.model.load_state_dict(progress.best_weights)
    found = {
        name: evaluation.evaluate(setting.model, batches, **setting.scoring)
        for name, batches in setting.batches.items()
        if name != "train"
    }
    store(session.folder, setting, trained=progress, found=found)
    session.end()


def _train(session: Session) -> None:
    """Train until the rules say stop; of a loss that is not finite, say whose it is."""
    setting = session.setting
    config, validation = setting.config, setting.batches["validation"]
    rules = Rules(
        epochs=config.epochs,
        patience=config.patience,
        stop_rule=config.stop_rule,
        seed=config.init_seed,
        scored_epoch=config.scored_epoch,
    )
    try:
        train(
            session.step,
            setting.batches["train"],
            lambda m: evaluation.validation_counts(m, validation, **setting.scoring),
            model=setting.model,
            rules=rules,
            progress=session.progress,
            on_epoch=session.epoch,
        )
    except FloatingPointError as error:
        raise FloatingPointError(
            f"{config.loss}: {error}, learning rate {config.learning_rate:g}: try a"
            " lower learning_rate, or dtype float32"
        ) from None


def _resume(setting: Setting, folder: Path) -> Progress:
    """Set the model to the newest whole stored state; the progress of that epoch."""
    for name, content in runs.load_states(folder):
        try:
            stored = checkpoint.restore(content, setting.model, setting.optimizer)
        except ValueError as error:
            print(f"{folder / name}: {error}; going back further", file=sys.stderr)
            continue
        return Progress(**stored)
    return Progress()
