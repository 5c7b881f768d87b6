"""Things with numbers beside them, such as sources and pools: from what was typed, or one row each from a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from db.readers.columns import ColumnReader
from db.readers.table import read_table
from scaling import arguments
from scaling.errors import InputDataError, UsageError


def read_entries(
    texts: Sequence[str] | None, table: str | Path | None, option: str, names: str, keys: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Read things with their numbers.

    Parameters
    ----------
    texts : sequence of str, optional
        As of `scaling.arguments.entries`.
    table : str or Path, optional
        A file with one row each; cells may be empty where a key may be left out.
    option : str
        That takes the texts, for messages; the table's is the same in the plural.
    names : str
        Column of the names.
    keys : sequence of str
        The key of the first number, and those that may follow; columns of the table.

    Returns
    -------
    dict of str to dict of str to float
        By name and key.

    Raises
    ------
    UsageError
        Where nothing is given, both are, or a column is missing.
    InputDataError
        For a cell that is no number, or a name that stands twice.
    """
    if texts and table is not None:
        raise UsageError(f"{option} and {option}s both say what there is.", "Give one of them.")
    if table is None:
        if not texts:
            raise UsageError(f"No {names} is named.", f"Such as {option} web=10B; or a table: {option}s table.csv")
        return arguments.entries(texts, option, keys)
    reader = ColumnReader(read_table(table))
    labels = reader.texts(names, f"{option}s")
    if len(set(labels)) < len(labels):
        twice = next(label for i, label in enumerate(labels) if label in labels[:i])
        raise InputDataError(f"{table} has the {names} '{twice}' twice.")
    first = reader.numbers(keys[0], f"{option}s", full=True)
    out = {label: {keys[0]: float(value)} for label, value in zip(labels, first, strict=True)}
    for key in keys[1:]:
        if key in reader.table.columns:
            values = reader.numbers(key, f"{option}s")
            for label, value in zip(labels, values, strict=True):
                out[label] |= {} if np.isnan(value) else {key: float(value)}
    return out


def of_each(entries: dict[str, dict[str, float]], key: str) -> dict[str, float]:
    """Return what is known under a key, by name."""
    return {name: entry[key] for name, entry in entries.items() if key in entry}
