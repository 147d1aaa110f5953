"""Changed images: by which numbers, each on its own, and the masks with them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from lesionkit.config import RunConfig
from lesionkit.training.augmentation import STRENGTHS, augmentation

CHANGES = [name for name in STRENGTHS if name != "none"]


def half_white(count: int = 8, side: int = 32, top: int = 255) -> tuple:
    """Images whose upper left quarter is white and the lesion, (N, side, side, 3)."""
    masks = torch.zeros(count, side, side, dtype=torch.uint8)
    masks[:, : side // 2, : side // 2] = 1
    images = (masks[..., None].int() * top).expand(-1, -1, -1, 3)
    return images.to(torch.uint8 if top == 255 else torch.uint16), masks


def equal(one: tuple, other: tuple) -> bool:
    """Whether two batches agree in every bit."""
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("strength", CHANGES)
@pytest.mark.parametrize("top", [255, 65535])
def test_types_and_shapes_stay_and_masks_stay_0_and_1(strength: str, top: int) -> None:
    images, masks = half_white(top=top)
    changed, changed_masks = augmentation(strength, 42)(images, masks, 1, 0)
    assert (changed.shape, changed.dtype) == (images.shape, images.dtype)
    assert (changed_masks.shape, changed_masks.dtype) == (masks.shape, masks.dtype)
    assert set(changed_masks.unique().tolist()) == {0, 1}
    assert (type(changed), type(changed_masks)) == (torch.Tensor, torch.Tensor)
    assert changed.is_contiguous()


@pytest.mark.parametrize("strength", CHANGES)
def test_seed_epoch_and_place_say_all_the_random_numbers(strength: str) -> None:
    batch = half_white()
    first = augmentation(strength, 42)(*batch, 3, 5)
    torch.rand(7)  # a resume happens in a process with another past
    assert equal(augmentation(strength, 42)(*batch, 3, 5), first)
    for seed, epoch, place in ((43, 3, 5), (42, 4, 5), (42, 3, 6), (42, 5, 3)):
        other = augmentation(strength, seed)(*batch, epoch, place)
        assert not equal(other, first), (seed, epoch, place)


def test_no_other_random_generator_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    seeded: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    augmentation("full", 42)(*half_white(), 1, 0)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == numpy_before).all()  # noqa: NPY002
    assert seeded == []  # dropout on a GPU would begin anew at every step


@pytest.mark.parametrize("strength", CHANGES)
def test_each_image_of_a_batch_is_changed_on_its_own(strength: str) -> None:
    images, _ = augmentation(strength, 42)(*half_white(16), 1, 0)
    distinct = {image.numpy().tobytes() for image in images}
    assert len(distinct) == (4 if strength == "flips" else 16)


def test_flips_turn_images_and_masks_alike_and_keep_every_value() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 65536, (8, 9, 9, 1), generator=generator)
    masks = (images[..., 0] > 30000).to(torch.uint8)
    changed, turned = augmentation("flips", 1)(images.to(torch.uint16), masks, 1, 0)
    changed = changed.int()
    assert torch.equal((changed[..., 0] > 30000).to(torch.uint8), turned)
    for before, after in zip(images, changed, strict=True):
        both = (before, before.flip(0), before.flip(1), before.flip(0, 1))
        assert any(torch.equal(each.int(), after) for each in both)


def test_masks_follow_their_images_through_rotation_and_scale() -> None:
    images, masks = half_white(16, 64)
    changed, changed_masks = augmentation("full", 7)(images, masks, 1, 0)
    grey = changed.float().mean(-1)
    white = grey > grey.amax((1, 2), keepdim=True) / 2
    apart = (white != changed_masks.bool()).float().mean((1, 2))
    assert apart.max() < 0.03  # the rim alone: 64 of 4096 pixels are 0.016
    areas = changed_masks.float().mean((1, 2))
    assert areas.std() > 0.01  # a scale of 0.8 to 1.25 changes them


def test_masks_are_nearest_and_images_bilinear() -> None:
    images, masks = half_white(8, 64)
    changed, changed_masks = augmentation("full", 42)(images, 200 * masks, 1, 0)
    assert set(changed_masks.unique().tolist()) == {0, 200}
    assert all(len(image.unique()) > 20 for image in changed)


def test_a_grey_image_stays_grey_and_its_light_changes() -> None:
    images, masks = half_white(8)
    changed, _ = augmentation("full", 42)(images[..., :1], masks, 1, 0)
    assert changed.shape == (8, 32, 32, 1)
    assert len(set(changed.amax((1, 2, 3)).tolist())) > 1


def test_colours_and_focus_change() -> None:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(60, 180, (16, 32, 32, 3), generator=generator).byte()
    changed, _ = augmentation("full", 42)(images, torch.ones(16, 32, 32).byte(), 1, 0)
    inside = changed[:, 12:20, 12:20].float()
    means = inside.mean((1, 2))  # (16, 3)
    assert means.std(0).min() > 5
    rough = inside.diff(dim=1).abs().mean((1, 2, 3)) / inside.mean((1, 2, 3))
    assert rough.max() > 2 * rough.min()  # some are blurred


@pytest.mark.parametrize(("added", "becomes"), [(0.4, 100), (0.6, 101), (999, 255)])
def test_values_between_two_integers_go_to_the_nearer_one(
    monkeypatch: pytest.MonkeyPatch, added: float, becomes: int
) -> None:
    brighter = v2.Lambda(lambda image: image + added / 255, tv_tensors.Image)
    monkeypatch.setitem(STRENGTHS, "flips", (brighter,))
    images = torch.full((1, 8, 8, 3), 100, dtype=torch.uint8)
    changed, _ = augmentation("flips", 1)(images, images[..., 0] // 100, 1, 0)
    assert changed.unique().tolist() == [becomes]


def test_none_is_the_batch_itself() -> None:
    images, masks = half_white()
    found, found_masks = augmentation("none", 42)(images, masks, 1, 0)
    assert found is images
    assert found_masks is masks


def test_the_strengths_are_the_choices_of_the_parameter() -> None:
    from dataclasses import fields

    allowed = {rule.name: rule.metadata.get("one_of") for rule in fields(RunConfig)}
    assert allowed["augment"] == tuple(STRENGTHS)
