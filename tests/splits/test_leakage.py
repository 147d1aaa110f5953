"""What splits give away: by hand, and on made copies."""

from __future__ import annotations

import numpy as np
import pytest
from made_data import write_discs
from made_pictures import (
    family,
    picture,
    random_split_leakage,
    table_of,
    thumbnails,
)

from lesionkit.prepared import Prepared, open_prepared
from lesionkit.splits import leakage
from lesionkit.splits.duplicates import clusters, near_pairs, signatures
from lesionkit.splits.leakage import (
    copy_nearest_scores,
    leaked_share,
    nearest,
)


@pytest.fixture
def discs(data_home) -> Prepared:
    """Thirty images of 32 x 32 of six patients."""
    write_discs("discs", count=30, groups=6)
    return open_prepared("discs", 32)


def four_pictures() -> np.ndarray:
    """Thumbnails 0 and 1, then 2 like 1 and 3 like 0."""
    one, other = picture(1), picture(2)
    return thumbnails(one, other, other + np.uint8(20), one + np.uint8(20))


# the share by hand


def test_a_test_image_with_a_copy_in_training_is_leaked() -> None:
    pairs = table_of((0, 5), (1, 2), (3, 4), (4, 6))
    # of 4, 5, 6, 7: 5 with 0, 4 with 3; 6 has a copy in test alone, 7 none
    assert leaked_share(pairs, [0, 1, 2, 3], [4, 5, 6, 7], count=8) == 0.5


def test_a_pair_counts_in_either_direction() -> None:
    assert leaked_share(table_of((0, 1)), [1], [0], count=2) == 1
    assert leaked_share(table_of((0, 1)), [0], [1], count=2) == 1


def test_a_copy_in_validation_is_no_leak_from_training() -> None:
    assert leaked_share(table_of((0, 2)), [1], [2], count=3) == 0


def test_several_copies_of_one_image_count_once() -> None:
    pairs = table_of((0, 3), (1, 3), (2, 3))
    assert leaked_share(pairs, [0, 1, 2], [3, 4], count=5) == 0.5


def test_an_empty_training_part_leaks_nothing() -> None:
    assert leaked_share(table_of((0, 1)), [], [0, 1], count=2) == 0


def test_without_pairs_nothing_leaks() -> None:
    assert leaked_share(table_of(), [0], [1], count=2) == 0


@pytest.mark.parametrize(
    ("train", "test", "text"),
    [
        ([0, 1], [], "test holds no image"),
        ([0, 1], [1, 2], "1 image.* in train and in test"),
        ([0, 9], [1], "positions must be 0 to 2, got 0 to 9"),
        ([0], [-1], "positions must be 0 to 2, got -1 to 0"),
    ],
)
def test_parts_that_are_none_are_refused(train: list, test: list, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        leaked_share(table_of(), train, test, count=3)


def test_a_pair_outside_the_images_is_refused() -> None:
    with pytest.raises(ValueError, match="pictures 0 to 2, got 0 to 3"):
        leaked_share(table_of((0, 3)), [0], [1], count=3)


# random splits


@pytest.mark.slow
def test_one_pair_leaks_as_often_as_it_is_parted() -> None:
    # one in test and one in train: 2 * (2 / 10) * (6 / 9), of two test images
    found = random_split_leakage(table_of((4, 7)), 10, seeds=range(1, 1501))
    # four standard errors: sqrt(p (1 - p) / 1500) / 2 with p = 4 / 15
    assert found == pytest.approx(2 / 15, abs=0.023)


def test_all_alike_leak_everywhere() -> None:
    pairs = table_of(*((i, j) for i in range(10) for j in range(i + 1, 10)))
    assert random_split_leakage(pairs, 10) == 1


def test_groups_of_all_near_copies_leak_nothing() -> None:
    pairs = near_pairs(family(30))
    named = clusters(30, pairs)
    assert random_split_leakage(pairs, 30, seeds=range(8)) > 0.1
    assert random_split_leakage(pairs, 30, seeds=range(8), groups=named) == 0


# the nearest training image


def test_the_nearest_image_is_the_copy() -> None:
    positions, similarity = nearest(four_pictures(), [0, 1], [2, 3])
    assert positions.tolist() == [1, 0]
    np.testing.assert_allclose(similarity, 1, atol=1e-4)  # rounded grey levels


@pytest.mark.parametrize("block", [7, 256])
def test_the_nearest_image_is_that_of_a_plain_loop(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    made = family(150)
    monkeypatch.setattr(leakage, "BLOCK", block)
    dealt = np.random.default_rng(0).permutation(150)
    train, test = dealt[:100], dealt[100:]
    positions, similarity = nearest(made, train, test)
    every = signatures(made)
    every.rows[[7, 11]] = 0
    table = every.rows.astype(float) @ every.rows.astype(float).T
    table[7, 11] = table[11, 7] = 1
    expected = [max(train, key=lambda i: table[i, j]) for j in test]
    assert positions.tolist() == expected
    np.testing.assert_allclose(similarity, table[test, expected], atol=1e-5)


def test_a_picture_of_one_grey_is_nearest_to_its_like() -> None:
    made = thumbnails(picture(0), picture(1), picture(2), picture(3))
    made[1], made[3] = 70, 70
    positions, similarity = nearest(made, [0, 1, 2], [3])
    assert (positions.tolist(), similarity.tolist()) == ([1], [1.0])


def test_of_equal_copies_the_first_in_training_is_taken() -> None:
    made = thumbnails(*(picture(seed) for seed in (1, 2, 2, 2)))
    assert nearest(made, [2, 0, 1], [3])[0].tolist() == [2]


def test_without_training_images_there_is_no_nearest() -> None:
    with pytest.raises(ValueError, match="train holds no image"):
        nearest(four_pictures(), [], [0])


def test_copied_masks_score_as_by_hand() -> None:
    masks = np.zeros((4, 2, 2), np.uint8)
    masks[0] = [[1, 1], [0, 0]]  # copied for 3
    masks[3] = [[1, 0], [1, 1]]  # one common pixel of 2 and 3: Dice 2 / 5
    masks[1] = [[1, 1], [1, 0]]  # copied for 2
    masks[2] = [[1, 1], [1, 1]]  # three common of 3 and 4: Dice 6 / 7
    scores = copy_nearest_scores(four_pictures(), masks, train=[0, 1], test=[3, 2])
    assert scores.tolist() == pytest.approx([2 / 5, 6 / 7])


def test_two_empty_masks_score_one_and_one_empty_mask_zero() -> None:
    masks = np.zeros((4, 2, 2), bool)
    masks[0, 0, 0] = True
    assert copy_nearest_scores(
        four_pictures(), masks, train=[0, 1], test=[2, 3]
    ).tolist() == [
        1,
        0,
    ]


def test_masks_of_0_and_255_score_as_those_of_0_and_1() -> None:
    masks = np.random.default_rng(0).integers(0, 2, (4, 8, 8), np.uint8)
    one, other = (
        copy_nearest_scores(four_pictures(), m, train=[0, 1], test=[2, 3])
        for m in (masks, masks * 255)
    )
    assert one.tolist() == other.tolist()


def test_masks_that_are_not_one_an_image_are_refused() -> None:
    with pytest.raises(ValueError, match=r"masks must be \(4, H, W\), got \(3, 8, 8\)"):
        copy_nearest_scores(
            four_pictures(), np.zeros((3, 8, 8)), train=[0, 1], test=[2]
        )
