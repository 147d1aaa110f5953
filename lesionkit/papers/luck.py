"""One printed row of two methods: the chance that their order is luck.

The two means are of the same n test images. Over all images like these, the one behind
is as good as the one ahead, or better, with the probability

    P = T(-d / e),    e^2 = (s1^2 + s2^2 - 2 r s1 s2) / n

with T of n - 1 degrees of freedom, for a lead d, deviations s1 and s2 over the images,
and a correlation r between the two methods' scores of an image; the variance of
rounding is added to e^2. Other seeds and splits add the scatter of a training of each
method, without what its test images make of it.

Source: Christodoulou et al., False Promises in Medical Imaging AI? (2025),
arXiv 2505.04720, "Claims Reloaded": the posterior under a flat prior.
Chosen: where the deviations or the correlation are not printed they are those of the
kit's own runs (benchmarks/luck.py), and the answer is given for their range as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
from scipy import stats

from lesionkit.papers.numbers import decimals, score_in
from lesionkit.papers.scatter import CORRELATION, WIDTH, Taken, of_a_training

LEVEL = 0.05
SUSPECT = 0.25  # of the usual deviation over images


@dataclass(frozen=True)
class Printed:
    """Two printed means, the higher first, as fractions of 1.

    `rounding` is the variance that it adds to their difference, `unit` 100 for percent,
    `ahead` which of the two that were given is the first here.
    """

    means: tuple[float, float]
    images: int
    rounding: float
    unit: int
    ahead: str

    @property
    def lead(self) -> float:
        """How far the second is behind."""
        return self.means[0] - self.means[1]


@dataclass(frozen=True)
class Luck:
    """What a printed row says of the order of its two methods.

    Attributes:
        row: the means.
        deviations: of the scores over the images, of the method that leads first.
        correlation: between the two methods' scores of an image.
        by_images: the chance that the order is luck, from the test images alone.
        scatter: the deviation of a training over seeds and splits, images apart.
        runs: how many trainings a mean is of.
        by_runs: the chance with other seeds and splits as well.
        taken: which of deviations, correlation and scatter are the kit's, in words.
    """

    row: Printed
    deviations: tuple[float, float]
    correlation: float
    by_images: Taken
    scatter: Taken
    runs: int
    by_runs: float
    taken: dict[str, str]

    @property
    def images_needed(self) -> float:
        """Test images for a chance of 0.05 at this lead; infinite without a lead."""
        left = (self.row.lead / stats.norm.isf(LEVEL)) ** 2 - self.row.rounding
        if self.row.lead == 0 or left <= 0:
            return inf
        paired = _paired(self.deviations, self.correlation)
        needed = max(2.0, paired / left)
        for _ in range(50):  # the quantile depends on the number, a little
            bound = stats.t.isf(LEVEL, max(needed, 2) - 1)
            room = (self.row.lead / bound) ** 2 - self.row.rounding
            needed = paired / room if room > 0 else needed * 2
        return float(np.ceil(max(needed, 2)))

    @property
    def lead_needed(self) -> float:
        """The lead for a chance of 0.05 with these images."""
        error = _error(self.row, self.deviations, self.correlation)
        return float(stats.t.isf(LEVEL, self.row.images - 1)) * error

    @property
    def lines(self) -> list[str]:
        """All of it in words, a sentence or two a line."""
        row, unit = self.row, "points" if self.row.unit == 100 else ""
        if row.lead == 0:
            return [
                f"The two means are equal on {row.images} images: there is no order."
            ]
        told = [
            f"{_shown(row.means[0], row)} leads {_shown(row.means[1], row)} by "
            f"{_shown(row.lead, row)} {unit}".rstrip()
            + f" on {row.images} images.",
            "Chance that the order is luck, from the test images alone: "
            f"{_range(self.by_images)}.",
            f"  {self.taken['deviations']}; {self.taken['correlation']}",
            f"With other seeds and splits as well: {_chance(self.by_runs)}.",
            f"  {self.taken['scatter']}; {self.runs} training"
            f"{'s' * (self.runs > 1)} of each method",
            self._needed(),
        ]
        usual = _widths(row, WIDTH.middle)[0]
        if max(self.deviations) < SUSPECT * usual:
            told.insert(
                0,
                f"Look again: the usual deviation over images is {_shown(usual, row)} "
                "at such a mean. What is printed may be over trainings: --run-sd.",
            )
        return told

    def _needed(self) -> str:
        """What it takes for a chance of 0.05."""
        images = "no number of images at this rounding"
        if self.images_needed < inf:
            images = f"{self.images_needed:,.0f} images at this lead"
        lead = _shown(self.lead_needed, self.row)
        return (
            f"A chance of {LEVEL:g} from the test images alone takes {images}, or a "
            f"lead of {lead} on {self.row.images} images. Images of one patient are "
            "not independent: count patients."
        )


def one_row(
    first: str | float,
    second: str | float,
    images: int,
    *,
    deviations: Sequence[float] = (),
    correlation: float | None = None,
    runs: int = 1,
    run_deviations: Sequence[float] = (),
    like: str | None = None,
    model: str | None = None,
) -> Luck:
    """The chance that the order of two printed means is luck.

    Args:
        first, second: mean scores of the two methods over images as printed, 0 to 1 or
            0 to 100, higher is better; text keeps its zeros.
        images: of the test part; patients where there are several images of one.
        deviations: over the images, in the unit of the means; one for both, or one each
            in the order of the means.
        correlation: between the two methods' scores of an image.
        runs: how many trainings each mean is of.
        run_deviations: over trainings, as printed; one for both, or one each.
        like, model: a data set and a network of the public re-run, whose scatter counts
            where run_deviations are not given; by default that of all.

    Raises:
        ValueError: no score, two units, a number out of its range.
        UnknownName: a data set or network that the public re-run does not have.
    """
    row = _row(first, second, images)
    if correlation is not None and not -1 <= correlation < 1:
        raise ValueError(f"correlation is from -1 to below 1, got {correlation:g}")
    if runs < 1:
        raise ValueError(f"runs is 1 or more, got {runs}")
    given = _both(deviations, row, "deviations")
    own_runs = _both(run_deviations, row, "run_deviations")
    r = CORRELATION if correlation is None else Taken(*[correlation] * 3)
    narrow, middle, wide = (given or _widths(row, width) for width in WIDTH)
    corners = [(narrow, r.high), (middle, r.middle), (wide, r.low)]
    taken = {
        "deviations": _words_of_deviations(row, given, middle),
        "correlation": f"correlation of the two scores of an image {r.middle:g}, "
        + ("as given" if r.low == r.high else f"measured {r.low:g} to {r.high:g}"),
    }
    if own_runs:
        scatter = Taken(*[sqrt((own_runs[0] ** 2 + own_runs[1] ** 2) / 2)] * 3)
        where = "as given"
    else:
        scatter, where = of_a_training(like, model)
    taken["scatter"] = f"a training scatters by {_shown(scatter.middle, row)}, {where}"
    if scatter.low < scatter.high:
        low, high = (_shown(end, row) for end in (scatter.low, scatter.high))
        taken["scatter"] += f" ({low} to {high})"
    found = [_chance_of(row, width, each) for width, each in corners]
    error = _error(row, middle, r.middle)
    total = sqrt(error**2 + 2 * scatter.middle**2 / runs)
    return Luck(
        row=row,
        deviations=middle,
        correlation=r.middle,
        by_images=Taken(*found),
        scatter=scatter,
        runs=runs,
        by_runs=float(stats.t.cdf(-row.lead / total, row.images - 1)),
        taken=taken,
    )


def _row(first: str | float, second: str | float, images: int) -> Printed:
    """The two means in the order of their size."""
    texts = [str(first).strip(), str(second).strip()]
    numbers = [_mean(text) for text in texts]
    values = [float(number) for number in numbers]
    unit = 100 if max(values) > 1 else 1
    if min(values) < 0 or max(values) > 100:
        raise ValueError(
            f"a score is 0 to 1 or 0 to 100, got {texts[0]} and {texts[1]}"
        )
    if unit == 100 and 0 < min(values) <= 1:
        raise ValueError(
            f"{texts[0]} and {texts[1]} are in two units: percent, and 0 to 1"
        )
    if images < 2:
        raise ValueError(f"images is 2 or more, got {images}")
    widths = [10.0 ** -decimals(number) / unit for number in numbers]
    rounding = sum(width**2 for width in widths) / 12
    means = [value / unit for value in values]
    ahead = "first" if means[0] > means[1] else "second"
    if means[0] == means[1]:
        ahead = "neither"
    return Printed((max(means), min(means)), images, rounding, unit, ahead)


def _mean(text: str) -> str:
    """The number of a printed mean that stands alone."""
    number = score_in(text)
    if number is None:
        raise ValueError(f"{text!r} is no score; a mean such as 88.77 or 0.8877")
    if text.rstrip("% ").replace(",", ".") != number:
        raise ValueError(
            f"{text!r}: give the mean alone, and say what the deviation is over: "
            "--sd for test images, --run-sd for trainings"
        )
    return number


def _both(
    given: Sequence[float], row: Printed, what: str
) -> tuple[float, float] | None:
    """One deviation for both methods, or one each, as fractions of 1; None for none."""
    if not given:
        return None
    if len(given) > 2:
        raise ValueError(f"{what}: one for both methods, or one each, got {len(given)}")
    ordered = given[::-1] if row.ahead == "second" else given
    pair = ordered[0] / row.unit, ordered[-1] / row.unit
    most = sqrt(row.images / (row.images - 1))
    for mean, own in zip(row.means, pair, strict=True):
        bound = most * sqrt(mean * (1 - mean))
        if not 0 <= own <= bound:
            shown = _shown(bound, row)
            raise ValueError(
                f"{what} {own * row.unit:g}: scores with a mean of {_shown(mean, row)} "
                f"have one of 0 to {shown}; it is in the unit of the means"
            )
    return pair


def _widths(row: Printed, width: float) -> tuple[float, float]:
    """Deviations over images as wide as measured."""
    one, two = (width * sqrt(mean * (1 - mean)) for mean in row.means)
    return one, two


def _paired(deviations: tuple[float, float], correlation: float) -> float:
    """The variance over images of the difference of two scores of an image."""
    one, two = deviations
    return max(one**2 + two**2 - 2 * correlation * one * two, 0)


def _error(row: Printed, deviations: tuple[float, float], correlation: float) -> float:
    """The standard error of a lead, from images and rounding."""
    return sqrt(_paired(deviations, correlation) / row.images + row.rounding)


def _chance_of(
    row: Printed, deviations: tuple[float, float], correlation: float
) -> float:
    """The chance that an order is luck, from the test images alone."""
    ratio = -row.lead / _error(row, deviations, correlation)
    return float(stats.t.cdf(ratio, row.images - 1))


def _words_of_deviations(
    row: Printed, given: tuple[float, float] | None, used: tuple[float, float]
) -> str:
    """The deviations over images, and where they are from."""
    one, two = (_shown(each, row) for each in used)
    if given is None:
        return (
            f"deviations over images {one} and {two}, not given: {WIDTH.middle:g} "
            f"sqrt(m (1 - m)), measured {WIDTH.low:g} to {WIDTH.high:g}"
        )
    return f"deviations over images {one} and {two}, as given"


def _shown(value: float, row: Printed) -> str:
    """A score or a difference in the unit of the row."""
    return f"{value * row.unit:.{2 if row.unit == 100 else 4}f}"


def _chance(value: float) -> str:
    """A probability, never as 0."""
    return f"{value:.3f}" if value >= 0.0005 else "below 0.001"


def _range(taken: Taken) -> str:
    """A probability with its range, if it has one."""
    if _chance(taken.low) == _chance(taken.high):
        return _chance(taken.middle)
    return f"{_chance(taken.middle)} ({_chance(taken.low)} to {_chance(taken.high)})"
