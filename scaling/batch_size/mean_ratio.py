"""The ratio of two means of rows that may be alike in time, and its interval, whatever the signs of the means."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.batch_size.fieller import fieller_interval

Array = NDArray[np.float64]

_FEWEST_CHOSEN = 10  # blocks that an automatic block length leaves
_UNUSUAL = 2.0  # standard deviations of a variance ratio above which neighbours count as alike


@dataclass(frozen=True)
class MeanRatio:
    """Two means and the covariance of these means.

    Parameters
    ----------
    numerator, denominator : float
        The means.
    variance_numerator, variance_denominator, covariance : float
        Of the means, not of the rows.
    """

    numerator: float
    denominator: float
    variance_numerator: float
    variance_denominator: float
    covariance: float

    @property
    def ratio(self) -> float:
        """Numerator over denominator; an infinity where the latter is 0."""
        if self.denominator == 0:
            return math.copysign(math.inf, self.numerator)
        return self.numerator / self.denominator

    @property
    def standard_error(self) -> float:
        """Of the ratio, to first order."""
        if self.denominator == 0:
            return math.inf
        r = self.ratio
        variance = self.variance_numerator - 2 * r * self.covariance + r**2 * self.variance_denominator
        return math.sqrt(max(variance, 0.0)) / abs(self.denominator)

    def interval(self, level: float, degrees: int) -> tuple[float, float, float]:
        """Return Fieller's interval of the ratio.

        It holds every r for which ``numerator - r * denominator`` is not told apart from zero. Where the denominator
        itself is not, the set includes infinity: two rays or the whole line. Of such a set the non-negative part is
        returned, for ratios that by their nature are not negative.

        Parameters
        ----------
        level : float
            Nominal coverage.
        degrees : int
            Degrees of freedom of the covariance.

        Returns
        -------
        low, high : float
            `high` is inf where the denominator is not told apart from zero.
        q : float
            Squared half-width of the denominator over its square; the interval is bounded below 1.
        """
        from scipy.special import stdtrit

        z = float(stdtrit(degrees, 0.5 + level / 2))
        matrix = np.array([[self.variance_numerator, self.covariance], [self.covariance, self.variance_denominator]])
        low, high = fieller_interval(self.numerator, self.denominator, matrix, z, signed=True)
        q = z**2 * self.variance_denominator / self.denominator**2 if self.denominator != 0 else math.inf
        return low, high, q


def ratio_of_means(numerator: Array, denominator: Array, n_blocks: int) -> MeanRatio:
    """Return two means, and their covariance from the scatter of consecutive blocks of nearly equal length.

    Parameters
    ----------
    numerator, denominator : ndarray (n,)
        Rows in time order.
    n_blocks : int
        At least 2; n takes every row as independent.

    Returns
    -------
    MeanRatio
    """
    n = len(numerator)
    edges = np.linspace(0, n, n_blocks + 1).astype(int)
    means = np.array([numerator.mean(), denominator.mean()])
    rows = np.stack([numerator - means[0], denominator - means[1]])
    sums = np.add.reduceat(rows, edges[:-1], axis=1)
    c = sums @ sums.T / n**2 * (n_blocks / (n_blocks - 1))
    return MeanRatio(float(means[0]), float(means[1]), float(c[0, 0]), float(c[1, 1]), float(c[0, 1]))


def choose_block(numerator: Array, denominator: Array) -> tuple[int, str]:
    """Choose how many rows to average before their scatter is taken.

    What is followed is the row's pull on the ratio, ``numerator - ratio * denominator``. If blocks of ``(2 n)**(1/3)``
    rows scatter no more than independent rows would, within two standard deviations, each row stands alone. Otherwise
    the length L is the smallest power of two with ``L**3 > 2 n (v_L / v_1)**2``, with v_L the variance of one row that
    blocks of L imply (the blocking of Flyvbjerg and Petersen 1989, J. Chem. Phys. 91, 461, with the stop of Lee et al.
    2011, Phys. Rev. E 83, 066706), as long as ten blocks remain.

    Parameters
    ----------
    numerator, denominator : ndarray (n,)
        Rows in time order.

    Returns
    -------
    length : int
        Rows a block.
    words : str
        How it was chosen.
    """
    n = len(numerator)
    longest = n // _FEWEST_CHOSEN
    first = min(math.ceil((2 * n) ** (1 / 3)), longest)
    total = float(denominator.sum())
    if first < 2 or total == 0:
        return 1, "rows taken as independent: too few to tell"
    pull = numerator - float(numerator.sum()) / total * denominator
    single = _row_variance(pull, 1)
    if single == 0:
        return 1, "rows do not differ"
    spread = math.sqrt(2 / (n // first - 1))
    if _row_variance(pull, first) / single <= 1 + _UNUSUAL * spread:
        return 1, "rows look independent"
    length = 2
    while length <= longest and length**3 <= 2 * n * (_row_variance(pull, length) / single) ** 2:
        length *= 2
    if length > longest:
        return longest, "neighbours are alike over more rows than there are to judge by: the interval may be too narrow"
    return length, "neighbours are alike"


def _row_variance(pull: Array, length: int) -> float:
    """Variance of one row that the means of blocks of `length` imply, were rows independent."""
    usable = len(pull) // length * length
    return float(length * np.var(pull[:usable].reshape(-1, length).mean(axis=1), ddof=1))
