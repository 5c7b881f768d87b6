"""Tables among what is watched: a table that changed is read whole, as an ingest would read it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from db.ingest import plan_ingest, write_plan
from db.log_report import LogReport
from db.readers.discover import Source
from db.readers.probe import Probe
from db.readers.score_tables import NAME as SCORES
from db.readers.score_tables import preset_of
from db.score_ingest import plan_scores, write_score_plan
from db.store import Store
from scaling.errors import InputDataError, StoreError, UsageError

_SETTLED_NS = 2_000_000_000
_State = tuple[int, int]


class WatchedTables:
    """Tables of runs and of scores that are looked at again and again.

    Parameters
    ----------
    db : str
        The store, open only while a table is written.
    named : sequence of Path
        Paths that were asked for. A table among other files may be something else, and is left alone where it cannot
        be read as one; a table that was named is not.
    metric : str, optional
        Metric to show as the loss; of tables that have it.
    replace : bool, default False
        Take over what another file brought.
    """

    def __init__(self, db: str, named: Sequence[Path], *, metric: str | None = None, replace: bool = False) -> None:
        self._db = db
        self._named = {path.resolve() for path in named}
        self._metric = metric
        self._replace = replace
        self._seen: dict[Path, _State] = {}
        self._none: set[Path] = set()

    def look(self, tables: Sequence[Source]) -> Iterator[LogReport]:
        """Read the tables that changed since the last look.

        Parameters
        ----------
        tables : sequence of Source
            Those that are there.

        Yields
        ------
        LogReport
            One a table that was read, or could not be.

        Raises
        ------
        StoreError
            If the store cannot be used; the table is read at the next look.
        """
        for source in tables:
            before = _state(source.path)
            if before is None or self._seen.get(source.path) == before:
                continue
            try:
                report = self._read(source)
            except StoreError:
                raise
            except (InputDataError, UsageError) as error:
                report = self._failed(source, error)
            if time.time_ns() - before[1] > _SETTLED_NS:  # sooner, it may change again without its time telling
                self._seen[source.path] = before
            self._none.discard(source.path)
            if report is None:
                self._none.add(source.path)
            else:
                yield report

    def are_tables(self, found: Sequence[Source]) -> int:
        """How many of these can be read as tables, as far as one looked at them."""
        return sum(source.path not in self._none for source in found)

    def _read(self, source: Source) -> LogReport | None:
        path, name = source.path, source.format.NAME
        if name == SCORES:
            preset = preset_of(Probe(path).columns)
            if preset is None:
                return None  # it is joined to a table of scores, and says nothing by itself
            scores = plan_scores(path, preset=preset)
            with Store(self._db) as store:
                of_scores = write_score_plan(store, scores, replace=self._replace)
            return LogReport(
                path=str(path), format=name, status=of_scores.status, source_id=of_scores.source_id,
                n_scores=of_scores.n_scores, n_refused=of_scores.n_refused, n_grown=of_scores.n_replaced,
                n_removed=of_scores.n_removed, problems=of_scores.problems,
            )  # fmt: skip
        plan = plan_ingest(path, metric=self._metric)
        with Store(self._db) as store:
            done = write_plan(store, plan, replace=self._replace)
        return LogReport(
            path=str(path), format=name, status=done.status, source_id=done.source_id, n_runs=done.n_runs,
            n_values=done.n_values, n_refused=done.n_refused, n_grown=done.n_replaced, n_removed=done.n_removed,
            metric=done.metric, problems=done.problems,
        )  # fmt: skip

    def _failed(self, source: Source, error: InputDataError | UsageError) -> LogReport | None:
        asked = source.path.resolve() in self._named
        if not asked and " came from another file already" not in error.message:
            return None
        return LogReport(str(source.path), source.format.NAME, "failed", error=str(error))


def _state(path: Path) -> _State | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
