"""Runs that ended before the target: they say that the steps are more than their last, and are not left out.

Logarithms of steps are taken as normal around the curve. A row that never reached the target has its steps censored
from the right at its last step (Tobin 1958). The likelihood is raised by expectation and maximisation: the expected
logarithm of the steps, given that they exceed the last, is put in the place of each censored row, and the engine fits
the curve to them by least squares; a whole bootstrap is one batch of problems a round.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scaling.fitting.solve import Problem

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_ROUNDS = 2000
_LEAST_SIGMA = 1e-9  # rows that lie on the curve leave no scatter to divide by
_LOG_ROOT_2PI = 0.5 * float(np.log(2 * np.pi))
_STEPS = 20  # of Newton's method a round; warm starts need two or three


@dataclass(frozen=True)
class Censored:
    """Curves fitted to rows of which some are censored.

    Parameters
    ----------
    theta : ndarray (R, p)
        Internal parameters.
    sigma : ndarray (R,)
        Scatter of the logarithms.
    expected : ndarray (R, n)
        Expected logarithms of the steps; those observed where a row is not censored.
    converged : ndarray of bool (R,)
        Whether a round changes nothing any more.
    """

    theta: Array
    sigma: Array
    expected: Array
    converged: Mask


def solve_censored(
    problem: Problem, log_steps: Array, censored: Mask, start: Array, spent: int, tolerance: float = 1e-9
) -> Censored:
    """Fit curves to rows of which some are censored.

    Parameters
    ----------
    problem : Problem
        The law with its data; squared residuals of logarithms.
    log_steps : ndarray (R, n)
        Logarithms of the steps, or of the last step of censored rows; one problem a row.
    censored : ndarray of bool (R, n)
        Which are.
    start : ndarray (R, p)
        Internal parameters.
    spent : int
        Degrees of freedom taken out of the scatter: the number of parameters, with which it is that of least squares
        where nothing is censored; 0 for the maximum of the likelihood.
    tolerance : float, default 1e-9
        Change of any internal parameter or of the logarithm of the scatter at which a curve has arrived.

    Returns
    -------
    Censored

    Notes
    -----
    The scatter solves ``sum(r^2 of reached rows) + sum(E[r^2] of censored rows) = (n - spent) sigma^2``, which with
    spent = 0 is the equation of the likelihood. Steps of the rounds are lengthened where three of them lie on a
    geometric sequence (Varadhan and Roland 2008), since plain rounds slow down as more rows are censored.
    """
    count = len(log_steps)
    theta = np.array(start, float)
    mean = np.log(problem.kernel.value(theta, problem.data))
    reached = np.where(censored, 0.0, (log_steps - mean) ** 2)
    sigma = np.sqrt(np.maximum(reached.sum(axis=1) / np.maximum((~censored).sum(axis=1) - spent, 1), 1e-4))
    state = np.column_stack([theta, np.log(sigma)])
    done = np.zeros(count, bool)

    def once(at: Array, rows: NDArray[np.int64]) -> Array:
        return _round(problem, log_steps[rows], censored[rows], at, spent)

    for _ in range(_ROUNDS // 3):
        rows = np.flatnonzero(~done)
        if not rows.size:
            break
        first = once(state[rows], rows)
        second = once(first, rows)
        step, bend = first - state[rows], second - 2 * first + state[rows]
        size, curve = np.linalg.norm(step, axis=1), np.linalg.norm(bend, axis=1)
        length = np.clip(np.divide(size, curve, out=np.ones(len(rows)), where=curve > 0), 1.0, 50.0)[:, None]
        leap = state[rows] + 2 * length * step + length**2 * bend
        leap[:, :-1] = np.clip(leap[:, :-1], problem.low, problem.high)
        leap = np.where(np.all(np.isfinite(leap), axis=1)[:, None], leap, second)
        # A leap that overshoots is undone by falling back on the plain rounds.
        kept = _likelihood(problem, log_steps[rows], censored[rows], leap, spent) >= _likelihood(
            problem, log_steps[rows], censored[rows], second, spent
        )
        third = once(np.where(kept[:, None], leap, second), rows)
        done[rows] = np.max(np.abs(second - first), axis=1) <= tolerance
        state[rows] = third
    theta, sigma = state[:, :-1], np.exp(state[:, -1])
    expected, _ = _expect(problem, log_steps, censored, theta, sigma)
    return Censored(theta, sigma, expected, done)


def hazard(z: Array) -> Array:
    """Density of the normal distribution over the chance to exceed z, for any z."""
    from scipy.special import log_ndtr

    return np.asarray(np.exp(-0.5 * z**2 - _LOG_ROOT_2PI - log_ndtr(-z)))


def log_likelihood(problem: Problem, log_steps: Array, censored: Mask, theta: Array, sigma: Array) -> Array:
    """Log-likelihood of curves.

    Parameters
    ----------
    problem, log_steps, censored
        As of `solve_censored`.
    theta : ndarray (R, p)
        Internal parameters.
    sigma : ndarray (R,)
        Scatter.

    Returns
    -------
    ndarray (R,)
        Of logarithms of steps.
    """
    from scipy.special import log_ndtr

    z = (log_steps - np.log(problem.kernel.value(theta, problem.data))) / sigma[:, None]
    density = -0.5 * z**2 - _LOG_ROOT_2PI - np.log(sigma)[:, None]
    return np.asarray(np.sum(np.where(censored, log_ndtr(-z), density), axis=1))


def information(jacobian: Array, z: Array, sigma: float, censored: Mask) -> tuple[Array, Array]:
    """Work out how much the rows say.

    Parameters
    ----------
    jacobian : ndarray (n, p)
        Derivatives of the logarithm of the curve.
    z : ndarray (n,)
        Residuals of the logarithms, or of the last steps, over sigma.
    sigma : float
        Scatter.
    censored : ndarray of bool (n,)
        Which rows are.

    Returns
    -------
    matrix : ndarray (p, p)
        Covariance of the parameters, the scatter estimated with them; NaN where it is not determined.
    share : ndarray (n,)
        What each row says of the curve, as a share of a row that reached the target.
    """
    rate = hazard(z)
    bent = rate * (rate - z)
    share = np.where(censored, bent, 1.0)
    crossed = np.where(censored, rate + z * bent, 2 * z)
    of_sigma = np.where(censored, z * rate + z**2 * bent, 2 * z**2)
    p = jacobian.shape[1]
    full = np.empty((p + 1, p + 1))
    full[:p, :p] = jacobian.T @ (share[:, None] * jacobian)
    full[:p, p] = full[p, :p] = jacobian.T @ crossed
    full[p, p] = of_sigma.sum()
    scale = np.sqrt(np.maximum(np.diag(full), 1e-300))
    scaled = full / np.outer(scale, scale)
    if not np.all(np.isfinite(scaled)) or not np.min(np.linalg.eigvalsh(scaled)) > 1e-14:
        return np.full((p, p), np.nan), share
    inverse = np.linalg.inv(scaled) / np.outer(scale, scale)
    return np.asarray(sigma**2 * inverse[:p, :p]), share


def draw_censored(mean: Array, sigma: float, last: Array, censored: Mask, seed: int, count: int) -> tuple[Array, Mask]:
    """Draw the rows of a parametric bootstrap.

    Parameters
    ----------
    mean : ndarray (n,)
        The curve, logarithms.
    sigma : float
        Scatter.
    last : ndarray (n,)
        Logarithms of the last step of censored rows; others are not read.
    censored : ndarray of bool (n,)
        Rows that end at `last` in every replicate, and are censored again where the steps drawn are more. The others
        are seen in full, because how long they could have been trained is not known.
    seed, count : int
        Of the draws, and how many; each replicate has its own stream.

    Returns
    -------
    log_steps : ndarray (count, n)
        Drawn.
    censored : ndarray of bool (count, n)
        Of each.
    """
    drawn = np.empty((count, len(mean)))
    for i, row in enumerate(drawn):
        row[:] = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(i,))).standard_normal(len(mean))
    drawn = mean + sigma * drawn
    again = censored & (drawn > last)
    return np.where(again, last, drawn), again


def _round(problem: Problem, log_steps: Array, censored: Mask, state: Array, spent: int) -> Array:
    """One round for curves (R, p + 1), the logarithm of the scatter last."""
    theta, sigma = state[:, :-1], np.exp(state[:, -1])
    expected, variance = _expect(problem, log_steps, censored, theta, sigma)
    filled = replace(problem, observed=np.exp(expected))
    theta = filled.solve(theta, np.ones_like(expected), far=False, max_iterations=_STEPS).theta
    mean = np.log(problem.kernel.value(theta, problem.data))
    square = np.sum((expected - mean) ** 2 + variance, axis=1) / max(log_steps.shape[1] - spent, 1)
    return np.column_stack([theta, 0.5 * np.log(np.maximum(square, _LEAST_SIGMA**2))])


def _expect(problem: Problem, log_steps: Array, censored: Mask, theta: Array, sigma: Array) -> tuple[Array, Array]:
    """Expected logarithms of steps (R, n), and their variance, both 0 scatter where a row is not censored."""
    mean = np.log(problem.kernel.value(theta, problem.data))
    width = sigma[:, None]
    z = np.where(censored, (log_steps - mean) / width, 0.0)
    rate = hazard(z)
    expected = np.where(censored, mean + width * rate, log_steps)
    variance = np.where(censored, width**2 * np.clip(1 + z * rate - rate**2, 0.0, 1.0), 0.0)
    return expected, variance


def _likelihood(problem: Problem, log_steps: Array, censored: Mask, state: Array, spent: int) -> Array:
    """What the rounds climb (R,): the likelihood with `spent` rows' worth of scatter taken out; -inf for no number."""
    sigma = np.exp(np.clip(state[:, -1], np.log(_LEAST_SIGMA), 700.0))
    with np.errstate(all="ignore"):
        value = log_likelihood(problem, log_steps, censored, state[:, :-1], sigma) + spent * np.log(sigma)
    return np.where(np.isfinite(value), value, -np.inf)
