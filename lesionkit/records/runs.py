"""The run record on disk, as bytes and tables; free of torch.

    <protocol>/<dataset>/<model>/<loss>/<definition>/repeat<k>[-<8 hex>]/
        config.json       every parameter, resolved
        environment.json  versions, device, threads, commit, times; one entry a session
        split.csv         file, content_hash, group, part, seed
        history.csv       a row an epoch
        history.svg       the same as a picture, drawn while the run trains; not sealed
        images.csv        per test image and threshold: counts and metrics
        metrics.json      validation and test, image and pooled, AP, undefined; no times
        curves.npz        per image: histograms of lesion and background logits
        logits.npz        float16 logits of a stated sample of test images, for figures:
                          positions, content_hash, logits
        best.safetensors  weights of the best epoch
        DONE              written last: size and hash of every other file above

A record without DONE is unfinished. Until then state.pt holds what an exact resume
needs, and state.previous.pt the one before; failed.json says why a run stopped.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lesionkit.catalogue.protocols import PROTOCOLS
from lesionkit.config import EXECUTION, OWN_FILES, RunConfig
from lesionkit.lookup import Refused
from lesionkit.records import formats, leases, stores
from lesionkit.records.files import sha256, write_bytes, write_json

STATES = ("state.pt", "state.previous.pt")
OWN_COPIES = {"loss_file": "loss.py", "model_file": "model.py"}  # in the record
PICTURE = "history.svg"
LEASE = ".lease"


@dataclass(frozen=True)
class RunRecord:
    """A finished run, read from its folder when asked.

    Attributes:
        folder: where the record is; of one behind a URL, what is kept of it here.
    """

    folder: Path

    def __post_init__(self) -> None:
        if stores.is_url(self.folder):
            says = f"lk.find_records({str(self.folder)!r}) reads what is behind a URL"
            raise ValueError(f"{self.folder} is no folder: {says}")
        object.__setattr__(self, "folder", Path(self.folder).expanduser())

    def own_files(self) -> dict[str, str]:
        """The record's copies of one's own loss and network, as parameters of a run."""
        asked = self.identity
        return {
            name: str(self.folder / copy)
            for name, copy in OWN_COPIES.items()
            if ".py:" in asked[name.removesuffix("_file")]
        }

    @cached_property
    def config(self) -> dict[str, Any]:
        """Every parameter of the run, resolved."""
        found = json.loads(self._sealed("config.json"))
        formats.check_format(found, self._place)
        return found

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Every parameter that can change the result; what came later, as it was.

        Raises:
            formats.Newer: a later version of the kit wrote it.
        """
        return formats.identity_of(self.config, self._place)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Validation and test scores, with None where a score is undefined."""
        return json.loads(self._sealed("metrics.json"))

    @cached_property
    def environment(self) -> dict[str, Any]:
        """What executed the run: versions, device, threads, times."""
        return json.loads(self._sealed("environment.json"))

    @cached_property
    def history(self) -> pd.DataFrame:
        """A row an epoch: epoch, train_loss, validation_dice, best_epoch."""
        return pd.read_csv(io.BytesIO(self._sealed("history.csv")))

    @cached_property
    def images(self) -> pd.DataFrame:
        """A row per test image and threshold: counts and metrics."""
        return pd.read_csv(io.BytesIO(self._sealed("images.csv")))

    @cached_property
    def split(self) -> pd.DataFrame:
        """A row an image: file, content_hash, group, part, seed."""
        content = io.BytesIO(self._sealed("split.csv"))
        texts: Any = dict.fromkeys(("file", "content_hash", "group", "part"), str)
        return pd.read_csv(content, keep_default_na=False, dtype=texts)

    def logits_by_hash(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The kept test logits with what tells their images.

        Records that do not state the hashes in logits.npz have them in split.csv.

        Shape:
            returns: positions (N,) when the run was trained, content_hash (N,) with ""
                where none is known, logits (N, H, W) float16
        """
        kept = self.arrays("logits")
        positions = kept["positions"]
        if "content_hash" in kept:
            return positions, kept["content_hash"], kept["logits"]
        split = self.split["content_hash"].to_numpy(str)
        known = len(positions) and len(split) > positions.max()
        named = split[positions] if known else np.full(len(positions), "")
        return positions, named, kept["logits"]

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """The arrays of "curves" or "logits"."""
        with np.load(io.BytesIO(self._sealed(f"{name}.npz"))) as stored:
            return {key: stored[key] for key in stored.files}

    def problems(self, *, hashes: bool = True) -> list[str]:
        """What is wrong with the record, a line a file; empty when all is well.

        Args:
            hashes: whether every file is read and hashed, besides its size.
        """
        try:
            seal = self._seal
        except formats.Newer as error:
            return [str(error)]
        except (OSError, ValueError):
            seal = {}
        if not seal:
            return [f"{self.folder / 'DONE'} is missing or unreadable"]
        hashed = self.folder if hashes else None
        sizes = stores.sizes_in(self.folder)
        wrong = stores.problems(seal, sizes, self.folder, hashed)
        return wrong or self._newer()

    def _newer(self) -> list[str]:
        """Why this version cannot read a record that is whole; a line, or none."""
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            content = json.loads(self.file("config.json").read_bytes())
            try:
                formats.identity_of(content, self._place)
            except formats.Newer as error:
                return [str(error)]
        return []

    def file(self, name: str) -> Path:
        """Where a file of the record is; one behind a URL is fetched if it is not."""
        return stores.complete(self.folder, name)

    def weights(self) -> bytes:
        """The weights of the best epoch, as the bytes of a safetensors file."""
        return self._sealed("best.safetensors")

    @property
    def _place(self) -> str:
        """What people know the record by: its URL, or its folder."""
        origin = self.folder / stores.ORIGIN
        return origin.read_text() if origin.is_file() else str(self.folder)

    def _missing(self, name: str) -> str:
        """Why there is nothing to read, and what to name."""
        if not self.folder.is_dir():
            kind = "a file, no folder" if self.folder.exists() else "not there"
            told = f"{self.folder} is {kind}"
        elif (self.folder / "DONE").is_file():
            return f"{self.folder / name} is missing, and the record needs it"
        else:
            told = f"{self.folder} has no {name}"
        shape = "data/runs/<protocol>/<dataset>/<model>/<loss>/<definition>/repeat0"
        return f"no run record: {told}; name the folder of one run, such as {shape}"

    @cached_property
    def _seal(self) -> stores.Seal:
        """Size and hash of every file; empty while the run is not finished."""
        done = self.folder / "DONE"
        return stores.read_seal(done.read_bytes(), self.folder) if done.exists() else {}

    def _sealed(self, name: str) -> bytes:
        """The content of a file, which must be what the seal says.

        Raises:
            ValueError: the file was changed after the run ended.
        """
        try:
            content = self.file(name).read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise type(error)(self._missing(name)) from None
        stated = self._seal.get(name, {}).get("sha256")
        if stated not in (None, hashlib.sha256(content).hexdigest()):
            changed = f"{self.folder / name} was changed after the run ended"
            stores.refuse([changed], self.folder)
        return content


