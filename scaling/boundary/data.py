"""Scores and compute as they come, made fit to be fitted; what was left out or converted is said."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_number, format_plural

Array = NDArray[np.float64]
Labels = NDArray[np.object_]

RAW_COMPUTE = 100.0  # no log10 of a compute budget comes near it
_MISSING = ("", "None", "nan", "NaN", "NaT", "<NA>")
_MIXED = 0.05  # share of scores between 0 and 1 from which percentages look mixed with shares


@dataclass(frozen=True)
class Scores:
    """Scores of models that can be fitted.

    Parameters
    ----------
    log10_compute : ndarray (n,)
        Of each model, log10 FLOP; finite.
    score : ndarray (n,)
        Share of the full score, 0 to 1.
    groups : ndarray of object (n,), optional
        Cluster of each model: its base model, or who made it.
    period : ndarray of object (n,), optional
        Period of each model; periods sort in time.
    kept : ndarray of int (n,)
        Positions of these models among those that were given.
    notes : tuple of str
        What was left out or converted, and how often.
    """

    log10_compute: Array
    score: Array
    groups: Labels | None
    period: Labels | None
    kept: NDArray[np.int64]
    notes: tuple[str, ...]


def read_scores(
    log10_compute: ArrayLike, score: ArrayLike, groups: ArrayLike | None = None, period: ArrayLike | None = None
) -> Scores:
    """Check scores and compute.

    Models without compute (NaN, or minus infinity: the logarithm of 0) or without a score are left out and counted.
    Scores in percent are converted: those of which more than one in twenty exceeds 1; where shares seem to stand among
    them, that is said.

    Parameters
    ----------
    log10_compute : array_like (n,)
        log10 of the training compute in FLOP.
    score : array_like (n,)
        Score of each model.
    groups, period : array_like (n,), optional
        Labels; models without one are left out. Periods sort in time.

    Returns
    -------
    Scores

    Raises
    ------
    InputDataError
        For columns of different lengths, compute that is no logarithm, scores outside 0 to 1 that are no percentages,
        periods that would sort against time (``P10`` before ``P9``), and where fewer than two different values of
        compute are left.
    """
    z, y = read_numbers(log10_compute, "log10_compute"), read_numbers(score, "score")
    labels = {name: _labels(given, name) for name, given in (("groups", groups), ("period", period))}
    for name, column in (("score", y), *labels.items()):
        if column is not None and column.shape != z.shape:
            raise InputDataError(f"'{name}' has {len(column)} rows, but 'log10_compute' has {len(z)}")
    if np.any(np.isfinite(z)) and np.nanmedian(z[np.isfinite(z)]) > RAW_COMPUTE:
        raise InputDataError(
            f"'log10_compute' has a median of {format_number(float(np.nanmedian(z[np.isfinite(z)])))}, "
            "which is compute itself and not its logarithm",
            hint="Give numpy.log10(compute_flop).",
        )
    notes = []
    whole = np.ones(len(z), bool)
    wanting = [
        (~np.isfinite(z), "compute is missing or zero"),
        (~np.isfinite(y), "score is missing"),
        *((_missing(column), f"{what} is missing") for column, what in
          ((labels["groups"], "group"), (labels["period"], "period or date")) if column is not None),
    ]  # fmt: skip
    for bad, what in wanting:
        if count := int(np.sum(bad & whole)):
            notes.append(f"Left out {format_plural(count, 'model')} of {len(z)} whose {what}.")
        whole &= ~bad
    if not whole.any():
        raise InputDataError(f"none of the {len(z)} models has both compute and a score", hint=" ".join(notes) or None)
    y, note = _shares(y, whole)
    notes += [note] if note else []
    kept = np.flatnonzero(whole)
    if labels["period"] is not None:
        in_order(labels["period"][kept])
    if np.ptp(z[kept]) == 0:
        raise InputDataError(
            f"all {len(kept)} models have the same compute, 10^{format_number(z[kept][0])} FLOP, so no boundary over "
            "compute can be seen",
            hint="Add models of other sizes or training lengths.",
        )
    cut = {name: None if column is None else column[kept] for name, column in labels.items()}
    return Scores(z[kept], y[kept], cut["groups"], cut["period"], kept, tuple(notes))


def _shares(y: Array, whole: NDArray[np.bool_]) -> tuple[Array, str]:
    """Scores as shares of the full score, and what was done."""
    note = ""
    if np.quantile(y[whole], 0.95) > 1:
        note = "The scores were in percent (more than one in twenty exceeds 1) and were divided by 100."
        small = int(np.sum((y[whole] > 0) & (y[whole] <= 1)))
        if small > _MIXED * whole.sum():
            note += f" {format_plural(small, 'score')} of {int(whole.sum())} were at most 1: are some of them shares?"
        y = y / 100
    outside = whole & ((y < 0) | (y > 1))
    if outside.any():
        row = int(np.flatnonzero(outside)[0])
        factor = 100 if note else 1
        raise InputDataError(
            f"{format_plural(int(outside.sum()), 'score')} of {int(whole.sum())} lie outside 0 to "
            f"{factor}, the first, {format_number(y[row] * factor)}, in row {row}",
            hint="Give shares of the full score, or percentages throughout.",
        )
    return y, note


def read_numbers(column: ArrayLike, name: str) -> Array:
    """Read a column of numbers (n,), NaN where one is missing; `name` is what messages call it."""
    try:
        out = np.atleast_1d(np.asarray(without_na(column), float))
    except (TypeError, ValueError) as error:
        raise InputDataError(f"'{name}' holds something that is not a number: {error}") from error
    if out.ndim != 1 or not out.size:
        raise InputDataError(f"'{name}' must be one column of numbers, but has shape {out.shape}")
    return out


def check_logarithm(log10_compute: Array) -> None:
    """Refuse compute where its logarithm is meant; NaN passes."""
    if log10_compute.size and np.nanmax(log10_compute, initial=-np.inf) > RAW_COMPUTE:
        raise UsageError(
            f"log10 of a compute is not {format_number(float(np.nanmax(log10_compute)))}, which is compute itself",
            hint="Give numpy.log10(compute_flop).",
        )


def without_na(column: ArrayLike) -> ArrayLike:
    """Columns whose missing values, where they are objects that are no numbers (pandas' NA), are NaN."""
    given = np.asarray(column)
    if given.dtype != object:
        return column
    missing = [value is None or str(value) in _MISSING for value in given.ravel()]
    return np.where(np.reshape(missing, given.shape), np.nan, given)


def in_order(period: Labels) -> list[Any]:
    """Put the periods of models (n,) in time; what does not sort, or texts whose numbers sort otherwise, is refused."""
    try:
        names: list[Any] = sorted(set(period.tolist()))
    except TypeError as error:
        raise InputDataError(f"the periods do not sort: {error}", hint="Give numbers, or texts, throughout.") from error
    if not all(isinstance(label, str) for label in names):
        return names
    try:
        in_time = sorted(names, key=float)
    except ValueError:
        # Texts and whole numbers in turn, so that like is compared with like.
        in_time = sorted(names, key=lambda name: [int(p) if p.isdecimal() else p for p in re.split(r"(\d+)", name)])
    if in_time != names:
        late, early = next((a, b) for a, b in zip(names, in_time, strict=True) if a != b)
        raise InputDataError(
            f"the periods do not sort in time as they are written: '{late}' would come before '{early}'",
            hint="Write their numbers with as many digits, such as P09 and P10.",
        )
    return names


def _labels(column: ArrayLike | None, name: str) -> Labels | None:
    if column is None:
        return None
    out = np.asarray(column)
    if out.ndim != 1:
        raise InputDataError(f"'{name}' must be one column, but has shape {out.shape}")
    return out.astype(object)


def _missing(column: Labels) -> NDArray[np.bool_]:
    return np.array([str(label) in _MISSING for label in column], bool)
