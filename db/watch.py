"""Keeping a store up to date while runs go on: look, read what changed, wait, and look again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from db.ingest_paths import find_sources
from db.log_ingest import ingest_logs
from db.log_report import LogReport
from db.readers.discover import Source, Unread, is_address
from db.readers.run_table import NAME as TABLE
from db.readers.score_tables import NAME as SCORES
from db.watch_tables import WatchedTables
from scaling.errors import InputDataError, StoreError

#: What is said of a store that somebody else has.
_BUSY = (" is locked by ", " is already open in this process")


@dataclass(frozen=True)
class Look:
    """What one look brought.

    Parameters
    ----------
    number : int
        Of the look, from 1.
    n_sources : int
        Logs and tables that are there.
    changed : tuple of LogReport
        Those that were read, or failed for another reason than before.
    unread : tuple of str
        What else cannot be read, and why, where that was not said before.
    busy : str or None
        Why the store could not be used; the next look tries again.
    gone : tuple of str
        Logs that were read before and are no longer there, or no logs any more.
    """

    number: int
    n_sources: int
    changed: tuple[LogReport, ...]
    unread: tuple[str, ...] = ()
    busy: str | None = None
    gone: tuple[str, ...] = ()


def watch(
    paths: Sequence[Path],
    db: str,
    *,
    every: float = 30.0,
    looks: int | None = None,
    wanted: str | None = None,
    metric: str | None = None,
    replace: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Look]:
    """Read logs again and again.

    Parameters
    ----------
    paths : sequence of Path
        Files and directories; new logs in them are found.
    db : str
        The store. It is open only while something is written, so that others can read it; each source is written in one
        transaction, so that a kill at any time costs nothing.
    every : float, default 30
        Seconds between looks.
    looks : int, optional
        How many; by default without end.
    wanted, metric, replace
        As for an ingest.
    sleep : callable
        Waits for some seconds.

    Yields
    ------
    Look
        One a look.

    Raises
    ------
    InputDataError
        If a path is not there at the first look.
    StoreError
        If the store cannot be used for another reason than that somebody else has it.
    """
    failures: dict[str, str | None] = {}
    watched = WatchedTables(db, paths, metric=metric, replace=replace)
    said: set[str] = set()
    there: dict[str, Source] = {}
    number = 0
    while True:
        number += 1
        sources, unread = _look_for(paths, wanted, first=number == 1)
        logs = [source for source in sources if source.format.NAME not in (TABLE, SCORES)]
        tables = [source for source in sources if source.format.NAME in (TABLE, SCORES)]
        odd = [str(one) for one in unread if one.known and str(one) not in said]
        said.update(odd)
        now = {source.uri for source in sources}
        gone = [source for uri, source in there.items() if uri not in now and not _is_part(source, sources)]
        there = {source.uri: source for source in sources}
        changed = []
        busy = None
        try:
            for report in chain(ingest_logs(db, logs, metric=metric, replace=replace), watched.look(tables)):
                if report.status == "failed":
                    if failures.get(report.path) != report.error:
                        changed.append(report)
                    failures[report.path] = report.error
                    continue
                failures.pop(report.path, None)
                if report.status != "unchanged":
                    changed.append(report)
        except StoreError as error:
            if not any(word in error.message for word in _BUSY):
                raise
            busy = str(error)  # what was not read now is read at the next look
        yield Look(
            number,
            len(logs) + watched.are_tables(tables),
            tuple(changed),
            tuple(odd),
            busy,
            tuple(map(_farewell, gone)),
        )
        if looks is not None and number >= looks:
            return
        sleep(every)


def _look_for(paths: Sequence[Path], wanted: str | None, *, first: bool) -> tuple[list[Source], list[Unread]]:
    """What is below the paths; at a later look one that can be no log any more costs the others nothing."""
    if first:
        return find_sources(paths, wanted)
    sources: dict[str, Source] = {}
    unread: list[Unread] = []
    for path in paths:
        if not path.exists() and not is_address(path):
            continue
        try:
            found, others = find_sources([path], wanted)
        except InputDataError as error:
            unread.append(Unread(path, error.message.removeprefix(f"{path} ").removeprefix(f"{path}: ")))
            continue
        sources |= {source.uri: source for source in found}
        unread += others
    return list(sources.values()), unread


def _is_part(source: Source, sources: Sequence[Source]) -> bool:
    """Whether a log is read as a part of another now, as the earlier part of a run that was started again."""
    return any(source.format is one.format and source.path.is_relative_to(one.path) for one in sources)


def _farewell(source: Source) -> str:
    """What is said of a log that was there."""
    what = f"is no log of the format {source.format.NAME} any more" if source.path.exists() else "is gone"
    return f"{source.path} {what}; what was read of it stays in the store."
