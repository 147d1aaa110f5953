"""A set with ignored pixels: trained and scored as the pixels that count."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from made_ignored import BORDER, bordered, cut, write_ignored, write_pairs
from made_training import SMALL, train
from made_training import small_model as small_model
from torch import nn

from lesionkit import metrics
from lesionkit.catalogue import LOSSES
from lesionkit.config import RunConfig
from lesionkit.losses import build_loss
from lesionkit.prepared.loading import Batches
from lesionkit.training import building, evaluation, experiment
from lesionkit.training.augmentation import augmentation
from lesionkit.training.step import Step, can_compile

REFUSING = [n for n in LOSSES if "structure" in n]
TAKING = [n for n in LOSSES if n not in REFUSING]


class OfPixels(nn.Conv2d):
    """Logits of each pixel by its own colours: a border changes no other pixel."""

    def __init__(self) -> None:
        super().__init__(3, 1, 1)
        self.weight.data = torch.tensor([3.0, -1.0, 2.0]).view(1, 3, 1, 1)
        self.bias.data = torch.tensor([-1.7])


@pytest.fixture
def both(data_home) -> tuple[Batches, Batches]:
    """A set with ignored borders, and the same without them."""
    pairs = bordered()
    sets = write_pairs("ignored", pairs, ignore=255), write_pairs("inner", cut(pairs))
    every = np.arange(len(pairs))
    return tuple(Batches(data, every, batch_size=4) for data in sets)


def integers(batches: Batches) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and masks as a step takes them."""
    return batches.store.take(torch.arange(6, 14))


def test_what_a_record_keeps_is_that_of_the_pixels_that_count(both) -> None:
    ignored, inner = (
        evaluation.evaluate(OfPixels(), each, scoring="every_image") for each in both
    )
    np.testing.assert_array_equal(ignored.lesion, inner.lesion)
    np.testing.assert_array_equal(ignored.background, inner.background)
    counts = ignored.counts["probability"]
    np.testing.assert_array_equal(counts, inner.counts["probability"])
    assert counts.sum(1).tolist() == [24 * 24] * 20
    scores, expected = ignored.summary(), inner.summary()
    assert scores["average_precision"] == expected["average_precision"]
    assert scores["probability"] == expected["probability"]
    assert 0 < scores["probability"]["image"]["dice"] < 1


def test_the_cut_of_the_raw_mean_is_that_of_the_whole_image(both) -> None:
    found = evaluation.evaluate(
        OfPixels(), both[0], scoring="every_image", keep=range(20)
    )
    flat = found.logits.reshape(20, -1).astype(np.float64)
    np.testing.assert_array_equal(found.extent[:, 2], flat.mean(1))
    whole = found.logits > found.extent[:, 2, None, None]
    counts = metrics.counts(whole, both[0].store.masks, ignore=True)
    np.testing.assert_array_equal(found.counts["raw_mean"], counts)


def test_validation_counts_are_those_of_the_pixels_that_count(both) -> None:
    ignored, inner = (
        evaluation.validation_counts(OfPixels(), each, scoring="every_image")
        for each in both
    )
    assert torch.equal(ignored, inner)


