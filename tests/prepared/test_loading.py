"""Batches: what is in them, in which order, and what is left out."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch
from torchvision.transforms.functional import normalize

from lesionkit.prepared import loading, open_prepared
from lesionkit.prepared.loading import Batches, open_store


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
    assert (image.dtype, mask.dtype) == (torch.float32, torch.bool)


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


@pytest.mark.parametrize("memory_format", ["contiguous", "channels_last"])
def test_both_loaders_give_the_same_bits(tiny: str, memory_format: str) -> None:
    data, where = open_prepared(tiny, 32), np.array([3, 1, 7, 12, 5])
    how = {"batch_size": 2, "memory_format": memory_format}
    one = Batches(data, where, loader="resident", **how)
    other = Batches(data, where, loader="streamed", **how)
    assert (one.store.resident, other.store.resident) == (True, False)
    for mine, theirs in zip(one.shuffled(1, 2), other.shuffled(1, 2), strict=True):
        for a, b in zip(mine, theirs, strict=True):
            assert torch.equal(a, b)
            assert a.stride() == b.stride()


def test_the_parts_of_a_data_set_share_one_copy(tiny: str) -> None:
    data = open_prepared(tiny, 32)
    one = Batches(data, np.arange(4), batch_size=2)
    other = Batches(open_prepared(tiny, 32), np.arange(4, 9), batch_size=2)
    assert one.store is other.store


def test_a_data_set_prepared_again_is_read_again(tiny: str) -> None:
    first = open_store(open_prepared(tiny, 32), "cpu", "resident")
    data = open_prepared(tiny, 32)
    data.manifest["sha256"]["images.npy"] = "another"
    assert open_store(data, "cpu", "resident") is not first


@pytest.mark.parametrize(("free", "resident"), [(200_000, True), (100_000, False)])
def test_arrays_stay_in_memory_only_where_half_of_it_holds_them(
    tiny: str, free: int, resident: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "free_bytes", lambda device: free)
    data = open_prepared(tiny, 32)  # 20 images of 32 * 32 * (3 + 1) bytes: 81,920
    assert open_store(data, "cpu", "auto").resident is resident


def test_only_the_data_sets_used_last_stay(
    tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "KEPT_BYTES", 100_000)
    monkeypatch.setattr(loading, "_kept", type(loading._kept)())
    data = open_prepared(tiny, 32)
    first = open_store(data, "cpu", "resident")
    data.manifest["sha256"]["images.npy"] = "another"
    second = open_store(data, "cpu", "resident")
    assert list(loading._kept.values()) == [second]
    assert first is not second


def test_of_a_computer_the_free_memory_counts(monkeypatch) -> None:
    memory = SimpleNamespace(total=8 << 30, available=1 << 20)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    assert loading.free_bytes(torch.device("cpu")) <= 1 << 20


def test_a_set_that_lies_in_memory_stays_there_when_it_is_full(
    tiny: str, monkeypatch
) -> None:
    monkeypatch.setattr(loading, "_kept", type(loading._kept)())
    monkeypatch.setattr(loading, "free_bytes", lambda device: 1 << 30)
    data = open_prepared(tiny, 32)
    first = open_store(data, "cpu", "auto")
    monkeypatch.setattr(loading, "free_bytes", lambda device: 0)
    assert first.resident
    assert open_store(data, "cpu", "auto") is first
    loading._kept.clear()
    assert not open_store(data, "cpu", "auto").resident


def test_an_unknown_loader_gets_the_nearest_name(tiny: str) -> None:
    with pytest.raises(ValueError, match="Did you mean 'streamed'"):
        open_store(open_prepared(tiny, 32), "cpu", "stream")


def test_16_bit_images_are_divided_by_65535_in_either_order() -> None:
    images = torch.tensor([[[[0], [65535], [32768]]]], dtype=torch.int32)
    images = images.to(torch.uint16)
    image = loading.normalised(images, normalise="unit", memory_format="channels_last")
    assert image.shape == (1, 1, 1, 3)
    assert image.flatten().tolist() == pytest.approx([0, 1, 32768 / 65535])


@pytest.mark.parametrize("order", ["contiguous", "channels_last"])
def test_imagenet_takes_its_mean_off_and_divides_by_its_deviation(order: str) -> None:
    images = torch.randint(0, 256, (2, 5, 4, 3), dtype=torch.uint8)
    image = loading.normalised(images, normalise="imagenet", memory_format=order)
    mean, deviation = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    expected = normalize(images.permute(0, 3, 1, 2).float() / 255, mean, deviation)
    torch.testing.assert_close(image, expected, rtol=0, atol=1e-6)
    assert image.is_contiguous(memory_format=loading.FORMATS[order])


def test_a_grey_image_is_scaled_by_the_means_over_the_colours() -> None:
    images = torch.tensor([0, 65535], dtype=torch.int32).to(torch.uint16)
    image = loading.normalised(images.reshape(1, 1, 2, 1), normalise="imagenet")
    assert image.flatten().tolist() == pytest.approx([-0.449 / 0.226, 0.551 / 0.226])


def test_batches_are_scaled_as_their_run_has_it(tiny: str) -> None:
    data = open_prepared(tiny, 32)
    found = [
        next(Batches(data, np.arange(4), batch_size=4, normalise=way).in_order())[0]
        for way in ("unit", "imagenet")
    ]
    assert 0 <= found[0].min() < found[0].max() <= 1
    torch.testing.assert_close(found[1][:, 0], (found[0][:, 0] - 0.485) / 0.229)
