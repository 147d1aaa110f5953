"""Batches: what is in them, in which order, and what is left out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lesionkit.loading import Batches
from lesionkit.prepared import open_prepared


def batches_of(name: str, count: int, batch_size: int) -> Batches:
    """The first images of a data set."""
    return Batches(open_prepared(name, 32), np.arange(count), batch_size=batch_size)


def test_an_image_is_its_bytes_divided_by_255(tiny: str) -> None:
    data = open_prepared(tiny, 32)
    image, mask, positions = next(batches_of(tiny, 8, 8).in_order())
    expected = data.images[:8].transpose(0, 3, 1, 2).astype(np.float32) / 255
    assert np.array_equal(image.numpy(), expected)
    assert np.array_equal(mask[:, 0].numpy(), data.masks[:8])
    assert positions.tolist() == list(range(8))
    assert (image.dtype, mask.dtype) == (torch.float32, torch.float32)


def test_shuffled_gives_every_image_once(tiny: str) -> None:
    parts = [p for _, _, p in batches_of(tiny, 20, 8).shuffled(42, 1)]
    assert sorted(torch.cat(parts).tolist()) == list(range(20))


def test_an_image_keeps_its_mask_when_shuffled(tiny: str) -> None:
    data = open_prepared(tiny, 32)
    for _, mask, positions in batches_of(tiny, 20, 8).shuffled(42, 1):
        assert np.array_equal(mask[:, 0].numpy(), data.masks[positions.numpy()])


def test_the_order_depends_on_seed_and_epoch_alone(tiny: str) -> None:
    def order(seed: int, epoch: int) -> list[int]:
        batches = batches_of(tiny, 20, 8)
        return torch.cat([p for _, _, p in batches.shuffled(seed, epoch)]).tolist()

    torch.manual_seed(0)
    first = order(42, 3)
    torch.manual_seed(9)
    assert order(42, 3) == first
    assert order(42, 4) != first
    assert order(43, 3) != first


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(16, [8, 8]), (18, [8, 8, 2]), (17, [8, 9]), (9, [9]), (1, [1]), (5, [5])],
)
def test_a_last_batch_of_one_joins_the_one_before(
    tiny: str, count: int, sizes: list[int]
) -> None:
    batches = batches_of(tiny, count, 8)
    assert [len(image) for image, _, _ in batches.shuffled(0, 1)] == sizes


@pytest.mark.parametrize(
    ("scoring", "sizes"), [("every_image", [8, 8, 4]), ("full_batches", [8, 8])]
)
def test_full_batches_leave_the_incomplete_last_one_out(
    tiny: str, scoring: str, sizes: list[int]
) -> None:
    batches = batches_of(tiny, 20, 8)
    assert [len(image) for image, _, _ in batches.in_order(scoring)] == sizes
    assert batches.scored(scoring) == sum(sizes)


def test_a_part_smaller_than_a_batch_is_scored_whole(tiny: str) -> None:
    assert batches_of(tiny, 5, 8).scored("full_batches") == 5


def test_sixteen_bit_images_are_divided_by_65535(tiny: str) -> None:
    data = open_prepared(tiny, 32)
    wide = type(data)(
        data.name,
        data.folder,
        data.images.astype(np.uint16) * 257,
        data.masks,
        data.index,
        data.manifest,
    )
    image, _, _ = next(Batches(wide, np.arange(4), batch_size=4).in_order())
    plain, _, _ = next(batches_of(tiny, 4, 4).in_order())
    assert torch.allclose(image, plain, atol=1e-7)
