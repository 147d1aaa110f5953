"""Scores by image: against the t test over images, loops, and under simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lesionkit.inference import images
from lesionkit.inference.contrasts import scope
from lesionkit.inference.grids import full_grid
from lesionkit.inference.images import Images
from lesionkit.inference.verdicts import judge

ONE_LESS_OTHER = np.array([[1.0, -1.0]])


def scores(*shape: int, seed: int = 0, training: float = 0.0) -> np.ndarray:
    """Scores (M, L, R, N) of equal losses, with a shift of each training."""
    random = np.random.default_rng(seed)
    found = 0.7 + random.normal(0, 0.1, (1, 1, 1, shape[3]))
    found = found + random.normal(0, 0.05, shape)
    return found + random.normal(0, training, (*shape[:3], 1))


def of_images(values: np.ndarray) -> Images:
    """Each image a unit."""
    return Images(values, np.arange(values.shape[3]), "images")


def rows(values: np.ndarray) -> pd.DataFrame:
    """A table of scores (M, L, R, N) by image."""
    places = np.indices(values.shape).reshape(4, -1)
    names = zip(("net", "loss", "", "image"), places, strict=True)
    columns = [[f"{name}{i}" if name else int(i) for i in at] for name, at in names]
    table = dict(zip(["model", "loss", "repeat", "image"], columns, strict=True))
    return pd.DataFrame({"dataset": "set0"} | table | {"dice": values.ravel()})


def test_one_training_is_the_paired_t_test_over_its_images():
    values = scores(1, 2, 1, 30)
    mean, errors, freedoms = images.tests(of_images(values), ONE_LESS_OTHER)
    expected = stats.ttest_rel(values[0, 0, 0], values[0, 1, 0])
    assert mean[0] / errors[0, 0] == pytest.approx(expected.statistic)
    assert freedoms.tolist() == [[29]]
    grid = full_grid(rows(values))
    verdict = judge(grid)
    assert verdict.against["p"].iloc[1] == pytest.approx(expected.pvalue)
    assert scope(grid) == "images like those of set0 and this training of net0"


def test_the_mean_of_several_networks_is_compared_image_by_image():
    values = scores(3, 2, 1, 30)
    mean, errors, _ = images.tests(of_images(values), ONE_LESS_OTHER)
    each = values[:, :, 0].mean(0)
    expected = stats.ttest_rel(each[0], each[1]).statistic
    assert mean[0] / errors[0, 0] == pytest.approx(expected)


def test_groups_are_the_units_as_a_plain_loop_has_them():
    values, units = scores(1, 2, 1, 30), np.repeat(np.arange(12), [3, 2] * 6)
    d = values[0, 0, 0] - values[0, 1, 0]
    mean = sum(d) / 30
    squares = 0.0
    for unit in range(12):
        squares += sum((d[i] - mean) / 30 for i in range(30) if units[i] == unit) ** 2
    found = images.tests(Images(values, units, "groups"), ONE_LESS_OTHER)
    assert found[0][0] == pytest.approx(mean)
    assert found[1][0, 0] == pytest.approx(np.sqrt(squares * 12 / 11))
    assert found[2].tolist() == [[11]]


def test_trainings_add_what_they_differ_by_beyond_their_images():
    values = scores(1, 2, 3, 20, training=0.05)
    d = values[0, 0] - values[0, 1]  # (R, N)
    by_training = d.mean(1)
    of_the_images = d.mean(0).var(ddof=1) / 20
    within = d.var(1, ddof=1).mean() / 20
    between = by_training.var(ddof=1)
    both = of_the_images + (between - within) / 3
    freedom = both**2 / (of_the_images**2 / 19 + (between / 3) ** 2 / 2)
    _, errors, freedoms = images.tests(of_images(values), ONE_LESS_OTHER)
    assert between > within
    assert errors[:, 0] ** 2 == pytest.approx([of_the_images, both])
    assert freedoms[:, 0] == pytest.approx([19, freedom])


def test_trainings_that_differ_less_than_their_images_add_nothing():
    values = scores(1, 2, 2, 20)
    values[0, 0, 1] += (values[0, 0] - values[0, 1]).mean(1) @ [1, -1]
    _, errors, freedoms = images.tests(of_images(values), ONE_LESS_OTHER)
    assert errors[0] == pytest.approx(errors[1])
    assert freedoms[:, 0].tolist() == [19, 19]


def test_an_undefined_score_is_left_out_of_its_training():
    values = scores(1, 2, 1, 30)
    values[0, 0, 0, 4] = np.nan
    mean, errors, _ = images.tests(of_images(values), ONE_LESS_OTHER)
    d = np.delete(values[0, 0, 0] - values[0, 1, 0], 4)
    assert mean[0] == pytest.approx(d.mean())
    expected = ((d - d.mean()) ** 2).sum() / 29**2 * 30 / 29
    assert errors[0, 0] ** 2 == pytest.approx(expected)


# 400 tables know a rate of 5 % to 3 to 7.5 %.
def test_equal_losses_are_rarely_told_apart_where_trainings_shift():
    false, by_images = 0, 0
    for seed in range(400):
        values = scores(1, 2, 3, 60, seed=seed, training=0.02)
        mean, errors, freedoms = images.tests(of_images(values), ONE_LESS_OTHER)
        p = 2 * stats.t.sf(np.abs(mean) / errors, freedoms)[:, 0]
        false, by_images = false + (p.max() < 0.05), by_images + (p[0] < 0.05)
    assert false / 400 < 0.08
    assert by_images / 400 > 0.2


def test_repeats_that_a_loss_lacks_and_their_images_are_left_out():
    values = scores(1, 2, 2, 30)
    values[0, :, 0, 20:] = np.nan  # images of the second repeat alone
    values[0, 1, 1] = np.nan
    found = images.images_of(
        rows(values).dropna(), "dice", ("net0",), ("loss0", "loss1")
    )
    assert found.scores.shape == (1, 2, 1, 20)
    assert found.count == 20


def test_an_image_without_a_group_is_its_own():
    table = rows(scores(1, 2, 1, 30))
    number = table["image"].str.removeprefix("image").astype(int)
    table["group"] = np.where(number < 10, "first", np.where(number < 12, None, number))
    found = images.images_of(table, "dice", ("net0",), ("loss0", "loss1"))
    assert (found.unit, found.count) == ("groups", 21)
    assert len(set(found.units[:12])) == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t[t["image"].str.removeprefix("image").astype(int) < 9],
        lambda t: pd.concat([t, t.iloc[[3]]]),
    ],
    ids=["nine images", "one twice"],
)
def test_few_or_doubled_images_are_not_used(change):
    table = change(rows(scores(1, 2, 1, 30)))
    assert images.images_of(table, "dice", ("net0",), ("loss0", "loss1")) is None


def test_images_are_not_used_where_a_failed_run_is_charged():
    values = scores(1, 3, 3, 30)
    values[0, 1, 1] = 0.001
    table = rows(values)
    charged = full_grid(table)
    assert charged.images is None
    assert charged.overall[1] > 0.6
    as_they_are = full_grid(table, failed="as they are")
    assert as_they_are.images is not None
    assert as_they_are.overall[1] < 0.6


def test_where_lower_is_better_images_change_their_sign_too():
    values = scores(1, 2, 1, 30)
    table = rows(values)
    table.attrs["lower_is_better"] = ["dice"]
    grid = full_grid(table)
    assert grid.images.scores == pytest.approx(-values)
    assert grid.scores == pytest.approx(values.mean((0, 2, 3)))


@pytest.mark.parametrize(("axis", "place"), [("model", 0), ("loss", 1)])
def test_a_part_of_a_grid_has_the_images_of_its_losses_and_networks(axis, place):
    values = scores(3, 3, 2, 30)
    part = full_grid(rows(values)).take(axis, [2, 0])
    assert part.images.scores == pytest.approx(values.take([2, 0], place))
    assert part.overall == pytest.approx(part.means.mean((0, 1)))
    table = rows(values)
    alone = judge(full_grid(table[table[axis].isin(part.names(axis))])).against
    found = judge(part).against.reindex(alone.index)
    assert found["p"].to_numpy() == pytest.approx(alone["p"].to_numpy(), nan_ok=True)


def test_trainings_are_pooled_over_the_pairs_of_three_losses():
    values = of_images(scores(1, 3, 3, 30, training=0.05))
    pairs = np.array([[1.0, -1, 0], [1, 0, -1], [0, 1, -1]])
    _, alone, own = images.tests(values, pairs, pool=False)
    _, pooled, known = images.tests(values, pairs)
    assert pooled[0] == pytest.approx(alone[0])
    assert (pooled[1] >= alone[1] - 1e-12).all()  # never below its own
    assert known[1].max() > own[1].max()
