"""The vertex of a parabola through points: where one hyperparameter is best while the others stay."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_COEFFICIENTS = 3


@dataclass(frozen=True)
class Parabola:
    """A parabola that opens upwards.

    Parameters
    ----------
    vertex, height : float
        Where it is lowest, and its value there.
    curvature : float
        Second derivative, above 0.
    error : float
        Standard error of `vertex` by the delta method; NaN for a parabola through as many points as coefficients.
    """

    vertex: float
    height: float
    curvature: float
    error: float


def fit_parabola(x: Array, y: Array) -> Parabola | None:
    """Fit a parabola by least squares.

    Parameters
    ----------
    x, y : ndarray (n,)
        Points at three different x or more.

    Returns
    -------
    Parabola or None
        None where it does not open upwards, so that it has no lowest point.
    """
    centre = float(x.mean())
    u = x - centre
    design = np.stack([np.ones_like(u), u, u * u], axis=1)
    height, slope, bend = (float(c) for c in np.linalg.lstsq(design, y, rcond=None)[0])
    if not bend > 0:
        return None
    vertex = -slope / (2 * bend)
    error = math.nan
    if len(y) > _COEFFICIENTS:
        left = y - design @ np.array([height, slope, bend])
        spread = float(left @ left) / (len(y) - _COEFFICIENTS) * np.linalg.inv(design.T @ design)
        towards = np.array([0.0, -1 / (2 * bend), slope / (2 * bend**2)])
        error = math.sqrt(max(float(towards @ spread @ towards), 0.0))
    return Parabola(vertex + centre, height + slope * vertex / 2, 2 * bend, error)
