"""Scores of models on benchmarks, checked once for every step that uses them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.data import without_na
from scaling.errors import InputDataError

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_LARGEST_LOG = 60.0  # log10 FLOP; no computation will be larger, so what is larger is FLOP


@dataclass(frozen=True)
class Table:
    """Models, their families, compute and scores.

    Parameters
    ----------
    scores : ndarray (n, d)
        Shares between 0 and 1, one row a model, one column a benchmark; NaN where a model was not evaluated.
    task : ndarray (n,)
        Score on the task, between 0 and 1; NaN where it is not known.
    log10_compute : ndarray (n,)
        log10 of the training compute in FLOP; NaN where it is not known.
    families, models : tuple of str (n,)
    benchmarks : tuple of str (d,)
    """

    scores: Array
    task: Array
    log10_compute: Array
    families: tuple[str, ...]
    models: tuple[str, ...]
    benchmarks: tuple[str, ...]

    @property
    def n_models(self) -> int:
        """Rows."""
        return len(self.models)

    @property
    def family_codes(self) -> NDArray[np.intp]:
        """Number of each model's family, in alphabetical order, shape (n,)."""
        return np.unique(np.array(self.families), return_inverse=True)[1]


def check_scores(scores: ArrayLike, benchmarks: Sequence[str] | None, models: Sequence[str] | None) -> Array:
    """Check a matrix of scores.

    Parameters
    ----------
    scores : array_like (n, d)
        Shares between 0 and 1; NaN where a model was not evaluated.
    benchmarks, models : sequence of str, optional
        Names, for messages.

    Returns
    -------
    ndarray (n, d)

    Raises
    ------
    InputDataError
        For other shapes, infinite scores, or scores that are no shares.
    """
    try:
        values = np.asarray(without_na(scores), float)
    except (TypeError, ValueError) as error:
        raise InputDataError(f"the scores hold something that is not a number: {error}") from error
    if values.ndim != 2 or 0 in values.shape:
        raise InputDataError(
            f"the scores have shape {values.shape}", hint="Give one row a model and one column a benchmark."
        )
    for names, length, what in ((benchmarks, values.shape[1], "benchmark"), (models, values.shape[0], "model")):
        if names is not None and len(names) != length:
            raise InputDataError(f"there are {len(names)} names of {what}s for {length} {what}s")
    for j in range(values.shape[1]):
        check_shares(values[:, j], f"benchmark '{name_of(benchmarks, j)}'", models)
    return values


def check_shares(values: Array, what: str, models: Sequence[str] | None = None) -> None:
    """Refuse scores that are no shares between 0 and 1; NaN may stand for what is not known.

    Parameters
    ----------
    values : ndarray (n,)
    what : str
        Whose they are, for the message.
    models : sequence of str, optional

    Raises
    ------
    InputDataError
        For scores in percent, negative or infinite ones.
    """
    bad = np.flatnonzero(np.isinf(values) | (values < 0) | (values > 1))
    if len(bad):
        row, largest = int(bad[0]), float(np.nanmax(values))
        percent = bool(1.5 < largest <= 100 and np.nanmin(values) >= 0)
        raise InputDataError(
            f"{what} has the score {values[row]:g} (model {name_of(models, row)}), which is no share between 0 and 1",
            hint=f"The largest is {largest:g}, so these look like percent: divide by 100."
            if percent
            else "Rescale the scores to run from 0 to 1, or leave the benchmark out.",
        )


def name_of(names: Sequence[str] | None, index: int) -> str:
    """Return a name, or the number of a row or column where there are no names."""
    return str(index) if names is None else str(names[index])


def read_table(
    scores: ArrayLike,
    task: ArrayLike,
    log10_compute: ArrayLike,
    families: Sequence[str],
    benchmarks: Sequence[str] | None = None,
    models: Sequence[str] | None = None,
) -> Table:
    """Check scores, the score on a task, compute and families, and put them together.

    Parameters
    ----------
    scores : array_like (n, d)
    task, log10_compute : array_like (n,)
    families : sequence of str (n,)
    benchmarks : sequence of str (d,), optional
    models : sequence of str (n,), optional

    Returns
    -------
    Table

    Raises
    ------
    InputDataError
        For lengths that differ, a model that is there twice, a model without a family, scores that are no shares, or
        compute that is not given as a logarithm.
    """
    values = check_scores(scores, benchmarks, models)
    n = len(values)
    columns = []
    for column, what in ((task, "scores on the task"), (log10_compute, "computes")):
        try:
            array = np.asarray(without_na(column), float)
        except (TypeError, ValueError) as error:
            raise InputDataError(f"the {what} hold something that is not a number: {error}") from error
        if array.shape != (n,):
            raise InputDataError(f"there are {array.size} {what} for {n} models")
        columns.append(array)
    check_shares(columns[0], "the task", models)
    if np.any(np.isinf(columns[1]) | (np.abs(columns[1]) > _LARGEST_LOG)):
        raise InputDataError(
            f"a compute is {columns[1][np.nanargmax(np.abs(columns[1]))]:g} as a logarithm of FLOP",
            hint="Give log10 of FLOP; NaN where it is not known.",
        )
    if len(families) != n:
        raise InputDataError(f"there are {len(families)} families for {n} models")
    for i, family in enumerate(families):
        if not isinstance(family, str) or not family:
            raise InputDataError(
                f"model {name_of(models, i)} has no family",
                hint="A model alone in its family has that family to itself: give it a name.",
            )
    named = tuple(map(str, models)) if models is not None else tuple(f"model {i}" for i in range(n))
    if len(set(named)) < n:
        twice = next(name for name in named if named.count(name) > 1)
        raise InputDataError(f"model '{twice}' is there twice", hint="Keep one row a model.")
    columns_named = (
        tuple(map(str, benchmarks)) if benchmarks is not None else tuple(f"x{j}" for j in range(len(values[0])))
    )
    return Table(values, columns[0], columns[1], tuple(map(str, families)), named, columns_named)
