"""Intervals of a share: how sure k out of n is."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import UsageError, did_you_mean
from scaling.inputs import check_level

Array = NDArray[np.float64]

_ROUNDING = 1e-9
METHODS = ("wilson", "jeffreys")


def proportion_interval(
    successes: ArrayLike, trials: ArrayLike, level: float = 0.95, method: str = "wilson"
) -> tuple[Array, Array]:
    """Return the interval of a binomial share.

    Parameters
    ----------
    successes, trials : array_like
        Counts; fractions are allowed, for expected counts and effective numbers of trials.
    level : float, default 0.95
        Nominal coverage.
    method : {'wilson', 'jeffreys'}
        The score interval, or the central interval of the posterior under Jeffreys' prior, whose ends are 0 and 1
        where nothing or everything succeeded (Brown, Cai and DasGupta 2001, Statistical Science 16, 101).

    Returns
    -------
    low, high : ndarray
        0 and 1 where there were no trials.

    Raises
    ------
    UsageError
        For another method, a level outside 0 to 1, or more successes than trials.

    Examples
    --------
    >>> low, high = proportion_interval(58, 64)
    >>> round(float(low), 3), round(float(high), 3)
    (0.81, 0.956)
    """
    check_level(level)
    k, n = np.broadcast_arrays(np.asarray(successes, float), np.asarray(trials, float))
    if np.any((k < -_ROUNDING) | (k > n + _ROUNDING)):
        raise UsageError("a share is of successes that number from 0 to the trials")
    some = n > 0
    if method == "wilson":
        from scipy.special import ndtri

        z2 = float(ndtri(0.5 + level / 2)) ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            share = k / n
            centre = (share + z2 / (2 * n)) / (1 + z2 / n)
            half = np.sqrt(z2 * np.maximum(share * (1 - share) / n + z2 / (4 * n**2), 0)) / (1 + z2 / n)
        low, high = centre - half, centre + half
    elif method == "jeffreys":
        from scipy.special import betaincinv

        a, b = np.where(some, k, 0) + 0.5, np.where(some, n - k, 0) + 0.5
        low, high = betaincinv(a, b, (1 - level) / 2), betaincinv(a, b, (1 + level) / 2)
    else:
        raise UsageError(f"there is no interval of a share called '{method}'", hint=did_you_mean(method, METHODS))
    low = np.where(some & (k > 0), np.clip(low, 0, 1), 0.0)
    high = np.where(some & (k < n), np.clip(high, 0, 1), 1.0)
    return low, high


def design_effect(values: Array, cells: NDArray[np.int64], months: NDArray[np.int64]) -> Array:
    """Return how many times wider the variance of each month's mean is for models that come in groups.

    Parameters
    ----------
    values : ndarray (n,)
        0 or 1, or shares, one a model.
    cells : ndarray of int (n,)
        Groups.
    months : ndarray of int (n,)
        Months, 0 to the number of months less one.

    Returns
    -------
    ndarray (months,)
        1 + (mean size of a model's group in the month - 1) * r, not below 1; r is the correlation of two models of one
        group and month, by moments over all months together, since one month alone is all 0 or all 1 too often.
    """
    count = int(months.max()) + 1
    n = np.bincount(months, minlength=count).astype(float)
    residual = values - (np.bincount(months, values, minlength=count) / np.maximum(n, 1))[months]
    _, cell = np.unique(np.stack([months, cells]), axis=1, return_inverse=True)
    cell = cell.ravel()
    size = np.bincount(cell).astype(float)
    sums, squares = np.bincount(cell, residual), np.bincount(cell, residual**2)
    pairs = float(np.sum(size * (size - 1)))
    freedom = max(len(values) - int(np.sum(n > 0)), 1)
    variance = float(np.sum(squares)) / freedom
    if pairs == 0 or variance == 0:
        return np.ones(count)
    r = float(np.clip(np.sum(sums**2 - squares) / pairs / variance, 0, 1))
    weighted = np.bincount(months, size[cell], minlength=count) / np.maximum(n, 1)
    return np.asarray(1 + np.maximum(weighted - 1, 0) * r)
