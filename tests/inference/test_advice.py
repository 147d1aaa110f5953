"""Advice from a pilot and from the public re-run."""

from __future__ import annotations

import numpy as np
import pytest
from made_grids import made_grid, noise, table_of

from lesionkit import published
from lesionkit.inference import advice
from lesionkit.inference.grids import Grid, full_grid
from lesionkit.inference.variance import shares


def named(grid: Grid, *losses: str) -> Grid:
    """The grid with its losses under these names."""
    return Grid(**{**grid.__dict__, "losses": losses})


def test_a_clear_winner_of_a_pilot_is_taken():
    runs = noise(5, 3, 2, 3)
    runs[:, :, 1] += 0.1
    found = advice.from_pilot(named(made_grid(runs), "bce", "ioufocal"))
    assert found.sentence.startswith("Take ioufocal. ioufocal is supported")


def test_a_simpler_loss_that_is_shown_to_be_alike_is_taken_for_the_leader():
    runs = noise(5, 3, 3, 3, spread=0.001)
    runs[:, :, 0] += 0.003
    grid = named(made_grid(runs), "dicebce", "ioufocal", "bce")
    found = advice.from_pilot(grid)
    assert found.sentence.startswith(
        "Take bce: it is shown to be less than 0.01 behind the best, and is simpler "
        "than dicebce, which leads. "
    )
    assert found.table["parts"].to_dict() == {"dicebce": 2, "ioufocal": 2, "bce": 1}
    closer = advice.from_pilot(grid, margin=0.002)
    assert closer.sentence.startswith("Take dicebce. dicebce is supported")


def test_the_leader_is_taken_where_a_simpler_loss_is_not_shown_to_be_alike():
    runs = noise(3, 2, 2, 2, spread=0.05, seed=2)
    runs[:, :, 0] += 0.01
    found = advice.from_pilot(named(made_grid(runs), "dicebce", "bce"))
    assert found.sentence.startswith(
        "Take dicebce, the leader; it is not shown to be the best. No loss is supported"
    )
    assert " To show a difference of 0.01: " in found.sentence


def test_a_simpler_loss_that_leads_is_taken_as_the_leader():
    runs = noise(5, 3, 2, 3, spread=0.0005)
    runs[:, :, 1] += 0.002
    found = advice.from_pilot(named(made_grid(runs), "dicebce", "bce"))
    assert found.sentence.startswith("Take bce. bce is supported")


def test_what_a_loss_of_others_is_made_of_is_not_known():
    runs = noise(5, 3, 3, 3, spread=0.001)
    runs[:, :, 0] += 0.003
    found = advice.from_pilot(named(made_grid(runs), "mine", "theirs", "bce"))
    assert found.sentence.startswith("Take mine. mine is supported")
    assert found.table["parts"].isna().to_dict() == {
        "mine": True,
        "theirs": True,
        "bce": False,
    }
    ours = advice.from_pilot(named(made_grid(runs), "dicebce", "theirs", "other"))
    assert ours.sentence.startswith("Take dicebce. ")


def test_a_loss_that_collapsed_is_not_advised():
    runs = noise(6, 4, 3, 2, spread=0.005)
    runs[:, :, 0] += 0.03
    runs[0, 0, 2, 0] = 0.013
    table = table_of(runs)
    names = {"loss0": "ioufocal", "loss1": "bce", "loss2": "dice"}
    found = advice.from_pilot(full_grid(table.assign(loss=table["loss"].map(names))))
    assert found.sentence.startswith("Take ioufocal. ioufocal is supported")


def test_a_pilot_of_single_runs_gets_no_advice_but_what_it_needs():
    found = advice.from_pilot(named(made_grid(noise(1, 1, 2, 1)), "bce", "iou"))
    assert found.sentence.startswith("Nothing can be said")
    assert "at least two repeats in every cell" in found.sentence


def planted(monkeypatch, **effects: float) -> None:
    """Let the re-run have almost no noise, and these effects on top of 0.8 Dice."""
    table = published.public_rerun()
    random = np.random.default_rng(0)
    dice = 0.8 + random.normal(0, 0.0005, len(table))
    loss, here = table["loss"], table["dataset"] == "kvasir"
    dice += np.where(loss == "iou", effects.get("general", 0.0), 0)
    dice += np.where((loss == "bce") & here, effects.get("on_kvasir", 0.0), 0)
    dice += np.where(
        (loss == "dice") & (table["model"] == "unet"), effects.get("with_unet", 0.0), 0
    )
    monkeypatch.setattr(published, "public_rerun", lambda: table.assign(dice=dice))


def test_an_effect_is_expected_where_it_was_seen_and_nowhere_else(monkeypatch):
    planted(monkeypatch, general=0.02, on_kvasir=0.06, with_unet=0.04)
    found = {
        place: advice.from_published(*place).table["expected"]
        for place in (("kvasir", "unet"), ("kvasir", "fcn"), ("wound", "fcn"))
    }
    mean = {place: table.mean() for place, table in found.items()}
    assert all(abs(value) < 1e-9 for value in mean.values())  # of all losses, none

    def less_focal(place, loss):
        return found[place][loss] - found[place]["focal"]

    for place in found:
        assert less_focal(place, "iou") == pytest.approx(0.02, abs=0.004)
    assert less_focal(("kvasir", "unet"), "bce") == pytest.approx(0.06, abs=0.006)
    assert less_focal(("wound", "fcn"), "bce") == pytest.approx(0, abs=0.006)
    assert less_focal(("kvasir", "unet"), "dice") == pytest.approx(0.04, abs=0.006)
    assert less_focal(("kvasir", "fcn"), "dice") == pytest.approx(0, abs=0.006)


