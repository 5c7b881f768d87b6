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
from db.log_report import LogReport, preview_of
from db.log_settle import fact_lines, finish
from db.log_stage import Stage
from db.log_write import LogOutcome, insert_files, mapping_of, write_logs
from db.readers.discover import Source
from db.readers.format import Level
from db.store import Store
from db.views import refresh_views
from scaling.errors import InputDataError, ReadError, UsageError

_BATCH_VALUES = 2_000_000
_BATCH_SOURCES = 500
_BATCH_SETTINGS = 500_000
Advance = Callable[[int, int], None]


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
            preview=tuple(preview_of(read, names)),
        )


def _failed(source: Source, error: InputDataError | UsageError) -> LogReport:
    return LogReport(source.shown, source.format.NAME, "failed", error=str(error))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _source_id(sha256: str, mapping_sha256: str) -> str:
    return _sha256(sha256 + mapping_sha256)[:12]
