"""Score candidates by what they missed their held-out runs by, and say which differences are none.

A candidate is a law with an objective and a trimming. Errors of one cut-off are compared with those of the reference at
the same cut-off, as the logarithm of the ratio of their root mean squares, because cut-offs differ in difficulty by far
more than candidates do. Cut-offs count by the square root of how close they are to the whole data. How these choices
were measured stands in docs/backtest.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

NEED = 0.6  # of the weight of the reference's cut-offs; fewer are no comparison
TIE_ERRORS = 0.5  # standard errors of the paired difference within which two candidates are as good
TIE_RATIO = 0.02  # and the difference of log errors that is never worth another parameter
ROUNDING = 1e-6  # of logarithms: what refits to exact data may miss by, and no difference between candidates
SHARPNESS = 16.0  # a law whose errors are 10 % larger deserves exp(-1.6) = a fifth of the weight


@dataclass(frozen=True)
class Errors:
    """What a candidate missed at the cut-offs where it could be fitted.

    Parameters
    ----------
    cuts : tuple of int (k,)
        Which of the cut-offs.
    square : ndarray (k,)
        Mean square error at each, of logarithms.
    bias : ndarray (k,)
        Mean error at each.
    near : ndarray (k,)
        How close the cut-off is to the whole data: cut-off over largest compute.
    """

    cuts: tuple[int, ...]
    square: Array
    bias: Array
    near: Array

    @property
    def rms(self) -> float:
        """Root mean square, cut-offs weighted."""
        return float(np.sqrt(np.average(self.square, weights=np.sqrt(self.near))))

    @property
    def mean(self) -> float:
        """Mean signed error, cut-offs weighted."""
        return float(np.average(self.bias, weights=np.sqrt(self.near)))


def compare(one: Errors, other: Errors, noise: float) -> tuple[float, float, float]:
    """Compare two candidates on the cut-offs that they share.

    Parameters
    ----------
    one, other : Errors
        The candidates.
    noise : float
        Scatter of single runs, as of `scatter`; differences below it tell nothing, so its square is added to both.

    Returns
    -------
    difference : float
        Weighted mean of ln(rms of one / rms of other); NaN where no cut-off is shared.
    error : float
        Its standard error over the cut-offs; NaN with fewer than three of them.
    shared : float
        Share of the other's cut-offs, by weight, that both have.
    """
    place = {cut: i for i, cut in enumerate(one.cuts)}
    pairs = [(place[cut], j) for j, cut in enumerate(other.cuts) if cut in place]
    if not pairs:
        return float("nan"), float("nan"), 0.0
    mine, theirs = (np.array(x) for x in zip(*pairs, strict=True))
    weight = np.sqrt(other.near[theirs])
    ratio = 0.5 * np.log((one.square[mine] + noise**2) / (other.square[theirs] + noise**2))
    total = float(weight.sum())
    difference = float(weight @ ratio) / total
    shared = total / float(np.sqrt(other.near).sum())
    if len(pairs) < 3:
        return difference, float("nan"), shared
    effective = total**2 / float(weight @ weight)
    error = float(np.sqrt(weight @ (ratio - difference) ** 2 / total / (effective - 1)))
    return difference, error, shared


def scatter(residuals: Array) -> float:
    """Return the scatter of single runs so that an outlier does not drown what the others tell.

    Parameters
    ----------
    residuals : ndarray (n,)
        Of logarithms; NaN where a law is not defined.

    Returns
    -------
    float
        1.4826 times the median size, which is the standard deviation of normal residuals; at least `ROUNDING`.
    """
    known = np.abs(residuals[np.isfinite(residuals)])
    return max(1.4826 * float(np.median(known)), ROUNDING) if len(known) else ROUNDING


def tied(difference: float, error: float) -> bool:
    """Tell whether a candidate that is worse by a difference of log errors is as good all the same."""
    return difference <= max(TIE_RATIO, TIE_ERRORS * error if np.isfinite(error) else 0.0)


def weigh(scores: Array) -> Array:
    """Turn log errors into weights that add up to 1: a likelihood of few independent forecasts (pseudo-BMA)."""
    known = np.isfinite(scores)
    out = np.zeros(len(scores))
    if known.any():
        raw = np.exp(-SHARPNESS * (scores[known] - scores[known].min()))
        out[known] = raw / raw.sum()
    return out
