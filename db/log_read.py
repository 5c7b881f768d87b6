"""Reading one source: its runs put together, its values staged."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from db.facts.derive import Facts
from db.log_files import FileState, files_of, fingerprint, states_of
from db.log_stage import Counts, Stage
from db.problems import Problem
from db.readers.collect import number as number_in
from db.readers.discover import Source
from db.readers.format import Level
from db.readers.found import Found, Restart, RunFound, ScoreFound, Values
from scaling.errors import ReadError, StoreError, UsageError

_PROBLEMS = 1000
_NOTES = 200


@dataclass
class RunRead:
    """A run of a source.

    Parameters
    ----------
    number : int
        Its number in the stage.
    key : str
        What tells it apart within its source.
    described : RunFound
        What its log says of it.
    counts : Counts
        What became of its values.
    facts : Facts
        What follows.
    digest : str
        Of all that its log says.
    last : dict of str to float or None
        Metrics at their last step; None where one is no number there.
    metrics : set of str
        All that were logged.
    counter : (str, float) or None
        Metric that counts tokens, or something else times a factor.
    metric : str or None
        Metric that is shown as its loss.
    """

    number: int
    key: str
    described: RunFound
    counts: Counts | None = None
    facts: Facts | None = None
    digest: str = ""
    last: dict[str, float | None] = field(default_factory=dict)
    metrics: set[str] = field(default_factory=set)
    counter: tuple[str, float] | None = None
    metric: str | None = None


@dataclass
class SourceRead:
    """A source as it was read.

    Parameters
    ----------
    source : Source
        Which.
    sha256 : str
        Of its files.
    files : list of FileState
        What they were like before they were read.
    runs : dict of str to RunRead
        By key.
    scores : list of ScoreFound
        Results of models.
    problems : list of Problem
        What was refused; the first thousand.
    n_refused : int
        How much was.
    n_settings : int
        Settings of all runs.
    notes : list of str
        What else is worth knowing.
    n_values : int
        Values that were logged, those that are replaced included.
    metric : str or None
        Metric that is shown as the loss.
    """

    source: Source
    sha256: str
    files: list[FileState]
    runs: dict[str, RunRead] = field(default_factory=dict)
    scores: list[ScoreFound] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    n_refused: int = 0
    n_settings: int = 0
    notes: list[str] = field(default_factory=list)
    n_values: int = 0
    metric: str | None = None

    def unit_of(self, metric: str) -> str:
        """Unit of a metric that its format tells, by its name or a pattern of names; ``unknown`` otherwise."""
        fields = [one for one in self.source.format.FIELDS if one.unit != "unknown"]
        exact = [one.unit for one in fields if metric in (one.name, one.path)]
        return next(iter(exact or [one.unit for one in fields if fnmatchcase(metric, one.name)]), "unknown")


class Metrics:
    """Numbers of metrics in a stage."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, name: str) -> int:
        """Number of a metric, new or known."""
        if name not in self._numbers:
            self._numbers[name] = len(self.names)
            self.names.append(name)
        return self._numbers[name]


def open_source(source: Source) -> SourceRead:
    """Look at the files of a source, before anything of it is read.

    Parameters
    ----------
    source : Source
        The source.

    Returns
    -------
    SourceRead
        Without its content.

    Raises
    ------
    ReadError
        If a file of it cannot be read.
    """
    if source.sign.level == Level.ADDRESS:  # nothing to hash: what changed is told run by run
        return SourceRead(source, hashlib.sha256(source.uri.encode()).hexdigest(), [])
    files = files_of(source.path, source.sign)
    states = states_of(files)
    return SourceRead(source, fingerprint(source.path, files), states)


