"""What a boundary has to beat: constants, steps, straight lines and monotone splines.

Each is fitted to the same models and called with log10 compute. Beyond the compute seen the steps stay as at its end.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from scaling.boundary.evaluation.bins import bin_of, equal_mass_edges
from scaling.boundary.evaluation.metrics import pinball
from scaling.errors import UsageError, did_you_mean

Array = NDArray[np.float64]
Predictor = Callable[[Array], Array]

CONSTANT, ONE, BINNED, SMOOTHED, ISOTONIC, LINEAR, ISPLINE, PUBLISHED = (
    "constant",
    "one",
    "binned",
    "binned_smoothed",
    "isotonic",
    "linear",
    "ispline",
    "zhang2026",
)

#: In words.
NAMES = {
    CONSTANT: "constant quantile",
    ONE: "constant 1",
    BINNED: "bins, exact quantile",
    SMOOTHED: "bins, smoothed quantile",
    ISOTONIC: "bins, exact, running maximum",
    LINEAR: "linear quantile regression",
    ISPLINE: "monotone splines",
    PUBLISHED: "sigmoid of arXiv:2602.15327",
}
_KAPPA = 50.0
_NEAR = 6  # models next to a line, two of which it goes through
_MOST_TURNS = 5000  # of the iterations of a linear quantile regression


def fit_baseline(name: str, log10_compute: Array, score: Array, tau: float) -> Predictor:
    """Fit a baseline.

    Parameters
    ----------
    name : str
        A key of `NAMES`.
    log10_compute, score : ndarray (n,)
        The models; at least two different values of compute.
    tau : float
        Quantile.

    Returns
    -------
    callable
        From log10 compute (m,) to the boundary (m,).

    Raises
    ------
    UsageError
        For an unknown name.
    """
    if name not in _FITS:
        raise UsageError(f"there is no baseline '{name}'", hint=did_you_mean(name, NAMES))
    return _FITS[name](log10_compute, score, tau)


def _constant(z: Array, y: Array, tau: float) -> Predictor:  # noqa: ARG001 - all baselines are called alike
    level = float(np.quantile(y, tau))
    return lambda at: np.full(len(at), level)


def _one(z: Array, y: Array, tau: float) -> Predictor:  # noqa: ARG001
    return lambda at: np.ones(len(at))


def _steps(edges: Array, level: Array) -> Predictor:
    return lambda at: level[bin_of(at, edges)]


def _by_bin(z: Array, y: Array, level_of: Callable[[Array], float]) -> tuple[Array, Array]:
    """Edges of the bins, and a level for each; an empty bin takes the level before it."""
    edges = equal_mass_edges(z)
    at = bin_of(z, edges)
    count = np.bincount(at, minlength=max(len(edges) - 1, 1))
    level = np.empty(len(count))
    for k in range(len(count)):
        level[k] = level_of(y[at == k]) if count[k] else level[k - 1]
    return edges, level


def _binned(z: Array, y: Array, tau: float) -> Predictor:
    edges, level = _by_bin(z, y, lambda here: float(np.quantile(here, tau)))
    return _steps(edges, level)


def _binned_smoothed(z: Array, y: Array, tau: float) -> Predictor:
    edges, level = _by_bin(z, y, lambda here: smoothed_quantile(here, tau, _KAPPA))
    return _steps(edges, level)


def _isotonic(z: Array, y: Array, tau: float) -> Predictor:
    # The running maximum: a bin below the one before it has no claim to be believed, since less compute did better.
    edges, level = _by_bin(z, y, lambda here: float(np.quantile(here, tau)))
    return _steps(edges, np.maximum.accumulate(level))


def _linear(z: Array, y: Array, tau: float) -> Predictor:
    from statsmodels.regression.quantile_regression import QuantReg

    centre = float(z.mean())
    with warnings.catch_warnings():
        # Where it stops early the line is a hair from the best one; the others are of standard errors, unused here.
        warnings.simplefilter("ignore")
        found = QuantReg(y, np.column_stack([np.ones(len(z)), z - centre])).fit(q=tau, max_iter=_MOST_TURNS)
    a, b = _through_two(z - centre, y, np.asarray(found.params, float), tau)
    return lambda at: np.clip(a + b * (at - centre), 0, 1)


def _through_two(z: Array, y: Array, line: Array, tau: float) -> tuple[float, float]:
    """Put a line through two models, as the best one is: the iterations end a hair away, with either on either side."""
    near = np.argsort(np.abs(y - line[0] - line[1] * z), kind="stable")[:_NEAR]
    best, value = (float(line[0]), float(line[1])), float(np.mean(pinball(y, line[0] + line[1] * z, tau)))
    for i, j in combinations(near.tolist(), 2):
        if z[i] == z[j]:
            continue
        b = (y[j] - y[i]) / (z[j] - z[i])
        a = y[i] - b * z[i]
        loss = float(np.mean(pinball(y, a + b * z, tau)))
        if loss <= value:
            best, value = (float(a), float(b)), loss
    return best


def _ispline(z: Array, y: Array, tau: float) -> Predictor:
    from scaling.boundary.evaluation.isplines import fit_isplines

    return fit_isplines(z, y, tau, _KAPPA)


def _published(z: Array, y: Array, tau: float) -> Predictor:
    from scaling.boundary.settings import settle
    from scaling.boundary.solver import Points, curve, solve

    settings = settle(len(y), tau, PUBLISHED, None, None)
    theta = solve(Points.of(z, y), tau, settings.kappa, settings.ridge).theta
    return lambda at: curve(theta, at)


def smoothed_quantile(score: Array, tau: float, kappa: float) -> float:
    """Find the constant of least smoothed pinball loss over scores (n,), by halving; between 0 and 1."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        above = np.mean(0.5 + 0.5 * np.tanh(0.5 * kappa * (score - middle)))
        low, high = (middle, high) if above > 1 - tau else (low, middle)
    return (low + high) / 2


_FITS: dict[str, Callable[[Array, Array, float], Predictor]] = {
    CONSTANT: _constant,
    ONE: _one,
    BINNED: _binned,
    SMOOTHED: _binned_smoothed,
    ISOTONIC: _isotonic,
    LINEAR: _linear,
    ISPLINE: _ispline,
    PUBLISHED: _published,
}
