"""A finished run record, read when asked and checked against its seal."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lesionkit.config import ADDED
from lesionkit.files import sha256


@dataclass(frozen=True)
class RunRecord:
    """A finished run, read from its folder when asked.

    Attributes:
        folder: where the record is.
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
        content = (self.folder / name).read_bytes()
        stated = self._seal.get(name, {}).get("sha256")
        if stated not in (None, hashlib.sha256(content).hexdigest()):
            raise ValueError(
                f"{self.folder / name} was changed after the run ended; move"
                f" {self.folder} away to leave it out"
            )
        return content


def problems(folder: Path, *, hashes: bool = True) -> list[str]:
    """What is wrong with a sealed record, a line a file; empty when all is well."""
    try:
        seal = json.loads((folder / "DONE").read_text())["files"]
    except (OSError, ValueError, KeyError):
        return [f"{folder / 'DONE'} is missing or unreadable"]
    found = []
    for name, stated in seal.items():
        path = folder / name
        if not path.is_file():
            found.append(f"{path} is missing")
        elif path.stat().st_size != stated["bytes"]:
            found.append(
                f"{path} is {path.stat().st_size} bytes, not {stated['bytes']}"
            )
        elif hashes and sha256(path) != stated["sha256"]:
            found.append(f"{path} was changed after the run ended")
    return found


def find_records(root: Path) -> list[RunRecord]:
    """Every finished record at or below a folder, in the order of their paths.

    Raises:
        ValueError: a record lost a file, or one has another size than was sealed.
    """
    folders = [seal.parent for seal in sorted(Path(root).rglob("DONE"))]
    for folder in folders:
        if wrong := problems(folder, hashes=False):
            raise ValueError(f"{wrong[0]}; move {folder} away to leave it out")
    return [RunRecord(folder) for folder in folders]
