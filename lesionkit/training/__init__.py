"""A RunConfig in, a finished run record out: step, loop, evaluation, resume.

`run` is the way in, and finds a finished run before torch is imported. The loop knows
no data set and writes no file. Torch lives here; engines, export and commands import
this room.
"""

from __future__ import annotations

from lesionkit import lookup
from lesionkit.config import RunConfig
from lesionkit.progress import say
from lesionkit.records import runs
from lesionkit.records.runs import RunRecord

__all__ = [
    "experiment",
    "profiling",
    "run",
    "step",
]


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
    if found := runs.found_finished(config):
        if progress:
            say(f"found: {config.run_id} is finished, and is not trained again")
        return found
    train = lookup.resolve("lesionkit.training.experiment:run")
    return train(config, progress=progress)
