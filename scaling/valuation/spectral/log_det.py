"""Log-determinants of the kernel of a set, with a ridge and without."""

from __future__ import annotations

import copy
import math
from typing import Any, Self

import numpy as np

from scaling.errors import UsageError
from scaling.valuation.embeddings import Rows
from scaling.valuation.guarantee import Guarantee
from scaling.valuation.objective import Array, Indices, Objective
from scaling.valuation.spectral.base import SpectralObjective
from scaling.valuation.spectral.kernels import closest_to_mean, covariance, kernel_rows, squared_lengths
from scaling.valuation.spectral.phi import make_phi

_HAIR = 1e-8  # what breaks the tie of all first members


class LogDet(SpectralObjective):
    """``log det(I + K_S / t)``: a determinantal point process with a ridge, or the information of a Gaussian process.

    Monotone and submodular for any t > 0; gains are ``log(1 + x' (M_S + t)^-1 x)``, exact without an eigenvalue.

    Parameters of `build`
    ---------------------
    ridge : float, default 1
        t, the variance of the noise.
    kernel : {"cosine", "shifted_cosine", "linear"}
        As in `Vendi`.
    first : int, optional
        Member to start with where all first members tie.
    """

    kernel: str = "cosine"

    @classmethod
    def build(
        cls,
        X: Rows,
        k: int | None = None,
        *,
        name: str = "log_det",
        ridge: float = 1.0,
        kernel: str = "cosine",
        first: int | None = None,
    ) -> Self:
        """Make it over embeddings; see the class."""
        made = cls(name, kernel_rows(X, kernel), make_phi("log", ridge), k, unit=kernel != "linear", first=first)
        made.kernel = kernel
        return made

    @property
    def ridge(self) -> float:
        """The ridge t."""
        assert self.phi.parameter is not None
        return self.phi.parameter

    def curvature(self) -> float:
        """Return the total curvature, ``1 - min_v f(v | V without v) / f({v})``, in closed form.

        Notes
        -----
        ``f(v | V without v) = -log(1 - h_v)`` with the ridge leverage ``h_v = x' (M_V + t)^-1 x``. A greedy set has at
        least ``(1 - exp(-c)) / c`` of the optimum at curvature c.
        """
        inverse = np.linalg.inv(covariance(self.rows) + self.ridge * np.eye(self.rows.shape[1]))
        smallest = math.inf
        step = max(1, (1 << 22) // self.rows.shape[1])
        for start in range(0, self.n, step):
            x = np.asarray(self.rows[start : start + step], np.float64)
            leverage = np.minimum(np.einsum("ij,ij->i", x @ inverse, x), 1.0)
            alone = np.log1p(np.einsum("ij,ij->i", x, x) / self.ridge)
            with np.errstate(divide="ignore"):
                last = -np.log1p(-leverage)
            smallest = min(smallest, float(np.min(np.where(alone > 0, last / np.where(alone > 0, alone, 1), np.inf))))
        return 1 - min(smallest, 1.0)

    def describe(self) -> dict[str, Any]:
        """Return the settings, and how gains are found."""
        return {**super().describe(), "ridge": self.ridge, "kernel": self.kernel}


class Dpp(Objective):
    """``log det K_S``, the log-probability of a determinantal point process, but for its constant.

    Submodular, and not monotone: a member with a small residual takes value away, and one within the span of the set
    takes the value to minus infinity.

    Parameters of `build`
    ---------------------
    kernel : {"cosine", "shifted_cosine", "linear"}
        As in `Vendi`; with m dimensions no set of more than m (shifted: m + 1) members has a finite value.
    first : int, optional
        Member to start with where all first members tie.
    """

    guarantee = Guarantee(
        "submodular",
        "the residual variance of a candidate shrinks as the set grows; it may be below 1, so gains may be negative",
        monotone=False,
    )

    def __init__(self, name: str, rows: Rows, kernel: str, first: int | None) -> None:
        if first is not None and not 0 <= first < len(rows):
            raise UsageError(f"first={first} is no row: there are rows 0 to {len(rows) - 1}.")
        self.name, self.rows, self.kernel, self.first, self.n = name, rows, kernel, first, len(rows)
        self.norms = squared_lengths(rows)
        self._unit = kernel != "linear"
        self._preferred = first
        self._empty()

    @classmethod
    def build(
        cls, X: Rows, k: int | None = None, *, name: str = "dpp", kernel: str = "cosine", first: int | None = None
    ) -> Self:
        """Make it over embeddings; see the class. It is not made monotone, so k does not enter."""
        del k
        return cls(name, kernel_rows(X, kernel), kernel, first)

    def _empty(self) -> None:
        self.chosen: list[int] = []
        self.value = 0.0
        self._basis: list[Array] = []  # orthonormal, one a member that is not in the span of those before
        self._residuals = self.norms
        self._applied = 0

    def _log(self, residuals: Array, norms: Array) -> Array:
        floor = np.finfo(np.float64).eps * self.rows.shape[1] * norms
        with np.errstate(divide="ignore"):
            return np.asarray(np.where(residuals > floor, np.log(np.maximum(residuals, 0.0)), -np.inf))

    def gains(self, candidates: Indices | None = None) -> Array:
        """Return the logarithms of residual variances; minus infinity of what lies in the span."""
        if candidates is not None:
            found = self._log(self._outside(self.rows[candidates]), self.norms[candidates])
        else:
            for direction in self._basis[self._applied :]:
                if self._applied == 0:
                    self._residuals = self.norms.copy()
                step = max(1, (1 << 22) // self.rows.shape[1])
                for start in range(0, self.n, step):
                    part = slice(start, start + step)
                    self._residuals[part] -= np.square(np.asarray(self.rows[part], np.float64) @ direction)
                self._applied += 1
            doubtful = self._residuals < 1e-6 * self.norms  # too little is left of the subtraction: project again
            residuals = self._residuals
            if self._basis and doubtful.any():
                residuals = residuals.copy()
                residuals[doubtful] = self._outside(self.rows[doubtful])
            found = self._log(residuals, self.norms)
        if not self.chosen and found.size and (self._unit or self.first is not None):
            if self._preferred is None:
                self._preferred = closest_to_mean(self.rows)
            where = self._preferred if candidates is None else np.asarray(candidates) == self._preferred
            found[where] = found.max() + _HAIR
        return found

    def _outside(self, rows: Rows) -> Array:
        """Return squared lengths outside the span of the set, projected twice so that small ones are right."""
        x = np.asarray(rows, np.float64)
        if self._basis:
            basis = np.array(self._basis)
            for _ in range(2):
                x = x - (x @ basis.T) @ basis
        return np.asarray(np.einsum("ij,ij->i", x, x))

    def add(self, index: int) -> float:
        """Put a candidate into the set; returns its gain."""
        index = int(index)
        if index in self.chosen:
            raise UsageError(f"Candidate {index} is in the set already.")
        gain = float(self._log(self._outside(self.rows[[index]]), self.norms[[index]])[0])
        if math.isfinite(gain):
            x = np.asarray(self.rows[index], np.float64)
            if self._basis:
                basis = np.array(self._basis)
                for _ in range(2):
                    x = x - basis.T @ (basis @ x)
            self._basis.append(x / np.linalg.norm(x))
        self.chosen.append(index)
        self.value += gain
        return gain

    def fresh(self) -> Self:
        """Return the same objective with the empty set."""
        made = copy.copy(self)
        made._empty()
        return made

    def among(self, rows: Indices) -> Dpp:
        """Return the same objective for some candidates alone."""
        rows = np.asarray(rows, dtype=np.intp)
        where = np.flatnonzero(rows == self.first) if self.first is not None else np.empty(0, np.intp)
        return Dpp(self.name, self.rows[rows], self.kernel, int(where[0]) if where.size else None)

    def describe(self) -> dict[str, Any]:
        """Return the settings."""
        return {"objective": self.name, "kernel": self.kernel, "first": self.first}
