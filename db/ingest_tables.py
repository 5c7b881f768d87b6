"""Tables whose columns a mapping tells: those that are named, and those that lie below directories."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from db.ingest_paths import Advance, Reading, ReadTable, find_sources
from db.readers.run_table import NAME as TABLE
from db.readers.score_tables import NAME as SCORES
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_plural


def ingest_tables(
    paths: Sequence[Path],
    read_table: ReadTable,
    say: Callable[[str], None],
    *,
    beside: Sequence[Path] = (),
    advance: Advance | None = None,
) -> Reading:
    """Read all tables that are named or lie below directories.

    Parameters
    ----------
    paths : sequence of Path
        Tables, and directories of them. Logs in directories are left out: what is known without a mapping needs none.
    read_table : callable
        Reads one table and gives the rows to print.
    say : callable
        Tells people what was left out.
    beside : sequence of Path
        Tables in the directories that others are joined to, and that are none by themselves.
    advance : callable, optional
        Called with the tables that are done and all of them.

    Returns
    -------
    Reading

    Raises
    ------
    InputDataError
        If a table that was named cannot be read, or no table lies below a directory.
    UsageError
        If the mapping cannot be used, or no table has what is asked for.
    """
    out = Reading()
    apart = {path.resolve() for path in beside}
    tables: dict[Path, tuple[Path, bool]] = {}
    n_logs = 0
    for path in paths:
        if not path.is_dir():
            tables[path.resolve()] = path, True
            continue
        found, logs = _below(path, apart, out)
        n_logs += logs
        for table in found:
            tables.setdefault(table.resolve(), (table, False))
    refused: list[UsageError] = []
    for done, (table, named) in enumerate(tables.values(), start=1):
        try:
            out.rows += read_table(table)
        except (InputDataError, UsageError) as error:
            if named:
                raise
            out.failed.append(str(error) if str(table) in error.message else f"{table}: {error}")
            refused += [error] if isinstance(error, UsageError) else []
        if advance:
            advance(done, len(tables))
    if refused and len(refused) == len(tables):
        raise refused[0]  # of the mapping or an option, and of no table
    if n_logs:
        which = "which is a log and is" if n_logs == 1 else "which are logs and are"
        say(f"left out: {format_plural(n_logs, 'source')}, {which} read without a mapping.")
    return out


def _below(directory: Path, apart: set[Path], out: Reading) -> tuple[list[Path], int]:
    """Tables below a directory, and how many logs are there too."""
    sources, unread = find_sources([directory], None)
    out.failed += [str(one) for one in unread if one.known]
    tables = [one.path for one in sources if one.format.NAME in (TABLE, SCORES) and one.path.resolve() not in apart]
    n_logs = sum(one.format.NAME not in (TABLE, SCORES) for one in sources)
    if not tables:
        logs = f"Logs are there ({n_logs}): they are read without a mapping." if n_logs else None
        raise InputDataError(
            f"No table lies below {directory}.", logs or "Tables end in csv, tsv, jsonl, json, parquet."
        )
    return tables, n_logs
