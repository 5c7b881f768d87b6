"""Walk along the profile of a parameter: choose the points, extend them until it closes, and find its ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.fitting.checks import bounds_of, check_rows, make_problem, ranges
from scaling.fitting.held import Calibration, calibrate, minimise_held
from scaling.fitting.intervals import Covariance, covariance
from scaling.fitting.judge import held_by_bounds, residual_jacobian
from scaling.fitting.penalty import read_penalty
from scaling.fitting.solve import Problem

if TYPE_CHECKING:
    from scaling.results import Fit

Array = NDArray[np.float64]

_NEAR = np.linspace(-5, 5, 41)  # where the profile is worked out first, in standard errors
_FARTHER = np.array([6.5, 8.5, 11, 14, 18, 24, 32, 45, 65, 100, 200])
_REFINEMENTS = 6  # secant steps to each end; the signed root of the rise is nearly straight there
_SAME_FIT = 1e-6  # relative difference of objectives above which rows are not those of the fit


@dataclass(frozen=True)
class Setting:
    """A fit with its rows, ready to be profiled.

    Parameters
    ----------
    problem : Problem
        What was minimised.
    theta : ndarray (p,)
        Its optimum, internal scale.
    value : float
        The objective there.
    weights : ndarray (n,)
        Of the rows.
    spread : Covariance
        Of the estimates.
    calibration : Calibration
        When a rise of the objective is too large for chance.
    method : str
        The same in words.
    """

    problem: Problem
    theta: Array
    value: float
    weights: Array
    spread: Covariance
    calibration: Calibration
    method: str

    @classmethod
    def of(
        cls,
        fit: Fit,
        inputs: Mapping[str, ArrayLike],
        observed: ArrayLike,
        weights: ArrayLike | None,
        groups: ArrayLike | None,
    ) -> Setting:
        """Check that rows are those of a fit, and make its problem again; see `scaling.profile_likelihood`."""
        fit.require_fitted("they give no profile likelihood of it")
        goal = fit.objective
        rows = check_rows(fit.law, inputs, observed, goal, weights, groups)
        names = fit.law.parameter_names
        pull = read_penalty(fit.settings.get("penalty"), names, fit.log_scaled)
        problem = make_problem(fit.law, rows, goal, bounds_of(fit.law, ranges(fit.law, rows)), pull)
        theta = problem.kernel.to_internal(fit.theta)
        value = float(problem.values(theta[None], rows.weights[None])[0])
        noise = problem.rounding(rows.weights[None])
        same = abs(value - fit.objective_value) <= _SAME_FIT * abs(fit.objective_value) + 100 * noise
        if rows.n != fit.n_obs or not same or tuple(problem.kernel.log_scaled) != fit.log_scaled:
            raise InputDataError(
                f"these {rows.n} rows are not those of the fit: its objective is {fit.objective_value:g} over "
                f"{fit.n_obs} rows, here it is {value:g}",
                hint="Give the rows, weights and objective that were fitted.",
            )
        residuals = goal.residuals(rows.observed, problem.kernel.value(theta[None], problem.data)[0])
        jacobian = residual_jacobian(problem, theta)
        free = ~held_by_bounds(problem, theta)
        spread = covariance(jacobian, residuals, rows.weights, goal, free, rows.groups, problem.pull(rows.weights))
        calibration = calibrate(spread)
        test = "F test" if goal.name == "squared" else "likelihood-ratio test of the robust objective"
        robust = "cluster-robust" if rows.groups is not None else "weight-robust"
        scaled = f", scaled to the {robust} variance" if spread.sandwich else ""
        method = f"profile likelihood, {test} with {spread.degrees:g} degrees of freedom{scaled}"
        return cls(problem, theta, value, rows.weights, spread, calibration, method)

    def column(self, name: str) -> int:
        """Return the place of a parameter."""
        names = self.problem.kernel.names
        if name not in names:
            raise UsageError(f"the law has no parameter '{name}'", hint=did_you_mean(name, names))
        return names.index(name)

    def rise(self, columns: list[int], level: float) -> float:
        """Return the rise of the objective at the edge of a region; refuse where noise is not known."""
        rise = self.calibration.rise(columns, level)
        if not (np.isfinite(rise) and rise > 0):
            raise InputDataError(
                "a profile likelihood is compared with the noise, but these rows leave none to judge by",
                hint="Add runs: there must be more rows than parameters, and some scatter.",
            )
        return rise

    def walk(self, j: int, rise: float, grid: ArrayLike | None) -> tuple[Array, Array, Array]:
        """Profile along one parameter: points (internal), objective, and all parameters, in rising order."""
        if grid is not None:
            return self._solve(j, self._checked(j, grid), np.empty(0), np.empty(0), np.empty((0, len(self.theta))))
        centre, step = self.theta[j], self._step(j)
        points, found, theta = self._solve(j, self._inside(j, centre + step * _NEAR), *self._nothing())
        farther = [
            np.append(centre + side * step * _FARTHER, bound[np.isfinite(bound)])
            for side, at, bound in ((-1, 0, self.problem.low[[j]]), (1, -1, self.problem.high[[j]]))
            if found[at] < self.value + rise and points[at] != bound
        ]
        if farther:
            points, found, theta = self._solve(j, self._inside(j, np.concatenate(farther)), points, found, theta)
        for _ in range(_REFINEMENTS):
            ends = [self.crossing(points, found, rise, side) for side in (-1, 1)]
            fresh = np.array([e for e in ends if e is not None and np.min(np.abs(points - e)) > 1e-6 * step])
            if not fresh.size:
                break
            points, found, theta = self._solve(j, fresh, points, found, theta, sweep=False)
        return points, found, theta

    def better(self, found: Array, theta: Array, rise: float) -> dict[str, float]:
        """Return parameters at which the law fits better than at the optimum of the fit; empty where there are none.

        Parameters
        ----------
        found : ndarray (G,)
            Objective with parameters held.
        theta : ndarray (G, p)
            All parameters there, internal scale.
        rise : float
            Of the objective at the edge of the region.

        Returns
        -------
        dict of str to float
            Natural units, of the smallest objective. An objective lower by less than a hundredth of the rise, or by
            less than tells two fits apart, moves no interval and is left unsaid.
        """
        best = int(np.argmin(found))
        least = max(0.01 * rise, _SAME_FIT * abs(self.value), 100 * self.problem.rounding(self.weights[None]))
        if not self.value - float(found[best]) > least:
            return {}
        natural = self.problem.kernel.to_natural(theta[best])
        return dict(zip(self.problem.kernel.names, natural.tolist(), strict=True))

    def crossing(self, points: Array, found: Array, rise: float, side: int) -> float | None:
        """Return where the profile passes its limit on a side, or None."""
        floor = min(self.value, float(found.min()))
        return _crossing(points, found, floor, floor + rise, side)

    def end(self, j: int, points: Array, found: Array, rise: float, side: int) -> tuple[bool, float]:
        """Return whether the profile closes on a side, and where; the bound or infinity where it does not."""
        at = self.crossing(points, found, rise, side)
        full = self.theta.copy()
        full[j] = at if at is not None else (self.problem.low if side < 0 else self.problem.high)[j]
        return at is not None, float(self.problem.kernel.to_natural(full)[j])

    def axis(self, j: int, rise: float, size: int) -> Array:
        """Points along one axis of a region: a tenth beyond where the profile of the parameter alone closes."""
        points, found, _ = self.walk(j, rise, None)
        ends = [self.crossing(points, found, rise, side) for side in (-1, 1)]
        low = float(points[0] if ends[0] is None else ends[0])
        high = float(points[-1] if ends[1] is None else ends[1])
        margin = 0.1 * (high - low)
        low, high = max(low - margin, float(self.problem.low[j])), min(high + margin, float(self.problem.high[j]))
        return np.linspace(low, high, size)

    def _solve(
        self, j: int, fresh: Array, points: Array, found: Array, theta: Array, sweep: bool = True
    ) -> tuple[Array, Array, Array]:
        near = np.arange(len(fresh))
        sweeps = (np.maximum(near - 1, 0), np.minimum(near + 1, len(near) - 1)) if sweep else ()
        order = np.argsort(fresh, kind="stable")
        at, value = minimise_held(
            self.problem, self.theta, self.weights, [[j]] * len(fresh), fresh[order, None],
            self.spread.matrix, sweeps=sweeps,
        )  # fmt: skip
        points = np.concatenate([points, fresh[order]])
        found, theta = np.concatenate([found, value]), np.concatenate([theta, at])
        order = np.argsort(points, kind="stable")
        return points[order], found[order], theta[order]

    def _nothing(self) -> tuple[Array, Array, Array]:
        return np.empty(0), np.empty(0), np.empty((0, len(self.theta)))

    def _inside(self, j: int, points: Array) -> Array:
        return np.unique(np.clip(points, self.problem.low[j], self.problem.high[j]))

    def _step(self, j: int) -> float:
        """A standard error, or what stands for one where it is not known."""
        with np.errstate(invalid="ignore"):
            error = float(np.sqrt(self.spread.matrix[j, j]))
        room = float(self.problem.high[j] - self.problem.low[j])
        if np.isfinite(error) and error > 0:
            return min(error, room / 10) if np.isfinite(room) else error
        return room / 50 if np.isfinite(room) else 0.1 * max(1.0, abs(float(self.theta[j])))

    def _checked(self, j: int, grid: ArrayLike) -> Array:
        natural = np.unique(np.atleast_1d(np.asarray(grid, float)))
        full = np.tile(self.problem.kernel.to_natural(self.theta), (len(natural), 1))
        full[:, j] = natural
        points = self.problem.kernel.to_internal(full)[:, j]
        if len(points) < 3 or not np.all(np.isfinite(points)):
            raise UsageError("a grid needs at least 3 finite values that the parameter may take")
        if points[0] < self.problem.low[j] or points[-1] > self.problem.high[j]:
            raise UsageError("a value of the grid lies outside the bounds of the parameter")
        if not points[0] < self.theta[j] < points[-1]:
            raise UsageError("the estimate does not lie inside the grid")
        return points


def _crossing(points: Array, found: Array, floor: float, limit: float, side: int) -> float | None:
    """Where the profile passes the limit for the last time on a side, by the root of its rise; None if never."""
    inside = np.flatnonzero(found <= limit)
    if not inside.size:
        return None
    last = inside[0] if side < 0 else inside[-1]
    beyond = last + side
    if not 0 <= beyond < len(points):
        return None
    if not np.isfinite(found[beyond]):  # the law ends there
        return float(points[last])
    a, b, goal = (float(np.sqrt(max(v - floor, 0.0))) for v in (found[last], found[beyond], limit))
    share = (goal - a) / (b - a) if b > a else 0.0
    return float(points[last] + share * (points[beyond] - points[last]))
