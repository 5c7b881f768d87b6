"""Which rows of a large table belong to which run, and how the rows are brought together by run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from db.bulk_source import Source
from db.cells import text_from_cell
from db.readers.table import joined


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
    """
    at = source.position
    cells = [source.columns[column] for column in columns]
    keys = [f"CAST({cell} AS VARCHAR)" for cell in cells]
    select = ", ".join([*keys, *(f"any_value({cell})" for cell in cells), f"min({at})", f"max({at})", "count(*)"])
    groups = source.query(select, f"GROUP BY {', '.join(keys)}").fetchall()
    n_keys = len(keys)
    groups.sort(key=lambda group: int(group[-3]))
    names: dict[str | None, int] = {}
    first: list[int] = []
    last: list[int] = []
    counts: list[int] = []
    numbers: list[int] = []
    for group in groups:
        raws = zip(columns, group[n_keys:-3], strict=True)
        name = joined([text_from_cell(source.cell(column, raw)) for column, raw in raws])
        number = names.setdefault(name, len(names))
        numbers.append(number)
        if number == len(first):
            first.append(group[-3])
            last.append(group[-2])
            counts.append(group[-1])
        else:
            last[number] = max(last[number], group[-2])
            counts[number] += group[-1]
    if any(end - begin + 1 != count for begin, end, count in zip(first, last, counts, strict=True)):
        _sort(source, keys, [list(group[:n_keys]) for group in groups], numbers)
    return Order(list(names), counts)


def _sort(source: Source, keys: list[str], found: list[list[str | None]], numbers: list[int]) -> None:
    batch: dict[str, np.ndarray] = {"number": np.array(numbers)}
    for index in range(len(keys)):
        texts = np.empty(len(found), dtype=object)
        texts[:] = [group[index] for group in found]
        batch[f"k{index}"] = texts
    source.connection.register("_numbers", batch)
    same = " AND ".join(f"CAST(n.k{index} AS VARCHAR) IS NOT DISTINCT FROM {key}" for index, key in enumerate(keys))
    source.sort(f"n.number, {source.position}", f"JOIN _numbers AS n ON {same}")
    source.connection.unregister("_numbers")
