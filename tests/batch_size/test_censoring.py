"""Batch sizes that never reached the target count as what they are: more steps than their last."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import norm

from scaling.batch_size import fit_steps
from scaling.batch_size.censored_fit import censored_problem
from scaling.batch_size.censoring import log_likelihood, solve_censored
from scaling.errors import InputDataError
from scaling.results import Fit

B = 2.0 ** np.arange(6, 15)
TRUE_A, TRUE_B = 2000.0, 1.1e7


def cut_short(rng, sigma=0.05, late=True):
    """Sweeps whose large batches (or small ones) stop near the curve, so that luck decides which reach the target."""
    curve = TRUE_A + TRUE_B / B
    steps = curve * np.exp(sigma * rng.standard_normal(len(B)))
    limit = np.where(B > 2000 if late else B < 200, curve * (1.02 if late else 0.98), np.inf)
    return np.minimum(steps, limit), steps > limit


def by_hand(steps, censored, spent):
    """Maximum of the likelihood with `spent` rows' worth of scatter taken out, by another optimiser."""
    logs = np.log(steps)

    def loss(x):
        mean, sigma = np.logaddexp(x[0], x[1] - np.log(B)), np.exp(x[2])
        z = (logs - mean) / sigma
        return -np.sum(np.where(censored, norm.logsf(z), norm.logpdf(z) - x[2])) - spent * x[2]

    options = {"xatol": 1e-11, "fatol": 1e-13, "maxiter": 20000, "maxfev": 20000}
    start = np.array([np.log(TRUE_A), np.log(TRUE_B), np.log(0.05)])
    for _ in range(3):
        start = minimize(loss, start, method="Nelder-Mead", options=options).x
    return np.exp(start)


@pytest.mark.parametrize("spent", [0, 2])
def test_the_likelihood_is_at_its_maximum(spent):
    steps, censored = cut_short(np.random.default_rng(14))
    assert censored.sum() == 3
    problem = censored_problem("steps_to_target", B, steps)
    found = solve_censored(problem, np.log(steps)[None], censored[None], np.log([[1500.0, 1e7]]), spent)
    assert found.converged.all()
    a, b, sigma = by_hand(steps, censored, spent)
    assert np.exp(found.theta[0]) == pytest.approx([a, b], rel=1e-6)
    assert found.sigma[0] == pytest.approx(sigma, rel=1e-6)
    mean = np.logaddexp(np.log(a), np.log(b) - np.log(B))
    z = (np.log(steps) - mean) / sigma
    by_scipy = np.sum(np.where(censored, norm.logsf(z), norm.logpdf(z) - np.log(sigma)))
    at = log_likelihood(problem, np.log(steps)[None], censored[None], np.log([[a, b]]), np.array([sigma]))
    assert at[0] == pytest.approx(by_scipy, rel=1e-12)


def test_with_rows_censored_far_below_the_curve_it_is_least_squares_of_the_others():
    rng = np.random.default_rng(1)
    steps, censored = (TRUE_A + TRUE_B / B) * np.exp(0.05 * rng.standard_normal(9)), np.zeros(9, bool)
    censored[[0, 8]] = True
    steps[censored] = 1.0  # says nothing
    s, rest = fit_steps(B, steps, censored, 0), fit_steps(B[~censored], steps[~censored], bootstrap=0)
    assert s.fit.theta == pytest.approx(rest.fit.theta, rel=1e-7)
    assert s.sigma == pytest.approx(rest.sigma, rel=1e-6)
    assert s.fit.covariance == pytest.approx(rest.fit.covariance, rel=1e-5)
    assert s.fit.degrees == rest.fit.degrees == 5


def test_the_scatter_of_the_residuals_is_that_of_the_likelihood():
    steps, censored = cut_short(np.random.default_rng(14))
    s = fit_steps(B, steps, censored, 0)
    assert np.sum(s.fit.residuals**2) / 7 == pytest.approx(s.sigma**2, rel=1e-6)
    assert s.fit.objective_value == pytest.approx(np.sum(s.fit.residuals**2))
    assert s.fit.settings["steps_to_target"]["censored"] == np.flatnonzero(censored).tolist()
    assert s.fit.support["steps"] == (steps.min(), steps.max())
    assert Fit.from_json(s.fit.to_json()) == s.fit


