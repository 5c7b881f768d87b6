"""Check what a fit is given, and make its problem."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError
from scaling.fitting.compile import compile_law
from scaling.fitting.objective import Objective
from scaling.fitting.penalty import Penalty
from scaling.fitting.solve import Problem
from scaling.inputs import check_inputs
from scaling.laws.law import Law

Array = NDArray[np.float64]

_SAME_INPUT = 1e-9  # relative difference below which two inputs are one, written in different ways
# Squares of weights stand in covariances; beyond these they would be lost, or infinite.
_SMALLEST_WEIGHT, _LARGEST_WEIGHT = 1e-100, 1e100
_WIDE_RATIO = 1e6  # bounds this far apart, and positive, put a parameter on a logarithmic scale


@dataclass(frozen=True)
class Rows:
    """The rows of a fit, checked; those of weight zero are left out.

    Parameters
    ----------
    inputs : dict of str to ndarray (n,)
        Natural units.
    observed, weights : ndarray (n,)
        What the law should predict, and how much each row counts.
    groups : ndarray of int (n,), optional
        Cluster of each row, numbered from 0.
    """

    inputs: dict[str, Array]
    observed: Array
    weights: Array
    groups: NDArray[np.int64] | None

    @property
    def n(self) -> int:
        """How many."""
        return len(self.observed)


def check_rows(
    law: Law,
    inputs: Mapping[str, ArrayLike],
    observed: ArrayLike,
    objective: Objective,
    weights: ArrayLike | None,
    groups: ArrayLike | None,
) -> Rows:
    """Check the data of a fit.

    Parameters
    ----------
    law : Law
        What is fitted.
    inputs, observed, weights, groups
        As of `scaling.fit`.
    objective : Objective
        What is minimised.

    Returns
    -------
    Rows

    Raises
    ------
    InputDataError
        For data that cannot be fitted.
    """
    x = check_inputs(law, inputs)
    y = _check_observed(law, observed, len(next(iter(x.values()))), objective)
    n = len(y)
    _check_enough(n, law)
    w = _check_weights(weights, n)
    codes = _check_groups(groups, n)
    if np.any(w == 0):  # a row that does not count is no row: not of the data's range, nor of the degrees of freedom
        used = np.flatnonzero(w > 0)
        x, y, w = {name: v[used] for name, v in x.items()}, y[used], w[used]
        codes = None if codes is None else _check_groups(codes[used], len(used))
        _check_enough(len(used), law)
    return Rows(x, y, w, codes)


def ranges(law: Law, rows: Rows) -> dict[str, tuple[float, float]]:
    """Return the smallest and largest value of each input and of what is observed."""
    support = {name: (float(v.min()), float(v.max())) for name, v in rows.inputs.items()}
    support[law.output] = (float(rows.observed.min()), float(rows.observed.max()))
    return support


def bounds_of(law: Law, support: Mapping[str, tuple[float, float]]) -> Array:
    """Return the bounds of the parameters in natural units, shape (p, 2)."""
    return np.array([q.bounds(dict(support)) for q in law.parameters])


def make_problem(law: Law, rows: Rows, objective: Objective, bounds: Array, penalty: Penalty | None = None) -> Problem:
    """Compile the law and bring its bounds to the internal scale.

    Parameters
    ----------
    law : Law
        What is fitted.
    rows : Rows
        Its data.
    objective : Objective
        What is minimised.
    bounds : ndarray (p, 2)
        Natural units; positive ones that lie far apart put a parameter on a logarithmic scale.
    penalty : Penalty, optional
        Added to the objective.

    Returns
    -------
    Problem
    """
    kernel = compile_law(law, log_scaled_by(bounds))
    low, high = kernel.to_internal(bounds[:, 0]), kernel.to_internal(bounds[:, 1])
    return Problem(kernel, kernel.prepare(rows.inputs), rows.observed, objective, low, high, penalty)


def log_scaled_by(bounds: Array) -> tuple[bool, ...]:
    """Tell which parameters are moved on a logarithmic scale."""
    return tuple(bool(low > 0 and high / low >= _WIDE_RATIO) for low, high in bounds)


def design_points(inputs: Mapping[str, Array]) -> NDArray[np.int64]:
    """Number the different inputs.

    Parameters
    ----------
    inputs : mapping of str to ndarray (n,)
        Of the law, natural units.

    Returns
    -------
    ndarray of int (n,)
        The same number, from 0, for rows with the same inputs, up to a relative 1e-9.
    """
    columns = []
    for values in inputs.values():
        order = np.argsort(values, kind="stable")
        ordered = values[order]
        step = np.diff(ordered) > _SAME_INPUT * np.maximum(np.abs(ordered[1:]), np.abs(ordered[:-1]))
        code = np.empty(len(values), np.int64)
        code[order] = np.concatenate([[0], np.cumsum(step)])
        columns.append(code)
    _, point = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    return np.asarray(point.ravel(), np.int64)


def whole(value: Any, what: str) -> int:
    """Check that a setting is a whole number from 0 on."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = -1
    if number < 0 or number != value:
        raise UsageError(f"{what} must be a whole number from 0 on, not {value}")
    return number


