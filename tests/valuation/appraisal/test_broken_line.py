"""A line that bends once: found exactly, by the engine as well, with a p-value that is uniform without a bend."""

import numpy as np
import pytest

import scaling
from scaling.errors import InputDataError
from scaling.valuation.appraisal.broken_line import fit_broken_line, scan_bends


def bent(a=0.5, b=0.1, c=-0.15, s0=3.0, n=60, scatter=0.01, seed=0):
    rng = np.random.default_rng(seed)
    s = np.sort(rng.uniform(1, 6, n))
    return s, a + b * s + c * np.maximum(0, s - s0) + scatter * rng.standard_normal(n)


def brute_force(s, y):
    """Least squares over a fine grid of places, one regression each."""
    best = (np.inf,)
    for place in np.linspace(*np.quantile(s, [0.1, 0.9]), 4001):
        design = np.column_stack([np.ones(len(s)), s, np.maximum(0, s - place)])
        line, *_ = np.linalg.lstsq(design, y, rcond=None)
        best = min(best, (float(np.sum((y - design @ line) ** 2)), place, *line))
    return best


@pytest.mark.parametrize("seed", range(4))
def test_the_bend_is_where_a_fine_grid_has_it_and_where_the_engine_has_it(seed):
    s, y = bent(seed=seed)
    scan, (least, place, a, b, c) = scan_bends(s, y, permutations=19, bootstrap=0), brute_force(s, y)
    assert (scan.a, scan.b, scan.c, scan.s0) == pytest.approx((a, b, c, place), abs=2e-3)
    squares = np.sum((y - (scan.a + scan.b * s + scan.c * np.maximum(0, s - scan.s0))) ** 2)
    assert squares <= least * (1 + 1e-9)
    fit = fit_broken_line(s, y, bootstrap=0, scan=scan)
    assert fit.objective_value == pytest.approx(squares, rel=1e-9)
    assert fit.estimates == pytest.approx({"a": scan.a, "b": scan.b, "c": scan.c, "s0": scan.s0}, rel=1e-6)
    assert fit.law is scaling.find_law("broken_line")


def test_without_scatter_the_truth_comes_back():
    s, y = bent(scatter=0)
    scan = scan_bends(s, y, permutations=19, bootstrap=0)
    assert (scan.a, scan.b, scan.c, scan.s0) == pytest.approx((0.5, 0.1, -0.15, 3.0), rel=1e-9)


def test_f_is_that_of_two_regressions():
    s, y = bent(scatter=0.05)
    scan = scan_bends(s, y, permutations=19, bootstrap=0)
    line = np.polynomial.Polynomial.fit(s, y, 1)
    straight = np.sum((y - line(s)) ** 2)
    assert scan.sup_f == pytest.approx((straight - scan.squares.min()) / (scan.squares.min() / (60 - 3)), rel=1e-9)
    assert np.all(scan.squares <= straight * (1 + 1e-12))


def test_the_units_of_score_and_performance_change_nothing_but_units():
    s, y = bent()
    one, two = scan_bends(s, y, bootstrap=30), scan_bends(1e6 + 1e3 * s, 7 - 20 * y, bootstrap=30)
    assert two.p_value == one.p_value
    assert two.s0 == pytest.approx(1e6 + 1e3 * one.s0, rel=1e-9)
    assert (two.b, two.c) == pytest.approx((-20e-3 * one.b, -20e-3 * one.c), rel=1e-6)
    np.testing.assert_allclose(two.replicates[:, 1], -20e-3 * one.replicates[:, 1], rtol=1e-5)


def test_replicates_are_the_samples_written_out():
    s, y = bent(n=40, scatter=0.03)
    scan = scan_bends(s, y, permutations=0, bootstrap=5, seed=4)
    _, child = np.random.SeedSequence(4).spawn(2)
    weights = np.random.default_rng(child).multinomial(40, np.full(40, 1 / 40), size=5)
    for w, (a, b, c, s0) in zip(weights, scan.replicates, strict=True):
        rows = np.repeat(np.arange(40), w)
        least = np.inf
        for place in scan.places:
            design = np.column_stack([np.ones(40), s[rows], np.maximum(0, s[rows] - place)])
            line, *_ = np.linalg.lstsq(design, y[rows], rcond=None)
            if (squares := float(np.sum((y[rows] - design @ line) ** 2))) < least * (1 - 1e-12):
                least, best = squares, (*line, place)
        assert (a, b, c, s0) == pytest.approx(best, rel=1e-6)


def test_without_a_bend_p_values_are_even():
    p = [scan_bends(*bent(c=0, n=30, scatter=0.05, seed=i), permutations=99, bootstrap=0).p_value for i in range(200)]
    assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.10  # 10 of 200 expected; outside with a chance of 1 %
    assert 0.4 <= np.mean(np.array(p) <= 0.5) <= 0.6
    assert scan_bends(*bent(), permutations=99, bootstrap=0).p_value == 0.01


@pytest.mark.slow
def test_intervals_of_the_place_and_of_the_slopes_hold_the_truth():
    hits = np.zeros(3)
    for i in range(100):
        r = scan_bends(*bent(n=80, scatter=0.03, seed=i), permutations=0, bootstrap=200).replicates
        low, high = np.quantile(np.column_stack([r[:, 1], r[:, 1] + r[:, 2], r[:, 3]]), [0.05, 0.95], axis=0)
        hits += (low <= [0.1, -0.05, 3.0]) & (high >= [0.1, -0.05, 3.0])
    assert np.all((hits >= 81) & (hits <= 97)), hits  # 90 of 100 expected


def test_the_saved_fit_is_of_the_performance_as_it_was_measured():
    s, y = bent()
    fit = fit_broken_line(s, 2 - y, bootstrap=40, seed=3)  # a loss
    assert fit.estimates["b"] == pytest.approx(-0.1, abs=0.02)
    assert fit.estimates["b"] + fit.estimates["c"] == pytest.approx(0.05, abs=0.02)
    low, high = fit.interval("s0", 0.9)
    assert 2.5 < low < fit.estimates["s0"] < high < 3.5
    assert len(fit.replicates) == 40
    assert fit.verdict == "ok"


def test_too_few_scores_are_refused():
    s, y = bent(n=11)
    with pytest.raises(InputDataError, match="11 subsets with 11 distinct scores"):
        scan_bends(s, y)
    s, y = bent(n=40)
    with pytest.raises(InputDataError, match="40 subsets with 6 distinct scores"):
        scan_bends(np.round(s), y)
    with pytest.raises(InputDataError, match="finite pairs"):
        scan_bends(s, np.where(s > 5, np.nan, y))
