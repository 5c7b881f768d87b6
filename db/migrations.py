"""The schema's history: ordered, named steps, each in one transaction with the record that it was taken.

A released migration never changes. A new schema is a new entry at the end of `MIGRATIONS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from db.views import refresh_views
from scaling.errors import StoreError

if TYPE_CHECKING:
    import duckdb

_VERSION_TABLE = """
CREATE SCHEMA meta;
CREATE TABLE meta.schema_version (
    version         INTEGER PRIMARY KEY,
    name            VARCHAR NOT NULL,
    applied_at      TIMESTAMP NOT NULL,
    package_version VARCHAR NOT NULL
);
COMMENT ON TABLE meta.schema_version IS 'Migrations that were applied: one row a migration';
COMMENT ON COLUMN meta.schema_version.version IS 'Version of the schema after the migration, from 1';
COMMENT ON COLUMN meta.schema_version.name IS 'Name of the migration';
COMMENT ON COLUMN meta.schema_version.applied_at IS 'When it was applied, UTC';
COMMENT ON COLUMN meta.schema_version.package_version IS 'Version of the package that applied it';
"""


@dataclass(frozen=True)
class Migration:
    """One step of the schema.

    Parameters
    ----------
    version : int
        Version of the schema after it.
    name : str
        What it does, in a few words.
    apply : callable
        Takes the open connection; runs inside a transaction.
    """

    version: int
    name: str
    apply: Callable[[duckdb.DuckDBPyConnection], None]


def _first_schema(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(_VERSION_TABLE).fetchall()
    sql = resources.files("db").joinpath("schema.sql").read_text(encoding="utf-8")
    connection.execute(sql).fetchall()


# A forecast knows which runs it may be held against, even after its fit has gone, and what scored it when.
_SCORED_FORECASTS = """
ALTER TABLE predictions ADD COLUMN kind VARCHAR DEFAULT 'forecast';
ALTER TABLE predictions ADD COLUMN cut DOUBLE;
ALTER TABLE predictions ADD COLUMN selection JSON;
ALTER TABLE predictions ADD COLUMN scored_at TIMESTAMP;
COMMENT ON COLUMN predictions.kind IS 'forecast: of a run to come; backtest: of a run of the data that was held out';
COMMENT ON COLUMN predictions.cut IS 'Of a back-test: largest compute (or other axis) fitted, unit: FLOP, or its own';
COMMENT ON COLUMN predictions.selection IS 'Which runs the forecast may be held against: law, conditions and group';
COMMENT ON COLUMN predictions.scored_at IS 'When the observation was found, UTC';
CREATE TABLE fit_rows (
    fit_id VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL
);
COMMENT ON TABLE fit_rows IS 'Runs behind each fit: one row a fit and run';
COMMENT ON COLUMN fit_rows.fit_id IS 'The fit (fits.fit_id); kept for as long as its forecasts are';
COMMENT ON COLUMN fit_rows.run_id IS 'The run, as it was called then (runs.run_id)';
"""


def _scored_forecasts(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(_SCORED_FORECASTS).fetchall()


# A source says when it was last read, so a log that is read again would make all its runs new. When a run of an older
# store was first met is not known; it was there at the time of any fit or back-test that names it.
_FIRST_MET = """
CREATE TABLE known_runs (
    run_id       VARCHAR PRIMARY KEY,
    first_met_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE known_runs IS 'Runs that the store ever met: one row a run, kept when it is replaced or removed';
COMMENT ON COLUMN known_runs.run_id IS 'The run (runs.run_id)';
COMMENT ON COLUMN known_runs.first_met_at IS 'When it was first read in, UTC; before version 3: known by then';
INSERT INTO known_runs
SELECT run_id, min(met_at) FROM (
    SELECT r.run_id, s.imported_at AS met_at FROM runs AS r JOIN sources AS s USING (source_id)
    UNION ALL
    SELECT f.run_id, a.happened_at FROM fit_rows AS f JOIN audit AS a ON a.object_id = f.fit_id AND a.event = 'fit'
    UNION ALL
    SELECT run_id, created_at FROM fits, unnest(json_extract_string(excluded, '$.rows[*].run_id')) AS left_out(run_id)
    UNION ALL
    SELECT run_id, created_at FROM predictions WHERE kind = 'backtest' AND run_id IS NOT NULL
)
GROUP BY run_id;
"""


def _first_met(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(_FIRST_MET).fetchall()


def _scores(connection: duckdb.DuckDBPyConnection) -> None:
    """Models and scores; no release ever wrote to the tables that stood for them, but somebody may have by hand."""
    by_hand = {
        "models": "INSERT INTO models BY NAME SELECT 'by hand' AS source_id, model_id AS name, * FROM old_models",
        "evals": "INSERT INTO evals BY NAME "
        "SELECT * REPLACE (coalesce(source_id, 'by hand') AS source_id) FROM old_evals",
    }
    kept = []
    for table in by_hand:
        [(n_rows,)] = connection.execute(f"SELECT count(*) FROM main.{table}").fetchall()
        if n_rows:
            connection.execute(f"CREATE TEMP TABLE old_{table} AS SELECT * FROM main.{table}").fetchall()
            kept.append(table)
        connection.execute(f"DROP TABLE main.{table}").fetchall()
    connection.execute(resources.files("db").joinpath("scores_schema.sql").read_text(encoding="utf-8")).fetchall()
    for table in kept:
        connection.execute(by_hand[table]).fetchall()
        connection.execute(f"DROP TABLE temp.old_{table}").fetchall()


_VALUED = (
    "example_sets", "examples", "example_losses", "valuation_defs", "valuations", "valuation_shards", "subsets",
    "subset_members", "appraisal_defs", "appraisals",
)  # fmt: skip


def _valuations(connection: duckdb.DuckDBPyConnection) -> None:
    """Examples and what they are worth."""
    _add_tables(connection, _VALUED, "valuation_schema.sql")


_OF_LOGS = ("run_logs", "run_facts", "corrections", "source_files")


def _logs(connection: duckdb.DuckDBPyConnection) -> None:
    """What logs say of their runs."""
    _add_tables(connection, _OF_LOGS, "logs_schema.sql")


_LOST = """
ALTER TABLE sources ADD COLUMN IF NOT EXISTS lost_runs JSON;
ALTER TABLE sources ADD COLUMN IF NOT EXISTS lost_scores JSON;
COMMENT ON COLUMN sources.lost_runs IS 'Runs in it that another source took over: list of run_id, as JSON';
COMMENT ON COLUMN sources.lost_scores IS 'Scores in it that another source took over: list of eval_id, as JSON';
"""


def _lost(connection: duckdb.DuckDBPyConnection) -> None:
    """What a source lost to another, so that it is not read again for being incomplete."""
    connection.execute(_LOST).fetchall()


def _add_tables(connection: duckdb.DuckDBPyConnection, tables: tuple[str, ...], file: str) -> None:
    """Add tables of a file; somebody's own tables may have these names, and are never touched."""
    names = ", ".join(f"'{name}'" for name in tables)
    before = connection.execute(
        f"SELECT table_name FROM duckdb_tables() WHERE table_name IN ({names}) AND NOT internal ORDER BY 1"
    ).fetchall()
    if 0 < len(before) < len(tables):
        taken = before[0][0]
        raise StoreError(
            f"The store holds a table '{taken}' that this package did not make, and now needs the name itself.",
            f"Rename it in DuckDB first: ALTER TABLE {taken} RENAME TO my_{taken}",
        )
    connection.execute(resources.files("db").joinpath(file).read_text(encoding="utf-8")).fetchall()


MIGRATIONS: tuple[Migration, ...] = (
    Migration(1, "the first schema", _first_schema),
    Migration(2, "forecasts that are scored", _scored_forecasts),
    Migration(3, "when runs were first met", _first_met),
    Migration(4, "models that were evaluated, and their scores", _scores),
    Migration(5, "examples, and what they are worth", _valuations),
    Migration(6, "what logs say of their runs", _logs),
    Migration(7, "what sources lost to others", _lost),
)


def known_version() -> int:
    """Version of the schema that this package writes."""
    return MIGRATIONS[-1].version


def stored_version(connection: duckdb.DuckDBPyConnection) -> int:
    """Version of the schema that a database has.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        An open database.

    Returns
    -------
    int
        0 where the database is empty, -1 where it holds tables but is no store.
    """
    tables = connection.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal AND NOT temporary"
    ).fetchall()
    if ("meta", "schema_version") not in tables:
        return -1 if tables else 0
    rows = connection.execute("SELECT coalesce(max(version), 0) FROM meta.schema_version").fetchall()
    return int(rows[0][0])


