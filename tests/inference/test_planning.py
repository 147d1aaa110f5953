"""How many runs would show a difference."""

from __future__ import annotations

import numpy as np
import pytest
from made_grids import made_grid, noise
from made_grids import rerun as rerun

from lesionkit.inference import planning
from lesionkit.inference.verdicts import is_best

OWN = {"sets": 2 * 0.01**2, "models": 2 * 0.005**2}
RUN = 2 * 0.02**2


def worlds(**given: float) -> planning.Worlds:
    """One world with these variances."""
    found = {"sets": 0.0, "models": 0.0, "cell": 0.0, "runs": RUN} | given
    return planning.Worlds(**{name: np.array([v]) for name, v in found.items()})


def size(*counts: int) -> dict[str, int]:
    """Data sets, networks and repeats."""
    return dict(zip(("datasets", "models", "repeats"), counts, strict=True))


@pytest.mark.parametrize(
    ("counts", "losses", "lead"),
    [((4, 3, 3), 3, 0.03), ((6, 1, 2), 2, 0.04), ((1, 1, 5), 2, 0.06)],
)
def test_the_power_is_that_of_judging_drawn_tables(counts, losses, lead):
    sets, models, repeats = counts
    own = OWN if sets > 1 else {}
    needed = planning.leads_needed(worlds(**own), size(*counts), losses, tables=3000)
    random, found = np.random.default_rng(5), 0
    for _ in range(400):
        runs = random.normal(0.7, np.sqrt(RUN / 2), (sets, models, losses, repeats))
        if own:
            runs += random.normal(0, 0.01, (sets, 1, losses, 1))
            if models > 1:
                runs += random.normal(0, 0.005, (1, models, losses, 1))
        else:  # splits of the same images: what they share is in all repeats
            shared = np.sqrt(RUN / 2 / 3)
            runs += random.normal(0, shared, (1, 1, losses, 1))
        runs[:, :, 0] += lead
        grid = made_grid(runs)
        found += is_best(grid) and grid.overall.argmax() == 0
    assert (needed <= lead).mean() == pytest.approx(found / 400, abs=0.09)


def drawn(counts: tuple[int, int, int]) -> planning.Contrast:
    """20,000 studies of two losses in a world where every source varies by its own."""
    world = worlds(sets=0.6, models=0.3, cell=0.09, runs=0.36)
    sets, networks, repeats = counts
    rest = (world.cell + world.runs / repeats) / (sets * networks)
    draw = planning._Drawer(np.random.default_rng(0), (1, 20_000), 2)
    if sets == 1:
        return draw.on_one((networks, repeats), world, rest)
    own = world.sets / sets, world.models / networks
    return draw.crossed((sets, networks), *own, rest)


@pytest.mark.parametrize(
    ("counts", "squares", "variance", "freedoms"),
    [
        # networks: (0.3 + 0.09 + 0.36 / 4) / 3; repeats: 0.36 / 3 * (1 / 4 + 1 / 3)
        ((1, 3, 4), (0.16, 0.07), 0.1 + 0.03 + 0.07, (2, 3)),
        ((1, 1, 4), (0.21,), 0.21, (3,)),  # one network does not vary
        ((1, 3, 1), (0.25,), 0.1 + 0.03 + 0.16, (2,)),
        ((4, 1, 2), (0.6 / 4 + 0.27 / 4,), 0.6 / 4 + 0.27 / 4, (3,)),
        # data sets, networks: 0.6 / 4 and 0.3 / 3, each with (0.09 + 0.18) / 12
        ((4, 3, 2), (0.1725, 0.1225), 0.15 + 0.1 + 0.0225, (3, 2)),
    ],
)
def test_a_planned_study_has_the_variances_of_one_that_is_made(
    counts, squares, variance, freedoms
):
    found = drawn(counts)
    several = len(squares)
    means = (found.errors[:several, 0, :, 0] ** 2).mean(1)
    assert means == pytest.approx(squares, rel=0.04)
    assert found.mean.var() == pytest.approx(variance, rel=0.04)
    assert tuple(found.freedoms[:several, 0, 0, 0]) == freedoms


def test_the_least_lead_goes_with_the_root_of_the_variance_of_a_cells_mean():
    world = worlds(cell=0.09, runs=0.36)
    needed = planning.leads_needed(world, size(4, 3, 2), 2, tables=4000)
    more = planning.leads_needed(world, size(4, 3, 8), 2, tables=4000)
    by = np.sqrt((0.09 + 0.36 / 8) / (0.09 + 0.36 / 2))
    assert np.median(more) / np.median(needed) == pytest.approx(by, rel=0.05)
    other = worlds(cell=9, runs=36)  # a hundred times the variance, ten times the lead
    scaled = planning.leads_needed(other, size(4, 3, 2), 2, tables=4000)
    assert scaled == pytest.approx(10 * needed)
    wider = planning.leads_needed(world, size(16, 3, 2), 2, tables=4000)
    assert np.median(wider) < 0.5 * np.median(needed)


