"""Which rows of a large table belong to which run, and how the rows are brought together by run."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from db import bulk_limits
from db.bulk_source import Source
from db.cells import text_from_cell
from db.readers.table import joined
from db.sql_arrays import texts

_PIECE = 100_000  # rows without a run that are read together


@dataclass(frozen=True)
class Order:
    """Runs of a table whose rows stand together.

    Parameters
    ----------
    names : list
        Identifiers, in the order of the rows; None for the rows that have none.
    counts : list of int
        Rows of each.
    """

    names: list[str | None]
    counts: list[int]

    def batches(self, n_rows: int) -> Iterator[tuple[int, int, np.ndarray, list[str]]]:
        """Runs together until they have enough rows: start, stop, the run of each row (-1 for none), the runs."""
        start, size, first = 0, 0, 0
        for index, count in enumerate(self.counts):
            size += count
            if size < n_rows and index + 1 < len(self.counts):
                continue
            names: list[str] = []
            numbers = []
            for name in self.names[first : index + 1]:
                numbers.append(-1 if name is None else len(names))
                if name is not None:
                    names.append(name)
            yield start, start + size, np.repeat(numbers, self.counts[first : index + 1]), names
            start, size, first = start + size, 0, index + 1


def group_by_run(source: Source, columns: Sequence[str]) -> Order:
    """Find the runs of a table, and write its rows anew where those of a run do not stand together.

    Parameters
    ----------
    source : Source
        The table; sorted afterwards if it has to be.
    columns : sequence of str
        Columns that the identifier is made of.

    Returns
    -------
    Order

    Raises
    ------
    InputDataError
        If a run has too many rows, or the table too many runs.
    """
    at = source.position
    cells = [source.columns[column] for column in columns]
    keys = [f"CAST({cell} AS VARCHAR)" for cell in cells]
    select = ", ".join([*keys, *(f"any_value({cell})" for cell in cells), f"min({at})", f"max({at})", "count(*)"])
    n_keys = len(keys)
    names: dict[str | None, int] = {}
    first, last, counts, numbers = (array("q") for _ in range(4))
    found: list[list[str | None]] = [[] for _ in keys]
    for groups in source.stream(select, f"GROUP BY {', '.join(keys)} ORDER BY min({at})"):
        for group in groups:
            raws = zip(columns, group[n_keys:-3], strict=True)
            name = joined([text_from_cell(source.cell(column, raw)) for column, raw in raws])
            number = names.setdefault(name, len(names))
            numbers.append(number)
            for known, key in zip(found, group[:n_keys], strict=True):
                known.append(name if key == name else key)  # one text instead of two alike
            if number == len(first):
                first.append(group[-3])
                last.append(group[-2])
                counts.append(group[-1])
            else:
                last[number] = max(last[number], group[-2])
                counts[number] += group[-1]
        if len(names) > bulk_limits.MOST_RUNS:
            raise bulk_limits.too_many_runs(source.path)
    _check_rows(source, list(names), counts, first)
    if (np.array(last) - np.array(first) + 1 != np.array(counts)).any():
        _sort(source, keys, found, numbers)
    return Order(*_split(list(names), counts.tolist()))


def _check_rows(source: Source, names: list[str | None], counts: array[int], first: array[int]) -> None:
    """Refuse a run that has more rows than can be held; rows without a run are not held together."""
    many = [run for run, count in enumerate(counts) if count > bulk_limits.MOST_ROWS and names[run] is not None]
    if many:
        run = many[0]
        raise bulk_limits.too_many_rows(source, str(names[run]), counts[run], first[run], len(many) - 1)


def _split(names: list[str | None], counts: list[int]) -> tuple[list[str | None], list[int]]:
    """Rows without a run in pieces, for however many they are."""
    if None in names:
        at = names.index(None)
        whole, rest = divmod(counts[at], _PIECE)
        pieces = [_PIECE] * whole + [rest] * (rest > 0)
        names[at : at + 1], counts[at : at + 1] = [None] * len(pieces), pieces
    return names, counts


def _sort(source: Source, keys: list[str], found: list[list[str | None]], numbers: array[int]) -> None:
    batch: dict[str, np.ndarray] = {"number": np.array(numbers)}
    batch |= {f"k{index}": texts(keys) for index, keys in enumerate(found)}
    source.connection.register("_numbers", batch)
    same = " AND ".join(f"CAST(n.k{index} AS VARCHAR) IS NOT DISTINCT FROM {key}" for index, key in enumerate(keys))
    source.sort(f"n.number, {source.position}", f"JOIN _numbers AS n ON {same}")
    source.connection.unregister("_numbers")
