"""Logs of the CSVLogger of PyTorch Lightning."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from db.readers.collect import Collector, number
from db.readers.complaints import Complaints
from db.readers.format import Field, Level, Sign
from db.readers.found import Found, Note, RunFound
from db.readers.log_lines import numeral
from db.readers.plain_yaml import plain_yaml
from db.readers.probe import Probe
from db.readers.text import Lines, lines_of
from scaling.errors import ReadError

NAME = "lightning"
WHAT = "a log of the CSVLogger of PyTorch Lightning"
READS = "`metrics.csv`, a table with many empty cells, and `hparams.yaml` beside it as settings."
LEAVES_OUT = "What hparams.yaml has beyond nested mappings, plain values and lists of them. Checkpoints."
TRIED = "lightning 2.6.6"
UPSERTS = False
FIELDS: Sequence[Field] = (
    Field("step", "step", "steps", required=True),
    Field("epoch", "epoch", "epochs", required=True),
)

TABLE, SETTINGS = "metrics.csv", "hparams.yaml"
_WHOLE = re.compile(r"\d+(?:\.0*)?\Z")


def sniff(probe: Probe) -> Sign | None:
    """Say whether it is such a log: by both its files in a directory, or by the columns of the table."""
    if probe.is_dir:
        if not {TABLE, SETTINGS} <= set(probe.names):
            return None
        return Sign(Level.DIRECTORY, f"it has {TABLE} and {SETTINGS}", (TABLE, SETTINGS))
    if probe.name == TABLE and {"epoch", "step"} <= set(probe.columns):
        beside = (SETTINGS,) if probe.path.with_name(SETTINGS).is_file() else ()
        return Sign(Level.KEYS, "it is called metrics.csv and has the columns 'epoch' and 'step'", beside=beside)
    return None


def read(path: Path, entries: Sequence[str], **options: Any) -> Iterator[Found]:  # noqa: ARG001
    """Read a table, with the settings beside it; see `db.readers.format`."""
    table = path / TABLE if path.is_dir() else path
    settings = table.with_name(SETTINGS)
    yield RunFound("", config=plain_yaml(settings) if settings.is_file() else {})
    lines, rows = _Lines(table), Collector()
    reader, odd = csv.reader(lines, strict=True), Complaints(str(table))
    error: csv.Error | None = None
    try:
        names = [name.strip() for name in next(reader, [])]
        if "step" not in names:
            raise ReadError(str(table), "the table has no column 'step'", "line 1")
        at = names.index("step")
        for row in reader:
            if row:
                _row(row, names, at, lines.number, rows, odd)
            if odd.waiting:
                yield from odd.take()
            if rows.full:
                yield from rows.flush()
    except csv.Error as one:
        error = one
    except ReadError:
        yield from rows.flush()
        raise
    yield from rows.flush()
    yield from odd.rest()
    if not lines.whole:
        yield Note("The last line has no end and was left out: the run goes on, or was stopped while it wrote.")
    if error is not None and not (lines.over and "unexpected end" in str(error)):
        raise ReadError(str(table), f"it is no table with commas: {error}", f"line {lines.number}")


def _row(row: list[str], names: list[str], at: int, line: int, rows: Collector, odd: Complaints) -> None:
    """Take the cells of a row; an empty one was not logged there, which is no missing value."""
    if len(row) > len(names):
        odd.add(line, None, None, f"the row has more cells than the table has columns, {len(names)}", "row")
        return
    cell = row[at] if at < len(row) else ""
    if not _WHOLE.match(cell) or len(cell) > 20 or int(cell.partition(".")[0]) >= 2**63:
        odd.add(line, "step", cell, "the step is no whole number from 0 on", "row")
        return
    step = int(cell.partition(".")[0])
    for i, (name, text) in enumerate(zip_longest(names, row, fillvalue="")):
        if i == at or not text:
            continue
        value = numeral(text) if "," not in text else number(text)
        if value is None:
            odd.add(line, name, text, "it is no number")
        else:
            rows.add("", name, step, value)


class _Lines:
    """Lines of a table for the parser, with the number of the last one; without a last one that has no end."""

    def __init__(self, path: Path) -> None:
        self.number = 0
        self.over = False
        self.whole = True
        self._lines = self._held_back(lines_of(path))

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        try:
            self.number, line = next(self._lines)
        except StopIteration:
            self.over = True
            raise
        # What no parser of tables takes; a file with it is damaged, and the cell will be no number.
        return line.replace("\0", "\N{REPLACEMENT CHARACTER}") + "\n"

    def _held_back(self, lines: Lines) -> Iterator[tuple[int, str]]:
        held: tuple[int, str] | None = None
        for numbered in lines:
            if held is not None:
                yield held
            held = numbered
        self.whole = lines.ended
        if held is not None and self.whole:
            yield held