def check_version(connection: duckdb.DuckDBPyConnection, path: str, *, read_only: bool) -> int:
    """Refuse databases that are no store, or that this package cannot use as they are.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        An open database.
    path : str
        The file, for the message.
    read_only : bool
        Whether it is open for reading only, so that it cannot be migrated.

    Returns
    -------
    int
        Version of the schema that the database has; 0 where it is empty.

    Raises
    ------
    StoreError
        If it is another program's database, newer than this package, or older and open for reading only.
    """
    version = stored_version(connection)
    if version < 0:
        raise StoreError(
            f"{path} is a DuckDB database, but not a store of this package.",
            "Name another file with --db (or SCALING_DB); a new one is made by: scaling ingest FILE.",
        )
    if version > known_version():
        raise StoreError(
            f"The store {path} has schema version {version}; this package knows up to {known_version()}.",
            "It was written by a newer scaling-suite: upgrade the package, or use another store.",
        )
    if read_only and version == 0:
        raise StoreError(f"The store {path} is empty.", "Ingest some logs into it: scaling ingest FILE.")
    if read_only and version < known_version():
        raise StoreError(
            f"The store {path} has schema version {version}, older than version {known_version()} of this package.",
            "Open it once for writing, which brings it up to date: scaling ingest FILE, or Store(path) in Python.",
        )
    return version


def migrate(connection: duckdb.DuckDBPyConnection, package_version: str) -> list[Migration]:
    """Apply the migrations that a database lacks, each in one transaction with its record.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        A database open for writing.
    package_version : str
        Version to record.

    Returns
    -------
    list of Migration
        What was applied, in order.
    """
    version = stored_version(connection)
    pending = [migration for migration in MIGRATIONS if migration.version > version]
    for migration in pending:
        connection.begin()
        try:
            migration.apply(connection)
            connection.execute(
                "INSERT INTO meta.schema_version VALUES (?, ?, now() AT TIME ZONE 'UTC', ?)",
                [migration.version, migration.name, package_version],
            ).fetchall()
            if migration is pending[-1]:  # no step reads the views, and until the last one nothing else can
                refresh_views(connection)
            connection.commit()
        except BaseException:
            connection.rollback()
            raise
    if pending:
        connection.execute("CHECKPOINT").fetchall()
    return pending
