"""Check what comes in from outside: the inputs of a law, levels of intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.laws.law import Law

Array = NDArray[np.float64]


def check_inputs(law: Law, inputs: Mapping[str, ArrayLike]) -> dict[str, Array]:
    """Check the inputs of a law and bring them to one length.

    Parameters
    ----------
    law : Law
        Which inputs there should be.
    inputs : mapping of str to array_like
        Scalars are repeated.

    Returns
    -------
    dict of str to ndarray (m,)

    Raises
    ------
    InputDataError
        For a missing or unknown input, lengths that differ, or values that are no finite numbers.
    """
    if missing := [name for name in law.inputs if name not in inputs]:
        raise InputDataError(
            f"the law '{law.name}' needs the input '{missing[0]}'", hint=did_you_mean(missing[0], inputs)
        )
    if unknown := [name for name in inputs if name not in law.inputs]:
        raise InputDataError(
            f"the law '{law.name}' has no input '{unknown[0]}'", hint=did_you_mean(unknown[0], law.inputs)
        )
    arrays = {}
    for name in law.inputs:
        try:
            values = np.atleast_1d(np.asarray(inputs[name], float))
        except (TypeError, ValueError) as error:
            raise InputDataError(f"input '{name}' holds something that is not a number: {error}") from error
        if values.ndim != 1:
            raise InputDataError(f"input '{name}' has shape {values.shape}; one value a row is expected")
        if not np.all(np.isfinite(values)):
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise InputDataError(f"input '{name}' is {values[row]} in row {row}", hint="Leave such rows out.")
        arrays[name] = values
    length = max(len(v) for v in arrays.values())
    if length == 0:
        raise InputDataError("the inputs hold no rows")
    for name, values in arrays.items():
        if len(values) not in (1, length):
            raise InputDataError(f"input '{name}' has {len(values)} rows, another one {length}")
        arrays[name] = np.broadcast_to(values, (length,)).copy()
    return arrays


def as_number(value: Any) -> float:
    """Read a setting that should be a number; NaN for what is none, so that a check of its range refuses it.

    Parameters
    ----------
    value : object
        Text counts as no number, even of digits.

    Returns
    -------
    float
    """
    if isinstance(value, str):
        return float("nan")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def check_level(level: float) -> None:
    """Refuse a nominal coverage that is none.

    Parameters
    ----------
    level : float
        Between 0 and 1.

    Raises
    ------
    UsageError
        For anything else.
    """
    if not 0 < as_number(level) < 1:
        raise UsageError(f"a level lies between 0 and 1, not at {level}", hint="0.9 stands for 90 %.")
