"""A law, data and an objective as one problem; solve it for whole batches of starts and of weight rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scaling.fitting.compile import Data, Kernel
from scaling.fitting.newton import Minima, Progress, minimise
from scaling.fitting.objective import Objective

Array = NDArray[np.float64]

# A chunk of (B, n) arrays should stay in the cache of one core: 2-3 times faster than larger ones.
_CHUNK_ELEMENTS = 128 * 240
# Least absolute deviations are reached through Huber objectives of shrinking delta; the last is far below any residual.
_LAD_DELTAS = 10.0 ** -np.arange(0, 11)
# Replicates describe a spread, which four digits of the optimum do not move.
_LAD_DELTAS_REPLICATE = 10.0 ** -np.arange(0, 4)


@dataclass(frozen=True)
class Problem:
    """What is to be minimised.

    Parameters
    ----------
    kernel : Kernel
        The compiled law.
    data : Data
        Its inputs, n rows.
    observed : ndarray (n,)
        What it should predict.
    objective : Objective
        What is summed.
    low, high : ndarray (p,)
        Bounds of the internal parameters.
    """

    kernel: Kernel
    data: Data
    observed: Array
    objective: Objective
    low: Array
    high: Array

    def losses(self, theta: Array) -> Array:
        """Loss of every row for every parameter row: (B, n), inf outside the domain."""
        return self.objective.rho(self.objective.residuals(self.observed, self.kernel.value(theta, self.data)))

    def values(self, theta: Array, weights: Array) -> Array:
        """Objective of parameters (B, p) with weights (B, n): (B,)."""
        with np.errstate(invalid="ignore"):  # a weight of zero on a row outside the domain
            return np.asarray(np.sum(weights * self.losses(theta), axis=1))

    def rounding(self, weights: Array) -> float:
        """Objective that rounding alone leaves when the law fits perfectly."""
        log = self.objective.residual == "log"
        size = np.maximum(np.abs(np.log(self.observed)) if log else np.abs(self.observed), 1.0 if log else 1e-300)
        return float(np.mean(weights, axis=0) @ self.objective.rho(2e-16 * size))

    def solve(self, theta: Array, weights: Array, *, far: bool, progress: Progress | None = None) -> Minima:
        """Minimise every row.

        Parameters
        ----------
        theta : ndarray (B, p)
            Starts.
        weights : ndarray (B, n)
            One row a problem.
        far : bool
            Whether the starts may be far from the optimum.
        progress : callable, optional
            Told after each iteration how many rows are done, and of how many.

        Returns
        -------
        Minima
        """
        solve = self._solve_lad if self.objective.name == "lad" else self._solve_smooth
        return solve(theta, weights, far, progress)

    def _solve_smooth(
        self,
        theta: Array,
        weights: Array,
        far: bool,
        progress: Progress | None = None,
        max_iterations: int = 200,
    ) -> Minima:
        # One active set for the whole batch, so that no chunk waits for its slowest row; only the sums over the data
        # are cut, to stay in the cache.
        size = max(1, _CHUNK_ELEMENTS // self.data.n)

        def chunks(rows: NDArray[np.int64]) -> list[slice]:
            return [slice(i, i + size) for i in range(0, len(rows), size)]

        def evaluate(at: Array, rows: NDArray[np.int64]) -> Array:
            return np.concatenate([self.values(at[c], weights[rows[c]]) for c in chunks(rows)])

        def derivatives(at: Array, rows: NDArray[np.int64]) -> tuple[Array, Array, Array, Array]:
            parts = [
                self.kernel.contract(at[c], self.data, self.objective.weigher(self.observed, weights[rows[c]]))
                for c in chunks(rows)
            ]
            objective, gradient, gauss, hessian = (np.concatenate(part) for part in zip(*parts, strict=True))
            return objective, gradient, gauss, hessian

        return minimise(
            theta, evaluate, derivatives, self.low, self.high, floor=self.rounding(weights), always_both=far,
            damping=1e-3 if far else 1e-6, max_iterations=max_iterations, progress=progress,
        )  # fmt: skip

    def _solve_lad(self, theta: Array, weights: Array, far: bool, progress: Progress | None) -> Minima:
        """Follow the Huber optimum as delta shrinks; keep the best sum of absolute residuals met on the way."""
        scale = float(np.median(np.min(np.abs(self._residuals(theta)), axis=0))) or 1e-8
        best = Minima(theta.copy(), self.values(theta, weights), np.zeros(len(theta), bool), 0)
        for delta in scale * (_LAD_DELTAS if far else _LAD_DELTAS_REPLICATE):
            huber = replace(self, objective=Objective("huber", self.objective.residual, float(delta)))
            minima = huber._solve_smooth(theta, weights, far, progress, max_iterations=200 if far else 40)
            theta, value = minima.theta, self.values(minima.theta, weights)
            lower = value <= best.objective
            best = Minima(
                np.where(lower[:, None], theta, best.theta),
                np.where(lower, value, best.objective),
                best.converged | minima.converged,
                best.iterations + minima.iterations,
            )
        return best

    def _residuals(self, theta: Array) -> Array:
        return self.objective.residuals(self.observed, self.kernel.value(theta, self.data))
