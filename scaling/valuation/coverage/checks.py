"""Checks of what objectives of coverage are given: similarities that come ready made, weights, settings."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError
from scaling.valuation.embeddings import Rows

_BLOCK = 1 << 22  # values looked at at a time
_ROUNDING = 1e-6  # of the largest similarity: what a product in float32 leaves


def check_similarities(
    given: ArrayLike,
    n: int | None,
    *,
    name: str = "similarities",
    square: bool = False,
    symmetric: bool = False,
    signed: bool = False,
) -> Rows:
    """Check similarities that come ready made.

    Parameters
    ----------
    given : array_like (n, u)
        One row a candidate, one column an example to represent.
    n : int or None
        Candidates that there are; None where the similarities say it.
    name : str
        What to call it in messages.
    square, symmetric : bool
        Whether both axes have to be the candidates, and whether ``s_ij = s_ji`` is needed.
    signed : bool
        Whether negative similarities are allowed; those that are rounding of zero become zero.

    Returns
    -------
    ndarray (n, u) of float32 or float64

    Raises
    ------
    UsageError
        For a shape that does not fit, or what is no number.
    InputDataError
        For values that are not finite, a matrix that is not symmetric, or negative similarities.
    """
    try:
        table = given if isinstance(given, np.ndarray) else np.asarray(given)
        kind = np.float32 if table.dtype in (np.float16, np.float32) else np.float64
        table = table.astype(kind, copy=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name} holds something that is not a number: {error}") from error
    if table.ndim != 2 or 0 in table.shape:
        raise UsageError(f"{name} has shape {table.shape}; one row a candidate and one column an example is expected.")
    if n is not None and len(table) != n:
        raise UsageError(f"{name} has {len(table)} rows, and there are {n} candidates.", "One row a candidate.")
    if (square or symmetric) and table.shape[0] != table.shape[1]:
        raise UsageError(f"{name} has shape {table.shape}; similarities of the candidates to each other are square.")
    step = max(1, _BLOCK // table.shape[1])
    lowest, largest = np.inf, 0.0
    for start in range(0, len(table), step):
        part = table[start : start + step]
        low, high = float(part.min()), float(part.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            row, column = np.argwhere(~np.isfinite(part))[0]
            raise InputDataError(f"{name} is {part[row, column]} in row {start + row}, column {column}")
        lowest, largest = min(lowest, low), max(largest, -low, high)
    if not signed and lowest < -_ROUNDING * largest:
        raise InputDataError(
            f"{name} goes down to {lowest:.4g}, and this objective needs similarities of 0 or more.",
            "Shift cosines to (1 + s)/2, or cut them off at zero.",
        )
    if symmetric:
        for start in range(0, len(table), step):
            apart = np.abs(table[start : start + step] - table[:, start : start + step].T)
            if apart.max() > _ROUNDING * largest:
                row, column = np.unravel_index(int(apart.argmax()), apart.shape)
                raise InputDataError(
                    f"{name} is not symmetric: rows {start + row} and {column} differ by {apart.max():.4g}.",
                    "Take (K + K^T)/2 if that is what is meant.",
                )
    return table if signed or lowest >= 0 else np.maximum(table, 0)


def check_weights(given: ArrayLike | None, size: int, what: str) -> NDArray[np.float64]:
    """Check weights of 0 or more, one for each of `size`; ones where none are given.

    Parameters
    ----------
    given : array_like (size,) or None
        Weights.
    size : int
        How many there have to be.
    what : str
        What each belongs to, in messages.

    Returns
    -------
    ndarray (size,)

    Raises
    ------
    UsageError
        For another number of weights.
    InputDataError
        For weights that are negative or not finite, or all zero.
    """
    if given is None:
        return np.ones(size)
    try:
        weights = np.asarray(given, np.float64)
    except (TypeError, ValueError) as error:
        raise InputDataError(f"The weights hold something that is not a number: {error}") from error
    if weights.shape != (size,):
        raise UsageError(f"The weights have shape {weights.shape}; {size} are expected, one for each {what}.")
    if (bad := np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))).size:
        raise InputDataError(f"The weight of {what} {bad[0]} is {weights[bad[0]]}", "Weights are 0 or more.")
    if not weights.any():
        raise InputDataError("All weights are 0: nothing is left to represent.")
    return weights


def check_setting(value: float, name: str, *, positive: bool = False, largest: float = np.inf) -> float:
    """Check a number of 0 or more (above 0 where `positive`) and up to `largest`; returns it as a float.

    Raises
    ------
    UsageError
        For anything else.
    """
    # Text is no number, even of digits; `scaling.inputs` says so too, but with it come laws and SymPy.
    number = float(value) if isinstance(value, int | float | np.number) else float("nan")
    if not (np.isfinite(number) and number >= 0 and number <= largest and (number > 0 or not positive)):
        wanted = "above 0" if positive else "0 or more"
        up_to = "" if largest == np.inf else f" and at most {largest:g}"
        raise UsageError(f"{name} is {value}; a number {wanted}{up_to} is expected.")
    return number
