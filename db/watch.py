"""Keeping a store up to date while runs go on: look, read what changed, wait, and look again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from db.ingest_paths import find_sources
from db.log_ingest import LogReport, ingest_logs
from db.readers.run_table import NAME as TABLE
from scaling.errors import StoreError


@dataclass(frozen=True)
class Look:
    """What one look brought.

    Parameters
    ----------
    number : int
        Of the look, from 1.
    n_sources : int
        Logs that are there.
    changed : tuple of LogReport
        Those that were read, or failed for another reason than before.
    busy : str or None
        Why the store could not be used; the next look tries again.
    """

    number: int
    n_sources: int
    changed: tuple[LogReport, ...]
    busy: str | None = None


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
    """
    failures: dict[str, str | None] = {}
    number = 0
    while True:
        number += 1
        sources, _ = find_sources([path for path in paths if number == 1 or path.exists()], wanted)
        logs = [source for source in sources if source.format.NAME != TABLE]
        changed = []
        busy = None
        try:
            for report in ingest_logs(db, logs, metric=metric, replace=replace):
                if report.status == "failed":
                    if failures.get(report.path) != report.error:
                        changed.append(report)
                    failures[report.path] = report.error
                elif report.status != "unchanged":
                    changed.append(report)
        except StoreError as error:
            busy = str(error)  # another process has it, most likely; what was not read now is read at the next look
        yield Look(number, len(logs), tuple(changed), busy)
        if looks is not None and number >= looks:
            return
        sleep(every)