def problems(folder: Path, *, hashes: bool = True) -> list[str]:
    """What is wrong with a sealed record, a line a file; empty when all is well."""
    return RunRecord(folder).problems(hashes=hashes)


def finished(record: RunRecord | Path | str) -> RunRecord:
    """A finished run whose files are all as they were sealed, or a refusal.

    Args:
        record: the run, or its folder.

    Raises:
        FileNotFoundError: no finished run is there.
        ValueError: a file of the record was changed after the run ended.
    """
    record = record if isinstance(record, RunRecord) else RunRecord(Path(record))
    if not (record.folder / "DONE").is_file():
        raise FileNotFoundError(f"{record.folder} is no finished run (no file DONE)")
    if wrong := record.problems():
        raise Refused(f"{wrong[0]}; results from it would not be those of the run")
    return record


def find_records(root: str | Path) -> list[RunRecord]:
    """Every finished record at or below a folder or a URL, in the order of their paths.

    Raises:
        FileNotFoundError, PermissionError, OSError: a URL that cannot be read.
        ValueError: a record lost a file, one has another size than was sealed, or a
            later version of the kit wrote it. The text names the record: nothing is
            made of the others, as long as it is among them.
    """
    if stores.is_url(root):
        folders = stores.mirrored(str(root))
    else:
        folders = [seal.parent for seal in sorted(Path(root).rglob("DONE"))]
    records = [RunRecord(folder) for folder in folders]
    for record in records:
        if stores.is_url(root):  # whole by its seal, and only its small files are here
            record.identity  # noqa: B018 - refuses what a later version wrote
        else:
            stores.refuse(record.problems(hashes=False), record.folder)
    return records


