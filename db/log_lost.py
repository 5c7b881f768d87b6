"""Values that a log had when it was read before, and has no more: it was cut, or is written from its start again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from db.sql_arrays import registered, texts
from scaling.formatting import format_whole

if TYPE_CHECKING:
    import duckdb

    from db.log_known import Writing

_SHOWN = 5


def values_lost(one: Writing, before: Mapping[str, int]) -> str | None:
    """Say which runs of a source have fewer values than before, if any have.

    Parameters
    ----------
    one : Writing
        The source, as it was read.
    before : mapping of str to int
        Values that the store had, by run.

    Returns
    -------
    str or None
    """
    fewer = []
    for key, run in one.read.runs.items():
        now = run.counts.n_values if run.counts else 0
        was = before.get(one.names[key], 0)
        if now < was:
            fewer.append(f"'{one.names[key]}' {format_whole(now)} of {format_whole(was)}")
    if not fewer:
        return None
    more = f" and {len(fewer) - _SHOWN} more runs" if len(fewer) > _SHOWN else ""
    return f"Fewer values than when it was read before: {', '.join(fewer[:_SHOWN])}{more}."


def count_values(connection: duckdb.DuckDBPyConnection, run_ids: set[str]) -> dict[str, int]:
    """How many values the store has of runs."""
    if not run_ids:
        return {}
    with registered(connection, {"_asked": {"run_id": texts(sorted(run_ids))}}):
        return dict(
            connection.execute(
                "SELECT run_id, count(*) FROM metrics WHERE run_id IN (SELECT run_id FROM _asked) GROUP BY 1"
            ).fetchall()
        )
