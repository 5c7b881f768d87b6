"""Identities of the trade between time and compute for S(B) = a + b/B, in one batch size and the critical one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import UsageError
from scaling.inputs import as_number

Array = NDArray[np.float64]


def time_ratio(batch: ArrayLike, critical: ArrayLike) -> Array:
    """Return steps over the fewest steps, 1 + B_crit/B: the time over the least, at steps of one length.

    Parameters
    ----------
    batch, critical : array_like
        In one unit.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> time_ratio([1024, 5432.6], 5432.6).round(3).tolist()
    [6.305, 2.0]
    """
    return np.asarray(1 + np.asarray(critical, float) / np.asarray(batch, float))


def compute_overhead(batch: ArrayLike, critical: ArrayLike) -> Array:
    """Return the share by which samples, and with them compute, exceed the fewest: B/B_crit.

    It is at the same time the price of time: one percent less time costs B/B_crit percent more compute.

    Parameters
    ----------
    batch, critical : array_like
        In one unit.

    Returns
    -------
    ndarray
    """
    return np.asarray(np.asarray(batch, float) / np.asarray(critical, float))


def batch_for_overhead(critical: ArrayLike, overhead: float) -> Array:
    """Return the largest batch that takes no more than a share of compute above the least: overhead*B_crit.

    Parameters
    ----------
    critical : array_like
        The critical batch size b/a.
    overhead : float
        The share, such as 0.2.

    Returns
    -------
    ndarray

    Raises
    ------
    UsageError
        For an overhead that is no number above 0.
    """
    if not 0 < as_number(overhead) < np.inf:
        raise UsageError(f"the overhead is a finite number above 0, not {overhead}", hint="0.2 stands for 20 %.")
    return np.asarray(overhead * np.asarray(critical, float))


def batch_for_weight(critical: ArrayLike, weight: float) -> Array:
    """Return the batch that minimises time**weight * compute**(1 - weight): B_crit*weight/(1 - weight).

    Parameters
    ----------
    critical : array_like
        The critical batch size b/a.
    weight : float
        Of time, between 0 and 1.

    Returns
    -------
    ndarray

    Raises
    ------
    UsageError
        For a weight outside (0, 1): at the ends there is no best batch but 0 or infinity.

    Examples
    --------
    >>> [round(float(batch_for_weight(5432.6, w)), 1) for w in (0.1, 0.25, 0.5, 0.75)]
    [603.6, 1810.9, 5432.6, 16297.8]
    """
    if not 0 < as_number(weight) < 1:
        raise UsageError(
            f"the weight of time lies between 0 and 1, not at {weight}",
            hint="0.5 counts a percent of time as much as a percent of compute.",
        )
    return np.asarray(np.asarray(critical, float) * weight / (1 - weight))


def tokens_of_sample(unit: str, tokens_per_sample: float | None) -> float:
    """Return the tokens of one sample: 1 where the unit is tokens, NaN where nobody said.

    Parameters
    ----------
    unit : str
        Of the batch.
    tokens_per_sample : float or None
        Context length.

    Returns
    -------
    float

    Raises
    ------
    UsageError
        For a length that is no number above 0.
    """
    if unit == "tokens":
        return 1.0
    return np.nan if tokens_per_sample is None else positive(tokens_per_sample, "the context length")


def positive(value: float, what: str) -> float:
    """Refuse what is no finite number above 0.

    Parameters
    ----------
    value : float
        As given.
    what : str
        Its name in the message.

    Returns
    -------
    float

    Raises
    ------
    UsageError
        For anything else.
    """
    number = as_number(value)
    if not 0 < number < np.inf:
        raise UsageError(f"{what} is a finite number above 0, not {value}")
    return number
