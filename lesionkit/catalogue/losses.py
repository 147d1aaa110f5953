"""The losses and their definitions, as plain dict literals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class LossEntry:
    """One loss: where its class is, what it is made of, where it comes from."""

    target: str
    group: str  # region, distribution or compound, as paper A sorts them
    source: str
    parts: tuple[str, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()  # what the name fixes


def _sum(*parts: str) -> LossEntry:
    """A compound loss of paper A."""
    return LossEntry("lesionkit.losses:SumLoss", "compound", "paper A, II-3", parts)


def _further(name: str, group: str, source: str) -> LossEntry:
    """A loss beyond the two papers."""
    return LossEntry(f"lesionkit.losses.further:{name}", group, source)


LOSSES = {
    "iou": LossEntry("lesionkit.losses:IoULoss", "region", "paper A, II-3 (1)"),
    "dice": LossEntry("lesionkit.losses:DiceLoss", "region", "paper A, II-3 (2)"),
    "bce": LossEntry("lesionkit.losses:BCELoss", "distribution", "paper A, II-3 (3)"),
    "focal": LossEntry(
        "lesionkit.losses:FocalLoss", "distribution", "paper A, II-3 (4); paper B, (3)"
    ),
    "ioudice": _sum("iou", "dice"),
    "ioubce": _sum("iou", "bce"),
    "ioufocal": _sum("iou", "focal"),
    "dicebce": _sum("dice", "bce"),
    "dicefocal": _sum("dice", "focal"),
    "bcefocal": _sum("bce", "focal"),
    "balanced_bce": LossEntry(
        "lesionkit.losses:BalancedBCELoss", "distribution", "paper B, (2)"
    ),
    "custom": LossEntry(
        "lesionkit.losses:WeightedSumLoss",
        "compound",
        "paper B, (5)",
        ("focal", "dice"),
    ),
    "tversky": _further("TverskyLoss", "region", "Salehi et al., MLMI 2017"),
    "focal_tversky": _further(
        "FocalTverskyLoss", "region", "Abraham and Khan, ISBI 2019"
    ),
    "squared_dice": _further("SquaredDiceLoss", "region", "Milletari et al., 3DV 2016"),
    "logcosh_dice": _further("LogCoshDiceLoss", "region", "Jadon, CIBCB 2020"),
    "lovasz": _further("LovaszLoss", "region", "Berman et al., CVPR 2018"),
    "mcc": _further("MCCLoss", "region", "Abhishek and Hamarneh, ISBI 2021"),
    "poly1": _further("Poly1Loss", "distribution", "Leng et al., ICLR 2022"),
    "topk": _further("TopKLoss", "distribution", "Wu et al., 2016; nnU-Net"),
    "smoothed_bce": _further(
        "SmoothedBCELoss", "distribution", "Szegedy et al., CVPR 2016"
    ),
    "structure": _further(
        "StructureLoss",
        "compound",
        "Wei et al., AAAI 2020; Fan et al., MICCAI 2020",
    ),
    "asym_unified_focal": _further(
        "AsymUnifiedFocalLoss", "compound", "Yeung et al., 2022"
    ),
    "dicebce_image": LossEntry(
        "lesionkit.losses:SumLoss",
        "compound",
        "Isensee et al., 2021: nnU-Net's default, Dice by image",
        ("dice", "bce"),
        (("sums", "image"),),
    ),
}

PAPER_A_LOSSES = tuple(LOSSES)[:10]
PAPER_B_LOSSES = ("balanced_bce", "focal", "custom")
# Those beyond the two papers; no definition changes them.
FURTHER_LOSSES = tuple(LOSSES)[12:]

# One name, several formulas: what each definition means by its focal term.
# Paper A prints alpha 0.8 and gamma 0.2; 0.2 is likely a slip for 2. The mean-first
# form stands in a public implementation of the same design. Paper B gives alpha, gamma
# and beta per network (Table 1), so its definition has no numbers of its own.
_PIXEL = {"focal_form": "pixel", "alpha_form": "alpha_t"}
_MEAN_FIRST = {"focal_form": "meanfirst", "alpha_form": "constant"}
_A = {"alpha": 0.8, "gamma": 2.0, "losses": PAPER_A_LOSSES}
DEFINITIONS: dict[str, dict[str, Any]] = {
    "A-printed": _PIXEL | _A | {"gamma": 0.2},
    "A-gamma2": _PIXEL | _A,
    "A-meanfirst": _MEAN_FIRST | _A,
    "B": _PIXEL | {"alpha": None, "gamma": None, "losses": PAPER_B_LOSSES},
}
