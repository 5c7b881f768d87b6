"""The best learning rate of each batch: parabolas in ln lr, one for each size, number of tokens and batch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.formatting import format_count
from scaling.hyperparameters.bowl import CUTOFF
from scaling.hyperparameters.cells import Cell, Cells
from scaling.parabola import fit_parabola

Array = NDArray[np.float64]

_LEAST = 4  # runs of a parabola
_BEYOND = math.log(2) / 2  # a vertex no further beyond the grid than one step of sqrt 2 still says where it lies


@dataclass(frozen=True)
class Slices:
    """Best learning rates at given batches.

    Parameters
    ----------
    n_params, n_tokens, batch, lr : ndarray (m,)
        The batch in tokens a step.
    loss : ndarray (m,)
        At the vertex.
    group : ndarray of int (m,)
        Number of the cell.
    error : ndarray (m,)
        Standard error of ln lr by the delta method; NaN for parabolas through as many runs as coefficients.
    curvature : ndarray (m,)
        Second derivative of ln L in ln lr.
    left_out : tuple of str
        A sentence for each batch whose parabola was not used.
    """

    n_params: Array
    n_tokens: Array
    batch: Array
    lr: Array
    loss: Array
    group: NDArray[np.int64]
    error: Array
    curvature: Array
    left_out: tuple[str, ...]

    @property
    def n(self) -> int:
        """How many."""
        return len(self.lr)

    def take(self, rows: NDArray[np.bool_]) -> Slices:
        """Return some of them, a mask (m,)."""
        return Slices(
            self.n_params[rows], self.n_tokens[rows], self.batch[rows], self.lr[rows], self.loss[rows],
            self.group[rows], self.error[rows], self.curvature[rows], self.left_out,
        )  # fmt: skip


def fit_slices(cells: Cells | Iterable[Cell], cutoff: float = CUTOFF) -> Slices:
    """Fit a parabola to the runs of each batch of each cell.

    Parameters
    ----------
    cells : Cells
        The runs.
    cutoff : float, default 0.02
        Share above the best loss *of that batch* within which runs are fitted.

    Returns
    -------
    Slices
        Without batches of fewer than four such runs, parabolas that open downwards, and vertices beyond the grid.
    """
    rows, left_out = [], []
    for k, cell in enumerate(cells):
        for batch in np.unique(cell.batch):
            found = _slice(cell, float(batch), cutoff)
            if isinstance(found, str):
                left_out.append(f"{cell.name}, batch {format_count(float(batch))}: {found}.")
            else:
                rows.append((cell.n_params, cell.n_tokens, float(batch), *found, float(k)))
    table = np.array(rows, float).reshape(-1, 8)
    n, d, batch_, lr, loss, error, curvature, group = table.T
    return Slices(n, d, batch_, lr, loss, group.astype(np.int64), error, curvature, tuple(left_out))


def _slice(cell: Cell, batch: float, cutoff: float) -> tuple[float, float, float, float] | str:
    at = cell.batch == batch
    lr, loss = cell.lr[at], cell.loss[at]
    if not np.any(np.isfinite(loss)):
        return "no run has a loss"
    near = loss < loss.min() * (1 + cutoff)
    if len(np.unique(cell.rate[at][near])) < _LEAST:
        return f"fewer than {_LEAST} learning rates within {100 * cutoff:g} % of its best"
    x, z = np.log(lr[near]), np.log(loss[near])
    found = fit_parabola(x, z)
    if found is None:
        return "the parabola opens downwards"
    if not math.log(lr.min()) - _BEYOND <= found.vertex <= math.log(lr.max()) + _BEYOND:
        return "the vertex lies beyond the learning rates tried"
    return math.exp(found.vertex), math.exp(found.height), found.error, found.curvature
