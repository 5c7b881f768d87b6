"""Objectives of eigenvalues: the Vendi score of any order, its logarithm and its relatives, and phi by name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from scaling.errors import UsageError
from scaling.valuation.embeddings import Rows
from scaling.valuation.objective import Array, Indices
from scaling.valuation.spectral.base import SpectralObjective
from scaling.valuation.spectral.kernels import kernel_rows
from scaling.valuation.spectral.orders import as_order, hill_of, renyi_of, tsallis_of
from scaling.valuation.spectral.phi import Phi, make_phi, phi_of_order


class Vendi(SpectralObjective):
    """The Vendi score of order q, as the set function whose greedy sets it has.

    With unit rows and sets of one size, ``VS_q`` grows with ``h(S) = tr phi(M_S)``: -x log x for q = 1, x^q below and
    -x^q above, the rank for q = 0 and minus the largest eigenvalue for q = inf. The score itself, normalised by the
    size of each set, is neither monotone nor submodular; ``h(S) + c |S|`` is both for q in [0, 2], with
    ``c = 1 + log k`` for q = 1 and ``q k^(q-1)`` for q in (1, 2]. `value` and gains are in these units, `score` is the
    Vendi score.

    Parameters of `build`
    ---------------------
    q : float, default 1
        Order, in [0, inf].
    kernel : {"cosine", "shifted_cosine", "linear"}
        ``shifted_cosine`` is (1 + cosine)/2. With ``linear`` rows keep their lengths: h is optimised, and the score
        normalises by the sum of squared lengths.
    tolerance : float, default 1e-6
        Certificate of the mixture, as a share of the scale of phi; orders below about 0.4 have none this good.
    exact : bool, default False
        Gains from eigenvalues.
    first : int, optional
        Member to start with; the one closest to the mean by default, for all first members tie.
    """

    order: float = 1.0

    @classmethod
    def build(
        cls,
        X: Rows,
        k: int | None = None,
        *,
        name: str = "vendi",
        q: float = 1.0,
        kernel: str = "cosine",
        tolerance: float = 1e-6,
        exact: bool = False,
        first: int | None = None,
    ) -> Self:
        """Make it over embeddings; see the class."""
        order = as_order(q)
        return cls._made(phi_of_order(order), order, X, k, name, kernel, tolerance, exact, first)

    @classmethod
    def _made(
        cls,
        phi: Phi,
        order: float,
        X: Rows,
        k: int | None,
        name: str,
        kernel: str,
        tolerance: float,
        exact: bool,
        first: int | None,
    ) -> Self:
        rows = kernel_rows(X, kernel)
        made = cls(name, rows, phi, k, unit=kernel != "linear", tolerance=tolerance, exact=exact, first=first)
        made.order, made.kernel = order, kernel
        return made

    kernel: str = "cosine"

    def shares(self) -> Array:
        """Return the eigenvalues of the kernel of the set, divided by their sum."""
        values = self.eigenvalues(self.chosen)
        return np.asarray(values / values.sum())

    def score(self) -> float:
        """Return the Vendi score of the set; 0 of the empty one."""
        return hill_of(self.shares(), self.order) if self.chosen else 0.0

    def score_at(self, value: float, size: int) -> float | None:
        """Return the Vendi score of any set of unit rows of this value and size."""
        found = self._renyi_at(value, size)
        return found if found is None else math.exp(found)

    def _renyi_at(self, value: float, size: int) -> float | None:
        """Return the Renyi entropy that a value at a size is; None where no set of unit rows has it."""
        total, q = SpectralObjective.score_at(self, value, size), self.order  # tr phi(M), M = size times a density
        if total is None or size < 1:
            return None
        most = math.log(min(size, self.rows.shape[1]))  # the rank; a bound of the value may ask for more
        if q == 1:
            return min(most, math.log(size) + total / size)
        power = total if q < 1 else -total  # the sum of q-th powers; of order infinity, the largest eigenvalue
        if power <= 0:
            return most if q > 1 else None
        if math.isinf(q):
            return min(most, math.log(size) - math.log(power))
        return min(most, (math.log(power) - q * math.log(size)) / (1 - q))

    def describe(self) -> dict[str, Any]:
        """Return the settings, and how gains are found."""
        return {**super().describe(), "q": self.order, "kernel": self.kernel}


class Renyi(Vendi):
    """The logarithm of the Vendi score, in nats; options and greedy sets are those of `Vendi`."""

    def score(self) -> float:
        """Return the Renyi entropy of the set; minus infinity of the empty one."""
        return renyi_of(self.shares(), self.order) if self.chosen else -math.inf

    def score_at(self, value: float, size: int) -> float | None:
        """Return the Renyi entropy of any set of unit rows of this value and size."""
        return self._renyi_at(value, size)


class Tsallis(Vendi):
    """The Tsallis entropy of the spectrum, ``(1 - sum l^q)/(q - 1)``; options and greedy sets are those of `Vendi`."""

    def score(self) -> float:
        """Return the Tsallis entropy of the set; 0 of the empty one."""
        return tsallis_of(self.shares(), self.order) if self.chosen else 0.0

    def score_at(self, value: float, size: int) -> float | None:
        """Return the Tsallis entropy of any set of unit rows of this value and size."""
        entropy, q = self._renyi_at(value, size), self.order
        if entropy is None or self.phi.name == "entropy":
            return entropy
        return 0.0 if math.isinf(q) else (1 - math.exp((1 - q) * entropy)) / (q - 1)


class VonNeumann(Renyi):
    """The von Neumann entropy of the spectrum: Renyi of order 1. On a budget of k it is k (1 + entropy) at size k."""

    @classmethod
    def build(  # type: ignore[override]
        cls,
        X: Rows,
        k: int | None = None,
        *,
        name: str = "von_neumann",
        kernel: str = "cosine",
        tolerance: float = 1e-6,
        exact: bool = False,
        first: int | None = None,
    ) -> Self:
        """Make it over embeddings; options are those of `Vendi`."""
        return cls._made(make_phi("entropy"), 1.0, X, k, name, kernel, tolerance, exact, first)


class Rke(Vendi):
    """Vendi of order 2: ``|S|^2`` over the squared Frobenius norm of M_S; no step needs an eigenvalue."""

    @classmethod
    def build(  # type: ignore[override]
        cls,
        X: Rows,
        k: int | None = None,
        *,
        name: str = "rke",
        kernel: str = "cosine",
        first: int | None = None,
    ) -> Self:
        """Make it over embeddings; options are those of `Vendi`."""
        return cls._made(make_phi("power", 2.0), 2.0, X, k, name, kernel, 1e-6, False, first)

    def score(self) -> float:
        """Return the Vendi score of order 2; 0 of the empty set."""
        return float(self._lengths**2 / (self._covariance**2).sum()) if self.chosen else 0.0

    def score_of(self, subset: Sequence[int] | Indices) -> float:
        """Return the Vendi score of order 2 of any set."""
        members = np.asarray(subset, dtype=np.intp)
        if not members.size:
            return 0.0
        found = self.eigenvalues(members)
        return float(found.sum() ** 2 / (found**2).sum())


class Power(Vendi):
    """The sum of q-th powers of the eigenvalues of M_S for q < 1, minus it for q >= 1; `score` is that sum.

    Options are those of `Vendi`, with q = 0.5 by default.
    """

    @classmethod
    def build(
        cls,
        X: Rows,
        k: int | None = None,
        *,
        name: str = "power",
        q: float = 0.5,
        kernel: str = "cosine",
        tolerance: float = 1e-6,
        exact: bool = False,
        first: int | None = None,
    ) -> Self:
        """Make it over embeddings; see the class."""
        order = as_order(q)
        if order == 0 or math.isinf(order):
            raise UsageError(
                f"The sum of powers of order {q} is not the sum of a function of eigenvalues.",
                "Order 0 is the phi 'rank' of the objective 'spectral', and infinity its phi 'largest'.",
            )
        return cls._made(make_phi("power", order), order, X, k, name, kernel, tolerance, exact, first)

    def score(self) -> float:
        """Return tr phi(M_S)."""
        return SpectralObjective.score(self)

    def score_at(self, value: float, size: int) -> float | None:
        """Return tr phi(M_S) of any set of unit rows of this value and size."""
        return SpectralObjective.score_at(self, value, size)


class SpectralFunction(SpectralObjective):
    """tr phi(M_S) of any phi by name, made monotone up to size k; `score` is tr phi(M_S).

    Parameters of `build`
    ---------------------
    phi : str, default "entropy"
        As `scaling.valuation.spectral.phi.PHI` has it.
    parameter : float, optional
        Of that phi.
    kernel, tolerance, exact, first
        As in `Vendi`.
    """

    kernel: str = "cosine"

    @classmethod
    def build(
        cls,
        X: Rows,
        k: int | None = None,
        *,
        name: str = "spectral",
        phi: str = "entropy",
        parameter: float | None = None,
        kernel: str = "cosine",
        tolerance: float = 1e-6,
        exact: bool = False,
        first: int | None = None,
    ) -> Self:
        """Make it over embeddings; see the class."""
        rows = kernel_rows(X, kernel)
        function = make_phi(phi, parameter)
        made = cls(name, rows, function, k, unit=kernel != "linear", tolerance=tolerance, exact=exact, first=first)
        made.kernel = kernel
        return made

    def describe(self) -> dict[str, Any]:
        """Return the settings, and how gains are found."""
        return {**super().describe(), "kernel": self.kernel}
