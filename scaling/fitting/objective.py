"""What a fit minimises: the sum over rows of w * rho(r), r the residual of the quantity or of its logarithm.

What to use when
----------------
``squared``
    Errors are close to normal. The most efficient, and the most easily misled by a few bad runs.
``huber``
    Quadratic up to `delta`, linear beyond. ``delta=1e-3`` on log residuals is the published choice for losses
    (arXiv:2203.15556); residuals are mostly larger, so in practice it is a median fit that is smooth near its optimum.
``lad``
    Least absolute deviations: a median fit. The limit of ``huber`` / delta for small delta.

Every objective is a plain sum: r^2 for ``squared``; r^2/2 inside delta and delta*(|r| - delta/2) outside for ``huber``;
|r| for ``lad``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.errors import UsageError, did_you_mean

Array = NDArray[np.float64]

OBJECTIVES = ("squared", "huber", "lad")
RESIDUALS = ("log", "linear")
DEFAULT_DELTA = 1e-3


@dataclass(frozen=True)
class Objective:
    """An objective, by the name that is stored and printed.

    Parameters
    ----------
    name : {'squared', 'huber', 'lad'}
        The loss rho.
    residual : {'log', 'linear'}
        Whether residuals are taken of logarithms or of the quantity itself.
    delta : float, optional
        Where ``huber`` turns from quadratic to linear, in the unit of the residual; None for the others.

    Raises
    ------
    UsageError
        For an unknown name, or a delta that is missing, not positive, or given where none belongs.
    """

    name: str = "huber"
    residual: str = "log"
    delta: float | None = None

    def __post_init__(self) -> None:
        for value, known, what in ((self.name, OBJECTIVES, "objective"), (self.residual, RESIDUALS, "residual")):
            if value not in known:
                raise UsageError(f"there is no {what} '{value}'", hint=did_you_mean(value, known))
        if self.name == "huber":
            object.__setattr__(self, "delta", DEFAULT_DELTA if self.delta is None else float(self.delta))
            if not (self.delta is not None and 0 < self.delta < float("inf")):
                raise UsageError(f"delta must be positive and finite, not {self.delta}")
        elif self.delta is not None:
            raise UsageError(f"delta belongs to the objective 'huber', not to '{self.name}'")

    def __str__(self) -> str:
        name = f"huber({self.delta:g})" if self.name == "huber" else self.name
        return f"{name} on {self.residual} residuals"

    def residuals(self, observed: Array, predicted: Array) -> Array:
        """Return observed minus predicted, of logarithms where that is asked for; NaN outside the domain."""
        with np.errstate(all="ignore"):
            if self.residual == "log":
                return np.log(observed) - np.log(predicted)
            return observed - predicted

    def rho(self, r: Array) -> Array:
        """Loss of each residual; NaN becomes inf, so that a prediction outside the domain is never an optimum."""
        with np.errstate(all="ignore"):
            size = np.abs(r)
            if self.name == "squared":
                out = r * r
            elif self.delta is not None:
                inside = np.minimum(size, self.delta)
                out = inside * (size - 0.5 * inside)
            else:
                out = size
        return np.where(np.isnan(out), np.inf, out)

    def score(self, r: Array) -> Array:
        """First derivative of rho."""
        if self.name == "squared":
            return 2 * r
        return np.clip(r, -self.delta, self.delta) if self.delta is not None else np.sign(r)

    def weigher(self, observed: Array, weights: Array) -> Callable[[Array], tuple[Array, Array, Array, Array]]:
        """Return the weights that `Kernel.contract` asks for.

        Parameters
        ----------
        observed : ndarray (n,)
            The data.
        weights : ndarray (B, n)
            One row a problem.

        Returns
        -------
        callable
            From the prediction (B, n) to objective (B,), and the weights `first`, `outer`, `curved`, each (B, n).
            `outer` uses rho'(r)/r in place of rho'', which makes the Gauss-Newton matrix a majoriser of the robust
            losses: positive, and never blind to the rows outside delta.
        """
        log = self.residual == "log"

        def weigh(predicted: Array) -> tuple[Array, Array, Array, Array]:
            r = self.residuals(observed, predicted)
            size = np.abs(r)
            if self.name == "squared":
                objective = np.einsum("bi,bi,bi->b", weights, r, r)
                slope, bend, chord = 2 * weights * r, 2 * weights, 2 * weights
            elif self.delta is None:
                objective = np.einsum("bi,bi->b", weights, size)
                slope, bend, chord = weights * np.sign(r), np.zeros_like(r), weights / np.maximum(size, 1e-300)
            else:
                inside = np.minimum(size, self.delta)
                objective = np.einsum("bi,bi->b", weights, inside * (size - 0.5 * inside))
                slope = weights * np.clip(r, -self.delta, self.delta)
                bend = weights * (size <= self.delta)
                chord = weights * (self.delta / np.maximum(size, self.delta))
            if not log:
                return objective, -slope, chord, bend
            inverse = 1 / predicted
            first, square = -slope * inverse, inverse * inverse
            return objective, first, chord * square, (bend + slope) * square

        return weigh
