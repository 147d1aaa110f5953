"""Near-copies: made pictures, and a reference of plain loops."""

from __future__ import annotations

import io

import numpy as np
import pytest
from made_pictures import family, grey, picture, thumbnails
from PIL import Image

from lesionkit.datasets.pictures.resizing import thumbnail
from lesionkit.splits import duplicates
from lesionkit.splits.duplicates import (
    near_pairs,
    perceptual_hashes,
    signatures,
)


def brightened(array: np.ndarray) -> np.ndarray:
    """30 grey levels lighter."""
    return array + np.uint8(30)


def flatter(array: np.ndarray) -> np.ndarray:
    """Less contrast."""
    return (array * 0.6 + 40).astype(np.uint8)


def compressed(array: np.ndarray) -> np.ndarray:
    """Through a JPEG of medium quality."""
    stored = io.BytesIO()
    Image.fromarray(array).save(stored, "JPEG", quality=50)
    return np.asarray(Image.open(stored))


def cropped(array: np.ndarray) -> np.ndarray:
    """Without a border of 1 %."""
    return array[1:-1, 1:-1]


def noisy(array: np.ndarray) -> np.ndarray:
    """With noise of five grey levels."""
    noise = np.random.default_rng(0).normal(0, 5, array.shape)
    return np.clip(array + noise, 0, 255).astype(np.uint8)


def shrunk(array: np.ndarray) -> np.ndarray:
    """At half the size."""
    return np.asarray(Image.fromarray(array).resize((48, 48)))


CHANGES = [brightened, flatter, compressed, cropped, noisy, shrunk]


def hash_by_definition(small: np.ndarray) -> int:
    """The hash from the sum that defines a DCT-II."""
    k = np.arange(8)[:, None]
    waves = 2 * np.cos(np.pi * k * (2 * np.arange(32) + 1) / 64)  # (8, 32)
    low = (waves @ small.astype(float) @ waves.T).round(3).ravel()
    return int("".join("1" if v > np.median(low) else "0" for v in low), 2)


def coarse(small: np.ndarray) -> np.ndarray:
    """Means over 2 x 2 pixels, as a row."""
    return small.astype(float).reshape(16, 2, 16, 2).mean(axis=(1, 3)).ravel()


def pairs_by_loop(
    one: np.ndarray, distance: int = 8, correlation: float = 0.95
) -> list[tuple[int, int, int]]:
    """Every pair looked at alone, in plain Python; no picture of one grey."""
    hashes = [hash_by_definition(small) for small in one]
    alike = np.corrcoef([coarse(small) for small in one])
    return [
        (i, j, bin(hashes[i] ^ hashes[j]).count("1"))
        for i in range(len(one))
        for j in range(i + 1, len(one))
        if bin(hashes[i] ^ hashes[j]).count("1") <= distance
        and alike[i, j] > correlation
    ]


# the hash


def test_a_hash_is_what_the_definition_of_the_transform_gives() -> None:
    made = thumbnails(*(picture(seed) for seed in range(30)))
    expected = [hash_by_definition(small) for small in made]
    assert perceptual_hashes(made).tolist() == expected


