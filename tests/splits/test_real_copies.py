"""Near-copies of the real data, and what its splits give away, as counted."""

from __future__ import annotations

import numpy as np
import pytest
from made_pictures import random_split_leakage
from real_thumbnails import FOLDERS, busi_files, real
from shared_data import SHARED, needs_shared

from lesionkit.prepared import Prepared
from lesionkit.prepared.preparing import find_samples, prepare
from lesionkit.splits import duplicates, split
from lesionkit.splits.duplicates import clusters, exact_copies, near_pairs
from lesionkit.splits.leakage import copy_nearest_scores, leaked_share

# images that have a near-copy, and pairs, at distances 4 and 8: counted independently
# (sources.json of the data) with another hash of the same kind
COUNTED = {
    "kvasir": ((6, 3), (14, 7)),
    "clinicdb": ((152, 179), (324, 651)),
    "isic2017": ((14, 7), (28, 14)),
    "wound": ((49, 26), (64, 34)),
    "lidc_slices_any": ((825, 1100), (994, 1927)),
    "benign": ((183, 112), (210, 128)),
    "malignant": ((23, 13), (29, 20)),
    "normal": ((63, 51), (65, 56)),
}


@pytest.mark.slow
@needs_shared
@pytest.mark.parametrize("distance", [4, 8])
@pytest.mark.parametrize("name", COUNTED)
def test_real_near_copies_are_as_many_as_counted(name: str, distance: int) -> None:
    pairs = near_pairs(real(name), distance=distance)
    images = len(np.unique(pairs[["first", "second"]]))
    expected = COUNTED[name][distance // 4 - 1]
    # hashes of other details differ in single bits, at the limit of the distance
    assert (images, len(pairs)) == pytest.approx(expected, rel=0.05, abs=6)


@pytest.mark.slow
@needs_shared
def test_one_busi_image_is_benign_and_malignant() -> None:
    names = [[path.name for path in busi_files(k)] for k in ("benign", "malignant")]
    pairs = near_pairs(real("benign"), real("malignant"))
    found = [
        (names[0][a], names[1][b]) for a, b in pairs[["first", "second"]].to_numpy()
    ]
    assert ("benign (433).png", "malignant (145).png") in found


@pytest.mark.slow
@needs_shared
@pytest.mark.parametrize(("other", "expected"), [("malignant", 8), ("normal", 2)])
def test_busi_has_the_counted_pairs_across_classes_by_hash_alone(
    other: str, expected: int
) -> None:
    pairs = near_pairs(real("benign"), real(other), distance=4, correlation=-1)
    assert len(pairs) == expected


@pytest.mark.slow
@needs_shared
def test_fuseg_has_copies_and_seven_are_in_train_and_validation() -> None:
    samples, _ = find_samples("wound", SHARED / FOLDERS["wound"])
    groups = exact_copies([sample.hashes()[0] for sample in samples])
    parts = [{samples[i].name.split("/")[-3] for i in group} for group in groups]
    # of the 29 groups with 32 extra copies, those among images with a published mask
    assert (len(groups), sum(map(len, groups)) - len(groups)) == (24, 25)
    assert parts.count({"train", "validation"}) == 7


def given_away(data: Prepared, kind: str, seeds: range) -> tuple[float, float]:
    """Share of leaked test images and Dice by copying, mean over the seeds."""
    pairs, shares, dice = near_pairs(data.thumbnails), [], []
    for parts in (split(data, kind=kind, seed=seed) for seed in seeds):
        dealt = {"train": parts.train, "test": parts.test}
        shares.append(leaked_share(pairs, parts.train, parts.test, count=len(data)))
        scores = copy_nearest_scores(data.thumbnails, data.masks, **dealt)
        dice.append(scores.mean())
    return float(np.mean(shares)), float(np.mean(dice))


# share of test images with a near-copy in training, mean of 20 random splits, counted
# independently with other splits and another hash of the same kind
LEAKED = {
    "clinicdb": 0.4309,
    "benign": 0.292,
    "malignant": 0.0881,
    "lidc_slices_any": 0.8247,
    "wound": 0.0376,
    "kvasir": 0.0085,
    "isic2017": 0.0081,
}


@pytest.mark.slow
@needs_shared
@pytest.mark.parametrize("name", LEAKED)
def test_real_random_splits_leak_as_counted(name: str) -> None:
    made = real(name)
    share = random_split_leakage(near_pairs(made), len(made))
    assert share == pytest.approx(LEAKED[name], abs=0.03)


@pytest.mark.slow
@needs_shared
def test_copying_scores_half_on_random_clinicdb_and_little_by_sequence() -> None:
    data = prepare("clinicdb", SHARED / "cvc-clinicdb", size=128)
    share, dice = given_away(data, "image", range(20))
    assert dice == pytest.approx(0.52, abs=0.03)
    share, dice = given_away(data, "group", range(20))
    # 29 sequences: single splits score 0.08 to 0.26
    assert dice == pytest.approx(0.11, abs=0.06)
    assert share < 0.1


@pytest.mark.slow
@needs_shared
def test_lidc_split_by_patient_hardly_leaks() -> None:
    data = prepare("lidc_slices_any", SHARED / "lung-lidc", size=64)
    assert given_away(data, "image", range(42, 47))[0] > 0.75
    assert given_away(data, "group", range(42, 47))[0] < 0.02


@pytest.mark.slow
@needs_shared
def test_busi_split_by_clusters_of_near_copies_does_not_leak() -> None:
    made = real("benign")
    pairs = near_pairs(made)
    named = clusters(len(made), pairs)
    test = np.flatnonzero(named % 5 == 0)
    train = np.flatnonzero(named % 5 != 0)
    assert leaked_share(pairs, train, test, count=len(made)) == 0
    assert duplicates.near_pairs(made[train]).shape[0] > 0
