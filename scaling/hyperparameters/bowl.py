"""The loss around the best learning rate and batch of a cell: a polynomial in logarithms, and what follows from it.

``ln L`` is fitted by least squares over ``x = ln lr`` and ``y = ln B``, to the runs within a few per cent of the best.
Second order is the quadratic bowl. The loss rises faster towards a high learning rate than towards a low one, which
pulls the vertex of a quadratic away from the optimum as its cut-off grows; third order takes that up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import UsageError
from scaling.hyperparameters.cells import Cell, Cells

Array = NDArray[np.float64]

CUTOFF = 0.02  # share above the best loss of the cell
SPARE = 2  # rows beyond the coefficients that a surface must have
_POWERS = {
    2: ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)),
    3: ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2), (3, 0), (2, 1), (1, 2), (0, 3)),
}
_ARRIVED = 1e-8  # of ln lr and ln B; rounding may keep the steps from getting smaller still
_SPARE_CUBIC = 10  # third order is fitted from 20 runs on
OK = "ok"


@dataclass(frozen=True)
class Bowl:
    """The loss surface of one cell.

    Parameters
    ----------
    cell : Cell
        The runs.
    cutoff : float
        Share above the best loss within which runs were fitted.
    order : int
        2 or 3; that of the polynomial, which is 2 where the runs are too few for 3.
    n_obs : int
        Runs fitted.
    coefficients : ndarray (6,) or (10,)
        Of the powers of ``ln lr - centre[0]`` and ``ln B - centre[1]``; empty where nothing was fitted.
    centre : (float, float)
        See there.
    vertex : ndarray (2,)
        ln lr and ln B (tokens) of the lowest loss; NaN where there is none.
    covariance : ndarray (2, 2)
        Of the vertex, by the delta method.
    residual_rms : float
        Of ln L, with the degrees of freedom of the fit.
    status : str
        ``ok``, or in words why the vertex is no optimum: too few runs, not convex, beyond the grid.
    """

    cell: Cell = field(repr=False)
    cutoff: float
    order: int
    n_obs: int
    coefficients: Array = field(repr=False)
    centre: tuple[float, float] = field(repr=False)
    vertex: Array
    covariance: Array = field(repr=False)
    residual_rms: float
    status: str

    @property
    def ok(self) -> bool:
        """Whether the vertex is a minimum inside the grid."""
        return self.status == OK

    @property
    def lr(self) -> float:
        """Best learning rate."""
        return float(math.exp(self.vertex[0]))

    @property
    def batch(self) -> float:
        """Best batch, tokens a step."""
        return float(math.exp(self.vertex[1]))

    @property
    def loss(self) -> float:
        """Loss at the vertex."""
        return float(np.exp(self.log_loss(self.vertex[0], self.vertex[1])))

    @cached_property
    def hessian(self) -> Array:
        """Second derivatives (2, 2) of ln L at the vertex, per squared unit of ln lr and ln B."""
        u, v = self.vertex - self.centre
        return _hessian(self.coefficients, self.order, float(u), float(v))

    @property
    def slope(self) -> float:
        """How the best learning rate moves with the batch at the vertex, d ln lr*/d ln B."""
        return float(-self.hessian[0, 1] / self.hessian[0, 0])

    def log_loss(self, log_lr: ArrayLike, log_batch: ArrayLike) -> Array:
        """Return ln L at ln lr and ln B, arrays of one shape."""
        u, v = np.asarray(log_lr, float) - self.centre[0], np.asarray(log_batch, float) - self.centre[1]
        terms = [c * u**i * v**j for c, (i, j) in zip(self.coefficients, _POWERS[self.order], strict=True)]
        return np.asarray(sum(terms))

    def regret(self, lr: ArrayLike, batch: ArrayLike) -> Array:
        """Work out the loss given up at a learning rate and a batch.

        Parameters
        ----------
        lr, batch : array_like
            Of one shape; the batch in tokens a step.

        Returns
        -------
        ndarray
            Loss above that of the vertex, as a share of it, by the second order around the vertex: a third order is
            good among the runs that it was fitted to, and nowhere else.
        """
        u, v = np.log(np.asarray(lr, float)) - self.vertex[0], np.log(np.asarray(batch, float)) - self.vertex[1]
        h = self.hessian
        return np.asarray(np.expm1((h[0, 0] * u * u + 2 * h[0, 1] * u * v + h[1, 1] * v * v) / 2))

    def cost_of_lr(self, factor: float = 2.0) -> float:
        """Loss given up, as a share, by a learning rate `factor` times too high or too low, at the best batch."""
        return lr_cost(self.hessian, factor)

    def cost_of_batch(self, factor: float = 2.0, retuned: bool = True) -> float:
        """Loss given up, as a share, by a batch `factor` times too large or too small.

        Parameters
        ----------
        factor : float
            The error.
        retuned : bool, default True
            Whether the learning rate is the best one of that batch, or stays where it was.
        """
        return batch_cost(self.hessian, factor, retuned)

    def plateau(self, share: float, held: bool = False) -> tuple[float, float]:
        """Widths of the basin that loses no more than a share, in octaves of the learning rate and of the batch.

        Parameters
        ----------
        share : float
            Of the loss, such as 0.0025.
        held : bool, default False
            Whether the other of the two stays at the vertex; it is re-tuned where not.
        """
        return plateau_widths(self.hessian, share, held)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        known = self.ok
        return {
            "n_params": self.cell.n_params, "n_tokens": self.cell.n_tokens, "status": self.status,
            "order": self.order, "cutoff": self.cutoff, "n_obs": self.n_obs,
            "lr": self.lr if known else None, "batch": self.batch if known else None,
            "loss": self.loss if known else None, "residual_rms": self.residual_rms if known else None,
            "hessian": self.hessian.tolist() if known else None,
            "covariance": self.covariance.tolist() if known else None,
            "slope": self.slope if known else None,
            "cost_of_2x_lr": self.cost_of_lr() if known else None,
            "cost_of_2x_batch": self.cost_of_batch() if known else None,
            "cost_of_2x_batch_lr_held": self.cost_of_batch(retuned=False) if known else None,
        }  # fmt: skip


def lr_cost(hessian: Array, factor: float) -> float:
    """Share of the loss given up by a learning rate off by a factor, from second derivatives (2, 2) of ln L."""
    return float(np.expm1(hessian[0, 0] * math.log(factor) ** 2 / 2))


def batch_cost(hessian: Array, factor: float, retuned: bool) -> float:
    """Share of the loss given up by a batch off by a factor, the learning rate re-tuned or not."""
    curvature = hessian[1, 1] - (hessian[0, 1] ** 2 / hessian[0, 0] if retuned else 0.0)
    return float(np.expm1(curvature * math.log(factor) ** 2 / 2))


def plateau_widths(hessian: Array, share: float, held: bool) -> tuple[float, float]:
    """Octaves of learning rate and of batch that lose no more than a share; see `Bowl.plateau`."""
    if not 0 < share < 1:
        raise UsageError(f"a share of the loss lies between 0 and 1, not at {share:g}", hint="0.0025 is a quarter %.")
    spread = 1 / np.diag(hessian) if held else np.diag(np.linalg.inv(hessian))
    widths = 2 * np.sqrt(2 * math.log1p(share) * spread) / math.log(2)
    return float(widths[0]), float(widths[1])


def fit_bowl(cell: Cell, cutoff: float = CUTOFF, order: int = 3) -> Bowl:
    """Fit the loss surface of a cell.

    Parameters
    ----------
    cell : Cell
        The runs.
    cutoff : float, default 0.02
        Share above the best loss within which runs are fitted.
    order : {2, 3}, default 3
        Of the polynomial; where fewer than 20 runs are within the cut-off, 2.

    Returns
    -------
    Bowl
        Whose `status` says whether its vertex can be used.

    Raises
    ------
    UsageError
        For another order, or a cut-off that is none.
    """
    if order not in _POWERS:
        raise UsageError(f"a surface has order 2 or 3, not {order}")
    if not 0 < cutoff < 10:
        raise UsageError(f"a cut-off is a share of the loss above 0, not {cutoff:g}", hint="0.02 is 2 %.")
    rows = cell.relative < cutoff
    x, y, z = np.log(cell.lr[rows]), np.log(cell.batch[rows]), np.log(cell.loss[rows])
    if order == 3 and len(z) < len(_POWERS[3]) + _SPARE_CUBIC:
        order = 2
    centre = (float(x.mean()), float(y.mean()))
    powers = _POWERS[order]
    nothing = Bowl(
        cell, cutoff, order, len(z), np.empty(0), centre, np.full(2, np.nan), np.full((2, 2), np.nan), math.nan, ""
    )
    u, v = x - centre[0], y - centre[1]
    design = np.stack([u**i * v**j for i, j in powers], axis=1)
    if len(z) < len(powers) + SPARE or np.linalg.matrix_rank(design) < len(powers):
        return _failed(nothing, f"too few runs within {100 * cutoff:g} % of the best ({len(z)}) for a surface")
    coefficients = np.asarray(np.linalg.lstsq(design, z, rcond=None)[0], np.float64)
    residuals = z - design @ coefficients
    variance = float(residuals @ residuals) / (len(z) - len(powers))
    start = int(np.argmin(design @ coefficients))
    at = _vertex(coefficients, order, float(u[start]), float(v[start]))
    if at is None:
        return _failed(nothing, "the loss surface is not convex, so its vertex is no minimum")
    vertex = np.array(at) + centre
    if not _inside(cell, vertex):
        return _failed(nothing, "the vertex lies beyond the learning rates or batches tried")
    # The vertex solves gradient(t; c) = 0, so dt/dc = -H^-1 d gradient/dc.
    curved = _hessian(coefficients, order, at[0], at[1])
    inverse = np.asarray(np.linalg.inv(curved), np.float64)
    towards = np.array([[_power_slope(p, k, at) for p in powers] for k in (0, 1)])
    moved = -inverse @ towards
    covariance = moved @ (variance * np.linalg.inv(design.T @ design)) @ moved.T
    return Bowl(
        cell, cutoff, order, len(z), coefficients, centre, vertex, covariance, math.sqrt(max(variance, 0.0)), OK
    )


def fit_bowls(cells: Cells | Iterable[Cell], cutoff: float = CUTOFF, order: int = 3) -> tuple[Bowl, ...]:
    """Fit the loss surface of every cell; see `fit_bowl`."""
    return tuple(fit_bowl(cell, cutoff, order) for cell in cells)


def _failed(bowl: Bowl, why: str) -> Bowl:
    return replace(bowl, status=why)


def _inside(cell: Cell, vertex: Array) -> bool:
    """Whether a vertex lies among the learning rates and batches of the cell."""
    edges = [(np.log(v.min()), np.log(v.max())) for v in (cell.lr, cell.batch)]
    return all(low <= t <= high for t, (low, high) in zip(vertex, edges, strict=True))


def _vertex(coefficients: Array, order: int, u: float, v: float) -> tuple[float, float] | None:
    """Find the minimum by Newton's steps from a start; None where the surface bends down or nothing is found."""
    for _ in range(60):
        h = _hessian(coefficients, order, u, v)
        if not (h[0, 0] > 0 and np.linalg.det(h) > 0):
            return None
        at = (u, v)
        gradient = np.array([np.dot(coefficients, [_power_slope(p, k, at) for p in _POWERS[order]]) for k in (0, 1)])
        step = -np.linalg.solve(h, gradient)
        if order > 2:  # a cubic is local: no step beyond a factor of two at once
            step *= min(1.0, math.log(2) / max(float(np.abs(step).max()), 1e-300))
        u, v = u + float(step[0]), v + float(step[1])
        size = float(np.abs(step).max())
        if size < 1e-12:
            return u, v
        if max(abs(u), abs(v)) > 50:
            return None
    return (u, v) if size < _ARRIVED else None


def _power_slope(power: tuple[int, int], which: int, at: tuple[float, float]) -> float:
    """Derivative of u^i v^j with respect to u (0) or v (1)."""
    exponents = list(power)
    factor = exponents[which]
    if not factor:
        return 0.0
    exponents[which] -= 1
    return float(factor * at[0] ** exponents[0] * at[1] ** exponents[1])


def _hessian(c: Array, order: int, u: float, v: float) -> Array:
    xx, xy, yy = 2 * c[3], c[4], 2 * c[5]
    if order == 3:
        xx, xy, yy = (
            xx + 6 * c[6] * u + 2 * c[7] * v,
            xy + 2 * c[7] * u + 2 * c[8] * v,
            yy + 2 * c[8] * u + 6 * c[9] * v,
        )
    return np.array([[xx, xy], [xy, yy]])
