"""What is refused in a table of examples, told by the row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from db.example_files import ExampleFile
from scaling.errors import InputDataError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    import duckdb


def check_ids(connection: duckdb.DuckDBPyConnection, set_name: str, path: str, column: str) -> None:
    """Refuse a set with an example that has no identifier, or one of another."""
    empty = connection.execute(
        "SELECT count(*), min(position) FROM examples WHERE set_name = ? AND example_id = ''", [set_name]
    ).fetchall()
    if empty[0][0]:
        raise InputDataError(
            f"{format_plural(empty[0][0], 'example')} of {path} without an identifier in column '{column}', the first "
            f"in row {empty[0][1] + 1}.",
            "Give every example one, or name no column: then the position is the identifier.",
        )
    [(n, distinct)] = connection.execute(
        "SELECT count(*), count(DISTINCT example_id) FROM examples WHERE set_name = ?", [set_name]
    ).fetchall()
    if n == distinct:
        return
    [(example, first, second)] = connection.execute(
        "SELECT example_id, min(position), list_sort(list(position))[2] AS second FROM examples WHERE set_name = ? "
        "GROUP BY example_id HAVING count(*) > 1 ORDER BY second LIMIT 1",
        [set_name],
    ).fetchall()
    more = "" if n - distinct == 1 else f" ({format_plural(n - distinct, 'row')} in all repeat an identifier)"
    raise InputDataError(
        f"The identifier '{example}' of row {second + 1} of {path} is that of row {first + 1} already{more}.",
        "Every example needs one of its own. Is this one row a checkpoint? Then read its losses in the long form.",
    )


def check_costs(connection: duckdb.DuckDBPyConnection, table: ExampleFile, column: str | None) -> None:
    """Refuse costs that are negative, not finite, or no numbers."""
    if column is None:
        return
    relation, values = table.relation([column])
    rows = connection.execute(
        f"SELECT position, CAST({table.raw(column)} AS VARCHAR) FROM {relation} "
        f"WHERE {table.status(column)} NOT IN ('ok', 'missing') OR {table.number(column)} < 0 "
        "ORDER BY position LIMIT 1",
        values,
    ).fetchall()
    if rows:
        raise InputDataError(
            f"Row {rows[0][0] + 1} of {table.path} costs '{rows[0][1]}' (column '{column}').",
            "A cost is a number that is not negative, such as tokens; leave it empty where it is not known.",
        )


def check_losses(connection: duckdb.DuckDBPyConnection, table: ExampleFile, columns: Sequence[str]) -> None:
    """Refuse losses that are no numbers; NaN and infinite ones are facts, and stay."""
    relation, values = table.relation(columns)
    bad = " OR ".join(f"{table.status(column)} = 'bad'" for column in columns)
    rows = connection.execute(
        f"SELECT position, {', '.join(f'CAST({table.raw(column)} AS VARCHAR)' for column in columns)}, "
        f"{', '.join(table.status(column) for column in columns)} FROM {relation} WHERE {bad} "
        "ORDER BY position LIMIT 1",
        values,
    ).fetchall()
    if rows:
        position, *cells = rows[0]
        k = cells[len(columns) :].index("bad")
        raise InputDataError(
            f"Row {position + 1} of {table.path} has '{cells[k]}' as a loss (column '{columns[k]}').",
            "A loss is a number, nan or inf; leave it empty where it was not logged.",
        )


def referring(connection: duckdb.DuckDBPyConnection, set_name: str) -> list[str]:
    """Names of the valuations and subsets that are made of a set."""
    return [
        row[0]
        for row in connection.execute(
            "SELECT valuation_name FROM valuation_defs WHERE set_name = ? "
            "UNION ALL SELECT subset_name FROM subsets WHERE set_name = ? ORDER BY 1",
            [set_name, set_name],
        ).fetchall()
    ]
