"""Kept logits find their images by content, not by place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_data import write_discs
from made_records import made_record

from lesionkit.config import RunConfig
from lesionkit.prepared import Prepared, open_prepared
from lesionkit.prepared.preparing import kept_places
from lesionkit.records import runs
from lesionkit.records.runs import RunRecord

POSITIONS = (1, 7, 13, 19)
RUN = RunConfig(loss="dice")


@pytest.fixture
def data(data_home) -> Prepared:
    """Twenty images."""
    write_discs("discs")
    return open_prepared("discs", 32)


def moved(data: Prepared) -> Prepared:
    """The same set, its images in another order."""
    order = np.random.default_rng(0).permutation(len(data))
    return replace(data, index=data.index.iloc[order].reset_index(drop=True))


def hashes(data: Prepared) -> list[str]:
    """The hashes of the images that the record keeps."""
    return data.index["content_hash"].iloc[list(POSITIONS)].tolist()


def test_images_are_found_where_they_are_now(data: Prepared) -> None:
    record = RunRecord(made_record(RUN, hashes=hashes(data)))
    assert kept_places(record, data).tolist() == list(POSITIONS)
    other = moved(data)
    places = kept_places(record, other)
    assert places.tolist() != list(POSITIONS)
    assert other.index["content_hash"].iloc[places].tolist() == hashes(data)


def test_an_older_record_has_the_hashes_in_its_split(data: Prepared) -> None:
    folder = made_record(RUN, sealed=False)
    table = data.index[["file", "content_hash", "group"]].assign(part="test", seed=42)
    runs.store_table(folder, "split", pd.DataFrame(table))
    runs.finish(folder)
    other = moved(data)
    places = kept_places(RunRecord(folder), other)
    assert other.index["content_hash"].iloc[places].tolist() == hashes(data)


def test_where_no_hash_is_known_the_place_counts(data: Prepared) -> None:
    record = RunRecord(made_record(RUN))
    assert kept_places(record, data).tolist() == list(POSITIONS)


def test_a_set_without_the_images_is_refused(data: Prepared) -> None:
    wanted = [*hashes(data)[:3], "f" * 64]
    record = RunRecord(made_record(RUN, hashes=wanted))
    with pytest.raises(ValueError, match="lacks 1 of the 4 images whose logits"):
        kept_places(record, data)


def test_hashes_of_digits_alone_stay_texts(data_home) -> None:
    write_discs("nine", count=9)
    found = open_prepared("nine", 32).index
    assert found["content_hash"].tolist() == [f"{i:064x}" for i in range(9)]
    assert found["mask_hash"].tolist() == [f"{i + 1000:064x}" for i in range(9)]
