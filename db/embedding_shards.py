"""Embeddings in shards that fit in memory, whatever they are stored in.

A shard is a piece of a file, never more than one: a file of ten million rows is read, scored and resumed a piece at a
time, and a folder of small files one file at a time. The pieces depend on the files alone, so that work on them can be
taken up again later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from db.embedding_npy import NpyPart
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_plural

Rows = NDArray[Any]
_PIECE = 1 << 25  # values of a shard at most: 128 MiB of float32
_CHECKED = 1 << 22  # values looked at at a time
_WHOLE = 1 << 30  # bytes of all files up to which every byte is hashed
_PLACES, _PLACE = 64, 1 << 16  # of larger files: this many places of this many bytes, and 16 places at either end


class Part(Protocol):
    """One file or table of embeddings: its name, its size, and its rows in pieces."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def n(self) -> int: ...  # noqa: D102
    @property
    def m(self) -> int: ...  # noqa: D102
    @property
    def dtype(self) -> np.dtype[Any]: ...  # noqa: D102
    def read(self, start: int, stop: int) -> Rows:  # noqa: D102
        ...
    def gather(self, rows: NDArray[np.int64]) -> Rows:  # noqa: D102
        ...


@dataclass(frozen=True)
class Shard:
    """A piece of a file of embeddings.

    Parameters
    ----------
    index : int
        Number of the shard, from 0.
    first : int
        Number of its first row among all rows, from 0.
    n : int
        Rows in it.
    source : str
        The file, or table.
    start : int
        Number of its first row in that file.
    """

    index: int
    first: int
    n: int
    source: str
    start: int


