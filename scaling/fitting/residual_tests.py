"""What residuals say about a law: a trend left over, and the scatter of rows at the same inputs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_LINE = 0.025  # scatter across a line, relative to the spread along it: sd of ln(D/N) below 5 % of that of ln N


def residual_structure(
    residuals: Array,
    weights: Array,
    inputs: dict[str, Array],
    p: int,
    rounding: float,
    scores: Array | None = None,
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

    Returns
    -------
    float
        p value of an F test of all terms up to second order; NaN with fewer than 5 rows to spare. Residuals beyond four
        robust standard deviations are pulled in to there, so that single bad runs do not pose as a trend.

    Notes
    -----
    The law itself takes up part of any trend, so p is too large rather than too small: what it finds can be seen in a
    plot of the residuals. A test beyond the span of the Jacobian is sharper, but on the 240-row Chinchilla set it finds
    fault with every law of N and D in the book, for shapes that no plot shows.
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


def pure_error(
    residuals: Array,
    weights: Array,
    inputs: dict[str, Array],
    p: int,
    groups: NDArray[np.int64] | None,
    rounding: float,
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
    rows = np.stack([np.asarray(v, float) for v in inputs.values()], axis=1)
    _, place = np.unique(rows, axis=0, return_inverse=True)
    place = place.ravel()
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
    between = float(np.sum(np.bincount(place, weights) * mean**2))
    return degrees, rms, float(fdtrc(beyond, degrees, (between / beyond) / (inside / degrees)))


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
