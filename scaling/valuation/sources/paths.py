"""Aumann-Shapley values: what each source adds while all grow together from nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scaling.valuation.equivalence.token_curve import extrapolated
from scaling.valuation.sources.law_utility import LawUtility

Array = NDArray[np.float64]

_PANELS, _NODES = 12, 8  # of the quadrature along the path; panels, because laws of repeated data bend in places
_SHARE = 0.1  # of the totals: steps of differences are a hundredth of it


def aumann_shapley(game: LawUtility, total: Array) -> Array:
    """Divide the utility of all sources by Aumann and Shapley.

    Parameters
    ----------
    game : LawUtility
        Of k sources.
    total : ndarray (R,)
        Utility of all.

    Returns
    -------
    ndarray (R, k)
        Each source's share of the sum, where the law takes one sum; otherwise the integral of its partial derivative
        along the path on which all sources grow in proportion (Gauss-Legendre in the logarithm of the tokens), which
        leaves about 1e-6 of the total over.
    """
    if game.additive:
        brings = game.brings[:, :, 0]
        return np.asarray(brings / brings.sum(axis=1, keepdims=True) * total[:, None])
    return _along_the_path(game)


def _along_the_path(game: LawUtility) -> Array:
    """Integrate the partial derivatives, (R, k)."""
    points, weights = np.polynomial.legendre.leggauss(_NODES)
    s = ((np.arange(_PANELS)[:, None] + (points + 1) / 2) / _PANELS).ravel()
    ds = np.tile(weights / 2 / _PANELS, _PANELS)
    growth = float(np.max(game.brings.sum(axis=1) / game.base))
    times = np.expm1(s * np.log1p(growth)) / growth  # so that the law is as smooth as a power of its tokens may be
    paces = np.log1p(growth) * (1 + times * growth) / growth
    out = np.zeros((game.rows, game.k))
    for t, pace, weight in zip(times, paces, ds, strict=True):
        here = game.totals(np.full((1, game.k), t))[0, 0]
        steps = _SHARE * np.min(here / np.maximum(game.brings[0], 1e-300), axis=1)
        directions = np.diag(np.minimum(steps, 1e6))

        def difference(h: float, t: float = t, directions: Array = directions) -> Array:
            members = np.full((game.k, game.k), t)
            ahead, behind = game.value(members + h * directions), game.value(members - h * directions)
            return (ahead - behind) / (2 * h * np.diag(directions))

        out += weight * pace * extrapolated(difference)
    return out
