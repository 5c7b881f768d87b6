"""Functions of eigenvalues by name, each with what is known of tr phi(M_S) as a set function.

The gain of v is the integral of ``x' phi'(M_S + s x x') x`` over s in [0, 1]. So where phi' is operator antitone
(A <= B implies phi'(A) >= phi'(B)) gains shrink as the set grows. Where only ``alpha phi'(B) <= phi'(A)`` holds, a gain
at a subset is at least alpha times the gain at the set that holds it.

Two ways to an alpha on spectra within [0, L], both by Jensen's inequality from below and the chord from above:

* phi' = 1/g with g positive, convex and increasing: ``alpha = min_a g(a) / chord_g(a)``. For g = (x + c)^2 that is the
  constant of Kantorovich, ``4 h / (1 + h)^2`` with ``h = (L + c) / c``.
* ``x log(1 + 1/x)``: phi' is a mixture of 1/((x + s)(x + 1)) over s in [0, 1], each of which has at least 1/(1 + L).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.errors import UsageError, did_you_mean
from scaling.formatting import format_number
from scaling.valuation.guarantee import Guarantee
from scaling.valuation.spectral.orders import NEAR_ONE

Array = NDArray[np.float64]

_WEAK = "gains can grow as the set does, at most by the inverse of this ratio while no eigenvalue exceeds {}"


@dataclass(frozen=True)
class Phi:
    """A function of eigenvalues with phi(0) = 0.

    Parameters
    ----------
    name : str
        As `PHI` has it.
    parameter : float or None
        Its one parameter, where it has one.
    of : callable
        Values at eigenvalues >= 0.
    slope : callable
        phi'(L), for the constant that makes it monotone.
    degree : float or None
        q where phi(L y) follows from phi(y) by a factor L^q and a multiple of y; None where it does not.
    """

    name: str
    parameter: float | None
    of: Callable[[Array], Array]
    slope: Callable[[float], float]
    degree: float | None = None

    def total(self, eigenvalues: Array) -> Array:
        """Return the sum over the last axis; of ``largest``, minus the largest."""
        if self.name == "largest":
            return np.asarray(-np.max(eigenvalues, axis=-1, initial=0.0))
        return np.asarray(self.of(eigenvalues).sum(axis=-1))

    def monotone_constant(self, largest: float) -> float:
        """Return the c >= 0 for which phi(x) + c x does not fall on [0, largest]."""
        return max(0.0, -self.slope(largest)) if math.isfinite(largest) else 0.0

    def guarantee(self, largest: float) -> Guarantee:
        """Return what is known of tr phi(M_S) + c tr M_S while no eigenvalue exceeds `largest`.

        Parameters
        ----------
        largest : float
            Bound of the eigenvalues; infinite where sizes have none, and then nothing is added to make it monotone.
        """
        monotone = math.isfinite(largest) or self.slope(math.inf) >= 0
        if (against := _against(self)) is not None:
            return Guarantee("none", against, monotone=monotone, ratio=0.0)
        if self.name in _RATIOS:
            ratio = _RATIOS[self.name](largest, self.parameter or 1.0)
            if ratio == 0:
                why = f"the bound of how much gains grow is empty for eigenvalues up to {format_number(largest)}"
                return Guarantee("none", why, monotone=monotone, ratio=0.0)
            return Guarantee("weak", _WEAK.format(format_number(largest)), monotone=monotone, ratio=ratio)
        why = "the rank of a set of vectors is the rank of a matroid" if self.name == "rank" else _ANTITONE[self.name]
        return Guarantee("submodular", why, monotone=monotone)


_ANTITONE = {
    "entropy": "the derivative of -x log x is operator antitone",
    "power": "the derivative of this power is operator antitone",
    "log": "the derivative of log(1 + x/t) is operator antitone",
}


def _against(phi: Phi) -> str | None:
    """Return the counterexample, in unit vectors of the plane at angles in degrees; None where there is none."""
    if phi.name == "largest":
        return (
            "gains can grow: with S = {0}, T = {0, 60} the vector at 120 changes minus the largest eigenvalue by -0.5 "
            "and by 0"
        )
    if phi.name == "minimum":
        return (
            "gains can grow without bound of their ratio: with S = {0}, T = {0, 45} the vector at 135 gains 0.2929 and "
            "0.7071"
        )
    if phi.name == "power" and phi.parameter is not None and phi.parameter > 2:
        return (
            "gains can grow for powers above 2: with S = {0, 0, 0}, T = {0, 0, 0, 45} the vector at 120 changes minus "
            "the sum of cubes by -10 and by -8.755"
        )
    return None


def _chord(g: Callable[[Array], Array], largest: float) -> float:
    """Return min over [0, largest] of g / chord of g, for a convex g, from below."""
    if not math.isfinite(largest):
        return 0.0
    a = np.linspace(0.0, largest, 20_001)
    with np.errstate(over="ignore", invalid="ignore"):
        values = g(a)
        ratio = values / (values[0] + (values[-1] - values[0]) * a / max(largest, 1e-300))
    found = float(np.min(ratio))
    # The grid may miss the minimum by its curvature over half a step; a part in a thousand is far more than that.
    return 0.999 * found if math.isfinite(found) else 0.0


_RATIOS: dict[str, Callable[[float, float], float]] = {
    "ratio": lambda largest, c: 4 * (h := (largest + c) / c) / (1 + h) ** 2 if math.isfinite(largest) else 0.0,
    "log_ratio": lambda largest, _: 1 / (1 + largest),
    "exponential": lambda largest, _: _chord(np.exp, largest) if largest < 700 else 0.0,
    "atan": lambda largest, _: _chord(lambda a: 1 + a * a, largest),
    "tanh": lambda largest, _: _chord(lambda a: np.cosh(a) ** 2, largest) if largest < 350 else 0.0,
}


def _positive(name: str, symbol: str, value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise UsageError(f"The {symbol} of '{name}' is {value}; it must be a positive number.")
    return float(value)


def _entropy(_: float | None) -> Phi:
    def of(x: Array) -> Array:
        return np.asarray(-x * np.log(np.where(x > 0, x, 1.0)))

    return Phi("entropy", None, of, lambda x: -1 - math.log(x) if x > 0 else math.inf, degree=1.0)


def _power(given: float | None) -> Phi:
    q = _positive("power", "order q", 0.5 if given is None else given)
    if q < 1:
        return Phi("power", q, lambda x: x**q, lambda x: q * x ** (q - 1) if x > 0 else math.inf, degree=q)
    return Phi("power", q, lambda x: -(x**q), lambda x: -q * x ** (q - 1), degree=q)


def _log(given: float | None) -> Phi:
    t = _positive("log", "ridge t", 1.0 if given is None else given)
    return Phi("log", t, lambda x: np.log1p(x / t), lambda x: 1 / (x + t))


def _ratio(given: float | None) -> Phi:
    c = _positive("ratio", "constant c", 1.0 if given is None else given)
    return Phi("ratio", c, lambda x: x / (x + c), lambda x: c / (x + c) ** 2)


def _log_ratio(_: float | None) -> Phi:
    def of(x: Array) -> Array:
        return np.asarray(np.where(x > 0, x * np.log1p(1 / np.where(x > 0, x, 1.0)), 0.0))

    return Phi("log_ratio", None, of, lambda _: 0.0)


#: Name: what makes it from its parameter, the parameter's symbol (or None), and its formula.
PHI: dict[str, tuple[Callable[[float | None], Phi], str | None, str]] = {
    "entropy": (_entropy, None, "-x log x"),
    "power": (_power, "q", "x^q for q < 1, -x^q for q >= 1"),
    "log": (_log, "t", "log(1 + x/t)"),
    "ratio": (_ratio, "c", "x/(x + c)"),
    "log_ratio": (_log_ratio, None, "x log(1 + 1/x)"),
    "exponential": (
        lambda _: Phi("exponential", None, lambda x: -np.expm1(-x), lambda x: math.exp(-x)),
        None,
        "1 - exp(-x)",
    ),
    "atan": (lambda _: Phi("atan", None, np.arctan, lambda x: 1 / (1 + x * x)), None, "atan x"),
    "tanh": (lambda _: Phi("tanh", None, np.tanh, lambda _: 0.0), None, "tanh x"),
    "minimum": (lambda _: Phi("minimum", None, lambda x: np.minimum(x, 1.0), lambda _: 0.0), None, "min(x, 1)"),
    "largest": (lambda _: Phi("largest", None, lambda x: -x, lambda _: -1.0, degree=1.0), None, "minus the largest x"),
    "rank": (
        lambda _: Phi("rank", None, lambda x: np.asarray(x > 0, np.float64), lambda _: 0.0),
        None,
        "the number of x > 0",
    ),
}


def make_phi(name: str, parameter: float | None = None) -> Phi:
    """Return a function of eigenvalues by name.

    Parameters
    ----------
    name : str
        One of `PHI`.
    parameter : float, optional
        Order q of ``power`` (default 0.5), ridge t of ``log`` and constant c of ``ratio`` (default 1).

    Returns
    -------
    Phi

    Raises
    ------
    UsageError
        For a name that there is not, or a parameter where there is none or that is not positive.

    Examples
    --------
    >>> make_phi("ratio", 0.1).guarantee(3.0).ratio  # doctest: +ELLIPSIS
    0.121...
    >>> make_phi("entropy").guarantee(6.0).greedy_share  # doctest: +ELLIPSIS
    0.632...
    """
    if name not in PHI:
        raise UsageError(f"There is no function of eigenvalues '{name}'.", did_you_mean(name, PHI))
    make, symbol, formula = PHI[name]
    if parameter is not None and symbol is None:
        raise UsageError(f"'{name}' is {formula}; it has no parameter.")
    return make(parameter)


def phi_of_order(q: float) -> Phi:
    """Return the function whose greedy sets are those of the Vendi score of order q, in [0, inf]."""
    if q == 0:
        return make_phi("rank")
    if abs(q - 1) < NEAR_ONE:
        return make_phi("entropy")
    return make_phi("largest") if math.isinf(q) else make_phi("power", q)