def test_more_of_anything_needs_a_smaller_lead():
    world = worlds(**OWN)
    now = np.median(planning.leads_needed(world, size(4, 4, 4), 3, tables=2000))
    for counts in ((8, 4, 4), (4, 8, 4), (4, 4, 8)):
        more = planning.leads_needed(world, size(*counts), 3, tables=2000)
        assert np.median(more) < now


def test_repeats_alone_do_not_overcome_the_data_sets():
    grid = made_grid(
        noise(4, 4, 3, 3) + np.random.default_rng(0).normal(0, 0.05, (4, 1, 3, 1))
    )
    assert planning.needed(grid, 0.01, "repeats") is None
    assert planning.needed(grid, 0.1, "datasets") > 4


def test_what_is_needed_is_the_least_of_the_ladder_that_shows():
    grid = made_grid(noise(4, 1, 3, 3, spread=0.03))
    count = planning.needed(grid, 0.03, "datasets")
    pilot = planning.pilot_of(grid)
    world = planning.worlds_of(pilot)

    def power(datasets: int) -> float:
        found = planning.leads_needed(world, pilot.size | {"datasets": datasets}, 3)
        return (found <= 0.03).mean()

    before = max(n for n in (4, *planning.LADDER) if n < count)
    assert power(before) < planning.POWER <= power(count)


def test_a_pilot_of_many_cells_gives_back_the_variances_behind_it():
    random = np.random.default_rng(1)
    runs = random.normal(0.7, 0.02, (60, 50, 4, 3))
    runs += random.normal(0, 0.01, (60, 1, 4, 1))
    runs += random.normal(0, 0.03, (1, 50, 4, 1))
    world = planning.worlds_of(planning.pilot_of(made_grid(runs)))
    assert np.sqrt(np.median(world.sets) / 2) == pytest.approx(0.01, rel=0.2)
    assert np.sqrt(np.median(world.models) / 2) == pytest.approx(0.03, rel=0.2)
    assert np.sqrt(np.median(world.runs) / 2) == pytest.approx(0.02, rel=0.05)


def test_a_pilot_on_one_data_set_does_not_plan_others():
    grid = made_grid(noise(1, 1, 3, 5))
    table = planning.plan(grid, 0.01)
    assert set(table["datasets"]) == set(table["models"]) == {1}
    assert table["detectable"].is_monotonic_decreasing
    assert table["power"].is_monotonic_increasing
    assert planning.needed(grid, 0.0001, "datasets") is None


def test_a_plan_counts_the_runs_of_all_losses_and_has_a_range():
    table = planning.plan(made_grid(noise(3, 3, 4, 2)), 0.02)
    counts = table[["datasets", "models", "repeats"]].prod(axis=1)
    assert (table["runs"] == 4 * counts).all()
    assert (table["low"] <= table["high"]).all()
    assert (table["power"] <= 1).all()
    assert ((table["power"] >= 0.8) == table["enough"]).all()


@pytest.mark.parametrize(
    ("grid", "difference", "says"),
    [
        (made_grid(noise(1, 1, 3, 5)), 0.0, "must be above 0, got 0"),
        (made_grid(noise(1, 1, 3, 1)), 0.01, "two repeats or more in every cell"),
    ],
)
def test_a_plan_without_ground_is_refused(grid, difference, says):
    with pytest.raises(ValueError, match=says):
        planning.plan(grid, difference)


def test_a_difference_above_1_is_planned_for_other_metrics():
    assert planning.plan(made_grid(noise(3, 3, 2, 2)), 5.0)["enough"].all()


def test_words_say_what_would_decide():
    grid = made_grid(noise(3, 3, 3, 3, spread=0.03))
    assert planning.more_data(grid, -0.1).startswith("no number of runs: the means")
    assert planning.more_data(grid, 0.5).startswith("no more runs are needed: a study")
    one = made_grid(noise(1, 1, 2, 4))
    assert "(1 data set, 1 network, 4 repeats)" in planning.more_data(one, 0.5)
    assert "networks would show a difference of 0.0200" in planning.more_data(
        grid, 0.02
    )
    assert "two repeats" in planning.more_data(made_grid(noise(1, 1, 2, 1)), 0.1)


def test_an_unknown_axis_is_refused_with_the_nearest(rerun):
    with pytest.raises(ValueError, match="unknown axis 'repeat'.*mean 'repeats'"):
        planning.needed(rerun, 0.01, "repeat")
