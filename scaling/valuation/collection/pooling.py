"""What learning curves of several groups know together of their exponents.

A group with few sizes does not tell its exponent from its floor, but the exponents of groups are alike. They are taken
as normal around a common value, alpha_g ~ N(mu, tau^2). What mu and tau are is found from what all groups say together,
each by the profile of its own exponent: for a given exponent a curve E + A/n^alpha is linear in E and A, so the profile
is a regression in relative residuals, which are those of logarithms where the scatter is small. A group that says
nothing has a flat profile and leaves the others alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LOW, HIGH = 0.02, 2.0  # of exponents
_EXPONENTS = 160  # of the grid over one group's exponent
_CENTRES, _SPREADS = 60, 24  # of the grid over mu and tau
_LEAST_SPREAD, _MOST_SPREAD = 0.01, 0.5
_FLOOR_SHARE = 1.25  # of the lowest value, as the law book bounds floors
_WORTH = 4.0  # degrees of freedom that the scatter of all groups is worth to that of one
_SCATTERS, _LEAST_SCATTER = 20, 0.1  # of the grid over the scatter, and its low end at most in units of the high one
_ROUNDING = 1e-7  # no measurement scatters less


@dataclass(frozen=True)
class Profile:
    """What one group says of its exponent.

    Parameters
    ----------
    x, y : ndarray (n,)
        Its examples and what was measured.
    squares : ndarray (k,)
        Sum of squared relative residuals at each exponent of the grid, E and A at their best.
    """

    x: Array
    y: Array
    squares: Array


@dataclass(frozen=True)
class Pool:
    """What several groups say together of their exponents.

    Parameters
    ----------
    mean, spread : float
        Mean and standard deviation of exponents from group to group, as the posterior has them.
    scatter : float
        Relative scatter around the curves that the groups have in common.
    exponents : ndarray (k,)
        The grid.
    posterior : ndarray (G, k)
        Weight of each exponent for each group, given all groups; rows sum to 1.
    profiles : tuple of Profile
        One a group.
    """

    mean: float
    spread: float
    scatter: float
    exponents: Array
    posterior: Array
    profiles: tuple[Profile, ...]

    def exponent(self, g: int) -> float:
        """Return the posterior mean of a group's exponent.

        The most likely one is worse: where a group hardly tells its exponent, the curve with the likeliest exponent
        lies at an end of the interval of the curves.
        """
        return float(self.posterior[g] @ self.exponents)

    def draw(self, g: int, count: int, rng: np.random.Generator) -> Array:
        """Draw curves of a group.

        Parameters
        ----------
        g : int
            Which group.
        count : int
            How many.
        rng : numpy.random.Generator
            Their source.

        Returns
        -------
        ndarray (count, 3)
            E, A and alpha: alpha from its posterior, the scatter from its own, and E and A fitted again, for that
            alpha, to observations with such a scatter added.
        """
        one = self.profiles[g]
        at = rng.choice(len(self.exponents), size=count, p=self.posterior[g])
        step = np.log(self.exponents[1] / self.exponents[0])
        alpha = self.exponents[at] * np.exp(step * (rng.random(count) - 0.5))
        left = _WORTH * self.scatter**2 + one.squares[at]
        sigma = np.sqrt(left / rng.chisquare(_WORTH + len(one.x) - 2, count))
        y = one.y * np.exp(sigma[:, None] * rng.standard_normal((count, len(one.y))))
        floor, size, _ = linear_part(one.x, y, alpha)
        return np.stack([floor, size, alpha], axis=1)


def linear_part(x: Array, y: Array, alpha: Array) -> tuple[Array, Array, Array]:
    """Fit E and A for given exponents, in relative residuals.

    Parameters
    ----------
    x : ndarray (n,)
        Examples.
    y : ndarray (n,) or (k, n)
        What was measured.
    alpha : ndarray (k,)
        Exponents.

    Returns
    -------
    floor, size, squares : ndarray (k,)
        E between 0 and 1.25 of the lowest y, A above 0, and the sum of squared relative residuals.
    """
    middle = float(np.exp(np.mean(np.log(x))))
    z = np.exp(-alpha[:, None] * np.log(x / middle)[None, :])
    y = np.broadcast_to(y, z.shape)
    u, v = 1 / y, z / y
    uu, vv, uv = np.sum(u * u, axis=1), np.sum(v * v, axis=1), np.sum(u * v, axis=1)
    u1, v1 = np.sum(u, axis=1), np.sum(v, axis=1)
    most = _FLOOR_SHARE * np.min(y, axis=1)
    least = 1e-9 * most
    with np.errstate(all="ignore"):
        free = (u1 * vv - v1 * uv) / (uu * vv - uv * uv)
    floor = np.clip(np.where(np.isfinite(free), free, 0.0), 0.0, most)
    size = (v1 - floor * uv) / vv
    rising = size < least
    size = np.maximum(size, least)
    floor = np.where(rising, np.clip((u1 - size * uv) / uu, 0.0, most), floor)
    squares = np.sum((floor[:, None] * u + size[:, None] * v - 1) ** 2, axis=1)
    return floor, size * middle**alpha, squares


def pool_exponents(groups: Sequence[tuple[Array, Array]]) -> Pool:
    """Find what several groups say together of their exponents.

    Parameters
    ----------
    groups : sequence of (ndarray (n,), ndarray (n,))
        Examples and what was measured, of each group; three different sizes at least.

    Returns
    -------
    Pool
        The prior is flat in tau, from 0.01 to 0.5, and in the logarithms of mu and of the scatter.
    """
    exponents = np.geomspace(LOW, HIGH, _EXPONENTS)
    profiles = tuple(Profile(x, y, linear_part(x, y, exponents)[2]) for x, y in groups)
    squares = np.stack([p.squares for p in profiles])
    free = np.array([len(p.x) - 2.0 for p in profiles])
    mu = np.geomspace(2 * LOW, HIGH / 2, _CENTRES)
    tau = np.geomspace(_LEAST_SPREAD, _MOST_SPREAD, _SPREADS)
    spread = np.exp(-0.5 * ((exponents - mu[:, None, None]) / tau[:, None]) ** 2) * exponents  # the grid is in logs
    spread /= spread.sum(axis=-1, keepdims=True)
    # With one exponent for all the scatter is what is left, and no more than that; with one each it is no less.
    most = np.sqrt(max(float(squares.sum(axis=0).min()) / max(free.sum() - 1, 1), _ROUNDING**2))
    least = np.sqrt(float(squares.min(axis=1).sum()) / free.sum())
    scatters = np.geomspace(max(min(_LEAST_SCATTER * most, 0.5 * least), 0.1 * _ROUNDING), 1.5 * most, _SCATTERS)
    parts = [_given(one, squares, free, spread, tau) for one in scatters]
    weight = np.exp(np.array([log for _, log, _ in parts]) - max(log for _, log, _ in parts))
    weight /= weight.sum()
    posterior = np.einsum("s,sgk->gk", weight, np.stack([found for found, _, _ in parts]))
    over = np.einsum("s,smt->mt", weight, np.stack([found for _, _, found in parts]))
    first = spread @ exponents  # of the exponents of groups, for each mu and tau
    second = spread @ exponents**2
    common = float(np.exp(weight @ np.log(scatters)))
    return Pool(
        mean=float(np.sum(over * first)),
        spread=float(np.sum(over * np.sqrt(np.maximum(second - first**2, 0.0)))),
        scatter=common,
        exponents=exponents,
        posterior=posterior,
        profiles=profiles,
    )


def _given(scatter: float, squares: Array, free: Array, spread: Array, tau: Array) -> tuple[Array, float, Array]:
    """Return, for a scatter of all, the posterior of each group, the logarithm of the evidence, and that of mu and tau.

    The scatter of a group is drawn around that of all as an inverse chi-square, which leaves a t likelihood.
    """
    power = (_WORTH + free)[:, None] / 2
    log = -power * np.log1p(squares / (_WORTH * scatter**2)) - free[:, None] * np.log(scatter)
    shift = log.max(axis=1, keepdims=True)
    likelihood = np.exp(log - shift)
    evidence = spread @ likelihood.T  # (centres, spreads, groups)
    with np.errstate(divide="ignore"):
        together = np.log(evidence).sum(axis=-1) + np.log(tau)
    top = float(together.max())
    weight = np.exp(together - top)
    total = float(weight.sum())
    weight /= total
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(evidence > 0, weight[..., None] / evidence, 0.0)
    posterior = np.einsum("mtg,mtk->gk", share, spread, optimize=True) * likelihood
    return posterior / posterior.sum(axis=1, keepdims=True), top + np.log(total) + float(shift.sum()), weight
