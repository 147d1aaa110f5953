"""The table of other libraries: ours is right in it, and theirs is what they do."""

import pytest
import torch

from lesionkit.losses import libraries as loss_libraries
from lesionkit.losses.libraries import CASES, behaviour, outcome

RIGHT = {
    "focal, gamma 0.2: gradient at a logit of 40": "finite",
    "Dice, empty mask, all marked": "1.000",
    "IoU, empty mask, all marked": "1.000",
    "Dice, float16, 300 x 300 right": "0.000",
    "Dice, mask of 0 and 255": "refused",
    "focal, mask of 0 and 255": "refused",
}


def test_the_looks_tell_a_right_loss_from_a_wrong_one():
    def overflowing(logits, mask):
        p = logits.sigmoid()
        return 1 - 2 * (p * mask).sum(dtype=p.dtype) / (p + mask).sum(dtype=p.dtype)

    def power(logits, mask):
        wrong = 1 - torch.where(mask > 0, logits.sigmoid(), 1 - logits.sigmoid())
        return (wrong**0.2).mean()

    assert outcome(loss_libraries.half_precision, overflowing) == "nan"
    assert outcome(loss_libraries.saturated_pixel, power) == "NaN"
    assert outcome(loss_libraries.mask_of_255, lambda z, y: z.sum() + y.max()) == "255"
    assert outcome(loss_libraries.empty_mask, lambda z, y: y.sum()) == "0.000"


def test_a_loss_that_a_library_has_not_is_said(monkeypatch):
    monkeypatch.setattr(loss_libraries, "LIBRARIES", {"torch": lambda name: None})
    (row,) = behaviour().values()
    assert set(row.values()) == {"has none"}


def test_a_library_that_is_not_there_is_left_out(monkeypatch):
    libraries = {"nowhere": loss_libraries.smp, "lesionkit": loss_libraries.ours}
    monkeypatch.setattr(loss_libraries, "LIBRARIES", libraries)
    (name,) = behaviour()
    assert name.startswith("lesionkit")


@pytest.mark.slow
def test_ours_is_right_and_smp_is_free_of_charge_on_empty_masks():
    found = {name.split()[0]: row for name, row in behaviour().items()}
    assert all(set(row) == set(CASES) for row in found.values())
    assert {case: found["lesionkit"][case] for case in RIGHT} == RIGHT
    theirs = found["segmentation-models-pytorch"]
    assert theirs["Dice, empty mask, all marked"] == "0.000"
    assert theirs["focal, gamma 0.2: gradient at a logit of 40"] == "NaN"
