"""Records edited by hand: what finds each edit; a fault of benchmarks/faults.py."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from fault_bench import Bench
from fault_homes import Home, Row, ended, finish

from lesionkit.records.runs import RunRecord

READERS = ("config", "metrics", "environment", "history", "images", "split")


def digit(path: Path, after: bytes) -> None:
    """Another digit in place of the first one after these bytes; the size stays."""
    content = bytearray(path.read_bytes())
    at = content.index(after) + len(after)
    while not chr(content[at]).isdigit():
        at += 1
    content[at] = ord("1") + (content[at] - ord("0")) % 9
    path.write_bytes(content)


def metrics(folder: Path) -> None:
    """A score in metrics.json is another one."""
    digit(folder / "metrics.json", b'"dice": 0.')


def weights(folder: Path) -> None:
    """One bit of the weights is flipped."""
    path = folder / "best.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def done(folder: Path) -> None:
    """DONE is gone."""
    (folder / "DONE").unlink()


def config(folder: Path) -> None:
    """A parameter in config.json is another one."""
    digit(folder / "config.json", b'"init_seed": ')


def table(folder: Path) -> None:
    """A row of images.csv is gone."""
    path = folder / "images.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")


# Each edit, and how a reader, `status`, `status --verify` and the sweep must take it.
EDITS: dict[Callable[[Path], None], tuple[str, str, str, str]] = {
    metrics: ("refused", "done", "damaged", "not run"),
    weights: ("refused", "done", "damaged", "not run"),
    done: ("read", "unfinished", "unfinished", "run"),
    config: ("refused", "damaged", "damaged", "left out"),
    table: ("refused", "damaged", "damaged", "left out"),
}


def record(bench: Bench) -> Row:
    """Five edits in five records; then what --verify names is moved away."""
    home = bench.copy()
    ids = [c.run_id for c in home.sweep.configs]
    if len(ids) < len(EDITS):
        raise NotImplementedError(f"needs {len(EDITS)} runs, --runs {len(EDITS)}")
    edited = dict(zip(EDITS, ids, strict=False))
    for edit, run_id in edited.items():
        edit(home.record(run_id))
    home.cuts[edited[done]] += 1  # the seal is all that tells that it was trained
    found = {e: [reading(home.record(i))] for e, i in edited.items()}
    for verify in (False, True):
        states = {c.run_id: s for c, s, _ in home.sweep.standing(verify=verify)}
        for edit, run_id in edited.items():
            found[edit].append(states[run_id])
    err = swept(home, found, edited)
    moved = [
        c for c, state, _ in home.sweep.standing(verify=True) if state == "damaged"
    ]
    for each in moved:
        shutil.rmtree(home.record(each.run_id))
    finish(home.go())
    wrong = [
        f"{edit.__name__}: {', '.join(found[edit])}, not {', '.join(wanted)}"
        for edit, wanted in EDITS.items()
        if tuple(found[edit]) != wanted
    ]
    wrong += ["a traceback on stderr"] if "Traceback" in err else []
    return home.judge(bench.reference, "records edited by hand", told(found), *wrong)


def swept(home: Home, found: dict, edited: dict) -> str:
    """Sweep once, and note what it does with each edited run; its stderr."""
    before = {run_id: len(home.sessions(run_id)) for run_id in edited.values()}
    err = ended(home.go())[2]
    for edit, run_id in edited.items():
        left_out = f"left out: {run_id}: " in err
        run = len(home.sessions(run_id)) > before[run_id]
        found[edit].append("left out" if left_out else "run" if run else "not run")
    return err


def reading(folder: Path) -> str:
    """Whether a reader of the record is refused one of its files."""
    known = RunRecord(folder)
    try:
        for name in READERS:
            getattr(known, name)
        known.weights()
    except ValueError:
        return "refused"
    return "read"


def told(found: dict[Callable[[Path], None], list[str]]) -> str:
    """What found each edit, in a few words."""
    lines = []
    for edit, said in found.items():
        cells = "reader: {}, status: {}, --verify: {}, sweep: {}".format(*said)
        lines.append(f"{edit.__doc__.rstrip('.')} ({cells})")
    return "; ".join(lines)
