"""A tidy table as a full grid: what is paired, rounded, weighted and left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_grids import made_grid, noise, table_of
from scipy import optimize, special

from lesionkit.inference.grids import Grid, full_grid


def rows(*cells: tuple) -> pd.DataFrame:
    """A table of (dataset, model, loss, repeat, dice)."""
    names = ["dataset", "model", "loss", "repeat", "dice"]
    return pd.DataFrame(list(cells), columns=names)


def test_a_loss_with_few_cells_is_left_out_and_a_gap_is_filled():
    cells = [
        (d, m, loss, r, 0.5)
        for d in "ab"
        for m in "uv"
        for loss in ("bce", "iou", "dice")
        for r in (0, 1)
    ]
    table = rows(*[c for c in cells if c[:3] != ("b", "v", "iou")])
    table = pd.concat([table, rows(("a", "u", "rare", 0, 0.9))])
    grid = full_grid(table)
    assert grid.losses == ("bce", "iou", "dice")
    assert (grid.datasets, grid.models) == (("a", "b"), ("u", "v"))
    assert grid.remarks == (
        "loss rare left out: 25 % of its cells are there",
        "1 of 12 cells are missing (b/v/iou): the others are used, and what rests on "
        "the gaps counts for less",
    )


def test_runs_are_paired_by_repeat_whatever_their_order_in_the_table():
    table = rows(
        ("a", "u", "bce", 1, 0.5),
        ("a", "u", "bce", 0, 0.4),
        ("a", "u", "iou", 0, 0.6),
        ("a", "u", "iou", 1, 0.7),
    )
    assert full_grid(table).runs[0, 0].tolist() == [[0.4, 0.5], [0.6, 0.7]]


def test_a_repeat_that_a_cell_lacks_is_left_out_of_the_pairs():
    table = rows(
        *[("a", "u", "bce", r, 0.5 + 0.1 * r) for r in range(3)],
        *[("a", "u", "iou", r, 0.5 + 0.2 * r) for r in range(2)],
    )
    grid = full_grid(table)
    assert grid.runs.shape == (1, 1, 2, 2)
    assert grid.means[0, 0].tolist() == [pytest.approx(0.6), pytest.approx(0.6)]
    assert "repeat 2 is lacking in some cells" in grid.remarks[0]


def test_the_runs_of_a_cell_are_the_fewest_of_any():
    table = table_of(noise(2, 2, 2, 3))
    assert full_grid(table).repeats == 3
    assert full_grid(table.iloc[1:]).repeats == 2


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (rows(("a", "u", "bce", 0, 0.5)), "two losses .* here: bce"),
        (rows(("a", "u", "bce", 0, np.nan)), "no value of dice"),
        (
            rows(("a", "u", "bce", 0, 0.5), ("b", "u", "iou", 0, 0.5)),
            "bce and iou share no data set and model",
        ),
    ],
)
def test_a_table_without_two_comparable_losses_is_refused(table, says):
    with pytest.raises(ValueError, match=says):
        full_grid(table)


@pytest.mark.parametrize(
    ("scores", "unit"),
    [
        ((0.81, 0.8, 0.7, 0.75), 0.01),
        ((0.8, 0.9, 0.7, 0.6), 0.1),
        ((0.812, 0.8, 0.7, 0.6), 0.001),
        ((0.8123, 0.8, 0.7, 0.6), 0.0),
        ((81.0, 80.0, 70.0, 75.0), 1.0),
    ],
)
def test_the_unit_is_the_last_digit_that_scores_are_printed_with(scores, unit):
    places = [("a", "u", "x"), ("a", "u", "y"), ("b", "u", "x"), ("b", "u", "y")]
    cells = [(*p, 0, s) for p, s in zip(places, scores, strict=True)]
    assert full_grid(rows(*cells)).unit == pytest.approx(unit)


def test_where_lower_is_better_scores_change_their_sign_and_are_told_with_theirs():
    runs = noise(3, 2, 2, 2)
    table = table_of(runs)
    table.attrs["lower_is_better"] = ["dice"]
    grid = full_grid(table)
    assert grid.means == pytest.approx(-runs.mean(3))
    assert grid.runs == pytest.approx(-runs)
    assert grid.scores == pytest.approx(runs.mean((0, 1, 3)))
    table.attrs["lower_is_better"] = ["iou"]
    assert full_grid(table).means == pytest.approx(runs.mean(3))


def weights(monkeypatch, gaps: list[float], noises: list[float]) -> np.ndarray | None:
    """Weights of data sets with these differences and this noise of them."""
    runs = np.zeros((len(gaps), 1, 2, 2))
    runs[:, :, 0] = np.array(gaps)[:, None, None]
    monkeypatch.setattr(Grid, "_noise", lambda grid: np.array(noises))
    return made_grid(runs).weights


def test_data_sets_weigh_as_their_noise_and_what_lies_between_them(monkeypatch):
    # the differences vary by 3, of which 2 is the mean noise: 1 / (1 + noise)
    found = weights(monkeypatch, [0, 3**0.5, 12**0.5], [1, 1, 4])
    assert found == pytest.approx([5 / 12, 5 / 12, 2 / 12])
    # no more between them than noise: 1 / noise
    found = weights(monkeypatch, [0, 1, 2], [1, 1, 4])
    assert found == pytest.approx([4 / 9, 4 / 9, 1 / 9])


def test_data_sets_weigh_alike_where_nothing_is_learned(monkeypatch):
    assert weights(monkeypatch, [0, 3, 6], [1, 1, 4]) is None  # 1/8, 1/8, 1/11
    assert weights(monkeypatch, [0, 1], [1, 9]) is None  # two data sets
    runs = noise(4, 2, 2, 3)
    runs[0] += noise(2, 2, 3, spread=0.3, seed=1) - 0.8
    assert made_grid(runs).weights is not None
    assert replace(made_grid(runs), equal=True).weights is None
    assert made_grid(runs[..., :1]).weights is None  # single runs


def test_the_mean_over_all_is_weighted_too():
    runs = noise(4, 2, 2, 3)
    runs[0] += noise(2, 2, 3, spread=0.3, seed=1) - 0.8
    grid = made_grid(runs)
    assert grid.weights[0] == grid.weights.min()
    of_sets = runs.mean((1, 3))
    expected = sum(w * row for w, row in zip(grid.weights, of_sets, strict=True))
    assert grid.overall == pytest.approx(expected)


def test_the_noise_of_a_data_set_is_pooled_and_free_of_what_a_repeat_shares():
    random = np.random.default_rng(6)
    scale = np.array([0.01, 0.01, 0.1])[:, None, None, None]
    runs = random.normal(0, 1, (3, 1, 3, 9)) * scale
    shared = random.normal(0, 1, (3, 1, 1, 9))
    grid = made_grid(runs + shared)
    squares, freedom = [], 2 * 8
    for each in runs[:, 0]:
        left = each - each.mean(0) - each.mean(1, keepdims=True) + each.mean()
        squares.append((left**2).sum() / freedom)
    logs = np.log(squares) - special.digamma(8) + np.log(8)
    beyond = logs.var(ddof=1) - special.polygamma(1, 8)
    half = optimize.brentq(lambda x: special.polygamma(1, x) - beyond, 1e-3, 1e3)
    centre = np.exp(logs.mean() + special.digamma(half) - np.log(half))
    pooled = [(2 * half * centre + 16 * s) / (2 * half + 16) for s in squares]
    assert grid._noise() == pytest.approx(2 * np.array(pooled) / 9)


def test_part_of_a_grid_keeps_what_belongs_to_it():
    runs = noise(3, 2, 4, 2)
    grid = made_grid(runs)
    seen = np.ones((3, 2, 4), bool)
    seen[0, 0, 0] = False
    part = replace(grid, seen=seen).take("loss", [2, 0])
    assert part.losses == ("loss2", "loss0")
    assert part.means == pytest.approx(runs.mean(3)[..., [2, 0]])
    assert np.argwhere(~part.seen).tolist() == [[0, 0, 1]]
    assert replace(grid, seen=seen).take("dataset", [1, 2]).seen is None
    with pytest.raises(ValueError, match="unknown level 'datset'.*mean 'dataset'"):
        grid.at_level("datset")


def test_a_data_set_weighs_no_more_than_the_rounding_of_its_scores_allows(monkeypatch):
    monkeypatch.setattr(Grid, "_noise", lambda grid: np.array([1e-9, 1e-9, 0.01]))
    grid = replace(made_grid(np.full((3, 1, 2, 2), 0.8)), unit=0.1)
    least = 2 * 0.1**2 / 12 / 2  # of the mean of two runs, for two losses
    expected = np.array([1 / least, 1 / least, 100])
    assert grid.weights == pytest.approx(expected / expected.sum())
