"""The laws between F1, precision, recall and IoU, held against one printed row.

And what a focal gamma does, for a remark.

Over pooled pixels F1 is the harmonic mean of precision and recall, and IoU is
F1 / (2 - F1). Means over images, all of the same images, obey

    P + R - 1 <= F1 <= 2 P R / (P + R)    and    F1 / (2 - F1) <= IoU <= F1

for the harmonic mean is concave, IoU a convex function of F1, and the first bound holds
for each image. Means over repeats, of either, obey the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from lesionkit.papers.numbers import (
    SHOWN,
    Ends,
    Finding,
    Printed,
    Row,
    ends,
    harmonic,
    in_percent,
    numeral,
)
from lesionkit.tables.reading import METRICS


@dataclass(frozen=True)
class _Law:
    """What the other numbers of a row leave open for one of them, F1 or IoU.

    Over pooled pixels it is `pooled`; as a mean over images it lies between `least`
    and `most`. `given` names the others, `needs` what they would have to be.
    """

    name: str
    score: Printed
    given: str
    pooled: Ends
    least: Ends
    most: Ends
    needs: str = ""


def audit_row(row: Row, aggregation: str | None) -> list[Finding]:
    """What the laws say of one row; of numbers outside 0 to 100 percent only that.

    Args:
        row: its scores, as printed.
        aggregation: "pooled" allows equality alone, "image" the whole range; None
            says which of the two is broken.
    """
    outside = [
        f"{SHOWN.get(name, name)} {score} is outside 0 to 100 percent"
        for name, score in row.scores.items()
        if score.low > 1 or score.high < 0
    ]
    if outside:
        return [Finding("range", "impossible", row.label, says) for says in outside]
    f1, iou, precision, recall = (row.scores.get(name) for name in METRICS)
    laws = [_f1(f1, precision, recall)] if f1 and precision and recall else []
    laws += [_iou(iou, f1)] if iou and f1 else []
    found = [f for law in laws if (f := _judge(row.label, law, aggregation))]
    if iou and precision and recall:
        # This mostly says the same again: only what is graver than the two.
        third = _judge(row.label, _iou_of_both(iou, precision, recall), aggregation)
        graver = not any(f.severity == "impossible" for f in found)
        if third and (not found or (graver and third.severity == "impossible")):
            found.append(third)
    return found


def _f1(f1: Printed, precision: Printed, recall: Printed) -> _Law:
    """F1 of precision and recall."""
    pooled = ends(harmonic, precision, recall)
    needed = []
    for name, other in (("recall", precision), ("precision", recall)):
        left = 2 * other.value - f1.value
        if left > 0 and (value := f1.value * other.value / left) <= 1:
            needed.append(f"{name} {in_percent(value)}")
    needs = f"{f1} needs {' or '.join(needed)}" if needed else ""
    if f1.low > max(precision.high, recall.high):
        needs = "it is above both of them"
    return _Law("F1", f1, *_of_both(precision, recall, pooled), pooled, needs)


def _of_both(precision: Printed, recall: Printed, pooled: Ends) -> tuple:
    """Both in words, the pooled number, and the least of images of these means."""
    least = ends(lambda p, r: max(p + r - 1, Fraction(0)), precision, recall)
    return f"precision {precision} and recall {recall} give", pooled, least


def _iou(iou: Printed, f1: Printed) -> _Law:
    """IoU of F1."""
    pooled = ends(_iou_of, f1)
    needs = f"IoU {iou} needs F1 {in_percent(2 * iou.value / (1 + iou.value))}"
    return _Law("IoU", iou, f"F1 {f1} gives", pooled, pooled, ends(Fraction, f1), needs)


def _iou_of(f1: Fraction) -> Fraction:
    return f1 / (2 - f1)


def _iou_of_both(iou: Printed, precision: Printed, recall: Printed) -> _Law:
    """IoU of precision and recall: 1 / IoU = 1 / P + 1 / R - 1 in one image."""
    pooled = ends(lambda p, r: _iou_of(harmonic(p, r)), precision, recall)
    most = ends(min, precision, recall)
    return _Law("IoU", iou, *_of_both(precision, recall, pooled), most)


def _judge(where: str, law: _Law, aggregation: str | None) -> Finding | None:
    """A number against its law, each as all values that round to it."""
    score = law.score
    places = min(4, max(2, score.decimals))
    pooled, least, most = (
        in_percent(e[1], places) for e in (law.pooled, law.least, law.most)
    )
    severity = "impossible"
    if score.low > law.most[2]:
        why = f"too high, pooled (equal) or as means over the same images (<= {most})"
    elif score.high < law.least[0]:
        why = f"too low, pooled (equal) or as means over the same images (>= {least})"
    elif score.meets(law.pooled[0], law.pooled[2]) or aggregation == "image":
        return None
    elif aggregation == "pooled":
        why = "not equal, as pooled values must be"
    else:
        severity = "not pooled"
        why = "not equal, so not pooled; possible as means over images"
    off = in_percent(score.value - law.pooled[1], places, "+")
    says = f"{law.name} {score}, {law.given} {pooled} ({off}): {why}"
    says += f"; {law.needs}" if law.needs else ""
    return Finding(law.name, severity, where, says)


def gamma_remark(text: str, where: str, larger: str = "") -> list[Finding]:
    """A remark on a focal gamma below 1, which leaves easy pixels their weight.

    Args:
        text: gamma as printed.
        where: the row or place.
        larger: what is said of a larger gamma, if anything is.

    Source: the focusing weight (1 - p)^gamma of Lin 2017.
    """
    number = numeral(text)
    if number is None or not 0 < float(number) < 1:
        return []
    ours, usual = (((1 - 0.9) / (1 - 0.5)) ** gamma for gamma in (float(number), 2))
    says = (
        f"gamma {number}: (1 - p)^gamma hardly falls; a pixel at p = 0.9 has "
        f"{ours:.2f} of the weight of one at 0.5, with gamma 2 it has {usual:.2f}"
    )
    says += f"; of a larger gamma is said: {larger}" if larger else ""
    return [Finding("gamma", "remark", where, says)]
