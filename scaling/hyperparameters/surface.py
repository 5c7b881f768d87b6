"""The loss of a cell between its runs, without any law.

It is interpolated linearly over the Delaunay triangulation of (ln lr, ln B), each scaled to its range, and points
beyond the grid are moved to its edge. On a grid, which of the two diagonals of a rectangle is taken is a matter of
rounding, and of the order of the runs: in 15 other orders, mean regrets on the sweep of arXiv:2503.04715 moved by up to
0.16 per mille.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError

Array = NDArray[np.float64]

_ROUNDING = 1e-9


class Surface:
    """The loss between runs; see the module.

    Parameters
    ----------
    lr, batch, loss : ndarray (n,)
        Of the runs of one cell; the loss may be infinite.
    name : str
        Of the cell, for the message.

    Raises
    ------
    InputDataError
        For runs that span no area.
    """

    def __init__(self, lr: Array, batch: Array, loss: Array, name: str) -> None:
        from scipy.spatial import Delaunay, QhullError

        points = np.stack([np.log(lr), np.log(batch)], axis=1)
        _, first, at = np.unique(points, axis=0, return_index=True, return_inverse=True)
        self.loss = loss
        if len(first) < len(points):  # seeds of one setting are averaged
            points, self.loss = points[first], np.bincount(at.ravel(), loss) / np.bincount(at.ravel())
        self.best = float(self.loss.min())
        self.low, self.high = points.min(axis=0), points.max(axis=0)
        self._centre, self._scale = points.mean(axis=0), np.where(self.high > self.low, self.high - self.low, 1.0)
        try:
            self._mesh = Delaunay((points - self._centre) / self._scale)
        except (QhullError, ValueError) as error:
            raise InputDataError(
                f"the runs of {name} span no area of learning rates and batches, so no loss lies between them",
                hint="Vary both of them.",
            ) from error

    def at(self, log_lr: ArrayLike, log_batch: ArrayLike) -> Array:
        """Interpolate.

        Parameters
        ----------
        log_lr, log_batch : array_like (m,)
            ln lr and ln B, tokens.

        Returns
        -------
        ndarray (m,)
            The loss; infinite beside a run without one.
        """
        wanted = np.stack([np.atleast_1d(np.asarray(v, float)) for v in (log_lr, log_batch)], axis=1)
        scaled = (np.clip(wanted, self.low, self.high) - self._centre) / self._scale
        found = self._mesh.find_simplex(scaled)
        outside = found < 0  # a grid with a corner cut off, or rounding at its edge
        if outside.any():
            scaled[outside] = self._nearest(scaled[outside])
            found[outside] = self._mesh.find_simplex(scaled[outside], tol=_ROUNDING)
        transform = self._mesh.transform[found]
        part = np.einsum("kij,kj->ki", transform[:, :2], scaled - transform[:, 2])
        share = np.concatenate([part, 1 - part.sum(axis=1, keepdims=True)], axis=1)
        share = np.where(np.abs(share) < _ROUNDING, 0.0, share)
        corners = self.loss[self._mesh.simplices[found]]
        with np.errstate(invalid="ignore"):
            total = np.where(share == 0, 0.0, share * corners).sum(axis=1)
        return np.asarray(np.where(found < 0, np.inf, total))

    def _nearest(self, points: Array) -> Array:
        """Move points (k, 2) beyond the hull to its nearest edge."""
        ends = self._mesh.points[self._mesh.convex_hull]
        start, along = ends[:, 0], ends[:, 1] - ends[:, 0]
        length = np.maximum(np.sum(along**2, axis=1), 1e-300)
        share = np.clip(np.einsum("kei,ei->ke", points[:, None] - start, along) / length, 0, 1)
        feet = start + share[..., None] * along
        nearest = np.argmin(np.sum((feet - points[:, None]) ** 2, axis=2), axis=1)
        return np.asarray(feet[np.arange(len(points)), nearest])
