"""Files of positions: what a selection hands to a training run, and reads back.

A file appears whole or not at all: it is written beside its place and then renamed, so that a run that is killed never
leaves half a selection behind.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, StoreError, UsageError
from scaling.formatting import format_plural

#: Endings of the files that are written and read.
INDEX_FORMATS = (".npy", ".txt", ".csv", ".parquet")
Index = NDArray[np.int64]


def write_index(
    path: str | Path,
    indices: ArrayLike,
    *,
    gains: ArrayLike | None = None,
    ids: Sequence[str] | None = None,
) -> Path:
    """Write positions into a file, in the order in which they were chosen.

    Parameters
    ----------
    path : str or Path
        Where; its ending says what. ``.npy``: an array of int64. ``.txt``: a position a line. ``.csv``, ``.parquet``:
        columns ``rank position``, with ``example_id`` and ``gain`` where they are given.
    indices : array_like of int (k,)
        Positions, from 0.
    gains : array_like (k,), optional
        What each added.
    ids : sequence of str, optional
        Identifiers of the examples.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    UsageError
        If the ending is not known, or lengths differ.
    StoreError
        If the file cannot be written; what was there before is then still there.
    """
    file = Path(path)
    ending = _ending(file)
    rows = np.asarray(indices, dtype=np.int64).ravel()
    columns: dict[str, NDArray[Any]] = {"rank": np.arange(rows.size), "position": rows}
    if ids is not None:
        columns["example_id"] = np.array([*ids, None], dtype=object)[:-1]
    if gains is not None:
        columns["gain"] = np.asarray(gains, dtype=np.float64).ravel()
    if any(len(column) != rows.size for column in columns.values()):
        raise UsageError(f"{format_plural(rows.size, 'position')} are given with another number of gains or names.")
    beside = file.with_name(f".{file.name}.{os.getpid()}{ending}")
    try:
        if ending == ".npy":
            with beside.open("wb") as stream:
                np.save(stream, rows)
        elif ending == ".txt":
            beside.write_text("".join(f"{row}\n" for row in rows.tolist()), encoding="utf-8")
        else:
            _copy(beside, columns, ending)
        beside.replace(file)
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror}.", "Name another place.") from error
    finally:
        beside.unlink(missing_ok=True)
    return file


def read_index(path: str | Path, *, column: str = "position") -> Index:
    """Read positions from a file.

    Parameters
    ----------
    path : str or Path
        As `write_index` writes them.
    column : str, default "position"
        Column of CSV and Parquet files.

    Returns
    -------
    ndarray of int64 (k,)
        In the order of the file.

    Raises
    ------
    UsageError
        If the ending is not known.
    InputDataError
        If there is no such file or column, or something in it is not a position.
    """
    file = Path(path)
    ending = _ending(file)
    if not file.is_file():
        raise InputDataError(f"There is no file {file}.", "Name a file of positions.")
    try:
        if ending == ".npy":
            found = np.load(file, allow_pickle=False)
        elif ending == ".txt":
            found = np.array([int(line) for line in file.read_text(encoding="utf-8").split()], dtype=np.int64)
        else:
            found = _column(file, ending, column)
    except (ValueError, UnicodeError) as error:
        raise InputDataError(f"{file} holds something that is no position: {error}") from error
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise InputDataError(
            f"{file} holds an array of shape {found.shape} and type {found.dtype}, not a list of positions.",
            "Positions are whole numbers from 0; of a mask: numpy.flatnonzero(mask).",
        )
    if found.size and int(found.min()) < 0:
        raise InputDataError(f"{file} holds the position {int(found.min())}.", "Positions are counted from 0.")
    return found.astype(np.int64)


def _ending(file: Path) -> str:
    ending = file.suffix.lower()
    if ending not in INDEX_FORMATS:
        raise UsageError(
            f"The format of {file} is not known by its ending.",
            f"Files of positions end in {', '.join(INDEX_FORMATS)}.",
        )
    return ending


def _copy(file: Path, columns: dict[str, NDArray[Any]], ending: str) -> None:
    import duckdb

    from db.connect import MEMORY, connect
    from db.sql_arrays import registered

    picked = [f"CAST({name} AS VARCHAR) AS {name}" if name == "example_id" else name for name in columns]
    options = "FORMAT csv, HEADER" if ending == ".csv" else "FORMAT parquet"
    place = str(file).replace("'", "''")
    connection = connect(MEMORY, read_only=False, lock_timeout=0.0)
    try:
        with registered(connection, {"_rows": columns}):
            connection.execute(
                f"COPY (SELECT {', '.join(picked)} FROM _rows ORDER BY rank) TO '{place}' ({options})"
            ).fetchall()
    except duckdb.IOException as error:
        raise OSError(None, str(error).strip().splitlines()[0]) from error
    finally:
        connection.close()


def _column(file: Path, ending: str, column: str) -> NDArray[Any]:
    import duckdb

    from db.connect import MEMORY, connect
    from db.embedding_sql import quoted
    from db.problems import nearest

    source = "read_csv(?, header = true)" if ending == ".csv" else "read_parquet(?)"
    connection = connect(MEMORY, read_only=False, lock_timeout=0.0)
    try:
        names = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {source}", [str(file)]).fetchall()]
        if column not in names:
            raise InputDataError(f"{file} has no column '{column}'.", nearest(column, names))
        found = connection.execute(f"SELECT {quoted(column)} AS v FROM {source}", [str(file)]).fetchnumpy()["v"]
    except duckdb.Error as error:
        raise InputDataError(f"{file} cannot be read: {str(error).strip().splitlines()[0]}") from error
    finally:
        connection.close()
    if np.ma.is_masked(found):
        raise InputDataError(f"Column '{column}' of {file} is empty in row {int(np.flatnonzero(found.mask)[0]) + 1}.")
    return np.asarray(found)
