"""Batch sizes in one unit: sequences, tokens, or samples of whatever kind.

A batch of 256 may be 256 sequences, and 131072 may be the same batch in tokens. No fit can tell a mixture from a law
that is flat over three decades, so units are said, and only a context length turns one into the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.formatting import format_factor, format_number
from scaling.inputs import as_number

Array = NDArray[np.float64]

UNITS = ("samples", "sequences", "tokens")
_GAP = 100.0  # between neighbouring batch sizes; context lengths start at 128
_STEP = 10.0  # largest ratio of neighbours on either side of such a gap


def check_unit(unit: str) -> str:
    """Refuse a unit that is none.

    Parameters
    ----------
    unit : str
        As asked for.

    Returns
    -------
    str
        The same.

    Raises
    ------
    UsageError
        For anything but `UNITS`.
    """
    if unit not in UNITS:
        raise UsageError(f"batch sizes have no unit '{unit}'", hint=did_you_mean(str(unit), UNITS))
    return unit


def check_batch(batch: ArrayLike) -> Array:
    """Check batch sizes.

    Parameters
    ----------
    batch : array_like (n,)
        One a row.

    Returns
    -------
    ndarray (n,)

    Raises
    ------
    InputDataError
        For what is no finite number above 0, and for no rows at all.
    """
    try:
        values = np.atleast_1d(np.asarray(batch, float))
    except (TypeError, ValueError) as error:
        raise InputDataError(f"a batch size is not a number: {error}") from error
    if values.ndim != 1:
        raise InputDataError(f"batch sizes have shape {values.shape}; one value a row is expected")
    if not len(values):
        raise InputDataError("there are no batch sizes")
    wrong = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
    if wrong.size:
        raise InputDataError(
            f"the batch size is {values[wrong[0]]:g} in row {wrong[0]}", hint="A batch size is a finite number above 0."
        )
    return values


def convert(values: ArrayLike, unit: str, to: str, context_length: float | None = None) -> Array:
    """Turn batch sizes, or samples, from one unit into another.

    Parameters
    ----------
    values : array_like
        In `unit`.
    unit, to : str
        Of `UNITS`.
    context_length : float, optional
        Tokens a sequence; needed between sequences and tokens.

    Returns
    -------
    ndarray
        Of the shape of `values`.

    Raises
    ------
    UsageError
        For an unknown unit, and where the context length is missing or is no number above 0.

    Examples
    --------
    >>> convert([64, 256], "sequences", "tokens", context_length=512).tolist()
    [32768.0, 131072.0]
    """
    given = np.asarray(values, float)
    if check_unit(unit) == check_unit(to):
        return given
    if "samples" in (unit, to):
        raise UsageError(
            f"{unit} cannot be turned into {to}: what a sample is was not said",
            hint="Say unit='sequences' or 'tokens'.",
        )
    if context_length is None:
        raise UsageError(
            f"{unit} cannot be turned into {to} without the context length",
            hint="Give context_length, the tokens of one sequence.",
        )
    length = as_number(context_length)
    if not 0 < length < np.inf:
        raise UsageError(f"the context length is a number of tokens above 0, not {context_length}")
    return np.asarray(given * length if to == "tokens" else given / length)


def in_one_unit(
    batch: ArrayLike, unit: str | Sequence[str] = "samples", context_length: float | None = None
) -> tuple[Array, str]:
    """Bring batch sizes to one unit.

    Parameters
    ----------
    batch : array_like (n,)
        One a row.
    unit : str or sequence of str, default 'samples'
        Of all rows, or of each. Samples are of a kind that nobody named, and are refused if they look like a mixture.
    context_length : float, optional
        Tokens a sequence; needed where units differ.

    Returns
    -------
    values : ndarray (n,)
        In that unit.
    unit : str
        That of all rows where they share one, else ``tokens``.

    Raises
    ------
    InputDataError
        For a mixture without a context length, said or plain to see, and for batch sizes that are no numbers above 0.
    UsageError
        For an unknown unit.
    """
    values = check_batch(batch)
    if isinstance(unit, str):
        if check_unit(unit) == "samples" and (factor := looks_mixed(values)):
            raise InputDataError(
                f"the batch sizes fall into two groups {format_factor(factor)} apart "
                f"({format_number(float(values.min()))} to {format_number(float(values.max()))}): some look like "
                "sequences and others like tokens",
                hint="Say the unit: one for all (unit='tokens'), or one a row with context_length, the tokens of a "
                "sequence.",
            )
        return values, unit
    try:
        each = [check_unit(str(u)) for u in unit]
    except TypeError:
        check_unit(str(unit))  # no text, and no sequence of them
        raise
    if len(each) != len(values):
        raise InputDataError(f"there are {len(each)} units for {len(values)} batch sizes")
    found = sorted(set(each))
    if len(found) == 1:
        return values, found[0]
    if context_length is None:
        raise InputDataError(
            f"the batch sizes are in {' and in '.join(found)}, which are not the same thing",
            hint="Give context_length, the tokens of one sequence, or bring all rows to one unit.",
        )
    tokens = [float(convert(v, u, "tokens", context_length)) for v, u in zip(values, each, strict=True)]
    return np.array(tokens), "tokens"


def looks_mixed(batch: Array) -> float | None:
    """Tell whether batch sizes look like two units.

    Parameters
    ----------
    batch : ndarray (n,)
        Without a unit.

    Returns
    -------
    float or None
        The ratio of the two groups where neighbours lie a factor of 100 or more apart once, and everywhere else, with
        two batch sizes or more on either side, a factor of 10 at most. None elsewhere.
    """
    ordered = np.unique(batch)
    if len(ordered) < 4:
        return None
    ratio = ordered[1:] / ordered[:-1]
    at = int(np.argmax(ratio))
    others = np.delete(ratio, at)
    split = 2 <= at + 1 <= len(ordered) - 2
    return float(ratio[at]) if split and ratio[at] >= _GAP and np.all(others <= _STEP) else None