def test_replicates_are_solved_as_single_fits_are():
    steps, censored = cut_short(np.random.default_rng(14))
    s = fit_steps(B, steps, censored, 40, seed=5)
    assert s.fit.settings["resample"] == "parametric"
    assert "parametric bootstrap" in s.fit.interval_method
    from scaling.batch_size.censoring import draw_censored

    mean = np.log(s.fit.evaluate({"B": B})[0])
    drawn, again = draw_censored(mean, s.sigma, np.log(steps), censored, 5, 40)
    assert again.any()
    assert not np.all(again == censored)
    assert np.all(drawn[again] == np.broadcast_to(np.log(steps), drawn.shape)[again])
    for i in range(0, 40, 13):
        alone = fit_steps(B, np.exp(drawn[i]), again[i], 0)
        assert s.fit.replicates[i] == pytest.approx(alone.fit.theta, rel=1e-4)


def test_leaving_censored_rows_out_is_biased_and_counting_them_is_not():
    """Of 500 sweeps: dropping them moved ln(b/a) by 0.054 on average, counting them by -0.011 (median -0.002)."""
    rng, count = np.random.default_rng(100), 75
    counted, dropped, held = [], [], 0
    for _ in range(count):
        steps, censored = cut_short(rng)
        found = fit_steps(B, steps, censored, 0).critical_batch()
        held += found.low <= TRUE_B / TRUE_A <= found.high
        counted.append(np.log(found.estimate * TRUE_A / TRUE_B))
        left = fit_steps(B[~censored], steps[~censored], bootstrap=0).critical_batch().estimate
        dropped.append(np.log(left * TRUE_A / TRUE_B))
    assert abs(np.mean(counted)) < 3 * np.std(counted) / np.sqrt(count)
    assert np.mean(dropped) > 4 * np.std(dropped) / np.sqrt(count)
    assert np.mean(dropped) > 3 * abs(np.mean(counted))
    assert 0.87 <= held / count <= 0.98


@pytest.mark.slow
def test_all_intervals_cover_with_censored_rows():
    rng, count = np.random.default_rng(8), 200
    held = dict.fromkeys(("fieller", "delta", "bootstrap"), 0)
    for i in range(count):
        s = fit_steps(B, *cut_short(rng, late=bool(i % 2)), 300, seed=i)
        for method in held:
            found = s.critical_batch(method=method)
            held[method] += found.low <= TRUE_B / TRUE_A <= found.high
    for method, hits in held.items():
        assert 0.84 <= hits / count <= 0.97, method


@pytest.mark.parametrize("form", ["steps_to_target_power", "steps_to_target_sharp"])
def test_the_other_forms_count_censored_rows_too(form):
    steps, censored = cut_short(np.random.default_rng(14), sigma=0.02)
    s = fit_steps(B, steps, censored, 100, form=form)
    assert s.fit.degrees == 4
    assert s.fit.theta[2] == pytest.approx(1, abs=0.5)
    found = s.critical_batch(0.2, 256, method="delta")
    assert found.low < 1407.2 < found.high


def test_many_censored_rows_are_a_finding():
    steps = (TRUE_A + TRUE_B / B) * np.exp(0.02 * np.random.default_rng(2).standard_normal(9))
    censored = np.arange(9) >= 4
    steps[censored] *= 0.9
    s = fit_steps(B, steps, censored, 0)
    assert any("5 of 9 rows did not reach the target" in reason for reason in s.reasons)
    assert "B = 1024, 2048, 4096, 8192" in repr(s)


def test_too_few_that_reached_the_target():
    steps = TRUE_A + TRUE_B / B
    with pytest.raises(InputDataError, match="none of the 9 rows reached the target") as caught:
        fit_steps(B, steps, np.ones(9, bool))
    assert "higher target" in caught.value.hint
    with pytest.raises(InputDataError, match="2 of 9 batch sizes reached the target"):
        fit_steps(B, steps, np.arange(9) >= 2)


@pytest.mark.parametrize("marks", [[True], ["yes"] * 9, [0, 1, 2] * 3, [np.nan] * 9])
def test_marks_that_are_none(marks):
    with pytest.raises(InputDataError, match="censored"):
        fit_steps(B, TRUE_A + TRUE_B / B, marks)


def test_marks_may_be_zeros_and_ones():
    steps, censored = cut_short(np.random.default_rng(14))
    assert fit_steps(B, steps, censored.astype(int), 0).fit == fit_steps(B, steps, censored, 0).fit
