"""Near-copies are sought once for each content of a prepared set."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from made_data import write_discs

from lesionkit.prepared import Prepared, open_prepared
from lesionkit.splits import cached, copies
from lesionkit.splits.duplicates import near_pairs


@pytest.fixture
def data(data_home) -> Prepared:
    """Forty images of 32 x 32, some of them alike."""
    write_discs("forty", count=40)
    return open_prepared("forty", 32)


@pytest.fixture
def sought(monkeypatch) -> list[int]:
    """How many thumbnails were compared, a number a search."""
    counts: list[int] = []

    def counting(thumbnails: np.ndarray) -> pd.DataFrame:
        counts.append(len(thumbnails))
        return near_pairs(thumbnails, correlation=0.5)

    monkeypatch.setattr(cached, "near_pairs", counting)
    return counts


def test_the_second_run_finds_what_the_first_one_found(data, sought) -> None:
    first, second = cached.near_copies(data), cached.near_copies(data)
    assert sought == [40]
    assert len(first) > 0
    pd.testing.assert_frame_equal(first, second)


def test_other_thumbnails_are_looked_at_anew(data, sought) -> None:
    cached.near_copies(data)
    data.manifest["sha256"]["thumbnails.npy"] = "of another content"
    cached.near_copies(data)
    assert sought == [40, 40]


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04cut off"])
def test_a_damaged_file_is_made_again(data, sought, content: bytes) -> None:
    found = cached.near_copies(data)
    (data.folder / cached.FILE).write_bytes(content)
    pd.testing.assert_frame_equal(cached.near_copies(data), found)
    cached.near_copies(data)
    assert sought == [40, 40]


def test_a_folder_that_cannot_be_written_still_has_its_pairs(
    data, sought, monkeypatch
) -> None:
    def refuse(path, content) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(cached, "write_bytes", refuse)
    assert len(cached.near_copies(data)) > 0
    assert len(set(copies(data))) < 40
    assert sought == [40, 40]


def test_the_file_leaves_the_prepared_form_as_it_was(data, sought) -> None:
    before = json.loads((data.folder / "manifest.json").read_text())
    cached.near_copies(data)
    again = open_prepared("forty", 32)
    assert again.manifest == before
    assert again.fingerprint == data.fingerprint
