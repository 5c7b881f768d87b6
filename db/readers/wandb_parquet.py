"""Histories of W&B runs in Parquet: a part of the rows at a time, columns as arrays."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from db.readers.complaints import Complaints
from db.readers.found import NO_STEP, Found, Note, RunFound, Values
from db.readers.parquet_index import check_index, literally
from db.readers.wandb_rows import KNOWN_AXES, OWN, STEP, sampled
from scaling.errors import ReadError

if TYPE_CHECKING:
    import duckdb

MAGIC = b"PAR1"
_FOOTER = 2**22
_VALUES = 1_000_000  # that are held at a time
_VECTOR = 2048
_NUMBERS = (
    "DOUBLE", "FLOAT", "BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UBIGINT", "UINTEGER", "USMALLINT", "UTINYINT",
    "HUGEINT", "UHUGEINT", "DECIMAL",
)  # fmt: skip

#: Of columns that may tell runs apart.
_NAMES = ("VARCHAR", *(kind for kind in _NUMBERS if "INT" in kind))

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def footer(path: Path) -> bytes:
    """The end of a Parquet file, where the names of its columns stand; no more than a few MiB of it."""
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - 8))
        length = int.from_bytes(stream.read(4), "little")
        stream.seek(max(0, size - 8 - min(length, _FOOTER)))
        return stream.read(_FOOTER)


def read_parquet(path: Path, run_columns: Sequence[str]) -> Iterator[Found]:
    """Read a history.

    Parameters
    ----------
    path : Path
        The file.
    run_columns : sequence of str
        Columns that may tell runs apart; the first that holds texts or whole numbers does.

    Yields
    ------
    Found

    Raises
    ------
    ReadError
        If it cannot be read, or has no steps.
    """
    import duckdb

    check_index(path)
    settings: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False, "autoload_known_extensions": False, "python_enable_replacements": False,
    }  # fmt: skip
    try:
        with duckdb.connect(":memory:", config=settings) as connection:
            yield from _read(connection, path, run_columns)
    except duckdb.Error as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ReadError(str(path), f"it cannot be read as Parquet: {why}", "its columns", "Write it again.") from error


def _read(connection: duckdb.DuckDBPyConnection, path: Path, run_columns: Sequence[str]) -> Iterator[Found]:
    name = literally(path)
    columns = connection.execute("DESCRIBE SELECT * FROM read_parquet([?])", [name]).fetchall()
    kinds = {str(column): str(kind) for column, kind, *_ in columns}
    numeric = [column for column, kind in kinds.items() if kind.startswith(_NUMBERS) and not kind.endswith("]")]
    if STEP not in numeric:
        raise ReadError(str(path), f"it has no column '{STEP}' of numbers", "its columns")
    run_column = next((column for column in run_columns if kinds.get(column) in _NAMES), None)
    metrics = [column for column in numeric if column not in (*OWN, run_column)]
    axis = next((column for column in KNOWN_AXES if column in metrics), None)
    asked = [f"coalesce(CAST({_quoted(run_column)} AS VARCHAR), '')" if run_column else "''"]
    for column in (STEP, *metrics):
        asked += [f"CAST({_quoted(column)} AS DOUBLE)", f"{_quoted(column)} IS NULL"]
    numbered = ", ".join(f"{part} AS c{place}" for place, part in enumerate(asked))
    connection.execute(f"SELECT {numbered} FROM read_parquet([?])", [name])
    history = _History(str(path), metrics, axis)
    vectors = max(1, _VALUES // len(asked) // _VECTOR)
    while len(frame := connection.fetch_df_chunk(vectors)):
        arrays = [frame[f"c{place}"].to_numpy() for place in range(len(asked))]
        yield from history.take(arrays)
    left = sorted(set(kinds) - set(numeric) - OWN - {run_column})
    if left:
        more = f" and {len(left) - 40} more" if len(left) > 40 else ""
        yield Note(f"{path}: left out, as they are no numbers: {', '.join(left[:40])}{more}.")
    yield from history.end()


class _History:
    """Rows in parts, of one run or several."""

    def __init__(self, file: str, metrics: list[str], axis: str | None) -> None:
        self._file, self._metrics, self._axis = file, metrics, axis
        self._complaints = Complaints(file)
        self._last: dict[str, float] = {}
        self._met: dict[str, int] = {}
        self._n_rows = 0

    def take(self, arrays: list[Any]) -> Iterator[Found]:
        """Take rows: names of runs, steps, and metrics, numbers and whether they are missing."""
        names, inverse = np.unique(arrays[0].astype(object), return_inverse=True)
        order = np.argsort(inverse, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(inverse[order])) + 1)
        for name, rows in zip(names.tolist(), parts, strict=True):
            run = str(name)
            if run not in self._met:
                yield RunFound(run, name=run or None)
            self._met[run] = self._met.get(run, 0) + len(rows)
            step, usable = self._steps(run, rows, arrays)
            for place, metric in enumerate(self._metrics):
                value, null = arrays[3 + 2 * place][rows], arrays[4 + 2 * place][rows]
                kept = usable & ~null.astype(bool)
                if kept.any():
                    yield Values(run, metric, step[kept], np.asarray(value[kept], np.float64))
        self._n_rows += len(arrays[0])
        yield from self._complaints.take()

    def _steps(self, run: str, rows: NDArray[np.intp], arrays: list[Any]) -> tuple[NDArray[np.int64], Flags]:
        own, usable = self._whole(arrays[1][rows], arrays[2][rows].astype(bool), rows, STEP)
        if self._axis is None:
            return own, usable
        place = self._metrics.index(self._axis)
        value, null = arrays[3 + 2 * place][rows], arrays[4 + 2 * place][rows].astype(bool)
        at = np.maximum.accumulate(np.where(null, -1, np.arange(len(rows))))
        before = self._last.get(run)
        filled = np.where(at >= 0, value[np.maximum(at, 0)], np.nan if before is None else before)
        if at[-1] >= 0 or before is not None:
            self._last[run] = float(filled[-1])
        unknown = (at < 0) & (before is None)
        step, whole = self._whole(filled, unknown, rows, self._axis, missing_is_bad=False)
        step[unknown] = NO_STEP
        return step, usable & (whole | unknown)

    def _whole(
        self, value: Floats, null: Flags, rows: NDArray[np.intp], name: str, *, missing_is_bad: bool = True
    ) -> tuple[NDArray[np.int64], Flags]:
        with np.errstate(invalid="ignore"):
            whole = ~null & (value >= 0) & (value < 2**63) & (np.floor(value) == value)
        for row in np.flatnonzero(~whole & (missing_is_bad | ~null)).tolist():
            shown = None if null[row] else value[row]
            self._complaints.add(
                self._n_rows + int(rows[row]) + 1, name, shown, "a step is no whole number from 0 on", "row"
            )
        return np.where(whole, value, NO_STEP).astype(np.int64), whole

    def end(self) -> Iterator[Found]:
        """Say what is to be said of the whole."""
        yield from self._complaints.rest()
        if self._axis is not None:
            yield Note(
                f"{self._file}: steps are those of '{self._axis}', which counts training steps; W&B's own step counts "
                "the calls that logged."
            )
        yield from sampled(self._file, self._met)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