# parts of a batch sum up to it for a mean over pixels alone
@pytest.mark.parametrize(
    ("loss", "accumulate"), [*((loss, 1) for loss in TAKING), ("bce", 3)]
)
def test_a_step_is_that_of_the_pixels_that_count(both, loss, accumulate) -> None:
    values, weights = [], []
    for batches in both:
        model = OfPixels()
        step = Step(
            model,
            build_loss(loss, **definition_of(loss), ignore=batches.ignore),
            torch.optim.SGD(model.parameters(), lr=0.1),
            ignore=batches.ignore,
            accumulate=accumulate,
        )
        values.append(step(*integers(batches)).item())
        weights.append(model.weight.detach().flatten())
    # sums in another order
    assert values[0] == pytest.approx(values[1], rel=1e-5)
    torch.testing.assert_close(*weights, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", TAKING)
@pytest.mark.parametrize("told", [False, True])
def test_no_logit_of_an_ignored_pixel_reaches_a_loss(loss, told) -> None:
    random = torch.Generator().manual_seed(1)
    mask = torch.randint(0, 2, (2, 1, 6, 6), generator=random).to(torch.uint8)
    mask[..., :2] = 255
    valid = mask != 255
    found = build_loss(loss, **definition_of(loss), ignore=not told)
    truth = (mask == 1, valid) if told else (mask,)
    plain = torch.randn(2, 1, 6, 6, generator=random)
    values = []
    for at_border in (0.0, float("inf"), float("nan")):
        logits = torch.where(valid, plain, at_border).requires_grad_()
        value = found(logits, *truth)
        value.backward()
        assert (logits.grad[~valid] == 0).all() and logits.grad.isfinite().all()
        values.append(value.item())
    assert values[0] == values[1] == values[2]


def definition_of(loss: str) -> dict:
    """What a loss needs beside its name."""
    if loss in ("balanced_bce", "custom"):
        numbers = {"alpha": 0.7} | (
            {"gamma": 2, "beta": 0.5} if loss == "custom" else {}
        )
        return {"definition": "B", **numbers}
    return {}


def test_parts_of_unequal_pixels_sum_up_to_the_batch() -> None:
    images = torch.randint(0, 256, (4, 8, 8, 3), dtype=torch.uint8)
    masks = torch.randint(0, 2, (4, 8, 8), dtype=torch.uint8)
    masks[0], masks[1, :5] = 255, 255  # one image has no pixel that counts
    values = []
    for accumulate in (1, 4):
        model = OfPixels()
        sgd = torch.optim.SGD(model.parameters(), lr=0.1)
        loss = build_loss("bce", ignore=True)
        step = Step(model, loss, sgd, ignore=True, accumulate=accumulate)
        values.append((step(images, masks).item(), model.weight.detach().clone()))
    assert values[0][0] == pytest.approx(values[1][0], rel=1e-6)
    torch.testing.assert_close(values[0][1], values[1][1])


def test_a_batch_without_a_pixel_that_counts_changes_nothing() -> None:
    images = torch.randint(0, 256, (2, 8, 8, 3), dtype=torch.uint8)
    masks = torch.full((2, 8, 8), 255, dtype=torch.uint8)
    model = OfPixels()
    before = model.weight.detach().clone()
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    step = Step(model, build_loss("bce", ignore=True), sgd, ignore=True)
    assert step(images, masks).item() == 0
    assert torch.equal(model.weight, before)


@pytest.mark.slow
def test_a_compiled_step_is_the_plain_one(both) -> None:
    if not can_compile(torch.device("cpu")):
        pytest.skip("torch.compile does not work here")
    values = []
    for compiled in (False, True):
        model = OfPixels()
        sgd = torch.optim.SGD(model.parameters(), lr=0.1)
        loss = build_loss("dicebce", ignore=True)
        step = Step(model, loss, sgd, ignore=True, compile=compiled)
        values.append(step(*integers(both[0])).item())
    assert values[0] == pytest.approx(values[1], rel=1e-5)


def test_a_run_is_scored_on_the_pixels_that_count(data_home) -> None:
    write_ignored()
    record = train(loss="bce", augment="full")
    inner = (32 - 2 * BORDER) ** 2
    sums = record.images[["tp", "fp", "fn", "tn"]].sum(axis=1)
    assert (sums == inner).all()
    pixels = record.arrays("curves")
    assert (pixels["test_lesion"] + pixels["test_background"]).sum(1).tolist() == [
        inner
    ] * len(pixels["test_lesion"])
    assert record.metrics["data"]["ignore"] == 255
    said = experiment.replay(record)
    assert set(np.unique(said.masks)) == {0, 1, 255}
    counts = metrics.counts(said.logits >= 0, said.masks, ignore=True).numpy()
    at_half = record.images[record.images["threshold"] == "probability"]
    np.testing.assert_array_equal(counts, at_half[["tp", "fp", "fn", "tn"]])


def test_a_record_of_another_set_does_not_speak_of_ignored_pixels(tiny) -> None:
    assert "ignore" not in train().metrics["data"]


def test_a_loss_that_cannot_ignore_is_refused_before_training(data_home) -> None:
    write_ignored()
    with pytest.raises(ValueError, match="'structure' cannot leave pixels of 255"):
        building.build(RunConfig(**SMALL, loss="structure"))
    with pytest.raises(ValueError) as caught:
        train(loss="structure")
    told = str(caught.value)
    assert len(told.splitlines()) == 1
    assert all(name in told.partition("these can: ")[2].split(", ") for name in TAKING)
    assert "structure" not in told.partition("these can: ")[2]
    assert not list((data_home / "runs").rglob("config.json"))


def test_a_loss_of_ones_own_is_refused_too(data_home, tmp_path) -> None:
    write_ignored()
    file = tmp_path / "mine.py"
    file.write_text("def mine(logits, mask):\n    return logits.mean()\n")
    with pytest.raises(
        ValueError, match=r"'.*mine.py:mine' cannot leave .*: iou, dice"
    ):
        building.build(RunConfig(**SMALL, loss=f"{file}:mine"))


def test_augmentation_keeps_255_and_brings_in_background(data_home) -> None:
    data = write_ignored()
    images, masks = (
        torch.from_numpy(np.array(part[:8])) for part in (data.images, data.masks)
    )
    _, changed = augmentation("full", 3)(images, masks, 1, 0)
    assert set(changed.unique().tolist()) == {0, 1, 255}
    corners = changed[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners == 0).any() and not (corners == 1).any()


def test_images_without_lesion_apart_are_told_by_the_pixels_that_count(
    data_home,
) -> None:
    pairs = bordered()
    for i in range(1, 20, 2):
        pairs[i][1][pairs[i][1] == 1] = 0
    pairs[3][1][:] = 255  # ignored as a whole: in no part
    data = write_pairs("tiny", pairs, ignore=255)
    setting = building.build(RunConfig(**SMALL, without_lesion="apart"))
    positions = {n: b.positions.numpy() for n, b in setting.batches.items()}
    apart = positions.pop(building.WITHOUT_LESION)
    kept = np.concatenate(list(positions.values()))
    assert (data.masks[kept] == 1).any((1, 2)).all()
    assert not (data.masks[apart] == 1).any()
    assert 3 not in apart and 3 not in kept


def test_the_images_for_figures_are_ordered_by_lesion_and_not_by_border() -> None:
    masks = np.zeros((3, 4, 4), np.uint8)
    masks[0], masks[1, :2], masks[2, 0] = 255, 1, 1
    assert evaluation.figure_sample(masks, np.arange(3)).tolist() == [0, 2, 1]
