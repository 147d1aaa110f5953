"""Each claim of the two papers as a question to a table, and the table's answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import product
from typing import Any

import pandas as pd

from lesionkit import lookup
from lesionkit.catalogue import LOSSES, PAPER_A_LOSSES
from lesionkit.papers import answers
from lesionkit.papers.answers import SUPPORTED, UNTESTABLE, Answer, Untestable
from lesionkit.tables.reading import METRICS

VERDICTS = (SUPPORTED, answers.NOT_SUPPORTED, answers.CONTRADICTED, UNTESTABLE)
COMPOUND = tuple(name for name in PAPER_A_LOSSES if LOSSES[name].group == "compound")
SINGLE = tuple(name for name in PAPER_A_LOSSES if name not in COMPOUND)
ORDER = (  # paper A, over the models
    "ioufocal dicebce ioudice ioubce iou bce dice bcefocal dicefocal focal"
).split()
FIRST, MOST = ("dicebce", "ioufocal"), ("dicefocal", "focal")  # of Dice, background
ORDER_B = (("custom", "focal"), ("focal", "balanced_bce"))


@dataclass(frozen=True)
class Claim:
    """A sentence of a paper, and the predicate that asks a table about it."""

    says: str
    predicate: Callable[..., Answer]
    given: dict[str, Any] = field(default_factory=dict)
    place: str = "results"


def _but(*left_out: str) -> tuple[str, ...]:
    """Paper A's losses without some."""
    return tuple(loss for loss in PAPER_A_LOSSES if loss not in left_out)


# The first letter of a name is the paper.
CLAIMS = {
    "A-no-best": Claim(
        "no loss is best everywhere", answers.none_best, {"axes": ("dataset", "model")}
    ),
    "A-no-best-data-set": Claim(
        "the best loss differs by data set", answers.none_best, {"axes": ("dataset",)}
    ),
    "A-no-best-model": Claim(
        "the best loss differs by model", answers.none_best, {"axes": ("model",)}
    ),
    "A-focal-last": Claim(
        "focal is last in all four metrics",
        answers.ordered,
        {"pairs": tuple(product(_but("focal"), ["focal"])), "metrics": METRICS},
    ),
    "A-first-two": Claim(
        "dicebce and ioufocal are first and second in mean Dice",
        answers.ordered,
        {"pairs": (FIRST, *product(["ioufocal"], _but(*FIRST)))},
    ),
    "A-ioufocal-ranks": Claim(
        "ioufocal ranks 2, 2, 3 and 2 in Dice, IoU, precision and recall",
        answers.ranks,
        {
            "loss": "ioufocal",
            "published": dict(zip(METRICS, (2, 2, 3, 2), strict=True)),
        },
    ),
    "A-points-data-sets": Claim(
        "ioufocal has the most podium points over the data sets, 8 of 36",
        answers.most_points,
        {"loss": "ioufocal", "rows": "dataset", "published": 8},
        place="Fig. 2B",
    ),
    "A-points-models": Claim(
        "ioufocal has the most podium points over the models, 16 of 72",
        answers.most_points,
        {"loss": "ioufocal", "rows": "model", "published": 16},
        place="Fig. 2C",
    ),
    "A-order": Claim(
        "the order of the ten losses over the models: " + ", ".join(ORDER),
        answers.ordered,
        {"pairs": tuple(zip(ORDER, ORDER[1:], strict=False)), "order": tuple(ORDER)},
    ),
    "A-compound": Claim(
        "compound losses are better than single ones",
        answers.better_on_average,
        {"first": COMPOUND, "second": SINGLE},
    ),
    "A-compound-without-focal": Claim(
        "compound losses are better than single ones, with focal left out of these",
        answers.better_on_average,
        {"first": COMPOUND, "second": tuple(x for x in SINGLE if x != "focal")},
    ),
    "A-probability-alike": Claim(
        "masks at probability 0.5 show no visible difference between the losses",
        answers.alike,
        {"margins": {"background": 0.01, "dice": 0.02}},
        place="Fig. 3",
    ),
    "A-background": Claim(
        "better losses mark less background under the raw mean",
        answers.moves_against,
        {"first": "dice", "second": "raw_mean_background"},
        place="Fig. 3",
    ),
    "A-most-background": Claim(
        "dicefocal and focal mark the most background under the raw mean",
        answers.ordered,
        {"pairs": (*product(MOST, _but(*MOST)),), "metrics": ("raw_mean_background",)},
        place="Fig. 3",
    ),
    **{
        f"B-order-{model}": Claim(
            f"{model}: custom above focal above balanced_bce in F1",
            answers.ordered,
            {"pairs": ORDER_B, "only": {"model": model}},
            place="Table 1",
        )
        for model in ("unet", "segnet", "enet")
    },
    "B-unet-first": Claim(
        "unet is better than segnet and enet",
        answers.ordered,
        {"pairs": (("unet", "segnet"), ("unet", "enet")), "between": "model"},
        place="Table 1",
    ),
    "B-attached": Claim(
        "custom is best on lesions attached to the wall",
        answers.ordered,
        {
            "pairs": (("custom", "focal"), ("custom", "balanced_bce")),
            "metrics": ("attached_dice",),
        },
    ),
    "B-inside": Claim(
        "the losses are alike on lesions inside the lung",
        answers.alike,
        {"margins": {"inside_dice": 0.02}},
    ),
    "B-alpha": Claim(
        "alpha trades precision for recall: below 0.5 precision is higher, above it "
        "recall",
        answers.traded_by_alpha,
        place="Table 1",
    ),
}


def check(table: pd.DataFrame, names: tuple[str, ...] = ()) -> pd.DataFrame:
    """Every claim's verdict on a table.

    Supported: the table shows it beyond chance. Contradicted: it shows the opposite
    beyond chance. Not supported: it agrees with both. Untestable: it does not hold what
    the claim speaks of.

    Args:
        table: of `load_table`; with `tables.with_background` the claims about masks can
            be tested too.
        names: of CLAIMS; by default all.

    Returns:
        A row a claim: claim, paper, place, says, verdict, evidence, more (what would
        decide it).

    Raises:
        UnknownName: no claim of that name.
    """
    rows = []
    for name in names or CLAIMS:
        claim = lookup.find("claim", name, CLAIMS)
        try:
            answer = claim.predicate(table, **claim.given)
        except Untestable as reason:
            answer = Answer(UNTESTABLE, *reason.args)
        row = {
            "claim": name,
            "paper": name[0],
            "place": claim.place,
            "says": claim.says,
        }
        row |= asdict(answer)
        if answer.verdict == SUPPORTED:
            row["more"] = ""
        rows.append(row)
    return pd.DataFrame(rows)


def sentence(answers: pd.DataFrame) -> str:
    """How many claims have each verdict, in words."""
    counts = answers["verdict"].value_counts()
    parts = [f"{counts[v]} {v}" for v in VERDICTS if v in counts]
    return f"{len(answers)} claims: " + ", ".join(parts) + "."
