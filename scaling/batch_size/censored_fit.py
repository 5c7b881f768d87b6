"""An ordinary fit of a curve of steps of which some rows are censored."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scaling.batch_size.censoring import Censored, draw_censored, information, solve_censored
from scaling.batch_size.critical import RECORD
from scaling.fitting.checks import bounds_of, check_rows, make_problem, ranges
from scaling.fitting.diagnostics import SPARE_ROWS, WIDE_LOG_ERROR, Diagnostics
from scaling.fitting.fit import fit as fit_law
from scaling.fitting.objective import Objective
from scaling.fitting.residual_tests import pure_error, residual_structure
from scaling.fitting.solve import Problem
from scaling.formatting import format_plural
from scaling.laws.book import find_law
from scaling.verdicts import WEAK

if TYPE_CHECKING:
    from scaling.fitting.newton import Progress
    from scaling.results import Fit

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_MANY = 0.5  # of the rows; with more of them censored the curve rests on the shape of the scatter
_SAME = 1e-6  # tolerance of replicates: a spread needs no more


def censored_problem(form: str, batch: Array, steps: Array) -> Problem:
    """Return the problem of a curve of steps, least squares of logarithms.

    Parameters
    ----------
    form : str
        Name of the law.
    batch, steps : ndarray (n,)
        The rows.

    Returns
    -------
    Problem
    """
    law, goal = find_law(form), Objective("squared", "log")
    rows = check_rows(law, {"B": batch}, steps, goal, None, None)
    return make_problem(law, rows, goal, bounds_of(law, ranges(law, rows)))


def fit_censored(
    form: str, batch: Array, steps: Array, censored: Mask, bootstrap: int, seed: int, progress: Progress | None = None
) -> Fit:
    """Fit a curve of steps to rows of which some are censored.

    Parameters
    ----------
    form : str
        Name of the law.
    batch, steps : ndarray (n,)
        The rows; the last step trained where one is censored.
    censored : ndarray of bool (n,)
        Which are.
    bootstrap, seed : int
        Replicates, and the seed of their draws.
    progress : callable, optional
        Told how many replicates are done, and of how many.

    Returns
    -------
    Fit
        Its estimates are the engine's, for the expected steps of censored rows. The residual of a censored row is the
        root of its expected square, so that the scatter of the residuals is that of the likelihood. Degrees of freedom
        are those of the rows that reached the target.
    """
    problem = censored_problem(form, batch, steps)
    first = fit_law(form, {"B": batch}, steps, objective="squared", bootstrap=0, seed=seed)
    start = problem.kernel.to_internal(first.theta[None])
    p = start.shape[1]
    found = solve_censored(problem, np.log(steps)[None], censored[None], start, p)
    sigma = float(found.sigma[0])
    made = fit_law(
        form, {"B": batch}, np.exp(found.expected[0]), objective="squared", bootstrap=0, seed=seed,
        start=dict(zip(first.law.parameter_names, problem.kernel.to_natural(found.theta)[0].tolist(), strict=True)),
    )  # fmt: skip
    theta = problem.kernel.to_internal(made.theta[None])
    mean = np.log(problem.kernel.value(theta, problem.data))[0]
    residuals = np.log(steps) - mean
    jacobian = problem.kernel.jacobian(theta, problem.data)[0] / np.exp(mean)[:, None]
    held = (theta[0] - problem.low <= 1e-9 * (1 + np.abs(theta[0]))) | (problem.high - theta[0] <= 1e-9)
    covariance = np.full((p, p), np.nan)
    inner, share = information(jacobian[:, ~held], residuals / sigma, sigma, censored)
    covariance[np.ix_(~held, ~held)] = inner
    replicates = _replicates(problem, found, mean, np.log(steps), censored, bootstrap, seed, progress)
    judged = _judge(made.diagnostics, problem, batch, residuals, censored, share, covariance, jacobian)
    if bootstrap:
        at_bound = np.any((replicates.theta <= problem.low) | (replicates.theta >= problem.high), axis=1)
        judged = replace(
            judged,
            replicates=bootstrap,
            replicates_converged=float(replicates.converged.mean()),
            replicates_at_bound=float(at_bound.mean()),
        )
    # sigma^2 (n - p) = sum of squares of reached rows + expected squares of censored ones
    expected_square = (found.expected[0] - mean) ** 2 + _variance(residuals / sigma, sigma)
    kept = np.where(censored, np.sqrt(expected_square), residuals)
    support = {**made.support, made.law.output: (float(steps.min()), float(steps.max()))}
    return replace(
        made,
        objective_value=float(np.sum(kept**2)),
        covariance=covariance,
        degrees=float(np.sum(~censored) - p),
        replicates=problem.kernel.to_natural(replicates.theta),
        residuals=kept,
        support=support,
        diagnostics=replace(judged, residual_rms=float(np.sqrt(np.mean(kept**2)))),
        settings={
            **made.settings,
            "bootstrap": bootstrap,
            "resample": "parametric",
            "interval": "percentile" if bootstrap else "t",
            "start": None,
            RECORD: {"sigma": sigma, "censored": np.flatnonzero(censored).tolist()},
        },
    )


def _variance(z: Array, sigma: float) -> Array:
    """Variance of the logarithm of the steps of rows that are censored at z."""
    from scaling.batch_size.censoring import hazard

    rate = hazard(z)
    return np.asarray(sigma**2 * np.clip(1 + z * rate - rate**2, 0.0, 1.0))


def _replicates(
    problem: Problem, found: Censored, mean: Array, last: Array, censored: Mask, count: int, seed: int,
    progress: Progress | None,
) -> Censored:  # fmt: skip
    p = found.theta.shape[1]
    if not count:
        return Censored(np.empty((0, p)), np.empty(0), np.empty((0, len(mean))), np.empty(0, bool))
    drawn, again = draw_censored(mean, float(found.sigma[0]), last, censored, seed, count)
    start = np.repeat(found.theta, count, axis=0)
    replicates = solve_censored(problem, drawn, again, start, p, _SAME)
    if progress is not None:
        progress(count, count)
    return replicates


def _judge(
    made: Diagnostics, problem: Problem, batch: Array, residuals: Array, censored: Mask, share: Array,
    covariance: Array, jacobian: Array,
) -> Diagnostics:  # fmt: skip
    """Judge by the rows that reached the target, where expected steps would flatter the curve or bend it."""
    reached, p = ~censored, len(covariance)
    rounding = 1e-12
    ones = np.ones(int(reached.sum()))
    inputs = {"B": batch[reached]}
    degrees, rms, lack = pure_error(residuals[reached], ones, inputs, p, None, rounding, jacobian[reached])
    limit = np.where(problem.kernel.log_scaled, WIDE_LOG_ERROR, 0.25 * (problem.high - problem.low))
    with np.errstate(invalid="ignore"):
        wide = np.sqrt(np.diag(covariance)) > limit
    concerns = []
    if censored.mean() > _MANY:
        concerns.append(
            (WEAK, f"{int(censored.sum())} of {format_plural(len(censored), 'row')} did not reach the target, so the "
             "curve rests on the shape of the scatter as much as on the steps.")
        )  # fmt: skip
    return replace(
        made,
        enough_rows=bool(share.sum() > p + SPARE_ROWS),
        structure_p=residual_structure(residuals[reached], ones, inputs, p, rounding),
        replicate_degrees=degrees,
        replicate_rms=rms,
        lack_of_fit_p=lack,
        wide=tuple(name for name, w in zip(problem.kernel.names, wide, strict=True) if w),
        concerns=tuple(concerns),
    )
