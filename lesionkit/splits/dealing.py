"""Images or whole groups to train, validation and test.

A split of groups is found in whole numbers alone, from the raw bits of PCG64, so that
every version of numpy gives the same. `first_deal` is the rule of earlier versions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHARES = (0.6, 0.2, 0.2)  # paper A, II-4
WEIGHTS = np.array([3, 1, 1])  # the same in fifths
FIFTHS = 5
BANDS = 4  # of lesion size, within which a split of groups keeps the shares
SLACK = 0.2  # first_deal: parts that lack shares this near to each other lack the same
SOUGHT, TAKEN = 200, 100  # what a part may miss: a 200th of all images, or a 100th
ENOUGH = 8  # equally good splits, of which the one with the best bands is taken
TRIES, LEAST = 64, 24  # orders in which few groups are dealt; so many if none is good
DEALT = 20_000  # groups dealt in all the tries
STEPS = 40  # groups moved or exchanged after a deal, at most
EXCHANGED = 400  # groups of a part that are tried against those of another


def deal_images(order: np.ndarray, seed: int) -> list[np.ndarray]:
    """Single images to train, validation and test, 60:20:20.

    Shape:
        order: (N,) positions, in the order in which they are shuffled
        returns: three arrays of positions
    """
    shuffled = np.random.default_rng(seed).permutation(order)
    train, validation = (round(share * len(order)) for share in SHARES[:2])
    return np.split(shuffled, [train, train + validation])


def bands_of(lesion_share: np.ndarray) -> np.ndarray:
    """A band of lesion size for every image: 0 without lesion, then quarters by rank.

    Shape:
        lesion_share: (N,) of each image's pixels, 0 to 1
        returns: (N,) int64, 0 to BANDS
    """
    bands = np.zeros(len(lesion_share), np.int64)
    some = lesion_share > 0
    ordered = np.sort(lesion_share[some])
    rank = np.searchsorted(ordered, lesion_share[some], side="left")
    bands[some] = 1 + BANDS * rank // max(1, len(ordered))
    return bands


def deal_groups(
    named: np.ndarray, bands: np.ndarray, order: np.ndarray, seed: int
) -> list[np.ndarray]:
    """Whole groups to the three parts, 60:20:20 as near as the groups allow.

    Groups are dealt in a random order, each to the part that holds least by its share,
    of all images and of the group's bands of lesion size. Then single groups are moved
    or exchanged until no part misses its share by more than half of one per cent of
    the images; one per cent is taken. Of the first ENOUGH such splits the one with the
    best bands is the result; where the groups allow none, of the first that miss the
    shares least. Of three groups or more no part stays empty. The time grows with the
    number of images, not with its square.

    Shape:
        named: (N,) the group of each image
        bands: (N,) whole numbers
        order: (N,) positions of the images, in an order that does not depend on names
        returns: three arrays of positions
    """
    codes = _codes(named, order)
    groups = np.zeros((codes.max() + 1, int(bands.max()) + 1), np.int64)
    np.add.at(groups, (codes, bands), 1)
    bits = np.random.PCG64(seed)
    found: list[_Deal] = []
    for tried in range(1, 1 + max(1, min(TRIES, DEALT // len(groups)))):
        shuffled = np.argsort(bits.random_raw(len(groups)), kind="stable")
        found.append(_Deal(groups, shuffled))
        found[-1].improve()
        least = min(deal.excess(TAKEN) for deal in found)
        good = [deal for deal in found if deal.excess(TAKEN) == least][:ENOUGH]
        if len(good) == ENOUGH and (least == 0 or tried >= LEAST):
            break
    part = min(good, key=_Deal.off_bands).part
    return [np.flatnonzero(part[codes] == p) for p in range(3)]


def _codes(named: np.ndarray, order: np.ndarray) -> np.ndarray:
    """A number for the group of each image, by the first of its images in the order."""
    _, first, codes = np.unique(named[order], return_index=True, return_inverse=True)
    found = np.empty(len(order), np.int64)
    found[order] = np.argsort(np.argsort(first))[codes.ravel()]
    return found


@dataclass
class _Deal:
    """The part of each group, and how far the parts are from their shares.

    `off` has for each part and band five times the images that are there, less as many
    as there should be.
    """

    groups: np.ndarray  # (G, bands) images

    def __init__(self, groups: np.ndarray, shuffled: np.ndarray) -> None:
        self.groups = FIFTHS * groups
        self.size = self.groups.sum(1)
        self.part = self._dealt(shuffled)
        self.off = -np.outer(WEIGHTS, groups.sum(0))
        np.add.at(self.off, self.part, self.groups)

    def _dealt(self, shuffled: np.ndarray) -> np.ndarray:
        """Each group to the part that holds least, by share, of what is like it.

        What the group itself adds does not count: large groups would go to training.
        """
        held = np.zeros((3, self.groups.shape[1] + 1), np.int64)
        part, count = np.zeros(len(shuffled), np.int64), [0, 0, 0]
        rows = np.column_stack([self.groups, self.size])
        factor = WEIGHTS.max() // WEIGHTS
        for dealt, group in enumerate(shuffled.tolist()):
            row = rows[group]
            target = int(np.argmin((held @ row) * factor))
            if len(rows) - dealt <= count.count(0) and count[target]:
                target = count.index(0)
            held[target] += row
            count[target] += 1
            part[group] = target
        return part

    def near(self, share: int = SOUGHT) -> int:
        """Five times what a part may miss, and at least half an image."""
        return max(int(self.size.sum()) // share, FIFTHS // 2 + 1)

    def excess(self, share: int = SOUGHT) -> int:
        """By how much the parts miss their shares more than they may."""
        return int(_excess(self.off.sum(1), self.near(share)))

    def off_bands(self) -> int:
        """By how much the parts miss their shares of the bands."""
        return int(np.abs(self.off).sum())

    def improve(self) -> None:
        """Move or exchange groups, the best change first, until no part misses much."""
        for _ in range(STEPS):
            before = self.excess()
            if before == 0:
                return
            changes = [self._best_move(), self._best_exchange()]
            after, moves = min(changes, key=lambda change: change[0])
            if after >= before:
                return
            for group, target in moves:
                self.off[self.part[group]] -= self.groups[group]
                self.off[target] += self.groups[group]
                self.part[group] = target

    def _best_move(self) -> tuple[int, list[tuple[int, int]]]:
        """The excess after the best move of one group, and the move."""
        totals, many = self.off.sum(1), np.bincount(self.part, minlength=3) > 1
        best: tuple[int, list[tuple[int, int]]] = (self.excess(), [])
        for target in range(3):
            after = np.repeat(totals[None], len(self.size), 0)
            after[np.arange(len(self.size)), self.part] -= self.size
            after[:, target] += self.size
            excess = _excess(after, self.near())
            excess[~many[self.part]] = best[0]  # no part is emptied
            group = int(np.argmin(excess))
            if excess[group] < best[0]:
                best = int(excess[group]), [(group, target)]
        return best

    def _best_exchange(self) -> tuple[int, list[tuple[int, int]]]:
        """The excess after the best exchange of two groups, and the two moves."""
        totals = self.off.sum(1)
        best: tuple[int, list[tuple[int, int]]] = (self.excess(), [])
        for one, other in ((0, 1), (0, 2), (1, 2)):
            here, there = (np.flatnonzero(self.part == p) for p in (one, other))
            here, there = here[:EXCHANGED], there[:EXCHANGED]
            gains = self.size[there][None, :] - self.size[here][:, None]
            if not gains.size:  # a part without groups has none to give
                continue
            after = np.repeat(totals[None], gains.size, 0)
            after[:, one] += gains.ravel()
            after[:, other] -= gains.ravel()
            excess = _excess(after, self.near())
            place = int(np.argmin(excess))
            if excess[place] < best[0]:
                i, j = divmod(place, len(there))
                best = int(excess[place]), [(int(here[i]), other), (int(there[j]), one)]
        return best


def _excess(totals: np.ndarray, near: int) -> np.ndarray:
    """The sum over parts of what is missing or too much beyond `near`."""
    return np.maximum(np.abs(totals) - near, 0).sum(-1)


def first_bands(lesion_share: np.ndarray) -> np.ndarray:
    """The bands of `first_deal`: none, then quarters by quantiles."""
    bands = np.zeros(len(lesion_share), int)
    some = lesion_share > 0
    if some.any():
        edges = np.quantile(lesion_share[some], np.arange(1, BANDS) / BANDS)
        bands[some] = 1 + np.searchsorted(edges, lesion_share[some], side="left")
    return bands


def first_deal(
    named: np.ndarray, bands: np.ndarray, order: np.ndarray, seed: int
) -> list[np.ndarray]:
    """Groups as records of format 1 have them ("group_v1"), bit for bit.

    Each group goes to the part that lacks most images. Of parts that lack nearly as
    much (SLACK) it is the one that lacks most within the group's own bands of lesion
    size. Of three groups or more no part stays empty. Parts may miss their shares by
    far: of 15 patients 43 to 63 % were in training.
    """
    first_seen = list(dict.fromkeys(named[order]))  # ordered by content, not by name
    shuffled = np.random.default_rng(seed).permutation(first_seen)
    wanted = np.outer(SHARES, np.bincount(bands))
    filled = np.zeros_like(wanted)
    parts: list[list[np.ndarray]] = [[], [], []]
    members = _members(named)
    for left, name in zip(range(len(shuffled), 0, -1), shuffled.tolist(), strict=True):
        mine = members[name]
        held = np.bincount(bands[mine], minlength=wanted.shape[1])
        lacks = 1 - filled.sum(1) / wanted.sum(1)
        of_bands = (wanted - filled) / np.maximum(wanted, 1e-9) @ held
        near = (lacks >= lacks.max() - SLACK) & ((lacks > 0) | (lacks == lacks.max()))
        empty = np.array([not part for part in parts])
        if left <= empty.sum():
            near = empty
        target = int(np.argmax(np.where(near, of_bands, -np.inf)))
        parts[target].append(mine)
        filled[target] += held
    return [np.concatenate([order[:0], *part]) for part in parts]


def _members(named: np.ndarray) -> dict[str, np.ndarray]:
    """The positions of each group's images, in their order."""
    names, codes = np.unique(named, return_inverse=True)
    places = np.argsort(codes.ravel(), kind="stable")
    edges = np.cumsum(np.bincount(codes.ravel()))[:-1]
    return dict(zip(names.tolist(), np.split(places, edges), strict=True))
