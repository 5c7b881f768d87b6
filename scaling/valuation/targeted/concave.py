"""Concave over modular (COM): similarity to each query, with diminishing returns."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from scaling.valuation.coverage.checks import check_setting
from scaling.valuation.coverage.features import FeatureBased, apply_concave, check_concave
from scaling.valuation.targeted.queries import similarities_to


class ConcaveOverModular(FeatureBased):
    """eta sum_{j in S} g(sum_q s_jq) + sum_q g(sum_{j in S} s_jq), g concave."""

    @classmethod
    def build(  # type: ignore[override]
        cls,
        X: ArrayLike | None,
        k: int | None = None,  # noqa: ARG003
        *,
        name: str = "com",
        queries: ArrayLike | None = None,
        query_similarities: ArrayLike | None = None,
        eta: float = 1.0,
        concave: str = "sqrt",
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
        queries, query_similarities
            As of `scaling.valuation.targeted.facility.Flqmi.build`.
        eta : float, default 1
            Weight of relevance beside coverage of the queries.
        concave : {"sqrt", "log1p", "saturation"}
            g: ``sqrt(x)``, ``log(1 + x)`` or ``x/(1 + x)``.
        kernel, bandwidth, seed
            As of `scaling.valuation.coverage.facility.FacilityLocation.build`.

        Returns
        -------
        ConcaveOverModular

        Raises
        ------
        UsageError
            For settings that are not known, or do not go together.
        InputDataError
            For embeddings or similarities that cannot be used.
        """
        weight = check_setting(eta, "eta")
        check_concave(concave)
        near, settings = similarities_to(X, queries, query_similarities, kernel=kernel, bandwidth=bandwidth, seed=seed)
        relevance = weight * apply_concave(near.sum(axis=1, dtype=np.float64), concave)
        settings |= {"eta": weight, "concave": concave}
        return cls(name, near, concave, np.ones(near.shape[1]), settings, relevance)
