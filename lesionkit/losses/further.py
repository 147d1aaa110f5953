"""Losses that people use beside those of the two papers, each by its source.

p is sigmoid(logits), y the mask; I = sum(p y), F = sum(p) - I what is falsely marked,
M = sum(y) - I what is missed. Shapes, checks and `ignore` are those of PixelLoss.
"""

from __future__ import annotations

from math import floor, inf

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, binary_cross_entropy_with_logits

from lesionkit.lookup import find
from lesionkit.losses import DiceLoss, PixelLoss, class_weight, within
from lesionkit.losses.pixels import SUMS, Pixels, power, share

WEIGHTINGS = ("meant", "as_run")
WINDOW = 31  # pixels, of the structure loss


class TverskyLoss(PixelLoss):
    """One minus the Tversky index: Dice with a weight each for false and missed.

        loss = (fp F + fn M) / (I + fp F + fn M + smooth)

    With fp = fn = 0.5 it is the Dice loss, with 1 and 1 the IoU loss, but for smooth.

    Args:
        fp, fn: weights of what is falsely marked and of what is missed, from 0 to 10.
        sums, smooth: see IoULoss.

    Source: Salehi et al., MLMI 2017.

    >>> marked_one, mask = torch.tensor([[[100.0, -100.0]]]), torch.ones(1, 1, 2)
    >>> round(TverskyLoss()(marked_one, mask).item(), 4)  # 0.7 / (1 + 0.7)
    0.4118
    """

    def __init__(
        self, fp: float = 0.3, fn: float = 0.7, sums: str = "batch", smooth=1e-6
    ):
        super().__init__()
        find("sums", sums, SUMS)
        self.fp, self.fn = within("fp", fp, 10), within("fn", fn, 10)
        self.sums, self.smooth = sums, within("smooth", smooth, inf)

    def of(self, pixels: Pixels) -> Tensor:
        return self.each(pixels).mean()

    def each(self, pixels: Pixels) -> Tensor:
        """The loss of the batch (), or of each image (N,)."""
        both, marked, lesion = pixels.areas(self.sums)
        wrong = self.fp * (marked - both) + self.fn * (lesion - both)
        return share(wrong, both + wrong + self.smooth, smooth=self.smooth, empty=0.0)


class FocalTverskyLoss(TverskyLoss):
    """The Tversky loss to a power below 1, which weighs what is nearly right more.

        loss = tversky ^ exponent

    Args:
        exponent: from 0.01 to 10; 0.75 is 1 / gamma of the source, gamma 4/3.

    Source: Abraham and Khan, ISBI 2019. At a loss of 0 the slope of a power below
    1 is infinite; there the gradient is 0.

    >>> marked_one, mask = torch.tensor([[[100.0, -100.0]]]), torch.ones(1, 1, 2)
    >>> round(FocalTverskyLoss()(marked_one, mask).item(), 4)  # 0.4118 ^ 0.75
    0.514
    """

    def __init__(
        self,
        exponent: float = 0.75,
        fp: float = 0.3,
        fn: float = 0.7,
        sums: str = "batch",
        smooth: float = 1e-6,
    ):
        super().__init__(fp, fn, sums, smooth)
        self.exponent = positive("exponent", exponent, 10)

    def of(self, pixels: Pixels) -> Tensor:
        return power(self.each(pixels), self.exponent).mean()


class SquaredDiceLoss(DiceLoss):
    """The Dice loss with the probabilities squared in the denominator.

        loss = 1 - (2 I + smooth) / (sum(p^2) + sum(y) + smooth)

    Its gradient does not vanish where p is near 0 and the lesion is missed alone.

    Source: Milletari et al., 3DV 2016.

    >>> half, mask = torch.zeros(1, 1, 2), torch.ones(1, 1, 2)
    >>> round(SquaredDiceLoss()(half, mask).item(), 4)  # 1 - 2 / 2.5
    0.2
    """

    def each(self, pixels: Pixels) -> Tensor:
        """The loss of the batch (), or of each image (N,)."""
        both, _, lesion = pixels.areas(self.sums)
        squares = pixels.probability.square().sum(SUMS[self.sums])
        top, below = 2 * both + self.smooth, squares + lesion + self.smooth
        return 1 - share(top, below, smooth=self.smooth, empty=1.0)


