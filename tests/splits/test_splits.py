"""Splits: 60:20:20, by content, nothing on both sides."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from made_data import write_discs
from PIL import Image

from lesionkit.prepared import Prepared, open_prepared
from lesionkit.prepared.preparing import prepare
from lesionkit.splits import PARTS, copies, manifest, split


@pytest.fixture
def data(data_home) -> Prepared:
    """A hundred images of 8 x 8 of twenty patients."""
    write_discs("hundred", count=100, size=8, groups=20)
    return open_prepared("hundred", 8)


@pytest.mark.parametrize("kind", ["image", "group", "group_v1"])
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


def test_the_manifests_of_both_splits_of_groups_lie_side_by_side(
    data: Prepared, data_home
) -> None:
    now, before = (split(data, kind=kind, seed=3) for kind in ("group", "group_v1"))
    assert not np.array_equal(now.test, before.test)
    named = {p.name.split("-")[0]: p for p in (data_home / "splits").rglob("*.csv")}
    for name, parts in {"group_v2": now, "group": before}.items():
        saved = pd.read_csv(named[name])["part"] == "test"
        assert saved.to_numpy().nonzero()[0].tolist() == parts.test.tolist()


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


def test_a_group_split_keeps_the_shares_of_small_and_large_lesions(
    data: Prepared,
) -> None:
    # half of the patients have small lesions, half large ones
    large = data.index["group"].str[-1].isin(list("02468"))
    data.index["lesion_share"] = np.where(large, 0.5, 0.01)
    worst = 0.0
    for seed in range(20):
        parts = split(data, kind="group", seed=seed)
        worst = max(worst, *(abs(large[parts.part(p)].mean() - 0.5) for p in PARTS))
    assert worst <= 0.25  # one of a part's four patients


@pytest.mark.parametrize("seed", range(6))
def test_no_part_stays_empty_however_uneven_the_groups(data: Prepared, seed) -> None:
    groups = ["a"] * 100
    groups[1:3] = ["small"] * 2  # of two bands of lesion size
    groups[98:] = ["large"] * 2
    parts = split(data, kind="group", seed=seed, groups=groups)
    assert min(len(parts.part(p)) for p in PARTS) > 0


@pytest.fixture
def copied(tmp_path) -> Prepared:
    """Twelve pictures without a known group, each three times, slightly brighter."""
    random = np.random.default_rng(5)
    raw = tmp_path / "raw"
    for kind in ("images", "masks"):
        (raw / kind).mkdir(parents=True)
    for i in range(12):
        small = Image.fromarray(random.integers(40, 200, (6, 6), np.uint8))
        picture = np.asarray(small.resize((48, 48), Image.Resampling.BICUBIC))
        for k in range(3):
            bright = np.clip(picture.astype(int) + 4 * k, 0, 255).astype(np.uint8)
            Image.fromarray(bright).save(raw / "images" / f"{i}_{k}.png")
            mask = np.zeros((48, 48), np.uint8)
            mask[: 4 + i] = 255
            Image.fromarray(mask).save(raw / "masks" / f"{i}_{k}.png")
    return prepare("copied", raw, size=16)


def test_without_known_groups_near_copies_are_the_groups(copied: Prepared) -> None:
    parts = split(copied, kind="group", seed=42)
    where = {p: set(copied.index["file"][parts.part(p)].str[7:-6]) for p in PARTS}
    assert sum(len(names) for names in where.values()) == 12
    groups = copies(copied)
    assert len(set(groups)) == 12
    assert all(name.startswith("copies_") for name in groups)
    by_image = split(copied, kind="image", seed=42)
    both = [set(copied.index["file"][by_image.part(p)].str[7:-6]) for p in PARTS]
    assert both[0] & both[2]


def test_near_copies_under_other_names_give_the_same_split(
    copied: Prepared, tmp_path
) -> None:
    renamed = tmp_path / "renamed"
    for kind in ("images", "masks"):
        (renamed / kind).mkdir(parents=True)
        paths = sorted((tmp_path / "raw" / kind).iterdir(), reverse=True)
        for i, path in enumerate(paths):
            (renamed / kind / f"{i:03d}.png").write_bytes(path.read_bytes())
    other = prepare("renamed", renamed, size=16)
    hashes = [
        set(of.index["content_hash"][split(of, kind="group", seed=3).test])
        for of in (copied, other)
    ]
    assert hashes[0] == hashes[1]
    assert set(copies(copied)) == set(copies(other))


def lists(folder, train: str, validation: str, test: str) -> None:
    """Somebody's lists."""
    folder.mkdir(parents=True)
    for name, text in zip(PARTS, (train, validation, test), strict=True):
        (folder / f"{name}.txt").write_text(text)


def test_somebodys_lists_are_taken_as_they_are(data: Prepared, data_home) -> None:
    folder = data_home / "splits" / "hundred" / "lists"
    lists(folder, "disc_07.png\ndisc_03\n\n", " disc_01.png \n", "disc_99\n")
    parts = split(data, kind="lists")
    assert [parts.part(p).tolist() for p in PARTS] == [[3, 7], [1], [99]]
    (path,) = folder.parent.glob("lists-*.csv")
    saved = pd.read_csv(path, keep_default_na=False)
    assert saved["part"].value_counts().to_dict() == {
        "": 96,
        "train": 2,
        "validation": 1,
        "test": 1,
    }


def test_a_list_with_the_mark_of_an_editor_is_read(data: Prepared, data_home) -> None:
    folder = data_home / "splits" / "hundred" / "lists"
    lists(folder, "\ufeffdisc_07\n", "disc_01\n", "disc_99\n")
    assert split(data, kind="lists").train.tolist() == [7]


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (("disc_01\n", "disc_02\n", "disk_03\n"), "test.txt, line 1: no image .*mean"),
        (("disc_01\n", "disc_01.png\n", "disc_03\n"), "line 1: .* train.txt, line 1"),
        (
            ("disc_01\n\ndisc_01\n", "", ""),
            "train.txt, line 3: .* in train.txt, line 1",
        ),
    ],
)
def test_lists_that_do_not_fit_are_refused_by_line(
    data: Prepared, data_home, texts, says
) -> None:
    lists(data_home / "splits" / "hundred" / "lists", *texts)
    with pytest.raises(ValueError, match=says):
        split(data, kind="lists")


def test_a_missing_list_is_told_with_its_place(data: Prepared) -> None:
    with pytest.raises(FileNotFoundError, match=r"lists/train\.txt"):
        split(data, kind="lists")