def rest_of(grid: Grid) -> float:
    """The residual mean square of a model with every pair of the three axes."""
    places = np.indices(grid.means.shape).reshape(3, -1)
    hot = [np.eye(n)[at] for n, at in zip(grid.means.shape, places, strict=True)]
    pairs = [
        np.einsum("na,nb->nab", hot[i], hot[j]).reshape(places.shape[1], -1)
        for i, j in ((0, 1), (0, 2), (1, 2))
    ]
    columns = np.hstack(pairs)
    values = grid.means.ravel()
    left = values - columns @ np.linalg.lstsq(columns, values)[0]
    return (left**2).sum() / (len(values) - np.linalg.matrix_rank(columns))


@pytest.mark.parametrize(
    "place", [("set1", "net2"), ("set0", None), ("any", "net3"), ("any", None)]
)
def test_what_is_expected_is_the_conditional_mean_of_its_effects(place):
    """Mean and deviation of a joint normal distribution, written out in full."""
    runs = noise(3, 4, 3, 2, spread=0.01)
    random = np.random.default_rng(1)
    runs += random.normal(0, 0.02, (1, 1, 3, 1)) + random.normal(0, 0.02, (3, 1, 3, 1))
    runs += random.normal(0, 0.03, (1, 4, 3, 1))
    grid = made_grid(runs)
    square = shares(grid)["deviation"] ** 2
    own, sets, nets = (square[n] for n in ("loss", "data set x loss", "model x loss"))
    assert min(own, sets, nets) > 0
    effects = np.diag([own, *[sets] * 3, *[nets] * 4])
    cells = [(d, m) for d in range(3) for m in range(4)]
    seen = np.zeros((12, 8))  # which effects are in a cell
    for row, (d, m) in enumerate(cells):
        seen[row, [0, 1 + d, 4 + m]] = 1
    here = np.array([1.0, *(n == place[0] for n in grid.datasets), *[0.0] * 4])
    here[4:] = [n == place[1] for n in grid.models]
    of_cells = seen @ effects @ seen.T + rest_of(grid) * np.eye(12)
    both = np.linalg.solve(of_cells, seen @ effects @ here)
    values = grid.means - grid.means.mean(2, keepdims=True)
    # one's own data set and network are new where they are not of the re-run
    new = sets * (place[0] not in grid.datasets) + nets * (place[1] not in grid.models)
    variance = here @ effects @ here + new - both @ seen @ effects @ here
    mean, deviation = advice._predicted(grid, *place)
    assert mean == pytest.approx(both @ values.reshape(12, 3))
    assert deviation == pytest.approx(np.full(3, np.sqrt(variance)))


def test_the_interval_of_what_is_expected_is_that_of_95_percent():
    table = advice.from_published("kvasir", "unet").table
    _, deviation = advice._predicted(
        full_grid(published.public_rerun()), "kvasir", "unet"
    )
    expected, low, high, behind, _ = table.to_numpy().T
    assert high - expected == pytest.approx(1.96 * deviation)
    assert expected - low == pytest.approx(1.96 * deviation)
    assert behind == pytest.approx(expected.max() - expected)


def test_a_loss_that_is_bad_everywhere_is_expected_last_everywhere():
    for place in (("any",), ("kvasir",), ("kvasir", "unet")):
        assert advice.from_published(*place).table["expected"].idxmin() == "focal"


def test_knowing_the_place_makes_the_advice_surer():
    def width(*place):
        table = advice.from_published(*place).table
        return (table["high"] - table["low"]).iloc[0]

    assert width("any") > width("kvasir") > width("kvasir", "unet")


def test_probabilities_to_be_best_add_up_and_exclude_focal():
    found = advice.from_published("wound")
    assert found.table["best"].sum() == pytest.approx(1)
    assert found.table.loc["focal", "best"] == 0
    assert "Hardly ever the best: " in found.sentence
    assert "focal." in found.sentence


@pytest.mark.parametrize(
    ("metric", "word"), [("dice", "Dice"), ("iou", "IoU"), ("recall", "recall")]
)
def test_the_expected_differences_are_those_of_the_metric_asked_for(metric, word):
    sentence = advice.from_published("kvasir", metric=metric).sentence
    words = sentence.partition("are at most ")[2].split()
    assert words[1] == f"{word},"


@pytest.mark.parametrize(
    ("place", "says"),
    [
        (("kvazir",), "unknown data set 'kvazir'. Did you mean 'kvasir'"),
        (("kvasir", "ducknet"), "unknown model of the re-run 'ducknet'"),
    ],
)
def test_a_place_that_the_rerun_does_not_have_is_refused(place, says):
    with pytest.raises(ValueError, match=says):
        advice.from_published(*place)


def test_the_best_prediction_is_the_mean_where_cells_say_nothing(monkeypatch):
    flat = published.public_rerun().assign(dice=0.8)
    monkeypatch.setattr(published, "public_rerun", lambda: flat)
    table = advice.from_published("kvasir").table
    assert table["expected"].abs().max() == pytest.approx(0, abs=1e-12)
