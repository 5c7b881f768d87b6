"""Which sources a store holds, and whether their files are as they were."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from db.log_files import FileState, files_of, states_of
from db.log_known import plain_path
from db.readers.discover import Source
from db.sql_arrays import registered, texts
from db.store import Store
from scaling.errors import StoreError


@dataclass(frozen=True)
class Held:
    """A source that the store holds whole.

    Parameters
    ----------
    source_id, mapping_sha256 : str
        Its identifier, and how it was read.
    files : mapping of str to FileState
        What its files were like, by path.
    """

    source_id: str
    mapping_sha256: str
    files: Mapping[str, FileState]

    def is_as(self, source: Source) -> bool:
        """Whether size and time of all files say that nothing changed; raises `ReadError` where one is unreadable."""
        now = states_of(files_of(source.path, source.sign))
        if not now or len(now) != len(self.files):
            return False
        for state in now:
            before = self.files.get(plain_path(state.path))
            if before is None or not before.settled:
                return False
            if (state.n_bytes, state.modified_ns) != (before.n_bytes, before.modified_ns):
                return False
        return True


#: What each source lacks of its runs and scores, how much of that others have taken over, and where these are.
_MISSING = """
WITH here AS (
    SELECT source_id, count(*) AS n FROM (SELECT source_id FROM runs UNION ALL SELECT source_id FROM evals) GROUP BY 1
), lost AS (
    SELECT source_id, unnest(CAST(lost_runs AS VARCHAR[])) AS name, 'run' AS what FROM sources
    UNION ALL SELECT source_id, unnest(CAST(lost_scores AS VARCHAR[])), 'score' FROM sources
), held AS (
    SELECT run_id AS name, 'run' AS what, source_id FROM runs UNION ALL SELECT eval_id, 'score', source_id FROM evals
), taken AS (
    SELECT l.source_id, count(*) AS n, list(DISTINCT s.uri) AS owners FROM lost AS l JOIN held AS h USING (name, what)
    JOIN sources AS s ON s.source_id = h.source_id WHERE h.source_id <> l.source_id GROUP BY 1
)
SELECT s.source_id, s.uri, s.n_runs + s.n_scores - coalesce(here.n, 0), coalesce(taken.n, 0), taken.owners
FROM sources AS s LEFT JOIN here USING (source_id) LEFT JOIN taken USING (source_id)
WHERE s.source_id IN (SELECT source_id FROM source_files)
"""


#: Directories that hold, and read, what is asked for by itself.
_WHOLES = """
SELECT u.uri, regexp_replace(s.uri, '#[^#/]*$', ''), s.source_id, g.path, g.n_bytes, g.modified_ns
FROM _uris AS u JOIN source_files AS f ON f.path = u.path JOIN sources AS s USING (source_id)
JOIN source_files AS g ON g.source_id = s.source_id
WHERE s.format = u.format AND s.uri <> u.uri AND starts_with(u.uri, regexp_replace(s.uri, '#[^#/]*$', '') || '/')
"""
_SHOWN = """
SELECT source_id, list(DISTINCT loss_metric ORDER BY loss_metric) FROM runs
WHERE source_id IN (SELECT source_id FROM sources WHERE uri IN (SELECT uri FROM _uris)) GROUP BY 1
"""


@dataclass(frozen=True)
class Whole:
    """A directory that a store holds, of which something that is asked for is a part.

    Parameters
    ----------
    path, source_id : str
        Where it lies; its identifier.
    files : dict of str to (int, int)
        Size and time of its files when they were read.
    """

    path: str
    source_id: str
    files: dict[str, tuple[int, int]]

    def has_still(self, part: Source) -> bool:
        """Whether a part of it is as it was."""
        mine = {plain_path(str(file.resolve())) for file in files_of(part.path, part.sign)}
        return _are_as({path: state for path, state in self.files.items() if path in mine})


class Registry:
    """What a store knows of sources that are about to be read.

    Parameters
    ----------
    store_path : str, Path or None
        The store; without it nothing is known.
    asked : sequence of Source
        The sources.
    rivals : set of str, optional
        Where runs and scores may be taken over, the addresses of all sources that are read together: what a source
        lost to one of these it does not take back, or the two would take it from each other for ever.

    Attributes
    ----------
    sources : dict of str to Held
        Those that the store holds with all their runs and scores, but what others took over, by address.
    """

    def __init__(self, store_path: str | Path | None, asked: Sequence[Source], rivals: Set[str] | None = None) -> None:
        self._wholes: dict[str, Whole] = {}
        self._states: dict[str, dict[str, tuple[int, int]]] | None = None
        self._metrics: dict[str, list[str]] = {}
        self._path = store_path
        self.sources: dict[str, Held] = {}
        self._holders: dict[str, tuple[str, bool]] = {}
        if store_path is None or not Path(store_path).exists():
            return
        with _opened(store_path) as store:
            connection = store.connection
            mine = {
                "uri": texts([plain_path(one.uri) for one in asked]),
                "format": texts([one.format.NAME for one in asked]),
                "path": texts([plain_path(str(one.main_files[0])) for one in asked]),
            }
            with registered(connection, {"_uris": mine}):
                rows = connection.execute(
                    "SELECT s.uri, s.source_id, s.mapping_sha256, f.path, f.n_bytes, f.modified_ns, f.settled "
                    "FROM sources AS s JOIN source_files AS f USING (source_id) WHERE s.uri IN (SELECT uri FROM _uris)"
                ).fetchall()
                wholes = connection.execute(_WHOLES).fetchall()
                self._metrics = dict(connection.execute(_SHOWN).fetchall())
            for uri, whole, source_id, path, n_bytes, modified_ns in wholes:
                one = self._wholes.setdefault(uri, Whole(whole, source_id, {}))
                one.files[path] = n_bytes, modified_ns
            self._holders = {
                source_id: (
                    uri,
                    n_missing == n_lost and (rivals is None or all(owner in rivals for owner in owners or ())),
                )
                for source_id, uri, n_missing, n_lost, owners in connection.execute(_MISSING).fetchall()
            }
        self._hold(rows)

    def holder(self, source_id: str) -> str | None:
        """Address at which the store has a source."""
        return self._holders[source_id][0] if source_id in self._holders else None

    def is_still(self, source_id: str) -> bool:
        """Whether the files of a source, wherever they lie, are as they were when it was read."""
        if self._states is None:  # only where something was copied or moved
            self._states = self._read_states()
        return _are_as(self._states.get(source_id, {}))

    def _read_states(self) -> dict[str, dict[str, tuple[int, int]]]:
        found: dict[str, dict[str, tuple[int, int]]] = {}
        if self._path is not None and Path(self._path).exists():
            with _opened(self._path) as store:
                rows = store.connection.execute(
                    "SELECT source_id, path, n_bytes, modified_ns FROM source_files"
                ).fetchall()
            for source_id, path, n_bytes, modified_ns in rows:
                found.setdefault(source_id, {})[path] = n_bytes, modified_ns
        return found

    def whole_of(self, source: Source) -> Whole | None:
        """A directory that a source is a part of, all of which is still there; None where there is none."""
        whole = self._wholes.get(plain_path(source.uri))
        if whole is None or not all(map(os.path.exists, whole.files)):
            return None
        mine = {plain_path(str(file.resolve())) for file in files_of(source.path, source.sign)}
        return whole if mine <= whole.files.keys() else None

    def metric_of(self, source_id: str, asked: str | None) -> str | None:
        """The metric that is shown as the loss of the runs of a source: the one that was asked for, if any shows it."""
        shown = self._metrics.get(source_id, [])
        return asked if asked in shown else next(iter(shown), None)

    def is_whole(self, source_id: str) -> bool:
        """Whether the store has all runs and scores of a source."""
        return self._holders.get(source_id, ("", False))[1]

    def _hold(self, rows: Sequence[tuple[Any, ...]]) -> None:
        found: dict[str, tuple[str, str, dict[str, FileState]]] = {}
        for uri, source_id, mapping_sha256, path, n_bytes, modified_ns, settled in rows:
            if self.is_whole(source_id):
                entry = found.setdefault(uri, (source_id, mapping_sha256, {}))
                entry[2][path] = FileState(path, n_bytes, modified_ns, settled)
        self.sources = {uri: Held(*entry) for uri, entry in found.items()}


def _are_as(files: Mapping[str, tuple[int, int]]) -> bool:
    """Whether files have the size and time that they had; no files are nothing to go by."""
    try:
        states = {path: os.stat(path) for path in files}
    except OSError:
        return False
    return bool(files) and all((now.st_size, now.st_mtime_ns) == files[path] for path, now in states.items())


def lies_at(uri: str) -> bool:
    """Whether a source is where its address says; a part of a directory has its format behind a #."""
    return os.path.exists(uri) or ("#" in uri and os.path.exists(uri.rpartition("#")[0]))


def _opened(path: str | Path) -> Store:
    """The store for reading, so that others can read it too; for writing where it has to be brought up to date."""
    try:
        return Store(path, read_only=True)
    except StoreError:
        return Store(path)
