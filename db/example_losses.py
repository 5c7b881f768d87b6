"""Losses of examples that stand in files of their own: one row an example, or one row an example and checkpoint."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db.audit import record
from db.example_checks import check_losses
from db.example_files import ExampleFile, open_example_file, reading
from db.example_read import set_entry
from db.readers.table import file_sha256
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    import duckdb

    from db.store import Store


@dataclass(frozen=True)
class LossesReport:
    """What reading losses did.

    Parameters
    ----------
    status : str
        ``ingested``, ``replaced`` or ``unchanged``.
    set_name, path : str
        The set, and the file.
    roles : tuple of str
        Roles that the file has losses of; each is replaced whole.
    n_losses, n_not_ok : int
        Losses, and how many of them are NaN, infinite or missing.
    n_examples : int
        Examples of the set that got one.
    """

    status: str
    set_name: str
    path: str
    roles: tuple[str, ...]
    n_losses: int
    n_not_ok: int
    n_examples: int

    def __str__(self) -> str:
        losses = f"{format_plural(self.n_losses, 'row')} of losses"
        if self.status == "unchanged":
            return f"{self.path}: unchanged, {losses} of {', '.join(self.roles)} in the set '{self.set_name}' already."
        odd = f", {self.n_not_ok} of them NaN, infinite or missing," if self.n_not_ok else ""
        return (
            f"{self.path}: {losses} of {', '.join(self.roles)}{odd} {self.status} for "
            f"{format_plural(self.n_examples, 'example')} of the set '{self.set_name}'."
        )


def ingest_losses(
    store: Store,
    path: str | Path,
    set_name: str,
    *,
    loss: str = "loss",
    id: str | None = None,  # noqa: A002 - what the column is
    step: str | None = None,
    role: str | None = None,
    role_column: str | None = None,
) -> LossesReport:
    """Read losses in the long form, one row an example, checkpoint and role, into a set that is there.

    Parameters
    ----------
    store : Store
        A store open for writing.
    path : str or Path
        A CSV, TSV, JSON lines or Parquet file.
    set_name : str
        The set; its losses of the same roles are replaced.
    loss : str, default "loss"
        Column of the losses.
    id : str, optional
        Column of the identifiers of the examples; ``example_id`` or ``id`` by default.
    step : str, optional
        Column of the training steps of the checkpoints; ``step`` by default, where there is one.
    role : str, optional
        Role of all losses of the file.
    role_column : str, optional
        Column that says the role; ``role`` by default, where there is one and no role is given.

    Returns
    -------
    LossesReport
        With the status ``unchanged`` where the same file was read in the same way before.

    Raises
    ------
    InputDataError
        If a row names no example of the set, a loss or step is no number, or an example has two losses of one role
        and step. The store is as it was.
    UsageError
        If there is no such set or column, or no role.
    """
    with store.transaction() as connection:
        entry = set_entry(store, set_name)
        table = open_example_file(connection, path)
        columns = _columns(table, id, loss, step, role, role_column)
        read_as = {"sha256": file_sha256(path), **columns}
        columns_json = json.loads(entry["columns"])
        known = columns_json.get("loss_files", {})
        same = sorted(name for name, was in known.items() if was == read_as)
        if same:
            return _report(connection, "unchanged", set_name, table.path, same)
        with reading(path):
            _stage(connection, set_name, table, columns)
        _refuse(connection, set_name, table, columns)
        roles = [row[0] for row in connection.execute("SELECT DISTINCT role FROM _losses ORDER BY 1").fetchall()]
        [(there,)] = connection.execute(
            "SELECT count(*) FROM example_losses WHERE set_name = ? AND role IN (SELECT role FROM _losses)", [set_name]
        ).fetchall()
        connection.execute(
            "DELETE FROM example_losses WHERE set_name = ? AND role IN (SELECT role FROM _losses)", [set_name]
        ).fetchall()
        connection.execute(
            "INSERT INTO example_losses (set_name, position, role, step, value, value_status) "
            "SELECT ?, position, role, step, CASE WHEN status = 'ok' THEN value END, status FROM _losses",
            [set_name],
        ).fetchall()
        connection.execute("DROP TABLE temp._losses").fetchall()
        columns_json["loss_files"] = known | dict.fromkeys(roles, read_as)
        connection.execute(
            "UPDATE example_sets SET columns = ? WHERE set_name = ?", [json.dumps(columns_json), set_name]
        ).fetchall()
        record(connection, "replace" if there else "ingest", "set", set_name, {"losses": table.path, "roles": roles})
        return _report(connection, "replaced" if there else "ingested", set_name, table.path, roles)


def _columns(
    table: ExampleFile, id_: str | None, loss: str, step: str | None, role: str | None, role_column: str | None
) -> dict[str, Any]:
    """Say which column is what, the usual names where nothing is said."""
    if id_ is None:
        id_ = next((name for name in ("example_id", "id") if name in table.types), None)
        if id_ is None:
            raise UsageError(
                f"{table.path} has no column 'example_id' or 'id', so whose losses these are is not known.",
                f"Name the column of the identifiers. There are: {', '.join(table.types)}.",
            )
    if step is None:
        step = "step" if "step" in table.types else None
    if role is not None and role_column is not None:
        raise UsageError("A role is given, and a column of roles beside it.", "Give one of them.")
    if role is None and role_column is None:
        if "role" not in table.types:
            raise UsageError("No role is given, and there is no column of roles.", "Name the model: prior, learner ...")
        role_column = "role"
    for column in (id_, loss, step, role_column):
        if column is not None:
            table.check(column)
    return {"id": id_, "loss": loss, "step": step, "role": role, "role_column": role_column}


def _stage(connection: duckdb.DuckDBPyConnection, set_name: str, table: ExampleFile, columns: dict[str, Any]) -> None:
    """Join the file with the examples of the set, into a temporary table that keeps the rows of the file."""
    id_, loss, step, role_column = (columns[name] for name in ("id", "loss", "step", "role_column"))
    check_losses(connection, table, [loss])
    relation, values = table.relation([name for name in (id_, loss, step, role_column) if name])
    role = table.text(role_column) if role_column else "CAST(? AS VARCHAR)"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE _losses AS SELECT f.row, e.position, f.role, f.step, f.step_text, f.value, "
        f"f.status, f.id FROM (SELECT position AS row, {table.text(id_)} AS id, {role} AS role, "
        f"{f'TRY_CAST({table.number(step)} AS BIGINT)' if step else 'CAST(NULL AS BIGINT)'} AS step, "
        f"{table.text(step) if step else 'NULL'} AS step_text, "
        f"{table.number(loss)} AS value, {table.status(loss)} AS status FROM {relation}) AS f "
        "LEFT JOIN (SELECT example_id, position FROM examples WHERE set_name = ?) AS e ON e.example_id = f.id",
        [*([] if role_column else [columns["role"]]), *values, set_name],
    ).fetchall()


def _refuse(connection: duckdb.DuckDBPyConnection, set_name: str, table: ExampleFile, columns: dict[str, Any]) -> None:
    """Refuse rows of no example, without role or step, and a second loss of one example, role and step."""

    def first(where: str) -> tuple[Any, ...] | None:
        rows = connection.execute(
            f"SELECT row + 1, id, step_text FROM _losses WHERE {where} ORDER BY row LIMIT 1"
        ).fetchall()
        return rows[0] if rows else None

    if not connection.execute("SELECT 1 FROM _losses LIMIT 1").fetchall():
        raise InputDataError(f"{table.path} has no rows.")
    if found := first("position IS NULL"):
        raise InputDataError(
            f"Row {found[0]} of {table.path} is of the example '{found[1]}', which the set '{set_name}' does not have.",
            "Losses belong to examples of the set; read those first, or name another column of identifiers.",
        )
    if found := first("role IS NULL"):
        raise InputDataError(f"Row {found[0]} of {table.path} has no role (column '{columns['role_column']}').")
    if columns["step"] and (found := first("step IS NULL OR step < 0 OR CAST(step AS DOUBLE) <> "
                                           "TRY_CAST(step_text AS DOUBLE)")):  # fmt: skip
        raise InputDataError(
            f"Row {found[0]} of {table.path} has '{found[2]}' as a training step (column '{columns['step']}').",
            "A step is a whole number that is not negative.",
        )
    rows = connection.execute(
        "SELECT id, list_sort(list(row)) AS rows FROM _losses GROUP BY id, position, role, step HAVING count(*) > 1 "
        "ORDER BY rows[2] LIMIT 1"
    ).fetchall()
    if rows:
        (example, (one, two, *_)) = rows[0]
        raise InputDataError(
            f"Row {two + 1} of {table.path} is a second loss of the example '{example}' in the same role and step as "
            f"row {one + 1}.",
            "Name the column of the training steps, or of the roles, that tells them apart.",
        )


def _report(
    connection: duckdb.DuckDBPyConnection, status: str, set_name: str, path: str, roles: list[str]
) -> LossesReport:
    [(n, odd, examples)] = connection.execute(
        "SELECT count(*), count(*) FILTER (value_status <> 'ok'), count(DISTINCT position) FROM example_losses "
        "WHERE set_name = ? AND list_contains(CAST(? AS VARCHAR[]), role)",
        [set_name, roles],
    ).fetchall()
    return LossesReport(status, set_name, path, tuple(roles), n, odd, examples)
