"""Databases of Trackio, one a project."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from db.readers.collect import Collector, number, whole_step
from db.readers.complaints import Complaints
from db.readers.format import Field, Level, Sign
from db.readers.found import Found, Note, RunFound
from db.readers.probe import Probe
from db.readers.sqlite import Database, write_ahead_log
from db.readers.text import flatten

NAME = "trackio"
WHAT = "a database of Trackio"
READS = (
    "All rows of the table of metrics, in the order in which they were logged, and the settings of each run. Numbers "
    "that JSON cannot write, which Trackio keeps as texts, are what they were; null is missing."
)
LEAVES_OUT = (
    "Metrics of the system, which have no step; alerts, traces, artifacts; tables, images and histograms among the "
    "metrics; the Parquet files that Trackio exports beside the database."
)
TRIED = "0.43.0; the older tables without run_id from documentation"
FIELDS = (
    Field("key", "metrics.run_id"),
    Field("name", "metrics.run_name", required=True),
    Field("step", "metrics.step", "steps", required=True),
    Field("metrics", "metrics.metrics", required=True),
    Field("config", "configs.config"),
    Field("started", "configs.config._Created", "ISO 8601"),
)
UPSERTS = False

#: Tables of a project besides metrics and configs that hold what is told to be left out, and what it is called.
_OTHERS = {"system_metrics": "rows of metrics of the system", "alerts": "alerts", "traces": "traces"}
_ABOUT = {"_Username": "user", "_Group": "group"}


def sniff(probe: Probe) -> Sign | None:
    """A database with Trackio's table of metrics, one row of which is one JSON object."""
    columns = set(probe.tables.get("metrics", ()))
    if {"run_name", "step", "metrics", "timestamp"} <= columns:
        why = "its table 'metrics' has the columns run_name, step and metrics"
        return Sign(Level.KEYS, why, beside=write_ahead_log(probe.path))
    return None


def read(path: Path, entries: Sequence[str], **options: Any) -> Iterator[Found]:  # noqa: ARG001
    """Read a database."""
    with Database(path) as db:
        db.require("metrics", [field.path.split(".")[1] for field in FIELDS if field.required])
        yield from _Project(db).all()
        if db.stale:
            yield Note(f"{path}: what its writer keeps in the log beside it, {path.name}-wal, could not be read.")


class _Project:
    def __init__(self, db: Database) -> None:
        self.db = db
        self.complaints = Complaints(str(db.path))
        self.left_out: Counter[str] = Counter()
        self.runs: set[str] = set()

    def all(self) -> Iterator[Found]:
        if "configs" in self.db.tables:
            yield from self._configs()
        yield from self._metrics()
        yield from self.complaints.rest()
        for table, what in _OTHERS.items():
            if table in self.db.tables:
                ((count,),) = self.db.rows(f"SELECT count(*) FROM {table}", table)
                self.left_out[what] += count
        for what, count in sorted(self.left_out.items()):
            if count:
                yield Note(f"{self.db.path}: left out: {what} ({count:,}).")

    def _key(self, table: str) -> str:
        """The column that tells runs apart; before there were identifiers, names did."""
        return "run_id" if "run_id" in self.db.tables[table] else "run_name"

    def _configs(self) -> Iterator[Found]:
        self.db.require("configs", ("run_name", "config"))
        query = f"SELECT rowid, {self._key('configs')}, run_name, config FROM configs ORDER BY rowid"
        for row, key, name, content in self.db.rows(query, "configs"):
            record = _json(content)
            if record is None:
                self.complaints.add(row, "config", _shown(content), "the settings of a run are no JSON object", "row")
                record = {}
            config = {name: value for name, value in flatten(record).items() if not name.startswith("_")}
            about = {to: record[at] for at, to in _ABOUT.items() if record.get(at) is not None}
            started = _seconds(record.get("_Created"))
            if started is not None:
                about["started"] = started
            self.runs.add(str(key))
            yield RunFound(str(key), str(name), config=config, about={"project": self.db.path.stem, **about})

    def _metrics(self) -> Iterator[Found]:
        collector = Collector()
        key = self._key("metrics")
        query = f"SELECT rowid, {key}, run_name, step, metrics FROM metrics ORDER BY rowid"
        for row, run, name, step, content in self.db.rows(query, "metrics"):
            if str(run) not in self.runs:
                self.runs.add(str(run))
                yield RunFound(str(run), str(name), about={"project": self.db.path.stem})
            at = whole_step(step)
            record = _json(content)
            if at is None:
                self.complaints.add(row, "step", step, "the step is no whole number from 0 on", "row")
            elif record is None:
                self.complaints.add(row, "metrics", _shown(content), "the metrics of a row are no JSON object", "row")
            else:
                self._take(collector, str(run), at, record)
            if self.complaints.waiting:
                yield from self.complaints.take()
            if collector.full:
                yield from collector.flush()
        yield from collector.flush()

    def _take(self, collector: Collector, run: str, step: int, record: dict[str, Any]) -> None:
        for metric, value in record.items():
            if isinstance(value, dict):
                if "_type" in value:
                    self.left_out["tables, images and the like"] += 1
                elif value:
                    self._take(collector, run, step, flatten(value, f"{metric}."))
                continue
            found = number(value)
            if found is None and value is not None:
                self.left_out["texts, lists and yes or no among the metrics"] += 1
            else:
                collector.add(run, metric, step, found)


def _json(content: Any) -> dict[str, Any] | None:
    """A JSON object that is kept as a text or as bytes; None where it is none."""
    try:
        record = json.loads(content)
    except (ValueError, TypeError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _shown(content: Any) -> str:
    return content.decode("utf-8", errors="replace") if isinstance(content, bytes) else str(content)


def _seconds(text: Any) -> float | None:
    """Seconds since 1970 of a date."""
    try:
        date = datetime.fromisoformat(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
