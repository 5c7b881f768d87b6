"""Gradient information (GIO): how far the set is from targets, as a divergence estimated by nearest neighbours.

KL(targets || set) = (m/T) sum_i log(nu_k(i)/rho_k(i)) + log(|S|/(T - 1)), where nu_k is the distance of target i from
its k-th nearest element of the set and rho_k that from its k-th nearest other target. The second term is the same for
every set of a size, so what is maximised is the fall of the first: f(S) = (m/T) sum_i log(nu_k at the start/nu_k).
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from scaling.errors import InputDataError, UsageError
from scaling.valuation.coverage.base import RowObjective
from scaling.valuation.coverage.similarity import Kernel, log_distance_kernel
from scaling.valuation.coverage.sources import prepare_other
from scaling.valuation.coverage.tables import EmbeddingTable, Table
from scaling.valuation.embeddings import Rows, as_embeddings
from scaling.valuation.guarantee import Guarantee
from scaling.valuation.objective import Array, Indices

_FIRST = "with the nearest neighbour alone it is facility location, of minus the logarithm of distances"
_KTH = "the k-th neighbour may move far only after another one has come near, so a gain can grow"


class Gio(RowObjective):
    """Fall of a nearest-neighbour divergence of targets from the set; made by `build`, `score` is minus the divergence.

    For every k, and whatever the set, a candidate never takes value away.
    """

    def __init__(
        self,
        name: str,
        table: Table,
        settings: dict[str, Any],
        *,
        nearest: Rows,
        held: int,
        dimensions: int,
        among_targets: Array,
    ) -> None:
        k = nearest.shape[1]
        guarantee = Guarantee("submodular", _FIRST) if k == 1 else Guarantee("none", _KTH)
        super().__init__(name, table.n, guarantee, settings)
        self._table, self._initial, self._held = table, nearest, held
        self._weights = np.full(table.u, dimensions / table.u)
        self._among_targets = among_targets
        self._restart()

    @classmethod
    def build(
        cls,
        X: ArrayLike | None,
        k: int | None = None,  # noqa: ARG003
        *,
        name: str = "gio",
        queries: ArrayLike | None = None,
        held: ArrayLike | None = None,
        neighbours: int = 1,
        normalise: bool = False,
        memory_gib: float = 2.0,
    ) -> Self:
        """Make the objective.

        Parameters
        ----------
        X : array_like (n, m)
            Embeddings of the candidates.
        k : int, optional
            Not used.
        queries : array_like (T, m)
            Embeddings of the targets; at least ``neighbours + 1``.
        held : array_like (h, m), optional
            Embeddings that are in the set from the start; at least `neighbours`, and needed where that is above 1,
            since a set of fewer elements has no k-th neighbour. Without them a target starts as far away as its
            farthest candidate.
        neighbours : int, default 1
            k of the k-th nearest neighbour.
        normalise : bool, default False
            Whether rows are brought to length one first.
        memory_gib : float, default 2
            GiB that distances of candidates to targets may take; beyond it they are worked out again each time.

        Returns
        -------
        Gio

        Raises
        ------
        UsageError
            For settings that are not known, or do not go together.
        InputDataError
            For embeddings that cannot be used, or too few of them.
        """
        if X is None or queries is None:
            raise UsageError("gio needs embeddings of the candidates and of the targets.", "Give queries.")
        if not (isinstance(neighbours, int | np.integer) and neighbours > 0):
            raise UsageError(f"neighbours is {neighbours}; a whole number above 0 is expected.")
        if held is None and neighbours > 1:
            raise UsageError(
                f"With {neighbours} neighbours a set has to hold that many elements from the start.",
                "Give held, embeddings of what is there already, or take neighbours=1.",
            )
        kernel, rows = log_distance_kernel(as_embeddings(X, normalise=normalise))
        targets = _other(kernel, rows, queries, "queries", normalise, neighbours + 1)
        table = EmbeddingTable(kernel, rows, targets)
        dense = table.n * table.u * rows.dtype.itemsize <= memory_gib * 2**30
        shown: Table = table.dense() if dense else table
        if held is None:
            nearest = _farthest(shown)[:, None]
            size = 0
        else:
            there = _other(kernel, rows, held, "held", normalise, neighbours)
            nearest, size = _nearest(kernel, targets, there, neighbours), len(there)
        between = _nearest(kernel, targets, targets, neighbours + 1)[:, -1]  # each is its own nearest
        settings = {"queries": len(targets), "held": size, "neighbours": int(neighbours), "normalise": bool(normalise)}
        return cls(
            name,
            shown,
            settings,
            nearest=nearest,
            held=size,
            dimensions=rows.shape[1],
            among_targets=between.astype(np.float64),
        )

    def _empty(self) -> None:
        self._nearest = self._initial  # -log of distances, nearest first: (T, k)

    def _gains(self, rows: Indices | None) -> Array:
        cap = None if self._nearest.shape[1] == 1 else np.ascontiguousarray(self._nearest[:, -2])
        return self._table.excess(rows, np.ascontiguousarray(self._nearest[:, -1]), self._weights, cap)

    def _add(self, row: int) -> float:
        before = self._nearest
        joined = np.column_stack([before, self._table.row(row)])
        self._nearest = -np.sort(-joined, axis=1)[:, :-1]
        return float((self._nearest[:, -1].astype(np.float64) - before[:, -1]).dot(self._weights))

    @property
    def divergence(self) -> float:
        """Divergence of the targets from the set, nats; infinite for the empty set."""
        size = self._held + len(self.chosen)
        if size == 0:
            return float("inf")
        apart = self._among_targets - self._nearest[:, -1]
        return float(apart.dot(self._weights) + np.log(size / (len(apart) - 1)))

    def score(self) -> float:
        """Return minus the divergence of the targets from the set, so that more is better; nats."""
        return -self.divergence


def _other(kernel: Kernel, rows: Rows, other: ArrayLike, name: str, normalise: bool, least: int) -> Rows:
    made = prepare_other(kernel, rows, as_embeddings(other, normalise=normalise, name=name), name)
    if len(made) < least:
        raise InputDataError(f"{name} has {len(made)} rows, and at least {least} are needed for the neighbours.")
    return made


def _nearest(kernel: Kernel, targets: Rows, others: Rows, count: int) -> Rows:
    """Return -log of the distances of targets to the nearest others, nearest first: (T, count)."""
    made = np.empty((len(targets), count), targets.dtype)
    step = max(1, (1 << 22) // len(others))
    for start in range(0, len(targets), step):
        part = -kernel.between(targets[start : start + step], others)
        made[start : start + step] = -np.sort(np.partition(part, count - 1, axis=1)[:, :count], axis=1)
    return made


def _farthest(table: Table) -> Rows:
    """Return -log of the distance of each target from its farthest candidate, shape (T,)."""
    made = table.row(0).copy()
    for row in range(1, table.n):
        np.minimum(made, table.row(row), out=made)
    return made