class LogCoshDiceLoss(DiceLoss):
    """The Dice loss through log(cosh()), which is flat near 0.

        loss = log cosh(dice)

    Source: Jadon, CIBCB 2020.

    >>> marked_one, mask = torch.tensor([[[100.0, -100.0]]]), torch.ones(1, 1, 2)
    >>> round(LogCoshDiceLoss()(marked_one, mask).item(), 4)  # log cosh(1 / 3)
    0.0546
    """

    def of(self, pixels: Pixels) -> Tensor:
        return self.each(pixels).cosh().log().mean()


class LovaszLoss(PixelLoss):
    """The Lovász hinge: a convex surrogate of one minus the IoU of the hard mask.

    Errors 1 - z (2y - 1), largest first, those above 0 times the increments of
    1 - IoU that marking the pixels wrong in this order brings.

    Source: Berman et al., CVPR 2018.

    >>> logits, mask = torch.tensor([[[0.5, -2.0]]]), torch.tensor([[[1.0, 0.0]]])
    >>> round(LovaszLoss()(logits, mask).item(), 4)  # 1 - 0.5, of one lesion pixel
    0.5
    """

    def __init__(self, sums: str = "batch"):
        super().__init__()
        find("sums", sums, SUMS)
        self.sums = sums

    def of(self, pixels: Pixels) -> Tensor:
        rows = (1, -1) if self.sums == "batch" else (len(pixels.mask), -1)
        errors = (1 - pixels.margin).relu()
        mask = pixels.mask
        if pixels.valid is not None:  # last in the order, as background that is right
            errors = errors * pixels.valid
        errors, order = errors.reshape(rows).sort(1, descending=True)
        lesion = mask.reshape(rows).gather(1, order)
        total = lesion.sum(1, keepdim=True)
        missed, false = lesion.cumsum(1), (1 - lesion).cumsum(1)
        wrong = 1 - (total - missed) / (total + false)
        steps = torch.cat([wrong[:, :1], wrong.diff(dim=1)], 1)
        return (errors * steps).sum(1).mean()


class MCCLoss(PixelLoss):
    """One minus the soft Matthews correlation of prediction and ground truth.

        loss = 1 - (tp tn - fp fn + s) / sqrt((tp+fp)(tp+fn)(tn+fp)(tn+fn) + s^2)

    tp to fn are soft counts as shares of all pixels, so that nothing overflows; s is
    smooth, above 0.

    Source: Abhishek and Hamarneh, ISBI 2021. Chosen: shares instead of counts.

    >>> wrong, mask = torch.tensor([[[-100.0, 100.0]]]), torch.tensor([[[1.0, 0.0]]])
    >>> round(MCCLoss()(wrong, mask).item(), 4)  # 1 less a correlation of -1
    2.0
    """

    def __init__(self, sums: str = "batch", smooth: float = 1e-6):
        super().__init__()
        find("sums", sums, SUMS)
        self.sums, self.smooth = sums, positive("smooth", smooth, inf)

    def of(self, pixels: Pixels) -> Tensor:
        both, marked, lesion = pixels.areas(self.sums)
        unmarked = pixels.total(1 - pixels.probability, self.sums)
        count = pixels.count(self.sums)
        both, marked, unmarked = both / count, marked / count, unmarked / count
        lesion = lesion / count
        # tp tn - fp fn is tp less the product of its two sums
        top = both - marked * lesion
        below = marked * unmarked * lesion * (1 - lesion)
        return (1 - (top + self.smooth) / (below + self.smooth**2).sqrt()).mean()


