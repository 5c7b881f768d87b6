"""Check labels, targets and the number of neighbours."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError

_WORDS = {"U": "text", "S": "bytes", "i": "numbers", "u": "numbers", "f": "numbers", "b": "numbers"}


def as_label_codes(y: ArrayLike, y_test: ArrayLike) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Number the labels of training and test points alike.

    Parameters
    ----------
    y, y_test : array_like (n,), (t,)
        Labels: numbers, or text.

    Returns
    -------
    tuple of ndarray
        The same code for the same label; -1 in the second for a label that no training point has.

    Raises
    ------
    InputDataError
        For missing labels, or labels of different kinds, of which none could match.
    """
    known, asked = _labels(y, "y"), _labels(y_test, "y_test")
    kinds = _WORDS[known.dtype.kind], _WORDS[asked.dtype.kind]
    if kinds[0] != kinds[1]:
        raise InputDataError(
            f"The labels of y are {kinds[0]} and those of y_test are {kinds[1]}: none would match.",
            "Write both in the same way.",
        )
    names, codes = np.unique(known, return_inverse=True)
    place = np.minimum(np.searchsorted(names, asked), len(names) - 1)
    return codes.astype(np.intp), np.where(names[place] == asked, place, -1).astype(np.intp)


def as_targets(y: ArrayLike, name: str) -> NDArray[np.float64]:
    """Read targets of a regression.

    Parameters
    ----------
    y : array_like (n,)
        Finite numbers.
    name : str
        What to call them in messages.

    Returns
    -------
    ndarray (n,)

    Raises
    ------
    InputDataError
        For anything that is not a finite number, another shape than one number a row, or nothing at all.
    """
    try:
        values = np.asarray(y, np.float64)
    except (TypeError, ValueError) as error:
        raise InputDataError(f"{name} holds something that is not a number: {error}") from error
    _check_shape(values, name)
    if (bad := np.flatnonzero(~np.isfinite(values))).size:
        raise InputDataError(f"{name} is {values[bad[0]]} in row {bad[0]}", "Leave the row out, or give its value.")
    return values


def as_neighbours(k: Any) -> int:
    """Check the number of neighbours.

    Parameters
    ----------
    k : int
        At least 1.

    Returns
    -------
    int

    Raises
    ------
    UsageError
        For anything else.
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise UsageError(f"k is {k}; it counts neighbours, so it is a whole number from 1 on.")
    return int(k)


def _labels(y: ArrayLike, name: str) -> NDArray[Any]:
    labels = np.asarray(y)
    _check_shape(labels, name)
    if labels.dtype.kind == "O":
        kinds = {str if isinstance(v, str) else type(v) for v in labels.tolist()}
        if missing := [
            i for i, v in enumerate(labels.tolist()) if v is None or (isinstance(v, float) and math.isnan(v))
        ]:
            raise InputDataError(f"{name} has no label in row {missing[0]}", "Leave the row out, or label it.")
        if len(kinds) > 1 and not kinds <= {int, float, bool, np.int64, np.float64, np.bool_}:
            raise InputDataError(
                f"{name} mixes labels of several kinds: {', '.join(sorted(t.__name__ for t in kinds))}"
            )
        labels = np.array(labels.tolist())
    if labels.dtype.kind not in _WORDS:
        raise InputDataError(f"{name} holds {labels.dtype}; labels are numbers or text.")
    if labels.dtype.kind == "f" and (bad := np.flatnonzero(np.isnan(labels))).size:
        raise InputDataError(f"{name} is nan in row {bad[0]}", "Leave the row out, or label it.")
    return labels


def _check_shape(values: NDArray[Any], name: str) -> None:
    if values.ndim != 1:
        raise InputDataError(f"{name} has shape {values.shape}; one value a row is expected.")
    if not len(values):
        raise InputDataError(f"{name} is empty.")
