"""Correlations under weights: against SciPy row by row, within strata, and with what does not vary."""

import numpy as np
import pytest
from scipy import stats

from scaling.valuation.appraisal.correlations import correlate, left_out, resampled

N = 70
ONE = np.zeros(N, np.intp)


def columns(seed=0):
    rng = np.random.default_rng(seed)
    y = rng.standard_normal(N)
    near, ties = y + rng.standard_normal(N), np.round(y + rng.standard_normal(N))
    return (
        np.column_stack([near, 1e9 * ties, 1e-9 * rng.integers(0, 3, N)]),
        y,
        y[:, None] + rng.standard_normal((N, 1)),
    )


def test_each_row_of_weights_is_the_sample_written_out():
    scores, y, controls = columns()
    weights = np.vstack([np.ones(N), resampled(ONE, 4, np.random.SeedSequence(1))])
    found = correlate(scores, y, controls, ONE, weights)
    for b, w in enumerate(weights):
        rows = np.repeat(np.arange(N), w.astype(int))
        for j in range(3):
            x = scores[rows, j]
            assert found["spearman"][b, j] == pytest.approx(stats.spearmanr(x, y[rows])[0], abs=1e-12)
            assert found["kendall"][b, j] == pytest.approx(stats.kendalltau(x, y[rows])[0], abs=1e-12)
            assert found["pearson"][b, j] == pytest.approx(stats.pearsonr(x, y[rows])[0], abs=1e-12)


def test_the_partial_correlation_is_that_of_residuals_of_ranks():
    scores, y, controls = columns()
    controls = np.column_stack([controls, np.random.default_rng(5).standard_normal(N)])
    found = correlate(scores, y, controls, ONE, np.ones((1, N)))["partial"][0]
    z = np.column_stack([np.ones(N), *(stats.rankdata(c) for c in controls.T)])
    for j in range(3):
        left = [v - z @ np.linalg.lstsq(z, v, rcond=None)[0] for v in map(stats.rankdata, (scores[:, j], y))]
        assert found[j] == pytest.approx(stats.pearsonr(*left)[0], abs=1e-12)
    assert abs(found[0]) < abs(stats.spearmanr(scores[:, 0], y)[0])


def test_without_controls_there_is_no_partial_correlation_and_a_control_that_says_all_leaves_nothing():
    scores, y, _ = columns()
    assert np.isnan(correlate(scores, y, np.empty((N, 0)), ONE, np.ones((1, N)))["partial"]).all()
    assert np.isnan(correlate(scores[:, :1], y, scores[:, :1], ONE, np.ones((1, N)))["partial"]).all()


def test_strata_are_compared_within_themselves():
    """Two sizes: within each the score runs against performance, and across them with it."""
    x = np.concatenate([np.arange(10.0), 100 + np.arange(10.0)])
    y = np.concatenate([-np.arange(10.0), 50 - np.arange(10.0)])
    strata = np.repeat([0, 1], 10)
    none = np.empty((20, 0))
    within = correlate(x[:, None], y, none, strata, np.ones((1, 20)))
    pooled = correlate(x[:, None], y, none, np.zeros(20, np.intp), np.ones((1, 20)))
    for name in ("spearman", "kendall", "pearson"):
        assert within[name][0, 0] == pytest.approx(-1, abs=1e-12)
    assert pooled["spearman"][0, 0] == pytest.approx(stats.spearmanr(x, y)[0])
    assert pooled["spearman"][0, 0] > 0.4


def test_a_score_that_does_not_vary_has_no_correlation_whatever_its_size():
    y = np.random.default_rng(0).standard_normal(N)
    for constant in (0.0, 0.1, 1e12):
        found = correlate(np.full((N, 1), constant), y, np.empty((N, 0)), ONE, np.ones((1, N)))
        assert all(np.isnan(found[name]).all() for name in ("spearman", "kendall", "pearson", "partial"))


def test_bootstrap_weights_keep_strata_and_the_jackknife_leaves_every_row_out_once():
    strata = np.repeat([0, 1, 2], [5, 7, 3])
    weights = resampled(strata, 50, np.random.SeedSequence(3))
    assert {tuple(np.bincount(strata, w)) for w in weights} == {(5.0, 7.0, 3.0)}
    np.testing.assert_array_equal(weights, resampled(strata, 50, np.random.SeedSequence(3)))
    for n, groups in ((15, 15), (1000, 200)):
        out = left_out(n)
        assert out.shape == (groups, n)
        np.testing.assert_array_equal((1 - out).sum(0), np.ones(n))
