"""Criteria of experimental design: how well a linear model is determined by the members of a set.

All speak of ``R = (M_S + t)^-1``, the covariance of the coefficients of a ridge regression on the set: D of its volume,
A of its trace, V (also called I) of the mean variance of predictions, G of the largest one. Values are the decrease
since the empty set, so larger is better.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from scaling.errors import UsageError
from scaling.valuation.embeddings import Rows
from scaling.valuation.guarantee import Guarantee
from scaling.valuation.objective import Array, Indices, Objective
from scaling.valuation.spectral.kernels import covariance, kernel_rows, squared_lengths
from scaling.valuation.spectral.log_det import LogDet
from scaling.valuation.spectral.phi import make_phi

_BLOCK = 1 << 22


class DOptimal(LogDet):
    """D-optimality: ``log det(I + M_S / t)``. The same as `LogDet`, with its options."""


class _Design(Objective):
    """State that A, V and G share: R, brought up to date by a change of rank one."""

    def __init__(self, name: str, rows: Rows, k: int | None, ridge: float, kernel: str) -> None:
        if not (math.isfinite(ridge) and ridge > 0):
            raise UsageError(f"The ridge is {ridge}; it must be a positive number.")
        self.name, self.rows, self.k, self.ridge, self.kernel = name, rows, k, float(ridge), kernel
        self.n, self.norms = len(rows), squared_lengths(rows)
        self._empty()

    @classmethod
    def build(
        cls,
        X: Rows,
        k: int | None = None,
        *,
        name: str = "",
        ridge: float = 1.0,
        kernel: str = "cosine",
    ) -> Self:
        """Make it over embeddings.

        Parameters
        ----------
        ridge : float, default 1
            t, the variance of the noise over that of the coefficients.
        kernel : {"cosine", "shifted_cosine", "linear"}
            ``linear`` leaves rows as long as they are.
        """
        return cls(name, kernel_rows(X, kernel), k, ridge, kernel)

    def _empty(self) -> None:
        self.chosen: list[int] = []
        self.value = 0.0
        self._inverse = np.eye(self.rows.shape[1]) / self.ridge

    def gains(self, candidates: Indices | None = None) -> Array:
        """Return gains of some candidates, or of all n."""
        wanted = np.arange(self.n) if candidates is None else np.asarray(candidates, dtype=np.intp)
        found = np.empty(wanted.size)
        step = self._step()
        for start in range(0, wanted.size, step):
            part = slice(start, start + step)
            found[part] = self._gains(np.asarray(self.rows[wanted[part]], np.float64))
        return found

    def _step(self) -> int:
        return max(1, _BLOCK // int(self.rows.shape[1]))

    def _gains(self, x: Array) -> Array:
        raise NotImplementedError

    def add(self, index: int) -> float:
        """Put a candidate into the set; returns its gain."""
        index = int(index)
        if index in self.chosen:
            raise UsageError(f"Candidate {index} is in the set already.")
        x = np.asarray(self.rows[index], np.float64)
        gain = float(self._gains(x[None])[0])
        column = self._inverse @ x
        self._take(column, 1 + float(x @ column))
        self.chosen.append(index)
        self.value += gain
        return gain

    def _take(self, column: Array, over: float) -> None:
        self._inverse = self._inverse - np.outer(column, column / over)

    def fresh(self) -> Self:
        """Return the same objective with the empty set."""
        made = copy.copy(self)
        made._empty()
        return made

    def among(self, rows: Indices) -> _Design:
        """Return the same objective for some candidates alone; what is predicted stays whole."""
        rows = np.asarray(rows, dtype=np.intp)
        made = copy.copy(self)
        made.rows, made.n, made.norms = self.rows[rows], rows.size, self.norms[rows]
        made._empty()
        return made

    def describe(self) -> dict[str, Any]:
        """Return the settings."""
        return {"objective": self.name, "ridge": self.ridge, "kernel": self.kernel, "k": self.k}

    def _weak_ratio(self) -> float:
        """Return the ratio of the trace criterion, from the constant of Kantorovich."""
        longest = float(self.norms.max())
        guarantee = make_phi("ratio", self.ridge).guarantee((self.n if self.k is None else self.k) * longest)
        return guarantee.ratio


class AOptimal(_Design):
    """A-optimality: how much ``tr (M_S + t)^-1`` has fallen. Weakly submodular."""

    def __init__(self, name: str, rows: Rows, k: int | None, ridge: float, kernel: str) -> None:
        super().__init__(name or "a_optimal", rows, k, ridge, kernel)
        why = "the trace of an inverse: the square of (M + t)^-1 falls with M, but for the constant of Kantorovich"
        self.guarantee = Guarantee("weak", why, ratio=self._weak_ratio())
        self.monotone_to = k

    def _gains(self, x: Array) -> Array:
        product = x @ self._inverse
        return np.asarray(
            np.einsum("ij,ij->i", product, product) / (1 + np.einsum("ij,ij->i", product, x)),
        )


class VOptimal(_Design):
    """V-optimality: how much ``tr C (M_S + t)^-1`` has fallen, C the covariance of all rows: the mean variance."""

    def __init__(self, name: str, rows: Rows, k: int | None, ridge: float, kernel: str) -> None:
        super().__init__(name or "v_optimal", rows, k, ridge, kernel)
        self._target = covariance(rows) / len(rows)
        spread = np.linalg.eigvalsh(self._target)
        if spread[0] > np.finfo(np.float64).eps * len(spread) * spread[-1]:
            why = "the ratio of A-optimality, divided by the condition number of the covariance of what is predicted"
            ratio = self._weak_ratio() * float(spread[0] / spread[-1])
            self.guarantee = Guarantee("weak", why, ratio=ratio)
            self.monotone_to = k
        else:
            why = "what is predicted has no variance in some direction, so the bound of its gains is empty"
            self.guarantee = Guarantee("none", why, ratio=0.0)

    def _gains(self, x: Array) -> Array:
        product = x @ self._inverse
        return np.asarray(
            np.einsum("ij,ij->i", product @ self._target, product) / (1 + np.einsum("ij,ij->i", product, x)),
        )


class GOptimal(_Design):
    """G-optimality: how much the largest variance of a prediction, ``max_i x_i' (M_S + t)^-1 x_i``, has fallen.

    No promise comes with it; a gain costs a pass over all rows.
    """

    guarantee = Guarantee(
        "none",
        "the largest variance falls only when every row that has it is served: with orthogonal x_1, x_2 the first "
        "member gains nothing and the second 1/t - 1/(1 + t)",
        ratio=0.0,
    )

    def __init__(self, name: str, rows: Rows, k: int | None, ridge: float, kernel: str) -> None:
        super().__init__(name or "g_optimal", rows, k, ridge, kernel)
        self._predicted = rows
        self._start = self.norms / self.ridge
        self._variances = self._start

    def _empty(self) -> None:
        super()._empty()
        if hasattr(self, "_start"):
            self._variances = self._start

    def _step(self) -> int:
        return max(1, _BLOCK // len(self._predicted))

    def _gains(self, x: Array) -> Array:
        product = x @ self._inverse
        over = 1 + np.einsum("ij,ij->i", product, x)
        largest = np.full(len(x), -np.inf)
        step = max(1, _BLOCK // max(len(x), self.rows.shape[1]))
        for start in range(0, len(self._predicted), step):
            part = slice(start, start + step)
            left = np.square(np.asarray(self._predicted[part], np.float64) @ product.T)
            left = self._variances[part, None] - left / over
            np.maximum(largest, left.max(axis=0), out=largest)
        return np.asarray(self._variances.max() - largest)

    def _take(self, column: Array, over: float) -> None:
        super()._take(column, over)
        changed = np.empty(len(self._predicted))
        step = max(1, _BLOCK // self.rows.shape[1])
        for start in range(0, len(changed), step):
            part = slice(start, start + step)
            changed[part] = np.square(np.asarray(self._predicted[part], np.float64) @ column)
        self._variances = self._variances - changed / over

    def score_of(self, subset: Sequence[int] | Indices) -> float:
        """Return the fall of the largest variance for any set, from one factorisation and one pass over all rows."""
        from scipy.linalg import cholesky, solve_triangular

        members = np.asarray(self.rows[np.asarray(subset, np.intp)], np.float64)
        if not len(members):
            return 0.0
        factor = cholesky(members.T @ members + self.ridge * np.eye(members.shape[1]), lower=True)
        largest, step = 0.0, max(1, _BLOCK // members.shape[1])
        for start in range(0, len(self._predicted), step):
            part = np.asarray(self._predicted[start : start + step], np.float64)
            left = solve_triangular(factor, part.T, lower=True)
            largest = max(largest, float(np.einsum("ij,ij->j", left, left).max()))
        return float(self._start.max()) - largest
