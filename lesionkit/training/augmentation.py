"""Random changes of the training images, on their device, by torchvision's v2."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from lesionkit.training.loop import Augment, unchanged

STREAM = 0x6175676D  # tells these random numbers from those of the shuffling

# Chosen: lesions have no upper side, cameras differ in light and focus. What comes in
# from outside the image is black and background, where a set ignores pixels too: the
# black is ours and has no lesion, and every set is augmented alike. Blur is in pixels.
_FLIPS = (v2.RandomHorizontalFlip(0.5), v2.RandomVerticalFlip(0.5))
_BILINEAR = v2.InterpolationMode.BILINEAR  # of the images; masks are always nearest
STRENGTHS: dict[str, tuple[v2.Transform, ...]] = {
    "none": (),
    "flips": _FLIPS,
    "full": (
        *_FLIPS,
        v2.RandomAffine(degrees=(-30, 30), scale=(0.8, 1.25), interpolation=_BILINEAR),
        v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.02),
        v2.RandomApply([v2.GaussianBlur(kernel_size=5, sigma=(0.1, 1.5))], p=0.2),
    ),
}


def augmentation(strength: str, seed: int) -> Augment:
    """The changes of a strength; each image of a batch is changed on its own.

    The random numbers depend on seed, epoch, the place of the batch in the epoch and
    that of the image in the batch alone. They are drawn on the CPU; no other random
    generator moves.

    Args:
        strength: "none"; "flips", left to right and upside down, each for one image in
            two; "full", these and a rotation by up to 30 degrees, a scale of 0.8 to
            1.25, brightness, contrast and saturation by up to 20 %, hue by up to 0.02
            of the circle, and for one image in five a blur of 0.1 to 1.5 pixels. Of
            grey images saturation and hue stay.
        seed: of the run.

    Shape:
        images: (B, H, W, C) uint8 or uint16, C 1 or 3; returned alike, rounded once
        masks: (B, H, W) uint8 of 0, 1 and 255; returned alike
    """
    if not STRENGTHS[strength]:
        return unchanged
    changes = v2.Compose(STRENGTHS[strength])

    @torch.no_grad()
    def augment(
        images: Tensor, masks: Tensor, epoch: int, place: int
    ) -> tuple[Tensor, Tensor]:
        top = torch.iinfo(images.dtype).max
        image = images.permute(0, 3, 1, 2).float() / top
        pairs = []
        with torch.random.fork_rng(devices=[]):  # of the CPU alone
            # torch.manual_seed would set the generators of all GPUs as well
            torch.default_generator.manual_seed(_seed(seed, epoch, place))
            for one, its_mask in zip(image, masks, strict=True):
                pair = tv_tensors.Image(one), tv_tensors.Mask(its_mask[None])
                pairs.append(changes(*pair))
        changed, changed_masks = (
            torch.stack(each) for each in zip(*pairs, strict=True)
        )
        changed = (changed.clamp(0, 1) * top).round().permute(0, 2, 3, 1)
        return changed.contiguous().to(images.dtype), changed_masks[:, 0]

    return augment


def _seed(*numbers: int) -> int:
    """A seed of 64 bits that no two tuples of numbers are likely to share."""
    return int(
        np.random.SeedSequence([STREAM, *numbers]).generate_state(1, np.uint64)[0]
    )
