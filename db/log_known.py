"""What a store knows of the sources that are about to be written, and who may write what."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from db.log_names import unit_of
from db.log_scores import ScoreRows, rows_of
from db.sql_arrays import registered, texts
from scaling.errors import InputDataError

if TYPE_CHECKING:
    import duckdb

    from db.log_read import SourceRead


@dataclass
class Writing:
    """A source that is about to be written.

    Parameters
    ----------
    read : SourceRead
        What is in it.
    uri, source_id, mapping, mapping_sha256 : str
        Its address, identifier, and how it was read.
    names : dict of str to str
        Identifiers of its runs, by key.
    old_ids : set of str
        Identifiers of its earlier readings.
    before : set of str
        Runs that these brought.
    taken : set of str
        Runs of other sources that it takes over.
    lost : dict of str to (set of str, set of str)
        Runs and scores that other sources, by their identifiers, lose to it.
    same : set of str
        Runs that are in the store as they are here.
    scores : ScoreRows
        Its models and scores.
    """

    read: SourceRead
    uri: str
    source_id: str
    mapping: str
    mapping_sha256: str
    names: dict[str, str] = field(default_factory=dict)
    old_ids: set[str] = field(default_factory=set)
    before: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)
    lost: dict[str, tuple[set[str], set[str]]] = field(default_factory=dict)
    same: set[str] = field(default_factory=set)
    scores: ScoreRows = field(default_factory=ScoreRows)

    @property
    def is_there(self) -> bool:
        """Whether the store holds just this already, as of an address where nothing is new."""
        own = set(self.names.values())
        alone = self.old_ids == {self.source_id} and not self.taken and not self.read.scores
        return alone and self.before == own and self.same == own


class Known:
    """What a store holds that sources of a batch may meet.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        The store, in a transaction.
    batch : sequence of Writing
        The sources.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, batch: Sequence[Writing]) -> None:
        mine = {
            "uri": texts([one.uri for one in batch]),
            "source_id": texts([one.source_id for one in batch]),
        }
        evals = [eval_id for one in batch for eval_id in one.scores.scores]
        whole = {
            "base": texts([_base(one) for one in batch]),
            "format": texts([one.read.source.format.NAME for one in batch]),
            "path": texts([plain_path(one.read.files[0].path) if one.read.files else "" for one in batch]),
        }
        tables = {"_mine": mine, "_evals": {"eval_id": texts(evals or [""])}, "_whole": whole}
        with registered(connection, tables):
            # Besides those at the same addresses, logs of the same format that lie in a directory of the batch.
            # So do the directories that read them, of which the rest may be gone.
            met = connection.execute(
                "SELECT s.source_id, s.uri, s.format FROM sources AS s WHERE s.uri IN (SELECT uri FROM _mine) "
                "OR s.source_id IN (SELECT source_id FROM _mine) OR EXISTS "
                "(FROM _whole AS w WHERE w.format = s.format AND starts_with(s.uri, w.base)) "
                "OR s.source_id IN (SELECT source_id FROM source_files WHERE path IN (SELECT path FROM _whole))"
            ).fetchall()
            ids = {"source_id": texts([source_id for source_id, _, _ in met] or [""])}
            with registered(connection, {"_met": ids}):
                keys = connection.execute(
                    "SELECT source_id, source_key, run_id, sha256 FROM run_logs "
                    "WHERE source_id IN (SELECT source_id FROM _met)"
                ).fetchall()
                files = connection.execute(
                    "SELECT source_id, list(path) FROM source_files WHERE source_id IN (SELECT source_id FROM _met) "
                    "GROUP BY 1"
                ).fetchall()
            scores = connection.execute(
                "SELECT e.eval_id, e.model_id, e.task, coalesce(s.uri, 'by hand'), e.source_id FROM evals AS e LEFT "
                "JOIN sources AS s USING (source_id) WHERE e.eval_id IN (SELECT eval_id FROM _evals)"
            ).fetchall()
        self.sources: dict[str, str] = {source_id: uri for source_id, uri, _ in met}
        self._formats: dict[str, str] = {source_id: name for source_id, _, name in met}
        self._files: dict[str, set[str]] = {source_id: set(paths) for source_id, paths in files}
        self._read_here = {one.uri for one in batch}
        self.keys: dict[str, dict[str, str]] = {}
        self.digests: dict[str, str] = {}
        for source_id, key, run_id, digest in keys:
            self.keys.setdefault(source_id, {})[key] = run_id
            self.digests[run_id] = digest
        self.owners: dict[str, tuple[str, str]] = {
            run_id: (source_id, uri)
            for run_id, source_id, uri in connection.execute(
                "SELECT r.run_id, r.source_id, coalesce(s.uri, 'by hand') FROM runs AS r LEFT JOIN sources AS s "
                "USING (source_id)"
            ).fetchall()
        }
        self.scores: dict[str, tuple[str, str, str, str]] = {row[0]: row[1:] for row in scores}
        self.units: dict[str, str] = dict(connection.execute("SELECT metric, unit FROM metric_defs").fetchall())
        self._runs_of: dict[str, set[str]] = {}
        for run_id, (source_id, _) in self.owners.items():
            if source_id in self.sources:
                self._runs_of.setdefault(source_id, set()).add(run_id)

    def admit(self, one: Writing, *, replace: bool) -> None:
        """Say what a source may write, and take note that it will.

        Raises
        ------
        InputDataError
            If another source brought one of its runs or scores, or a metric is stored in another unit.
        """
        one.old_ids = {source_id for source_id, uri in self.sources.items() if uri == one.uri}
        one.old_ids |= {one.source_id} & self.sources.keys()
        one.old_ids |= self._parts(one)
        one.before = set().union(*(self._runs_of.get(old, set()) for old in one.old_ids))
        one.names = self._names(one)
        own = set(one.names.values())
        foreign = {run_id for run_id in own if run_id in self.owners and self.owners[run_id][0] not in one.old_ids}
        units = self._units(one)
        self._refuse(one, foreign, replace=replace)
        one.taken = foreign
        for run_id in foreign:
            one.lost.setdefault(self.owners[run_id][0], (set(), set()))[0].add(run_id)
        for eval_id in one.scores.scores.keys() & self.scores.keys():
            owner = self.scores[eval_id][3]
            if owner not in one.old_ids:
                one.lost.setdefault(owner, (set(), set()))[1].add(eval_id)
        for run_id in foreign:
            self._runs_of.get(self.owners[run_id][0], set()).discard(run_id)
        for run_id in one.before - own:
            del self.owners[run_id]
        digests = {one.names[key]: run.digest for key, run in one.read.runs.items()}
        one.same = {run_id for run_id in one.before & own if self.digests.get(run_id) == digests[run_id]}
        for old in one.old_ids:
            self.sources.pop(old, None)
            self._runs_of.pop(old, None)
        self.owners |= dict.fromkeys(own, (one.source_id, one.uri))
        self.digests |= digests
        self.sources[one.source_id] = one.uri
        self._runs_of[one.source_id] = own
        self.units |= units
        self.scores |= {
            eval_id: (row["model_id"], row["task"], one.uri, one.source_id)
            for eval_id, row in one.scores.scores.items()
        }

    def _parts(self, one: Writing) -> set[str]:
        """Sources that are read as a part of this one now, and a directory of which it is what is left.

        A run that was resumed is one log with its earlier part. Keys alone do not tell that: those of runs that only
        their place tells apart are all the same.
        """
        keys = one.read.runs.keys()
        mine = {plain_path(file.path) for file in one.read.files}
        parts = set()
        for source_id, uri in self.sources.items():
            files = self._files.get(source_id, set())
            alike = self._formats.get(source_id) == one.read.source.format.NAME and uri not in self._read_here
            if not alike or not files or not self.keys.get(source_id) or not self.keys[source_id].keys() <= keys:
                continue
            inside = uri.startswith(_base(one)) and not mine.isdisjoint(files)
            left = mine <= files and not all(map(os.path.exists, files - mine))
            if inside or left:
                parts.add(source_id)
        return parts

    def _names(self, one: Writing) -> dict[str, str]:
        """Identifiers of the runs of a source, by key.

        A run that the source brought before keeps its identifier. A run that its log names has that name, for it is
        the same run wherever its log lies; one without a name is called by where its log lies, by more of the path
        where that is taken.
        """
        before: dict[str, str] = {}
        for old in sorted(one.old_ids, key=lambda old: (old == one.source_id, old)):  # its own goes before others
            before |= self.keys.get(old, {})
        names = {key: before[key] for key in one.read.runs if key in before}
        used = set(names.values())
        for key in one.read.runs:
            if key not in names:
                name = key if key and key not in used else self._free(one, used)
                names[key] = name
                used.add(name)
        return names

    def _free(self, one: Writing, used: set[str]) -> str:
        source = one.read.source
        above = [part for part in source.path.resolve().parts[:-1] if part != "/"]
        below = source.label.count("/")
        for more in range(len(above) - below + 1):
            cut = above[len(above) - below - more : len(above) - below] if more else []
            name = plain_path("/".join([*cut, source.label]))
            owner = self.owners.get(name)
            if name not in used and (owner is None or owner[0] in one.old_ids):
                return name
        return plain_path(f"{source.label} ({source.format.NAME})")

    def _units(self, one: Writing) -> dict[str, str]:
        found: dict[str, str] = {}
        for metric in {name for run in one.read.runs.values() for name in run.metrics}:
            told = one.read.unit_of(metric)
            unit = unit_of(metric) if told == "unknown" else told
            stored = self.units.get(metric, "unknown")
            if unit not in ("unknown", stored) and stored != "unknown":
                raise InputDataError(
                    f"The metric '{metric}' of {one.read.source.shown} is in {unit}, but the store has it in {stored}.",
                    "Keep them in two stores, or give the metric another name where it is logged.",
                )
            found[metric] = stored if unit == "unknown" else unit
        return found

    def _refuse(self, one: Writing, foreign: set[str], *, replace: bool) -> None:
        if replace:
            return
        path = one.read.source.shown
        if foreign:
            run_id = min(foreign)
            source_id, uri = self.owners[run_id]
            more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
            raise InputDataError(
                f"Run '{run_id}'{more} of {path} came from elsewhere already: {uri} (source {source_id}).",
                f"Remove that source first (scaling rm source {source_id}), or let this one take the runs over "
                "(--replace).",
            )
        taken = [
            self.scores[eval_id]
            for eval_id in one.scores.scores
            if eval_id in self.scores and self.scores[eval_id][3] not in one.old_ids
        ]
        if taken:
            model, task, uri, source_id = min(taken)
            more = f" and {len(taken) - 1} more scores" if len(taken) > 1 else ""
            raise InputDataError(
                f"The score of '{model}' on {task}{more} of {path} came from elsewhere already: {uri} "
                f"(source {source_id}). Kept twice, it would count twice.",
                f"Remove that source first (scaling rm source {source_id}), or let this one take the scores over "
                "(--replace).",
            )


def _base(one: Writing) -> str:
    """What the addresses of the logs inside a source begin with."""
    return f"{plain_path(str(one.read.source.path.resolve()))}/"


def plain_path(path: str) -> str:
    """A path as text that can be stored: bytes that are no UTF-8 are written out."""
    return path if path.isascii() else path.encode(errors="backslashreplace").decode()


def writing_of(read: SourceRead, source_id: str, mapping: str, mapping_sha256: str) -> Writing:
    """A source about to be written, with its scores made into rows."""
    uri = plain_path(read.source.uri)
    return Writing(read, uri, source_id, mapping, mapping_sha256, scores=rows_of(read.scores))


def named_runs(batch: Sequence[Writing]) -> Mapping[str, Writing]:
    """Who writes each run of a batch: the last that takes it."""
    return {run_id: one for one in batch for run_id in one.names.values()}
