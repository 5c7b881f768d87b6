"""Minimise over the other parameters while some are held: the core of profile likelihoods."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scaling.fitting.intervals import Covariance
from scaling.fitting.solve import Problem

Array = NDArray[np.float64]

FAR_ERRORS = 20.0  # standard errors at which a profile that has a limit has long closed
_OPEN_ITERATIONS = 40  # an open profile is found on the way down, which need not be followed to its end


@dataclass(frozen=True)
class Calibration:
    """When a rise of the objective is too large for chance.

    Parameters
    ----------
    scale : float
        Twice the rise, divided by this, has a chi-squared distribution (an F distribution, with `degrees`).
    degrees : float
        Of freedom of its denominator.
    robust, plain : ndarray (p, p)
        Covariance of the estimates, and the plain one of `scaling.fitting.intervals.Covariance`; the same object
        where rows have neither groups nor weights that differ.
    """

    scale: float
    degrees: float
    robust: Array
    plain: Array

    def rise(self, columns: list[int], level: float) -> float:
        """Return the rise of the objective at the edge of a region for some parameters.

        Parameters
        ----------
        columns : list of int
            The parameters, k of them.
        level : float
            Coverage.

        Returns
        -------
        float
            ``scale/2 * ratio * k * F(k, degrees)``; NaN where the noise is not known.
        """
        return self.unit(columns) * self.quantile(columns, level)

    def unit(self, columns: list[int]) -> float:
        """Return the rise of the objective that is one unit of the F distribution; NaN where noise is not known."""
        return 0.5 * self.scale * self._widening(columns) * len(columns)

    def _widening(self, columns: list[int]) -> float:
        """By how much clusters or weights widen the distribution of the rise, on average; 1 where that is not known."""
        if self.robust is self.plain:
            return 1.0
        block = np.ix_(columns, columns)
        robust, plain = self.robust[block], self.plain[block]
        if not (np.all(np.isfinite(robust)) and np.all(np.isfinite(plain))):
            return 1.0
        return float(np.trace(np.linalg.solve(plain, robust))) / len(columns)

    def quantile(self, columns: list[int], level: float) -> float:
        """Return the quantile of the F distribution; NaN without degrees of freedom."""
        from scipy.special import fdtri

        return float(fdtri(len(columns), self.degrees, level)) if self.degrees > 0 else float("nan")


def calibrate(spread: Covariance) -> Calibration:
    """Calibrate the rise of an objective.

    Parameters
    ----------
    spread : Covariance
        That of the fit.

    Returns
    -------
    Calibration

    Notes
    -----
    For squared residuals this is the F test of nonlinear regression. For the robust objectives the rise is divided by
    E psi^2 / E psi', which makes twice of it chi-squared (Ronchetti 1982). With clusters, and with weights that differ,
    it is divided by the ratio of the robust to the plain variance as well: right to first order for one parameter; for
    several by the mean eigenvalue of that ratio, which is right for the mean of the distribution (as Rao and Scott 1984
    do for surveys).
    """
    plain = spread.matrix if spread.plain is None else spread.plain
    return Calibration(spread.likelihood_scale, spread.degrees, spread.matrix, plain)


def minimise_held(
    problem: Problem,
    estimate: Array,
    weights: Array,
    columns: list[list[int]],
    values: Array,
    covariance: Array,
    *,
    sweeps: tuple[NDArray[np.int64], ...] = (),
    max_iterations: int = 200,
) -> tuple[Array, Array]:
    """Minimise with parameters held, each row of a batch with its own.

    Parameters
    ----------
    problem : Problem
        The fit.
    estimate : ndarray (p,)
        Its optimum, internal scale.
    weights : ndarray (n,)
        Of the rows.
    columns : list of list of int, (G, k)
        Which parameters each row holds.
    values : ndarray (G, k)
        At what, internal scale.
    covariance : ndarray (p, p)
        Of the estimates; tells where the others go. NaN is taken as unknown.
    sweeps : tuple of ndarray of int (G,)
        Neighbours whose optimum each row is offered as a start; one pass each.
    max_iterations : int
        Of each pass.

    Returns
    -------
    theta : ndarray (G, p)
        Optima.
    objective : ndarray (G,)
        Values there; inf where the law is not defined.
    """
    rows = np.arange(len(columns))
    held = np.array(columns)
    low, high = (np.tile(side, (len(rows), 1)) for side in (problem.low, problem.high))
    low[rows[:, None], held], high[rows[:, None], held] = values, values

    shared = np.broadcast_to(weights, (2 * len(rows), len(weights)))

    def solve(starts: Array) -> tuple[Array, Array]:
        count = len(starts) // len(rows)
        boxes = replace(problem, low=np.tile(low, (count, 1)), high=np.tile(high, (count, 1)))
        boxed = np.clip(starts, boxes.low, boxes.high)
        minima = boxes.solve(boxed, shared[: len(starts)], far=False, max_iterations=max_iterations)
        value = np.where(np.isfinite(minima.objective), minima.objective, np.inf).reshape(count, len(rows))
        best = np.argmin(value, axis=0)
        return minima.theta.reshape(count, len(rows), -1)[best, rows], value[best, rows]

    moved = np.tile(estimate, (len(rows), 1))
    known = np.where(np.isfinite(covariance), covariance, 0.0)
    for i, (which, value) in enumerate(zip(columns, values, strict=True)):
        block = known[np.ix_(which, which)]
        if np.all(np.diag(block) > 0):
            moved[i] += known[:, which] @ np.linalg.lstsq(block, value - estimate[which], rcond=None)[0]
    theta, objective = solve(np.concatenate([moved, np.tile(estimate, (len(rows), 1))]))
    for neighbour in sweeps:
        found, value = solve(theta[neighbour])
        better = value < objective
        theta[better], objective[better] = found[better], value[better]
    return theta, objective


def open_parameters(
    problem: Problem,
    estimate: Array,
    objective: float,
    weights: Array,
    spread: Covariance,
    calibration: Calibration,
    suspects: tuple[int, ...],
    level: float = 0.95,
) -> tuple[int, ...]:
    """Tell which profile likelihoods do not close, from two points each, all in one batch.

    Parameters
    ----------
    problem : Problem
        The fit.
    estimate : ndarray (p,)
        Its optimum, internal scale.
    objective : float
        Its value.
    weights : ndarray (n,)
        Of the rows.
    spread : Covariance
        Of the estimates.
    calibration : Calibration
        Of the objective.
    suspects : tuple of int
        The parameters to look at.
    level : float
        Of the profile.

    Returns
    -------
    tuple of int
        Those of them that fit about as well at a bound, or 20 standard errors away. Those that a bound holds anyway are
        left out.
    """
    error = np.sqrt(np.diag(spread.matrix))
    points: list[tuple[int, float]] = []
    for j in suspects:
        value, low, high = estimate[j], problem.low[j], problem.high[j]
        if value <= low or value >= high:
            continue
        reach = FAR_ERRORS * error[j] if np.isfinite(error[j]) else np.inf
        points += [(j, side) for side in (max(low, value - reach), min(high, value + reach)) if np.isfinite(side)]
    columns = [[j] for j, _ in points]
    limits = np.array([objective + calibration.rise(c, level) for c in columns])
    if not points or not np.all(np.isfinite(limits)):
        return ()
    values = np.array([[side] for _, side in points])
    _, found = minimise_held(
        problem, estimate, weights, columns, values, spread.matrix, max_iterations=_OPEN_ITERATIONS
    )
    return tuple(sorted({j for (j, _), value, most in zip(points, found, limits, strict=True) if value < most}))
