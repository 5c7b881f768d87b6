"""Counts that scatter more than coins, against statsmodels and against leaving groups out one by one."""

import numpy as np
import pytest
import statsmodels.api as sm

from scaling.boundary.shift.quasi import effective_scores, fit_binomial, sandwich


def made(n=120, rho=0.0, items=30, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    mean = 1 / (1 + np.exp(-(-0.5 + 0.8 * x)))
    p = rng.beta(mean * (1 / rho - 1), (1 - mean) * (1 / rho - 1)) if rho else mean
    return np.column_stack([np.ones(n), x]), rng.binomial(items, p) / items, np.full(n, float(items))


def test_coefficients_are_those_of_statsmodels():
    design, share, items = made()
    fit = fit_binomial(design, share, items, np.arange(120))
    theirs = sm.GLM(share, design, family=sm.families.Binomial(), var_weights=items).fit()
    np.testing.assert_allclose(fit.coefficients, theirs.params, atol=1e-7)
    assert fit.dispersion == pytest.approx(theirs.pearson_chi2 / 118, rel=1e-6)
    assert fit.converged


@pytest.mark.parametrize("rho", [0.05, 0.2])
def test_the_correlation_of_items_is_found(rho):
    found = [fit_binomial(*made(n=400, rho=rho, seed=k), np.arange(400)) for k in range(5)]
    assert np.mean([fit.correlation for fit in found]) == pytest.approx(rho, rel=0.1)
    assert np.mean([fit.dispersion for fit in found]) == pytest.approx(1 + 29 * rho, rel=0.1)


def test_models_of_few_items_count_for_less_but_not_in_proportion():
    design, share, items = made(n=400, rho=0.1)
    items[::2] = 300
    fit = fit_binomial(design, share, items, np.arange(400))
    assert 1 < fit.weight[0] / fit.weight[1] < 3  # 10 times the items, but models differ in more than items


def test_the_sandwich_is_the_jackknife_over_groups():
    rng = np.random.default_rng(4)
    x, groups = np.column_stack([np.ones(40), rng.normal(size=40)]), np.repeat(np.arange(8), 5)
    y = x @ [1, 2] + rng.normal(size=8)[groups] + rng.normal(size=40)
    whole = np.linalg.lstsq(x, y, rcond=None)[0]
    parts = [np.linalg.lstsq(x[groups != g], y[groups != g], rcond=None)[0] - whole for g in range(8)]
    jackknife = 7 / 8 * sum(np.outer(part, part) for part in parts)
    np.testing.assert_allclose(sandwich(x, np.ones(40), y - x @ whole, groups), jackknife, rtol=1e-9)


def test_a_group_that_alone_tells_a_coefficient_leaves_it_unknown():
    x = np.column_stack([np.ones(12), np.arange(12) < 3])
    assert np.isnan(sandwich(x, np.ones(12), np.ones(12), np.arange(12) // 3)).all()


def test_separated_data_do_not_converge():
    x = np.column_stack([np.ones(10), np.arange(10) < 5])
    fit = fit_binomial(x, np.r_[np.ones(5), np.full(5, 0.5)], np.full(10, 30.0), np.arange(10))
    assert not fit.converged


def test_contributions_to_the_score_are_orthogonal_to_what_was_fitted():
    design, share, items = made()
    fit = fit_binomial(design, share, items, np.arange(120))
    column = np.random.default_rng(0).normal(size=(120, 1))
    both = fit_binomial(np.hstack([design, column]), share, items, np.arange(120))
    score = effective_scores(design, column, fit, share)
    assert np.sign(score.sum()) == np.sign(both.coefficients[2])
    np.testing.assert_allclose(effective_scores(design, design[:, [1]], fit, share), 0, atol=1e-10)
