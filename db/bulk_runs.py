"""Which rows of a large table belong to which run, and how the rows are brought together by run."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from db import bulk_limits
from db.bulk_cells import decode_all
from db.bulk_source import TEXTS, Source
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
    keys = [f"CAST({source.columns[column]} AS VARCHAR)" for column in columns]
    # Of a text the key is the cell itself, and one is enough.
    others = [column for column in columns if source.kinds[column] not in TEXTS]
    cells = [f"any_value({source.columns[column]})" for column in others]
    select = ", ".join([*keys, *cells, f"min({at})", f"max({at})", "count(*)"])
    names: dict[str | None, int] = {}
    first, last, counts, numbers = (array("q") for _ in range(4))
    found: list[list[str | None]] = [[] for _ in keys]
    for groups in source.stream(select, f"GROUP BY {', '.join(keys)} ORDER BY min({at})"):
        *raws, begins, ends, sizes = zip(*groups, strict=True)
        given = dict(zip(columns, raws, strict=False)) | dict(zip(others, raws[len(keys) :], strict=True))
        parts = zip(
            *(map(text_from_cell, decode_all(given[column], source.kinds[column])) for column in columns), strict=True
        )
        for group, part in enumerate(parts):
            name = joined(part) if len(keys) > 1 else part[0]
            number = names.setdefault(name, len(names))
            numbers.append(number)
            if number == len(first):
                first.append(begins[group])
                last.append(ends[group])
                counts.append(sizes[group])
            else:
                last[number] = max(last[number], ends[group])
                counts[number] += sizes[group]
        for known, keys_found in zip(found, raws, strict=False):
            known.extend(keys_found)
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
    batch |= {f"k{index}": texts(some) for index, some in enumerate(found)}
    source.connection.register("_numbers", batch)
    same = " AND ".join(f"CAST(n.k{index} AS VARCHAR) IS NOT DISTINCT FROM {key}" for index, key in enumerate(keys))
    source.sort(f"n.number, {source.position}", f"JOIN _numbers AS n ON {same}")
    source.connection.unregister("_numbers")
