"""What the forms of Dice charge on an empty mask, and the two structure losses.

uv run --group bench python benchmarks/region_forms.py

No training: four images of 64 x 64 with logits of +-6, one lesion of 20 x 20 pixels in
the first three, found but for 4 rows. The fourth mask is empty, and so many of its
pixels are marked.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import measurements
import torch
from monai.losses import DiceLoss
from segmentation_models_pytorch.losses import DiceLoss as SmpDice

from lesionkit.losses import build_loss

FALSE = (0, 1, 41, 4096)  # pixels marked on the empty mask: 41 are 1 %
FORMS: dict[str, Callable] = {
    "batch, 1e-6 (`dice`)": build_loss("dice"),
    "image, 1e-6": build_loss("dice", sums="image"),
    "image, 1e-5 (nnU-Net's number)": build_loss("dice", sums="image", smooth=1e-5),
    "image, 1 (a common default)": build_loss("dice", sums="image", smooth=1.0),
    "batch, squared (`squared_dice`)": build_loss("squared_dice"),
    "image, squared": build_loss("squared_dice", sums="image"),
    "smp 0.6 `DiceLoss('binary')`": SmpDice("binary"),
    "MONAI 1.6 `DiceLoss(sigmoid=True)`": DiceLoss(sigmoid=True),
}
STRUCTURES = {w: build_loss("structure", weighting=w) for w in ("meant", "as_run")}


def batch(false: int, images: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and masks of the rule above, the empty one last."""
    mask = torch.zeros(images, 1, 64, 64)
    mask[:-1, :, 20:40, 20:40] = 1
    logits = 12 * mask - 6
    logits[:-1, :, 20:24] = -6
    logits[-1].view(-1)[:false] = 6
    return logits, mask


def dice_lines() -> list[str]:
    """A row a form: the loss of the batch by what is marked on the empty mask."""
    names = [f"{n} of 4,096 marked" for n in FALSE]
    lines = measurements.head(["Dice loss: sums, smooth", *names, "one empty image"])
    for name, loss in FORMS.items():
        cells = [f"{loss(*batch(n)).item():.4f}" for n in FALSE]
        alone = loss(*batch(0, images=1)).item()
        lines.append(measurements.row([name, *cells, f"{alone:.4f}"]))
    return lines


def pull(loss: Callable, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The gradient by the logits."""
    logits = logits.clone().requires_grad_()
    loss(logits, mask).backward()
    return logits.grad


def structure_lines() -> list[str]:
    """A row a form: value, and how an edge pixel pulls beside one in the middle."""
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 12:52, 12:52] = 1
    logits = torch.zeros_like(mask)
    slopes = {name: pull(loss, logits, mask) for name, loss in STRUCTURES.items()}
    names = ("structure loss", "undecided", "pull of an edge pixel / one in the middle")
    lines = measurements.head(names)
    for name, loss in STRUCTURES.items():
        row = slopes[name][0, 0, 32]
        ratio = (row[12] / row[32]).item()
        value = loss(logits, mask).item()
        lines.append(measurements.row([f"`{name}`", f"{value:.4f}", f"{ratio:.2f}"]))
    cosine = torch.cosine_similarity(*(s.flatten() for s in slopes.values()), dim=0)
    return [*lines, "", f"Cosine between the two gradients: {cosine.item():.3f}."]


def main() -> None:
    """Both tables."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    lines = [*dice_lines(), "", *structure_lines()]
    measurements.append("Forms of Dice and of the structure loss", lines)


if __name__ == "__main__":
    main()
