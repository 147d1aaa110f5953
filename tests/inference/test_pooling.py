"""Variances pooled over the pairs of losses: against a plain loop, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, special

from lesionkit.inference import pooling
from lesionkit.inference.contrasts import crossed


def limma(squares: list[float], freedom: float) -> tuple[float, float]:
    """Smyth's prior variance and freedom, step by step, by a root finder."""
    e = [
        np.log(s) - special.digamma(freedom / 2) + np.log(freedom / 2) for s in squares
    ]
    mean = sum(e) / len(e)
    beyond = sum((x - mean) ** 2 for x in e) / (len(e) - 1)
    beyond -= special.polygamma(1, freedom / 2)
    if beyond <= 0:
        return float(np.exp(mean)), np.inf
    half = optimize.brentq(lambda x: special.polygamma(1, x) - beyond, 1e-6, 1e6)
    return float(np.exp(mean + special.digamma(half) - np.log(half))), 2 * half


def drawn(count: int, freedom: int, spread: float, seed: int = 0) -> np.ndarray:
    """Estimates of variances that differ by this spread of their logarithm."""
    random = np.random.default_rng(seed)
    true = np.exp(random.normal(0, spread, count))
    return true * random.chisquare(freedom, count) / freedom


@pytest.mark.parametrize(("freedom", "spread"), [(3, 1.5), (10, 0.7), (5, 3.0)])
def test_the_prior_is_limmas(freedom, spread):
    squares = drawn(45, freedom, spread)
    found = pooling.fitted(squares, freedom)
    square, strength = limma(list(squares), freedom)
    assert np.isfinite(strength)
    assert float(found.freedom) == pytest.approx(strength, rel=1e-6)
    assert float(found.square) == pytest.approx(square, rel=1e-6)
    assert found.most == pytest.approx(9)  # of ten losses


def test_variances_that_differ_no_more_than_chance_have_an_endless_prior():
    squares = np.linspace(0.9, 1.1, 45)
    found = pooling.fitted(squares, 3)
    assert np.isinf(found.freedom)
    assert float(found.square) == pytest.approx(limma(list(squares), 3)[0])


def test_a_variance_is_pulled_up_to_that_of_all_and_never_down():
    prior = pooling.Prior(np.array(4.0), np.array(6.0), most=10)
    square, freedom = prior.shrink(
        np.array([1.0, 9.0]), np.array([2.0, 2.0]), np.ones(2)
    )
    assert square.tolist() == [(6 * 4 + 2 * 1) / 8, 9.0]
    assert freedom.tolist() == [8, 8]


def test_a_prior_counts_at_most_as_much_as_the_losses_beside():
    prior = pooling.Prior(np.array(4.0), np.array(np.inf), most=3)
    square, freedom = prior.shrink(np.array([1.0]), np.array([2.0]), np.ones(1))
    assert freedom.tolist() == [6]  # three times its own
    assert square.tolist() == [(4 * 4 + 2 * 1) / 6]


def test_the_prior_of_a_sum_of_losses_has_its_scale():
    prior = pooling.Prior(np.array(4.0), np.array(2.0), most=10)
    square, _ = prior.shrink(np.array([1.0]), np.array([2.0]), np.array([0.5]))
    assert square.tolist() == [(2 * 4 * 0.5 + 2 * 1) / 4]


def test_pairs_that_never_differ_are_left_as_they_are():
    squares = np.zeros(3)
    prior = pooling.fitted(squares, 2)
    square, freedom = prior.shrink(squares, np.full(3, 2.0), np.ones(3))
    assert (square.tolist(), freedom.tolist()) == ([0, 0, 0], [2, 2, 2])
    assert pooling.pooled(squares, 2).tolist() == [0, 0, 0]


def test_the_inverse_of_trigamma_is_that_of_a_root_finder():
    values = np.array([1e-3, 0.1, 1.0, 4.9, 300.0])
    assert special.polygamma(1, pooling.inverse_trigamma(values)) == pytest.approx(
        values
    )


def test_pooled_variances_lie_between_their_own_and_that_of_all():
    squares = drawn(8, 4, 2.0)
    square, strength = limma(list(squares), 4)
    expected = [(strength * square + 4 * s) / (strength + 4) for s in squares]
    assert pooling.pooled(squares, 4) == pytest.approx(expected, rel=1e-6)
    alike = np.array([1.0, 1.1, 0.9])
    assert np.ptp(pooling.pooled(alike, 4)) == 0


def test_every_pair_of_losses_is_there_once():
    assert pooling.pairs(3).tolist() == [[1, -1, 0], [1, 0, -1], [0, 1, -1]]


def test_a_crossed_contrast_of_many_pairs_has_the_pooled_error_and_freedom():
    values = np.random.default_rng(2).normal(0, 1, (5, 1, 4))  # (D, M, L)
    d = np.einsum("dml,pl->pdm", values, pooling.pairs(4))
    squares = d[..., 0].var(1, ddof=1) / 5
    square, strength = limma(list(squares), 4)
    strength = min(strength, 2 * 4)  # four losses: three times its own in all
    expected = np.maximum((strength * square + 4 * squares) / (strength + 4), squares)
    found = crossed(d, priors=pooling.priors(d))
    assert found.errors[0] ** 2 == pytest.approx(expected)
    assert found.freedoms[0] == pytest.approx(np.full(6, strength + 4))


def test_a_single_pair_has_no_prior():
    assert pooling.priors(np.zeros((1, 3, 2))) is None


def test_freedoms_are_those_of_the_cells_that_are_there():
    assert [int(f) for f in pooling.freedoms(4, 3)] == [3, 2, 6]
    seen = np.ones((3, 4, 3), bool)
    seen[1, 0, 0] = False  # one cell
    seen[2, 0] = False  # a whole data set
    found = pooling.freedoms(4, 3, seen)
    assert [f.tolist() for f in found] == [[3, 3, 2], [2, 2, 2], [6, 5, 4]]
    assert [int(f) for f in pooling.freedoms(1, 1)] == [1, 1, 1]


def test_a_difference_that_rests_on_gaps_has_a_larger_variance():
    d = np.random.default_rng(7).normal(0, 1, (1, 4, 3))
    seen = np.ones((1, 4, 3), bool)
    seen[0, 1, 2] = False
    whole, lacking = crossed(d), crossed(d, seen=seen)
    assert lacking.errors**2 == pytest.approx(whole.errors**2 * 12 / 11)
