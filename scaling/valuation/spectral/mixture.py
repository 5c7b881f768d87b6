"""Functions of eigenvalues as mixtures of regularised log-determinants, with a certificate.

A phi with phi(0) = 0 whose derivative is operator antitone is a non-negative mixture of ``log(1 + x/t)``, a linear term
and a non-positive quadratic one (the Loewner form). With finitely many nodes t,

    phi(x) ~ a x + b x^2 + sum_j w_j log(1 + x/t_j)   on [0, L],

the gains of all candidates follow from ``s_j(v) = v' (M + t_j)^-1 v`` and ``c(v) = v' M v`` alone:

    gain(v) = a |v|^2 + b (2 c(v) + |v|^4) + sum_j w_j log(1 + s_j(v)).

The eigenvalues after an addition interlace those before, so the intervals between them are disjoint, and **the total
variation of the residual on [0, L] bounds the error of every gain**, whatever the dimension.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from scaling.valuation.spectral.phi import Phi, make_phi

Array = NDArray[np.float64]

NODES = (8, 12, 16, 24, 32)  # as many as the certificate needs
_FIT = np.concatenate([[0.0], np.geomspace(1e-14, 1, 2000)])
_JUDGE = np.concatenate([[0.0], np.geomspace(1e-15, 1, 15_000)])  # finer, so that the variation misses no wiggle
_MARGIN = 1.01  # what the variation between points of that grid can add, generously
_LOWEST = (-13.0, -11.5, -10.0, -8.5, -7.0, -5.5, -4.0)  # powers of ten; the best is refined by half of one
_HIGHEST = (0.5, 1.0)


@dataclass(frozen=True)
class Mixture:
    """An approximation of one phi on [0, largest].

    Parameters
    ----------
    nodes, weights : ndarray (J,)
        Ridges t_j > 0 and their weights; J = 0 for a polynomial.
    linear, quadratic : float
        a and b.
    largest : float
        L, the largest eigenvalue up to which the certificate holds; infinite where the form is exact.
    error : float
        Total variation of the residual: the bound of the error of a gain.
    submodular : bool
        Whether no weight is negative and b is not positive, so that the approximation itself is submodular.
    scale : float
        Scale of phi on [0, L], which tolerances are shares of.
    """

    nodes: Array
    weights: Array
    linear: float
    quadratic: float
    largest: float
    error: float
    submodular: bool = True
    scale: float = 1.0

    def of(self, x: Array) -> Array:
        """Return the approximation at eigenvalues."""
        return np.asarray(self.linear * x + self.quadratic * x * x + np.log1p(x[..., None] / self.nodes) @ self.weights)

    def gains(self, s: Array, c: Array, norms: Array) -> Array:
        """Return gains from ``s`` (n, J), ``c`` (n,) and squared lengths (n,)."""
        found = self.linear * norms + self.quadratic * (2 * c + norms * norms)
        if self.nodes.size:
            found += np.log1p(s) @ self.weights
        return np.asarray(found)

    def rounding(self, epsilon: float, share: Array) -> float:
        """Return what rounding of s can add to the error of a gain.

        Parameters
        ----------
        epsilon : float
            Of the precision in which products were taken.
        share : ndarray (J,)
            Errors of s in units of ``epsilon / t_j``; they grow with the squared lengths of rows.
        """
        return float(np.abs(self.weights) @ np.log1p(2 * epsilon * share / self.nodes)) if self.nodes.size else 0.0


def mixture_of(phi: Phi, largest: float, tolerance: float) -> Mixture | None:
    """Return the mixture with the fewest nodes whose certificate meets a tolerance.

    Parameters
    ----------
    phi : Phi
        The function.
    largest : float
        L; eigenvalues up to here are covered.
    tolerance : float
        Largest total variation of the residual allowed, as a share of the scale of phi on [0, L]: L for ``entropy``,
        L^q for powers (nearer to order 1 than 1/4, in proportion to the distance), |phi(L)| but at least 1 for others.

    Returns
    -------
    Mixture or None
        None where no mixture of up to 32 nodes meets it, as for powers below about 0.4.
    """
    if phi.name == "log":
        assert phi.parameter is not None
        return Mixture(np.array([phi.parameter]), np.ones(1), 0.0, 0.0, np.inf, 0.0)
    if phi.name == "power" and phi.parameter in (1.0, 2.0):
        a, b = (-1.0, 0.0) if phi.parameter == 1 else (0.0, -1.0)
        return Mixture(np.empty(0), np.empty(0), a, b, np.inf, 0.0)
    if phi.name in ("rank", "largest"):
        return None
    if phi.degree is None:
        return _fitted(phi.name, phi.parameter, float(largest), tolerance)
    # What a power says beyond a multiple of x fades as its order nears 1, and so does what may be off.
    share = 1.0 if phi.parameter is None else min(1.0, 4 * abs(phi.parameter - 1))
    unit = _fitted(phi.name, phi.parameter, 1.0, tolerance * share)
    if unit is None:
        return None
    scale = largest**phi.degree
    return Mixture(
        unit.nodes * largest,
        unit.weights * scale,
        unit.linear * scale / largest - (np.log(largest) if phi.name == "entropy" else 0.0),
        unit.quadratic * scale / largest**2,
        largest,
        unit.error * scale,
        unit.submodular,
        scale * share,
    )


@lru_cache(maxsize=64)
def _fitted(name: str, parameter: float | None, largest: float, tolerance: float) -> Mixture | None:
    """Fit on [0, largest] with more and more nodes; the same call is answered from memory."""
    phi = make_phi(name, parameter)
    concave = phi.guarantee(largest).kind == "submodular"
    scale = max(1.0, float(np.abs(phi.of(np.array([largest]))[0]))) if phi.degree is None else 1.0
    targets = np.diff(phi.of(largest * _FIT))
    for count in NODES:
        if (fit := _best(targets, count, concave)) is None:
            continue
        if (error := _variation(phi, fit, largest)) <= tolerance * scale:
            nodes, weights, a, b = fit
            kept = weights != 0
            linear, quadratic = a / largest, b / largest**2
            return Mixture(nodes[kept] * largest, weights[kept], linear, quadratic, largest, error, concave, scale)
    return None


_Fit = tuple[Array, Array, float, float]


def _best(targets: Array, count: int, concave: bool) -> _Fit | None:
    """Return the fit of the best range of nodes."""
    tried: dict[tuple[float, float], tuple[float, _Fit]] = {}

    def look(low: float, high: float) -> None:
        if (low, high) not in tried and (found := _solve(targets, count, low, high, concave)) is not None:
            tried[low, high] = found

    for high in _HIGHEST:
        for low in _LOWEST:
            look(low, high)
    if not tried:
        return None
    low, high = min(tried, key=lambda at: tried[at][0])
    for step in (-1.0, -0.5, 0.5, 1.0):
        look(low + step, high)
    return min(tried.values(), key=lambda pair: pair[0])[1]


def _solve(targets: Array, count: int, low: float, high: float, concave: bool) -> tuple[float, _Fit] | None:
    """Fit increments, whose absolute residuals sum to the certificate; weights of a concave phi stay non-negative."""
    from scipy.optimize import nnls

    nodes = np.logspace(low, high, count)
    columns = np.column_stack([_FIT, -(_FIT**2), np.log1p(_FIT[:, None] / nodes)])
    steps = np.diff(columns, axis=0)
    if concave:
        steps = np.column_stack([steps, -steps[:, 0]])  # the linear weight is free: it comes with both signs
    scale = np.abs(steps).max(axis=0)
    if concave:
        try:
            found, _ = nnls(steps / scale, targets, maxiter=1000)
        except RuntimeError:  # this range of nodes does not converge; others will
            return None
    else:
        found = np.linalg.lstsq(steps / scale, targets, rcond=1e-13)[0]
    found = found / scale
    variation = float(np.abs(targets - steps @ found).sum())
    linear = found[0] - (found[-1] if concave else 0.0)
    return variation, (nodes, found[2 : count + 2], float(linear), -float(found[1]))


def _variation(phi: Phi, fit: _Fit, largest: float) -> float:
    """Return the total variation of the residual, with what its own rounding hides."""
    nodes, weights, a, b = fit
    terms = np.log1p(_JUDGE[:, None] / nodes) * weights
    residual = phi.of(largest * _JUDGE) - a * _JUDGE - b * _JUDGE**2 - terms.sum(axis=1)
    lost = np.finfo(np.float64).eps * (abs(a) + abs(b) + float(np.abs(terms[-1]).sum()))
    return _MARGIN * float(np.abs(np.diff(residual)).sum()) + lost
