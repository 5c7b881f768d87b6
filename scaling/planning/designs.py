"""Sets of runs that could be bought, and how much each would teach about a target.

The bootstrap replicates of a fit say how the predictions at all candidate cells move together with the forecast at the
target; how wrong the form may be is added to that (`scaling.planning.form_error`). To first order an outcome of a run
there therefore narrows the forecast by the rule of the linear estimator, cov(t, z)^2 / (var z + noise), and so does one
run after the other. That costs no refit, so thousands of sets can be weighed; `scaling.planning.rehearsal` then
measures the chosen one by refits. Of several targets the mean variance counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.parameter_counts import FLOP_PER_PARAMETER_TOKEN

Array = NDArray[np.float64]

_TAIL = 0.01  # of the replicates at either end, whose predictions are drawn in: a runaway one says nothing of the rest
_GAIN = 1e-9  # of the variance: less is rounding
_PASSES = 4
_HALVINGS = 6  # the cheapest cell of the default grid costs a 64th of the budget
_RATIOS = 9
_RUNGS, _SIZES = 3, 5  # of the ladder: budgets a factor of 4 apart, sizes a factor of 2 apart


@dataclass(frozen=True)
class Candidates:
    """Cells that runs can be bought at.

    Parameters
    ----------
    n_params, n_tokens : ndarray (k,)
        Their sizes.
    cost_flop : ndarray (k,)
        What each costs of the budget.
    """

    n_params: Array
    n_tokens: Array
    cost_flop: Array

    @property
    def inputs(self) -> dict[str, Array]:
        """The cells as inputs of a law."""
        return {"N": self.n_params, "D": self.n_tokens}

    def take(self, which: Sequence[int] | NDArray[np.int64]) -> Candidates:
        """Return some of the cells, repeated where an index is."""
        rows = np.asarray(which, dtype=np.int64)
        return Candidates(self.n_params[rows], self.n_tokens[rows], self.cost_flop[rows])


class Knowledge:
    """What is known about the candidates and the targets together.

    Parameters
    ----------
    predictions : ndarray (B, k)
        Of each replicate at each candidate, on the scale of the residuals.
    targets : ndarray (B,) or (B, q)
        Forecast of each replicate at the targets.
    noise : float
        Variance of the outcome of one run about the law, on the scale of the residuals.
    form : ndarray (k + q, k + q), optional
        Covariance of the errors of the form of the law, at the candidates and then at the targets.
    """

    def __init__(self, predictions: Array, targets: Array, noise: float, form: Array | None = None) -> None:
        joint = np.column_stack([predictions, targets])
        joint = np.clip(joint, *np.quantile(joint, [_TAIL, 1 - _TAIL], axis=0))
        self.covariance: Array = np.atleast_2d(np.cov(joint, rowvar=False))
        if form is not None:
            self.covariance = self.covariance + form
        self.noise = noise
        self._candidates = predictions.shape[1]

    @property
    def variance(self) -> float:
        """Variance of the target when nothing is bought; the mean over several."""
        return self._of_targets(self.covariance)

    def after(self, chosen: Sequence[int]) -> Array:
        """Return the joint covariance (k + q, k + q) once the chosen runs are known."""
        if not len(chosen):
            return self.covariance
        rows = np.asarray(chosen, dtype=np.int64)
        known = self.covariance[np.ix_(rows, rows)] + self.noise * np.eye(len(rows))
        across = self.covariance[:, rows]
        # Least squares, for without noise a repeated cell makes `known` singular.
        return np.asarray(self.covariance - across @ np.linalg.lstsq(known, across.T, rcond=None)[0])

    def variance_after(self, chosen: Sequence[int]) -> float:
        """Return the variance of the target once the chosen runs are known."""
        return max(self._of_targets(self.after(chosen)), 0.0)

    def gains(self, covariance: Array) -> Array:
        """Return by how much the variance of the target falls for each further run, (k,)."""
        k = self._candidates
        spread = np.diag(covariance)[:k] + self.noise
        with np.errstate(all="ignore"):
            return np.where(spread > 0, np.mean(covariance[k:, :k] ** 2, axis=0) / spread, 0.0)

    def _of_targets(self, covariance: Array) -> float:
        return float(np.mean(np.diag(covariance)[self._candidates :]))


def choose(
    knowledge: Knowledge, cost_flop: Array, budget_flop: float, max_runs: int, repeats: bool = True
) -> list[int]:
    """Choose the runs that narrow the forecast most for a budget.

    Greedily by gain for the cost and greedily by gain, whichever ends lower; then single runs are exchanged as long as
    that helps.

    Parameters
    ----------
    knowledge : Knowledge
        Of the candidates and the target.
    cost_flop : ndarray (k,)
        Of each candidate.
    budget_flop : float
        Of all runs together.
    max_runs : int
        Runs at most.
    repeats : bool, default True
        Whether a cell may be bought more than once.

    Returns
    -------
    list of int
        Indices of candidates; in the order in which they teach most.
    """
    plans = []
    for power in (1.0, 0.0):
        chosen = _fill([], knowledge, cost_flop, budget_flop, max_runs, repeats, power)
        plans.append(_polish(chosen, knowledge, cost_flop, budget_flop, max_runs, repeats))
    best = min(plans, key=knowledge.variance_after)
    return _by_gain(best, knowledge)


def _fill(
    chosen: list[int], knowledge: Knowledge, cost: Array, budget: float, max_runs: int, repeats: bool, power: float
) -> list[int]:
    """Add runs, the most gain / cost**power first, until nothing more can be bought."""
    chosen = list(chosen)
    while len(chosen) < max_runs:
        gains = knowledge.gains(knowledge.after(chosen))
        open_ = cost <= budget - float(cost[chosen].sum())
        if not repeats:
            open_[chosen] = False
        worth = np.where(open_ & (gains > _GAIN * knowledge.variance), gains / cost**power, -1.0)
        best = int(np.argmax(worth))
        if worth[best] <= 0:
            break
        chosen.append(best)
    return chosen


def _polish(
    chosen: list[int], knowledge: Knowledge, cost: Array, budget: float, max_runs: int, repeats: bool
) -> list[int]:
    """Exchange single runs for better ones that can be paid, and spend what is left over."""
    for _ in range(_PASSES):
        before = knowledge.variance_after(chosen)
        for i in range(len(chosen)):
            rest = chosen[:i] + chosen[i + 1 :]
            gains = knowledge.gains(knowledge.after(rest))
            open_ = cost <= budget - float(cost[rest].sum())
            if not repeats:
                open_[rest] = False
            best = int(np.argmax(np.where(open_, gains, -1.0)))
            if open_[best] and gains[best] > gains[chosen[i]] + _GAIN * knowledge.variance:
                chosen = [*chosen[:i], best, *chosen[i + 1 :]]
        chosen = _fill(chosen, knowledge, cost, budget, max_runs, repeats, 0.0)
        if knowledge.variance_after(chosen) > before - _GAIN * knowledge.variance:
            break
    return chosen


def _by_gain(chosen: list[int], knowledge: Knowledge) -> list[int]:
    left, order = list(chosen), list[int]()
    while left:
        gains = knowledge.gains(knowledge.after(order))
        order.append(left.pop(int(np.argmax(gains[left]))))
    return order


def shares(chosen: Sequence[int], knowledge: Knowledge) -> list[float]:
    """Return what each run adds, in the order given, as a share of the whole reduction of the variance."""
    left = [knowledge.variance_after(chosen[:i]) for i in range(len(chosen) + 1)]
    whole = left[0] - left[-1]
    return [(left[i] - left[i + 1]) / whole if whole > 0 else float("nan") for i in range(len(chosen))]


def random_choice(
    random: np.random.Generator, cost_flop: Array, budget_flop: float, max_runs: int, repeats: bool = True
) -> list[int]:
    """Draw runs at random, all that can still be paid alike, until nothing more can be bought; as `choose`."""
    chosen: list[int] = []
    left = budget_flop
    while len(chosen) < max_runs:
        open_ = cost_flop <= left
        if not repeats:
            open_[chosen] = False
        cells = np.flatnonzero(open_)
        if not cells.size:
            break
        chosen.append(int(random.choice(cells)))
        left -= float(cost_flop[chosen[-1]])
    return chosen


def grid(
    budget_flop: float, ratios: tuple[float, float], smallest: tuple[float, float], floor_flop: float = 0.0
) -> Candidates:
    """Lay out candidate cells: costs that halve from the budget down, crossed with tokens per parameter.

    Parameters
    ----------
    budget_flop : float
        The dearest cell costs all of it.
    ratios : (float, float)
        Fewest and most tokens per parameter.
    smallest : (float, float)
        Parameters and tokens below which no cell lies: what holds for the runs at hand need not hold for tiny ones.
    floor_flop : float, default 0
        What a run costs at least.

    Returns
    -------
    Candidates
        Maybe none.
    """
    # A hair below the budget, so that the sums of what rounding leaves stay below it too.
    levels = budget_flop * (1 - 1e-9) * 0.5 ** np.arange(_HALVINGS + 1)
    flop, ratio = (a.ravel() for a in np.meshgrid(levels, np.geomspace(*ratios, _RATIOS), indexing="ij"))
    n = np.sqrt(flop / FLOP_PER_PARAMETER_TOKEN / ratio)
    d = flop / FLOP_PER_PARAMETER_TOKEN / n
    kept = (n >= smallest[0]) & (d >= smallest[1]) & (np.maximum(flop, floor_flop) <= budget_flop)
    return Candidates(n[kept], d[kept], np.maximum(flop, floor_flop)[kept])


def ladder(budget_flop: float, ratio: float, floor_flop: float = 0.0) -> Candidates:
    """Lay out a plain isoFLOP ladder: three budgets a factor of 4 apart, five sizes a factor of 2 apart on each.

    Parameters
    ----------
    budget_flop : float
        Of all runs together.
    ratio : float
        Tokens per parameter in the middle of each budget.
    floor_flop : float, default 0
        What a run costs at least; where the ladder's cheap runs would then break the budget, its lower rungs are left
        out.

    Returns
    -------
    Candidates
    """
    for rungs in range(_RUNGS, 0, -1):
        weights = 0.25 ** np.arange(rungs)
        flop = np.repeat(budget_flop * (1 - 1e-9) * weights / weights.sum() / _SIZES, _SIZES)
        if np.maximum(flop, floor_flop).sum() <= budget_flop:
            break
    off = np.tile(2.0 ** (np.arange(_SIZES) - _SIZES // 2), rungs)
    n = np.sqrt(flop / FLOP_PER_PARAMETER_TOKEN / ratio) * off
    return Candidates(n, flop / FLOP_PER_PARAMETER_TOKEN / n, np.maximum(flop, floor_flop))
