"""How many random examples a score is worth: the mean score of random subsets over their size, read backwards.

Nothing is trained. The curve is made monotone, joined up in the logarithm of the size, and inverted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.bands import replicate_interval
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_number, format_plural, format_whole
from scaling.inputs import check_level
from scaling.serial import plain
from scaling.valuation.appraisal.draws import Draws, Score, as_score, candidates_of, checked, run_all
from scaling.valuation.equivalence.equivalent_size import EquivalentSize

if TYPE_CHECKING:
    from scaling.valuation.objective import Objective

Array = NDArray[np.float64]

_SIZES = 8
_FEWEST_SIZES, _FEWEST_DRAWS = 3, 2
_SMALLEST = 4  # where sizes begin unless they are given, or n is smaller still


@dataclass(frozen=True)
class ScoreCurve:
    """Scores of random subsets over their size.

    Parameters
    ----------
    sizes : ndarray (m,)
        Distinct sizes, rising.
    scores : tuple of ndarray
        Of random subsets, one array a size.
    rising : bool
        Whether scores rise with size.
    seed : int
        Of the draws, and of the bootstrap.
    """

    sizes: Array
    scores: tuple[Array, ...]
    rising: bool
    seed: int

    @property
    def means(self) -> Array:
        """Mean score of each size, shape (m,)."""
        return np.array([values.mean() for values in self.scores])

    @property
    def monotone(self) -> Array:
        """Mean scores made monotone by least squares, each weighted by its draws; shape (m,)."""
        return _monotone(self.means, self._counts, self.rising)

    @property
    def _counts(self) -> Array:
        return np.array([len(values) for values in self.scores], float)

    def worth(self, value: float, *, error: float = 0.0, level: float = 0.95, bootstrap: int = 500) -> EquivalentSize:
        """Return how many random examples score as much.

        Parameters
        ----------
        value : float
            A score, of a set of any size.
        error : float, default 0
            Its standard error, where it was measured: a score that was computed has none, an accuracy has.
        level : float, default 0.95
            Of the interval.
        bootstrap : int, default 500
            Replicates: draws are resampled within each size.

        Returns
        -------
        EquivalentSize

        Raises
        ------
        UsageError
            For a score or error that is not finite, or no replicates.
        """
        check_level(level)
        if not math.isfinite(value) or not 0 <= error < math.inf:
            raise UsageError(f"A score of {value} with an error of {error} lies on no curve.")
        if bootstrap < 2:
            raise UsageError(f"{format_plural(bootstrap, 'replicate')} make no interval.")
        generator = np.random.default_rng(np.random.SeedSequence(self.seed).spawn(1)[0])
        own = self.means
        # means of m resampled draws scatter by sqrt(1 - 1/m) of what means of m draws do
        widen = np.sqrt(self._counts / np.maximum(self._counts - 1, 1))
        drawn = [values[generator.integers(0, len(values), (bootstrap, len(values)))].mean(1) for values in self.scores]
        means = own + widen * (np.stack(drawn, axis=1) - own)
        asked = value + error * generator.standard_normal(bootstrap)
        found = np.array([self._inverse(row, float(one)) for row, one in zip(means, asked, strict=True)])
        low, high = replicate_interval(found[:, None], level)
        ends = (float(self.sizes[0]), float(self.sizes[-1]))
        return EquivalentSize(
            float(value), self._inverse(self.means, value), (float(low[0]), float(high[0])), ends, level
        )

    def _inverse(self, means: Array, value: float) -> float:
        """Return the size at which the curve through some means has a value; 0 or infinite outside it."""
        from scipy.interpolate import PchipInterpolator

        sign = 1 if self.rising else -1
        heights = sign * _monotone(means, self._counts, self.rising)
        at = np.log(self.sizes)
        # level stretches are one point, at their middle: the inverse has to have one answer
        starts = np.concatenate([[True], np.diff(heights) > 0])
        block = np.cumsum(starts) - 1
        levels, middle = heights[starts], np.bincount(block, at) / np.bincount(block)
        if sign * value < levels[0]:
            return 0.0
        if sign * value > levels[-1] or len(levels) == 1:
            return math.inf
        return float(np.exp(PchipInterpolator(levels, middle)(sign * value)))

    def __repr__(self) -> str:
        lines = [
            f"random subsets of {format_plural(len(self.sizes), 'size')}, "
            f"{format_whole(self.sizes[0])} to {format_whole(self.sizes[-1])}; seed {self.seed}"
        ]
        for size, values, level in zip(self.sizes, self.scores, self.monotone, strict=True):
            spread = f", sd {format_number(values.std(ddof=1), 2)}" if len(values) > 1 else ""
            lines.append(
                f"  {format_whole(size):>8}  mean {format_number(values.mean())}{spread} of "
                f"{format_plural(len(values), 'draw')}, curve {format_number(level)}"
            )
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        out: dict[str, Any] = plain(
            {
                "sizes": self.sizes, "means": self.means, "monotone": self.monotone, "scores": self.scores,
                "rising": self.rising, "seed": self.seed,
            }
        )  # fmt: skip
        return out


def score_curve_of(sizes: ArrayLike, scores: ArrayLike, *, seed: int = 0) -> ScoreCurve:
    """Make a curve from random subsets that were scored elsewhere, such as by training on them.

    Parameters
    ----------
    sizes, scores : array_like (r,)
        One pair a subset.
    seed : int, default 0
        Of the bootstrap.

    Returns
    -------
    ScoreCurve

    Raises
    ------
    InputDataError
        For pairs that are not finite, sizes that are not above 0, fewer than three sizes, or scores that do not differ
        between them.
    """
    k, f = np.asarray(sizes, float), np.asarray(scores, float)
    if k.shape != f.shape or k.ndim != 1:
        raise InputDataError(f"sizes have shape {k.shape}, scores {f.shape}; one of both a subset is expected.")
    if not np.all(np.isfinite(k)) or not np.all(np.isfinite(f)) or not np.all(k > 0):
        raise InputDataError("Sizes are above 0, and scores are finite numbers.")
    distinct = np.unique(k)
    if len(distinct) < _FEWEST_SIZES:
        raise InputDataError(
            f"Random subsets of {format_plural(len(distinct), 'size')}; a curve needs {_FEWEST_SIZES}.",
            "Score subsets of 6 to 8 sizes, each ten or more times.",
        )
    groups = tuple(f[k == size] for size in distinct)
    means = np.array([values.mean() for values in groups])
    slope = float(np.cov(np.log(distinct), means)[0, 1])
    if np.ptp(means) == 0 or slope == 0:
        raise InputDataError("Random subsets score the same whatever their size: a score is worth no number of them.")
    return ScoreCurve(distinct, groups, slope > 0, seed)


def random_score_curve(
    score: Score | Objective,
    *,
    n: int | None = None,
    sizes: Sequence[int] | None = None,
    labels: ArrayLike | None = None,
    draws: int = 15,
    seed: int = 0,
    jobs: int = 1,
) -> ScoreCurve:
    """Score random subsets of several sizes.

    Parameters
    ----------
    score : callable or Objective
        A function of the indices of a set, or an objective, of which `score()` is taken.
    n : int, optional
        Candidates; an objective knows them.
    sizes : sequence of int, optional
        Eight on a logarithmic scale up to all candidates where missing.
    labels : array_like (n,), optional
        Classes, for subsets that are balanced.
    draws : int, default 15
        Subsets of each size.
    seed : int, default 0
        Recorded; the same draws come whatever the number of jobs.
    jobs : int, default 1
        Threads.

    Returns
    -------
    ScoreCurve

    Raises
    ------
    InputDataError
        For scores that are not finite, or that do not depend on the size.
    UsageError
        For sizes or numbers of draws that make no sense.

    Examples
    --------
    >>> curve = random_score_curve(lambda subset: len(subset) ** 0.5, n=400, draws=2)
    >>> round(curve.worth(10.0).size)
    100
    """
    total = candidates_of(score, n)
    if draws < _FEWEST_DRAWS:
        raise UsageError(f"{format_plural(draws, 'draw')} of a size have no spread; ask for ten or more.")
    if sizes is None:
        chosen = np.unique(np.geomspace(min(_SMALLEST, total), total, _SIZES).round().astype(int))
    else:
        chosen = np.unique(np.asarray(sizes, int))
    of = as_score(score)
    # of all candidates there is one set: it is scored once
    tasks = [Draws(total, int(k), labels) for k in chosen for _ in range(draws if k < total else 1)]
    seeds = np.random.SeedSequence(seed).spawn(len(tasks))

    def work(task: tuple[Draws, np.random.SeedSequence]) -> float:
        source, child = task
        return checked(of(source.one(np.random.default_rng(child))), f"a random subset of {source.k}")

    values = run_all(work, list(zip(tasks, seeds, strict=True)), jobs)
    return score_curve_of([task.k for task in tasks], values, seed=seed)


def _monotone(means: Array, counts: Array, rising: bool) -> Array:
    from scipy.optimize import isotonic_regression

    if np.all(np.diff(means) >= 0 if rising else np.diff(means) <= 0):
        return means
    return np.asarray(isotonic_regression(means, weights=counts, increasing=rising).x)
