"""The plain way to rank corpora: the best loss at the largest budget that all of them have tried."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.loss_to_loss.ranking.runs import Runs, budgets_in_common

Array = NDArray[np.float64]

_FEW = 4  # runs at a budget up to which a parabola says nothing of the scatter


@dataclass(frozen=True)
class Baseline:
    """The best losses at the largest budget tried.

    Parameters
    ----------
    budget : float
        FLOP; the largest at which every corpus has a run, or else the largest up to which each has some.
    exact : bool
        Whether every corpus has runs of that very budget.
    loss : ndarray (n,)
        The lowest loss of each corpus there.
    count : ndarray of int (n,)
        How many runs it is the lowest of.
    scatter : float
        Standard deviation of a run at that budget, of logarithms; NaN where too few runs tell.
    """

    budget: float
    exact: bool
    loss: Array
    count: NDArray[np.int64]
    scatter: float

    def draws(self, count: int, random: np.random.Generator, usual_scatter: Array) -> Array:
        """Draw which loss each corpus would have if its best run and a new one were drawn again, shape (count, n).

        Parameters
        ----------
        count : int
            How many.
        random : Generator
            Of random numbers.
        usual_scatter : ndarray (n,)
            Taken where the scatter is not known.
        """
        scatter = usual_scatter if math.isnan(self.scatter) else np.full(len(self.loss), self.scatter)
        # Twice: once for the run that was measured, and once for the one that is to come.
        noise = math.sqrt(2) * scatter * random.standard_normal((count, len(self.loss)))
        return np.asarray(self.loss * np.exp(noise))


def find_baseline(runs: Mapping[str, Runs]) -> Baseline:
    """Find the best loss of every corpus at the largest budget in common.

    Parameters
    ----------
    runs : mapping of str to Runs
        The corpora.

    Returns
    -------
    Baseline
    """
    shared = budgets_in_common(runs)
    exact = bool(len(shared))
    budget = float(shared[-1]) if exact else min(float(r.compute.max()) for r in runs.values())
    chosen = [r.at(budget) if exact else r.up_to(budget) for r in runs.values()]
    if not all(len(r) for r in chosen):  # one corpus starts where another ends
        chosen = list(runs.values())
    square = degrees = 0.0
    for r in chosen:
        if exact and len(np.unique(r.n_params)) > _FEW:
            size = np.log(r.n_params)
            miss = np.log(r.loss) - np.polyval(np.polyfit(size - size.mean(), np.log(r.loss), 2), size - size.mean())
            square, degrees = square + float(miss @ miss), degrees + len(r) - 3
    return Baseline(
        budget,
        exact,
        np.array([float(r.loss.min()) for r in chosen]),
        np.array([len(r) for r in chosen]),
        math.sqrt(square / degrees) if degrees >= 3 else math.nan,
    )
