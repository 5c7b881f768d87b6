"""The columns of a sweep, checked and brought to one unit, with roundings of one value made the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.batch_size.units import convert, in_one_unit, looks_mixed
from scaling.errors import InputDataError
from scaling.formatting import format_factor, format_number, format_plural

Array = NDArray[np.float64]

SAME_RATE = 0.02  # relative difference below which two learning rates are one: grids are written with few digits
_MOST_STEPS = 1e8  # a run of more steps was not made: its batch is in another unit than its tokens


def snap(values: Array, within: float = SAME_RATE) -> Array:
    """Make roundings of one value the same, as of 0.001380 and 0.001381.

    Parameters
    ----------
    values : ndarray (n,)
        Above zero.
    within : float
        Relative difference below which neighbours are one.

    Returns
    -------
    ndarray (n,)
        The median of those that are the same.
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    code = np.concatenate([[0], np.cumsum(np.diff(ordered) > within * ordered[:-1])])
    out = np.empty_like(values)
    for k in range(int(code[-1]) + 1):
        out[order[code == k]] = np.median(ordered[code == k])
    return out


def check_columns(given: dict[str, ArrayLike]) -> dict[str, Array]:
    """Check columns that have logarithms.

    Parameters
    ----------
    given : dict of str to array_like (n,)
        Of one length.

    Returns
    -------
    dict of str to ndarray (n,)

    Raises
    ------
    InputDataError
        For lengths that differ, no rows, and what is no finite number above 0.
    """
    try:
        columns = {k: np.atleast_1d(np.asarray(v, float)) for k, v in given.items()}
    except (TypeError, ValueError) as error:
        raise InputDataError(f"a column of the runs holds something that is not a number: {error}") from error
    lengths = {k: v.shape for k, v in columns.items()}
    if len(set(lengths.values())) > 1 or len(next(iter(lengths.values()))) != 1:
        said = ", ".join(f"{k} {v}" for k, v in lengths.items())
        raise InputDataError(f"the columns of the runs differ in shape: {said}")
    if not next(iter(columns.values())).size:
        raise InputDataError("there are no runs")
    for name, values in columns.items():
        bad = ~(np.isfinite(values) & (values > 0))
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise InputDataError(
                f"'{name}' is {values[row]:g} in row {row} ({format_plural(int(bad.sum()), 'such row')}); it has a "
                "logarithm only above 0",
                hint="Leave such runs out.",
            )
    return columns


def in_tokens(batch: Array, n_tokens: Array, context_length: float | None, unit: str | Sequence[str]) -> Array:
    """Bring batches to tokens a step, and refuse what cannot be one unit.

    Parameters
    ----------
    batch, n_tokens : ndarray (n,)
        In `unit`, and of the run.
    context_length : float, optional
        Tokens of a sequence.
    unit : str or sequence of str
        ``tokens``, ``sequences``, or one of them for each row.

    Returns
    -------
    ndarray (n,)

    Raises
    ------
    InputDataError
        For batches that look like sequences and are said to be tokens.
    UsageError
        For sequences without a context length, and unknown units.
    """
    values, unit = in_one_unit(batch, unit, context_length)
    if unit == "tokens" and (factor := looks_mixed(values)):
        raise InputDataError(
            f"the batch sizes fall into two groups {format_factor(factor)} apart "
            f"({format_number(float(values.min()))} to {format_number(float(values.max()))}): some look like sequences "
            "and others like tokens",
            hint="Give the unit of each row (batch_unit) and the context length, tokens a sequence.",
        )
    tokens = convert(values, unit, "tokens", context_length)
    least, steps = float(tokens.min()), float(np.max(n_tokens / tokens))
    short = context_length is not None and least < context_length * (1 - 1e-9)
    if short or steps > _MOST_STEPS:
        why = f"which would be a run of {format_number(steps, 2)} steps"
        if context_length is not None and short:
            why = f"less than one sequence of {format_number(context_length)}"
        raise InputDataError(
            f"a batch of {format_number(least)} tokens a step looks like sequences: {why}",
            hint='Say so (batch_unit="sequences") and give the context length, tokens a sequence.',
        )
    return tokens
