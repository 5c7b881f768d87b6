"""Refit replicates in blocks, so that memory does not grow with their number.

Weights and observed values of a replicate are drawn when its block comes up, and drawn again for the second pass; a
thousand replicates of a hundred thousand rows never stand in memory together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scaling.fitting.newton import Minima, Progress
from scaling.fitting.resample import Jackknife, Source
from scaling.fitting.solve import Problem

Array = NDArray[np.float64]

# Optima of other replicates that each one is offered afterwards: those of the first ones, which are made for that even
# where fewer are asked for, so that no replicate depends on how many there are.
_OFFERED = 64
_OFFERED_OBSERVED = 16  # the same where every replicate has observed values of its own, and each offer costs more
_SAME = 1e-9  # relative difference below which two objectives are one optimum


@dataclass(frozen=True)
class Replicates:
    """What refits gave.

    Parameters
    ----------
    theta : ndarray (B, p)
        Internal parameters.
    converged, at_bound : float
        Shares; NaN where there are none.
    """

    theta: Array
    converged: float
    at_bound: float


def refit(
    problem: Problem,
    source: Source,
    count: int,
    known: Array,
    progress: Progress | None = None,
    block: int | None = None,
) -> Replicates:
    """Refit every replicate from the best start known.

    Parameters
    ----------
    problem : Problem
        The fit.
    source : Source
        Of the replicates.
    count : int
        How many.
    known : ndarray (K, p)
        Optima and good starts, the best first; internal scale.
    progress : callable, optional
        Told how many are done, and of how many.
    block : int, optional
        Replicates at a time; as many as `Problem.block` says where missing. Changes nothing but the memory.

    Returns
    -------
    Replicates
    """
    if count == 0:
        return Replicates(np.empty((0, known.shape[1])), float("nan"), float("nan"))
    if problem.objective.cornered:
        residuals = problem.objective.residuals(problem.observed, problem.kernel.value(known[:1], problem.data))
        problem = replace(problem, width=float(np.median(np.abs(residuals))) or None)
    size = block or problem.block
    blocks = [(start, min(start + size, count)) for start in range(0, count, size)]
    drawn: dict[int, tuple[Array, Array | None]] = {}
    theta, value, converged = np.empty((count, known.shape[1])), np.empty(count), np.zeros(count, bool)
    observes = False
    for start, stop in blocks:
        weights, observed = source.draw(start, stop)
        observes = observed is not None
        if len(blocks) == 1:
            drawn[start] = weights, observed
        minima = _first(problem, known, weights, observed, _shifted(progress, start, count, last=stop == count))
        theta[start:stop], value[start:stop], converged[start:stop] = minima.theta, minima.objective, minima.converged
    # A replicate may sit in a worse basin than another replicate found: offer it the optima of some others.
    offered_count = _OFFERED_OBSERVED if observes else _OFFERED
    more = [] if isinstance(source, Jackknife) else range(count, offered_count, size)  # a jackknife has no others
    others = np.concatenate(
        [theta[:offered_count]]
        + [_first(problem, known, *source.draw(i, min(i + size, offered_count))).theta for i in more]
    )
    for start, stop in blocks:
        weights, observed = drawn.get(start) or source.draw(start, stop)
        offered = _with(problem, observed).costs(others, weights)
        better = np.flatnonzero(offered.min(axis=1) < value[start:stop] * (1 - _SAME))
        if better.size:
            mine = None if observed is None else observed[better]
            again = _with(problem, mine).solve(others[np.argmin(offered[better], axis=1)], weights[better], far=False)
            lower = again.objective < value[start + better]
            rows = start + better[lower]
            theta[rows], converged[rows] = again.theta[lower], again.converged[lower]
    at_bound = np.any((theta <= problem.low) | (theta >= problem.high), axis=1)
    return Replicates(theta, float(converged.mean()), float(at_bound.mean()))


def _first(
    problem: Problem, known: Array, weights: Array, observed: Array | None, progress: Progress | None = None
) -> Minima:
    """Refit replicates from the best start known, each by itself."""
    # With observed values of its own a replicate lies around the optimum it was made from.
    first = np.broadcast_to(known[0], (len(weights), known.shape[1])).copy()
    if observed is None:
        first = known[np.argmin(problem.costs(known, weights), axis=1)]
    return _with(problem, observed).solve(first, weights, far=False, progress=progress)


def _with(problem: Problem, observed: Array | None) -> Problem:
    return problem if observed is None else replace(problem, observed=observed)


def _shifted(progress: Progress | None, start: int, count: int, last: bool) -> Callable[[int, int], None] | None:
    """Report the progress of a block as that of all."""
    if progress is None:
        return None

    def tell(done: int, of: int) -> None:
        if done < of or last:
            progress(start + done, count)

    return tell
