"""Values of examples and sources in the store, written a shard at a time.

A shard and the mark that it is done are one transaction, so a process that is killed leaves a valuation that can be
gone on with: what is marked is there, once, and what is not marked is not there at all. Only the same data, settings
and seed may go on with it; anything else would be a mixture that no one asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from db.embedding_shards import Shards
from db.example_write import insert_row
from db.sql_arrays import registered
from db.valuation_defs import ValuationDef, find_def, read_def
from db.valuation_rows import PIECE, checked_columns, delete_valuation, insert_values, mark_complete, pieces_of
from scaling.errors import StoreError, UsageError

if TYPE_CHECKING:
    from db.store import Store


class ValuationWriter:
    """A valuation that is being made; from `begin_valuation`.

    Attributes
    ----------
    definition : ValuationDef
        How it is made.
    shards : tuple of (int, int)
        First position and number of items of each shard.
    resumed : bool
        Whether it was begun before.
    """

    def __init__(
        self, store: Store, definition: ValuationDef, shards: Sequence[tuple[int, int]], done: set[int], resumed: bool
    ) -> None:
        self._store = store
        self.definition = definition
        self.shards = tuple(shards)
        self._done = done
        self.resumed = resumed

    @property
    def name(self) -> str:
        """Name of the valuation."""
        return self.definition.name

    @property
    def pending(self) -> tuple[int, ...]:
        """Numbers of the shards that are still to come, in order."""
        return tuple(i for i in range(len(self.shards)) if i not in self._done)

    @property
    def complete(self) -> bool:
        """Whether it was finished before, so that nothing is left to do."""
        return self.definition.complete

    def append(
        self,
        shard: int,
        values: ArrayLike,
        low: ArrayLike | None = None,
        high: ArrayLike | None = None,
        items: Sequence[str] | None = None,
    ) -> bool:
        """Write the values of a shard, in one transaction with the mark that it is done.

        Parameters
        ----------
        shard : int
            Number of the shard.
        values : array_like (n of the shard,)
            The values; NaN and infinite ones are kept as what they are.
        low, high : array_like (n of the shard,), optional
            Ends of the intervals; both or none.
        items : sequence of str, optional
            Names of the sources; examples are named by their positions.

        Returns
        -------
        bool
            False where the shard was written before, with the same values.

        Raises
        ------
        UsageError
            If there is no such shard, the length is another, or other values were written for it before.
        StoreError
            If the disk is full; the shard is then not there at all.
        """
        if not 0 <= shard < len(self.shards):
            raise UsageError(f"The valuation '{self.name}' has no shard {shard}: it has {len(self.shards)}, from 0.")
        first, n = self.shards[shard]
        columns = checked_columns(self.definition, shard, n, values, low, high, items)
        digest = hashlib.sha256()
        for column in columns.values():
            digest.update(column.data if column.dtype != object else repr(column.tolist()).encode())
        with self._store.transaction() as connection:
            rows = connection.execute(
                "SELECT sha256 FROM valuation_shards WHERE valuation_name = ? AND shard = ?", [self.name, shard]
            ).fetchall()
            if not rows:
                raise StoreError(f"The valuation '{self.name}' has gone from the store while it was made.")
            if rows[0][0] is not None:
                if rows[0][0] == digest.hexdigest():
                    return False
                raise UsageError(
                    f"Shard {shard} of the valuation '{self.name}' was written before, with other values.",
                    f"To make it anew, remove it first: scaling rm valuation {self.name}",
                )
            insert_values(connection, self.name, first, columns)
            connection.execute(
                "UPDATE valuation_shards SET sha256 = ?, done_at = now() AT TIME ZONE 'UTC' "
                "WHERE valuation_name = ? AND shard = ?",
                [digest.hexdigest(), self.name, shard],
            ).fetchall()
        self._done.add(shard)
        return True

    def finish(self) -> ValuationDef:
        """Say that it is complete.

        Returns
        -------
        ValuationDef

        Raises
        ------
        UsageError
            If shards are still to come.
        StoreError
            If the store holds more or fewer values than items.
        """
        if self.complete:  # nothing is left to say
            return self.definition
        with self._store.transaction() as connection:
            mark_complete(connection, self.definition)
        self.definition = read_def(self._store, self.name)
        return self.definition


def begin_valuation(
    store: Store,
    definition: ValuationDef,
    *,
    shards: Shards | Sequence[tuple[int, int]] | None = None,
    replace: bool = False,
) -> ValuationWriter:
    """Begin a valuation, or go on with one that was begun with the same data, settings and seed.

    Parameters
    ----------
    store : Store
        A store open for writing.
    definition : ValuationDef
        How it is made.
    shards : Shards or sequence of (int, int), optional
        Pieces that it is made in: those of the embeddings, or first position and number of items of each. By default
        pieces of 2**19 items.
    replace : bool, default False
        Whether another valuation of that name gives way, and one that is complete is made anew. One that was begun
        with the same data, settings and seed is gone on with all the same, so that a command that was killed can be
        given again as it was.

    Returns
    -------
    ValuationWriter
        ``pending`` names the shards that are still to come: none where it is complete already.

    Raises
    ------
    UsageError
        If a valuation of that name rests on something else; says on what. If the shards do not divide the items.
    """
    pieces = pieces_of(definition, shards)
    with store.transaction() as connection:
        old = find_def(store, definition.name)
        if old is not None:
            rows = connection.execute(
                "SELECT first, n, sha256 IS NOT NULL FROM valuation_shards WHERE valuation_name = ? ORDER BY shard",
                [definition.name],
            ).fetchall()
            differences = definition.differences(old)
            if not differences and [(first, n) for first, n, _ in rows] != pieces:
                differences = ["how the items are divided into shards"]
            if not differences and not (old.complete and replace):
                done = {shard for shard, row in enumerate(rows) if row[2]}
                return ValuationWriter(store, old, pieces, done, resumed=True)
            if not replace:
                state = "is there already" if old.complete else "was begun"
                raise UsageError(
                    f"A valuation '{definition.name}' {state}, and something else is asked for now: "
                    f"{'; '.join(differences)}.",
                    f"Choose another name, replace it (replace=True, --replace), or: "
                    f"scaling rm valuation {definition.name}",
                )
            delete_valuation(connection, definition.name)
        insert_row(connection, "valuation_defs", definition.row())
        numbers = np.array(pieces, dtype=np.int64)
        batch = {"shard": np.arange(len(pieces)), "first": numbers[:, 0].copy(), "n": numbers[:, 1].copy()}
        with registered(connection, {"_shards": batch}):
            connection.execute(
                "INSERT INTO valuation_shards (valuation_name, shard, first, n) SELECT ?, shard, first, n FROM _shards",
                [definition.name],
            ).fetchall()
    return ValuationWriter(store, read_def(store, definition.name), pieces, set(), resumed=False)


def save_valuation(
    store: Store,
    definition: ValuationDef,
    values: ArrayLike,
    *,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    items: Sequence[str] | None = None,
    replace: bool = False,
) -> ValuationDef:
    """Save a valuation that is there as a whole, in one transaction.

    Parameters
    ----------
    store : Store
        A store open for writing.
    definition : ValuationDef
        How it was made.
    values, low, high : array_like (n_items,)
        The values, and ends of their intervals.
    items : sequence of str, optional
        Names of the sources.
    replace : bool, default False
        Whether a valuation of that name gives way.

    Returns
    -------
    ValuationDef

    Raises
    ------
    UsageError
        If there is a valuation of that name, or a length differs.
    """
    columns = checked_columns(definition, 0, definition.n_items, values, low, high, items)
    digest = hashlib.sha256(b"".join(c.tobytes() for c in columns.values() if c.dtype != object)).hexdigest()
    with store.transaction() as connection:
        if find_def(store, definition.name) is not None:
            if not replace:
                raise UsageError(
                    f"There is a valuation '{definition.name}' already.",
                    "Choose another name, or replace it (replace=True, --replace).",
                )
            delete_valuation(connection, definition.name)
        insert_row(connection, "valuation_defs", definition.row())
        connection.execute(
            "INSERT INTO valuation_shards VALUES (?, 0, 0, ?, ?, now() AT TIME ZONE 'UTC')",
            [definition.name, definition.n_items, digest],
        ).fetchall()
        for start in range(0, definition.n_items, PIECE):
            part = {name: np.ascontiguousarray(column[start : start + PIECE]) for name, column in columns.items()}
            insert_values(connection, definition.name, start, part)
        mark_complete(connection, definition)
    return read_def(store, definition.name)
