"""A finished run record, read when asked and checked against its seal."""

from __future__ import annotations

import hashlib
import io
import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lesionkit.config import ADDED
from lesionkit.records import stores
from lesionkit.records.files import sha256


@dataclass(frozen=True)
class RunRecord:
    """A finished run, read from its folder when asked.

    Attributes:
        folder: where the record is; of one behind a URL, what is kept of it here.
    """

    folder: Path

    @cached_property
    def config(self) -> dict[str, Any]:
        """Every parameter of the run, resolved."""
        return json.loads(self._sealed("config.json"))

    @property
    def identity(self) -> dict[str, Any]:
        """Every parameter that can change the result; what came later, as it was."""
        return {**ADDED, **self.config["identity"]}

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
        return pd.read_csv(io.BytesIO(self._sealed("split.csv")), keep_default_na=False)

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """The arrays of "curves" or "logits"."""
        with np.load(io.BytesIO(self._sealed(f"{name}.npz"))) as stored:
            return {key: stored[key] for key in stored.files}

    def problems(self, *, hashes: bool = True) -> list[str]:
        """What is wrong with the record, a line a file; empty when all is well.

        Args:
            hashes: whether every file is read and hashed, besides its size.
        """
        folder = self.folder
        try:
            seal = self._seal
        except (OSError, ValueError, KeyError, TypeError):
            seal = {}
        if not seal:
            return [f"{folder / 'DONE'} is missing or unreadable"]
        with os.scandir(folder) as there:
            sizes = {each.name: each.stat().st_size for each in there if each.is_file()}
        found = []
        for name, stated in seal.items():
            if name not in sizes:
                found.append(f"{folder / name} is missing")
            elif sizes[name] != (wanted := stated["bytes"]):
                found.append(f"{folder / name} is {sizes[name]} bytes, not {wanted}")
            elif hashes and sha256(folder / name) != stated["sha256"]:
                found.append(f"{folder / name} was changed after the run ended")
        return found

    def file(self, name: str) -> Path:
        """Where a file of the record is; one behind a URL is fetched if it is not."""
        return stores.complete(self.folder, name)

    def weights(self) -> bytes:
        """The weights of the best epoch, as the bytes of a safetensors file."""
        return self._sealed("best.safetensors")

    @cached_property
    def _seal(self) -> dict[str, dict[str, Any]]:
        """Size and hash of every file; empty while the run is not finished."""
        try:
            return json.loads((self.folder / "DONE").read_text())["files"]
        except FileNotFoundError:
            return {}

    def _sealed(self, name: str) -> bytes:
        """The content of a file, which must be what the seal says.

        Raises:
            ValueError: the file was changed after the run ended.
        """
        content = self.file(name).read_bytes()
        stated = self._seal.get(name, {}).get("sha256")
        if stated not in (None, hashlib.sha256(content).hexdigest()):
            raise ValueError(
                f"{self.folder / name} was changed after the run ended; move"
                f" {self.folder} away to leave it out"
            )
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
        raise ValueError(f"{wrong[0]}; what is made of it would not be that run's")
    return record


def find_records(root: str | Path) -> list[RunRecord]:
    """Every finished record at or below a folder or a URL, in the order of their paths.

    Raises:
        FileNotFoundError, PermissionError, OSError: a URL that cannot be read.
        ValueError: a record lost a file, or one has another size than was sealed.
    """
    if stores.is_url(root):
        return [RunRecord(folder) for folder in stores.mirrored(str(root))]
    folders = [seal.parent for seal in sorted(Path(root).rglob("DONE"))]
    for folder in folders:
        if wrong := problems(folder, hashes=False):
            raise ValueError(f"{wrong[0]}; move {folder} away to leave it out")
    return [RunRecord(folder) for folder in folders]
