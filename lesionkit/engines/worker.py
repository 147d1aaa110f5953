"""A process that trains one run after the other and stays warm in between.

    python -m lesionkit.engines.worker [--how worker|notebook]

Its driver writes one JSON line for each run (the fields of RunConfig) and closes stdin
to end it; it answers in JSON lines: {"ready": true} once, {"beat": true} now and then,
and for each run its run_id, error (one line, or null), memory_bytes, and

    held    another process is training the run
    died    what trained it died, and it may work when it is tried again
    sound   false: this process may be damaged and should be replaced

It never outlives its driver: when stdin ends, so does the run under way, as by Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from io import TextIOWrapper
from typing import Any

import psutil

from lesionkit.config import RunConfig
from lesionkit.lookup import one_line
from lesionkit.records import leases

BEAT_SECONDS = 5.0
GRACE_SECONDS = 10.0  # for a run to end by itself
# After these the process is as good as before. Of others one cannot know: an error of
# CUDA, for one, stays with the process and fails every later run.
HARMLESS = (ValueError, TypeError, LookupError, OSError, ArithmeticError)

Train = Callable[[RunConfig], object]
Load = Callable[[], Train]  # what it imports is loaded once


class Died(Exception):
    """What trained the run died without an answer of its own."""


def in_process() -> Train:
    """Trains in this process; loads all that a training needs."""
    from lesionkit.training.experiment import run

    return lambda config: run(config, progress=False)


def by_notebook() -> Train:
    """Trains by executing the notebook; this process itself stays light."""
    from lesionkit.engines.local import execute

    def train(config: RunConfig) -> None:
        try:
            execute(config)
        except RuntimeError as error:  # an error in the notebook is of another type
            raise Died(f"the notebook stopped: {one_line(error)}") from error

    return train


HOWS = {"worker": in_process, "notebook": by_notebook}


def serve(load: Load) -> None:
    """Answer the driver until it closes stdin, and end this process.

    Args:
        load: gives what trains a run.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # `nohup ... &` ignores it
    try:
        send, lines = _take_over()
        train = load()
        send({"ready": True})
        threading.Thread(target=_beat, args=(send,), daemon=True).start()
        while True:
            send(answer(train, lines.get()))
    except KeyboardInterrupt:  # the driver closed stdin, or it is gone
        end(0)


def _take_over() -> tuple[Callable[[dict[str, Any]], None], queue.SimpleQueue]:
    """A way to the driver and the lines from it, out of the reach of all other code.

    What prints goes to the log, and what reads finds nothing: a stray print or a
    child process that reads stdin cannot break the conversation.
    """
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    asked = os.fdopen(os.dup(0), "r")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    lock, lines = threading.Lock(), queue.SimpleQueue()

    def send(message: dict[str, Any]) -> None:
        # the driver may have gone: the end of its lines says so
        with lock, contextlib.suppress(OSError):
            replies.write(json.dumps(message) + "\n")

    threading.Thread(target=_listen, args=(asked, lines), daemon=True).start()
    return send, lines


def _listen(asked: Any, lines: queue.SimpleQueue) -> None:
    """Pass lines on; when they end, stop what is under way, and then the process."""
    for line in asked:
        lines.put(line)
    # a real signal: it also wakes the main thread from waiting for a kernel
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    time.sleep(GRACE_SECONDS)
    end(1)


def _beat(send: Callable[[dict[str, Any]], None]) -> None:
    """Tell the driver now and then that this process is not frozen."""
    while True:
        time.sleep(BEAT_SECONDS)
        send({"beat": True})


def end(status: int) -> None:
    """End at once, with every child: nothing may keep this process or a kernel."""
    try:
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
    finally:
        os._exit(status)


def answer(train: Train, line: str) -> dict[str, Any]:
    """Train the run of a line, and say what came of it."""
    config = RunConfig.from_mapping(json.loads(line))
    found = {"run_id": config.run_id} | attempt(train, config)
    return found | {"memory_bytes": psutil.Process().memory_info().rss}


def attempt(train: Train, config: RunConfig) -> dict[str, Any]:
    """Train one run, tidy up, and say what came of it."""
    found = {"error": None, "held": False, "died": False, "sound": True}
    try:
        train(config)
    except Exception as error:  # noqa: BLE001 - the next run is served all the same
        found |= _told(error)
    found["sound"] = tidy() and found["sound"]
    return found


def _told(error: Exception) -> dict[str, Any]:
    """What is to be said of an error, one in a notebook or one in this process."""
    in_kernel, original = hasattr(error, "ename"), vars(error)
    if in_kernel:
        error = type(original["ename"], (Exception,), {})(original["evalue"])
    name, said = type(error).__name__, one_line(error)
    if name == leases.Held.__name__:
        return {"held": True, "error": said}
    with contextlib.suppress(OSError):  # the log's disk may be what is full
        traceback.print_exc()
    died = isinstance(error, Died)
    return {
        "error": said if died or said == name else f"{name}: {said}",
        "died": died,
        "sound": died or in_kernel or isinstance(error, HARMLESS),
    }


def tidy() -> bool:
    """Give back what the last run held; whether that worked."""
    gc.collect()
    if not gc.get_freeze_count():
        gc.freeze()  # the libraries: looking through them takes 0.15 s every time
    torch = sys.modules.get("torch")  # never loaded for this
    try:
        if torch is not None and torch.cuda.is_initialized():
            torch.cuda.empty_cache()
    except RuntimeError:  # CUDA itself is damaged
        return False
    return True


def main(arguments: list[str] | None = None) -> None:
    """Serve the driver at the other end of stdin and stdout."""
    parser = argparse.ArgumentParser(prog="lesionkit.engines.worker")
    parser.add_argument("--how", choices=tuple(HOWS), default="worker")
    serve(HOWS[parser.parse_args(arguments).how])


if __name__ == "__main__":
    main()