class Poly1Loss(PixelLoss):
    """The BCE with more weight on the first term of its series.

        loss = bce + epsilon mean(1 - p_t)

    Args:
        epsilon: from -1, which takes the first term away, to 100.

    Source: Leng et al., ICLR 2022.

    >>> undecided, mask = torch.zeros(1, 1, 2), torch.ones(1, 1, 2)
    >>> round(Poly1Loss()(undecided, mask).item(), 4)  # log 2 + 0.5
    1.1931
    """

    def __init__(self, epsilon: float = 1.0):
        super().__init__()
        self.epsilon = within("epsilon + 1", epsilon + 1, 101) - 1

    def of(self, pixels: Pixels) -> Tensor:
        wrong = pixels.mean((-pixels.margin).sigmoid())
        return pixels.bce + self.epsilon * wrong


class TopKLoss(PixelLoss):
    """The mean of the largest pixel cross entropies of the batch.

    Args:
        share: of the pixels that count, above 0 and at most 1; one pixel at least.

    Source: Wu et al., 2016; nnU-Net's TopK10.

    >>> logits, mask = torch.tensor([[[0.0, 50.0]]]), torch.ones(1, 1, 2)
    >>> round(TopKLoss(share=0.5)(logits, mask).item(), 4)  # log 2
    0.6931
    """

    def __init__(self, share: float = 0.1):
        super().__init__()
        self.share = positive("share", share, 1)

    def of(self, pixels: Pixels) -> Tensor:
        each = -pixels.log_right.flatten()
        if pixels.valid is not None:
            return self._of_valid(each, pixels.valid.flatten())
        # rounded first: 0.29 * 100 is 28.999999999999996
        count = max(1, floor(round(self.share * len(each), 9)))
        return each.topk(count, sorted=False).values.mean()

    def _of_valid(self, each: Tensor, valid: Tensor) -> Tensor:
        """The same where only some pixels count, without looking at their number."""
        ordered = (each * valid).sort(descending=True).values  # the ignored are 0
        wanted = (self.share * valid.sum() + 1e-6).floor().clamp(min=1)
        place = torch.arange(len(each), device=each.device)
        return (ordered * (place < wanted)).sum() / wanted


class SmoothedBCELoss(PixelLoss):
    """The BCE against a mask that is not quite sure.

        loss = bce(z, (1 - smoothing) y + smoothing / 2)

    Args:
        smoothing: from 0 to 1; 0.1 makes 0.95 of lesion and 0.05 of background.

    Source: Szegedy et al., CVPR 2016.

    >>> undecided, mask = torch.zeros(1, 1, 2), torch.ones(1, 1, 2)
    >>> round(SmoothedBCELoss()(undecided, mask).item(), 4)  # log 2
    0.6931
    """

    def __init__(self, smoothing: float = 0.1):
        super().__init__()
        self.smoothing = within("smoothing", smoothing, 1)

    def of(self, pixels: Pixels) -> Tensor:
        soft = (1 - self.smoothing) * pixels.mask + self.smoothing / 2
        return pixels.mean(cross_entropies(pixels, soft))


class StructureLoss(PixelLoss):
    """The loss of F3Net, PraNet and most polyp networks since: BCE and IoU at edges.

        w = 1 + 5 |mean of y over 31 x 31 - y|, zeros beyond the border counted
        loss = mean over images of sum(w bce) / sum(w)
               + 1 - (sum(w p y) + 1) / (sum(w (p + y)) - sum(w p y) + 1)

    Args:
        weighting: "meant", as above, or "as_run": the published code passes a
            deprecated argument that averages the BCE before it is weighted, so its
            first term is the plain BCE of the batch.

    Source: Wei et al., AAAI 2020 (F3Net); Fan et al., MICCAI 2020 (PraNet), and the
    code of both. Pixels cannot be ignored: the window would see them.

    >>> undecided, mask = torch.zeros(1, 1, 2), torch.ones(1, 1, 2)
    >>> round(StructureLoss("as_run")(undecided, mask).item(), 4)  # w 5.99 on each
    1.1546
    """

    ignorable = False

    def __init__(self, weighting: str = "meant"):
        super().__init__()
        self.weighting = find("weighting", weighting, {w: w for w in WEIGHTINGS})

    def of(self, pixels: Pixels) -> Tensor:
        image, y = SUMS["image"], pixels.mask
        weight = 1 + 5 * (windowed_mean(y) - y).abs()
        weighted = weight * pixels.probability
        both, all_marked = (weighted * y).sum(image), weighted.sum(image)
        lesion = (weight * y).sum(image)
        overlap = 1 - (both + 1) / (all_marked + lesion - both + 1)
        if self.weighting == "as_run":
            return pixels.bce + overlap.mean()
        each = weight * cross_entropies(pixels, y)
        return (each.sum(image) / weight.sum(image) + overlap).mean()