def found_finished(config: RunConfig) -> RunRecord | None:
    """The record of a run that has ended; None of one that has not.

    Raises:
        ValueError: the folder holds another run's config, or the record was changed.
    """
    if not (config.folder / "DONE").exists():
        return None
    folder = start(config)
    if wrong := problems(folder, hashes=False):
        raise ValueError(f"{wrong[0]}; to train this run again, move {folder} away")
    return RunRecord(folder)


def start(config: RunConfig) -> Path:
    """The folder of a run, with its config.json, made if it is not there.

    Raises:
        ValueError: the folder holds another run's config.
    """
    folder = config.folder
    path = folder / "config.json"
    if not path.is_file():
        content = {
            "format": formats.FORMAT,
            "run_id": config.run_id,
            "identity": config.identity(),
            "deviations": list(PROTOCOLS[config.protocol].deviations),
            "execution": execution_of(config),
        }
        _copy_own(config, folder)
        write_json(path, content)
        return folder
    try:
        stored = RunRecord(folder).identity
    except formats.Newer:
        raise
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{path} is not a run's config; move {folder} away") from None
    if stored != (mine := _identity(config)):
        names = sorted(n for n in {*stored, *mine} if stored.get(n) != mine.get(n))
        theirs = ", ".join(f"{n} {stored.get(n)!r}, not {mine.get(n)!r}" for n in names)
        raise ValueError(
            f"{folder} holds another run ({theirs}); move it away or change -p"
        )
    return folder


def execution_of(config: RunConfig) -> dict[str, Any]:
    """Where and how a run is executed and stored, as config.json has it."""
    resolved = config.resolved()
    names = [name for name in EXECUTION if name not in OWN_FILES]
    return {name: getattr(resolved, name) for name in names}


def note_execution(folder: Path, config: RunConfig) -> None:
    """Keep in config.json how the session that goes on now is executed.

    Earlier sessions have theirs in environment.json. To be called by the holder of the
    run alone.
    """
    path = folder / "config.json"
    content = json.loads(path.read_text())
    if content.get("execution") != (now := execution_of(config)):
        write_json(path, content | {"execution": now})


def _copy_own(config: RunConfig, folder: Path) -> None:
    """Copy the file of one's own loss or network into the record."""
    for name, copy in OWN_COPIES.items():
        if file := getattr(config, name):
            content = Path(file).read_bytes()
            code = getattr(config, name.replace("_file", "_code"))
            if hashlib.sha256(content).hexdigest()[: len(code)] != code:
                raise ValueError(f"{file} was changed while the run was begun")
            write_bytes(folder / copy, content)


@contextmanager
def claim(folder: Path) -> Iterator[None]:
    """Hold a run for this process, on every machine that shares the folder.

    A process that is gone, by kill -9 too, holds it no longer: on this machine at once,
    on another after two minutes without a sign of life (see lesionkit.records.leases).

    Raises:
        BlockingIOError: another process holds it.
        leases.Lost: another took it over while this process was paused.
    """
    try:
        with leases.lease(folder / LEASE):
            for left in folder.glob(".*.part"):  # of a process killed in a write
                left.unlink(missing_ok=True)
            yield
    except leases.Held as other:
        told = f"{folder} is being trained by another process, {other.by}; wait for it"
        raise leases.Held(f"{told} to end", other.by, other.alive) from None
    if is_done(folder):
        leases.clear(folder / LEASE)


def is_held_here(folder: Path) -> bool:
    """Whether a living process of this machine holds the run."""
    return bool(leases.is_held_here(folder / LEASE))


