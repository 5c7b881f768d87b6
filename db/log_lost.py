"""What sources lose: values that a log had and has no more, and runs and scores that another source takes over."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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


def note_losses(connection: duckdb.DuckDBPyConnection, batch: Sequence[Writing]) -> None:
    """Take note of what other sources lose to those of a batch, inside a transaction, once all of them are there.

    A source that has lost runs is whole without them. It need not be read for them again, and would take them back.
    """
    lost: dict[str, tuple[set[str], set[str]]] = {}
    for one in batch:
        for source_id, (runs, scores) in one.lost.items():
            before = lost.setdefault(source_id, (set(), set()))
            before[0].update(runs)
            before[1].update(scores)
    for source_id, (runs, scores) in lost.items():
        found = connection.execute(
            "SELECT coalesce(lost_runs, '[]'), coalesce(lost_scores, '[]') FROM sources WHERE source_id = ?",
            [source_id],
        ).fetchall()
        for lost_runs, lost_scores in found:
            connection.execute(
                "UPDATE sources SET lost_runs = ?, lost_scores = ? WHERE source_id = ?",
                [
                    json.dumps(sorted(runs.union(json.loads(lost_runs)))),
                    json.dumps(sorted(scores.union(json.loads(lost_scores)))),
                    source_id,
                ],
            ).fetchall()
