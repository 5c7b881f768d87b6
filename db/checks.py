"""What a row must satisfy to be taken, and the record of those that do not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from db.cells import BAD, MISSING, NAN, NEGATIVE_INF, OK
from db.problems import Problem, line_list
from scaling.errors import InputDataError

if TYPE_CHECKING:
    from db.mapping import Mapping, MetricSpec
    from db.readers.table import Table
    from db.resolve import Resolved

_SMALL_N, _LARGE_D = 1e3, 1e9
Found = tuple[np.ndarray, str | None, str]


class Refusals:
    """Rows of a table that are refused, and why.

    Parameters
    ----------
    table : Table
        The file.
    limit : int, optional
        How many of one kind are told; by default all.

    Attributes
    ----------
    refused : numpy.ndarray of bool, shape (rows,)
        Rows that are left out.
    problems, kinds : list
        What was told, and the number of the check that found each; checks are numbered in their order.
    counts : dict of int to int
        How many each check found.
    """

    def __init__(self, table: Table, limit: int | None = None) -> None:
        self.table = table
        self.limit = limit
        self.refused = np.zeros(len(table.lines), dtype=bool)
        self.problems: list[Problem] = []
        self.kinds: list[int] = []
        self.counts: dict[int, int] = {}
        self.n_refused = 0
        self._kind = 0

    def rows(self, mask: np.ndarray, column: str | None, reason: str) -> Found:
        """One kind of refusal: rows, the column to blame, and the reason."""
        return mask, column, reason

    def refuse(self, *found: Found) -> None:
        """Refuse rows; a row that is refused already is not told twice."""
        for mask, column, reason in found:
            if not mask.any():
                self._kind += 1
                continue
            new = mask & ~self.refused
            self._tell(np.flatnonzero(new), column, reason, "row")
            self.n_refused += int(new.sum())
            self.refused |= mask

    def refuse_runs(self, codes: np.ndarray, runs: np.ndarray, column: str | None, reason: str) -> None:
        """Refuse whole runs; each is told once, at its first row."""
        rows = np.flatnonzero(np.isin(codes, runs) & ~self.refused)
        _, first = np.unique(codes[rows], return_index=True)
        self.n_refused += rows.size
        self._tell(rows[first], column, reason, "row")
        self.refused[rows] = True
        codes[rows] = -1

    def drop(self, rows: np.ndarray) -> None:
        """Leave rows out that say nothing new; that is no problem."""
        self.refused[rows] = True

    def check_metric(self, resolved: Resolved, spec: MetricSpec, kind: str, *, is_shown: bool) -> None:
        """Refuse what is no value of a metric: the row for the loss that is shown, only the value for others."""
        numbers = resolved.metrics[spec.metric]
        column = _first(resolved.sources.get(spec.metric, ()))
        reasons = [(numbers.status == BAD, "not a number")]
        if kind == "loss":
            below = (numbers.status == OK) & (numbers.values <= 0)
            reasons.append((below, 'a loss is above 0 (a mapping file can say kind = "other")'))
        for mask, reason in reasons:
            if is_shown:
                self.refuse(self.rows(mask, column, reason))
                continue
            self._tell(np.flatnonzero(mask & ~self.refused), column, reason, "value")
            numbers.status[mask] = MISSING
            numbers.values[mask] = np.nan

    def _tell(self, rows: np.ndarray, column: str | None, reason: str, refused: str) -> None:
        self._kind += 1
        if not rows.size:
            return
        self.counts[self._kind] = rows.size
        cells = self.table.columns[column] if column is not None and column in self.table.columns else None
        for row in rows[: self.limit].tolist():
            value = None if cells is None or cells[row] is None else str(cells[row])
            self.problems.append(Problem(self.table.path, int(self.table.lines[row]), column, value, reason, refused))
            self.kinds.append(self._kind)


def check_values(resolved: Resolved, shape: str) -> Iterable[Found]:
    """Find rows whose sizes or steps cannot be.

    Parameters
    ----------
    resolved : Resolved
        Fields of the table.
    shape : str
        ``long`` or ``wide``.

    Returns
    -------
    iterable of tuple
        Rows, the column to blame, and the reason.
    """
    found: list[Found] = []
    for field, numbers in resolved.numbers.items():
        column = _first(resolved.sources.get(field, ()))
        found.append((numbers.status == BAD, column, f"{field} is not a number"))
        not_finite = (numbers.status >= NAN) & (numbers.status <= NEGATIVE_INF)
        found.append((not_finite, column, f"{field} is not finite"))
        ok = numbers.status == OK
        if field == "step":
            found.append((ok & (numbers.values != np.floor(numbers.values)), column, "the step is not a whole number"))
            found.append((ok & ((numbers.values < 0) | (numbers.values >= 2**53)), column, "the step is out of range"))
            if shape == "long":
                found.append((numbers.status == MISSING, column, "the step is missing"))
        elif field == "n_params" or shape == "wide":
            found.append((ok & (numbers.values <= 0), column, f"{field} is not above 0"))
        else:
            found.append((ok & (numbers.values < 0), column, f"{field} is below 0"))
    return found


def check_units(
    table: Table,
    mapping: Mapping,
    warnings: list[str],
    rows: np.ndarray,
    n_params: np.ndarray,
    n_tokens: np.ndarray,
    compute_flop: np.ndarray,
) -> None:
    """Stop at sizes that are in millions or billions beside others that are not.

    Parameters
    ----------
    table : Table
        The file.
    mapping : Mapping
        The complete mapping.
    warnings : list of str
        Gets what looks odd but may be right.
    rows : numpy.ndarray, shape (runs,)
        A row of each run, for the message.
    n_params, n_tokens, compute_flop : numpy.ndarray, shape (runs,)
        The sizes; NaN where unknown.

    Raises
    ------
    InputDataError
        If an N is below 1e3 while its D is above 1e9, and the mapping does not allow it.
    """
    mixed = (n_params < _SMALL_N) & (n_tokens > _LARGE_D)
    if mixed.any() and not mapping.allow_units:
        first = int(np.flatnonzero(mixed)[0])
        text = mapping.columns.get("n_params", "N")
        # Of the two usual units, the one that brings the tokens nearer to twenty a parameter.
        ratio = float(np.median(n_tokens[mixed] / n_params[mixed])) / 20
        scale = "1e9" if ratio > 10**7.5 else "1e6"
        where = line_list([table.lines[row] for row in rows[mixed]])
        raise InputDataError(
            f"{table.path}: N looks like millions or billions of parameters: {n_params[first]:g} beside "
            f"{n_tokens[first]:g} tokens ({where}).",
            f'Say the unit in a mapping file: [columns] N = "{text} * {scale}". '
            "If the numbers are right: [options] allow_units = true",
        )
    swapped = (n_tokens < _SMALL_N) & (n_params > 1e6)
    if swapped.any():
        warnings.append("D is below 1e3 beside an N above 1e6: is D in millions or billions?")
    with np.errstate(over="ignore"):  # numbers that are no sizes have an infinite product
        ratio = compute_flop / (6 * n_params * n_tokens)
    known = np.isfinite(ratio)
    if known.any() and not 0.02 <= np.median(ratio[known]) <= 50:
        middle = float(np.median(ratio[known]))
        warnings.append(f"The given compute is {middle:.2g} times 6*N*D (median): are N, D and C in single units?")


def _first(columns: tuple[str, ...]) -> str | None:
    return columns[0] if columns else None