def _check_observed(law: Law, observed: ArrayLike, n: int, objective: Objective) -> Array:
    try:
        y = np.atleast_1d(np.asarray(observed, float))
    except (TypeError, ValueError) as error:
        raise InputDataError(f"'{law.output}' holds something that is not a number: {error}") from error
    if y.shape != (n,):
        raise InputDataError(f"'{law.output}' has shape {y.shape}, the inputs have {n} rows")
    if not np.all(np.isfinite(y)):
        row = int(np.flatnonzero(~np.isfinite(y))[0])
        raise InputDataError(f"'{law.output}' is {y[row]} in row {row}", hint="Leave diverged runs out of the fit.")
    if objective.residual == "log" and not np.all(y > 0):
        row = int(np.flatnonzero(~(y > 0))[0])
        raise InputDataError(
            f"'{law.output}' is {y[row]:g} in row {row}, and has no logarithm",
            hint="Leave the row out, or take linear residuals.",
        )
    if objective.residual == "log" and not np.all(y > objective.floor):
        row = int(np.flatnonzero(~(y > objective.floor))[0])
        raise InputDataError(
            f"'{law.output}' is {y[row]:.10g} in row {row}, which lies at or below the floor {objective.floor:.10g}, "
            "so it has no logarithm above it",
            hint="Leave the row out, lower the floor, or take linear residuals.",
        )
    return y


def _check_enough(n: int, law: Law) -> None:
    if n < (p := len(law.parameters)):
        raise InputDataError(f"{n} rows cannot determine the {p} parameters of the law '{law.name}'", hint="Add runs.")


def _check_weights(weights: ArrayLike | None, n: int) -> Array:
    if weights is None:
        return np.ones(n)
    try:
        w = np.asarray(weights, float)
    except (TypeError, ValueError) as error:
        raise InputDataError(f"a weight is not a number: {error}") from error
    if w.shape != (n,) or not np.all(np.isfinite(w)) or np.any(w < 0):
        raise InputDataError(f"weights must be {n} finite numbers, none negative")
    if not w.sum() > 0:
        raise InputDataError("the weights sum to zero")
    if not _SMALLEST_WEIGHT <= (largest := float(w.max())) <= _LARGEST_WEIGHT:
        raise InputDataError(
            f"the largest weight is {largest:g}, whose square is lost in the numbers of a computer",
            hint="Multiply all weights by one number; only their ratios matter.",
        )
    return w


def _check_groups(groups: ArrayLike | None, n: int) -> NDArray[np.int64] | None:
    if groups is None:
        return None
    labels = np.asarray(groups)
    if any(label is None or (isinstance(label, float) and math.isnan(label)) for label in labels.ravel().tolist()):
        raise InputDataError("a row has no group: None or NaN stands in its place", hint="Leave such rows out.")
    if labels.shape != (n,):
        raise InputDataError(f"groups have shape {labels.shape}, but there are {n} rows")
    _, codes = np.unique(labels.astype(str), return_inverse=True)
    if codes.max() == 0:
        raise InputDataError("all rows are in one group, so there is nothing to resample", hint="Leave groups out.")
    if codes.max() == n - 1:  # every row is its own group: the plain case, with the same draws
        return np.arange(n)
    return codes.astype(np.int64)