class AsymUnifiedFocalLoss(PixelLoss):
    """The asymmetric unified focal loss: a Tversky and a focal part, one focus.

        loss = balance ((1 - TI_background) + (1 - TI_lesion)^(1 - focus)) / 2
               - (1 - balance) mean(delta y log p
                                    + (1 - delta)(1 - y) p^focus log(1 - p))

    TI is the Tversky index with delta on missed and 1 - delta on false.

    Args:
        balance, delta, focus: lambda, delta and gamma of the source, from 0 to 1.

    Source: Yeung et al., 2022. Where a
    power below 1 has an infinite slope, at 0, the gradient is 0.

    >>> undecided, mask = torch.zeros(1, 1, 2), torch.ones(1, 1, 2)
    >>> round(AsymUnifiedFocalLoss(balance=0)(undecided, mask).item(), 4)  # .6 log 2
    0.4159
    """

    def __init__(
        self,
        balance: float = 0.5,
        delta: float = 0.6,
        focus: float = 0.5,
        sums: str = "batch",
        smooth: float = 1e-6,
    ):
        super().__init__()
        find("sums", sums, SUMS)
        self.balance, self.delta = (
            within("balance", balance, 1),
            within("delta", delta, 1),
        )
        self.focus, self.sums = within("focus", focus, 1), sums
        self.smooth = within("smooth", smooth, inf)

    def of(self, pixels: Pixels) -> Tensor:
        both, marked, lesion = pixels.areas(self.sums)
        false, missed = marked - both, lesion - both
        rest = pixels.total((1 - pixels.probability) * (1 - pixels.mask), self.sums)
        of_lesion = self.delta * missed + (1 - self.delta) * false
        of_rest = self.delta * false + (1 - self.delta) * missed
        lesion_part = share(
            of_lesion, both + of_lesion + self.smooth, smooth=self.smooth, empty=0.0
        )
        rest_part = share(
            of_rest, rest + of_rest + self.smooth, smooth=self.smooth, empty=0.0
        )
        tversky = (rest_part + power(lesion_part, 1 - self.focus)).mean() / 2
        y = pixels.mask
        focus = torch.exp(self.focus * (1 - y) * pixels.log_wrong)
        weight = class_weight(y, self.delta) * focus
        focal = -pixels.mean(weight * pixels.log_right)
        return self.balance * tversky + (1 - self.balance) * focal


def positive(name: str, value: float, high: float) -> float:
    """`value`, refused unless it is a finite number above 0 and at most `high`."""
    if within(name, value, high) == 0:
        raise ValueError(f"{name} must be above 0, got {value!r}")
    return float(value)


def cross_entropies(pixels: Pixels, mask: Tensor) -> Tensor:
    """The BCE of each pixel against a mask that may be soft, (N, 1, H, W)."""
    return binary_cross_entropy_with_logits(pixels.logits, mask, reduction="none")


def windowed_mean(mask: Tensor) -> Tensor:
    """The mean over 31 x 31 pixels around each, zeros beyond the border counted."""
    down = avg_pool2d(mask, (WINDOW, 1), stride=1, padding=(WINDOW // 2, 0))
    return avg_pool2d(down, (1, WINDOW), stride=1, padding=(0, WINDOW // 2))