def note_failure(folder: Path, reason: str) -> None:
    """Keep why a run stopped, in one line; it goes when the run is tried again."""
    when = datetime.now(UTC).isoformat(timespec="seconds")
    store_json(folder, "failed", {"reason": reason, "when": when})


def clear_failure(folder: Path) -> None:
    """Forget why a run stopped before."""
    (folder / "failed.json").unlink(missing_ok=True)


def failure(folder: Path) -> str | None:
    """Why a run stopped, or None if it did not."""
    try:
        return json.loads((folder / "failed.json").read_text())["reason"]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return "failed.json is unreadable"


def save_state(folder: Path, state: bytes | memoryview) -> None:
    """Store what a resume needs, and keep the one before."""
    newest, previous = (folder / name for name in STATES)
    if newest.is_file():
        newest.replace(previous)
    write_bytes(newest, state)


def load_states(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The stored states, newest first, by name."""
    for name in STATES:
        if (folder / name).is_file():
            yield name, (folder / name).read_bytes()


def store_table(folder: Path, name: str, table: pd.DataFrame) -> None:
    """A table as CSV, floats in the shortest form that reads back the same."""
    write_bytes(folder / f"{name}.csv", table.to_csv(index=False).encode())


def store_json(folder: Path, name: str, value: Mapping[str, Any]) -> None:
    """A mapping as JSON."""
    write_json(folder / f"{name}.json", value)


def store_arrays(folder: Path, name: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Named arrays as a compressed .npz file."""
    stream = io.BytesIO()
    named: dict[str, Any] = dict(arrays)  # beside them it takes a bool
    np.savez_compressed(stream, **named)
    write_bytes(folder / f"{name}.npz", stream.getvalue())


def store_weights(folder: Path, content: bytes) -> None:
    """The weights of the best epoch, as the bytes of a safetensors file."""
    write_bytes(folder / "best.safetensors", content)


def store_picture(folder: Path, content: bytes) -> None:
    """The curves so far, as SVG. No part of the record: history.csv says the same."""
    write_bytes(folder / PICTURE, content)


def finish(folder: Path) -> None:
    """Seal a record: write DONE, the last file, and only then drop the states.

    A process that is killed in between loses nothing but the space of the states.
    """
    left_out = ("DONE", "failed.json", PICTURE, *STATES)
    seal = {
        p.name: {"bytes": p.stat().st_size, "sha256": sha256(p)}
        for p in sorted(folder.iterdir())
        if p.is_file() and p.name[0] != "." and p.name not in left_out
    }
    write_json(folder / "DONE", {"format": formats.FORMAT, "files": seal})
    drop_states(folder)


def drop_states(folder: Path) -> None:
    """Remove what only an unfinished run needs."""
    for name in ("failed.json", *STATES):
        (folder / name).unlink(missing_ok=True)


def state(folder: Path) -> str:
    """done, damaged, running, failed, unfinished (interrupted) or missing."""
    if (folder / "DONE").is_file():
        return "done" if is_done(folder) else "damaged"
    if not (folder / "config.json").is_file():
        return "missing"
    if leases.is_held(folder / LEASE):
        return "running"
    return "failed" if (folder / "failed.json").is_file() else "unfinished"


def state_of(config: RunConfig, *, verify: bool = False) -> tuple[str, str]:
    """The state of a run and the reason, "" where there is none.

    A record is done only if it is that of this very run.

    Args:
        config: the run.
        verify: whether every file is hashed, which finds what was edited.
    """
    record = RunRecord(config.folder)
    if not (record.folder / "DONE").is_file():
        found = state(record.folder)
        return found, (failure(record.folder) or "") if found == "failed" else ""
    if wrong := record.problems(hashes=verify):
        return "damaged", wrong[0]
    with suppress(OSError, ValueError, KeyError, TypeError):
        if record.identity == _identity(config):
            return "done", ""
    return "damaged", f"{record.folder} holds another run; move it away"


def _identity(config: RunConfig) -> dict[str, Any]:
    """What a run is, as it comes back from a JSON file."""
    return json.loads(json.dumps(config.identity()))


def is_done(folder: Path) -> bool:
    """Whether a record is finished and its files have the sizes that DONE states."""
    return (folder / "DONE").is_file() and not problems(folder, hashes=False)
