"""Small writers of the databases and directories of MLflow and Trackio, and of the tables that Neptune exports."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb

from tests.db.writers.made import Made, Value

LARGEST = 1.7976931348623157e308  # what MLflow keeps an infinite value as in a database
BEGIN = 1_700_000_000_000
_MLFLOW = """
CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name VARCHAR, lifecycle_stage VARCHAR);
CREATE TABLE runs (run_uuid VARCHAR PRIMARY KEY, name VARCHAR, status VARCHAR, start_time BIGINT, end_time BIGINT,
    lifecycle_stage VARCHAR, experiment_id INTEGER);
CREATE TABLE metrics ("key" VARCHAR, value FLOAT, timestamp BIGINT, run_uuid VARCHAR, step BIGINT, is_nan BOOLEAN);
CREATE TABLE params ("key" VARCHAR, value VARCHAR, run_uuid VARCHAR);
CREATE TABLE tags ("key" VARCHAR, value VARCHAR, run_uuid VARCHAR);
INSERT INTO experiments VALUES (1, 'ladder', 'active');
"""
_NEPTUNE = (
    "CREATE TABLE part (project_id VARCHAR, run_id VARCHAR, attribute_path VARCHAR, attribute_type VARCHAR, "
    "step DECIMAL(18, 6), timestamp TIMESTAMP, int_value BIGINT, float_value DOUBLE, string_value VARCHAR, "
    "bool_value BOOLEAN)"
)
_KINDS: dict[type, str] = {int: "int", float: "float", str: "string", bool: "bool"}


def mlflow_value(value: float) -> tuple[float, bool]:
    """A value as MLflow's database keeps it, and whether it is NaN."""
    if math.isnan(value):
        return 0.0, True
    return (math.copysign(LARGEST, value) if math.isinf(value) else value), False


def mlflow(folder: Path, runs: Sequence[Made]) -> Path:
    """Write a database of MLflow."""
    path = folder / "mlflow.db"
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(_MLFLOW)
        for run in runs:
            db.execute(
                "INSERT INTO runs VALUES (?, ?, 'FINISHED', ?, ?, 'active', 1)", (run.key, run.key, BEGIN, BEGIN)
            )
            params = [(key, str(value), run.key) for key, value in run.config.items()]
            db.executemany("INSERT INTO params VALUES (?, ?, ?)", params)
            for i, (step, row) in enumerate(run.rows):
                for metric, value in row.items():
                    assert value is not None
                    kept, is_nan = mlflow_value(value)
                    values = (metric, kept, BEGIN + i, run.key, step, is_nan)
                    db.execute("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", values)
    return path


def mlruns(folder: Path, runs: Sequence[Made]) -> Path:
    """Write a directory of MLflow's file store; keys are 32 hexadecimal digits."""
    root = folder / "mlruns"
    (root / "1").mkdir(parents=True)
    (root / "1" / "meta.yaml").write_text("experiment_id: '1'\nlifecycle_stage: active\nname: ladder\n")
    for run in runs:
        home = root / "1" / run.key
        for part in ("metrics", "params", "tags"):
            (home / part).mkdir(parents=True)
        (home / "meta.yaml").write_text(
            f"lifecycle_stage: active\nrun_id: {run.key}\nstart_time: {BEGIN}\nend_time: {BEGIN}\nstatus: 3\n"
        )
        for key, setting in run.config.items():
            (home / "params" / key).write_text(str(setting))
        for metric, series in run.series.items():
            file = home / "metrics" / metric
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("".join(f"{BEGIN + i} {value} {step}\n" for i, (step, value) in enumerate(series)))
    return root


def trackio_row(row: dict[str, Value]) -> str:
    """Metrics as Trackio keeps them: what JSON cannot write is a text."""
    odd = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    kept = {name: value if value is None or math.isfinite(value) else odd[str(value)] for name, value in row.items()}
    return json.dumps(kept)


def trackio(folder: Path, runs: Sequence[Made]) -> Path:
    """Write a database of Trackio."""
    path = folder / "ladder.db"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE metrics (run_id, timestamp, run_name, step, metrics)")
        db.execute("CREATE TABLE configs (run_id, run_name, config)")
        for run in runs:
            db.execute("INSERT INTO configs VALUES (?, ?, ?)", (run.key, run.key, json.dumps(dict(run.config))))
            for step, row in run.rows:
                values = (run.key, "2026-01-01", run.key, step, trackio_row(dict(row)))
                db.execute("INSERT INTO metrics VALUES (?, ?, ?, ?, ?)", values)
    return path


def neptune(folder: Path, runs: Sequence[Made]) -> Path:
    """Write a part of Neptune's export."""
    path = folder / "RUNS_part_0.parquet"
    rows: list[tuple[Any, ...]] = []
    for run in runs:
        for key, setting in run.config.items():
            kind = _KINDS[type(setting)]
            values = [setting if kind == name else None for name in ("int", "float", "string", "bool")]
            rows.append((run.key, key, kind, None, *values))
        for metric, series in run.series.items():
            rows += [(run.key, metric, "float_series", step, None, value, None, None) for step, value in series]
    with duckdb.connect() as connection:
        connection.execute(_NEPTUNE)
        if rows:
            sql = "INSERT INTO part VALUES ('lab/scaling', ?, ?, ?, ?, NULL, ?, ?, ?, ?)"
            connection.executemany(sql, rows)
        connection.execute(f"COPY part TO '{path}' (FORMAT parquet)")
    return path
