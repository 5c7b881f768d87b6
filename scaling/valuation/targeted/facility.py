"""Facility location with a target: queries to be found (FLQMI, FLVMI), or a private set to be kept away from (FLCG).

The functions are those of submodular information measures as `submodlib` defines them; its facility location "variant"
is the first of them here.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from scaling.errors import UsageError
from scaling.valuation.coverage.checks import check_setting
from scaling.valuation.coverage.facility import BestMatch
from scaling.valuation.coverage.similarity import make_kernel
from scaling.valuation.coverage.sources import make_table
from scaling.valuation.coverage.tables import DenseTable
from scaling.valuation.guarantee import Guarantee
from scaling.valuation.targeted.queries import similarities_to


class Flqmi(BestMatch):
    """sum_q max_{j in S} s_qj + eta sum_{j in S} max_q s_qj; made by `build`. It needs no n x n similarities."""

    @classmethod
    def build(
        cls,
        X: ArrayLike | None,
        k: int | None = None,  # noqa: ARG003
        *,
        name: str = "flqmi",
        queries: ArrayLike | None = None,
        query_similarities: ArrayLike | None = None,
        eta: float = 1.0,
        kernel: str = "shifted_cosine",
        bandwidth: float | None = None,
        seed: int = 0,
    ) -> Self:
        """Make the objective.

        Parameters
        ----------
        X : array_like (n, m)
            Embeddings of the candidates.
        k : int, optional
            Not used: the promise holds for every size.
        queries : array_like (q, m)
            Embeddings of what is looked for.
        query_similarities : array_like (n, q), optional
            Similarities of 0 or more, one row a candidate, instead of queries.
        eta : float, default 1
            Weight of relevance (each element's likeness to a query) beside coverage (each query has an element).
        kernel, bandwidth, seed
            As of `scaling.valuation.coverage.facility.FacilityLocation.build`.

        Returns
        -------
        Flqmi

        Raises
        ------
        UsageError
            For settings that are not known, or do not go together.
        InputDataError
            For embeddings or similarities that cannot be used.
        """
        weight = check_setting(eta, "eta")
        near, settings = similarities_to(X, queries, query_similarities, kernel=kernel, bandwidth=bandwidth, seed=seed)
        why = "facility location of the queries, and a sum of what each element is worth by itself"
        return cls(
            name,
            DenseTable(near),
            Guarantee("submodular", why),
            settings | {"eta": weight},
            weights=np.ones(near.shape[1]),
            relevance=weight * near.max(axis=1).astype(np.float64),
        )


class Flvmi(BestMatch):
    """sum_{i in V} min(max_{j in S} s_ij, eta max_q s_iq); made by `build`."""

    @classmethod
    def build(
        cls,
        X: ArrayLike | None,
        k: int | None = None,  # noqa: ARG003
        *,
        name: str = "flvmi",
        queries: ArrayLike | None = None,
        query_similarities: ArrayLike | None = None,
        eta: float = 1.0,
        similarities: ArrayLike | None = None,
        kernel: str = "shifted_cosine",
        bandwidth: float | None = None,
        seed: int = 0,
        memory: str = "auto",
        memory_gib: float = 2.0,
    ) -> Self:
        """Make the objective.

        Parameters
        ----------
        X : array_like (n, m)
            Embeddings of the candidates.
        k : int, optional
            Not used: the promise holds for every size.
        queries, query_similarities
            As of `Flqmi.build`.
        eta : float, default 1
            How much better than a query a match may get and still count.
        similarities : array_like (n, n), optional
            Similarities of the candidates, of 0 or more, instead of embeddings.
        kernel, bandwidth, seed, memory, memory_gib
            As of `scaling.valuation.coverage.facility.FacilityLocation.build`.

        Returns
        -------
        Flvmi

        Raises
        ------
        UsageError
            For settings that are not known, or do not go together.
        InputDataError
            For embeddings or similarities that cannot be used.
        """
        weight = check_setting(eta, "eta")
        bandwidth, recorded = _one_bandwidth(X, kernel, bandwidth, seed)
        near, settings = similarities_to(X, queries, query_similarities, kernel=kernel, bandwidth=bandwidth, seed=seed)
        table, others = make_table(
            X if similarities is None or X is not None else None,
            kernel=kernel,
            bandwidth=bandwidth,
            seed=seed,
            similarities=similarities,
            memory=memory,
            memory_gib=memory_gib,
        )
        _check_represented(table.u, len(near), "query_similarities" if queries is None else "queries")
        why = "facility location whose matches count up to a limit that the set does not move"
        return cls(
            name,
            table,
            Guarantee("submodular", why),
            settings | others | recorded | {"eta": weight},
            weights=np.ones(table.u),
            cap=weight * near.max(axis=1),
        )


class Flcg(BestMatch):
    """sum_i max(0, max_{j in S} s_ij - nu max_{p in P} s_ip), P a private set; made by `build`."""

    @classmethod
    def build(
        cls,
        X: ArrayLike | None,
        k: int | None = None,  # noqa: ARG003
        *,
        name: str = "flcg",
        private: ArrayLike | None = None,
        private_similarities: ArrayLike | None = None,
        nu: float = 1.0,
        similarities: ArrayLike | None = None,
        kernel: str = "shifted_cosine",
        bandwidth: float | None = None,
        seed: int = 0,
        memory: str = "auto",
        memory_gib: float = 2.0,
    ) -> Self:
        """Make the objective.

        Parameters
        ----------
        X : array_like (n, m)
            Embeddings of the candidates.
        k : int, optional
            Not used: the promise holds for every size.
        private : array_like (p, m)
            Embeddings of what is held already, or has to be kept away from.
        private_similarities : array_like (n, p), optional
            Similarities of 0 or more, one row a candidate, instead of `private`.
        nu : float, default 1
            How strongly what the private set covers is left out.
        similarities : array_like (n, n), optional
            Similarities of the candidates, of 0 or more, instead of embeddings.
        kernel, bandwidth, seed, memory, memory_gib
            As of `scaling.valuation.coverage.facility.FacilityLocation.build`.

        Returns
        -------
        Flcg

        Raises
        ------
        UsageError
            For settings that are not known, or do not go together.
        InputDataError
            For embeddings or similarities that cannot be used.
        """
        weight = check_setting(nu, "nu")
        bandwidth, recorded = _one_bandwidth(X, kernel, bandwidth, seed)
        near, settings = similarities_to(
            X, private, private_similarities, what="private", kernel=kernel, bandwidth=bandwidth, seed=seed
        )
        table, others = make_table(
            X,
            kernel=kernel,
            bandwidth=bandwidth,
            seed=seed,
            similarities=similarities,
            memory=memory,
            memory_gib=memory_gib,
        )
        _check_represented(table.u, len(near), "private_similarities" if private is None else "private")
        why = "facility location that starts from the matches of the private set"
        return cls(
            name,
            table,
            Guarantee("submodular", why),
            settings | others | recorded | {"nu": weight},
            weights=np.ones(table.u),
            floor=weight * near.max(axis=1),
        )


def _one_bandwidth(
    X: ArrayLike | None, kernel: str, bandwidth: float | None, seed: int
) -> tuple[float | None, dict[str, object]]:
    """Return the bandwidth that both kinds of similarity share, and how it was found."""
    if kernel != "rbf" or bandwidth is not None or X is None:
        return bandwidth, {}
    made, _ = make_kernel(X, kernel, None, seed)
    return made.bandwidth, dict(made.recorded)


def _check_represented(represented: int, rows: int, what: str) -> None:
    if represented != rows:
        raise UsageError(
            f"The similarities represent {represented} examples, and {what} say something of {rows} candidates.",
            "Both are about the candidates: similarities are square.",
        )
