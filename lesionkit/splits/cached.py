"""The near-copies of a prepared set, sought once and kept beside it."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from lesionkit.prepared import Prepared
from lesionkit.records.files import write_bytes
from lesionkit.splits.duplicates import COLUMNS, near_pairs

FILE = "near_copies.npz"
VERSION = 1  # of how they are sought; raise it with every change of `near_pairs`


def near_copies(data: Prepared) -> pd.DataFrame:
    """What `near_pairs` finds in a prepared set, taken from the file beside it.

    The file counts only for the very same thumbnails. Where it cannot be written, as
    on a disk that is read only, the pairs are sought each time.
    """
    thumbnails = data.manifest.get("sha256", {}).get("thumbnails.npy")
    if thumbnails is None:  # a set that was not written by `prepared.write`
        return near_pairs(data.thumbnails)
    key = f"{VERSION} {thumbnails}"
    path = data.folder / FILE
    unreadable = suppress(OSError, ValueError, KeyError, EOFError, BadZipFile)
    with unreadable, np.load(path) as kept:
        if str(kept["key"]) == key:
            return pd.DataFrame({name: kept[name] for name in COLUMNS})
    pairs = near_pairs(data.thumbnails)
    stream = io.BytesIO()
    columns: dict[str, Any] = {name: pairs[name].to_numpy() for name in COLUMNS}
    np.savez_compressed(stream, key=np.array(key), **columns)
    with suppress(OSError):
        write_bytes(path, stream.getvalue())
    return pairs
