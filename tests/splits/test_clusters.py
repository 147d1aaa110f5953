"""Pairs of near-copies become clusters, equal hashes groups."""

from __future__ import annotations

import pandas as pd
import pytest
from made_pictures import table_of

from lesionkit.splits.duplicates import clusters, exact_copies

NONE = pd.DataFrame({"first": [], "second": []})


def test_a_chain_of_pairs_is_one_cluster() -> None:
    found = clusters(7, table_of((4, 6), (1, 4), (2, 3)))
    assert found.tolist() == [0, 1, 2, 2, 1, 3, 1]


def test_clusters_are_numbered_by_their_first_picture() -> None:
    assert clusters(5, table_of((0, 4), (1, 2))).tolist() == [0, 1, 1, 2, 0]


def test_without_pairs_every_picture_is_its_own_cluster() -> None:
    assert clusters(4, NONE).tolist() == [0, 1, 2, 3]
    assert clusters(0, NONE).tolist() == []


def test_a_pair_outside_the_pictures_is_refused() -> None:
    with pytest.raises(ValueError, match="pictures 0 to 3, got 1 to 4"):
        clusters(4, table_of((1, 4)))


def test_equal_hashes_are_grouped_in_order() -> None:
    assert exact_copies(["b", "a", "c", "a", "b", "a"]) == [[0, 4], [1, 3, 5]]


def test_without_equal_hashes_there_is_no_group() -> None:
    assert exact_copies(["a", "b"]) == exact_copies([]) == []
