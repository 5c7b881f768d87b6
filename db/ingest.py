"""Ingest: a table of runs into the store, or a look at what that would do.

The store mirrors its files. A file is a source; its runs are those of the file as it was last read:

* The same content with the same mapping changes nothing, wherever the file lies.
* A file whose content or mapping changed is replaced whole: its runs are written anew, those that it no longer has go.
* A run that another file brought is an error, unless `replace` says that the new file takes it over.

Everything about a source is written in one transaction. Rows that are refused are reported with file, line and reason,
and stored with the source. The identifier of a run is unique in the store.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from db.assemble import Runs, assemble
from db.bulk import LargeTable, read_large
from db.bulk_limits import holds_much
from db.cells import STATUS_NAMES
from db.guess import complete
from db.mapping import Mapping
from db.problems import Problem
from db.readers.table import file_format, file_sha256, read_table
from db.resolve import resolve
from scaling.errors import InputDataError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from db.store import Store

_PREVIEW = 5
#: Bytes of text from which on a table is read in parts.
_LARGE = 20_000_000


@dataclass(frozen=True)
class IngestPlan:
    """What an ingest would do.

    Parameters
    ----------
    path : str
        The file.
    format : str
        ``csv``, ``tsv``, ``jsonl``, ``json`` or ``parquet``.
    sha256 : str
        Hash of its bytes.
    mapping : Mapping
        The mapping, completed; ``mapping.lines()`` prints it.
    metric : str
        Metric that is shown as the loss.
    shape : str
        ``long`` (one row a step) or ``wide`` (one row a run).
    n_rows, n_runs, n_values, n_refused : int
        Data rows in the file, runs and logged values in them, rows refused.
    problems : tuple of Problem
        What is refused, with file, line and reason.
    warnings : tuple of str
        What else is worth knowing.
    preview : tuple of dict
        The first runs, as ``runs_final`` will show them.
    """

    path: str
    format: str
    sha256: str
    mapping: Mapping
    metric: str
    shape: str
    n_rows: int
    n_runs: int
    n_values: int
    n_refused: int
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    preview: tuple[dict[str, Any], ...]
    runs: Runs = field(repr=False, compare=False)

    @property
    def source_id(self) -> str:
        """Identifier that the source will have."""
        return _source_id(self.sha256, self.mapping)


@dataclass(frozen=True)
class IngestReport:
    """What an ingest did.

    Parameters
    ----------
    status : str
        ``ingested``, ``replaced`` (an earlier reading of the file, or runs of another) or ``unchanged``.
    source_id : str
        Identifier of the source.
    path : str
        The file.
    metric : str
        Metric that is shown as the loss.
    n_rows, n_runs, n_values, n_refused : int
        Data rows in the file, runs and logged values in them, rows refused.
    n_replaced, n_removed : int
        Runs that were there before and were replaced, and runs that the file no longer has.
    problems : tuple of Problem
        What was refused, with file, line and reason.
    warnings : tuple of str
        What else is worth knowing.
    mapping : Mapping
        The mapping that was used.
    """

    status: str
    source_id: str
    path: str
    metric: str
    n_rows: int
    n_runs: int
    n_values: int
    n_refused: int
    n_replaced: int
    n_removed: int
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    mapping: Mapping

    def __str__(self) -> str:
        runs = format_plural(self.n_runs, "run")
        if self.status == "unchanged":
            return f"{self.path}: unchanged, {runs} in the store already (source {self.source_id})."
        parts = [f"{runs} from {format_plural(self.n_rows, 'row')}"]
        parts += changes(self.n_replaced, self.n_removed, self.n_refused)
        return f"{self.path}: {', '.join(parts)} (source {self.source_id})."


def changes(replaced: int, removed: int, refused: int) -> list[str]:
    """Say how many entries of a source were replaced or removed, and rows refused, where any were."""
    return [
        *([f"{replaced} replaced"] if replaced else []),
        *([f"{removed} no longer in the file and removed"] if removed else []),
        *([f"{format_plural(refused, 'row')} refused"] if refused else []),
    ]


def plan_ingest(
    path: str | Path,
    mapping: Mapping | str | Path | None = None,
    *,
    metric: str | None = None,
    allow_units: bool = False,
) -> IngestPlan:
    """Read a table of runs and say what an ingest would do; writes nothing.

    Parameters
    ----------
    path : str or Path
        A CSV, JSON lines, JSON list or Parquet file, with one row a step or one row a run.
    mapping : Mapping or path, optional
        Which column is which quantity; a path names a TOML file. What it leaves out is guessed from the usual names.
    metric : str, optional
        Metric to show as the loss; a metric of the mapping, or a column.
    allow_units : bool, default False
        Keep an N below 1e3 beside a D above 1e9.

    Returns
    -------
    IngestPlan

    Raises
    ------
    InputDataError
        If the file cannot be used; nothing is left after the refusals; or columns are missing or ambiguous.
    UsageError
        If the mapping cannot be read.
    """
    given = mapping if isinstance(mapping, Mapping) else Mapping() if mapping is None else Mapping.load(mapping)
    if allow_units:
        given = given.with_options(allow_units=True)
    kind = file_format(path)
    before = _stamp(path)
    try:
        sha256 = file_sha256(path)
        read = read_large(str(path), kind, given, metric) if holds_much(path, kind, _LARGE) else None
        read = read or _read_small(path, given, metric)
    except InputDataError as error:
        if _stamp(path) != before:
            raise _changed(path) from error
        raise
    if _stamp(path) != before:
        raise _changed(path)
    runs, used = read.runs, read.mapping
    assert used.metric is not None
    return IngestPlan(
        path=str(path),
        format=read.format,
        sha256=sha256,
        mapping=used,
        metric=used.metric,
        shape=runs.shape,
        n_rows=read.n_rows,
        n_runs=len(runs.run_ids),
        n_values=runs.values.size,
        n_refused=runs.n_refused,
        problems=runs.problems,
        warnings=runs.warnings,
        preview=_preview(runs),
        runs=runs,
    )


def _read_small(path: str | Path, given: Mapping, metric: str | None) -> LargeTable:
    table = read_table(path)
    used = complete(given, table, metric)
    return LargeTable(table.format, table.n_rows, used, assemble(table, used, resolve(used, table)))


def _stamp(path: str | Path) -> tuple[int, int, int]:
    """What tells that a file is another, or was written to."""
    found = Path(path).stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _changed(path: str | Path) -> InputDataError:
    return InputDataError(
        f"The file {path} changed while it was read; nothing was stored.",
        "Read it again when nothing writes to it any more, or read a copy of it.",
    )


def ingest(
    store: Store,
    path: str | Path,
    mapping: Mapping | str | Path | None = None,
    *,
    metric: str | None = None,
    replace: bool = False,
    allow_units: bool = False,
) -> IngestReport:
    """Read a table of runs into a store.

    Parameters
    ----------
    store : Store
        A store open for writing.
    path : str or Path
        A CSV, JSON lines, JSON list or Parquet file, with one row a step or one row a run.
    mapping : Mapping or path, optional
        Which column is which quantity; a path names a TOML file. What it leaves out is guessed from the usual names.
    metric : str, optional
        Metric to show as the loss; a metric of the mapping, or a column.
    replace : bool, default False
        Take over runs that another file brought.
    allow_units : bool, default False
        Keep an N below 1e3 beside a D above 1e9.

    Returns
    -------
    IngestReport

    Raises
    ------
    InputDataError
        As for `plan_ingest`; also if a run came from another file already, or a metric is stored in another unit.
        The store is as it was.
    UsageError
        If the mapping cannot be read.
    StoreError
        If the store is read-only or its disk is full. The store is as it was.
    """
    plan = plan_ingest(path, mapping, metric=metric, allow_units=allow_units)
    return write_plan(store, plan, replace=replace)


def write_plan(store: Store, plan: IngestPlan, *, replace: bool = False) -> IngestReport:
    """Write what a plan has read into a store.

    Parameters
    ----------
    store : Store
        A store open for writing.
    plan : IngestPlan
        The plan.
    replace : bool, default False
        Take over runs that another file brought.

    Returns
    -------
    IngestReport

    Raises
    ------
    InputDataError, StoreError
        As for `ingest`. The store is as it was.
    """
    from db.write import write_source

    outcome = write_source(store, plan, replace=replace)
    return IngestReport(
        status=outcome.status,
        source_id=plan.source_id,
        path=plan.path,
        metric=plan.metric,
        n_rows=plan.n_rows,
        n_runs=plan.n_runs,
        n_values=plan.n_values,
        n_refused=plan.n_refused,
        n_replaced=outcome.n_replaced,
        n_removed=outcome.n_removed,
        problems=plan.problems,
        warnings=plan.warnings,
        mapping=plan.mapping,
    )


def _source_id(sha256: str, mapping: Mapping) -> str:
    return hashlib.sha256(f"{sha256}{mapping.sha256}".encode()).hexdigest()[:12]


def _preview(runs: Runs) -> tuple[dict[str, Any], ...]:
    """The first runs, as ``runs_final`` will show them."""
    with np.errstate(over="ignore"):  # numbers that are no sizes have an infinite product
        compute_flop = np.where(np.isnan(runs.compute_flop), 6 * runs.n_params * runs.n_tokens, runs.compute_flop)
    rows = []
    for index in range(min(_PREVIEW, len(runs.run_ids))):
        status = STATUS_NAMES[int(runs.ends.status[index])]
        row = {
            "run_id": runs.run_ids[index],
            "n_params": _or_none(runs.n_params[index]),
            "n_tokens": _or_none(runs.n_tokens[index]),
            "compute_flop": _or_none(compute_flop[index]),
            "loss": float(runs.ends.value[index]) if status == "ok" else None,
            "loss_status": status,
        }
        if runs.shape == "long" and runs.ends.step[index] >= 0:
            row["step"] = int(runs.ends.step[index])
        rows.append(row | {key: value for key, value in runs.extra[index].items() if key not in row})
    return tuple(rows)


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