def fill(read: SourceRead, stage: Stage, metrics: Metrics, first: int, options: Mapping[str, Any]) -> None:
    """Read a source into a stage.

    Parameters
    ----------
    read : SourceRead
        As `open_source` gave it.
    stage : Stage
        Where values go.
    metrics : Metrics
        Numbers of metrics.
    first : int
        Number of its first run.
    options : mapping
        For the reader.

    Raises
    ------
    ReadError
        If its reader cannot go on, or nothing is in it; what it had staged is taken out again.
    """
    source = read.source
    filler = _Filler(read, stage, metrics, first)
    try:
        for found in source.format.read(source.path, source.sign.entries, **options):
            filler.take(found)
        for run in [run for run in read.runs.values() if not run.metrics]:
            filler.take_last_words(run)
        if not read.runs and not read.scores and not read.notes and not read.problems:
            raise ReadError(source.shown, f"no run and no score is in it, though {source.sign.why}")
        _check_still(read)
    except (ReadError, UsageError):  # the latter where an extra is missing
        stage.forget([run.number for run in read.runs.values()])
        raise
    except (MemoryError, StoreError):
        raise
    except Exception as error:  # a fault of one reader, perhaps of another package, is not to cost the others
        stage.forget([run.number for run in read.runs.values()])
        fault = f"its reader failed with {type(error).__name__}: {error}"
        raise ReadError(source.shown, fault, hint="That is a fault of the reader; please report it.") from error


def _check_still(read: SourceRead) -> None:
    """Where a file changed since it was hashed, what was read has no hash: none that any file will have again."""
    now = states_of([Path(state.path) for state in read.files])
    if [(one.n_bytes, one.modified_ns) for one in now] != [(one.n_bytes, one.modified_ns) for one in read.files]:
        read.sha256 = hashlib.sha256(f"{read.sha256} and then {now}".encode(errors="surrogateescape")).hexdigest()
        read.files = [replace(state, settled=False) for state in read.files]


class _Filler:
    """Takes what a reader gives."""

    def __init__(self, read: SourceRead, stage: Stage, metrics: Metrics, first: int) -> None:
        self._read = read
        self._stage = stage
        self._metrics = metrics
        self._first = first
        self._noted = set(read.notes)

    def take(self, found: Found) -> None:
        """Take one thing."""
        read = self._read
        if isinstance(found, Values):
            run = self._run(found.run)
            metric = plain_text(found.metric)
            run.metrics.add(metric)
            read.n_values += found.value.size
            self._stage.add(run.number, self._metrics.number(metric), found, upserts=read.source.format.UPSERTS)
        elif isinstance(found, RunFound):
            run = self._run(found.key)
            run.described = _joined(run.described, found)
            read.n_settings += len(found.config) + len(found.summary)
        elif isinstance(found, Restart):
            self._stage.restart(self._run(found.run).number, found)
        elif isinstance(found, ScoreFound):
            read.scores.append(found)
        elif isinstance(found, Problem):
            read.n_refused += 1
            if len(read.problems) < _PROBLEMS:
                read.problems.append(found)
        elif (text := plain_text(_short(found.text, read.source.shown))) not in self._noted:
            self._noted.add(text)
            if len(self._noted) <= _NOTES:
                read.notes.append(text)

    def take_last_words(self, run: RunRead) -> None:
        """Of a run without any history: what its tracker keeps of it, as values without a step."""
        known = {name: number_in(value) for name, value in run.described.summary.items() if not name.startswith("_")}
        last = {plain_text(name): value for name, value in known.items() if value is not None}
        run.metrics.update(last)
        self._read.n_values += len(last)
        self._stage.add_stepless(run.number, [self._metrics.number(name) for name in last], list(last.values()))

    def _run(self, key: str) -> RunRead:
        key = plain_text(key)
        runs = self._read.runs
        if key not in runs:
            runs[key] = RunRead(self._first + len(runs), key, RunFound(key))
        return runs[key]


def _short(text: str, path: str) -> str:
    """A note without the path of its source, which stands above it."""
    if not text.startswith(path):
        return text
    rest = text.removeprefix(path).lstrip("/")
    return rest[2:3].upper() + rest[3:] if rest.startswith(": ") else rest


def plain_text(text: str) -> str:
    """A text that can be stored: halves of characters, as in names of files that are no UTF-8, are written out."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def _joined(before: RunFound, after: RunFound) -> RunFound:
    """A later description adds to an earlier one."""
    name = after.name or before.name
    return RunFound(
        after.key,
        plain_text(name) if name else None,
        after.state or before.state,
        {**before.config, **after.config},
        {**before.summary, **after.summary},
        {**before.about, **after.about},
    )
