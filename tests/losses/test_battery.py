"""The battery passes the kit's own losses and finds what is wrong with others."""

import re

import pytest
import torch
from every_model import slow_unless
from made_losses import PAIRS, build

from lesionkit.losses import OwnLoss, build_loss
from lesionkit.losses.battery import CHECKS, battery, examine
from lesionkit.losses.likeness import kit_losses, likenesses

QUICK = {("dice", "A-printed"), ("focal", "B"), ("topk", "any")}


def found(loss, code):
    """What one check finds about a function of logits and mask."""
    return battery(OwnLoss("mine", loss), codes=[code]).findings[-1]


def dice(logits, mask, sums=None):
    p = logits.sigmoid()
    both = 2 * (p * mask).sum(sums) + 1e-6
    return (1 - both / (p.sum(sums) + mask.sum(sums) + 1e-6)).mean()


@pytest.mark.parametrize(("name", "definition"), slow_unless(PAIRS, QUICK))
def test_the_kits_own_losses_pass(name, definition):
    codes = CHECKS.keys() - {"cost"}
    examined = battery(build(name, definition), codes=codes)
    assert examined.failed == []
    verdicts = {each.code: each.passed for each in examined.findings}
    assert verdicts["compile"] is True
    assert verdicts["mask-dtype"] is True
    assert len(verdicts) == len(CHECKS)


BROKEN = {
    "finite": lambda z, y: ((1 - (z * (2 * y - 1)).sigmoid()) ** 0.2).mean(),
    "autocast": lambda z, y: (
        1 - torch.mm(z.sigmoid().flatten()[None], y.flatten()[:, None] * 1e9).sum()
    ),
    "half": lambda z, y: -(y * (z.sigmoid() + 1e-8).log()).mean(),
    "gradient": lambda z, y: dice(z, y) + z.sigmoid().detach().mean(),
    "logits": lambda z, y: (z - y).square().mean(),
    "falls": lambda z, y: -dice(z, y),
    "pull": lambda z, y: -dice(z, y),
    "inputs": lambda z, y: dice(z, y.sub_(1).add_(1).mul_(0.5).mul_(1.5)),
    "mask-dtype": lambda z, y: dice(z, y) + ((-y).double() + y).square().mean(),
}


@pytest.mark.parametrize("code", BROKEN)
def test_a_check_finds_what_is_wrong(code):
    assert found(dice, code).passed is True or code == "half"
    assert found(BROKEN[code], code).passed is False


def test_not_finite_says_where():
    says = found(BROKEN["finite"], "finite").says
    assert "gradient is not finite" in says
    assert "logits all on" in says
    assert "float16" in says


def test_a_loss_that_is_no_number_or_learns_nothing_stops_the_battery():
    for loss, says in (
        (lambda z, y: z * y, r"must give one number, got \(2, 1, 24, 24\)"),
        (lambda z, y: (z > 0).float().mean() + 0 * z.mean(), "Its gradient is 0"),
        (lambda z, y: y.mean(), "does not require grad"),
        (lambda z, y: 1 / 0, "ZeroDivisionError"),
    ):
        examined = battery(OwnLoss("mine", loss))
        (finding,) = examined.findings
        assert (finding.code, finding.passed) == ("number", False)
        assert re.search(says, finding.says)


