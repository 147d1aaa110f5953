"""Groups to parts: 60:20:20 as near as they allow, the same with every numpy."""

from __future__ import annotations

import hashlib
import itertools
import time

import numpy as np
import pytest

from lesionkit.splits.dealing import bands_of, deal_groups, first_deal

SHARES = np.array([0.6, 0.2, 0.2])


def spread(sizes: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images of groups of these sizes in a random order, with bands that groups share.

    Returns:
        the group, the band and the place in the order of each image
    """
    random = np.random.default_rng(seed)
    named = np.repeat([f"g{i}" for i in range(len(sizes))], sizes)
    own = np.repeat(random.integers(0, 5, len(sizes)), sizes)
    any_band = random.integers(0, 5, len(named))
    bands = np.where(random.random(len(named)) < 0.6, own, any_band)
    return named, bands, random.permutation(len(named))


def missed(parts: list[np.ndarray]) -> float:
    """By how many per cent of all images the worst part misses its share."""
    sizes = np.array([len(part) for part in parts])
    return float(100 * np.abs(sizes / sizes.sum() - SHARES).max())


def missed_bands(parts: list[np.ndarray], bands: np.ndarray) -> float:
    """The mean over parts and bands of what is missing of a band, in per cent of it."""
    every = np.bincount(bands)
    found = [np.bincount(bands[part], minlength=len(every)) / every for part in parts]
    return float(100 * np.abs(np.array(found) - SHARES[:, None]).mean())


def least(sizes: np.ndarray) -> float:
    """The smallest such miss of all ways to deal few groups, no part empty."""
    ways = np.array(list(itertools.product(range(3), repeat=len(sizes))))
    ways = ways[[len(set(way)) == 3 for way in ways.tolist()]]
    totals = np.stack([(ways == part) @ sizes for part in range(3)], 1)
    return float(100 * np.abs(totals / sizes.sum() - SHARES).max(1).min())


STRUCTURES = {
    "15 patients": lambda r: r.integers(5, 80, 15),
    "15 patients, some large": lambda r: 1 + r.lognormal(3, 0.8, 15).astype(int),
    "29 sequences, as CVC-ClinicDB": lambda r: r.integers(6, 31, 29),
    "5 equal groups": lambda r: np.full(5, 20),
    "60 equal groups": lambda r: np.full(60, 7),
    "300 groups": lambda r: r.integers(1, 20, 300),
    "half in one group": lambda r: np.array([300, *[5] * 60]),
}


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("seed", range(4))
def test_parts_are_within_one_per_cent_where_the_groups_allow_it(
    name: str, seed: int
) -> None:
    sizes = STRUCTURES[name](np.random.default_rng(seed))
    named, bands, order = spread(sizes, seed)
    parts = deal_groups(named, bands, order, 42 + seed)
    assert missed(parts) <= 1


@pytest.mark.parametrize("seed", range(12))
def test_few_groups_are_dealt_as_well_as_they_can_be(seed: int) -> None:
    random = np.random.default_rng(seed)
    sizes = 1 + random.lognormal(2.5, 1.2, int(random.integers(3, 9))).astype(int)
    parts = deal_groups(*spread(sizes, seed), seed)
    assert missed(parts) <= max(1.0, least(sizes) + 1e-9)


@pytest.mark.parametrize("sizes", [[1, 1, 1], [96, 2, 2], [2, 2, 96], [50, 30, 20, 1]])
def test_no_part_is_empty_and_no_group_is_cut(sizes: list[int]) -> None:
    for seed in range(6):
        named, bands, order = spread(np.array(sizes), seed)
        parts = deal_groups(named, bands, order, seed)
        held = [set(named[part]) for part in parts]
        assert min(map(len, held)) > 0
        assert sum(map(len, held)) == len(sizes)
        assert sorted(np.concatenate(parts)) == list(range(len(named)))


@pytest.mark.parametrize("name", ["29 sequences, as CVC-ClinicDB", "300 groups"])
def test_bands_of_lesion_size_keep_the_shares_as_far_as_the_groups_allow(
    name: str,
) -> None:
    allowed = {"29 sequences, as CVC-ClinicDB": 9, "300 groups": 1.5}[name]
    found, blind = [], []
    for seed in range(6):
        sizes = STRUCTURES[name](np.random.default_rng(seed))
        named, bands, order = spread(sizes, seed)
        found.append(missed_bands(deal_groups(named, bands, order, seed), bands))
        # as good in size, but nobody looks at the bands
        same = np.zeros_like(bands)
        blind.append(missed_bands(deal_groups(named, same, order, seed), bands))
    assert max(found) <= allowed
    assert np.mean(found) < 0.75 * np.mean(blind)


def test_seeds_deal_differently_and_a_seed_always_the_same() -> None:
    made = spread(np.random.default_rng(0).integers(5, 80, 15), 0)
    tests = [deal_groups(*made, seed)[2].tolist() for seed in (1, 2, 3, 4, 5, 1)]
    assert len(set(map(tuple, tests))) == 5
    assert tests[0] == tests[-1]


def test_names_of_groups_and_the_order_of_the_arrays_do_not_matter() -> None:
    named, bands, order = spread(np.random.default_rng(0).integers(5, 80, 15), 0)
    renamed = np.array([f"patient {ord(n[-1]) * 7 % 31}{n}" for n in named])
    turned = np.arange(len(named))[::-1]
    one = deal_groups(named, bands, order, 3)
    two = deal_groups(renamed[turned], bands[turned], turned[order], 3)
    assert [part.tolist() for part in one] == [sorted(turned[part]) for part in two]


def test_a_large_group_is_in_every_part_for_some_seed() -> None:
    named, bands, order = spread(np.array([20, *[10] * 20]), 0)
    where = {
        next(i for i, part in enumerate(parts) if "g0" in named[part])
        for parts in (deal_groups(named, bands, order, seed) for seed in range(20))
    }
    assert where == {0, 1, 2}


def test_twenty_thousand_groups_take_seconds_not_minutes() -> None:
    sizes = np.random.default_rng(0).integers(1, 3, 20_000)
    made = spread(sizes, 0)
    began = time.process_time()
    parts = deal_groups(*made, 42)
    assert time.process_time() - began < 5  # 0.5 s on an idle core, 25 s before
    assert missed(parts) < 0.1


def pseudo_random(count: int, groups: int, seed: int) -> tuple[np.ndarray, ...]:
    """Groups, bands and an order by a rule of whole numbers, without a library."""
    values = []
    for _ in range(count):
        seed = (seed * 1103515245 + 12345) % 2**31
        values.append(seed >> 8)
    named = np.array([f"p{(v * v // 7) % groups}" for v in values])
    found = np.array(values)
    return named, found % 5, np.argsort(found, kind="stable")


def digest(parts: list[np.ndarray]) -> str:
    """Sixteen digits that tell one deal from another."""
    text = ";".join(",".join(map(str, sorted(part.tolist()))) for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


DEALT = [
    ((100, 20, 1), "0707d263eff81ee9", "097094edf02fe6d1"),
    ((612, 29, 42), "59fcc84fef9a32da", "a49215b3441558a2"),
    ((300, 3, 7), "5f217e540cc9de97", "84a8cfac2c90871e"),
    ((500, 400, 3), "81716ad59c0b6125", "7619823bd3179c0a"),
]


@pytest.mark.parametrize(("made", "first", "now"), DEALT)
def test_a_split_is_the_one_it_was_when_it_was_written(made, first, now) -> None:
    """Records rely on it: a change needs a new name, as "group_v1" had one."""
    given = pseudo_random(*made)
    assert digest(first_deal(*given, made[2])) == first
    assert digest(deal_groups(*given, made[2])) == now


def test_bands_are_quarters_of_the_lesions_by_rank() -> None:
    share = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.0])
    assert bands_of(share).tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 4, 0]
    assert bands_of(np.array([0.5, 0.5, 0.5, 0.9])).tolist() == [1, 1, 1, 4]
    assert bands_of(np.zeros(3)).tolist() == [0, 0, 0]
