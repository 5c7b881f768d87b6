"""Charts that the pages of W&B export as CSV: a column a line, with the bounds of each point beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from db.readers.collect import Collector, whole_step
from db.readers.complaints import Complaints
from db.readers.csv_rows import cell_number, csv_rows
from db.readers.format import Field, Level, Sign
from db.readers.found import Found, Note, RunFound
from db.readers.probe import Probe
from db.readers.wandb_columns import GROUP, MAXIMUM, MINIMUM, Line, lines_of_chart
from db.readers.wandb_rows import STEP, STEP_NAMES
from scaling.errors import ReadError

NAME = "wandb-chart"
WHAT = "a chart that W&B exported as CSV"
READS = (
    "A column a run and metric, `<run> - <metric>`; steps from `Step`, from `<run> - _step` where the chart has "
    "another axis, or from an axis that counts steps by its name. Names may hold ` - `: the other columns tell where "
    "they end."
)
LEAVES_OUT = "`__MIN` and `__MAX`, which only tell whether a point is a mean. What smoothing did cannot be undone."
TRIED = "columns of exports that others published; the files themselves from documentation"
FIELDS: Sequence[Field] = (
    Field("step", "Step"),
    Field("step", "<run> - _step"),
    Field("lowest of a point", "<run> - <metric>__MIN"),
    Field("highest of a point", "<run> - <metric>__MAX"),
)
UPSERTS = True

_AXES = ("Step", "Relative Time (Process)", "Relative Time (Wall)", "Wall Time")


def sniff(probe: Probe) -> Sign | None:
    """Known by a column with its bounds beside it, or by ``Step`` with columns of runs."""
    columns = set(probe.columns)
    for name in probe.columns[1:]:
        base = name.removesuffix(MINIMUM)
        if base != name and " - " in base and base in columns and base + MAXIMUM in columns:
            return Sign(Level.KEYS, f"it has the columns '{base}', __MIN and __MAX")
    others = probe.columns[1:]
    if probe.columns[:1] and probe.columns[0] in _AXES and others and all(" - " in name for name in others):
        return Sign(Level.KEYS, f"it has the column '{probe.columns[0]}', and others as '{others[0]}'")
    return None


def read(path: Path, entries: Sequence[str] = (), **options: Any) -> Iterator[Found]:
    """Read a chart."""
    del entries, options
    rows = csv_rows(path)
    _, header = next(rows, (1, None))
    if header is None:
        raise ReadError(str(path), "there is no row of names in it", "line 1")
    lines, doubtful = lines_of_chart(header)
    if not lines:
        raise ReadError(str(path), "none of its columns is named as '<run> - <metric>'", "line 1")
    chart = _Chart(str(path), header, lines)
    for run in dict.fromkeys(line.run for line in lines):
        yield RunFound(run, name=run)
    yield from _named(str(path), lines, doubtful)
    for number, cells in rows:
        if cells is None or len(cells) != len(header):
            chart.refuse(number, cells)
            continue
        chart.take(number, cells)
        if chart.collector.full:
            yield from chart.collector.flush()
        if chart.complaints.waiting:
            yield from chart.complaints.take()
    yield from chart.collector.flush()
    yield from chart.end()


class _Chart:
    """The rows of a chart."""

    def __init__(self, file: str, header: list[str], lines: list[Line]) -> None:
        self.collector, self.complaints = Collector(), Complaints(file)
        self._file, self._header = file, header
        own = {line.run: line.column for line in lines if line.metric == STEP}
        last = header[0].replace("/", ".").rpartition(".")[2].lower()
        self._shared = last in STEP_NAMES
        self._counts_tokens = "token" in last
        self._lines = [(line, None if self._shared else own.get(line.run)) for line in lines if line.metric != STEP]
        self._spread = self._points = 0
        self._cut: int | None = None

    def take(self, number: int, cells: list[str]) -> None:
        """Take a row."""
        shared = self._step(cells, 0, number) if self._shared else None
        if self._shared and shared is None:
            return
        tokens = self._number(cells, 0, number)[1] if self._counts_tokens else None
        for line, own in self._lines:
            if not cells[line.column]:
                continue  # nothing of this run at this step
            step = shared
            if own is not None:
                step = self._step(cells, own, number)
                if step is None:
                    continue
            known, value = self._number(cells, line.column, number)
            if not known:
                continue
            self._points += 1
            self._spread += any(
                bound is not None and cells[bound] not in ("", cells[line.column]) for bound in (line.low, line.high)
            )
            self.collector.add(line.run, line.metric, step, value, math.nan if tokens is None else tokens)

    def refuse(self, number: int, cells: list[str] | None) -> None:
        """Refuse a row that has not as many cells as there are columns."""
        if cells is None:
            self._cut = number
            return
        reason = f"the row has another number of cells than the {len(self._header)} columns"
        self.complaints.add(number, None, f"{len(cells)} cells", reason, "row")

    def end(self) -> Iterator[Found]:
        """Say what the export bakes in."""
        yield from self.complaints.rest()
        if self._cut is not None:
            yield Note(f"{self._file}: its last row, line {self._cut}, is cut off and left out.")
        yield Note(
            f"{self._file}: a chart shows no more than a sample of a long run, and smoothing, where the chart had any, "
            "may be in the values; the file does not say. The history of the run has them all."
        )
        if self._spread:
            yield Note(
                f"{self._file}: {self._spread:,} of {self._points:,} points are means: __MIN and __MAX beside them are "
                "other values."
            )
        if not self._shared and any(own is None for _, own in self._lines):
            yield Note(
                f"{self._file}: the axis '{self._header[0]}' counts no steps, and there are no columns "
                "'<run> - _step', so values have no step."
            )

    def _step(self, cells: list[str], column: int, number: int) -> int | None:
        known, value = self._number(cells, column, number)
        step = whole_step(value)
        if known and step is None:
            self.complaints.add(number, self._header[column], cells[column], "a step is no whole number from 0 on")
        return step

    def _number(self, cells: list[str], column: int, number: int) -> tuple[bool, float | None]:
        """A cell as a number, and whether it is one, or says that there is none."""
        try:
            return True, cell_number(cells[column])
        except ValueError:
            self.complaints.add(number, self._header[column], cells[column], "it is no number")
            return False, None


def _named(file: str, lines: list[Line], doubtful: list[str]) -> Iterator[Note]:
    groups = sorted({line.run for line in lines if line.run.startswith(GROUP)})
    if groups:
        yield Note(
            f"{file}: '{groups[0]}'{' and others' if len(groups) > 1 else ''}: values are means over a group of runs."
        )
    if doubtful:
        others = f" and {len(doubtful) - 1} more" if len(doubtful) > 1 else ""
        yield Note(
            f"{file}: where the name of the run ends in the column '{doubtful[0]}'{others} the columns do not tell; it "
            "is taken to end at the last ' - '."
        )
