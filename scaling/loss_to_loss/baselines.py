"""What a map of losses has to beat: the target's own losses against compute, with nothing of the source in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError

Array = NDArray[np.float64]

_GRID = 100  # values of each floor that are tried


@dataclass(frozen=True)
class ComputeBaseline:
    """A loss against compute, ``y = K*(C - C_0)**kappa + E_y``.

    Parameters
    ----------
    K, kappa, C_0, E_y : float
        Of the formula; `kappa` is below 0 where the loss falls with compute.
    n_obs : int
        Runs behind it.
    """

    K: float
    kappa: float
    C_0: float
    E_y: float
    n_obs: int

    def predict(self, compute_flop: ArrayLike) -> Array:
        """Work it out at budgets (m,), FLOP: shape (m,), NaN at or below `C_0`."""
        beyond = np.atleast_1d(np.asarray(compute_flop, float)) - self.C_0
        with np.errstate(all="ignore"):
            return np.asarray(np.where(beyond > 0, self.K * beyond**self.kappa + self.E_y, np.nan))


def compute_baseline(compute_flop: ArrayLike, y: ArrayLike) -> ComputeBaseline:
    """Fit the losses of the target corpus against their compute alone.

    Parameters
    ----------
    compute_flop : array_like (n,)
        Training compute, FLOP.
    y : array_like (n,)
        Losses.

    Returns
    -------
    ComputeBaseline
        Without an interval: it is a yardstick, not a forecast to act upon.

    Raises
    ------
    InputDataError
        For fewer than three runs of different compute, or numbers that are not above 0.

    Notes
    -----
    For each of 100 x 100 pairs of C_0 and E_y, from 0 to the smallest of the data, the straight line of logarithms; the
    pair with the smallest squared error of the losses themselves is taken, as in arXiv:2411.12925.
    """
    c, loss = (np.atleast_1d(np.asarray(v, float)) for v in (compute_flop, y))
    if c.shape != loss.shape or not (np.all(np.isfinite(c) & (c > 0)) and np.all(np.isfinite(loss) & (loss > 0))):
        raise InputDataError("compute and losses must be as many finite numbers above 0")
    if len(np.unique(c)) < 3:
        raise InputDataError("a loss against compute needs three budgets at least", hint="Add runs of other budgets.")
    shifts, floors = np.linspace(0, c.min(), _GRID)[:-1], np.linspace(0, loss.min(), _GRID)[:-1]
    across = np.log(c[None, :] - shifts[:, None])  # (g, n)
    up = np.log(loss[None, :] - floors[:, None])  # (h, n)
    centred = across - across.mean(axis=1, keepdims=True)
    kappa = centred @ up.T / np.sum(centred**2, axis=1)[:, None]  # (g, h)
    level = up.mean(axis=1)[None, :] - kappa * across.mean(axis=1)[:, None]
    curve = np.exp(level[:, :, None] + kappa[:, :, None] * across[:, None, :]) + floors[None, :, None]
    error = np.mean((curve - loss) ** 2, axis=2)
    i, j = np.unravel_index(int(np.argmin(error)), error.shape)
    return ComputeBaseline(
        float(np.exp(level[i, j])), float(kappa[i, j]), float(shifts[i]), float(floors[j]), len(loss)
    )
