"""Arrays as tables of SQL, for as long as a statement needs them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import duckdb
import numpy as np


@contextmanager
def registered(
    connection: duckdb.DuckDBPyConnection, batches: Mapping[str, Mapping[str, np.ndarray]]
) -> Iterator[None]:
    """Show arrays to SQL as tables for the length of a block."""
    for name, batch in batches.items():
        connection.register(name, batch)
    try:
        yield
    finally:
        # In a transaction that has failed this fails too, and would hide why; the rollback takes the tables away.
        for name in batches:
            with suppress(duckdb.Error):
                connection.unregister(name)


def texts(values: Any) -> np.ndarray:
    """Values as an array of objects, which DuckDB reads as text."""
    array = np.empty(len(values), dtype=object)
    array[:] = list(values)
    return array
