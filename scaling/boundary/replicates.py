"""Bootstrap replicates of a boundary, with the many scores that lie far below it put together.

Far below the corner of the pinball loss, a score pulls on the curve by the same amount wherever it lies. So all far
scores of one compute are one row: their mean, counted as often as they were drawn. What is minimised
is the same, from a fraction of the rows. Where a replicate comes near to such a row after all, it is refitted in full.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaling.boundary.solver import curve
from scaling.fitting.bootstrap import Replicates, refit
from scaling.fitting.checks import bounds_of, check_rows, log_scaled_by, make_problem, ranges
from scaling.fitting.penalty import read_penalty
from scaling.fitting.resample import Reweighted, Source

if TYPE_CHECKING:
    from scaling.fitting.newton import Progress
    from scaling.fitting.objective import Objective
    from scaling.laws.law import Law

Array = NDArray[np.float64]

_PILOT = 64  # replicates in full, which show how low the curve may come; those the engine offers to all others
_CLEAR = 20.0  # over kappa: at that distance the corner is rounded by 2e-9 of its width
_WORTH = 0.6  # of the rows; where more are left, putting some together does not pay


@dataclass(frozen=True)
class _Together:
    """Weights of rows that were put together: sums of those of their scores."""

    source: Source
    of: NDArray[np.int64]
    count: int

    def draw(self, start: int, stop: int) -> tuple[Array, None]:
        weights, _ = self.source.draw(start, stop)
        out = np.zeros((len(weights), self.count))
        order = np.argsort(self.of, kind="stable")
        first = np.flatnonzero(np.diff(self.of[order], prepend=-1))
        out[:] = np.add.reduceat(weights[:, order], first, axis=1)
        return out, None


def draw_replicates(
    law: Law,
    compute_flop: Array,
    score: Array,
    objective: Objective,
    ridge: float,
    groups: Any,
    starts: Array,
    count: int,
    seed: int,
    progress: Progress | None = None,
) -> Replicates:
    """Refit a boundary to resampled models.

    Parameters
    ----------
    law : Law
        The law ``boundary``.
    compute_flop, score : ndarray (n,)
        The models.
    objective : Objective
        The pinball loss that is minimised, on linear residuals.
    ridge : float
        On the squared steepness.
    groups : array_like (n,), optional
        Clusters, drawn whole; single models where missing.
    starts : ndarray (k, 4)
        The optimum, and starts that replicates are offered beside it.
    count, seed : int
        Replicates, and the seed of their draws.
    progress : callable, optional
        Told how many are done, and of how many.

    Returns
    -------
    Replicates
        Those that the engine gives for all rows, from fewer of them.
    """
    rows = check_rows(law, {"C": compute_flop}, score, objective, None, groups)
    bounds = bounds_of(law, ranges(law, rows))
    pull = read_penalty({"b": (0.0, ridge)}, law.parameter_names, log_scaled_by(bounds))
    problem = make_problem(law, rows, objective, bounds, pull)
    kind = "iid" if rows.groups is None else "cluster"
    source = Reweighted(kind, rows.weights, seed, rows.groups)
    known = np.clip(problem.kernel.to_internal(starts), problem.low, problem.high)
    kappa = objective.kappa or np.inf
    pilot = refit(problem, source, min(count, _PILOT), known, progress if count <= _PILOT else None)
    if count <= _PILOT:
        return pilot
    z, at = np.unique(np.log10(compute_flop), return_inverse=True)
    levels = curve(problem.kernel.to_natural(pilot.theta), z)
    low = levels.min(axis=0) - 0.5 * np.ptp(levels, axis=0) - _CLEAR / kappa
    far = score < low[at]
    of, kept = _put_together(far, at)
    if len(kept) > _WORTH * rows.n:
        return refit(problem, source, count, known, progress)
    size = np.bincount(of).astype(float)
    mean = np.bincount(of, weights=score) / size
    fewer = check_rows(law, {"C": compute_flop[kept]}, mean, objective, None, None)
    reduced = make_problem(law, fewer, objective, bounds, pull)
    together = _Together(source, of, len(kept))
    found = refit(reduced, together, count, known, progress)
    theta = found.theta
    highest = np.full(len(z), -np.inf)
    np.maximum.at(highest, at[far], score[far])
    near = curve(problem.kernel.to_natural(theta), z)
    for i in np.flatnonzero(np.any(near < highest + _CLEAR / kappa, axis=1)).tolist():
        weights, _ = source.draw(i, i + 1)
        offered = np.concatenate([theta[[i]], known, pilot.theta])
        best = offered[[int(np.argmin(problem.costs(offered, weights)))]]
        theta[i] = problem.solve(best, weights, far=False).theta[0]
    held = np.any((theta <= problem.low) | (theta >= problem.high), axis=1)
    return Replicates(theta, found.converged, float(held.mean()))


def _put_together(far: NDArray[np.bool_], at: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number the rows that each score goes to (n,), and name one score of each: far ones of a compute share a row."""
    key = np.where(far, at, at.max() + 1 + np.arange(len(at)))
    _, first, of = np.unique(key, return_index=True, return_inverse=True)
    return np.asarray(of, np.int64), np.asarray(first, np.int64)
