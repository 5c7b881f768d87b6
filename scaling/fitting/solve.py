"""A law, data and an objective as one problem; solve it for whole batches of starts and of weight rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scaling.fitting.compile import Data, Kernel
from scaling.fitting.corners import meet_rows
from scaling.fitting.newton import Derivatives, Evaluate, Minima, Progress, minimise, refine, to_linear_optimum
from scaling.fitting.objective import Objective
from scaling.fitting.penalty import Penalty
from scaling.fitting.straight import StraightLine, straight_line

Array = NDArray[np.float64]

# A chunk of (B, n) arrays should stay in the cache of one core: 2-3 times faster than larger ones.
_CHUNK_ELEMENTS = 128 * 240
# Weights of replicates held at once, 32 MB: those of 4000 replicates of 1000 rows, or of 40 of 100,000.
_BLOCK_ELEMENTS = 4_000_000
_PATIENCE = 100  # iterations of variable projection; NIST's problems need 42 at most
_NEAR = 10  # iterations that starts near an optimum may take before they count as slow; most take five
# Objectives with a corner are reached through rounded ones of shrinking width; the last is far below any residual.
_WIDTHS = 10.0 ** -np.arange(0, 11)
# Replicates describe a spread, which four digits of the optimum do not move.
_WIDTHS_REPLICATE = 10.0 ** -np.arange(0, 4)


@dataclass(frozen=True)
class Problem:
    """What is to be minimised.

    Parameters
    ----------
    kernel : Kernel
        The compiled law.
    data : Data
        Its inputs, n rows.
    observed : ndarray (n,) or (B, n)
        What it should predict; one row a problem where problems differ in it.
    objective : Objective
        What is summed.
    low, high : ndarray (p,)
        Bounds of the internal parameters.
    penalty : Penalty, optional
        Added, times the sum of the weights.
    width : float, optional
        Of the first rounded objective, where the objective has a corner; from the starts where missing. Given, it makes
        the numbers of a row independent of which others are in its batch.
    """

    kernel: Kernel
    data: Data
    observed: Array
    objective: Objective
    low: Array
    high: Array
    penalty: Penalty | None = None
    width: float | None = None

    @property
    def block(self) -> int:
        """How many replicates to solve at once, so that the memory for their weights stays bounded."""
        return max(1, _BLOCK_ELEMENTS // self.data.n)

    def losses(self, theta: Array) -> Array:
        """Loss of every row for every parameter row, without penalties: (B, n), inf outside the domain."""
        return self.objective.rho(self.objective.residuals(self.observed, self.kernel.value(theta, self.data)))

    def values(self, theta: Array, weights: Array) -> Array:
        """Objective of parameters (B, p) with weights (B, n): (B,)."""
        weights = np.broadcast_to(weights, (len(theta), self.data.n))
        parts = [self._values(theta[c], weights[c], self._rows_of_observed(c)) for c in self._chunks(len(theta))]
        return np.concatenate(parts) if parts else np.empty(0)

    def costs(self, theta: Array, weights: Array) -> Array:
        """Objective of every parameter row (K, p) under every row of weights (B, n): (B, K), 1e300 for inf.

        Where `observed` has a row for each of the B problems, each is taken with its own.
        """
        totals = weights.sum(axis=1)
        out = np.empty((len(weights), len(theta)))
        size = max(1, _BLOCK_ELEMENTS // (4 * self.data.n))
        for i in range(0, len(theta), size):
            at = theta[i : i + size]
            if self.observed.ndim == 1:
                out[:, i : i + size] = weights @ np.where(np.isfinite(known := self.losses(at)), known, 1e300).T
            else:
                for k, row in enumerate(at):
                    out[:, i + k] = self.values(np.broadcast_to(row, (len(weights), len(row))), weights)
            if self.penalty is not None and self.observed.ndim == 1:
                out[:, i : i + size] += totals[:, None] * self.penalty.value(at)
        return np.where(np.isfinite(out), np.minimum(out, 1e300), 1e300)

    def pull(self, weights: Array) -> Array | None:
        """Second derivatives (p,) of the penalty of rows with these weights (n,); None without a penalty."""
        return None if self.penalty is None else 2 * float(weights.sum()) * self.penalty.strength

    def rounding(self, weights: Array) -> float:
        """Objective that rounding alone leaves when the law fits perfectly, of the mean weight row."""
        return float(np.mean(self._rounding(weights)))

    def solve(
        self, theta: Array, weights: Array, *, far: bool, progress: Progress | None = None, max_iterations: int = 200
    ) -> Minima:
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
        max_iterations : int, default 200
            For each row, of starts that are near, where the objective has no corner.

        Returns
        -------
        Minima
        """
        if self.objective.cornered:
            return self._solve_cornered(theta, weights, far, progress)
        if self._line is not None:
            return self._solve_line(self._line, theta, weights, far, progress, max_iterations)
        return self._solve_iteratively(theta, weights, far, progress, max_iterations)

    @cached_property
    def _line(self) -> StraightLine | None:
        return straight_line(self)

    def _solve_line(
        self, line: StraightLine, theta: Array, weights: Array, far: bool, progress: Progress | None, most: int
    ) -> Minima:
        """Regress logarithms; rows that end outside the box, or determine too little, are solved like any other."""
        exact, sound = line.solve(self.objective.to_scale(self.observed), weights)
        inside = sound & np.all((exact > self.low) & (exact < self.high), axis=1)
        others = np.flatnonzero(~inside)
        if len(others) == len(theta):
            return self._solve_iteratively(theta, weights, far, progress, most)
        objective = self.values(np.where(inside[:, None], exact, theta), weights)
        found = Minima(np.where(inside[:, None], exact, theta), objective, inside, 1)
        if others.size:
            part = self._subset(others)._solve_iteratively(theta[others], weights[others], far, None, most)
            found.theta[others], found.objective[others] = part.theta, part.objective
            found.converged[others] = part.converged
        if progress is not None:
            progress(len(theta), len(theta))
        return found

    def _solve_iteratively(
        self, theta: Array, weights: Array, far: bool, progress: Progress | None, max_iterations: int
    ) -> Minima:
        if far:
            return self._solve_far(theta, weights, progress)
        return self._solve_near(theta, weights, progress, max_iterations)

    def _solve_near(self, theta: Array, weights: Array, progress: Progress | None, max_iterations: int) -> Minima:
        """Minimise from starts that are near; rows that take long are in a valley, and cross it by projection."""
        across = self.kernel.projectable
        if not across.any() or max_iterations <= _NEAR:
            return self._solve_smooth(theta, weights, False, progress, max_iterations)
        found = self._solve_smooth(theta, weights, False, progress, _NEAR)
        slow = np.flatnonzero(~found.converged & np.isfinite(found.objective))
        if not slow.size:
            return found
        done = len(theta) - len(slow)
        tell = None if progress is None else lambda more, _: progress(done + more, len(theta))
        part = self._subset(slow)
        again = part._solve_smooth(found.theta[slow], weights[slow], True, tell, max_iterations - _NEAR, across)
        theta, objective, converged = found.theta, found.objective, found.converged
        theta[slow], objective[slow], converged[slow] = again.theta, again.objective, again.converged
        return Minima(theta, objective, converged, found.iterations + again.iterations)

    def _solve_far(self, theta: Array, weights: Array, progress: Progress | None = None) -> Minima:
        """Minimise from starts that may be poor, with what the linear parameters offer where that is needed.

        A start whose linear parameters are far off is tried twice, as it is and with them at their optimum; neither is
        always better (NIST's Lanczos1 needs the one, its MGH10 the other). Rows that have not arrived by then are in
        long curved valleys, which variable projection crosses in a few steps.
        """
        theta = np.clip(theta, self.low, self.high)
        linear, count = self.kernel.linear, len(theta)
        retried = np.empty(0, np.int64)
        if linear.any():
            _, derivatives = self._functions(weights)
            moved = to_linear_optimum(theta, derivatives, self.low, self.high, linear)
            retried = np.flatnonzero(self.values(moved, weights) < 0.5 * self.values(theta, weights))
            theta = np.concatenate([theta, moved[retried]])
        rows = np.concatenate([np.arange(count), retried])
        both = self._subset(rows)._solve_smooth(theta, weights[rows], True, progress)
        found = _lower(_take(both, slice(0, count)), retried, _take(both, slice(count, None)))
        slow = np.flatnonzero(~found.converged & np.isfinite(found.objective))
        if linear.any() and slow.size:
            part = self._subset(slow)
            again = part._solve_smooth(found.theta[slow], weights[slow], True, None, _PATIENCE, linear)
            found = _lower(found, slow, again)
        theta, value = refine(found.theta, self._functions(weights)[1], self.low, self.high)
        return replace(found, theta=theta, objective=value)

    def _subset(self, rows: NDArray[np.int64]) -> Problem:
        """Return the problem of some rows of a batch, where rows differ in more than their weights."""
        low, high = (b if b.ndim == 1 else b[rows] for b in (self.low, self.high))
        return replace(self, observed=self._rows_of_observed(rows), low=low, high=high)

    def _functions(self, weights: Array) -> tuple[Evaluate, Derivatives]:
        # One active set for the whole batch, so that no chunk waits for its slowest row; only the sums over the data
        # are cut, to stay in the cache.
        def evaluate(at: Array, rows: NDArray[np.int64]) -> Array:
            return np.concatenate(
                [
                    self._values(at[c], weights[rows[c]], self._rows_of_observed(rows[c]))
                    for c in self._chunks(len(rows))
                ]
            )

        def derivatives(at: Array, rows: NDArray[np.int64]) -> tuple[Array, Array, Array, Array]:
            parts = [self._derivatives(at[c], weights[rows[c]], rows[c]) for c in self._chunks(len(rows))]
            objective, gradient, gauss, hessian = (np.concatenate(part) for part in zip(*parts, strict=True))
            return objective, gradient, gauss, hessian

        return evaluate, derivatives

    def _solve_smooth(
        self,
        theta: Array,
        weights: Array,
        far: bool,
        progress: Progress | None = None,
        max_iterations: int = 200,
        linear: NDArray[np.bool_] | None = None,
    ) -> Minima:
        return minimise(
            theta, *self._functions(weights), self.low, self.high, floor=self._rounding(weights), always_both=far,
            damping=1e-3 if far else 1e-6, max_iterations=max_iterations, progress=progress, linear=linear,
        )  # fmt: skip

    def _solve_cornered(self, theta: Array, weights: Array, far: bool, progress: Progress | None) -> Minima:
        """Follow the optimum of rounded objectives as their width shrinks; keep the best exact value met on the way.

        Rows leave as soon as `meet_rows` proves that they have arrived.
        """
        scale = self.width or self._typical_residual(theta) or 1e-8
        best = Minima(theta.copy(), self.values(theta, weights), np.zeros(len(theta), bool), 0)
        rows = np.arange(len(theta))
        for width in scale * (_WIDTHS if far else _WIDTHS_REPLICATE):
            rounded, factor = self.objective.rounded(float(width))
            penalty = self.penalty and replace(self.penalty, strength=self.penalty.strength / factor)
            exact, mine = self._subset(rows), weights[rows]
            smooth = replace(exact, objective=rounded, penalty=penalty)
            if far and width == scale:
                minima = smooth._solve_far(theta, mine, progress)
            else:
                minima = smooth._solve_smooth(theta, mine, far, progress, max_iterations=200 if far else 40)
            theta = minima.theta
            arrived = best.converged[rows] | minima.converged
            best = _lower(best, rows, replace(minima, objective=exact.values(theta, mine)), steps=minima.iterations)
            best.converged[rows] = arrived
            if width == scale:
                continue
            met, proved = exact._meet_rows(theta, mine)
            value = exact.values(met, mine)
            proved &= value <= best.objective[rows] * (1 + 1e-12)
            best.theta[rows[proved]], best.objective[rows[proved]] = met[proved], value[proved]
            best.converged[rows[proved]] = True
            rows, theta = rows[~proved], theta[~proved]
            if not rows.size:
                break
        return best

    def _meet_rows(self, theta: Array, weights: Array) -> tuple[Array, NDArray[np.bool_]]:
        rows = np.arange(len(theta))
        parts = [meet_rows(self._subset(rows[c]), theta[c], weights[c]) for c in self._chunks(len(theta))]
        met, proved = (np.concatenate(part) for part in zip(*parts, strict=True))
        return met, proved

    def _derivatives(
        self, theta: Array, weights: Array, rows: NDArray[np.int64]
    ) -> tuple[Array, Array, Array, Array]:  # fmt: skip
        observed = self._rows_of_observed(rows)
        parts = [
            self.kernel.contract(theta, data, self.objective.weigher(observed[..., part], weights[:, part]))
            for data, part in self._pieces
        ]
        objective, gradient, gauss, hessian = (np.add.reduce(sums) for sums in zip(*parts, strict=True))
        if self.penalty is not None:
            total = weights.sum(axis=1)
            objective = objective + total * self.penalty.value(theta)
            pull = 2 * total[:, None] * self.penalty.strength
            gradient += pull * (theta - self.penalty.centre)
            for matrix in (gauss, hessian):
                np.einsum("bii->bi", matrix)[:] += pull
        return objective, gradient, gauss, hessian

    def _values(self, theta: Array, weights: Array, observed: Array) -> Array:
        out = np.zeros(len(theta))
        with np.errstate(invalid="ignore"):  # a weight of zero on a row outside the domain
            for data, part in self._pieces:
                losses = self.objective.rho(
                    self.objective.residuals(observed[..., part], self.kernel.value(theta, data))
                )
                out += np.sum(weights[:, part] * losses, axis=1)
        return out if self.penalty is None else out + weights.sum(axis=1) * self.penalty.value(theta)

    @cached_property
    def _pieces(self) -> list[tuple[Data, slice]]:
        """The data in pieces that fit the cache; in one where they do."""
        if self.data.n <= _CHUNK_ELEMENTS:
            return [(self.data, slice(None))]
        parts = [slice(i, i + _CHUNK_ELEMENTS) for i in range(0, self.data.n, _CHUNK_ELEMENTS)]
        return [(self.data.take(part), part) for part in parts]

    def _chunks(self, count: int) -> list[slice]:
        size = max(1, _CHUNK_ELEMENTS // self.data.n)
        return [slice(i, i + size) for i in range(0, count, size)]

    def _rows_of_observed(self, rows: NDArray[np.int64] | slice) -> Array:
        return self.observed if self.observed.ndim == 1 else self.observed[rows]

    def _rounding(self, weights: Array) -> Array:
        """Objective that rounding alone leaves, for each row of weights (B, n): (B,)."""
        size = np.maximum(np.abs(self.objective.to_scale(self.observed)), self.objective.unit(self.observed))
        size = np.maximum(size, 1e-300)
        least = np.abs(self.objective.rho(2e-16 * size) - self.objective.rho(np.zeros(())))
        least = np.broadcast_to(least, weights.shape)
        return np.asarray(np.einsum("bi,bi->b", weights, least))

    def _typical_residual(self, theta: Array) -> float:
        """Median over the data of the smallest residual that any of the starts leaves there."""
        least = np.full(self.data.n, np.inf)
        for c in self._chunks(len(theta)):
            predicted = self.kernel.value(theta[c], self.data)
            size = np.abs(self.objective.residuals(self._rows_of_observed(c), predicted))
            least = np.minimum(least, np.min(size, axis=0))
        return float(np.median(least))


def _take(minima: Minima, rows: slice) -> Minima:
    return replace(minima, theta=minima.theta[rows], objective=minima.objective[rows], converged=minima.converged[rows])


def _lower(minima: Minima, rows: NDArray[np.int64], others: Minima, steps: int | None = None) -> Minima:
    """Put others, each beside one of the rows, in their place where they are lower."""
    theta, objective, converged = minima.theta.copy(), minima.objective.copy(), minima.converged.copy()
    better = others.objective <= objective[rows]
    at = rows[better]
    theta[at], objective[at], converged[at] = others.theta[better], others.objective[better], others.converged[better]
    iterations = max(minima.iterations, others.iterations) if steps is None else minima.iterations + steps
    return Minima(theta, objective, converged, iterations)
