"""Ingest of logs: whatever lies below some paths, each source as it is found, in batches that bound memory and time.

* A source whose files have the size and time that they had is not read; one whose bytes are the same is not written.
* Of a source that changed, runs that grew are replaced and the others stay as they are.
* A source that cannot be read costs nothing but itself: what is in the store of it stays, and the others go on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from db.corrections import set_by_hand
from db.log_files import FileState
from db.log_known import Known, plain_path, writing_of
from db.log_moved import move_sources
from db.log_read import Metrics, SourceRead, fill, open_source
from db.log_registry import Held, Registry, Whole
from db.log_settle import fact_lines, finish
from db.log_stage import Stage
from db.log_write import LogOutcome, insert_files, mapping_of, write_logs
from db.problems import Problem
from db.readers.discover import Source
from db.readers.format import Level
from db.store import Store
from db.views import refresh_views
from scaling.errors import InputDataError, ReadError, UsageError
from scaling.formatting import format_plural

_BATCH_VALUES = 2_000_000
_BATCH_SOURCES = 500
_BATCH_SETTINGS = 500_000
_SHOWN = 5
Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class LogReport:
    """What became of one source.

    Parameters
    ----------
    path : str
        Where it lies.
    format : str
        Name of its format.
    status : str
        ``ingested``, ``replaced``, ``unchanged``, ``seen`` (nothing was to be written) or ``failed``.
    source_id : str or None
        Identifier of the source.
    n_runs, n_values, n_scores, n_refused : int
        Runs, logged values and scores in it, and what was refused.
    n_new, n_grown, n_unchanged, n_removed : int
        Runs that were new, were replaced because they grew or changed, stayed as they were, and are no longer in it.
    metric : str or None
        Metric that is shown as the loss.
    facts : tuple of str
        Which key gave which fact by which rule, and what is missing; of how many runs.
    facts_alike : tuple of str
        The same without what is of these runs alone, to be counted over many logs.
    problems : tuple of Problem
        What was refused.
    notes : tuple of str
        What else is worth knowing.
    error : str or None
        Why it could not be read.
    shrunk : str or None
        Which runs have fewer values than when it was read before.
    run_ids : tuple of str
        Identifiers of its runs.
    preview : tuple of dict
        The first runs, and scores, as they would stand in the store.
    """

    path: str
    format: str
    status: str
    source_id: str | None = None
    n_runs: int = 0
    n_values: int = 0
    n_scores: int = 0
    n_refused: int = 0
    n_new: int = 0
    n_grown: int = 0
    n_unchanged: int = 0
    n_removed: int = 0
    metric: str | None = None
    facts: tuple[str, ...] = field(default=(), repr=False)
    facts_alike: tuple[str, ...] = field(default=(), repr=False)
    problems: tuple[Problem, ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = field(default=(), repr=False)
    error: str | None = None
    shrunk: str | None = None
    run_ids: tuple[str, ...] = field(default=(), repr=False)
    preview: tuple[dict[str, Any], ...] = field(default=(), repr=False)

    def to_row(self) -> dict[str, Any]:
        """The report as a row of plain values, without sentences."""
        names = ("source_id", "path", "format", "status", "n_runs", "n_values", "n_scores", "n_refused")
        more = ("n_new", "n_grown", "n_unchanged", "n_removed", "metric")
        return {name: getattr(self, name) for name in (*names, *more)}

    def __str__(self) -> str:
        if self.status == "failed":
            return f"{self.path}: {self.error}" if not (self.error or "").startswith(self.path) else str(self.error)
        if self.status == "unchanged" and not self.n_values:
            return f"{self.path}: unchanged (source {self.source_id})."
        parts = []
        if self.n_runs:
            parts.append(f"{format_plural(self.n_runs, 'run')} with {format_plural(self.n_values, 'value')}")
        if self.n_scores:
            parts.append(format_plural(self.n_scores, "score"))
        for count, what in ((self.n_grown, "changed"), (self.n_unchanged, "unchanged"), (self.n_removed, "removed")):
            if count:
                parts.append(f"{count} {what}")
        if self.n_refused:
            parts.append(f"{self.n_refused} refused")
        parts = parts or ["nothing in it yet"]
        where = f" (source {self.source_id})" if self.source_id and self.status != "seen" else ""
        less = f" {self.shrunk}" if self.shrunk else ""
        return f"{self.path}: {self.format}, {', '.join(parts)}{where}.{less}"


def ingest_logs(
    store_path: str | Path | None,
    sources: Iterable[Source],
    *,
    metric: str | None = None,
    replace: bool = False,
    options: Mapping[str, Any] | None = None,
    advance: Advance | None = None,
) -> Iterator[LogReport]:
    """Read logs into a store.

    Parameters
    ----------
    store_path : str, Path or None
        The store, opened for each batch and made where there is none; None to read without writing.
    sources : iterable of Source
        As `db.readers.discover` finds them.
    metric : str, optional
        Metric to show as the loss; by default chosen by name.
    replace : bool, default False
        Take over runs and scores that another source brought.
    options : mapping, optional
        For the readers.
    advance : callable, optional
        Called with the sources that are done and all of them.

    Yields
    ------
    LogReport
        One a source, in their order.

    Raises
    ------
    StoreError
        If the store cannot be used; batches that were reported are in it.
    """
    todo = list(sources)
    rivals = {plain_path(source.uri) for source in todo} if replace else None
    job = _Job(store_path, metric, replace, dict(options or {}), rivals)
    done = 0
    while done < len(todo):
        reports = job.batch(todo, done, advance)
        done += len(reports)
        yield from reports


@dataclass
class _Batch:
    """Sources on their way into the store."""

    reports: list[LogReport] = field(default_factory=list)
    reads: list[tuple[int, SourceRead]] = field(default_factory=list)  # with the place of its report
    files: dict[str, list[FileState]] = field(default_factory=dict)  # of sources whose bytes are as they were
    moved: dict[str, str] = field(default_factory=dict)
    copies: dict[int, str] = field(default_factory=dict)  # of what is read in this batch, by the place of their reports


class _Job:
    """What is the same for all batches."""

    def __init__(
        self,
        store_path: str | Path | None,
        metric: str | None,
        replace: bool,
        options: dict[str, Any],
        rivals: set[str] | None,
    ) -> None:
        self.store_path = store_path
        self.metric = metric
        self.replace = replace
        self.options = options
        self.rivals = rivals
        self._met: dict[str, str] = {}  # identifiers of the sources that were read, with their addresses

    def batch(self, todo: Sequence[Source], done: int, advance: Advance | None) -> list[LogReport]:
        """Read and write as many sources as fit; at least one."""
        sources = todo[done : done + _BATCH_SOURCES]
        batch = _Batch()
        known = Registry(self.store_path, sources, self.rivals)
        with Stage() as stage:
            metrics = Metrics()
            first = n_settings = 0
            for source in sources:
                read = self._open(source, known, batch)
                if isinstance(read, LogReport):
                    batch.reports.append(read)
                else:
                    batch.reports.append(self._fill(read, stage, metrics, first, batch))
                    first += len(read.runs)
                    n_settings += read.n_settings
                if advance:
                    advance(done + len(batch.reports), len(todo))
                if stage.n_values >= _BATCH_VALUES or n_settings >= _BATCH_SETTINGS:
                    break
            if batch.reads:
                failed = finish([read for _, read in batch.reads], stage, metrics, self.metric)
                for place, why in failed.items():
                    number, read = batch.reads[place]
                    batch.reports[number] = _failed(read.source, why)
                batch.reads = [pair for place, pair in enumerate(batch.reads) if place not in failed]
            if batch.reads or batch.files or batch.moved:
                self._write(batch, stage)
        self._fail_copies(sources, batch)
        return batch.reports

    def _fail_copies(self, sources: Sequence[Source], batch: _Batch) -> None:
        """A copy of a log that could not be read after all is no better than it; the next may be tried."""
        failed = {plain_path(one.uri): place for place, one in enumerate(sources[: len(batch.reports)])}
        failed = {uri: place for uri, place in failed.items() if batch.reports[place].status == "failed"}
        for place, source_id in batch.copies.items():
            if (first := failed.get(self._met.get(source_id, ""))) is not None:
                batch.reports[place] = replace(
                    batch.reports[first],
                    path=sources[place].shown,
                    error=f"It is, byte for byte, {batch.reports[first].error}",
                )
        self._met = {source_id: uri for source_id, uri in self._met.items() if uri not in failed}

    def _open(self, source: Source, known: Registry, batch: _Batch) -> SourceRead | LogReport:
        """The source, or why it need not or cannot be read."""
        uri = plain_path(source.uri)
        mapping_sha256 = _sha256(self._mapping(source))
        before = known.sources.get(uri)
        try:
            if before is not None and before.mapping_sha256 == mapping_sha256 and before.is_as(source):
                return self._unchanged(source, known, before.source_id)
            if (whole := known.whole_of(source)) is not None:
                return self._as_part(source, whole, known)
            read = open_source(source)
        except ReadError as error:
            return _failed(source, error)
        return self._placed(read, _source_id(read.sha256, mapping_sha256), before, known, batch)

    def _placed(
        self, read: SourceRead, source_id: str, before: Held | None, known: Registry, batch: _Batch
    ) -> SourceRead | LogReport:
        """What is new, or where else the same bytes lie."""
        source, uri = read.source, plain_path(read.source.uri)
        other = self._met.setdefault(source_id, uri)
        moved = other == uri and known.holder(source_id) not in (None, uri)
        if moved and known.is_still(source_id):
            other, moved = str(known.holder(source_id)), False
        report = self._unchanged(source, known, source_id)
        if source.sign.level == Level.ADDRESS:
            return read  # only the other side knows whether it changed
        if other != uri:
            if other == self._met[source_id]:
                batch.copies[len(batch.reports)] = source_id
            return replace(report, notes=(f"It is, byte for byte, {other}, which is read.",))
        if moved and known.is_whole(source_id):
            batch.moved[source_id] = uri
            report = replace(report, notes=(f"It was {known.holder(source_id)} when it was read.",))
        elif before is None or before.source_id != source_id:
            return read
        batch.files[source_id] = read.files  # their times are new, or settled now
        return report

    def _as_part(self, source: Source, whole: Whole, known: Registry) -> LogReport:
        """A part of a directory that is read has no runs of its own."""
        if not whole.has_still(source):
            why = f"it is a part of {whole.path}, which was read as a whole, and has changed since"
            return _failed(source, ReadError(source.shown, why, hint=f"Read the whole: scaling ingest {whole.path}"))
        report = self._unchanged(source, known, whole.source_id)
        return replace(report, notes=(f"It is read as a part of {whole.path}.",))

    def _unchanged(self, source: Source, known: Registry, source_id: str | None) -> LogReport:
        metric = known.metric_of(source_id, self.metric) if source_id else None
        return LogReport(source.shown, source.format.NAME, "unchanged", source_id, metric=metric)

    def _fill(self, read: SourceRead, stage: Stage, metrics: Metrics, first: int, batch: _Batch) -> LogReport:
        source = read.source
        try:
            fill(read, stage, metrics, first, self.options)
        except (InputDataError, UsageError) as error:
            self._met.pop(_source_id(read.sha256, _sha256(self._mapping(source))), None)
            return _failed(source, error)
        batch.reads.append((len(batch.reports), read))
        return LogReport(source.shown, source.format.NAME, "seen")

    def _mapping(self, source: Source) -> str:
        return mapping_of(source.format.NAME, self.metric, self.options)

    def _write(self, batch: _Batch, stage: Stage) -> None:
        """Write sources, all in one transaction; what cannot be admitted is reported and costs the others nothing."""
        if self.store_path is None:
            for place, read in batch.reads:
                names = {key: key or plain_path(read.source.label) for key in read.runs}
                batch.reports[place] = self._report(read, "seen", None, names)
            return
        with Store(self.store_path) as store, store.transaction() as connection:
            move_sources(connection, batch.moved)  # first, for what is read may lie where another lay
            insert_files(connection, batch.files)
            writings = []
            for _, read in batch.reads:
                mapping = self._mapping(read.source)
                mapping_sha256 = _sha256(mapping)
                writings.append(writing_of(read, _source_id(read.sha256, mapping_sha256), mapping, mapping_sha256))
            known = Known(connection, writings)
            admitted = []
            for (place, read), one in zip(batch.reads, writings, strict=True):
                try:
                    known.admit(one, replace=self.replace)
                    if one.is_there:
                        path, name = one.read.source.shown, one.read.source.format.NAME
                        batch.reports[place] = LogReport(path, name, "unchanged", one.source_id)
                    else:
                        admitted.append((place, one))
                except InputDataError as error:
                    batch.reports[place] = _failed(read.source, error)
            if admitted:
                outcomes = write_logs(connection, [one for _, one in admitted], stage, known.units)
                by_hand = set_by_hand(connection, [run_id for _, one in admitted for run_id in one.names.values()])
                for (place, one), outcome in zip(admitted, outcomes, strict=True):
                    report = self._report(one.read, outcome.status, one.source_id, one.names, outcome, by_hand)
                    batch.reports[place] = report
                refresh_views(connection)

    def _report(
        self,
        read: SourceRead,
        status: str,
        source_id: str | None,
        names: Mapping[str, str],
        outcome: LogOutcome | None = None,
        by_hand: Mapping[str, Mapping[str, float | str]] = MappingProxyType({}),
    ) -> LogReport:
        facts = fact_lines(read, names, by_hand)
        return LogReport(
            path=read.source.shown,
            format=read.source.format.NAME,
            status=status,
            source_id=source_id,
            n_runs=len(read.runs),
            n_values=sum(run.counts.n_values for run in read.runs.values() if run.counts),
            n_scores=len(read.scores),
            n_refused=read.n_refused,
            n_new=outcome.n_new if outcome else 0,
            n_grown=outcome.n_grown if outcome else 0,
            n_unchanged=outcome.n_unchanged if outcome else 0,
            n_removed=outcome.n_removed if outcome else 0,
            metric=read.metric,
            facts=tuple(f"{line} ({which})" for line, which in facts),
            facts_alike=tuple(line for line, _ in facts),
            problems=tuple(read.problems),
            notes=tuple(read.notes),
            shrunk=outcome.shrunk if outcome else None,
            run_ids=tuple(names.values()),
            preview=tuple(_preview(read, names)),
        )


def _preview(read: SourceRead, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The first runs with their facts and last loss, and the first scores."""
    for key, run in list(read.runs.items())[:_SHOWN]:
        found = {name: fact.value for name, fact in run.facts.facts.items()} if run.facts else {}
        counts = run.counts
        yield {
            "run_id": names[key],
            **{name: found.get(name) for name in ("n_params", "n_tokens", "compute_flop", "batch_tokens", "corpus")},
            "loss": run.last.get(run.metric or ""),
            "step": counts.last_step if counts else None,
            "n_values": counts.n_values if counts else 0,
            "state": run.described.state,
        }
    for score in read.scores[: _SHOWN if not read.runs else 0]:
        yield {"model": score.model, "task": score.task, "metric": score.metric, "score": score.value}


def _failed(source: Source, error: InputDataError | UsageError) -> LogReport:
    return LogReport(source.shown, source.format.NAME, "failed", error=str(error))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _source_id(sha256: str, mapping_sha256: str) -> str:
    return _sha256(sha256 + mapping_sha256)[:12]
