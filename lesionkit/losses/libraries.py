"""What other libraries' losses do where numbers end, measured when it is asked."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version

import torch
from torch import Tensor

from lesionkit.losses import build_loss

Loss = Callable[[Tensor, Tensor], Tensor]


ours = partial(build_loss, definition="A-printed")


def smp(name: str) -> Loss:
    from segmentation_models_pytorch import losses

    made = {"dice": losses.DiceLoss, "iou": losses.JaccardLoss}
    if name in made:
        return made[name]("binary")
    return losses.FocalLoss("binary", alpha=0.8, gamma=0.2)


def monai(name: str) -> Loss:
    from monai import losses

    if name == "focal":
        return losses.FocalLoss(alpha=0.8, gamma=0.2)
    return losses.DiceLoss(sigmoid=True, batch=True, jaccard=name == "iou")


def kornia(name: str) -> Loss | None:
    """kornia's; it has no region loss of one logit."""
    from kornia.losses import binary_focal_loss_with_logits as focal

    if name != "focal":
        return None
    return partial(focal, alpha=0.8, gamma=0.2, reduction="mean")


LIBRARIES = {"lesionkit": ours, "segmentation-models-pytorch": smp}
LIBRARIES |= {"monai": monai, "kornia": kornia}


def saturated_pixel(loss: Loss) -> str:
    logits = torch.tensor([[[[40.0, -1.0]]]], requires_grad=True)
    (gradient,) = torch.autograd.grad(loss(logits, torch.ones(1, 1, 1, 2)), logits)
    return "finite" if gradient.isfinite().all() else "NaN"


def empty_mask(loss: Loss) -> str:
    logits = torch.full((1, 1, 8, 8), 8.0)
    return f"{loss(logits, torch.zeros(1, 1, 8, 8)).item():.3f}"


def half_precision(loss: Loss) -> str:
    """The loss of a perfect float16 prediction of 300 x 300 lesion pixels."""
    logits = torch.full((1, 1, 300, 300), 12.0).half()
    return f"{loss(logits, torch.ones(1, 1, 300, 300).half()).item():.3f}"


def mask_of_255(loss: Loss) -> str:
    """What a mask of 0 and 255 gives: the loss, unless it is refused."""
    mask = torch.tensor([[[[0, 255]]]], dtype=torch.uint8)
    return f"{loss(torch.tensor([[[[-2.0, 2.0]]]]), mask).item():.3g}"


def missing_channel(loss: Loss) -> str:
    """What a mask (N, H, W) gives beside logits (N, 1, H, W): the loss, or refused."""
    random = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(4, 1, 8, 8, generator=random)
    mask = (logits > 0).float()
    right, found = loss(logits, mask).item(), loss(logits, mask[:, 0]).item()
    return f"{found:.3f}, right is {right:.3f}"


CASES = {
    "focal, gamma 0.2: gradient at a logit of 40": ("focal", saturated_pixel),
    "Dice, empty mask, all marked": ("dice", empty_mask),
    "IoU, empty mask, all marked": ("iou", empty_mask),
    "Dice, float16, 300 x 300 right": ("dice", half_precision),
    "Dice, mask of 0 and 255": ("dice", mask_of_255),
    "focal, mask of 0 and 255": ("focal", mask_of_255),
    "Dice, mask without channel": ("dice", missing_channel),
}


def behaviour() -> dict[str, dict[str, str]]:
    """Library with its version to case to what happened; those installed alone."""
    found = {}
    for library, made in LIBRARIES.items():
        try:
            row = found.setdefault(f"{library} {version(library)}", {})
        except PackageNotFoundError:
            continue
        for case, (name, look) in CASES.items():
            loss = made(name)
            row[case] = "has none" if loss is None else outcome(look, loss)
    return found


def outcome(look: Callable[[Loss], str], loss: Loss) -> str:
    """What a look at a loss says, or "refused"."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return look(loss)
        except Exception:  # noqa: BLE001 - libraries refuse by errors of every kind
            return "refused"
