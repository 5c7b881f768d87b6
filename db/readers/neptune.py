"""Parquet files that Neptune's exporter wrote before the service was closed: one or several parts a run."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from db.readers.collect import Collector
from db.readers.complaints import Complaints
from db.readers.format import Field, Level, Sign
from db.readers.found import Found, Note, RunFound
from db.readers.parquet_index import check_index, literally
from db.readers.probe import Probe
from scaling.errors import ReadError

NAME = "neptune"
WHAT = "runs that Neptune's exporter wrote"
READS = (
    "`<run>_part_<n>.parquet`, one by one or a directory of them: series of numbers by step, single values as "
    "settings, and name, state, tags and start of the run."
)
LEAVES_OUT = (
    "Series of texts and histograms, files, and what Neptune measured of the machine (`monitoring/`). Values at steps "
    "that are no whole numbers are refused one by one."
)
TRIED = "from documentation (the schema of neptune-exporter, 2025)"
FIELDS: Sequence[Field] = (
    Field("run", "run_id", required=True),
    Field("project", "project_id"),
    Field("metric", "attribute_path", required=True),
    Field("kind", "attribute_type", required=True),
    Field("step", "step", required=True, unit="steps"),
    Field("float", "float_value"),
    Field("int", "int_value"),
    Field("bool", "bool_value"),
    Field("string", "string_value"),
    Field("datetime", "datetime_value"),
    Field("string_set", "string_set_value"),
)
UPSERTS = True

_DUCKDB: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    "threads": 1,
}
_PART = re.compile(r"(.+)_part_(\d+)\.parquet\Z", re.DOTALL)
_MARKS = ("project_id", "run_id", "attribute_path", "attribute_type", "float_value")
_SINGLE = ("float", "int", "bool", "string", "datetime", "string_set")
_LEFT_OUT = ("string_series", "histogram_series", "file", "file_series")
_MACHINE = "monitoring/"
_BATCH = 50_000
#: What the service itself says of a run.
_ABOUT = {"sys/tags": "tags", "sys/group_tags": "group", "sys/description": "notes", "sys/experiment/name": "group"}


def sniff(probe: Probe) -> Sign | None:
    """Known by the columns that stand at the end of a Parquet file; a directory by its first file."""
    if not probe.is_dir:
        if all(mark.encode() in probe.footer for mark in _MARKS):
            return Sign(Level.KEYS, "it has the columns run_id, attribute_path and attribute_type")
        return None
    parts = sorted((name for name in probe.names if _PART.match(name)), key=_order)
    if not parts or not all(mark.encode() in Probe(probe.path / parts[0]).footer for mark in _MARKS):
        return None
    return Sign(Level.DIRECTORY, f"there is a {parts[0]} of Neptune's exporter in it", tuple(parts))


def read(path: Path, entries: Sequence[str], **options: Any) -> Iterator[Found]:  # noqa: ARG001
    """Read the parts of runs, in the order of their numbers; see `db.readers.format`."""
    kinds: dict[str, int] = {}
    empty = 0
    for file in [path / name for name in entries] if path.is_dir() else [path]:
        complaints = Complaints(str(file))
        held = Collector()
        for batch in _rows(file):
            settings: dict[tuple[str, str], dict[str, Any]] = {}
            for row, (run, project, name, kind, step, odd, *values) in batch:
                if run is None or name is None:
                    complaints.add(row, "run_id", None, "the row names no run or no attribute", "row")
                elif kind == "float_series" and not name.startswith(_MACHINE):
                    if odd is not None:
                        complaints.add(row, name, odd, "the step is no whole number from 0 on")
                        continue
                    held.add(run, name, step, values[0])
                    empty += values[0] is None
                elif kind in _SINGLE and not name.startswith(_MACHINE):
                    settings.setdefault((run, project or ""), {})[name] = values[_SINGLE.index(kind)]
                else:
                    told = kind if kind in _LEFT_OUT else "of the machine" if kind == "float_series" else "unknown"
                    kinds[told] = kinds.get(told, 0) + 1
            for (run, project), single in settings.items():
                yield _described(run, project, single)
            yield from complaints.take()
            if held.full:
                yield from held.flush()
        yield from held.flush()
        yield from complaints.rest()
    if empty:
        yield Note(
            f"{path}: {empty:,} values are empty. The exporter wrote NaN and no value alike, so a run that went to NaN "
            "cannot be told from one that logged nothing there."
        )
    if kinds:
        listed = ", ".join(f"{kind} ({n:,})" for kind, n in sorted(kinds.items()))
        yield Note(f"{path}: rows of these kinds are left out: {listed}.")


def _described(run: str, project: str, single: dict[str, Any]) -> RunFound:
    """A run by its single values; what the service keeps under ``sys/`` is no setting."""
    config = {name.replace("/", "."): _plain(value) for name, value in single.items() if not name.startswith("sys/")}
    about: dict[str, Any] = {"project": project or None}
    about |= {told: _plain(single[name]) for name, told in _ABOUT.items() if single.get(name)}
    created = single.get("sys/creation_time")
    if isinstance(created, datetime.datetime):
        about["started"] = _utc(created).timestamp()
    name = single.get("sys/custom_run_id") or single.get("sys/name") or run
    return RunFound(
        key=run,
        name=str(name) if "sys/name" in single or "sys/custom_run_id" in single else None,
        state=_state(single),
        config={key: value for key, value in config.items() if value is not None},
        about={key: value for key, value in about.items() if value is not None},
    )


def _state(single: dict[str, Any]) -> str | None:
    if single.get("sys/failed") is True:
        return "failed"
    return {"active": "running", "running": "running", "inactive": "finished", "idle": "finished"}.get(
        str(single.get("sys/state", "")).lower()
    )


def _plain(value: Any) -> Any:
    return _utc(value).isoformat() if isinstance(value, datetime.datetime) else value


def _utc(time: datetime.datetime) -> datetime.datetime:
    return time.replace(tzinfo=datetime.UTC) if time.tzinfo is None else time


def _order(name: str) -> tuple[str, int]:
    found = _PART.match(name)
    return (found[1], int(found[2][:18])) if found else (name, 0)


def _rows(file: Path) -> Iterator[list[tuple[int, tuple[Any, ...]]]]:
    """Rows in the order of the file, with their numbers from 1, some at a time."""
    import duckdb

    check_index(file)
    connection = duckdb.connect(":memory:", config=_DUCKDB)
    try:
        there = {
            name
            for name, *_ in connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [literally(file)]).fetchall()
        }
        cursor = connection.execute(f"SELECT {', '.join(_columns(there))} FROM read_parquet(?)", [literally(file)])
        first = 1
        while batch := cursor.fetchmany(_BATCH):
            yield list(enumerate(batch, start=first))
            first += len(batch)
    except duckdb.Error as error:
        detail = str(error).strip().splitlines()[0]
        raise ReadError(
            str(file), f"it is not readable as Parquet: {detail}", hint="If it is still being written, read it later."
        ) from error
    finally:
        connection.close()


def _columns(there: set[str]) -> list[str]:
    """What is asked of the file; a column that an older exporter did not write is empty."""
    casts = {"float_value": "DOUBLE", "int_value": "BIGINT", "bool_value": "BOOLEAN"}
    casts |= {"datetime_value": "TIMESTAMP", "string_set_value": "VARCHAR[]"}

    def column(name: str) -> str:
        return f"CAST({name} AS {casts.get(name, 'VARCHAR')})" if name in there else "NULL"

    step = "CAST(step AS DECIMAL(18, 6))" if "step" in there else "NULL"
    whole = f"{step} >= 0 AND {step} = trunc({step})"
    return [
        *(column(name) for name in ("run_id", "project_id", "attribute_path", "attribute_type")),
        f"CASE WHEN {whole} THEN CAST({step} AS BIGINT) END",
        f"CASE WHEN NOT ({whole}) THEN CAST({step} AS VARCHAR) END",  # neither where there is no step
        *(column(f"{kind}_value") for kind in _SINGLE),
    ]
