"""Databases of MLflow, as its tracking server and `sqlite:///mlflow.db` write them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from db.readers.collect import Collector, number, whole_step
from db.readers.complaints import Complaints
from db.readers.format import Field, Level, Sign
from db.readers.found import Found, Note, RunFound
from db.readers.mlflow_names import STATES, about_tags, seconds, unbounded
from db.readers.probe import Probe
from db.readers.sqlite import Database, write_ahead_log

NAME = "mlflow"
WHAT = "a database of MLflow"
READS = (
    "The metrics of all runs that are not deleted, with NaN and infinite values as what they were; of several values "
    "of a step the last by time. Parameters, which are texts; tags, experiments, parents and states of runs."
)
LEAVES_OUT = "Runs and experiments that are deleted; artifacts, data sets, models and traces; databases but SQLite's."
TRIED = "mlflow-skinny 3.17.2"
FIELDS = (
    Field("key", "runs.run_uuid", required=True),
    Field("name", "runs.name"),
    Field("state", "runs.status"),
    Field("started", "runs.start_time", "milliseconds", factor=1e-3),
    Field("ended", "runs.end_time", "milliseconds", factor=1e-3),
    Field("deleted", "runs.lifecycle_stage"),
    Field("experiment", "runs.experiment_id"),
    Field("metric", "metrics.key", required=True),
    Field("value", "metrics.value", required=True),
    Field("time", "metrics.timestamp", "milliseconds", required=True),
    Field("step", "metrics.step", "steps", required=True),
    Field("run", "metrics.run_uuid", required=True),
    Field("nan", "metrics.is_nan"),
)
UPSERTS = True


def sniff(probe: Probe) -> Sign | None:
    """A database with MLflow's tables."""
    tables = probe.tables
    if {"runs", "metrics", "params", "experiments"} <= set(tables) and "run_uuid" in tables["metrics"]:
        why = "it has the tables runs, metrics, params and experiments of MLflow"
        return Sign(Level.KEYS, why, beside=write_ahead_log(probe.path))
    return None


def read(path: Path, entries: Sequence[str], **options: Any) -> Iterator[Found]:  # noqa: ARG001
    """Read a database."""
    with Database(path) as db:
        for table in ("runs", "metrics"):
            columns = [field.path.split(".") for field in FIELDS if field.required]
            db.require(table, [column for of, column in columns if of == table])
        yield from _Store(db).all()
        if db.stale:
            yield Note(f"{path}: what its writer keeps in the log beside it, {path.name}-wal, could not be read.")


class _Store:
    def __init__(self, db: Database) -> None:
        self.db = db
        self.complaints = Complaints(str(db.path))
        self.runs: set[str] = set()
        self.counts: Counter[str] = Counter()

    def all(self) -> Iterator[Found]:
        yield from self._runs()
        yield from self._params()
        yield from self._tags()
        yield from self._metrics()
        yield from self.complaints.rest()
        for what, count in sorted(self.counts.items()):
            yield Note(f"{self.db.path}: {what} ({count:,}).")

    def _select(self, table: str) -> str:
        """The columns of a table that the fields name, NULL for those that it lacks."""
        paths = [field.path.split(".") for field in FIELDS]
        has = self.db.tables[table]
        columns = [column if column in has else "NULL" for of, column in paths if of == table]
        return ", ".join(f'"{column}"' if column != "NULL" else column for column in columns)

    def _experiments(self) -> dict[Any, tuple[str, bool]]:
        """Names of experiments, and whether they are deleted."""
        if not {"experiment_id", "name", "lifecycle_stage"} <= set(self.db.tables.get("experiments", ())):
            return {}
        rows = self.db.rows("SELECT experiment_id, name, lifecycle_stage FROM experiments", "experiments")
        return {key: (str(name), stage == "deleted") for key, name, stage in rows}

    def _runs(self) -> Iterator[Found]:
        experiments = self._experiments()
        for key, name, status, start, end, stage, experiment in self.db.rows(
            f"SELECT {self._select('runs')} FROM runs ORDER BY rowid", "runs"
        ):
            project, gone = experiments.get(experiment, (None, False))
            if gone or stage == "deleted":
                self.counts["runs that are deleted were left out"] += 1
                continue
            self.runs.add(str(key))
            known = {"project": project, "started": seconds(start), "ended": seconds(end)}
            about = {at: value for at, value in known.items() if value is not None}
            yield RunFound(str(key), str(name) if name else None, STATES.get(str(status)), about=about)

    def _pairs(self, table: str) -> Iterator[tuple[str, dict[str, str]]]:
        """Keys and values of a table, run by run."""
        if not {"key", "value", "run_uuid"} <= set(self.db.tables.get(table, ())):
            return
        query = f"SELECT run_uuid, key, value FROM {table} ORDER BY run_uuid"
        for run, rows in groupby(self.db.rows(query, table), lambda row: str(row[0])):
            pairs = {str(key): "" if value is None else str(value) for _, key, value in rows}
            if run in self.runs:
                yield run, pairs

    def _params(self) -> Iterator[Found]:
        for run, params in self._pairs("params"):
            yield RunFound(run, config=params)

    def _tags(self) -> Iterator[Found]:
        for run, tags in self._pairs("tags"):
            about, name = about_tags(tags)
            yield RunFound(run, name, about=about)

    def _metrics(self) -> Iterator[Found]:
        """Values, of which the last of a step is given on; SQLite sorts them, on disk where there are many."""
        columns = self._select("metrics")
        order = "run_uuid, key, step, timestamp, rowid"
        collector = Collector()
        held: tuple[str, str, int, float] | None = None
        for row, key, value, _, step, run, nan in self.db.rows(
            f"SELECT rowid, {columns} FROM metrics ORDER BY {order}", "metrics"
        ):
            if str(run) not in self.runs:
                continue
            at, found = whole_step(step), math.nan if nan else number(value)
            if at is None:
                self.complaints.add(row, str(key), step, "the step is no whole number from 0 on")
            elif found is None:
                self.complaints.add(row, str(key), value, "the value is no number")
            else:
                if held is not None:
                    if held[:3] == (str(run), str(key), at):
                        self.counts["values that a later one of the same step replaces"] += 1
                    else:
                        collector.add(*held)
                held = (str(run), str(key), at, unbounded(found))
            if self.complaints.waiting:
                yield from self.complaints.take()
            if collector.full:
                yield from collector.flush()
        if held is not None:
            collector.add(*held)
        yield from collector.flush()
