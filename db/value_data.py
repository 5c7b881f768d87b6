"""What a command that values data reads: embeddings of a file, a folder, or a set or table of the store."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from db.embedding_files import Shard, Shards, open_embeddings
from db.example_read import ExampleSet, open_set, read_examples, set_entry
from scaling.errors import InputDataError, ScalingError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from db.store import Store

_COUNTED = 1 << 21  # rows among which duplicates are counted


@dataclass(frozen=True)
class Data:
    """Examples that are scored, chosen or valued.

    Parameters
    ----------
    name : str
        As they were named: a file, a folder, or a set.
    set_name : str or None
        The set of the store, where they are one.
    n : int
        Examples.
    store : Store or None
        Where the set is.
    shards : Shards or None
        The embeddings; None for a set that has none.
    """

    name: str
    set_name: str | None
    n: int
    store: Store | None
    shards: Shards | None

    @property
    def rows(self) -> Shards:
        """Give the embeddings; raises `UsageError` where there are none."""
        if self.shards is None:
            assert self.store is not None
            return open_set(self.store, str(self.set_name))
        return self.shards

    @cached_property
    def examples(self) -> ExampleSet | None:
        """Labels, groups and costs of a set; None for a file."""
        return None if self.set_name is None or self.store is None else read_examples(self.store, self.set_name)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of what is read: of the embeddings, or of the table of a set without."""
        if self.set_name is not None and self.store is not None:
            entry = set_entry(self.store, self.set_name)
            return str(entry["embeddings_sha256"] or entry["source_sha256"])
        return self.rows.fingerprint()[0]

    def to_dict(self) -> dict[str, Any]:
        """Say which data, as plain data."""
        shards = self.shards
        return {
            "data": self.name,
            "set_name": self.set_name,
            "embeddings": None if shards is None else shards.uri,
            "embeddings_format": None if shards is None else shards.format,
            "embeddings_columns": None if shards is None or shards.columns is None else list(shards.columns),
            "dtype": None if shards is None else str(shards.dtype),
            "n": self.n,
            "m": None if shards is None else shards.m,
        }


@contextmanager
def store_for(db: str, named: Sequence[str | None], *, write: bool) -> Iterator[Store | None]:
    """Open the store where it is written to, or where something that is named is no file; None otherwise.

    Parameters
    ----------
    db : str
        The store.
    named : sequence of str or None
        What may be a file, or a name in the store.
    write : bool
        Whether something is saved.

    Yields
    ------
    Store or None
    """
    from db.store import Store

    if write:
        fresh, empty = not Path(db).exists(), False
        try:
            with Store(db) as store:
                try:
                    yield store
                except ScalingError:
                    empty = fresh and not _holds_anything(store)
                    raise
        finally:
            if empty:  # what failed leaves no store where there was none
                Path(db).unlink(missing_ok=True)
    elif any(name is not None and not Path(name).exists() for name in named) and Path(db).exists():
        with Store(db, read_only=True) as store:
            yield store
    else:
        yield None


def open_data(
    store: Store | None, source: str, *, columns: Sequence[str] | None = None, shard_rows: int | None = None,
    embeddings: bool = True,
) -> Data:  # fmt: skip
    """Find data by their name.

    Parameters
    ----------
    store : Store or None
        Where a set may be.
    source : str
        A ``.npy`` or Parquet file, a folder of either, or a set or table of the store.
    columns : sequence of str, optional
        Columns of Parquet files and tables that hold the embeddings.
    shard_rows : int, optional
        Rows of a shard at most.
    embeddings : bool, default True
        Whether a set has to have embeddings.

    Returns
    -------
    Data

    Raises
    ------
    InputDataError
        If there is nothing of that name, or it cannot be read.
    UsageError
        If a set has no embeddings, or the name is both a file and a set.
    """
    picked = list(columns) if columns else None
    if store is not None and not Path(source).exists():
        _, rows = store.query("SELECT n_examples, embeddings_uri FROM example_sets WHERE set_name = ?", [source])
        if rows:
            has = rows[0][1] is not None
            shards = open_set(store, source, shard_rows=shard_rows) if has or embeddings else None
            return Data(source, source, int(rows[0][0]), store, shards)
    found = open_embeddings(source, store=store, columns=picked, shard_rows=shard_rows)
    return Data(source, None, found.n, store, found)


@contextmanager
def naming(data: Data) -> Iterator[None]:
    """Call the data by their name in errors that know them as X, or by the number of a shard."""
    try:
        yield
    except InputDataError as error:
        said = re.sub(r"(?<![\w./-])X(?![\w/-]|\.\w)", lambda _: data.name, error.message)
        if data.shards is not None:
            places = [place_of(shard) for shard in data.shards.shards]
            said = re.sub(r"\bshard (\d+)\b", lambda found: places[int(found[1])], said)
        raise InputDataError(said, error.hint) from error


def place_of(shard: Shard) -> str:
    """Say where a shard is, so that rows can be counted from its start."""
    return shard.source if shard.start == 0 else f"{shard.source} from row {shard.start} on"


def read_table(store: Store | None, source: str, *, columns: Sequence[str] | None = None) -> NDArray[Any]:
    """Read embeddings, or any other matrix, that an option names."""
    return open_data(store, source, columns=columns).rows.array()


def digest(*parts: Any) -> str:
    """Hash texts and arrays, hex; None counts as nothing."""
    made = hashlib.sha256()
    for part in parts:
        if part is None:
            made.update(b"none")
        elif isinstance(part, np.ndarray) and part.dtype != object:
            made.update(f"{part.dtype}{part.shape}".encode())
            made.update(np.ascontiguousarray(part).data)
        else:
            made.update(repr(part.tolist() if isinstance(part, np.ndarray) else part).encode())
    return made.hexdigest()


def _holds_anything(store: Store) -> bool:
    tables = ("example_sets", "valuation_defs", "subsets")
    _, rows = store.query(" UNION ALL ".join(f"SELECT count(*) FROM {table}" for table in tables))
    return any(count for (count,) in rows)


def duplicates(rows: ArrayLike) -> int | None:
    """Count rows that another one before them equals; None where there are too many to look at."""
    table = np.asarray(rows)
    if len(table) > _COUNTED:
        return None
    return len(table) - len({hash(row.tobytes()) for row in table})


def duplicates_note(rows: ArrayLike, name: str) -> list[str]:
    """Say how many rows are duplicates, where there are any."""
    count = duplicates(rows)
    return [f"{format_plural(count, 'row')} of {name} equal to an earlier one: duplicates"] if count else []
