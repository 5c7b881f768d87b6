"""Check embeddings, and bring them to rows of length one in a precision that can be computed in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_plural

Rows = NDArray[np.floating]
_BLOCK = 1 << 18  # values looked at at a time: a check of a mapped file needs little memory, and blocks fit the cache
_UNIT = 1e-6  # how far from 1 a length may be for a row to count as normalised already (float32 rounds to 1e-7)


def as_embeddings(X: ArrayLike, *, normalise: bool = True, name: str = "X") -> Rows:
    """Check embeddings.

    Parameters
    ----------
    X : array_like (n, m)
        One row an example; float16 is computed in float32, integers in float64. A memory-mapped array is read in
        blocks and copied only where it has to be changed.
    normalise : bool, default True
        Whether rows are brought to length one, as cosine kernels ask for.
    name : str
        What to call it in messages.

    Returns
    -------
    ndarray (n, m) of float32 or float64

    Raises
    ------
    InputDataError
        For no rows, rows with missing, NaN or infinite values, or rows of zeros where a length of one is asked for.
    UsageError
        For an array that does not have two axes, is sparse, or holds no (real) numbers.
    """
    rows = _as_numbers(X, name)
    if rows.ndim != 2:
        raise UsageError(f"{name} has shape {rows.shape}; one row an example and one column a dimension is expected.")
    if 0 in rows.shape:
        raise InputDataError(f"{name} has shape {rows.shape}: there is nothing to score.")
    kind = np.float32 if rows.dtype in (np.float16, np.float32) else np.float64
    lengths = _lengths(rows, name)
    if not normalise:
        return rows.astype(kind, copy=False)
    if (zero := np.flatnonzero(lengths == 0)).size:
        raise InputDataError(
            f"{format_plural(zero.size, 'row')} of {name} with nothing but zeros, the first is row {zero[0]}: they "
            "have no direction, so no similarity to others.",
            "Leave them out, or use a kernel that does not normalise.",
        )
    lengths[np.abs(lengths - 1) <= _UNIT] = 1.0  # row by row, so that a row is the same whatever it stands among
    if rows.dtype == kind and np.all(lengths == 1):
        return rows
    made = np.empty(rows.shape, kind)
    step = max(1, _BLOCK // rows.shape[1])
    for start in range(0, len(rows), step):
        part = rows[start : start + step].astype(np.float64)
        made[start : start + step] = part / lengths[start : start + step, None]
    return made


def refuse_overflow(rows: Rows, name: str = "X") -> None:
    """Refuse rows that stay as long as they are where squares of such lengths overflow.

    Parameters
    ----------
    rows : ndarray (n, m)
        Embeddings, checked.
    name : str
        What to call them in messages.

    Raises
    ------
    InputDataError
        For values of which the squares of all together are beyond the precision of the rows.
    """
    limit = float(np.sqrt(np.finfo(rows.dtype).max / rows.size))
    step = max(1, _BLOCK // rows.shape[1])
    for start in range(0, len(rows), step):
        part = np.abs(rows[start : start + step])
        if (largest := float(part.max())) > limit:
            row, column = np.unravel_index(int(part.argmax()), part.shape)
            raise InputDataError(
                f"{name} is {largest:.4g} in row {start + row}, column {column}: squares of such values overflow "
                f"{rows.dtype}.",
                "Divide all embeddings by one number: what is near what, and which are alike, stays the same.",
            )


def _as_numbers(X: ArrayLike, name: str) -> NDArray[Any]:
    """Return an array of real numbers; what is missing, in the ways of NumPy and pandas, is said by row and column."""
    if hasattr(X, "toarray"):
        raise UsageError(f"{name} is sparse, and dense embeddings are expected.", f"Pass {name}.toarray().")
    if isinstance(X, np.ma.MaskedArray):
        X = np.ma.filled(X.astype(np.float64), np.nan)  # what is masked must not count as a number
    try:
        rows: NDArray[Any] = X if isinstance(X, np.ndarray) else np.asarray(X)
        if rows.dtype.kind in "cmM":
            raise UsageError(f"{name} holds {rows.dtype}; embeddings are real numbers.")
        return rows if rows.dtype.kind in "fiub" else rows.astype(np.float64)
    except (TypeError, ValueError) as error:
        given = np.asarray(X, dtype=object) if np.ndim(X) == 2 else np.empty((0, 0), object)
        for place, value in np.ndenumerate(given):
            if type(value).__name__ == "NAType":  # that of pandas
                raise InputDataError(
                    f"{name} is missing in row {place[0]}, column {place[1]}", "Leave the row out, or embed it again."
                ) from error
        raise UsageError(f"{name} holds something that is not a number: {error}") from error


def _lengths(rows: NDArray[np.generic], name: str) -> NDArray[np.float64]:
    """Return the length of each row; raises where a value is not finite."""
    lengths = np.empty(len(rows))
    step = max(1, _BLOCK // rows.shape[1])
    for start in range(0, len(rows), step):
        part = np.asarray(rows[start : start + step], np.float64)
        scale = np.max(np.abs(part), axis=1)  # so that squares neither overflow nor vanish
        if (bad := np.flatnonzero(~np.isfinite(scale))).size:
            row = int(bad[0])
            column = int(np.flatnonzero(~np.isfinite(part[row]))[0])
            hint = "Leave the row out, or embed it again."
            if rows.dtype == np.float16 and np.isinf(part[row, column]):
                hint = "float16 ends at 65504: write the embeddings as float32."
            raise InputDataError(f"{name} is {part[row, column]} in row {start + row}, column {column}", hint)
        safe = np.where(scale > 0, scale, 1.0)
        lengths[start : start + step] = scale * np.sqrt(
            np.einsum("ij,ij->i", part / safe[:, None], part / safe[:, None])
        )
    return lengths
