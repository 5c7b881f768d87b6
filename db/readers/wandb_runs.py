"""The table of runs that the pages of W&B export as CSV: settings and last values, a row a run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from db.readers.complaints import Complaints
from db.readers.csv_rows import csv_rows
from db.readers.format import Field, Level, Sign
from db.readers.found import STATES, Found, Note, RunFound
from db.readers.probe import Probe
from scaling.errors import ReadError

NAME = "wandb-runs"
WHAT = "a table of runs that W&B exported as CSV"
READS = (
    "A run a row: name, state, tags, when it began and how long it ran; settings and last values of metrics. The file "
    "does not say which columns are which: settings come first, both in the order of the alphabet, so that the one "
    "place where the order starts anew is taken for the border."
)
LEAVES_OUT = "It holds no history: values are last ones, neither lowest nor of a step."
TRIED = "an export that others published; the files themselves from documentation"
FIELDS: Sequence[Field] = (
    Field("name", "Name", required=True),
    Field("state", "State", required=True),
    Field("id", "ID"),
    Field("started", "Created"),
    Field("runtime", "Runtime", unit="s"),
    Field("tags", "Tags"),
    Field("notes", "Notes"),
    Field("user", "User"),
    Field("agent", "Agent"),
    Field("sweep", "Sweep"),
    Field("group", "Group"),
    Field("job_type", "Job Type"),
    Field("host", "Hostname"),
)
UPSERTS = True

_NAMES = {field.path: field.name for field in FIELDS}
_TOLD_BY = frozenset({"Created", "Runtime", "Sweep", "Notes", "Tags", "User", "Agent"})
_INTEGER = re.compile(r"[-+]?(?:0|[1-9]\d{0,17})")
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None}
_MOST_NAMES = 1_000_000


def sniff(probe: Probe) -> Sign | None:
    """Known by its first columns."""
    columns = probe.columns
    if "Name" in columns[:2] and "State" in columns and len(_TOLD_BY.intersection(columns)) >= 2:
        return Sign(Level.KEYS, "it has the columns Name, State and others that W&B gives a table of runs")
    return None


def read(path: Path, entries: Sequence[str] = (), **options: Any) -> Iterator[Found]:
    """Read a table of runs."""
    del entries, options
    rows = csv_rows(path)
    _, header = next(rows, (1, None))
    if header is None or "Name" not in header:
        raise ReadError(str(path), "it has no column 'Name'", "line 1")
    border, known = _border(header)
    complaints, met, again = Complaints(str(path)), dict[str, int](), 0
    for number, cells in rows:
        if cells is None:
            yield Note(f"{path}: its last row, line {number}, is cut off and left out.")
            break
        if len(cells) != len(header):
            reason = f"the row has another number of cells than the {len(header)} columns"
            complaints.add(number, None, f"{len(cells)} cells", reason, "row")
            yield from complaints.take()
            continue
        found = _run(header, cells, border, known)
        count = met[found.key] = met.get(found.key, 0) + 1
        if count > 1:
            again += 1
            found = replace(found, key=f"{found.key} ({count})")
        if len(met) > _MOST_NAMES:
            raise ReadError(str(path), f"it has more than {_MOST_NAMES:,} runs", f"line {number}")
        yield found
    yield from complaints.rest()
    yield from _notes(str(path), header, border, known=known, again=again)


def _notes(file: str, header: list[str], border: int, *, known: bool, again: int) -> Iterator[Note]:
    yield Note(f"{file}: values of metrics are the last ones of each run, not the lowest; there is no history.")
    if again:
        yield Note(f"{file}: {again:,} runs have the name of another and no ID; they are told apart by a number.")
    if not known:
        yield Note(
            f"{file}: where settings end and last values begin the order of the columns does not tell; all are both."
        )
    elif border < len(header):
        yield Note(f"{file}: last values are taken to begin at the column '{header[border]}'.")


def _border(header: list[str]) -> tuple[int, bool]:
    """The column at which last values begin, and whether the order of the columns tells it."""
    free = [place for place, name in enumerate(header) if name not in _NAMES]
    falls = [after for before, after in pairwise(free) if header[after].lower() < header[before].lower()]
    return (falls[0], True) if len(falls) == 1 else (0, False)


def _run(header: list[str], cells: list[str], border: int, known: bool) -> RunFound:
    config: dict[str, Any] = {}
    summary: dict[str, Any] = {}
    about: dict[str, Any] = {}
    for place, (name, cell) in enumerate(zip(header, cells, strict=True)):
        if name in _NAMES:
            if cell not in ("", "-"):
                about[_NAMES[name]] = cell
        elif cell:
            value = _value(cell)
            if not known or place < border:
                config[name] = value
            if not known or place >= border:
                summary[name] = value
    name = about.pop("name", "")
    said = str(about.pop("state", "")).lower()
    if said and said not in STATES:
        about["state"] = said
    if "tags" in about:
        about["tags"] = [tag.strip() for tag in about["tags"].split(",")]
    if "runtime" in about:
        about["runtime"] = _value(about["runtime"])
    if "started" in about:
        about["started"] = seconds_of(about["started"])
    return RunFound(about.get("id", name), name or None, said if said in STATES else None, config, summary, about)


def seconds_of(stamp: str) -> float | str:
    """Seconds since 1970 of a time as W&B writes it, or the text where it is none."""
    try:
        moment = datetime.fromisoformat(stamp)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return stamp


def _value(cell: str) -> Any:
    if _INTEGER.fullmatch(cell):
        return int(cell)
    try:
        if "_" not in cell:
            return float(cell)
    except ValueError:
        pass
    if cell.lower() in _WORDS:
        return _WORDS[cell.lower()]
    if cell[0] == "[":
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            return cell
    return cell
