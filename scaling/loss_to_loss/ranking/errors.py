"""What forecasts of several corpora miss by together, which no ranking notices, and what each misses by on its own.

Errors are set against how far the forecast goes beyond the data, because a law that is wrong in its form is more wrong
the farther it goes. Laws of one form tend to miss on all corpora alike, and that part cancels in every difference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.fitting.backtest import USUAL_CUTS

Array = NDArray[np.float64]

#: What is usual: share of the forecast change that one corpus misses by beyond what all of them do, and all together.
USUAL_OWN, USUAL_SHARED = 0.10, 0.12


@dataclass(frozen=True)
class Misses:
    """Back-tests of several corpora at the same cut-offs.

    Parameters
    ----------
    error, change : ndarray (k, n)
        Cut-off and corpus: what held-out runs were missed by, of logarithms, with signs, and how far they lie beyond
        what was fitted; NaN where there are none.
    noise : ndarray (k, n)
        Variance of the error from the scatter of the runs.
    near : ndarray (k,)
        How close the cut-off is to the whole data: cut-off over largest budget.
    """

    error: Array
    change: Array
    noise: Array
    near: Array

    def split(self, usual_own: float = USUAL_OWN, usual_shared: float = USUAL_SHARED) -> tuple[float, float]:
        """Split the misses in what corpora share and what each has of its own.

        Parameters
        ----------
        usual_own, usual_shared : float
            What few cut-offs are drawn towards, as by `scaling.fitting.backtest.Backtest.missed_share`.

        Returns
        -------
        own, shared : float
            Root mean squares, as shares of the forecast change.
        """
        some, middle, between, count = self._spread()
        effective = own = shared = 0.0
        if some.any():
            near = self.near[some]
            effective = float(near.sum() ** 2 / np.sum(near**2))
            size = float(near @ np.nanmean(self.change[some] ** 2, axis=1))
            own = float(near @ np.maximum(between - np.nanmean(self.noise[some], axis=1), 0)) / size
            shared = float(near @ np.maximum(middle**2 - between / count, 0)) / size
        room = effective + USUAL_CUTS
        return (
            math.sqrt((effective * own + USUAL_CUTS * usual_own**2) / room),
            math.sqrt((effective * shared + USUAL_CUTS * usual_shared**2) / room),
        )

    def whole(self, usual: float) -> float:
        """Root mean square of all that was missed beyond the scatter, as a share of the forecast change."""
        some = np.any(np.isfinite(self.error), axis=1)
        effective = share = 0.0
        if some.any():
            near = self.near[some]
            effective = float(near.sum() ** 2 / np.sum(near**2))
            beyond = np.nanmean(self.error[some] ** 2 - self.noise[some], axis=1)
            share = float(near @ np.maximum(beyond, 0)) / float(near @ np.nanmean(self.change[some] ** 2, axis=1))
        return math.sqrt((effective * share + USUAL_CUTS * usual**2) / (effective + USUAL_CUTS))

    def rms(self) -> float:
        """Root mean square error: the geometric mean over the cut-offs, as for `own_rms`."""
        some = np.any(np.isfinite(self.error), axis=1)
        if not some.any():
            return math.nan
        square = np.nanmean(self.error[some] ** 2, axis=1) + 1e-12
        return math.exp(float(np.average(0.5 * np.log(square), weights=np.sqrt(self.near[some]))))

    def own_rms(self) -> float:
        """What corpora miss by beyond one another, as a standard deviation: the geometric mean over the cut-offs."""
        some, _, between, _ = self._spread()
        if not some.any():
            return math.nan
        return math.exp(float(np.average(0.5 * np.log(between + 1e-12), weights=np.sqrt(self.near[some]))))

    def _spread(self) -> tuple[NDArray[np.bool_], Array, Array, Array]:
        """Which cut-offs have two corpora or more; mean, variance and count of their errors."""
        some = np.sum(np.isfinite(self.error), axis=1) >= 2
        error = self.error[some]
        if not some.any():
            return some, np.empty(0), np.empty(0), np.empty(0)
        count = np.sum(np.isfinite(error), axis=1).astype(float)
        return some, np.nanmean(error, axis=1), np.nanvar(error, axis=1, ddof=1), count


def summed(error: Array, change: Array, scatter: float) -> tuple[float, float, float]:
    """Sum up the errors of several held-out runs, those that lie farther beyond what was fitted counting more.

    Parameters
    ----------
    error, change : ndarray (m,)
        Of logarithms, with signs; and how far each run lies beyond what was fitted.
    scatter : float
        Standard deviation of single runs.

    Returns
    -------
    error, change, noise : float
        As of `Misses`; NaN where nothing changes or no error is known.
    """
    known = np.isfinite(error) & np.isfinite(change)
    weight = change[known]
    if not weight.sum() > 0:
        return math.nan, math.nan, math.nan
    weight = weight / weight.sum()
    return float(weight @ error[known]), float(weight @ change[known]), scatter**2 * float(weight @ weight)