class Shards:
    """Embeddings that are read a piece at a time; made by `open_embeddings`.

    Parameters
    ----------
    parts : sequence of Part
        Files or tables, in order.
    uri, format : str
        Where they are, and ``npy``, ``parquet`` or ``table``.
    columns : tuple of str or None
        Columns that hold them; None for ``npy``.
    shard_rows : int or None
        Rows of a shard at most; by default as many as have 2**25 values.

    Attributes
    ----------
    n, m : int
        Rows, and columns.
    dtype : numpy.dtype
        Type of the values as they are stored, the widest where files differ.
    shards : tuple of Shard
        The pieces, in order.
    """

    def __init__(
        self, parts: Sequence[Part], uri: str, format_: str, columns: tuple[str, ...] | None, shard_rows: int | None
    ) -> None:
        self._parts = tuple(parts)
        self.uri, self.format, self.columns = uri, format_, columns
        self.n = sum(part.n for part in parts)
        self.m = parts[0].m
        self.dtype = np.result_type(*(part.dtype for part in parts))
        step = shard_rows or max(1, _PIECE // self.m)
        made: list[tuple[Shard, Part]] = []
        first = 0
        for part in parts:
            for start in range(0, part.n, step):
                made.append((Shard(len(made), first, min(step, part.n - start), part.name, start), part))
                first += made[-1][0].n
        self.shards = tuple(shard for shard, _ in made)
        self._of = [part for _, part in made]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.n, self.m

    @property
    def nbytes(self) -> int:
        """Bytes that `array` would have."""
        return self.n * self.m * int(self.dtype.itemsize)

    def __len__(self) -> int:
        return len(self.shards)

    def __repr__(self) -> str:
        return (
            f"Shards({self.uri!r}: {format_plural(self.n, 'row')} of {self.m} x {self.dtype}, "
            f"{format_plural(len(self.shards), 'shard')})"
        )

    def __iter__(self) -> Iterator[Rows]:
        return (self.rows(index) for index in range(len(self.shards)))

    def rows(self, index: int, *, check: bool = True) -> Rows:
        """Read a shard.

        Parameters
        ----------
        index : int
            Number of the shard.
        check : bool, default True
            Whether a value that is not finite is refused.

        Returns
        -------
        ndarray (n of the shard, m)
            In memory of its own.

        Raises
        ------
        InputDataError
            If a value is NaN or infinite, or missing; names the file and the row.
        """
        shard = self.shards[index]
        rows = self._of[index].read(shard.start, shard.start + shard.n)
        if check:
            _refuse_non_finite(rows, shard.source, shard.start, shard.first)
        return rows

    def gather(self, indices: ArrayLike) -> Rows:
        """Read rows by their numbers among all rows, in any order, repeated or not.

        Parameters
        ----------
        indices : array_like of int (k,)
            Numbers of rows, from 0.

        Returns
        -------
        ndarray (k, m)

        Raises
        ------
        UsageError
            If there is no such row.
        InputDataError
            If a value is NaN or infinite.
        """
        wanted = np.asarray(indices, dtype=np.int64).ravel()
        rows, inverse = np.unique(wanted, return_inverse=True)
        if rows.size and (rows[0] < 0 or rows[-1] >= self.n):
            outside = rows[0] if rows[0] < 0 else rows[-1]
            raise UsageError(f"There is no row {outside} in {self.uri}: it has {format_plural(self.n, 'row')}, from 0.")
        found = np.empty((rows.size, self.m), self.dtype)
        first = 0
        for part in self._parts:
            low, high = np.searchsorted(rows, [first, first + part.n])
            if high > low:
                found[low:high] = part.gather(rows[low:high] - first)
            first += part.n
        bad = np.flatnonzero(~np.isfinite(found).all(axis=1))
        if bad.size:
            raise InputDataError(f"Row {rows[bad[0]]} of {self.uri} holds NaN or infinite values.", _hint(self.dtype))
        return found[inverse]

    def array(self, *, check: bool = True) -> Rows:
        """Give all rows as one array: mapped where they are one ``.npy`` file, otherwise in memory.

        Parameters
        ----------
        check : bool, default True
            Whether a value that is not finite is refused.

        Returns
        -------
        ndarray (n, m)

        Raises
        ------
        InputDataError
            As for `rows`.
        """
        one = self._parts[0]
        if len(self._parts) == 1 and isinstance(one, NpyPart):
            mapped = one.mapped()
            if check:
                _refuse_non_finite(mapped, one.name, 0, 0)
            return mapped
        made = np.empty(self.shape, self.dtype)
        for shard in self.shards:
            made[shard.first : shard.first + shard.n] = self.rows(shard.index, check=check)
        return made

    def fingerprint(self) -> tuple[str, str]:
        """Hash what the rows are.

        Returns
        -------
        sha256 : str
            Hex.
        of : str
            ``bytes``: names and bytes of all files, 1 GiB together at most; ``sample``: names, sizes and 96 places of
            64 KiB of each file, ends included; ``rows``: all rows of a table.
        """
        digest = hashlib.sha256()
        if self.format == "table":
            for index in range(len(self.shards)):
                digest.update(np.ascontiguousarray(self.rows(index, check=False)).data)
            return digest.hexdigest(), "rows"
        files = [Path(part.name) for part in self._parts]
        whole = sum(file.stat().st_size for file in files) <= _WHOLE
        digest.update(repr(self.columns).encode())
        for file in files:
            size = file.stat().st_size
            digest.update(f"{file.name}\0{size}\0".encode())
            with file.open("rb") as stream:
                if whole:
                    digest.update(hashlib.file_digest(stream, "sha256").digest())
                    continue
                for place in _places(size):
                    stream.seek(place)
                    digest.update(stream.read(_PLACE))
        return digest.hexdigest(), "bytes" if whole else "sample"


def _places(size: int) -> list[int]:
    """Offsets that a hash of a sample reads: 16 blocks at either end, 64 spread between."""
    last = max(0, size - _PLACE)
    ends = [min(last, place * _PLACE) for place in range(16)] + [max(0, last - place * _PLACE) for place in range(16)]
    return sorted({*ends, *(last * place // (_PLACES + 1) for place in range(1, _PLACES + 1))})


def _hint(dtype: np.dtype[Any]) -> str:
    if dtype == np.float16:
        return "float16 ends at 65504: write the embeddings as float32, or embed the example again."
    return "Leave the example out, or embed it again."


def _refuse_non_finite(rows: Rows, source: str, start: int, first: int) -> None:
    if rows.dtype.kind != "f":
        return
    step = max(1, _CHECKED // rows.shape[1])
    for at in range(0, len(rows), step):
        block = rows[at : at + step]
        if np.isfinite(block).all():
            continue
        bad = ~np.isfinite(block)
        where = np.flatnonzero(bad.any(axis=1))
        row, column = int(where[0]), int(np.flatnonzero(bad[where[0]])[0])
        among = "" if start == first else f" ({first + at + row} of all)"
        raise InputDataError(
            f"{source}: row {start + at + row}{among} is {block[row, column]} in column {column}, counted from 0; "
            f"{format_plural(where.size, 'such row')} in the {format_plural(len(block), 'row')} from there.",
            _hint(rows.dtype),
        )