class Counting(torch.nn.Module):
    """A loss that knows how often it was called."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, logits, mask):
        self.calls += 1
        return dice(logits, mask) * self.calls


def test_a_loss_with_a_memory_fails_and_a_random_one_is_told():
    assert found(Counting(), "repeatable").passed is False
    noisy = found(lambda z, y: dice(z + torch.randn_like(z), y), "repeatable")
    assert (noisy.passed, "random" in noisy.says) == (None, True)
    assert found(dice, "repeatable").passed is True


def test_the_battery_leaves_the_random_state_alone():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    battery(build_loss("dice"), codes=["repeatable"])
    assert torch.equal(torch.random.get_rng_state(), before)


def test_what_a_batch_and_a_size_are_to_a_loss():
    assert "counts as one" in found(dice, "batch").says
    mean = found(lambda z, y: dice(z, y, sums=(1, 2, 3)), "batch").says
    assert "mean of its images" in mean
    total = lambda z, y: 2 * dice(z, y, sums=(1, 2, 3)) * len(z)  # noqa: E731
    assert "sum of its images" in found(total, "batch").says
    grows = found(lambda z, y: dice(z, y) * y.numel(), "size").says
    assert grows.startswith("Four times the pixels give 4 times")
    assert "does not grow" in found(dice, "size").says


def test_negative_values_and_floors_are_told():
    assert "negative" in found(lambda z, y: dice(z, y) - 1, "range").says
    twice = found(lambda z, y: dice(z.sigmoid(), y), "range").says
    assert "a sigmoid applied twice" in twice


def test_what_an_empty_mask_teaches():
    assert "not pushed down" in found(dice, "empty").says
    assert "not pushed down" not in found(build_loss("bce"), "empty").says


def test_scale_is_the_ratio_of_gradients():
    for factor in (1, 30):
        says = found(lambda z, y, f=factor: f * build_loss("dicebce")(z, y), "scale")
        assert f"is {factor} times that of dicebce" in says.says


def test_a_loss_that_leaves_torch_is_no_graph_and_no_failure():
    def outside(logits, mask):
        return dice(logits, mask) * (2.0 if mask.sum() > 3 else 1.0)

    assert found(outside, "compile").passed is None
    assert found(dice, "compile").passed is True


def test_cost_is_a_ratio_to_dicebce():
    says = found(dice, "cost").says
    assert "times the processor seconds of dicebce" in says
    assert float(says.split()[2]) > 0


@pytest.mark.parametrize(
    ("loss", "names", "how", "factor"),
    [
        (dice, ["dice"], "equal", 1),
        (lambda z, y: 3 * dice(z, y), ["dice"], "factor", 3),
        (lambda z, y: 2 * dice(z, y) - 5, ["dice"], "constant", 2),
        (lambda z, y: dice(z, y).exp(), ["dice", "iou"], "direction", None),
        (lambda z, y: dice(z, y, sums=(1, 2, 3)), ["dice (sums image)"], "equal", 1),
        (lambda z, y: dice(z, y) + 0.1 * build_loss("bce")(z, y), [], None, None),
    ],
)
def test_a_loss_of_ours_under_another_name_is_known(loss, names, how, factor):
    found_ones = likenesses(loss)
    assert {each.name for each in found_ones} >= set(names)
    assert {each.how for each in found_ones} == ({how} if how else set())
    for each in found_ones:
        assert each.factor is None or each.factor == pytest.approx(factor, rel=1e-4)


def test_no_two_of_our_losses_are_the_same():
    for name, loss in list(kit_losses())[::9]:
        assert [each.name for each in likenesses(loss)] == [name]


CODES = ("finite", "gradient", "logits", "pull")
MONAI = {
    "HausdorffDTLoss": {"sigmoid": True},
    "SoftclDiceLoss": {"sigmoid": True},
    "GeneralizedDiceLoss": {"sigmoid": True, "batch": True},
}


@pytest.mark.parametrize("name", MONAI)
def test_losses_of_monai_by_their_name(name):
    pytest.importorskip("monai")
    loss = build_loss(f"monai.losses:{name}", **MONAI[name])
    examined = battery(loss, codes=CODES)
    verdicts = {each.code: each.passed for each in examined.findings}
    assert verdicts == dict.fromkeys(("number", *CODES), True)


def test_monai_by_name_is_ours_where_it_is(tmp_path):
    pytest.importorskip("monai")
    options = {"sigmoid": True, "batch": True, "alpha": 0.3, "beta": 0.7}
    examined = examine("monai.losses:TverskyLoss", options)
    assert [each.name for each in examined.equals] == ["tversky"]
    assert examined.loss.startswith("monai.losses:TverskyLoss(sigmoid=True")
    with pytest.raises(ValueError, match="takes them for probabilities unless told"):
        examine("monai.losses:TverskyLoss")
