"""A worker without torch, whose runs do as a test says; started as a program.

The environment variable FAULTS maps a run's repeat to what happens in it, in JSON. Each
run leaves lines in events.jsonl in the data folder: when it began and how it ended.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

if "BROKEN" in os.environ:
    raise ImportError("no torch here")

from lesionkit.config import RunConfig, data_folder
from lesionkit.engines import worker
from lesionkit.engines.local import Process
from lesionkit.records import runs

START = partial(Process, [sys.executable, "-X", "faulthandler", __file__])


def configs(count: int) -> list[RunConfig]:
    """So many different runs."""
    return [RunConfig(repeat=i, repeats=max(count, 5)) for i in range(count)]


def events(what: str, home: Path | None = None) -> list[dict]:
    """The events of a kind so far, each with repeat, pid, time and slot."""
    path = (home or data_folder()) / "events.jsonl"
    lines = path.read_text().splitlines() if path.is_file() else []
    return [event for event in map(json.loads, lines) if event["what"] == what]


def note(what: str, config: RunConfig) -> None:
    """Leave an event; a line this short is written as a whole."""
    event = {"what": what, "repeat": config.repeat, "pid": os.getpid()}
    event |= {"time": time.time(), "slot": os.environ.get("SLOT")}
    with (data_folder() / "events.jsonl").open("a") as stream:
        stream.write(json.dumps(event) + "\n")


def seal(config: RunConfig) -> None:
    """The smallest finished record."""
    folder = runs.start(config)
    runs.store_json(folder, "metrics", {"best_epoch": 1})
    runs.finish(folder)


def full(*_: object) -> None:
    """What a disk without space says."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def train(config: RunConfig) -> None:
    """One run, with its fault."""
    fault = json.loads(os.environ.get("FAULTS", "{}")).get(str(config.repeat))
    data_folder().mkdir(parents=True, exist_ok=True)
    note("began", config)
    if fault == "never begin":
        time.sleep(60)
    try:
        with runs.claim(runs.start(config)):
            FAULTS.get(fault, lambda config: None)(config)
            if fault != "leave no record":
                seal(config)
    except KeyboardInterrupt:
        note("interrupted", config)
        raise
    note("ended", config)


def refuse(config: RunConfig) -> None:
    raise ValueError("no such thing\nand much more on it")


def break_cuda(config: RunConfig) -> None:
    raise RuntimeError("CUDA error: device-side assert triggered")


def leave(config: RunConfig) -> None:
    print("the last words", file=sys.stderr, flush=True)
    os._exit(7)


def die(config: RunConfig) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(config: RunConfig) -> None:
    if [event["repeat"] for event in events("began")].count(config.repeat) == 1:
        die(config)


def die_late(config: RunConfig) -> None:
    seal(config)
    die(config)


def hang(config: RunConfig) -> None:
    note("hangs", config)
    time.sleep(60)


def hang_with_a_child(config: RunConfig) -> None:
    waiting = [sys.executable, "-c", "import time; time.sleep(60)"]
    child = subprocess.Popen(waiting, start_new_session=True)
    (data_folder() / "child").write_text(str(child.pid))
    hang(config)


def hang_deaf(config: RunConfig) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    hang(config)


def hang_on(config: RunConfig) -> None:
    try:
        hang_with_a_child(config)
    except KeyboardInterrupt:
        time.sleep(60)


def freeze(config: RunConfig) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def print_and_read(config: RunConfig) -> None:
    print('{"run_id": "a stray print"}', flush=True)
    os.write(1, b'{"run_id": "a stray write"}\n')
    subprocess.run(["sh", "-c", "cat; echo '{\"run_id\": 0}'"], check=True)


def meet(config: RunConfig) -> None:
    until = time.time() + 30
    while len(events("began")) < 2:
        if time.time() > until:
            raise TimeoutError("nobody came")
        time.sleep(0.02)


def slower(config: RunConfig) -> None:
    time.sleep(3.0)


FAULTS = {
    "refuse": refuse,
    "break cuda": break_cuda,
    "leave": leave,
    "die": die,
    "die once": die_once,
    "die late": die_late,
    "hang": hang,
    "hang with a child": hang_with_a_child,
    "hang deaf": hang_deaf,
    "hang on": hang_on,
    "freeze": freeze,
    "print and read": print_and_read,
    "meet": meet,
    "slower": slower,
}

if __name__ == "__main__":
    worker.BEAT_SECONDS = float(os.environ.get("BEAT", worker.BEAT_SECONDS))
    worker.GRACE_SECONDS = float(os.environ.get("GRACE", worker.GRACE_SECONDS))
    worker.serve(lambda: train)
