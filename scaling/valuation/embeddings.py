"""Check embeddings, and bring them to rows of length one in a precision that can be computed in."""

from __future__ import annotations

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
        For no rows, rows with NaN or infinite values, or rows of zeros where a length of one is asked for.
    UsageError
        For an array that does not have two axes, or holds no numbers.
    """
    try:
        rows = X if isinstance(X, np.ndarray) else np.asarray(X)
        if rows.dtype.kind not in "fiub":
            rows = rows.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name} holds something that is not a number: {error}") from error
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
