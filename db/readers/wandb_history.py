"""Histories of W&B runs as people write them to files: JSON lines, CSV or Parquet, a row a call that logged."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from db.readers.collect import Collector
from db.readers.complaints import Complaints
from db.readers.csv_rows import cell_number, csv_rows
from db.readers.format import Field, Level, Sign
from db.readers.found import Found, Note, RunFound
from db.readers.json_head import elements
from db.readers.probe import Probe
from db.readers.text import lines_of
from db.readers.wandb_parquet import MAGIC, footer, read_parquet
from db.readers.wandb_rows import KNOWN_AXES, RUNTIME, STEP, TIMESTAMP, Rows, sampled
from scaling.errors import ReadError

NAME = "wandb-history"
WHAT = "a history of W&B runs in a file"
READS = (
    "Rows with `_step`, `_runtime` and `_timestamp`, as `scan_history` gives them and `download_history_exports` "
    "writes them: JSON lines, a list in JSON, CSV, Parquet. A column `run_id`, `run` or `run_name` tells runs apart. "
    "Steps are those of `train/global_step` or `trainer/global_step` where there is such a column."
)
LEAVES_OUT = (
    "Media, texts, lists. Of tables: an empty cell is a row that logged nothing of the metric, and pandas writes NaN "
    "as an empty cell too. There are no settings in it."
)
TRIED = "rows as wandb 0.31.0 gives them; the files written by other tools"
FIELDS: Sequence[Field] = (
    Field("step", STEP, required=True),
    Field("time", TIMESTAMP, unit="s"),
    Field("time of the run", RUNTIME, unit="s"),
    Field("run", "run_id"),
    Field("run", "run"),
    Field("run", "run_name"),
)
UPSERTS = False

RUNS = tuple(field.path for field in FIELDS if field.name == "run")


def sniff(probe: Probe) -> Sign | None:
    """Known by the names that W&B gives each row."""
    if probe.is_dir:
        return None
    if probe.head.startswith(MAGIC):
        end = footer(probe.path)
        told = all(name.encode() in end for name in (STEP, TIMESTAMP))
        return Sign(Level.KEYS, f"it is Parquet with the columns {STEP} and {TIMESTAMP}") if told else None
    for names, what in ((probe.keys, "keys"), (probe.listed_keys, "keys"), (probe.columns, "columns")):
        if STEP in names and (TIMESTAMP in names or RUNTIME in names):
            return Sign(Level.KEYS, f"it has the {what} {STEP} and {TIMESTAMP if TIMESTAMP in names else RUNTIME}")
    return None


def read(path: Path, entries: Sequence[str] = (), **options: Any) -> Iterator[Found]:
    """Read a history."""
    del entries, options
    probe = Probe(path)
    try:
        parquet, listed = probe.head.startswith(MAGIC), bool(probe.listed_keys)
        of_lines = bool(probe.keys)
    except OSError as error:
        raise ReadError(str(path), f"it cannot be read: {(error.strerror or str(error)).lower()}") from error
    if parquet:
        yield from read_parquet(path, RUNS)
        return
    rows = _listed_rows if listed else _json_rows if of_lines else _csv_rows
    yield from _read_rows(path, rows(path))
    if rows is _csv_rows:
        yield Note(
            f"{path}: empty cells are rows that logged nothing of a metric; where pandas wrote the file, NaN is an "
            "empty cell too, and cannot be told from it."
        )


Row = tuple[int, dict[str, Any] | str | None]


def _read_rows(path: Path, rows: Iterator[Row]) -> Iterator[Found]:
    """Take rows as they come."""
    collector, complaints = Collector(), Complaints(str(path))
    taken = Rows(collector, complaints)
    met: dict[str, int] = {}
    for number, row in rows:
        if row is None:
            yield Note(f"{path}: its last row, line {number}, is cut off and left out.")
        elif isinstance(row, str):
            complaints.add(number, None, None, row, "row")
        elif STEP not in row:
            complaints.add(number, STEP, None, f"the row has no {STEP}", "row")
        else:
            run = next((str(row.pop(name)) for name in RUNS if _is_name(row.get(name))), "")
            if run not in met:
                yield RunFound(run, name=run or None)
            met[run] = met.get(run, 0) + 1
            for axis in KNOWN_AXES:
                if axis in row:
                    taken.define("", axis, glob=True)
            taken.add(run, row[STEP], row.items(), number)
            if collector.full:
                yield from collector.flush()
        if complaints.waiting:
            yield from complaints.take()
    yield from collector.flush()
    yield from taken.notes(str(path))
    yield from complaints.rest()
    yield from sampled(str(path), met)


def _is_name(value: Any) -> bool:
    """Whether it may tell runs apart: a text, or the number of a run."""
    return isinstance(value, str | int) and not isinstance(value, bool)


def _listed_rows(path: Path) -> Iterator[Row]:
    for number, row in elements(path):
        yield number, row if isinstance(row, dict) else "the element is no JSON object"


def _json_rows(path: Path) -> Iterator[Row]:
    held: int | None = None  # a line that is no JSON: damage, or where it is the last one, cut off
    for number, line in lines_of(path):
        if not line.strip():
            continue
        if held is not None:
            yield held, "the line is no JSON"
            held = None
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            held = number
            continue
        yield number, row if isinstance(row, dict) else "the line is no JSON object"
    if held is not None:
        yield held, None


def _csv_rows(path: Path) -> Iterator[Row]:
    rows = csv_rows(path)
    _, header = next(rows, (1, None))
    if header is None or STEP not in header:
        raise ReadError(str(path), f"it has no column '{STEP}'", "line 1")
    for number, cells in rows:
        if cells is None:
            yield number, None
        elif len(cells) != len(header):
            yield number, f"the row has another number of cells than the {len(header)} columns"
        else:
            # An empty cell is what a table has where the row logged nothing of the metric.
            yield number, {name: _value(cell, name) for name, cell in zip(header, cells, strict=True) if cell and name}


def _value(cell: str, name: str) -> Any:
    if name in RUNS:
        return cell
    try:
        return cell_number(cell)
    except ValueError:
        return cell
