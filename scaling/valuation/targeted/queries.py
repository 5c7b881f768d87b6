"""Similarities of candidates to queries, or to a private set: from embeddings of both, or ready made."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scaling.errors import UsageError
from scaling.valuation.coverage.checks import check_similarities
from scaling.valuation.coverage.similarity import Kernel, make_kernel
from scaling.valuation.coverage.sources import prepare_other
from scaling.valuation.embeddings import Rows


def similarities_to(
    X: ArrayLike | None,
    others: ArrayLike | None,
    given: ArrayLike | None,
    *,
    what: str = "queries",
    kernel: str = "shifted_cosine",
    bandwidth: float | None = None,
    seed: int = 0,
    made: tuple[Kernel, Rows] | None = None,
) -> tuple[Rows, dict[str, Any]]:
    """Work out the similarities of candidates to queries.

    Parameters
    ----------
    X : array_like (n, m)
        Embeddings of the candidates.
    others : array_like (q, m) or None
        Embeddings of the queries.
    given : array_like (n, q) or None
        Similarities of 0 or more that come ready made.
    what : str
        What the others are, in messages.
    kernel, bandwidth, seed
        As of `make_kernel`.
    made : tuple of Kernel and ndarray (n, m), optional
        A kernel and candidates in its form, where they are there already.

    Returns
    -------
    similarities : ndarray (n, q)
    settings : dict
        What was used, as plain data.

    Raises
    ------
    UsageError
        Unless exactly one of `others` and `given` is there, or for numbers that do not agree.
    InputDataError
        For values that cannot be used.
    """
    one = f"{what.removesuffix('queries')}query_similarities" if what == "queries" else f"{what}_similarities"
    if (others is None) == (given is None):
        option = "--queries FILE" if what == "queries" else f"--option {what}=FILE"
        raise UsageError(
            f"Give either {what}, their embeddings, or {one}, one row a candidate.", f"On the command line: {option}"
        )
    if given is not None:
        table = check_similarities(given, None if X is None else len(np.asarray(X)), name=one)
        return table, {what: table.shape[1], f"{what}_from": "similarities"}
    assert others is not None
    if X is None:
        raise UsageError(f"{what} are embeddings, and there are none of the candidates.", f"Give X, or {one}.")
    function, rows = make_kernel(X, kernel, bandwidth, seed) if made is None else made
    right = prepare_other(function, rows, others, what)
    return function.between(rows, right), function.describe() | {what: len(right)}
