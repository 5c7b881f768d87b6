"""How sure a fit is: covariance of the estimates, intervals of the parameters and of predictions."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.fitting.objective import Objective
from scaling.fitting.resample import without_leverage

Array = NDArray[np.float64]

_NORMAL_SD = 1.4826  # of a normal distribution, in units of its median absolute deviation
_SAME_WEIGHT = 1e-9  # relative difference below which weights are equal


@dataclass(frozen=True)
class Covariance:
    """Covariance of the internal parameters.

    Parameters
    ----------
    matrix : ndarray (p, p)
        NaN in the rows and columns of parameters that a bound holds, and everywhere where the data leave no freedom.
    degrees : float
        Degrees of freedom of its t distribution.
    condition_number : float
        Of the Jacobian with columns scaled to length one; infinite where a direction is not determined at all.
    likelihood_scale : float
        What half a unit of log-likelihood of independent rows is worth in the objective: twice the rise of the
        objective, divided by it, is compared with an F distribution. NaN where it is not known.
    plain : ndarray (p, p), optional
        The covariance if rows were independent and their variances inverse to the weights; `matrix` itself where
        nothing says otherwise (neither groups nor weights that differ), and where it is not known.
    """

    matrix: Array
    degrees: float
    condition_number: float
    likelihood_scale: float = float("nan")
    plain: Array | None = None

    @property
    def sandwich(self) -> bool:
        """Whether the matrix was estimated from the scatter of clusters, or of weighted rows."""
        return self.plain is not None


def covariance(
    jacobian: Array,
    residuals: Array,
    weights: Array,
    objective: Objective,
    free: NDArray[np.bool_],
    groups: NDArray[np.int64] | None,
    pull: Array | None = None,
) -> Covariance:
    """Work out the covariance of an M-estimate.

    Parameters
    ----------
    jacobian : ndarray (n, p)
        Derivatives of the residuals with respect to the internal parameters.
    residuals : ndarray (n,)
        At the optimum.
    weights : ndarray (n,)
        Of the rows.
    objective : Objective
        What was minimised.
    free : ndarray of bool (p,)
        Parameters that no bound holds.
    groups : ndarray of int (n,), optional
        Clusters; the covariance then allows any dependence within them.
    pull : ndarray (p,), optional
        Second derivatives of a penalty; it narrows the scatter of the estimates and says nothing of their bias.

    Returns
    -------
    Covariance

    Notes
    -----
    For rows of equal weight it is ``tau^2 (J'J)^-1`` with ``tau^2 = mean(psi^2) / mean(psi')^2 * n/(n - p)``, which for
    squared residuals is the textbook ``s^2 (J'J)^-1`` (Huber 1981). Weights that differ may be precisions or say what a
    row is worth, and nothing tells which: for them it is the sandwich ``B (sum w^2 psi^2 j j') B / mean(psi')^2``,
    ``B = (J'WJ)^-1``, right for both, with each psi divided by one minus the leverage of its row (HC3). For clusters
    the sum is over clusters, and psi is given back what the fit took from the whole cluster (CR3). With the plain
    n/(n - p) in place of that, 90 % intervals of 60 weighted rows covered 80 to 88 % of 1000 sweeps, with it 88 to
    91 %; those of 12 clusters of 5 rows 87 to 89 %, and 88 to 92 %.

    Columns are scaled to length one and the inverse comes from a QR factorisation: the normal equations would lose
    half of the digits.
    """
    n, p = len(residuals), int(free.sum())
    full = np.full((len(free), len(free)), np.nan)
    degrees = float(n - p) if groups is None else float(groups.max())
    root = jacobian[:, free] * np.sqrt(weights)[:, None]
    length = np.sqrt(np.sum(root**2, axis=0))
    if p == 0 or not np.all(np.isfinite(root)) or np.any(length == 0) or n < p:
        return Covariance(full, degrees, np.inf if p else 1.0)
    bend = objective.mean_bend(residuals, weights, p)
    held = root
    if pull is not None and 0 < bend < np.inf:
        held = np.vstack([root, np.diag(np.sqrt(pull / bend))[:, free]])
        length = np.sqrt(np.sum(held**2, axis=0))
    _, r = np.linalg.qr(held / length)
    singular = np.linalg.svd(r, compute_uv=False)
    condition = float(singular[0] / singular[-1]) if singular[-1] > 0 else np.inf
    if degrees <= 0 or n <= p or condition > 1e14:
        return Covariance(full, degrees, condition)
    inverse = np.linalg.inv(r) / length[:, None]
    bread = inverse @ inverse.T
    score = objective.scores_at_optimum(residuals, weights, jacobian[:, free])
    spread = float(np.sum(weights * score**2)) / (n - p)
    inside = np.ix_(free, free)
    if pull is not None:  # as a square, whose diagonal rounding cannot make negative
        pushed = root @ bread
        bread_of_scores = pushed.T @ pushed
    full[inside] = (bread if pull is None else bread_of_scores) * spread / bend**2
    if groups is None and np.ptp(weights) <= _SAME_WEIGHT * np.max(weights):
        return Covariance(full, degrees, condition, spread / bend)
    moved = without_leverage(score, score, weights, jacobian[:, free], groups)
    sums = jacobian[:, free] * (weights * moved)[:, None]
    if groups is not None:
        rows, sums = sums, np.zeros((int(groups.max()) + 1, p))
        np.add.at(sums, groups, rows)
    robust = np.full_like(full, np.nan)
    robust[inside] = bread @ (sums.T @ sums) @ bread / bend**2
    return Covariance(robust, degrees, condition, spread / bend, full)


def t_quantile(level: float, degrees: float) -> float:
    """Return the half-width of a central interval of the t distribution, in standard errors."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.5 + level / 2)) if degrees > 0 else float("nan")


def percentile_interval(replicates: Array, level: float) -> tuple[Array, Array]:
    """Percentiles of replicates, over the first axis; NaN replicates (those without an answer) are left out."""
    # Infinite ones have no mean with their neighbour; where all are NaN, so are their percentiles.
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        low, high = np.nanquantile(replicates, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def bca_interval(replicates: Array, jackknife: Array, estimate: ArrayLike, level: float) -> tuple[Array, Array]:
    """Return bias-corrected and accelerated intervals, of parameters or of anything worked out from them.

    Parameters
    ----------
    replicates : ndarray (B, m)
        Bootstrap replicates of m quantities; NaN ones are left out.
    jackknife : ndarray (J, m)
        The same from refits that leave out a unit (or a block of units) each.
    estimate : array_like (m,)
        The same from the fit.
    level : float
        Nominal coverage.

    Returns
    -------
    low, high : ndarray (m,)
        NaN where the jackknife or the replicates leave nothing to judge by.

    Notes
    -----
    Efron 1987. The bias correction is the normal quantile of the share of replicates below the estimate (ties count
    half, so that a parameter at its bound has one); the acceleration is a sixth of the skewness of the jackknife.
    """
    from scipy.special import ndtr, ndtri

    replicates, jackknife = np.atleast_2d(replicates), np.atleast_2d(jackknife)
    centre = np.atleast_1d(np.asarray(estimate, float))
    low, high = np.full((2, replicates.shape[1]), np.nan)
    for j, value in enumerate(centre):
        known = replicates[~np.isnan(replicates[:, j]), j]
        left_out = jackknife[np.isfinite(jackknife[:, j]), j]
        if len(known) < 2 or len(left_out) < 2 or not np.isfinite(value):
            continue
        below = (np.sum(known < value) + 0.5 * np.sum(known == value)) / len(known)
        shift = float(ndtri(np.clip(below, 0.5 / len(known), 1 - 0.5 / len(known))))
        pull = np.mean(left_out) - left_out
        square = float(np.sum(pull**2))
        acceleration = float(np.sum(pull**3)) / (6 * square**1.5) if square > 0 else 0.0
        z = shift + ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
        room = 1 - acceleration * z
        # Beyond the pole of the correction the whole tail is inside.
        at = np.where(room > 0, ndtr(shift + z / np.maximum(room, 1e-12)), [0.0, 1.0])
        with np.errstate(all="ignore"):
            low[j], high[j] = np.quantile(known, at)
    return low, high


def residual_interval(residuals: Array, p: int, objective: Objective, level: float) -> tuple[float, float]:
    """Where the residual of a new run lies.

    Parameters
    ----------
    residuals : ndarray (n,)
        Of the fit.
    p : int
        Parameters fitted; residuals of a fit are too small by about sqrt((n - p)/n).
    objective : Objective
        ``squared`` takes residuals as normal; the others go by their order.
    level : float
        Coverage of the interval.

    Returns
    -------
    low, high : float
        NaN where nothing is left over to judge the noise by.

    Notes
    -----
    A new value lies below the k-th of n with a chance of k/(n + 1), so the ends are the residuals at the places
    (n + 1) q, times sqrt(n/(n - p)). Where those lie beyond the smallest or the largest, an end reaches at least as far
    as a t distribution with n - p degrees of freedom would, whose scale is that of the median absolute residual,
    without the p smallest: an even robust objective passes through about p rows. Coverage of it is in docs/trust.md.
    """
    n = len(residuals)
    if n <= p:
        return float("nan"), float("nan")
    inflate = float(np.sqrt(n / (n - p)))
    if objective.name == "squared":
        half = t_quantile(level, n - p) * float(np.sqrt(np.mean(residuals**2))) * inflate
        return -half, half
    tail = (1 - level) / 2
    low, high = np.quantile(residuals, [tail, 1 - tail], method="weibull") * inflate
    if tail * (n + 1) < 1:
        centre = float(np.median(residuals)) if objective.lopsided else 0.0
        away = np.sort(np.abs(residuals - centre))
        typical = np.median(away) * inflate if objective.lopsided else np.median(away[p:])
        reach = t_quantile(level, n - p) * _NORMAL_SD * float(typical)
        low, high = min(low, centre - reach), max(high, centre + reach)
    return min(float(low), 0.0), max(float(high), 0.0)
