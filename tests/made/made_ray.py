"""What stands in for a training in an actor of Ray, which finds it by its name."""

from __future__ import annotations

import os
import time

from lesionkit.config import RunConfig
from lesionkit.engines import worker


def load(faults: str) -> worker.Train:
    """What trains in an actor: stand-ins with these faults, in JSON, one a run."""
    os.environ["FAULTS"] = faults
    from made_worker import FAULTS, events, note, train

    def long_once(config: RunConfig) -> None:
        if [event["repeat"] for event in events("began")].count(config.repeat) == 1:
            time.sleep(10)

    FAULTS["long once"] = long_once

    def trained(config: RunConfig) -> None:
        note(f"cuda {os.environ.get('CUDA_VISIBLE_DEVICES')!r}", config)
        train(config)

    return trained


def broken(reason: str) -> worker.Train:
    """What cannot be loaded."""
    raise ImportError(reason)
