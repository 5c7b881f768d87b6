"""The table that is appraised: one row a subset, with its size, its scores, and what training on it gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.formatting import format_number, format_plural
from scaling.valuation.appraisal.broken_line import FEWEST as FEWEST_FOR_A_BEND

Array = NDArray[np.float64]
Codes = NDArray[np.intp]
Flags = NDArray[np.bool_]

BETTER = ("higher", "lower")
FEWEST = 8  # rows that a correlation is taken of
_FEWEST_IN_STRATUM = 3


@dataclass(frozen=True)
class Regime:
    """Rows that are compared with each other.

    Parameters
    ----------
    name : {"pooled", "fixed size", "class-balanced", "fixed budget"}
        What they have in common.
    rows : ndarray of int (r,)
        Which rows of the table.
    strata : ndarray of int (r,)
        Within which of them rows are compared: one size, or one budget.
    """

    name: str
    rows: Codes
    strata: Codes

    @property
    def n_strata(self) -> int:
        """How many strata."""
        return len(np.unique(self.strata))


@dataclass(frozen=True)
class Table:
    """Subsets that can be used.

    Parameters
    ----------
    size, performance : ndarray (n,)
        Examples or tokens; the held-out metric as it was given.
    scores : dict of str to ndarray (n,)
        By objective.
    is_random : ndarray of bool (n,)
        Subsets that were drawn at random.
    entropy : ndarray (n,), optional
        Of the class shares, nats.
    balanced : ndarray of bool (n,), optional
        Whether classes are as even as the size allows.
    budget : ndarray (n,), optional
        What training on the subset was given, such as steps or FLOP.
    better : {"higher", "lower"}
        Of the performance.
    rows : ndarray of int (n,)
        Which rows of the input these are.
    """

    size: Array
    performance: Array
    scores: dict[str, Array]
    is_random: Flags
    entropy: Array | None
    balanced: Flags | None
    budget: Array | None
    better: str
    rows: Codes

    @property
    def upward(self) -> Array:
        """The performance, its sign turned where lower is better, so that higher is better."""
        return self.performance if self.better == "higher" else -self.performance

    def controls(self, rows: Codes) -> tuple[Array, tuple[str, ...]]:
        """Return what partial correlations are given among some rows: log size and entropy, where they vary."""
        found = {"log size": np.log(self.size[rows])}
        if self.entropy is not None:
            found["class-balance entropy"] = self.entropy[rows]
        found = {name: column for name, column in found.items() if np.ptp(column) > 1e-12}
        return np.column_stack([np.empty((len(rows), 0)), *found.values()]), tuple(found)


def read_table(
    size: ArrayLike,
    performance: ArrayLike,
    scores: Mapping[str, ArrayLike],
    *,
    is_random: ArrayLike | None = None,
    class_counts: ArrayLike | None = None,
    class_entropy: ArrayLike | None = None,
    balanced: ArrayLike | None = None,
    budget: ArrayLike | None = None,
    better: str = "higher",
) -> Table:
    """Check a table; see `scaling.valuation.appraise`.

    Rows in which the performance, a score, the budget or the entropy of classes is not finite are left out.

    Raises
    ------
    InputDataError
        For lengths that differ, sizes that are not above 0, a performance that does not vary, or too few rows.
    UsageError
        For no score, a direction that there is not, or both counts and an entropy of classes.
    """
    if class_counts is not None and class_entropy is not None:
        raise UsageError("The entropy of classes follows from their counts.", "Give one of the two.")
    if better not in BETTER:
        raise UsageError(f"Performance is better 'higher' or 'lower', not '{better}'.", did_you_mean(better, BETTER))
    scores = dict(scores.items())  # of a data frame too, which has no truth of its own
    if not scores:
        raise UsageError("There is no score to appraise.", "Give one column an objective.")
    columns = {"performance": _column(performance, "performance"), "size": _column(size, "size")}
    columns |= {f"score '{name}'": _column(values, f"score '{name}'") for name, values in scores.items()}
    if budget is not None:
        columns["budget"] = _column(budget, "budget")
    if class_entropy is not None:
        columns["class entropy"] = _column(class_entropy, "class entropy")
    n = len(columns["performance"])
    for name, column in columns.items():
        if len(column) != n:
            raise InputDataError(f"{name} has {format_plural(len(column), 'row')}, performance has {n}.")
    for name in ("size", "budget"):
        if name in columns and np.any(wrong := ~(columns[name] > 0)):
            row = int(np.flatnonzero(wrong)[0])
            raise InputDataError(f"{name} is {columns[name][row]} in row {row}; it is above 0.")
    if "class entropy" in columns and np.any(wrong := columns["class entropy"] < 0):
        row = int(np.flatnonzero(wrong)[0])
        raise InputDataError(f"class entropy is {columns['class entropy'][row]} in row {row}; it is 0 or above.")
    counts = None if class_counts is None else _counts(class_counts, n)
    entropy = columns.get("class entropy") if counts is None else _entropy(counts)
    even = None if counts is None else np.ptp(counts, axis=1) <= 1
    if balanced is not None:
        even = _flags(balanced, "balanced", n)
    random = np.zeros(n, bool) if is_random is None else _flags(is_random, "is_random", n)
    kept = np.flatnonzero(np.all([np.isfinite(column) for column in columns.values()], axis=0))
    if len(kept) < FEWEST:
        raise InputDataError(
            f"{format_plural(len(kept), 'subset')} with a performance and all scores; {FEWEST} are needed.",
            "Train on more subsets: some dozens at random and some that were optimised.",
        )
    if np.ptp(columns["performance"][kept]) == 0:
        raise InputDataError("The performance is the same in all rows: nothing can predict it, or everything does.")
    return Table(
        size=columns["size"][kept],
        performance=columns["performance"][kept],
        scores={name: columns[f"score '{name}'"][kept] for name in scores},
        is_random=random[kept],
        entropy=None if entropy is None else entropy[kept],
        balanced=None if even is None else even[kept],
        budget=None if budget is None else columns["budget"][kept],
        better=better,
        rows=kept,
    )


def find_regimes(table: Table) -> tuple[tuple[Regime, ...], dict[str, str]]:
    """Find which rows can be compared.

    Returns
    -------
    regimes : tuple of Regime
        ``pooled`` is always one.
    missing : dict of str to str
        Why other regimes are not there.
    """
    every = np.arange(len(table.size))
    found, missing = [Regime("pooled", every, np.zeros(len(every), np.intp))], {}
    for name, flags, by in (
        ("fixed size", np.ones(len(every), bool), table.size),
        ("class-balanced", table.balanced, table.size),
        ("fixed budget", np.ones(len(every), bool), table.budget),
    ):
        if flags is None or by is None:
            missing[name] = "no class counts" if flags is None else "no budgets"
            continue
        rows = every[flags]
        _, code, count = np.unique(by[rows], return_inverse=True, return_counts=True)
        large = count[code] >= _FEWEST_IN_STRATUM
        rows, code = rows[large], code[large]
        if len(rows) < FEWEST:
            missing[name] = f"{format_plural(len(rows), 'subset')} that can be compared, {FEWEST} are needed"
            continue
        found.append(Regime(name, rows, np.unique(code, return_inverse=True)[1]))
    return tuple(found), missing


def bend_rows(size: Array) -> tuple[Codes, list[str]]:
    """Choose the subsets among which a bend is looked for: those of the commonest size, or all where these are few.

    Scores of several sizes are not comparable, but a bend takes twelve points.

    Returns
    -------
    rows : ndarray of int
        Which rows.
    notes : list of str
        What to know of them.
    """
    sizes, counts = np.unique(size, return_counts=True)
    common = sizes[np.argmax(counts)]
    rows = np.flatnonzero(size == common)
    if len(rows) < max(FEWEST_FOR_A_BEND, len(size) // 4):
        differ = "sizes differ, and with them scores: the bend of performance over a score is of all sizes"
        return np.arange(len(size)), [differ] if len(sizes) > 1 else []
    some = f"over-optimisation is looked for among the {len(rows)} subsets of {format_number(common)}"
    return rows, [some] if len(sizes) > 1 else []


def _column(values: ArrayLike, name: str) -> Array:
    try:
        column = np.asarray(values, float)
    except (TypeError, ValueError) as error:
        raise InputDataError(f"{name} holds something that is not a number: {error}") from error
    if column.ndim != 1:
        raise InputDataError(f"{name} has shape {column.shape}; one value a subset is expected.")
    return column


def _flags(values: ArrayLike, name: str, n: int) -> Flags:
    flags = np.asarray(values)
    if flags.shape != (n,) or not np.all(np.isin(flags, [0, 1])):
        raise InputDataError(f"{name} has shape {flags.shape}; true or false for each of {n} subsets is expected.")
    return flags.astype(bool)


def _counts(values: ArrayLike, n: int) -> Array:
    counts: Any = np.asarray(values, float)
    if counts.ndim != 2 or len(counts) != n or not np.all(counts >= 0) or not np.all(counts.sum(1) > 0):
        raise InputDataError(
            f"class counts have shape {counts.shape}; a row for each of {n} subsets and a column a class is expected, "
            "none below 0 and no row empty."
        )
    return np.asarray(counts, np.float64)


def _entropy(counts: Array) -> Array:
    share = counts / counts.sum(1, keepdims=True)
    return np.asarray(-np.sum(share * np.log(np.where(share > 0, share, 1)), axis=1))
