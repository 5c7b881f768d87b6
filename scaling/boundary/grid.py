"""Many quantiles of the same scores, none of which cross; and with them the chance of a score.

Each quantile is a boundary of its own. Where two of them cross, the values at that compute are put in order
(rearrangement, arXiv:0704.3649), which never moves a curve away from the truth and keeps all of them rising.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.inverse import Inverse, inverse_of, reach
from scaling.boundary.result import Boundary
from scaling.boundary.settings import settle
from scaling.boundary.solver import Points, curve, solve
from scaling.errors import UsageError
from scaling.inputs import check_level

Array = NDArray[np.float64]

#: Quantiles of a grid where none are asked for.
TAUS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98)
_LOOKED_AT = 400  # points of compute at which crossings are looked for
_HALVINGS = 60
_BEYOND = 10.0  # decades of compute outside that seen; further out a sigmoid has long ended


@dataclass(frozen=True)
class Chance:
    """Chance that a model scores at least so much.

    Parameters
    ----------
    value : ndarray
        The chance; an end of what the grid can tell where `at_most` or `at_least`.
    at_most : ndarray of bool
        Where the score lies above the highest quantile: the chance is that or less.
    at_least : ndarray of bool
        Where it lies below the lowest: the chance is that or more.
    """

    value: Array
    at_most: NDArray[np.bool_]
    at_least: NDArray[np.bool_]


@dataclass(frozen=True)
class QuantileGrid:
    """Quantiles of scores over compute that do not cross.

    Parameters
    ----------
    boundaries : tuple of Boundary
        One a quantile, ascending, as they were fitted.
    """

    boundaries: tuple[Boundary, ...]

    @property
    def taus(self) -> Array:
        """The quantiles (t,), ascending."""
        return np.array([b.tau for b in self.boundaries])

    @property
    def theta(self) -> Array:
        """Parameters (t, 4) as they were fitted, each by itself."""
        return np.stack([b.optimum.theta for b in self.boundaries])

    @property
    def crossing(self) -> float:
        """The largest score by which two neighbours crossed within the compute seen, before they were put in order."""
        z = np.linspace(*self.boundaries[0].support, _LOOKED_AT)
        return float(max(0.0, np.max(-np.diff(curve(self.theta, z), axis=0), initial=0.0)))

    def predict(self, log10_compute: ArrayLike) -> Array:
        """Work out all quantiles at log10 compute (m,): (t, m), ascending along the first axis."""
        return np.sort(curve(self.theta, np.atleast_1d(np.asarray(log10_compute, float))), axis=0)

    def probability(self, score: ArrayLike, log10_compute: ArrayLike) -> Chance:
        """Work out the chance that a model of some compute scores at least so much.

        Parameters
        ----------
        score, log10_compute : array_like (m,)
            Brought to one shape.

        Returns
        -------
        Chance
            Linear between neighbouring quantiles; no more than the outermost ones can be told.
        """
        x, z = np.broadcast_arrays(np.atleast_1d(np.asarray(score, float)), np.asarray(log10_compute, float))
        return self._chance(self.predict(z.ravel()), x.ravel(), x.shape)

    def _chance(self, levels: Array, x: Array, shape: tuple[int, ...]) -> Chance:
        taus = self.taus
        share = np.array([np.interp(value, column, taus) for value, column in zip(x, levels.T, strict=True)])
        over, under = x > levels[-1], x < levels[0]
        return Chance((1 - share).reshape(shape), over.reshape(shape), under.reshape(shape))

    def invert(self, score: float, probability: float, level: float = 0.9) -> Inverse:
        """Work out the compute at which a model scores at least so much with a chance.

        Parameters
        ----------
        score : float
            0 to 1.
        probability : float
            The chance; its quantile is fitted too where the grid lacks it.
        level : float, default 0.9
            Nominal coverage of the interval, where the boundaries have bootstrap replicates.

        Returns
        -------
        Inverse

        Raises
        ------
        UsageError
            For a probability outside 0 to 1.
        """
        check_level(level)
        if not 0 < probability < 1:
            raise UsageError(
                f"a probability lies between 0 and 1, not at {probability:g}", hint="0.1 stands for one model in ten."
            )
        tau, first = 1 - probability, self.boundaries[0]
        row = np.flatnonzero(np.isclose(self.taus, tau, rtol=0, atol=1e-9))
        if not row.size:
            return fit_grid(first, [*self.taus, tau]).invert(score, probability, level)
        low, high = first.support
        ends = (low - _BEYOND, high + _BEYOND)
        at = _first_reach(self.theta, int(row[0]), score, ends)
        replicates, method, at_level = np.empty(0), "none: there are no bootstrap replicates", level
        if first.bootstrap:  # of its own quantile alone: where it crosses others it stays as it was fitted
            own = self.boundaries[int(row[0])].fit
            replicates, method = reach(own.replicates, score), own.interval_method
            at_level = own.percentile_level(level)
        found = inverse_of(at, replicates, score, tau, at_level, first.support, method)
        return replace(found, level=level)


def grid_of(boundary: Boundary, taus: Sequence[float] | None = None) -> QuantileGrid:
    """Fit a grid of quantiles that contains that of a boundary."""
    return fit_grid(boundary, [*(TAUS if taus is None else taus), boundary.tau])


def fit_grid(boundary: Boundary, taus: Sequence[float]) -> QuantileGrid:
    """Fit the models of a boundary at several quantiles.

    Parameters
    ----------
    boundary : Boundary
        Whose models, sharpness, ridge, bootstrap and seed are taken.
    taus : sequence of float
        Quantiles, each between 0 and 1.

    Returns
    -------
    QuantileGrid

    Raises
    ------
    UsageError
        For a quantile outside 0 to 1.
    """
    made, s = [], boundary.settings
    points = Points.of(boundary.scores.log10_compute, boundary.scores.score)
    for tau in sorted({round(float(t), 12) for t in taus}):
        if np.isclose(tau, boundary.tau, rtol=0, atol=1e-9):
            made.append(boundary)
            continue
        settings = settle(boundary.n_obs, tau, s.preset, s.kappa, s.ridge)
        made.append(replace(boundary, settings=settings, optimum=solve(points, tau, s.kappa, s.ridge)))
    return QuantileGrid(tuple(made))


def _first_reach(theta: Array, row: int, score: float, ends: tuple[float, float]) -> float:
    """Where a grid (t, 4), put in order, first has a quantile at a score: log10 compute, by halving."""

    def below(z: float) -> bool:
        return bool(np.sort(curve(theta, np.array([z]))[:, 0])[row] < score)

    low, high = ends
    if below(high):
        return np.inf
    if not below(low):
        return -np.inf
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) else (low, middle)
    return high
