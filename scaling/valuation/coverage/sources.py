"""Make a table of similarities from embeddings, or from similarities that come ready made."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import UsageError, did_you_mean
from scaling.valuation.coverage.checks import check_setting, check_similarities
from scaling.valuation.coverage.similarity import Kernel, make_kernel
from scaling.valuation.coverage.tables import DenseTable, EmbeddingTable
from scaling.valuation.embeddings import Rows


def make_table(
    X: ArrayLike | None,
    *,
    kernel: str = "shifted_cosine",
    bandwidth: float | None = None,
    seed: int = 0,
    similarities: ArrayLike | None = None,
    represent: ArrayLike | None = None,
    memory: str = "auto",
    memory_gib: float = 2.0,
) -> tuple[DenseTable | EmbeddingTable, dict[str, Any]]:
    """Make the table of similarities that an objective works from.

    Parameters
    ----------
    X : array_like (n, m)
        Embeddings of the candidates; not looked at beyond their number where similarities are given.
    kernel, bandwidth, seed
        As of `make_kernel`.
    similarities : array_like (n, u), optional
        Similarities of 0 or more that come ready made, one row a candidate.
    represent : array_like (u, m), optional
        Embeddings of what has to be represented, such as a target or validation set; the candidates by default.
    memory : {"auto", "dense", "on_the_fly"}
        Whether similarities are kept; ``auto`` keeps them up to `memory_gib`.
    memory_gib : float, default 2
        GiB that similarities may take.

    Returns
    -------
    table : DenseTable or EmbeddingTable
    settings : dict
        What was used, as plain data.

    Raises
    ------
    UsageError
        For settings that are not known, or do not go together.
    InputDataError
        For embeddings or similarities that cannot be used.
    """
    if memory not in {"auto", "dense", "on_the_fly"}:
        raise UsageError(f"There is no memory '{memory}'.", did_you_mean(memory, ("auto", "dense", "on_the_fly")))
    limit = check_setting(memory_gib, "memory_gib") * 2**30
    if similarities is not None:
        if represent is not None or bandwidth is not None or kernel != "shifted_cosine" or memory == "on_the_fly":
            raise UsageError(
                "Similarities are given, and so are settings that make similarities from embeddings.",
                "Leave out either the similarities, or kernel, bandwidth, represent and memory.",
            )
        checked = check_similarities(similarities, None if X is None else len(np.asarray(X)))
        return DenseTable(checked), {"kernel": "precomputed", "represented": checked.shape[1], "memory": "dense"}
    if X is None:
        raise UsageError("There are neither embeddings nor similarities.", "Give X, or similarities.")
    made, rows = make_kernel(X, kernel, bandwidth, seed)
    other = None
    if represent is not None:
        other = prepare_other(made, rows, represent, "represent")
    table = EmbeddingTable(made, rows, other)
    dense = memory == "dense" or (memory == "auto" and table.n * table.u * rows.dtype.itemsize <= limit)
    settings = made.describe() | {"represented": table.u, "memory": "dense" if dense else "on the fly"}
    return (table.dense() if dense else table), settings


def prepare_other(kernel: Kernel, rows: Rows, other: ArrayLike, name: str) -> Rows:
    """Check embeddings of something else than the candidates, and bring them to the form of the kernel.

    Raises
    ------
    UsageError
        For another number of dimensions than the candidates have.
    InputDataError
        For embeddings that cannot be used.
    """
    shape = np.shape(other)
    if len(shape) == 2 and shape[1] != rows.shape[1]:
        raise UsageError(
            f"{name} has {shape[1]} dimensions, and the candidates {rows.shape[1]}.", "Both need the same encoder."
        )
    made: NDArray[np.floating] = kernel.prepare(other, name).astype(rows.dtype, copy=False)
    return made
