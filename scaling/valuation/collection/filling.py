"""Spend a budget on curves E + A/n^alpha exactly, for whole bootstraps at once.

Every function takes curves of R draws and G groups as arrays (R, G), and what is at hand, what is to be had and what an
example costs as (G,). What is returned counts examples bought, (R, G), before they are rounded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_NOTHING = 700.0  # logarithm of a price at which nothing is bought
_HALVINGS = 200  # of a bracket of logarithms: more than a double can tell


@dataclass(frozen=True)
class Curves:
    """Curves of several groups.

    Parameters
    ----------
    floor, size, alpha : ndarray (R, G)
        E, A and alpha.
    weight : ndarray (G,)
        How much the loss of each group counts.
    """

    floor: Array
    size: Array
    alpha: Array
    weight: Array

    def loss(self, n: Array) -> Array:
        """Losses (R, G) at numbers of examples (R, G) or (G,), unweighted."""
        return np.asarray(self.floor + self.size * np.asarray(n, float) ** -self.alpha)

    def slope(self, n: Array) -> Array:
        """What the weighted loss falls by with the next example, (R, G)."""
        return np.asarray(self.weight * self.alpha * self.size * np.asarray(n, float) ** (-self.alpha - 1))

    def row(self, r: int) -> Curves:
        """Return one draw."""
        part = slice(r, r + 1)
        return Curves(self.floor[part], self.size[part], self.alpha[part], self.weight)


def fill_sum(curves: Curves, budget: float, cost: Array, have: Array, available: Array) -> Array:
    """Minimise the weighted sum of the losses.

    The loss that an example saves for its price is the same in all groups that are bought from, and no higher in
    others: a price of money lambda, found by bisection on its logarithm.
    """
    steep = curves.weight * curves.alpha * curves.size / cost
    power = 1 / (curves.alpha + 1)

    def bought(log_price: Array) -> Array:
        with np.errstate(over="ignore", divide="ignore"):
            n = np.exp(power * (np.log(steep) - log_price[:, None]))
        return np.clip(n - have, 0.0, available)

    return _spend(bought, np.log(steep * have ** (-curves.alpha - 1)).max(axis=1), budget, cost, available)


def fill_worst(curves: Curves, budget: float, cost: Array, have: Array, available: Array) -> Array:
    """Minimise the largest weighted loss, then the next largest where a group has no more to be had.

    All groups that are bought from have one loss, found by bisection between the highest now and the highest floor.
    """
    high = (curves.weight * curves.loss(have)).max(axis=1)
    floors = (curves.weight * curves.floor)[:, np.isinf(available)]
    low = floors.max(axis=1) if floors.shape[1] else np.zeros_like(high)  # those bought out may stay behind

    def bought(log_above: Array) -> Array:
        with np.errstate(all="ignore"):
            room = (np.exp(log_above)[:, None] + (low[:, None] - curves.weight * curves.floor)) / curves.weight
            n = np.where(room > 0, (curves.size / room) ** (1 / curves.alpha), np.inf)
        return np.clip(n - have, 0.0, available)

    return _spend(bought, np.log(np.maximum(high - low, 1e-300)), budget, cost, available)


def fill_in_proportion(share: Array, budget: float, cost: Array, available: Array) -> Array:
    """Buy in proportion to shares (G,), as far as there is something to be had: (1, G)."""

    def bought(log_price: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.asarray(np.clip(share[None] * np.exp(-log_price)[:, None], 0.0, available))

    return _spend(bought, np.array([_NOTHING]), budget, cost, available)


def _spend(bought: Callable[[Array], Array], start: Array, budget: float, cost: Array, available: Array) -> Array:
    """Find the price at which the whole budget is spent: what is bought falls with it, and is nothing at the start."""
    if np.all(np.isfinite(available)) and float(cost @ available) <= budget:
        return np.broadcast_to(available, (len(start), len(cost))).copy()
    high, low = np.array(start, float), np.array(start, float) - 1.0
    step = np.ones_like(low)
    for _ in range(_HALVINGS):
        short = bought(low) @ cost < budget
        if not short.any():
            break
        high = np.where(short, low, high)
        step = np.where(short, 2 * step, step)
        low = np.where(short, low - step, low)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        enough = bought(middle) @ cost >= budget
        low, high = np.where(enough, middle, low), np.where(enough, high, middle)
        if np.all(high - low <= 1e-15 * np.maximum(np.abs(low), 1.0)):
            break
    # What bisection leaves of the money goes to all groups in the middle of the last bracket.
    first, last = bought(high), bought(low)
    gap = (last - first) @ cost
    share = np.where(gap > 0, (budget - first @ cost) / np.where(gap > 0, gap, 1.0), 0.0)
    return np.asarray(first + np.clip(share, 0.0, 1.0)[:, None] * (last - first))
