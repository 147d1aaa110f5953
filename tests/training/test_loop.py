"""The loop: when it stops, which epoch is best, and that it goes on exactly."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from made_models import SmallNet
from torch import nn

from lesionkit.losses import build_loss
from lesionkit.prepared import open_prepared
from lesionkit.prepared.loading import Batches
from lesionkit.training import checkpoint
from lesionkit.training.evaluation import validation_counts
from lesionkit.training.loop import Progress, Rules, finished, train, update
from lesionkit.training.step import Step


def parts_of(name: str) -> tuple[Batches, Batches]:
    """Twelve training images and four for validation."""
    data = open_prepared(name, 32)
    train_part = Batches(data, np.arange(12), batch_size=4)
    return train_part, Batches(data, np.arange(12, 16), batch_size=4)


NOTHING_FOUND = torch.tensor([[0, 0, 9, 0]])  # counts of a validation image


def trained(name: str, epochs: int, state: bytes | None = None, **how) -> tuple:
    """A training from the start or from a state; the model and its progress."""
    checkpoint.seed_everything(0)
    model = SmallNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    progress = Progress()
    if state is not None:
        torch.rand(5)  # a resume happens in a process with another past
        progress = Progress(**checkpoint.restore(state, model, optimizer))
    kept: list[bytes] = []
    batches, validation = parts_of(name)

    def keep(now: Progress) -> None:
        state = checkpoint.capture(model, optimizer, vars(now).copy())
        kept.append(bytes(checkpoint.pack(state)))

    progress = train(
        Step(model, build_loss("ioufocal"), optimizer, **how),
        batches,
        lambda m: validation_counts(m, validation, scoring="every_image"),
        model=model,
        rules=Rules(epochs=epochs, patience=99, stop_rule="at", seed=3),
        progress=progress,
        on_epoch=keep,
    )
    return model, progress, kept


def same(a: dict, b: dict) -> bool:
    """Whether two model states agree in every bit."""
    return all(torch.equal(a[key], b[key]) for key in a) and a.keys() == b.keys()


def test_four_epochs_at_once_equal_two_plus_two_bit_for_bit(tiny: str) -> None:
    whole, progress, states = trained(tiny, 4)
    resumed, later, _ = trained(tiny, 4, state=states[1])
    assert same(whole.state_dict(), resumed.state_dict())
    assert same(progress.best_weights, later.best_weights)
    assert progress.history == later.history


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    tiny: str,
) -> None:
    one, _, _ = trained(tiny, 1)
    two, _, _ = trained(tiny, 1)
    torch.manual_seed(1)
    assert same(one.state_dict(), two.state_dict())
    assert not same(one.state_dict(), SmallNet().state_dict())


def test_the_loss_falls_on_images_that_can_be_learnt(tiny: str) -> None:
    _, progress, _ = trained(tiny, 12)
    losses = [row["train_loss"] for row in progress.history]
    assert losses[-1] < 0.75 * losses[0]


def test_every_epoch_is_shuffled_by_its_own_number(
    tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    plain = Batches.order

    def order(self, seed: int, epoch: int):
        asked.append((seed, epoch))
        return plain(self, seed, epoch)

    monkeypatch.setattr(Batches, "order", order)
    _, _, states = trained(tiny, 2)
    trained(tiny, 4, state=states[-1])
    assert asked == [(3, 1), (3, 2), (3, 3), (3, 4)]


def test_history_counts_epochs_from_one(tiny: str) -> None:
    _, progress, _ = trained(tiny, 3)
    assert [row["epoch"] for row in progress.history] == [1, 2, 3]


@pytest.mark.parametrize(
    ("stop_rule", "epoch", "done"),
    [("at", 49, False), ("at", 50, True), ("after", 50, False), ("after", 51, True)],
)
def test_patience_40_stops_40_epochs_at_or_after_the_best(
    stop_rule: str, epoch: int, done: bool
) -> None:
    rules = Rules(epochs=200, patience=40, stop_rule=stop_rule, seed=0)
    assert finished(Progress(epoch=epoch, best_epoch=10), rules) is done


def test_the_cap_on_epochs_stops_whatever_the_patience() -> None:
    rules = Rules(epochs=200, patience=40, stop_rule="at", seed=0)
    assert finished(Progress(epoch=200, best_epoch=199), rules)
    assert not finished(Progress(epoch=199, best_epoch=199), rules)


def test_the_latest_of_equally_good_epochs_is_the_best() -> None:
    model, progress = nn.Linear(1, 1), Progress()
    for dice in (0.5, 0.7, 0.7, 0.6):
        with torch.no_grad():
            model.weight += 1
        update(progress, model, train_loss=0.0, validation_dice=dice)
    assert progress.best_epoch == 3
    assert progress.best_weights["weight"] == model.weight - 1


def test_the_best_weights_are_a_copy_that_training_does_not_move(tiny: str) -> None:
    model, progress = nn.Linear(1, 1), Progress()
    update(progress, model, train_loss=0.0, validation_dice=0.9)
    before = copy.deepcopy(progress.best_weights)
    with torch.no_grad():
        model.weight.mul_(3)
    assert same(before, progress.best_weights)


def test_a_loss_that_is_not_finite_stops_with_epoch_and_batch(tiny: str) -> None:
    batches, _ = parts_of(tiny)
    model = SmallNet()
    with pytest.raises(FloatingPointError, match="nan at epoch 1, batch 1"):
        train(
            Step(
                model,
                lambda logits, mask: logits.sum() * float("nan"),
                torch.optim.Adam(model.parameters()),
            ),
            batches,
            lambda m: NOTHING_FOUND,
            model=model,
            rules=Rules(epochs=1, patience=1, stop_rule="at", seed=0),
        )


class TwoHeads(SmallNet):
    """The small network, trained on its logits and on their double."""

    def supervised(self, image: torch.Tensor) -> list[tuple[float, torch.Tensor]]:
        logits = self(image)
        return [(0.25, logits), (2.0, 2 * logits)]


def one_step(loss: nn.Module, batches: Batches, **how) -> tuple[nn.Module, float]:
    """An epoch with plain gradient steps from seed 0, and its training loss."""
    checkpoint.seed_everything(0)
    model = TwoHeads()
    progress = train(
        Step(model, loss, torch.optim.SGD(model.parameters(), lr=0.1), **how),
        batches,
        lambda m: NOTHING_FOUND,
        model=model,
        rules=Rules(epochs=1, patience=1, stop_rule="at", seed=0),
    )
    return model, progress.history[0]["train_loss"]


def test_deep_supervision_trains_the_weighted_sum_over_all_maps(tiny: str) -> None:
    bce, (batches, _) = build_loss("bce"), parts_of(tiny)

    def by_hand(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return 0.25 * bce(logits, mask) + 2.0 * bce(2 * logits, mask)

    deep, deep_loss = one_step(bce, batches, deep_supervision=True)
    hand, hand_loss = one_step(by_hand, batches)
    plain, _ = one_step(bce, batches)
    assert deep_loss == hand_loss
    assert same(deep.state_dict(), hand.state_dict())
    assert not same(deep.state_dict(), plain.state_dict())


def test_a_compiled_training_runs_the_compiled_step_and_scores_the_plain_network(
    tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compiled(objective, *, dynamic):
        return lambda *batch: calls.append(dynamic) or objective(*batch)

    calls = []
    monkeypatch.setattr(torch, "compile", compiled)
    model, _, _ = trained(tiny, 1, compile=True)
    assert calls == [False, False, False]  # three batches, and no validation
    plain, _, _ = trained(tiny, 1)
    assert same(model.state_dict(), plain.state_dict())


def test_bfloat16_autocast_trains_and_differs_from_float32(tiny: str) -> None:
    half, _, _ = trained(tiny, 1, dtype="bfloat16")
    whole, _, _ = trained(tiny, 1)
    assert not same(half.state_dict(), whole.state_dict())
    assert all(p.dtype == torch.float32 for p in half.parameters())


def test_the_loss_of_an_epoch_is_the_mean_over_its_images(tiny: str) -> None:
    batches = Batches(open_prepared(tiny, 32), np.arange(12), batch_size=8)
    progress = train(
        lambda images, masks: torch.tensor(float(len(images))),  # 8, then 4
        batches,
        lambda m: NOTHING_FOUND,
        model=nn.Linear(1, 1),
        rules=Rules(epochs=1, patience=1, stop_rule="at", seed=0),
    )
    assert progress.history[0]["train_loss"] == pytest.approx((8 * 8 + 4 * 4) / 12)
