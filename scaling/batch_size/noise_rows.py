"""Read the columns that a noise scale is made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError
from scaling.formatting import format_number, format_plural

Array = NDArray[np.float64]

FEWEST_ROWS = 2


def as_floats(values: Any, name: str, *, dimensions: int) -> Array:
    """Read a column of numbers, missing ones as NaN.

    Parameters
    ----------
    values : array_like, or a pandas object
        The column.
    name : str
        Its name, for messages.
    dimensions : int
        Axes it should have; fewer are added in front.

    Returns
    -------
    ndarray

    Raises
    ------
    InputDataError
        For what is not a number, or has more axes.
    """
    try:
        # Nullable columns of pandas turn into floats only when told what a missing value becomes.
        pandas = hasattr(values, "to_numpy")
        array = values.to_numpy(dtype=float, na_value=np.nan) if pandas else np.asarray(values, float)
    except (TypeError, ValueError) as error:
        raise InputDataError(f"{name} holds something that is not a number: {error}") from error
    if array.ndim > dimensions:
        raise InputDataError(
            f"{name} has the shape {array.shape}, of more than {format_plural(dimensions, 'dimension')}"
        )
    return np.asarray(np.array(array, dtype=float, ndmin=dimensions))


def noise_rows(
    sqnorm_small: ArrayLike,
    sqnorm_big: ArrayLike,
    batch_small: ArrayLike,
    batch_big: ArrayLike,
    also: Mapping[str, Array] | None = None,
) -> dict[str, Array]:
    """Check the columns that a noise scale is made from, and leave out rows with a number missing.

    Parameters
    ----------
    sqnorm_small, sqnorm_big, batch_small, batch_big
        As in `noise_scale`.
    also : mapping of str to ndarray (n,), optional
        Further columns, whose missing numbers count as well.

    Returns
    -------
    dict of str to ndarray (m,)
        By the names of the arguments; rows without a missing number, in their order.

    Raises
    ------
    InputDataError
        For lengths that differ, negative norms, a small batch that is not smaller, or fewer than two rows.
    """
    given: dict[str, Any] = {
        "sqnorm_small": sqnorm_small,
        "sqnorm_big": sqnorm_big,
        "batch_small": batch_small,
        "batch_big": batch_big,
    }
    columns = {name: as_floats(values, name, dimensions=1) for name, values in (given | dict(also or {})).items()}
    n = max(len(columns["sqnorm_small"]), len(columns["sqnorm_big"]))
    for name, column in columns.items():
        if len(column) != n and not (len(column) == 1 and name.startswith("batch")):
            raise InputDataError(f"{name} has {format_plural(len(column), 'row')}, another column {n}")
    stacked = np.stack([np.broadcast_to(column, (n,)) for column in columns.values()])
    known = np.all(np.isfinite(stacked), axis=0)
    rows = dict(zip(columns, stacked[:, known], strict=True))
    kept = int(known.sum())
    if kept < FEWEST_ROWS:
        raise InputDataError(
            f"{format_plural(kept, 'row')} with all numbers in {n}; an interval needs two or more",
            hint="Log squared gradient norms at both batch sizes over some hundred steps.",
        )
    for name in ("sqnorm_small", "sqnorm_big"):
        if np.any(rows[name] < 0):
            least = format_number(float(rows[name].min()))
            raise InputDataError(f"{name} is {least} in some row; a square is not negative")
    b, B = rows["batch_small"], rows["batch_big"]
    if np.any((b <= 0) | (b >= B)):
        row = int(np.flatnonzero((b <= 0) | (b >= B))[0])
        raise InputDataError(
            f"the small batch has {format_number(b[row])} samples and the big one {format_number(B[row])}",
            hint="The small batch must be positive and smaller than the big one; are the columns swapped?",
        )
    return rows
