"""Batch sizes that a schedule may take: doublings, powers of two, multiples."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from scaling.batch_size.planner.identities import positive
from scaling.errors import UsageError
from scaling.formatting import format_number

Array = NDArray[np.float64]

_MOST = 10_000  # changes of the batch in one run


def batch_sizes(
    start: float, last: float, *, most: float | None = None, multiple: float | None = None, power_of_two: bool = False
) -> Array:
    """List the batch sizes on the way from the first to the last.

    Parameters
    ----------
    start : float
        The first; rounded down to a multiple or a power of two where these are asked for.
    last : float
        The list ends at the last size that is not above it.
    most : float, optional
        Nor above this.
    multiple : float, optional
        Sizes are the multiples of it; doublings of the first where missing.
    power_of_two : bool, default False
        Round the first size down to a power of two.

    Returns
    -------
    ndarray (m,)
        At least the first.

    Raises
    ------
    UsageError
        For sizes that are not above 0, a first one above the most or below the multiple, or far too many of them.

    Examples
    --------
    >>> batch_sizes(300, 2500, power_of_two=True).tolist()
    [256.0, 512.0, 1024.0, 2048.0]
    >>> batch_sizes(300, 800, multiple=128).tolist()
    [256.0, 384.0, 512.0, 640.0, 768.0]
    """
    first = positive(start, "the first batch")
    top = last if most is None else min(last, positive(most, "the largest batch"))
    if multiple is not None:
        unit = positive(multiple, "the multiple")
        if first < unit:
            raise UsageError(
                f"the first batch, {format_number(first)}, is below the multiple of {format_number(unit)} that batches "
                "should be",
                hint="Start at one multiple or more.",
            )
        first = math.floor(first / unit * (1 + 1e-12)) * unit
    elif power_of_two:
        first = 2.0 ** math.floor(math.log2(first) + 1e-12)
    if most is not None and first > most:
        raise UsageError(
            f"the first batch, {format_number(first)}, is above the largest, {format_number(most)}",
            hint="Start smaller.",
        )
    count = 0.0
    if top > first:
        count = (top - first) / unit if multiple is not None else math.log2(top / first)
    if count > _MOST:
        raise UsageError(
            f"the batch would change {format_number(count, 2)} times", hint="Take a larger multiple, or doublings."
        )
    ranks = np.arange(math.floor(count + 1e-9) + 1)
    return np.asarray(first + ranks * unit if multiple is not None else first * 2.0**ranks, float)
