"""Maps between the losses of many corpora at once, by weighted least squares in closed form.

The forms are those of the law book whose parameters are linear, so that a thousand replicates of every map are one
batch of small solves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Form -> (whether it is of logarithms, the highest power of x).
LINEAR_FORMS = {"affine": (False, 1), "quadratic": (False, 2), "log_log": (True, 1), "log_quadratic": (True, 2)}


def fit_linear(form: str, x: Array, y: Array, weights: Array | None = None) -> tuple[Array, float]:
    """Fit one form by least squares, for many weightings of the rows at once.

    Parameters
    ----------
    form : str
        One of `LINEAR_FORMS`.
    x, y : ndarray (n,) or (b, n)
        The losses on either side, above 0.
    weights : ndarray (b, n), optional
        One weighting a replicate; all ones where missing.

    Returns
    -------
    coefficients : ndarray (b, p)
        Powers from 0 on, of x less `centre` (or of their logarithms); NaN where the weights leave too few points.
    centre : float
        What x is taken from, for sound arithmetic: the mean of x (or of its logarithm).
    """
    log, power = LINEAR_FORMS[form]
    x, y = np.atleast_2d(x), np.atleast_2d(y)
    u, v = (np.log(x), np.log(y)) if log else (x, y)
    centre = float(u.mean())
    design = (u - centre)[..., None] ** np.arange(power + 1)
    w = np.ones_like(u) if weights is None else np.atleast_2d(weights)
    # Rows that all replicates share stand once: their matrix is inverted once.
    weighted = w[..., None] * design
    gram = np.swapaxes(weighted, 1, 2) @ design
    right = np.swapaxes(weighted, 1, 2) @ v[..., None]
    scale = np.sqrt(np.einsum("bii->bi", gram))
    scale = np.where(scale > 0, scale, 1.0)
    scaled = gram / scale[:, :, None] / scale[:, None, :]
    sound = np.linalg.cond(scaled) < 1e10
    inverse = np.linalg.inv(np.where(sound[:, None, None], scaled, np.eye(power + 1)))
    found = (inverse @ (right / scale[..., None]))[..., 0] / scale
    return np.where(sound[:, None], found, np.nan), centre


def evaluate_linear(form: str, coefficients: Array, centre: float, x: Array) -> Array:
    """Work maps out.

    Parameters
    ----------
    form, coefficients, centre
        As of `fit_linear`.
    x : ndarray (m,) or (b, m)
        Losses on the right.

    Returns
    -------
    ndarray (b, m)
        The loss on the left; NaN where it is not above 0.
    """
    log, power = LINEAR_FORMS[form]
    with np.errstate(all="ignore"):
        u = np.atleast_2d(np.log(x) if log else x) - centre
        value = np.einsum("bmi,bi->bm", *_same(u[..., None] ** np.arange(power + 1), coefficients))
        value = np.exp(value) if log else value
        return np.where(value > 0, value, np.nan)


def _same(*arrays: Array) -> Sequence[Array]:
    """Give arrays the same number of replicates."""
    b = max(len(a) for a in arrays)
    return [np.broadcast_to(a, (b, *a.shape[1:])) for a in arrays]
