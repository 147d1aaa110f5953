"""The losses and their definitions, as plain dict literals."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LossEntry:
    """One loss: where its class is, what it is made of, where it comes from."""

    target: str
    group: str  # region, distribution or compound, as paper A sorts them
    source: str
    parts: tuple[str, ...] = ()


LOSSES = {
    "iou": LossEntry("lesionkit.losses:IoULoss", "region", "paper A, II-3 (1)"),
    "dice": LossEntry("lesionkit.losses:DiceLoss", "region", "paper A, II-3 (2)"),
    "bce": LossEntry("lesionkit.losses:BCELoss", "distribution", "paper A, II-3 (3)"),
    "focal": LossEntry(
        "lesionkit.losses:FocalLoss", "distribution", "paper A, II-3 (4); paper B, (3)"
    ),
    "ioudice": LossEntry(
        "lesionkit.losses:SumLoss", "compound", "paper A, II-3", ("iou", "dice")
    ),
    "ioubce": LossEntry(
        "lesionkit.losses:SumLoss", "compound", "paper A, II-3", ("iou", "bce")
    ),
    "ioufocal": LossEntry(
        "lesionkit.losses:SumLoss", "compound", "paper A, II-3", ("iou", "focal")
    ),
    "dicebce": LossEntry(
        "lesionkit.losses:SumLoss", "compound", "paper A, II-3", ("dice", "bce")
    ),
    "dicefocal": LossEntry(
        "lesionkit.losses:SumLoss", "compound", "paper A, II-3", ("dice", "focal")
    ),
    "bcefocal": LossEntry(
        "lesionkit.losses:SumLoss", "compound", "paper A, II-3", ("bce", "focal")
    ),
    "balanced_bce": LossEntry(
        "lesionkit.losses:BalancedBCELoss", "distribution", "paper B, (2)"
    ),
    "custom": LossEntry(
        "lesionkit.losses:WeightedSumLoss",
        "compound",
        "paper B, (5)",
        ("focal", "dice"),
    ),
}

PAPER_A_LOSSES = tuple(LOSSES)[:10]
PAPER_B_LOSSES = ("balanced_bce", "focal", "custom")

# One name, several formulas: what each definition means by its focal term.
# Paper A prints alpha 0.8 and gamma 0.2; 0.2 is likely a slip for 2. The mean-first
# form stands in a public implementation of the same design. Paper B gives alpha, gamma
# and beta per network (Table 1), so its definition has no numbers of its own.
DEFINITIONS = {
    "A-printed": {
        "focal_form": "pixel",
        "alpha_form": "alpha_t",
        "alpha": 0.8,
        "gamma": 0.2,
        "losses": PAPER_A_LOSSES,
    },
    "A-gamma2": {
        "focal_form": "pixel",
        "alpha_form": "alpha_t",
        "alpha": 0.8,
        "gamma": 2.0,
        "losses": PAPER_A_LOSSES,
    },
    "A-meanfirst": {
        "focal_form": "meanfirst",
        "alpha_form": "constant",
        "alpha": 0.8,
        "gamma": 2.0,
        "losses": PAPER_A_LOSSES,
    },
    "B": {
        "focal_form": "pixel",
        "alpha_form": "alpha_t",
        "alpha": None,
        "gamma": None,
        "losses": PAPER_B_LOSSES,
    },
}
