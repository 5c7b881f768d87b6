"""Gather what is known about a fit into its diagnostics."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scaling.fitting.bootstrap import Replicates
from scaling.fitting.checks import Rows, design_points
from scaling.fitting.diagnostics import FEW_REPLICATES, SPARE_ROWS, WIDE_LOG_ERROR, Diagnostics
from scaling.fitting.held import calibrate, open_parameters
from scaling.fitting.intervals import Covariance
from scaling.fitting.newton import Minima
from scaling.fitting.residual_tests import line_slope, pure_error, residual_structure
from scaling.fitting.solve import Problem

Array = NDArray[np.float64]

_SAME = 1e-9  # relative difference below which two objectives are one optimum
# Signs that a profile may stay open; to look at all parameters of every fit would cost more than the fit. Designs
# that cross sizes with lengths over a decade stay far below both, and where neither shows none was found open.
_SUSPECT_CONDITION = 1e4
_SUSPECT_ERROR = 0.25  # of the errors that count as wide


def judge(
    problem: Problem,
    rows: Rows,
    minima: Minima,
    residuals: Array,
    jacobian: Array,
    spread: Covariance,
    replicates: Replicates,
) -> Diagnostics:
    """Work out the diagnostics of a fit.

    Parameters
    ----------
    problem : Problem
        What was minimised.
    rows : Rows
        Its data.
    minima : Minima
        Where the starts ended.
    residuals, jacobian : ndarray (n,) and (n, p)
        At the best of them.
    spread : Covariance
        Of the estimates.
    replicates : Replicates
        Of the bootstrap, if any.

    Returns
    -------
    Diagnostics
    """
    goal = problem.objective
    names, w, n, p = problem.kernel.names, rows.weights, rows.n, len(problem.kernel.names)
    best = int(np.argmin(minima.objective))
    theta, value = minima.theta[best], float(minima.objective[best])
    same = minima.objective <= value + _SAME * abs(value) + problem.rounding(w[None])
    held = held_by_bounds(problem, theta)
    rounding = 1e-12 * float(np.max(goal.unit(rows.observed)))
    correlation, pair = _largest_correlation(spread.matrix, names)
    amplitude, amplitude_pair = _amplitude_correlation(spread.matrix, jacobian, rows, problem.kernel.log_scaled, names)
    limit = np.where(problem.kernel.log_scaled, WIDE_LOG_ERROR, 0.25 * (problem.high - problem.low))
    error = np.sqrt(np.diag(spread.matrix))
    constant = tuple(k for k, v in rows.inputs.items() if np.ptp(v) <= 1e-9 * np.max(np.abs(v)))
    slope = line_slope(rows.inputs)
    opened: tuple[int, ...] = ()
    if not constant and not slope > 0 and p < n and spread.condition_number < np.inf:
        every = spread.condition_number > _SUSPECT_CONDITION or n <= p + SPARE_ROWS
        suspects = np.arange(p) if every else np.flatnonzero(error > _SUSPECT_ERROR * limit)
        calibration = calibrate(spread)
        opened = open_parameters(problem, theta, value, w, spread, calibration, tuple(suspects.tolist()))
    points = int(design_points(rows.inputs).max()) + 1
    degrees, rms, lack_of_fit = pure_error(residuals, w, rows.inputs, p, rows.groups, rounding, jacobian[:, ~held])
    if goal.lopsided:  # a law that is right does not meet the means of repeated rows there, and nothing can be said
        lack_of_fit = float("nan")
    return Diagnostics(
        converged=bool(minima.converged[best]),
        starts=len(minima.theta),
        starts_at_optimum=int(same.sum()),
        enough_rows=n > p + SPARE_ROWS,
        points=points,
        enough_points=points > p + SPARE_ROWS,
        constant_inputs=constant,
        at_bound=tuple(name for name, h in zip(names, held, strict=True) if h),
        condition_number=spread.condition_number,
        largest_correlation=correlation,
        correlated=pair,
        wide=tuple(name for name, e, most in zip(names, _larger(error, replicates), limit, strict=True) if e > most),
        residual_rms=float(np.sqrt(np.average(residuals**2, weights=w))),
        structure_p=residual_structure(
            residuals, w, rows.inputs, p, rounding, goal.lopsided_scores(residuals, w, jacobian[:, ~held]), rows.groups
        ),
        replicates=len(replicates.theta),
        replicates_converged=replicates.converged,
        replicates_at_bound=replicates.at_bound,
        groups=0 if rows.groups is None else int(rows.groups.max()) + 1,
        groups_of_one=0 if rows.groups is None else int(np.sum(np.bincount(rows.groups) == 1)),
        line_slope=slope,
        amplitude_correlation=amplitude,
        amplitude_pair=amplitude_pair,
        profile_open=tuple(names[j] for j in opened),
        replicate_degrees=degrees,
        replicate_rms=rms,
        lack_of_fit_p=lack_of_fit,
    )


def _larger(error: Array, replicates: Replicates) -> Array:
    """Take the standard errors (p,), or half the central 68 % of the replicates where these scatter more."""
    if len(replicates.theta) < FEW_REPLICATES:
        return error
    low, high = np.quantile(replicates.theta, [0.158655, 0.841345], axis=0)
    return np.where(np.isnan(error), error, np.fmax(error, (high - low) / 2))


def held_by_bounds(problem: Problem, theta: Array) -> NDArray[np.bool_]:
    """Tell which parameters (p,) lie at a bound."""
    near = 1e-9 * (1 + np.abs(theta))
    return (theta - problem.low <= near) | (problem.high - theta <= near)


def residual_jacobian(problem: Problem, theta: Array) -> Array:
    """Return the derivatives of the residuals, (n, p), with respect to the internal parameters (p,)."""
    slopes = -problem.kernel.jacobian(theta[None], problem.data)[0]
    return problem.objective.slopes_on_scale(slopes, problem.kernel.value(theta[None], problem.data)[0])


def _largest_correlation(matrix: Array, names: tuple[str, ...]) -> tuple[float, tuple[str, ...]]:
    error = np.sqrt(np.diag(matrix))
    with np.errstate(all="ignore"):
        size = np.abs(matrix / np.outer(error, error))
    np.fill_diagonal(size, np.nan)
    if not np.any(np.isfinite(size)):
        return float("nan"), ()
    i, j = np.unravel_index(np.nanargmax(size), size.shape)
    return float(min(size[i, j], 1.0)), (names[i], names[j])


def _amplitude_correlation(
    matrix: Array, jacobian: Array, rows: Rows, log_scaled: NDArray[np.bool_], names: tuple[str, ...]
) -> tuple[float, tuple[str, ...]]:
    """Correlation of an amplitude and an exponent, the amplitude moved to where both act on the rows least alike.

    The effect of an exponent on the rows is that of its amplitude times the logarithm of an input; that is how the two
    are found, whatever the units. The amplitude at the point where that logarithm is zero on average is c + m * t, with
    m from the regression of one effect on the other. What correlation is left comes from the other parameters, a floor
    above all.
    """
    best = float("nan")
    pair: tuple[str, ...] = ()
    logs = [np.log(v) for v in rows.inputs.values() if v.min() > 0 and np.ptp(v) > 0]
    design = np.stack([np.ones(rows.n), *logs], axis=1)
    for c in np.flatnonzero(log_scaled):
        effect = jacobian[:, c]
        if not logs or not np.all(np.abs(effect) > 0):
            continue
        for t in np.flatnonzero(~log_scaled):
            ratio = jacobian[:, t] / effect
            around = ratio - ratio.mean()
            if not np.all(np.isfinite(ratio)) or not np.ptp(ratio) > 0:
                continue
            left = ratio - design @ np.linalg.lstsq(design, ratio, rcond=None)[0]
            if np.sum(left**2) > 1e-12 * np.sum(around**2):
                continue
            square = rows.weights * effect**2
            m = float(np.sum(square * ratio) / np.sum(square))
            variance = matrix[c, c] + 2 * m * matrix[c, t] + m * m * matrix[t, t]
            with np.errstate(all="ignore"):
                size = abs(matrix[c, t] + m * matrix[t, t]) / np.sqrt(variance * matrix[t, t])
            if np.isfinite(size) and not size <= best:
                best, pair = float(min(size, 1.0)), (names[c], names[t])
    return best, pair
