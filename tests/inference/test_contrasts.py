"""The difference of two losses: three tests, by hand and by other libraries."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_grids import made_grid, noise
from scipy import stats

from lesionkit.inference import pooling
from lesionkit.inference.contrasts import (
    Contrast,
    contrast,
    crossed,
    scope,
    weighted,
)

FIRST, SECOND = np.array([0]), np.array([1])


def compared(runs: np.ndarray) -> Contrast:
    """The first loss of these runs less the second."""
    return contrast(made_grid(runs), FIRST, SECOND)


def test_over_data_sets_with_one_network_it_is_the_paired_t_test():
    runs = noise(6, 1, 2, 1)
    found = compared(runs)
    expected = stats.ttest_rel(runs[:, 0, 0, 0], runs[:, 0, 1, 0])
    assert found.p[0] == pytest.approx(expected.pvalue, rel=1e-12)
    low, high = expected.confidence_interval()
    assert [e[0] for e in found.interval()] == [pytest.approx(low), pytest.approx(high)]
    low, high = expected.confidence_interval(0.8)
    ends = found.interval(0.8)
    assert [e[0] for e in ends] == [pytest.approx(low), pytest.approx(high)]


def test_the_one_sided_p_are_those_of_scipy_and_of_a_shifted_null():
    runs = noise(6, 1, 2, 1)
    one, other = runs[:, 0, 0, 0], runs[:, 0, 1, 0]
    found = compared(runs)
    for than in (0.0, 0.004):
        up = stats.ttest_1samp(one - other, than, alternative="greater").pvalue
        assert found.greater(than)[0] == pytest.approx(up)
        assert found.less(than)[0] == pytest.approx(1 - up)


def test_the_three_errors_of_a_crossed_mean_are_those_computed_by_hand():
    # rows 0 and 4 on average, columns 1 and 3 apart by 2, what is left is +-1
    d = np.array([[0.0, 2.0], [4.0, 6.0]]) + [[1.0, -1.0], [-1.0, 1.0]]
    found = crossed(d[None])
    assert found.mean[0] == 3.0
    of_sets, of_models, rest = 8.0 / 2, 2.0 / 2, 4.0 / 4
    assert found.errors[:, 0] ** 2 == pytest.approx(
        [of_sets, of_models, of_sets + of_models - rest]
    )
    assert found.freedoms[:, 0].tolist() == [1, 1, 1]  # 16 / 18 is taken as 1


def test_the_three_tests_are_those_of_a_plain_loop_and_p_is_their_largest():
    d = np.random.default_rng(3).normal(0.5, 1, (4, 5))
    d += np.random.default_rng(4).normal(0, 1, (4, 1))
    found = crossed(d[None])
    mean = sum(sum(row) for row in d) / 20
    rows, columns = [sum(r) / 5 for r in d], [sum(c) / 4 for c in d.T]
    a = sum((r - mean) ** 2 for r in rows) / 3 / 4
    b = sum((c - mean) ** 2 for c in columns) / 4 / 5
    e = 0.0
    for i in range(4):
        for j in range(5):
            e += (d[i, j] - rows[i] - columns[j] + mean) ** 2
    e = e / 12 / 20
    both = a + b - e
    freedom = both**2 / (a**2 / 3 + b**2 / 4 + e**2 / 12)
    assert found.errors[:, 0] == pytest.approx(np.sqrt([a, b, both]))
    assert found.freedoms[:, 0] == pytest.approx([3, 4, freedom])
    each = [
        2 * stats.t.sf(abs(mean) / np.sqrt(v), f)
        for v, f in ((a, 3), (b, 4), (both, freedom))
    ]
    assert found.p[0] == pytest.approx(max(each))
    reach = [
        stats.t.ppf(0.99, f) * np.sqrt(v) for v, f in ((a, 3), (b, 4), (both, freedom))
    ]
    assert found.reach(0.01)[0] == pytest.approx(max(reach))


def test_two_axes_whose_variances_are_below_the_rest_leave_the_other_tests():
    d = np.array([[1.0, -1.0], [-1.0, 1.0]]) + 3
    found = crossed(d[None])
    assert found.errors[2, 0] == 0
    assert found.p[0] == 0  # no data set and no model differs from another


def test_weighted_data_sets_have_the_error_of_hartung_and_knapp():
    d = np.array([1.0, 2.0, 4.0])[:, None]
    found = crossed(d[None], weights=np.array([0.5, 0.3, 0.2]))
    assert found.mean[0] == pytest.approx(1.9)
    by_hand = (0.5 * 0.9**2 + 0.3 * 0.1**2 + 0.2 * 2.1**2) / 2
    assert found.errors[:, 0] == pytest.approx([np.sqrt(by_hand)])
    assert found.freedoms[:, 0].tolist() == [2]


def test_a_floor_is_added_to_the_variance_of_every_test():
    d = np.random.default_rng(5).normal(0, 1, (1, 3, 4))
    plain, floored = crossed(d), crossed(d, floor=0.7)
    assert floored.errors**2 == pytest.approx(plain.errors**2 + 0.7)


def test_two_printed_digits_leave_the_variance_of_their_rounding():
    runs = np.array([[[0.81], [0.80]], [[0.71], [0.70]]])[:, None]
    grid = made_grid(runs)
    assert contrast(grid, FIRST, SECOND).p[0] == pytest.approx(0, abs=1e-9)
    found = contrast(replace(grid, unit=0.01), FIRST, SECOND)
    error = np.sqrt(0.01**2 / 12 * 2 / 2)  # two losses, two cells
    assert found.errors[0, 0] == pytest.approx(error)
    assert found.p[0] == pytest.approx(2 * stats.t.sf(0.01 / error, 1))
    assert found.p[0] > 0.15


def test_rounding_is_averaged_over_cells_and_runs():
    runs = noise(3, 2, 2, 5)
    plain = compared(runs)
    rounded = contrast(replace(made_grid(runs), unit=0.01), FIRST, SECOND)
    added = 0.01**2 / 12 * 2 / (3 * 2 * 5)
    assert rounded.errors**2 == pytest.approx(plain.errors**2 + added)


def test_what_rests_on_a_missing_cell_has_a_larger_error_and_less_freedom():
    runs, seen = noise(4, 3, 2, 1), np.ones((4, 3, 2), bool)
    seen[1, 2, 0] = False
    whole = compared(runs)
    found = contrast(replace(made_grid(runs), seen=seen), FIRST, SECOND)
    assert found.errors**2 == pytest.approx(whole.errors**2 * 12 / 11)
    seen = np.ones((4, 3, 3), bool)
    seen[1, 2, 0] = False  # of a loss that is not compared
    grid = made_grid(noise(4, 3, 3, 1))
    one, two = np.array([1]), np.array([2])
    lacking = contrast(replace(grid, seen=seen), one, two)
    assert lacking.errors == pytest.approx(contrast(grid, one, two).errors)


def test_repeats_of_one_data_set_are_corrected_for_the_images_they_share():
    runs = noise(1, 1, 2, 5)
    found = compared(runs)
    d = runs[0, 0, 0] - runs[0, 0, 1]
    expected = np.sqrt(d.var(ddof=1) * (1 / 5 + 1 / 3))
    assert found.errors[:, 0] == pytest.approx([expected])
    assert found.freedoms[:, 0].tolist() == [4]


def test_on_one_data_set_networks_and_repeats_are_a_test_each():
    runs = noise(1, 3, 2, 5)
    found = compared(runs)
    d = runs[0, :, 0] - runs[0, :, 1]  # (M, R)
    networks, repeats = d.mean(1), d.mean(0)
    expected = [
        networks.std(ddof=1) / np.sqrt(3),
        repeats.std(ddof=1) * np.sqrt(1 / 5 + 1 / 3),
    ]
    assert found.errors[:, 0] == pytest.approx(expected)
    assert found.freedoms[:, 0].tolist() == [2, 4]


def test_one_run_a_cell_of_several_networks_is_the_paired_t_test_over_them():
    runs = noise(1, 5, 2, 1)
    expected = stats.ttest_rel(runs[0, :, 0, 0], runs[0, :, 1, 0]).pvalue
    assert compared(runs).p[0] == pytest.approx(expected)


@pytest.mark.parametrize("networks", [1, 3])
def test_cell_means_of_one_data_set_are_taken_as_unpaired(networks):
    runs = noise(1, networks, 2, 5)
    found = contrast(replace(made_grid(runs), runs=None), FIRST, SECOND)
    # a repeat is taken as the same for all networks: their mean varies as much
    variance = runs[0].var(2, ddof=1).sum(1).mean() * (1 / 5 + 1 / 3)
    assert found.errors[-1, 0] == pytest.approx(np.sqrt(variance))
    assert found.freedoms[-1, 0] == 4


def test_swapping_two_losses_swaps_the_sign_and_keeps_p():
    grid = made_grid(noise(4, 3, 2, 2))
    one, other = contrast(grid, FIRST, SECOND), contrast(grid, SECOND, FIRST)
    assert one.mean[0] == -other.mean[0]
    assert one.p[0] == pytest.approx(other.p[0])
    assert one.greater()[0] == pytest.approx(other.less()[0])


def test_exactly_tied_losses_have_a_p_of_1():
    runs = noise(3, 2, 2, 1)
    runs[:, :, 1] = runs[:, :, 0]
    found = compared(runs)
    assert (found.mean[0], found.p[0], found.greater()[0]) == (0, 1, 0.5)


def test_what_is_detectable_is_found_with_its_power():
    found = compared(noise(30, 1, 2, 1))
    error, freedom = found.errors[0, 0], found.freedoms[0, 0]
    shift = found.detectable()[0] / error
    power = 1 - stats.nct.cdf(stats.t.ppf(0.975, freedom), freedom, shift)
    assert power == pytest.approx(0.8, abs=0.01)


def test_the_range_of_what_is_detectable_is_that_of_the_error_behind():
    found = compared(noise(6, 1, 2, 1))
    error, t = found.errors[0, 0], stats.t.ppf(0.975, 5) + stats.t.ppf(0.8, 5)
    low, high = (end[0] for end in found.detectable_range())
    assert low == pytest.approx(t * error * np.sqrt(5 / stats.chi2.ppf(0.9, 5)))
    assert high == pytest.approx(t * error * np.sqrt(5 / stats.chi2.ppf(0.1, 5)))


def test_a_weighted_sum_of_equal_weights_is_the_mean_of_its_contrasts():
    grid = made_grid(noise(4, 3, 3, 1))
    both = weighted(grid, np.array([[1, -0.5, -0.5]])).mean[0]
    single = contrast(grid, np.array([0, 0]), np.array([1, 2])).mean.mean()
    assert both == pytest.approx(single)


@pytest.mark.parametrize("shape", [(5, 1, 4, 1), (1, 6, 4, 1)])
def test_the_variance_of_a_pair_is_pulled_to_that_of_all_pairs(shape):
    grid = made_grid(noise(*shape, spread=0.01))
    single = np.eye(4) - np.roll(np.eye(4), 1, 1)
    d = np.einsum("dml,pl->pdm", grid.means, pooling.pairs(4)).reshape(6, -1)
    squares, freedom = d.var(1, ddof=1) / d.shape[1], d.shape[1] - 1
    prior = pooling.fitted(squares, freedom)
    strength = min(float(prior.freedom), 2 * freedom)
    found = weighted(grid, single)
    own = np.einsum("dml,pl->pdm", grid.means, single).reshape(4, -1)
    own = own.var(1, ddof=1) / d.shape[1]
    pulled = (strength * prior.square + freedom * own) / (strength + freedom)
    assert found.errors[0] ** 2 == pytest.approx(np.maximum(pulled, own))


def test_doubled_weights_double_the_mean_and_every_error():
    grid = made_grid(noise(4, 3, 4, 2))
    once, twice = (weighted(grid, k * np.array([[1.0, -1, 0, 0]])) for k in (1, 2))
    assert twice.mean == pytest.approx(2 * once.mean)
    assert twice.errors == pytest.approx(2 * once.errors)


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((3, 2, 2, 1), "data sets and networks like these"),
        ((3, 1, 2, 1), "data sets like these, with net0"),
        ((1, 2, 2, 3), "set0 with networks like these"),
        ((1, 1, 2, 3), "set0 with net0"),
        ((1, 1, 2, 1), ""),
        ((1, 4, 2, 1), "the images and the split of set0 with networks like these"),
    ],
)
def test_a_result_speaks_of_what_was_varied(shape, says):
    assert scope(made_grid(noise(*shape))) == says


def test_where_nothing_is_known_p_and_errors_are_not_numbers():
    found = compared(noise(1, 1, 2, 1))
    assert np.isnan(found.errors).all()
    assert np.isnan(found.p).all()
