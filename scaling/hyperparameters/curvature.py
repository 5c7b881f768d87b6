"""How steep the loss rises around its optimum at a size and a number of tokens, from the surfaces of the cells.

The surface of a cell has three numbers: the curvature in ln lr, the slope along which the best learning rate moves with
the batch, and the curvature in ln B with the learning rate re-tuned. Each has a trend in ln N and ln D where there are
cells enough, and a median where there are not. Beyond the cells the trend stops: a basin that got flatter over the data
is not taken to become a plain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputDataError
from scaling.hyperparameters.bowl import Bowl

Array = NDArray[np.float64]

_LEAST = 7  # surfaces for a trend of three coefficients; fewer give their median


@dataclass(frozen=True)
class Curvature:
    """Second derivatives of ln L around the optimum.

    Parameters
    ----------
    coefficients : ndarray (3, 3)
        Of 1, ln N and ln D; a row for the logarithm of the curvature in ln lr, for the slope d ln lr*/d ln B, and for
        the logarithm of the curvature in ln B, the learning rate re-tuned.
    spread : ndarray (3,)
        Root mean square of what the cells scatter around that.
    support : ((float, float), (float, float))
        Smallest and largest ln N and ln D of the cells.
    n : int
        Surfaces.
    trend : bool
        Whether there were enough for a trend.
    """

    coefficients: Array = field(repr=False)
    spread: Array
    support: tuple[tuple[float, float], tuple[float, float]] = field(repr=False)
    n: int
    trend: bool

    def at(self, n_params: float, n_tokens: float) -> Array:
        """Return the second derivatives (2, 2) of ln L in ln lr and ln B; beyond the cells, those at their edge."""
        inside = [np.clip(math.log(v), *ends) for v, ends in zip((n_params, n_tokens), self.support, strict=True)]
        steep, slope, retuned = self.coefficients @ np.array([1.0, *inside])
        across = math.exp(steep)
        return np.array([[across, -slope * across], [-slope * across, math.exp(retuned) + slope**2 * across]])

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"coefficients": self.coefficients.tolist(), "spread": self.spread.tolist(), "n": self.n,
                "trend": self.trend, "support": [list(ends) for ends in self.support]}  # fmt: skip


def fit_curvature(bowls: Sequence[Bowl]) -> Curvature:
    """Gather the surfaces of cells.

    Parameters
    ----------
    bowls : sequence of Bowl
        Those without a minimum are left out.

    Returns
    -------
    Curvature

    Raises
    ------
    InputDataError
        Where none has a minimum.
    """
    good = [bowl for bowl in bowls if bowl.ok]
    if not good:
        why = sorted({bowl.status for bowl in bowls})
        raise InputDataError(
            "no cell has a loss surface with a minimum inside its grid, so what an error costs is not known: "
            + "; ".join(why),
            hint="Run a grid of five learning rates by four batches or more around the best run.",
        )
    numbers = np.array([_three(bowl.hessian) for bowl in good])
    at = np.array([[math.log(bowl.cell.n_params), math.log(bowl.cell.n_tokens)] for bowl in good])
    design = np.concatenate([np.ones((len(good), 1)), at], axis=1)
    trend = len(good) >= _LEAST and np.linalg.matrix_rank(design) == design.shape[1]
    if trend:
        coefficients = np.linalg.lstsq(design, numbers, rcond=None)[0].T
    else:
        coefficients = np.concatenate([np.median(numbers, axis=0)[:, None], np.zeros((3, 2))], axis=1)
    left = numbers - design @ coefficients.T
    ends = [(float(v.min()), float(v.max())) for v in at.T]
    spread = np.sqrt(np.sum(left**2, axis=0) / max(len(good) - (3 if trend else 1), 1))
    return Curvature(coefficients, spread, (ends[0], ends[1]), len(good), bool(trend))


def _three(hessian: Array) -> tuple[float, float, float]:
    across = float(hessian[0, 0])
    return math.log(across), float(-hessian[0, 1] / across), math.log(hessian[1, 1] - hessian[0, 1] ** 2 / across)