def test_coefficients_of_zero_set_no_bit_by_rounding_errors() -> None:
    # whole blocks leave frequencies at 0, equal halves make pairs of equal ones
    coarse = np.random.default_rng(0).integers(0, 256, (20, 4, 4), np.uint8)
    made = coarse.repeat(8, axis=1).repeat(8, axis=2)
    made = np.concatenate([made, made // 2 + made.transpose(0, 2, 1) // 2])
    expected = [hash_by_definition(small) for small in made]
    assert perceptual_hashes(made).tolist() == expected


def test_half_of_the_bits_are_set() -> None:
    hashes = perceptual_hashes(thumbnails(*(picture(seed) for seed in range(30))))
    assert np.bitwise_count(hashes).tolist() == [32] * 30


def test_a_mirrored_picture_has_another_hash() -> None:
    made = thumbnails(picture(0), picture(0)[:, ::-1])
    one, other = perceptual_hashes(made)
    assert np.bitwise_count(one ^ other) > 16


def test_pictures_of_one_grey_hash_to_the_constant_alone() -> None:
    hashes = perceptual_hashes(np.stack([grey(0), grey(1), grey(77), grey(255)]))
    assert hashes.tolist() == [0, 2**63, 2**63, 2**63]


def test_blocks_do_not_change_a_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    made = family(50)
    whole = perceptual_hashes(made)
    monkeypatch.setattr(duplicates, "BLOCK", 7)
    assert np.array_equal(perceptual_hashes(made), whole)


# pairs


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_changed_copy_is_found(change, seed: int) -> None:
    pairs = near_pairs(thumbnails(picture(seed), picture(99), change(picture(seed))))
    assert pairs[["first", "second"]].to_numpy().tolist() == [[0, 2]]


def test_different_pictures_are_no_pair() -> None:
    assert len(near_pairs(thumbnails(*(picture(seed) for seed in range(100))))) == 0


def test_a_negative_is_no_copy() -> None:
    assert len(near_pairs(thumbnails(picture(0), 255 - picture(0)))) == 0


@pytest.mark.slow
@pytest.mark.parametrize("block", [7, 64, 256])
def test_blocks_find_what_a_loop_over_all_pairs_finds(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    made = np.delete(family(300), [7, 11], axis=0)
    monkeypatch.setattr(duplicates, "BLOCK", block)
    pairs = near_pairs(made)
    found = list(pairs[["first", "second", "distance"]].itertuples(index=False))
    expected = pairs_by_loop(made)
    assert len(expected) > 50
    assert [tuple(pair) for pair in found] == expected


@pytest.mark.parametrize(("distance", "correlation"), [(4, 0.98), (20, 0.9), (64, 0.8)])
def test_both_limits_are_those_of_the_loop(distance: int, correlation: float) -> None:
    made = np.delete(family(120), [7, 11], axis=0)
    pairs = near_pairs(made, distance=distance, correlation=correlation)
    found = list(pairs[["first", "second", "distance"]].itertuples(index=False))
    expected = pairs_by_loop(made, distance, correlation)
    assert expected
    assert [tuple(pair) for pair in found] == expected


def test_the_correlation_of_a_pair_is_pearsons() -> None:
    made = family(60)
    pairs = near_pairs(made)
    expected = [
        np.corrcoef(coarse(made[a]), coarse(made[b]))[0, 1]
        for a, b in zip(pairs["first"], pairs["second"], strict=True)
        if not {a, b} & {7, 11}
    ]
    found = pairs.loc[~pairs["first"].isin([7]), "correlation"]
    # float32 sums of 256 products
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_both_measures_must_agree() -> None:
    made = family(300)
    hash_alone = near_pairs(made, distance=20, correlation=-1)
    picture_alone = near_pairs(made, distance=64, correlation=0.8)
    both = near_pairs(made, distance=20, correlation=0.8)
    found, by_hash, by_picture = (
        set(zip(table["first"], table["second"], strict=True))
        for table in (both, hash_alone, picture_alone)
    )
    assert found == by_hash & by_picture
    assert len(found) < min(len(by_hash), len(by_picture))


def test_pictures_of_one_grey_are_copies_if_the_grey_is_equal() -> None:
    made = np.stack([grey(80), thumbnail(picture(0)), grey(81), grey(80)])
    pairs = near_pairs(made)
    assert pairs.to_numpy().tolist() == [[0, 3, 0, 1.0]]


def test_no_correlation_is_nan() -> None:
    made = np.stack([grey(0), grey(0), grey(255), thumbnail(picture(0))])
    with np.errstate(all="raise"):
        every = signatures(made)
        found = every.correlations(every)
    expected = [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_picture_darker_in_one_pixel_is_not_of_one_grey() -> None:
    spot = grey(80)
    spot[3, 3] = 79
    every = signatures(np.stack([grey(80), spot]))
    assert np.isnan(every.grey).tolist() == [False, True]


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_pictures_make_an_empty_table(count: int) -> None:
    pairs = near_pairs(family(12)[:count])
    assert list(pairs.columns) == ["first", "second", "distance", "correlation"]
    assert [str(t) for t in pairs.dtypes] == ["int64"] * 3 + ["float64"]
    assert len(pairs) == 0


def test_thumbnails_of_another_kind_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(N, 32, 32\) uint8, got \(3, 16, 16\)"):
        near_pairs(np.zeros((3, 16, 16), np.uint8))
    with pytest.raises(ValueError, match="got .* float64"):
        near_pairs(np.zeros((3, 32, 32)), family(12))


@pytest.mark.parametrize(
    "limit", [{"distance": -1}, {"distance": 65}, {"correlation": 1.0}]
)
def test_a_limit_that_means_nothing_is_refused(limit: dict) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(limit))} must be"):
        near_pairs(family(12), **limit)


# two sets


@pytest.mark.parametrize("block", [7, 256])
def test_across_finds_what_one_set_of_both_finds(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    made = family(120)
    monkeypatch.setattr(duplicates, "BLOCK", block)
    pairs = near_pairs(made)
    expected = pairs[(pairs["first"] < 50) & (pairs["second"] >= 50)]
    found = near_pairs(made[:50], made[50:])
    assert len(found) > 5
    assert found["first"].tolist() == expected["first"].tolist()
    assert (found["second"] + 50).tolist() == expected["second"].tolist()


def test_across_pairs_a_set_with_itself_picture_by_picture() -> None:
    made = thumbnails(*(picture(seed) for seed in range(20)))
    pairs = near_pairs(made, made)
    assert pairs["first"].tolist() == pairs["second"].tolist() == list(range(20))


def test_across_with_an_empty_set_is_empty() -> None:
    made = family(12)
    assert len(near_pairs(made[:0], made)) == len(near_pairs(made, made[:0])) == 0
