"""What residuals say about a law: a trend left over, and the scatter of rows at the same inputs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scaling.fitting.checks import design_points
from scaling.fitting.resample import without_leverage

Array = NDArray[np.float64]

_LINE = 0.025  # scatter across a line, relative to the spread along it: sd of ln(D/N) below 5 % of that of ln N


def residual_structure(
    residuals: Array,
    weights: Array,
    inputs: dict[str, Array],
    p: int,
    rounding: float,
    scores: Array | None = None,
    groups: NDArray[np.int64] | None = None,
) -> float:
    """Test whether a trend is left in the residuals.

    Parameters
    ----------
    residuals, weights : ndarray (n,)
        Of the fit.
    inputs : dict of str to ndarray (n,)
        Of the law; logarithms are taken of positive ones.
    p : int
        Parameters already fitted.
    rounding : float
        Residuals of this size and below are rounding, in which patterns mean nothing.
    scores : ndarray (n,), optional
        What to seek the trend in where residuals have one of their own, as around a quantile when the scatter varies.
    groups : ndarray of int (n,), optional
        Clusters, numbered from 0; their rows share noise, which may pose as a trend.

    Returns
    -------
    float
        p value of an F test of all terms up to second order; NaN with fewer than 5 rows, or clusters, to spare.
        Residuals beyond four robust standard deviations are pulled in to there, so that single bad runs do not pose as
        a trend.

    Notes
    -----
    The law itself takes up part of any trend, so p is too large rather than too small: what it finds can be seen in a
    plot of the residuals. A test beyond the span of the Jacobian is sharper, but on the 240-row Chinchilla set it finds
    fault with every law of N and D in the book, for shapes that no plot shows.

    With clusters it is a Wald test with the covariance CR3 of the terms' coefficients, compared with Hotelling's T^2 of
    as many clusters of equal size as would tell as much, (sum of sizes)^2 / (sum of squared sizes). Compared with the
    F distribution of one degree less than clusters it found a trend at p < 1e-4 in 0.5 % of simulated sweeps of 12
    clusters without one, this way in 0.1 % at most; rows taken as independent found one in 15 %.
    """
    from scipy.special import fdtrc

    n = len(residuals)
    centre = residuals - np.median(residuals)
    scale = 1.4826 * float(np.median(np.abs(centre)))
    if not scale > rounding:
        return float("nan")
    y = np.clip(centre, -4 * scale, 4 * scale) if scores is None else scores
    axes = []
    for values in inputs.values():
        x = np.log(values) if np.all(values > 0) else values
        spread = float(np.std(x))
        if spread > 0:
            axes.append((x - x.mean()) / spread)
    columns = [*axes, *(a * b for i, a in enumerate(axes) for b in axes[i:])]
    design = np.stack([np.ones(n), *columns], axis=1)
    if groups is not None and int(groups.max()) + 1 < n:
        return _trend_across_clusters(y, weights, design, groups)
    rank = int(np.linalg.matrix_rank(design))
    spare = n - p - (rank - 1)
    if spare < 5 or rank < 2:
        return float("nan")
    root = np.sqrt(weights)
    solution, *_ = np.linalg.lstsq(design * root[:, None], y * root, rcond=None)
    left = float(np.sum(weights * (y - design @ solution) ** 2))
    before = float(np.sum(weights * (y - np.average(y, weights=weights)) ** 2))
    if left <= 0:
        return 0.0
    return float(fdtrc(rank - 1, spare, (before - left) / (rank - 1) / (left / spare)))


def _trend_across_clusters(y: Array, weights: Array, design: Array, groups: NDArray[np.int64]) -> float:
    """Test, by Wald, that y (n,) follows no column of a design (n, k) but the constant first: p value."""
    from scipy.special import fdtrc

    root = np.sqrt(weights)
    terms = (design[:, 1:] - np.average(design[:, 1:], axis=0, weights=weights)) * root[:, None]
    basis, size, _ = np.linalg.svd(terms, full_matrices=False)
    basis = basis[:, size > 1e-9 * size.max(initial=0.0)]
    q = basis.shape[1]
    shares = np.bincount(groups, weights)
    clusters = float(shares.sum() ** 2 / np.sum(shares**2))
    if q < 1 or clusters - q < 5:
        return float("nan")
    basis = np.concatenate([(root / np.linalg.norm(root))[:, None], basis], axis=1)
    slopes = basis.T @ (y * root)
    left = (y * root - basis @ slopes) / root
    moved = without_leverage(left, left, weights, basis / root[:, None], groups)
    sums = np.zeros((len(shares), q + 1))
    np.add.at(sums, groups, basis * (moved * root)[:, None])
    spread = (sums.T @ sums)[1:, 1:]
    if np.linalg.matrix_rank(spread, hermitian=True) < q:
        return float("nan")
    wald = float(slopes[1:] @ np.linalg.solve(spread, slopes[1:]))
    return float(fdtrc(q, clusters - q, wald / q * (clusters - q) / (clusters - 1)))


def pure_error(
    residuals: Array,
    weights: Array,
    inputs: dict[str, Array],
    p: int,
    groups: NDArray[np.int64] | None,
    rounding: float,
    jacobian: Array | None = None,
) -> tuple[int, float, float]:
    """Compare the scatter of rows at the same inputs with what the law leaves of their means.

    Parameters
    ----------
    residuals, weights : ndarray (n,)
        Of the fit.
    inputs : dict of str to ndarray (n,)
        Of the law.
    p : int
        Parameters fitted.
    groups : ndarray of int (n,), optional
        Clusters. Rows of one cluster at the same inputs share their noise, so they count as one: their mean.
    rounding : float
        Scatter of this size and below is rounding.
    jacobian : ndarray (n, q), optional
        Of the residuals. What it spans is taken out of the means first, by least squares: after a fit by another
        objective than ``squared`` the means are not as small as the law could make them, and where noise is skewed they
        do not average to zero. Without it the means are taken as they are.

    Returns
    -------
    degrees : int
        Of freedom of the pure error; 0 without repeated inputs.
    rms : float
        Pure error, in the unit of the residuals; NaN without repeated inputs.
    lack_of_fit_p : float
        p value of the F test of lack of fit (Draper and Smith 1998, section 2.1); NaN where there is no degree of
        freedom for it, or only rounding to compare with.
    """
    from scipy.special import fdtrc

    n = len(residuals)
    place = design_points(inputs)
    at = np.unique(place, return_index=True)[1]
    if groups is not None:
        _, cell = np.unique(np.stack([place, groups], axis=1), axis=0, return_inverse=True)
        cell = cell.ravel()
        total = np.bincount(cell, weights)
        residuals = np.bincount(cell, weights * residuals) / total
        first = np.unique(cell, return_index=True)[1]
        # Each mean of a cluster is one observation, with the mean weight of its rows.
        weights, place = total / np.bincount(cell), place[first]
        n = len(residuals)
    points = int(place.max()) + 1
    degrees = n - points
    if degrees == 0:
        return 0, float("nan"), float("nan")
    mean = np.bincount(place, weights * residuals) / np.bincount(place, weights)
    inside = float(np.sum(weights * (residuals - mean[place]) ** 2))
    rms = float(np.sqrt(inside / np.mean(weights) / degrees))
    beyond = points - p
    if beyond < 1 or not rms > rounding:
        return degrees, rms, float("nan")
    heavy = np.asarray(np.bincount(place, weights), float)
    if jacobian is not None:
        mean = _beyond_span(mean, heavy, jacobian[at])
    between = float(np.sum(heavy * mean**2))
    return degrees, rms, float(fdtrc(beyond, degrees, (between / beyond) / (inside / degrees)))


def _beyond_span(values: Array, weights: Array, directions: Array) -> Array:
    """What least squares leaves of values (m,) with weights (m,) beside directions (m, q)."""
    length = np.sqrt(np.sum(directions**2, axis=0))
    if not np.all(np.isfinite(length)):
        return values
    scaled = directions / np.where(length > 0, length, 1.0)
    root = np.sqrt(weights)
    solution, *_ = np.linalg.lstsq(scaled * root[:, None], values * root, rcond=None)
    return np.asarray(values - scaled @ solution)


def line_slope(inputs: dict[str, Array]) -> float:
    """Tell whether N and D lie on one line, on logarithmic scales.

    Parameters
    ----------
    inputs : dict of str to ndarray (n,)
        Of the law.

    Returns
    -------
    float
        The slope of ln D against ln N where the scatter across the line is below 2.5 % of the spread along it; NaN
        elsewhere, and where one of the two is constant or missing.
    """
    if not {"N", "D"} <= set(inputs) or min(inputs["N"].min(), inputs["D"].min()) <= 0:
        return float("nan")
    logs = np.log(np.stack([inputs["N"], inputs["D"]]))
    logs = logs - logs.mean(axis=1, keepdims=True)
    if np.any(np.ptp(logs, axis=1) < 1e-9):
        return float("nan")
    along, spread, _ = np.linalg.svd(logs, full_matrices=False)
    if spread[1] >= _LINE * spread[0] or np.min(np.abs(along[:, 0])) < _LINE:  # along one of the axes
        return float("nan")
    return float(along[1, 0] / along[0, 0])
