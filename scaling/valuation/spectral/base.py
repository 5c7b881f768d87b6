"""What every objective of eigenvalues shares: the set, its eigenpairs, and gains by the mixture or without it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np

from scaling.errors import UsageError
from scaling.formatting import format_number
from scaling.valuation.embeddings import Rows
from scaling.valuation.objective import Array, Indices, Objective
from scaling.valuation.spectral.eigen import Eigen, eigen_of, largest_eigenvalue, reach
from scaling.valuation.spectral.exact import exact_changes
from scaling.valuation.spectral.kernels import closest_to_mean, set_eigenvalues, squared_lengths
from scaling.valuation.spectral.mixture import Mixture, mixture_of
from scaling.valuation.spectral.phi import Phi
from scaling.valuation.spectral.relaxation import relaxed_bound
from scaling.valuation.spectral.resolvent import Resolvent

_EPS = float(np.finfo(np.float64).eps)
_START = 8.0  # times the longest squared length: the first bound of the eigenvalues, doubled when they reach it
_SWAMPS = 1e5  # a constant from which on the rounding of gains hides differences that matter
_MOST = 690.0  # logarithm of the largest power
_HAIR = 1e-8  # of a gain: what breaks the tie of all first members; above rounding, below any difference that matters


class SpectralObjective(Objective):
    """tr phi(M_S) + c |S| (with c times squared lengths where rows are no unit vectors), M_S the sum of x x' over S.

    Parameters
    ----------
    rows : array (n, m)
        Features whose inner products are the kernel.
    phi : Phi
        The function of eigenvalues.
    k : int, optional
        Largest size of sets; with it the constant c makes the objective monotone up to there.
    unit : bool
        Whether rows have length one, but for rounding.
    tolerance : float
        Largest certificate of the mixture, as a share of the scale of phi; see `mixture_of`.
    exact : bool
        Whether gains are taken from eigenvalues, without the mixture, at the cost of an eigenproblem a candidate.
    first : int, optional
        Member to start with where all first members tie; the one closest to the mean by default.

    Notes
    -----
    With the empty set and unit rows every candidate has the same gain. That of the member to start with is larger by a
    hair, so that an optimiser takes it; the value is not affected.

    State for all candidates is made when gains of all are asked for with members in the set, and is brought up to
    date then; gains of a few candidates come from one decomposition a step instead.
    """

    def __init__(
        self,
        name: str,
        rows: Rows,
        phi: Phi,
        k: int | None,
        *,
        unit: bool,
        tolerance: float = 1e-6,
        exact: bool = False,
        first: int | None = None,
    ) -> None:
        if not (math.isfinite(tolerance) and tolerance > 0):
            raise UsageError(f"The tolerance is {tolerance}; it must be a positive number.")
        if first is not None and not 0 <= first < len(rows):
            raise UsageError(f"first={first} is no row: there are rows 0 to {len(rows) - 1}.")
        self.name, self.rows, self.phi, self.k = name, rows, phi, k
        self.n = len(rows)
        self.unit, self.tolerance, self.exact, self.first = unit, tolerance, exact, first
        self.norms = squared_lengths(rows)
        self.longest = 1.0 if unit else float(self.norms.max())
        self._bound = self.longest * (self.n if k is None else k)
        if phi.name == "power" and phi.parameter is not None and phi.parameter * math.log(max(self._bound, 1)) > _MOST:
            raise UsageError(
                f"Powers of order {format_number(phi.parameter)} of eigenvalues up to {format_number(self._bound)} are "
                "beyond the largest number.",
                "The order infinity (inf) is next to it, and has the largest eigenvalue alone.",
            )
        largest = math.inf if k is None else k * self.longest
        self.guarantee = phi.guarantee(largest)
        self.constant = phi.monotone_constant(largest)
        self.monotone_to = k if self.constant > 0 or self.guarantee.kind == "weak" else None
        start = min(_START * self.longest, self._bound) if phi.degree is not None else self._bound
        self._mixture = None if exact else mixture_of(phi, start, tolerance)
        self._preferred: int | None = first
        self._empty()

    def _empty(self) -> None:
        self.chosen: list[int] = []
        self.value = 0.0
        self._covariance = np.zeros((self.rows.shape[1],) * 2)
        self._eigen: Eigen | None = None
        self._state: Resolvent | None = None
        self._applied = 0  # members that the state of all candidates knows
        self._reached = 0.0  # bound of the largest eigenvalue
        self._lengths = 0.0  # sum of squared lengths

    # -- what optimisers ask --------------------------------------------------------------------------------------

    @property
    def error(self) -> float:  # type: ignore[override]
        """Bound of the error of a gain: the certificate of the mixture, and rounding of its state."""
        mixture, state = self._mixture, self._state
        if mixture is None or not self.chosen:
            return 0.0
        if state is None or self._applied != len(self.chosen):
            lost = mixture.rounding(_EPS, np.full(mixture.nodes.size, self.longest))
            return mixture.error + lost if mixture.error else 0.0
        if state.epsilon == _EPS and not mixture.error:
            return 0.0  # exact, but for the last digits
        # Errors of v' M v do not cancel where members are alike: one inner product a member is off in the same way.
        product = (4 + 0.5 * math.sqrt(self.rows.shape[1])) * state.epsilon
        squares = product * self.longest**2 * len(self.chosen)
        lost = mixture.rounding(state.epsilon, self.longest * state.share)
        return mixture.error + lost + abs(mixture.quadratic) * squares

    def gains(self, candidates: Indices | None = None) -> Array:
        """Return gains of some candidates, or of all n."""
        if not self.chosen:
            return self._first_gains(candidates)
        if self._mixture is None:
            return self.exact_gains(np.arange(self.n) if candidates is None else candidates)
        if candidates is None:
            self._update()
            assert self._state is not None
            return self._mixed(self._state.s, self._state.c, self.norms)
        if self._state is not None and self._applied == len(self.chosen):
            s, c = self._state.s[candidates], self._state.c[candidates]
        else:
            s, c = self._decompose().resolvent(self.rows[candidates], self._mixture.nodes)
        return self._mixed(s, c, self.norms[candidates])

    def exact_gains(self, candidates: Indices) -> Array:
        """Return gains from the eigenvalues before and after, shape (c,); one eigenproblem a candidate."""
        candidates = np.asarray(candidates, dtype=np.intp)
        if not self.chosen:
            return self._first_gains(candidates)
        eigen = self._decompose()
        if self._mixture is not None and not self._mixture.error:
            return self._mixed(*eigen.resolvent(self.rows[candidates], self._mixture.nodes), self.norms[candidates])
        found = exact_changes(self.phi, eigen, self.rows, candidates)
        return self._with_constant(found, self.norms[candidates])

    def add(self, index: int) -> float:
        """Put a candidate into the set; returns its gain."""
        index = int(index)
        if index in self.chosen:
            raise UsageError(f"Candidate {index} is in the set already.")
        if self.chosen:
            gain = float(self.gains(np.array([index]))[0])
        else:
            gain = float(self._singletons(self.norms[[index]])[0])
        row = np.asarray(self.rows[index], np.float64)
        self._reached = reach(self._reached, float(row @ self._covariance @ row), float(self.norms[index]))
        self._covariance += np.outer(row, row)
        self.chosen.append(index)
        self.value += gain
        self._lengths += float(self.norms[index])
        self._eigen = None
        self._grow()
        return gain

    def extend(self, indices: Sequence[int] | Indices) -> None:
        """Put several candidates into the set at once; the value is then that of `evaluate`."""
        added = [int(index) for index in indices]
        if len(added) < 2 or len({*self.chosen, *added}) < len(self.chosen) + len(added):
            return super().extend(added)
        part = np.asarray(self.rows[added], np.float64)
        self._covariance += part.T @ part
        self.chosen.extend(added)
        self._lengths += float(self.norms[added].sum())
        self._eigen = None
        self.value = self.evaluate(self.chosen)
        self._reached = largest_eigenvalue(self._covariance)
        return self._grow()

    def fresh(self) -> Self:
        """Return the same objective with the empty set."""
        made = copy.copy(self)
        made._empty()
        return made

    def among(self, rows: Indices) -> SpectralObjective:
        """Return the same objective for some candidates alone; nothing but them enters it."""
        rows = np.asarray(rows, dtype=np.intp)
        made = copy.copy(self)
        made.rows, made.n, made.norms = self.rows[rows], rows.size, self.norms[rows]
        where = np.flatnonzero(rows == self.first) if self.first is not None else np.empty(0, np.intp)
        made.first = made._preferred = int(where[0]) if where.size else None
        made._empty()
        return made

    def evaluate(self, subset: Sequence[int] | Indices) -> float:
        """Return f of any set, from its eigenvalues."""
        subset = np.asarray(subset, dtype=np.intp)
        if not subset.size:
            return 0.0
        found = np.asarray(self.phi.total(self.eigenvalues(subset)))
        return float(found + self.constant * (subset.size if self.unit else self.norms[subset].sum()))

    def score_of(self, subset: Sequence[int] | Indices) -> float:
        """Return the score of any set, from its eigenvalues: no gain is kept up to date on the way."""
        state = copy.copy(self)
        state.chosen = [int(index) for index in subset]
        return state.score()

    def score(self) -> float:
        """Return tr phi(M_S), without what made it monotone."""
        return float(self.phi.total(self.eigenvalues(self.chosen))) if self.chosen else 0.0

    def score_at(self, value: float, size: int) -> float | None:
        """Return the score of any set of unit rows of this value and size: without what made it monotone."""
        return value - self.constant * size if self.unit else None

    def of_one_size(self) -> Self:
        """Return it without the constant where that swamps all gains, and no promise rests on it: powers above 2."""
        promised = self.phi.name != "power" or self.guarantee.kind != "none"
        if promised or not self.unit or self.constant <= _SWAMPS:
            return self
        made = self.fresh()
        made.constant, made.monotone_to = 0.0, None
        made.guarantee = replace(self.guarantee, monotone=False)
        return made

    def relaxed_bound(self, best: Callable[[Array], tuple[float, Indices]]) -> float | None:
        """Return an upper bound of f over all sets that may be chosen, from the tangent of a concave phi."""
        members = np.array(self.chosen, dtype=np.intp)
        lengths = np.ones(self.n) if self.unit else self.norms  # as the value counts them
        return relaxed_bound(self.rows, lengths, self.phi, self.constant, members, best)

    def eigenvalues(self, subset: Sequence[int] | Indices) -> Array:
        """Return the eigenvalues of the kernel of a set, ascending, without those that are rounding."""
        return set_eigenvalues(self.rows[np.asarray(subset, dtype=np.intp)])

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader of a result should know of how gains were found."""
        if self._mixture is not None or self.phi.name == "largest":
            return ()
        if self.exact:
            return ("gains come from eigenvalues, an eigenproblem for each candidate, as asked for",)
        order = "" if self.phi.parameter is None else f" of {format_number(self.phi.parameter)}"
        within = format_number(self.tolerance)
        return (
            f"no mixture of log-determinants represents '{self.phi.name}'{order} within {within}, so gains come from "
            "eigenvalues: exact, and slower by far",
        )

    def describe(self) -> dict[str, Any]:
        """Return the settings, and how gains are found."""
        return {
            "objective": self.name,
            "phi": self.phi.name,
            "parameter": self.phi.parameter,
            "k": self.k,
            "constant": self.constant,
            "tolerance": self.tolerance,
            "exact": self.exact,
            "first": self.first,
            "gains": "eigenvalues" if self._mixture is None else "mixture",
            "nodes": None if self._mixture is None else int(self._mixture.nodes.size),
            "notes": list(self.notes),
        }

    # -- how it is done -------------------------------------------------------------------------------------------

    def _mixed(self, s: Array, c: Array, norms: Array) -> Array:
        assert self._mixture is not None
        return self._with_constant(self._mixture.gains(s, c, norms), norms)

    def _with_constant(self, gains: Array, norms: Array) -> Array:
        # Lengths of unit rows are not all the same to the last digit of float32; that must not decide between them.
        return gains + self.constant * (1.0 if self.unit else norms) if self.constant else gains

    def _singletons(self, norms: Array) -> Array:
        return self._with_constant(self.phi.total(norms[:, None]), norms)

    def _first_gains(self, candidates: Indices | None) -> Array:
        """Return gains at the empty set, with a hair for the member to start with."""
        gains = self._singletons(self.norms if candidates is None else self.norms[candidates])
        if (self.unit or self.first is not None) and gains.size:
            if self._preferred is None:
                self._preferred = closest_to_mean(self.rows)
            where = self._preferred if candidates is None else np.asarray(candidates) == self._preferred
            gains[where] = gains.max() + _HAIR * max(1.0, float(np.abs(gains).max()))
        return gains

    def _decompose(self) -> Eigen:
        if self._eigen is None:
            self._eigen = eigen_of(self.rows[self.chosen], self._covariance)
        return self._eigen

    def _grow(self) -> None:
        """Let the mixture cover the eigenvalues that the next member can make."""
        if self._mixture is None or not math.isfinite(self._mixture.largest):
            return
        largest = self._mixture.largest
        self._reached = min(self._reached, float(np.linalg.norm(self._covariance)))
        if self._reached + self.longest <= largest:
            return
        self._reached = largest_eigenvalue(self._covariance)
        if self._reached + self.longest > largest:
            wanted = min(2 * max(largest, self._reached + self.longest), max(self._bound, self._reached + self.longest))
            self._mixture = mixture_of(self.phi, wanted, self.tolerance)
            self._state = None

    def _update(self) -> None:
        """Bring the state of all candidates up to the set."""
        assert self._mixture is not None
        if self._state is None:
            self._state = _resolvent(self.rows, self.norms, self._mixture, self.tolerance)
            self._applied = 0
        pending = self.chosen[self._applied :]
        if (
            len(pending) * (self._mixture.nodes.size + 1) > min(self.rows.shape[1], len(self.chosen))
            and len(pending) > 1
        ):
            self._state.restart(self._decompose())
        else:
            for index in pending:
                self._state.add(np.asarray(self.rows[index], np.float64))
        self._applied = len(self.chosen)


def _resolvent(rows: Rows, norms: Array, mixture: Mixture, tolerance: float) -> Resolvent:
    """Make the state; products are in float32 where rounding then stays within five tolerances."""
    longest = np.full(mixture.nodes.size, float(norms.max()))
    lost = mixture.rounding(float(np.finfo(np.float32).eps), longest)
    single = lost <= 5 * tolerance * mixture.scale
    return Resolvent(rows, norms, mixture.nodes, mixture.largest, single=single)
