"""Splits: 60:20:20, by content, nothing on both sides."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from made_data import write_discs

from lesionkit.prepared import Prepared, open_prepared
from lesionkit.splits import PARTS, manifest, split


@pytest.fixture
def data(data_home) -> Prepared:
    """A hundred images of 8 x 8 of twenty patients."""
    write_discs("hundred", count=100, size=8, groups=20)
    return open_prepared("hundred", 8)


@pytest.mark.parametrize("kind", ["image", "group"])
def test_every_image_is_in_exactly_one_part(data: Prepared, kind: str) -> None:
    parts = split(data, kind=kind, seed=42)
    everyone = np.concatenate([parts.part(name) for name in PARTS])
    assert sorted(everyone) == list(range(100))


@pytest.mark.parametrize("kind", ["image", "group"])
def test_the_parts_are_60_20_20(data: Prepared, kind: str) -> None:
    parts = split(data, kind=kind, seed=42)
    assert [len(parts.part(name)) for name in PARTS] == [60, 20, 20]


def test_no_group_lies_in_two_parts(data: Prepared) -> None:
    parts = split(data, kind="group", seed=42)
    groups = [set(data.index["group"][parts.part(name)]) for name in PARTS]
    assert len(set.union(*groups)) == sum(len(group) for group in groups) == 20


def test_an_image_split_puts_groups_on_both_sides(data: Prepared) -> None:
    parts = split(data, kind="image", seed=42)
    groups = [set(data.index["group"][parts.part(name)]) for name in PARTS]
    assert groups[0] & groups[2]


@pytest.mark.parametrize("kind", ["image", "group"])
def test_seeds_give_different_splits_and_one_seed_one_split(
    data: Prepared, kind: str
) -> None:
    one, again, other = (split(data, kind=kind, seed=s) for s in (42, 42, 43))
    assert np.array_equal(one.test, again.test)
    assert not np.array_equal(one.test, other.test)


@pytest.mark.parametrize("kind", ["image", "group"])
def test_renamed_and_reordered_files_give_the_same_split(
    data: Prepared, kind: str
) -> None:
    def test_hashes(of: Prepared) -> set[str]:
        return set(of.index["content_hash"][split(of, kind=kind, seed=42).test])

    index = data.index.sample(frac=1, random_state=1, ignore_index=True)
    index["file"] = [f"renamed_{i}" for i in range(100)]
    moved = Prepared(
        "hundred",
        data.folder,
        data.images,
        data.masks,
        index,
        {"fingerprint": data.fingerprint},
    )
    assert test_hashes(moved) == test_hashes(data)


def test_the_manifest_is_saved_with_hash_group_part_and_seed(
    data: Prepared, data_home
) -> None:
    parts = split(data, seed=43)
    (path,) = (data_home / "splits" / "hundred").iterdir()
    saved = pd.read_csv(path)
    assert path.name.startswith("image-seed43-")
    assert list(saved) == ["file", "content_hash", "group", "part", "seed"]
    assert saved["part"].tolist() == manifest(data, parts)["part"].tolist()
    assert set(saved["seed"]) == {43}
    assert (saved["part"] == "test").to_numpy().nonzero()[0].tolist() == (
        parts.test.tolist()
    )


def test_given_groups_are_obeyed(data: Prepared) -> None:
    groups = ["a"] * 60 + ["b"] * 20 + ["c"] * 20
    parts = split(data, kind="group", seed=1, groups=groups)
    named = np.array(groups)
    assert {len(set(named[parts.part(p)])) for p in PARTS} == {1}


@pytest.mark.parametrize(
    ("groups", "says"),
    [
        ([""] * 100, "100 of 100 images of hundred belong to no known group"),
        (["a"] * 99, "must name 100 images, got 99"),
        (["a", "b"] * 50, "needs 3 groups, got 2"),
    ],
)
def test_groups_that_cannot_be_dealt_are_refused(
    data: Prepared, groups: list[str], says: str
) -> None:
    with pytest.raises(ValueError) as caught:
        split(data, kind="group", groups=groups)
    assert says in str(caught.value)


def test_an_unknown_kind_gets_the_nearest_name(data: Prepared) -> None:
    with pytest.raises(ValueError, match="Did you mean 'group'"):
        split(data, kind="grup")


def test_too_few_images_are_refused(data_home) -> None:
    write_discs("four", count=4, size=8)
    with pytest.raises(ValueError, match="needs 5 images, got 4"):
        split(open_prepared("four", 8))
