"""Writing a set of examples into the store, inside one transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from db.embedding_shards import Shards
from db.example_checks import check_costs, check_ids, check_losses, referring
from db.example_files import ExampleFile
from scaling.errors import InputDataError

if TYPE_CHECKING:
    import duckdb


def former(connection: duckdb.DuckDBPyConnection, entry: dict[str, Any]) -> str | None:
    """What is there under the name: nothing, the same, an earlier state of the same files, or another."""
    kept = ("source_sha256", "embeddings_sha256", "embeddings_columns", "columns", "source_uri", "embeddings_uri")
    rows = connection.execute(
        f"SELECT {', '.join(kept)} FROM example_sets WHERE set_name = ?", [entry["set_name"]]
    ).fetchall()
    if not rows:
        return None
    was = dict(zip(kept, rows[0], strict=True))
    columns = {key: value for key, value in json.loads(was.pop("columns")).items() if key != "loss_files"}
    uris = {key: was.pop(key) for key in ("source_uri", "embeddings_uri")}
    if columns == json.loads(entry["columns"]) and all(was[key] == entry[key] for key in was):
        return "unchanged"
    place = "source_uri" if entry["source_uri"] else "embeddings_uri"
    return "earlier" if uris[place] == entry[place] else "other"


def take_away(connection: duckdb.DuckDBPyConnection, set_name: str) -> tuple[str, ...]:
    """Delete a set that is replaced; gives what that leaves behind."""
    kept = referring(connection, set_name)
    [(text,)] = connection.execute("SELECT columns FROM example_sets WHERE set_name = ?", [set_name]).fetchall()
    delete_set(connection, set_name)
    warnings = [f"Made of the set as it was before, by position: {', '.join(kept)}."] if kept else []
    gone = sorted({name.partition("@")[0] for name in json.loads(text).get("loss_files", {})})
    warnings += [f"Losses that came from files of their own have gone: {', '.join(gone)}."] if gone else []
    return tuple(warnings)


def delete_set(connection: duckdb.DuckDBPyConnection, set_name: str) -> None:
    """Delete the rows of a set, inside a transaction."""
    for name in ("example_losses", "examples", "example_sets"):
        connection.execute(f"DELETE FROM {name} WHERE set_name = ?", [set_name]).fetchall()


def insert_examples(
    connection: duckdb.DuckDBPyConnection, set_name: str, table: ExampleFile | None, columns: dict[str, Any],
    shards: Shards | None,
) -> int:  # fmt: skip
    """Write the examples of a table, or of embeddings alone; gives how many."""
    if table is None:
        n = 0 if shards is None else shards.n
        connection.execute(
            "INSERT INTO examples (set_name, position, example_id) "
            "SELECT ?, i, CAST(i AS VARCHAR) FROM range(?) AS t(i)",
            [set_name, n],
        ).fetchall()
        return n
    id_, label, group, cost = (columns[name] for name in ("id", "label", "group", "cost"))
    relation, values = table.relation([column for column in (id_, label, group, cost) if column])
    check_costs(connection, table, cost)
    ids = table.text(id_) if id_ else "CAST(position AS VARCHAR)"
    connection.execute(
        "INSERT INTO examples (set_name, position, example_id, label, grp, cost) SELECT ?, position, "
        f"coalesce({ids}, ''), {table.text(label) if label else 'NULL'}, {table.text(group) if group else 'NULL'}, "
        f"{table.number(cost) if cost else 'NULL'} FROM {relation}",
        [set_name, *values],
    ).fetchall()
    [(n,)] = connection.execute("SELECT count(*) FROM examples WHERE set_name = ?", [set_name]).fetchall()
    if n == 0:
        raise InputDataError(f"{table.path} has no rows.")
    if id_:
        check_ids(connection, set_name, table.path, id_)
    return int(n)


def insert_losses(
    connection: duckdb.DuckDBPyConnection, set_name: str, table: ExampleFile, logged: Sequence[dict[str, Any]]
) -> None:
    """Write the losses that stand in columns of the table itself."""
    if not logged:
        return
    check_losses(connection, table, [entry["column"] for entry in logged])
    relation, values = table.relation([entry["column"] for entry in logged])
    cells = ", ".join(
        f"{{'role': ?, 'step': CAST(? AS BIGINT), 'value': {table.number(entry['column'])}, "
        f"'status': {table.status(entry['column'])}}}"
        for entry in logged
    )
    names = [value for entry in logged for value in (entry["role"], entry["step"])]
    connection.execute(
        "INSERT INTO example_losses (set_name, position, role, step, value, value_status) "
        "SELECT ?, position, c.role, c.step, CASE WHEN c.status = 'ok' THEN c.value END, c.status "
        f"FROM (SELECT position, unnest([{cells}]) AS c FROM {relation})",
        [set_name, *names, *values],
    ).fetchall()


def insert_row(connection: duckdb.DuckDBPyConnection, table: str, row: dict[str, Any]) -> None:
    """Write a row by the names of its columns, with the time."""
    marks = ", ".join("?" for _ in row)
    connection.execute(
        f"INSERT INTO {table} ({', '.join(row)}, created_at) VALUES ({marks}, now() AT TIME ZONE 'UTC')",
        list(row.values()),
    ).fetchall()
