"""One value an example: a class, a cost, a weight, from a set, a column beside the embeddings, or a file.

Values are always held against the number of embeddings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db.example_files import open_example_file, reading
from db.problems import nearest
from db.value_data import Data
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_plural

_FIELDS = {"label": "labels", "group": "groups", "cost": "costs"}


def read_values(
    data: Data, text: str, what: str, option: str, *, n: int | None = None, count: bool = True
) -> NDArray[Any]:
    """Read one value an example: a class, a cost, a weight.

    Parameters
    ----------
    data : Data
        The examples.
    text : str
        ``label``, ``group`` or ``cost`` of a set; a column of Parquet embeddings; or a file (.npy, .txt, .csv, .tsv,
        .jsonl, .parquet), of which ``FILE:COLUMN`` names a column.
    what : {"label", "cost", "weight", "target", "loss", "token"}
        What it is. Labels come as text, everything else as numbers.
    option : str
        The option, for messages.
    n : int, optional
        How many there have to be; as many as examples by default.
    count : bool, default True
        Whether they are counted at all.

    Returns
    -------
    ndarray (n,)

    Raises
    ------
    UsageError
        If there is no such column.
    InputDataError
        If there is no such file, values are missing or no numbers, or there are more or fewer than examples.
    """
    found, where = _found(data, text, what, option)
    if what == "label":
        found = _texts(found, where)
    else:
        try:
            found = np.asarray(found, np.float64)
        except (TypeError, ValueError) as error:
            raise InputDataError(f"{option}: {where} holds something that is not a number: {error}") from error
    wanted = data.n if n is None else n
    if found.ndim != 1 or (count and len(found) != wanted):
        size = format_plural(len(found), "value") if found.ndim == 1 else f"shape {found.shape}"
        raise InputDataError(
            f"{option}: {where} has {size}, and there are {format_plural(wanted, 'example')} in {data.name}.",
            "One value an example is needed, in the order of the embeddings.",
        )
    return found


def _found(data: Data, text: str, what: str, option: str) -> tuple[NDArray[Any], str]:
    path, column = _file(text)
    if path is None and data.examples is not None:
        if text not in _FIELDS:
            raise UsageError(
                f"{option}: the set '{data.set_name}' has no column '{text}', and there is no such file.",
                f"A set has: {', '.join(_FIELDS)}. {nearest(text, list(_FIELDS))}".strip(),
            )
        return np.asarray(getattr(data.examples, _FIELDS[text])), f"the {text} of the set '{data.set_name}'"
    if path is None and data.shards is not None and data.shards.format == "parquet":
        files = dict.fromkeys(shard.source for shard in data.shards.shards)
        parts = [_column(Path(file), text, what, option) for file in files]
        return np.concatenate(parts), f"the column '{text}'"
    if path is None:
        raise InputDataError(
            f"{option}: there is no file '{text}', and {data.name} has no columns beside the embeddings.",
            "Name a file with one value an example, or read the examples into a set first: scaling value add.",
        )
    if path.suffix.lower() == ".npy":
        try:
            return np.load(path, allow_pickle=False), str(path)
        except (ValueError, EOFError, OSError) as error:
            raise InputDataError(f"{option}: {path} cannot be read: {error}") from error
    if path.suffix.lower() == ".txt":
        try:
            return np.array(path.read_text(encoding="utf-8").splitlines()), str(path)
        except (OSError, UnicodeError) as error:
            raise InputDataError(f"{option}: {path} cannot be read: {error}") from error
    return _column(path, column, what, option), str(path)


def _file(text: str) -> tuple[Path | None, str | None]:
    """Tell a file, and a column of it, from the name of a column."""
    if Path(text).is_file():
        return Path(text), None
    head, colon, column = text.rpartition(":")
    return (Path(head), column) if colon and Path(head).is_file() else (None, None)


def _column(path: Path, column: str | None, what: str, option: str) -> NDArray[Any]:
    """Read a column of a table; without a name the one that is called what it is, or the only one."""
    from db.connect import MEMORY, connect

    connection = connect(MEMORY, read_only=False, lock_timeout=0.0)
    try:
        table = open_example_file(connection, path)
        if column is None:
            column = what if what in table.types else next(iter(table.types)) if len(table.types) == 1 else None
        if column is None:
            raise UsageError(
                f"{option}: {path} has several columns, and none is called '{what}'.",
                f"Name one as {path}:COLUMN. There are: {', '.join(table.types)}.",
            )
        relation, values = table.relation([column])
        picked = table.text(column) if what == "label" else table.number(column)
        with reading(path):
            rows = connection.execute(f"SELECT {picked} FROM {relation} ORDER BY position", values).fetchall()
    finally:
        connection.close()
    found = [row[0] for row in rows]
    if None in found:
        raise InputDataError(
            f"{option}: row {found.index(None) + 1} of {path} has no {what} (column '{column}').",
            "Leave the example out, or give its value.",
        )
    return np.array(found) if found else np.empty(0)


def _texts(values: NDArray[Any], where: str) -> NDArray[Any]:
    """Write labels as text: 1, 1.0 and "1" are one class."""
    flat = values.tolist()
    missing = [i for i, value in enumerate(flat) if value is None or value != value]  # noqa: PLR0124 - NaN
    if missing:
        raise InputDataError(
            f"{format_plural(len(missing), 'example')} without a label in {where}, the first is row {missing[0]}.",
            "Leave these examples out, or label them.",
        )
    if values.ndim != 1:
        return values
    whole = values.dtype.kind == "f" and bool(np.all(values == np.round(values)))
    return np.array([str(int(value)) if whole else str(value) for value in flat])
