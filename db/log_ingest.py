"""Ingest of logs: whatever lies below some paths, each source as it is found, in batches that bound memory and time.

* A source whose files have the size and time that they had is not read; one whose bytes are the same is not written.
* Of a source that changed, runs that grew are replaced and the others stay as they are.
* A source that cannot be read costs nothing but itself: what is in the store of it stays, and the others go on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from db.log_files import FileState, files_of, states_of
from db.log_read import Metrics, SourceRead, fact_lines, fill, finish, open_source
from db.log_stage import Stage
from db.log_write import LogOutcome, mapping_of, name_runs, write_log
from db.problems import Problem
from db.readers.discover import Source
from db.store import Store
from db.views import refresh_views
from scaling.errors import InputDataError, ReadError
from scaling.formatting import format_plural

_BATCH_VALUES = 2_000_000
_BATCH_SOURCES = 500
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
        Runs that were new, were replaced because they changed, stayed as they were, and are no longer in it.
    metric : str or None
        Metric that is shown as the loss.
    facts : tuple of str
        Which key gave which fact by which rule, and what is missing.
    problems : tuple of Problem
        What was refused.
    notes : tuple of str
        What else is worth knowing.
    error : str or None
        Why it could not be read.
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
    problems: tuple[Problem, ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = field(default=(), repr=False)
    error: str | None = None
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
        for count, what in ((self.n_grown, "grew"), (self.n_unchanged, "unchanged"), (self.n_removed, "removed")):
            if count:
                parts.append(f"{count} {what}")
        if self.n_refused:
            parts.append(f"{self.n_refused} refused")
        where = f" (source {self.source_id})" if self.source_id and self.status != "seen" else ""
        return f"{self.path}: {self.format}, {', '.join(parts)}{where}."


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
    job = _Job(store_path, metric, replace, dict(options or {}))
    done = 0
    while done < len(todo):
        reports = job.batch(todo[done:])
        done += len(reports)
        if advance:
            advance(done, len(todo))
        yield from reports


class _Job:
    """What is the same for all batches."""

    def __init__(
        self, store_path: str | Path | None, metric: str | None, replace: bool, options: dict[str, Any]
    ) -> None:
        self.store_path = store_path
        self.metric = metric
        self.replace = replace
        self.options = options

    def batch(self, sources: Sequence[Source]) -> list[LogReport]:
        """Read and write as many sources as fit; at least one."""
        reports: list[LogReport] = []
        reads: list[tuple[int, SourceRead]] = []
        known = self._known(sources[:_BATCH_SOURCES])
        with Stage() as stage:
            metrics = Metrics()
            first = 0
            for source in sources[:_BATCH_SOURCES]:
                read = self._open(source, known)
                if isinstance(read, LogReport):
                    reports.append(read)
                    continue
                try:
                    fill(read, stage, metrics, first, self.options)
                except ReadError as error:
                    reports.append(_failed(source, error))
                    continue
                finally:
                    first += len(read.runs)
                reads.append((len(reports), read))
                reports.append(LogReport(str(source.path), source.format.NAME, "seen"))
                if stage.n_values >= _BATCH_VALUES:
                    break
            if reads:
                failed = finish([read for _, read in reads], stage, metrics, self.metric)
                for place, why in failed.items():
                    reports[reads[place][0]] = _failed(reads[place][1].source, why)
                good = [pair for place, pair in enumerate(reads) if place not in failed]
                self._write(good, stage, reports)
        return reports

    def _known(self, sources: Sequence[Source]) -> dict[str, tuple[str, str, dict[str, FileState]]]:
        """What the store knows of sources, by their absolute path: identifier, mapping, files."""
        if self.store_path is None or not Path(self.store_path).exists():
            return {}
        with Store(self.store_path) as store:  # for writing, so that an older store is brought up to date first
            uris = [source.uri for source in sources]
            _, rows = store.query(
                "SELECT s.uri, s.source_id, s.mapping_sha256, f.path, f.n_bytes, f.modified_ns, f.settled FROM sources "
                "AS s JOIN source_files AS f USING (source_id) WHERE list_contains(CAST(? AS VARCHAR[]), s.uri) AND "
                "s.n_runs = (SELECT count(*) FROM runs AS r WHERE r.source_id = s.source_id) AND s.n_scores = "
                "(SELECT count(*) FROM evals AS e WHERE e.source_id = s.source_id)",
                [uris],
            )
        known: dict[str, tuple[str, str, dict[str, FileState]]] = {}
        for uri, source_id, mapping_sha256, path, n_bytes, modified_ns, settled in rows:
            entry = known.setdefault(uri, (source_id, mapping_sha256, {}))
            entry[2][path] = FileState(path, n_bytes, modified_ns, settled)
        return known

    def _open(
        self, source: Source, known: Mapping[str, tuple[str, str, dict[str, FileState]]]
    ) -> SourceRead | LogReport:
        """The source, or why it need not or cannot be read."""
        name = source.format.NAME
        uri = source.uri
        mapping = self._mapping(source)
        try:
            if uri in known:
                source_id, mapping_sha256, before = known[uri]
                now = {state.path: state for state in states_of(files_of(source.path, source.sign.entries))}
                same = now.keys() == before.keys() and all(
                    before[path].settled
                    and (state.n_bytes, state.modified_ns) == (before[path].n_bytes, before[path].modified_ns)
                    for path, state in now.items()
                )
                if same and mapping_sha256 == _sha256(mapping):
                    return LogReport(str(source.path), name, "unchanged", source_id)
            read = open_source(source)
        except ReadError as error:
            return _failed(source, error)
        if uri in known and known[uri][0] == _source_id(read.sha256, mapping):
            return LogReport(str(source.path), name, "unchanged", known[uri][0])
        return read

    def _mapping(self, source: Source) -> str:
        return mapping_of(source.format.NAME, self.metric, self.options)

    def _write(self, reads: Sequence[tuple[int, SourceRead]], stage: Stage, reports: list[LogReport]) -> None:
        """Write sources, each in a transaction of its own inside one opening of the store."""
        if self.store_path is None:
            for place, read in reads:
                names = {key: key or read.source.label for key in read.runs}
                reports[place] = self._report(read, "seen", None, names)
            return
        with Store(self.store_path) as store:
            rows = store.query("SELECT run_id, uri FROM runs JOIN sources USING (source_id)")[1]
            owners = dict(rows)
            written = False
            for place, read in reads:
                uri = read.source.uri
                mapping = self._mapping(read.source)
                source_id = _source_id(read.sha256, mapping)
                try:
                    with store.transaction() as connection:
                        taken = {run_id for run_id, owner in owners.items() if owner != uri}
                        names = name_runs(connection, read, uri, taken)
                        outcome = write_log(
                            connection, read, names, stage, uri=uri, source_id=source_id, mapping=mapping,
                            mapping_sha256=_sha256(mapping), replace=self.replace,
                        )  # fmt: skip
                except InputDataError as error:
                    reports[place] = _failed(read.source, error)
                    continue
                owners |= dict.fromkeys(names.values(), uri)
                written = True
                reports[place] = self._report(read, outcome.status, source_id, names, outcome)
            if written:
                with store.transaction() as connection:
                    refresh_views(connection)

    def _report(
        self,
        read: SourceRead,
        status: str,
        source_id: str | None,
        names: Mapping[str, str],
        outcome: LogOutcome | None = None,
    ) -> LogReport:
        return LogReport(
            path=str(read.source.path),
            format=read.source.format.NAME,
            status=status,
            source_id=source_id,
            n_runs=len(read.runs),
            n_values=sum(run.counts.n_values for run in read.runs.values() if run.counts),
            n_scores=len(read.scores),
            n_refused=len(read.problems),
            n_new=outcome.n_new if outcome else 0,
            n_grown=outcome.n_grown if outcome else 0,
            n_unchanged=outcome.n_unchanged if outcome else 0,
            n_removed=outcome.n_removed if outcome else 0,
            metric=read.metric,
            facts=tuple(fact_lines(read)),
            problems=tuple(read.problems),
            notes=tuple(read.notes),
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
            "loss": run.logged.get(run.metric or ""),
            "step": counts.last_step if counts else None,
            "n_values": counts.n_values if counts else 0,
            "state": run.described.state,
        }
    for score in read.scores[: _SHOWN if not read.runs else 0]:
        yield {"model": score.model, "task": score.task, "metric": score.metric, "score": score.value}


def _failed(source: Source, error: InputDataError) -> LogReport:
    return LogReport(str(source.path), source.format.NAME, "failed", error=str(error))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _source_id(sha256: str, mapping: str) -> str:
    return _sha256(sha256 + _sha256(mapping))[:12]
