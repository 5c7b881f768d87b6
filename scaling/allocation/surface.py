"""The loss as a surface over ln N and ln D, for the estimates of a fit and all its bootstrap replicates at once.

Row 0 of every answer belongs to the estimates, the others to the replicates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.allocation.cost import CostModel
from scaling.errors import UsageError
from scaling.fitting.compile import Data, Kernel, compile_value
from scaling.results import Fit
from scaling.rivals import Rival
from scaling.roots import LOG_HIGH, LOG_LOW, find_lowest, find_root

Array = NDArray[np.float64]

_REACH = np.log(1e8)  # how far from N = D the optimum of a budget is sought, either way
_COARSE = 161
_WIDE = np.linspace(0.0, np.log(1e40), 201)  # ln N, in the search for the cheapest model of a loss
_LEVEL = 1e-9  # of the value: what it must rise by, far from the optimum
_ENDLESS = 5000.0  # the logarithm of as good as infinitely many parameters or tokens
_STEP = 1e-2  # of differences, of which two steps are extrapolated to none: they are off by 1e-9 or so


@dataclass(frozen=True)
class Surface:
    """A law of N and D at many parameter rows.

    Parameters
    ----------
    kernel : Kernel
        The compiled law.
    theta : ndarray (B, p)
        Internal parameters; the estimates first, then the replicates.
    """

    kernel: Kernel
    theta: Array

    @classmethod
    def of(cls, fit: Fit) -> Surface:
        """Make the surface of a fit.

        Raises
        ------
        UsageError
            Where the law is not one of N and D.
        """
        if set(fit.law.inputs) != {"N", "D"}:
            raise UsageError(
                f"the law '{fit.law.name}' has the inputs {', '.join(fit.law.inputs)}, so there is nothing to allocate",
                hint="Fit a law of N and D, such as chinchilla.",
            )
        kernel = compile_value(fit.law, fit.log_scaled)
        return cls(kernel, kernel.to_internal(np.concatenate([fit.theta[None], fit.replicates])))

    @classmethod
    def of_rival(cls, rival: Rival) -> Surface:
        """Make the surface of a rival law of N and D, which has one row: its estimates."""
        kernel = compile_value(rival.law, (False,) * len(rival.law.parameters))
        theta = np.array([[rival.estimates[name] for name in rival.law.parameter_names]])
        return cls(kernel, kernel.to_internal(theta))

    @property
    def rows(self) -> int:
        """Number of parameter rows, B."""
        return len(self.theta)

    def loss(self, log_n: Array, log_d: Array) -> Array:
        """Return the loss, shape (B, m), at logarithms of shape (m,), (1, m) or (B, m)."""
        log_n, log_d = np.broadcast_arrays(np.atleast_1d(log_n), np.atleast_1d(log_d))
        columns = {"N": log_n, "D": log_d}
        with np.errstate(all="ignore"):
            inputs = tuple(columns[k] if logged else np.exp(columns[k]) for k, logged in self.kernel.log_inputs.items())
            return self.kernel.value(self.theta, Data(inputs, np.empty((0, 0))))

    def wall(self, log_n: Array | None = None, log_d: Array | None = None) -> Array:
        """Return the loss that is left where what is not given grows without end, shape (B, m); (B, 1) for neither."""
        far, near = np.array([_ENDLESS]), np.array([LOG_HIGH])
        ends = [
            self.loss(end if log_n is None else log_n, end if log_d is None else log_d)
            for end in (far, near)  # a formula may not stand the far end
        ]
        return np.where(np.isfinite(ends[0]), ends[0], ends[1])

    def tokens_for_loss(self, log_n: Array, target: Array) -> Array:
        """Return ln D at which models of a size reach a loss, shape (B, m): infinite where none is enough."""
        target = np.broadcast_to(target, np.broadcast_shapes((self.rows, 1), log_n.shape, target.shape))
        root = find_root(lambda x: self.loss(log_n, x) - target, LOG_LOW, LOG_HIGH, target.shape)
        return np.where(np.isnan(root) & (self.loss(log_n, np.array([LOG_HIGH])) >= target), np.inf, root)

    def params_for_loss(self, log_d: Array, target: Array) -> Array:
        """Return ln N at which a number of tokens reaches a loss, shape (B, m): infinite where none is enough."""
        target = np.broadcast_to(target, np.broadcast_shapes((self.rows, 1), log_d.shape, target.shape))
        root = find_root(lambda x: self.loss(x, log_d) - target, LOG_LOW, LOG_HIGH, target.shape)
        return np.where(np.isnan(root) & (self.loss(np.array([LOG_HIGH]), log_d) >= target), np.inf, root)


def best_split(surface: Surface, cost: CostModel, budgets: Array) -> tuple[Array, Array, Array]:
    """Find the lowest loss along each line of equal cost: a shared grid, then golden section row by row.

    Parameters
    ----------
    surface : Surface
        Of B rows.
    cost : CostModel
        What makes the lines.
    budgets : ndarray (m,)
        Their costs.

    Returns
    -------
    log_n, log_d, loss : ndarray (B, m)
        NaN where the loss falls all the way to one side.
    """
    log_c = np.log(budgets)
    middle = find_root(lambda x: np.log(cost.flop(np.exp(x), np.exp(x))) - log_c, LOG_LOW, LOG_HIGH, log_c.shape)
    steps = np.linspace(-_REACH, _REACH, _COARSE)
    shape = (surface.rows, len(budgets))
    left, right, inside = np.empty(shape), np.empty(shape), np.empty(shape, bool)
    for i, budget in enumerate(budgets):
        grid = middle[i] + steps
        left[:, i], right[:, i], inside[:, i] = _bracket(surface.loss(grid, _log_tokens(cost, grid, budget)), grid)
    log_n = find_lowest(lambda x: surface.loss(x, _log_tokens(cost, x, budgets)), left, right)
    log_n = np.where(inside, log_n, np.nan)
    log_d = _log_tokens(cost, log_n, budgets)
    return log_n, log_d, surface.loss(log_n, log_d)


def least_cost(surface: Surface, cost: CostModel, target: Array) -> tuple[Array, Array, Array]:
    """Find the cheapest model along each line of equal loss.

    Parameters
    ----------
    surface : Surface
        Of B rows.
    cost : CostModel
        What is to be low.
    target : ndarray (m,) or (B, m)
        The losses.

    Returns
    -------
    log_n, log_d, log_cost : ndarray (B, m)
        All infinite where the loss cannot be reached; NaN where the cost falls all the way to one side.
    """
    target = np.broadcast_to(target, (surface.rows, np.shape(target)[-1]))

    def log_cost(log_n: Array, wanted: Array) -> tuple[Array, Array]:
        log_d = surface.tokens_for_loss(log_n, wanted)
        with np.errstate(all="ignore"):
            return log_d, np.where(np.isfinite(log_d), np.log(cost.flop(np.exp(log_n), np.exp(log_d))), np.inf)

    left, right, inside = np.empty(target.shape), np.empty(target.shape), np.empty(target.shape, bool)
    for i in range(target.shape[1]):
        left[:, i], right[:, i], inside[:, i] = _bracket(log_cost(_WIDE, target[:, i : i + 1])[1], _WIDE)
    log_n = find_lowest(lambda x: log_cost(x, target)[1], left, right)
    log_d, value = log_cost(log_n, target)
    with np.errstate(invalid="ignore"):
        inside &= log_d > 0  # at less than one token the search has ended, and not the fall of the cost
        lost = surface.wall() >= target
    n, d, least = (np.where(lost, np.inf, np.where(inside, x, np.nan)) for x in (log_n, log_d, value))
    return n, d, least


def growth(surface: Surface, cost: CostModel, budgets: Array, log_n: Array) -> tuple[Array, Array]:
    """Return how the optimum grows with the budget, a = d ln N*/d ln C and b = d ln D*/d ln C, each (B, m).

    The optimum has dL/dx = 0 along its line, x = ln N; so a = -L_xc/L_xx with c = ln C, both from differences. Golden
    section leaves its place open by 1e-7 or so, so a Newton step first makes it sharp.
    """
    c = np.log(budgets)

    def tokens(x: Array, dc: float) -> Array:
        return _log_tokens(cost, x, np.exp(c + dc))

    def loss(x: Array, dc: float) -> Array:
        return surface.loss(x, tokens(x, dc))

    def bend(x: Array, h: float) -> Array:
        return np.asarray((loss(x + h, 0) - 2 * loss(x, 0) + loss(x - h, 0)) / h**2)

    def tilt(x: Array, h: float) -> Array:
        return np.asarray((loss(x + h, 0) - loss(x - h, 0)) / (2 * h))

    def twist(x: Array, h: float) -> Array:
        return np.asarray((loss(x + h, h) - loss(x + h, -h) - loss(x - h, h) + loss(x - h, -h)) / (4 * h**2))

    with np.errstate(all="ignore"):
        step = _extrapolated(lambda h: tilt(log_n, h)) / _extrapolated(lambda h: bend(log_n, h))
        x = log_n - np.where(np.abs(step) < _STEP, step, 0.0)
        a = -_extrapolated(lambda h: twist(x, h)) / _extrapolated(lambda h: bend(x, h))
        b = _extrapolated(lambda h: (tokens(x + a * h, h) - tokens(x - a * h, -h)) / (2 * h))
    return a, b


def _extrapolated(difference: Callable[[float], Array]) -> Array:
    """Take a central difference at two steps and extrapolate to none (Richardson)."""
    return np.asarray((4 * difference(_STEP) - difference(2 * _STEP)) / 3)


def _log_tokens(cost: CostModel, log_n: Array, budget: Array | float) -> Array:
    with np.errstate(all="ignore"):
        return np.log(cost.tokens_for(np.exp(log_n), budget))


def _bracket(values: Array, grid: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Bracket the lowest point of each row of a grid, and tell whether the row rises to both sides of it."""
    values = np.where(np.isnan(values), np.inf, values)
    j = np.argmin(values, axis=1)
    lowest = values[np.arange(len(values)), j]
    # What depends on the cost alone is level along a line of equal cost: its lowest point is rounding, no optimum.
    with np.errstate(invalid="ignore"):
        rises = np.minimum(values[:, 0], values[:, -1]) > lowest + _LEVEL * np.abs(lowest)
    inside = rises & (j > 0) & (j < len(grid) - 1) & np.isfinite(lowest)
    k = np.clip(j, 1, len(grid) - 2)
    return grid[k - 1], grid[k + 1], inside
