"""What the scores of one row leave open for each other, to the last rounded digit.

Over pooled pixels F1 is the harmonic mean of precision and recall, and IoU is
F1 / (2 - F1). Means over images, all of the same images, obey

    P + R - 1 <= F1 <= 2 P R / (P + R)    and    F1 / (2 - F1) <= IoU <= F1

for the harmonic mean is concave, IoU a convex function of F1, and the first bound holds
for each image. Means over repeats, folds or classes, of either, obey the same. Medians
over images obey the bounds of IoU, and F1 <= 2 P / (1 + P) and 2 R / (1 + R): of more
than half of the images that reach the median F1, one has no more than the median P.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import sqrt

from lesionkit.papers.numbers import SHOWN, Ends, Printed, ends, harmonic, in_percent

Scores = Mapping[str, Printed]
LAWS = {
    "F1": ("dice", "precision", "recall"),
    "IoU": ("iou", "dice"),
    "IoU of both": ("iou", "precision", "recall"),
}


@dataclass(frozen=True)
class Law:
    """What the other numbers of a row leave open for one of them, F1 or IoU.

    Over pooled pixels it is `pooled`; as a mean over images, or as a median, it lies
    between `least` and `most`. `given` names the others, `needs` what they would have
    to be. `bends` is the square of the scatter, in fractions of 1, that moves the mean
    of pooled values by 1; `scatters` says of what: of precision and recall in opposite
    directions, which moves it most.
    """

    name: str
    score: Printed
    given: str
    pooled: Ends
    least: Ends
    most: Ends
    needs: str = ""
    bends: Fraction = Fraction(0)
    scatters: str = ""

    @property
    def side(self) -> int:
        """1 where the number is too high for any mean, -1 too low, 0 otherwise."""
        above, below = self.score.low > self.most[2], self.score.high < self.least[0]
        return int(above) - int(below)

    @property
    def equal(self) -> bool:
        """Whether the number may be of pooled pixels."""
        return self.score.meets(self.pooled[0], self.pooled[2])

    @property
    def bound(self) -> Ends:
        """The end of the range that the number is beyond."""
        return self.most if self.side > 0 else self.least

    @property
    def scatter(self) -> float:
        """By how much pooled values must scatter for their mean to be this far off.

        A standard deviation in points, to the second order, with the printed numbers.
        """
        off = abs(self.score.value - self.pooled[1])
        return 100 * sqrt(off * self.bends)

    @property
    def says(self) -> str:
        """The number, what the others give, and by how much it is off, in percent."""
        places = min(4, max(2, self.score.decimals))
        beyond = self.bound[1] if self.side else self.pooled[1]
        off = in_percent(self.score.value - beyond, places, "+")
        told = f"{self.name} {self.score}, {self.given} "
        if self.side:
            end = in_percent(beyond, places)
            return f"{told}{'at most' if self.side > 0 else 'at least'} {end} ({off})"
        return f"{told}{in_percent(beyond, places)} ({off})"


def laws_of(scores: Scores, *, medians: bool = False) -> list[Law]:
    """Every law that the scores of a row can be held against.

    IoU of precision and recall comes last: it mostly says the same again.
    """
    f1, iou, precision, recall = map(scores.get, ("dice", "iou", "precision", "recall"))
    found = [_f1(f1, precision, recall, medians)] if f1 and precision and recall else []
    found += [_iou(iou, f1)] if iou and f1 else []
    if iou and precision and recall:
        found.append(_iou_of_both(iou, precision, recall, medians))
    return found


def outside(scores: Scores) -> list[str]:
    """Numbers that are no score, in words."""
    return [
        f"{SHOWN.get(name, name)} {score} is outside 0 to 100 percent"
        for name, score in scores.items()
        if score.low > 1 or score.high < 0
    ]


def _f1(f1: Printed, precision: Printed, recall: Printed, medians: bool) -> Law:
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
    given, least = _of_both(precision, recall, medians)
    most = pooled
    if medians:
        most = ends(lambda p, r: 2 * min(p, r) / (1 + min(p, r)), precision, recall)
    both = precision.value + recall.value
    scatters = "precision and recall"
    return Law("F1", f1, given, pooled, least, most, needs, both / 2, scatters)


def _of_both(p: Printed, r: Printed, medians: bool) -> tuple[str, Ends]:
    """Both in words, and the least F1 or IoU of images of these means or medians."""
    nothing = Fraction(0)
    least = ends(lambda p, r: max(p + r - 1, nothing), p, r)
    given = f"precision {p} and recall {r} give"
    return given, (nothing, nothing, nothing) if medians else least


def _iou(iou: Printed, f1: Printed) -> Law:
    """IoU of F1."""
    pooled = ends(_iou_of, f1)
    needs = f"IoU {iou} needs F1 {in_percent(2 * iou.value / (1 + iou.value))}"
    bends, most = (2 - f1.value) ** 3 / 2, ends(Fraction, f1)
    return Law("IoU", iou, f"F1 {f1} gives", pooled, pooled, most, needs, bends, "F1")


def _iou_of(f1: Fraction) -> Fraction:
    return f1 / (2 - f1)


def _iou_of_both(iou: Printed, p: Printed, r: Printed, medians: bool) -> Law:
    """IoU of precision and recall: 1 / IoU = 1 / P + 1 / R - 1 in one image."""
    pooled = ends(lambda p, r: _iou_of(harmonic(p, r)), p, r)
    given, least = _of_both(p, r, medians)
    return Law("IoU", iou, given, pooled, least, ends(min, p, r))
