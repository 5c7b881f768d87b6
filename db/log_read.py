"""Reading one source: its runs put together, its values staged, its facts found."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from db.facts.derive import Facts, derive
from db.facts.read import Settings
from db.facts.rules import TOKEN_COUNTERS
from db.log_files import FileState, files_of, fingerprint, states_of
from db.log_names import choose_loss
from db.log_stage import Counts, Stage
from db.problems import Problem
from db.readers.collect import number as number_in
from db.readers.discover import Source
from db.readers.format import Level
from db.readers.found import NO_STEP, Note, Restart, RunFound, ScoreFound, Values
from db.version import package_version
from scaling.errors import InputDataError, ReadError
from scaling.formatting import format_number, format_plural


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
    """

    number: int
    key: str
    described: RunFound
    counts: Counts | None = None
    facts: Facts | None = None
    digest: str = ""
    logged: dict[str, float] = field(default_factory=dict)
    metrics: set[str] = field(default_factory=set)
    counter: str | None = None
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
        What was refused.
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
    files = files_of(source.path, source.sign.entries)
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

    def run_of(key: str) -> RunRead:
        if key not in read.runs:
            read.runs[key] = RunRead(first + len(read.runs), key, RunFound(key))
        return read.runs[key]

    handle: dict[type, Callable[[Any], None]] = {}

    def values(found: Values) -> None:
        run = run_of(found.run)
        run.metrics.add(found.metric)
        read.n_values += found.value.size
        stage.add(run.number, metrics.number(found.metric), found, upserts=source.format.UPSERTS)

    def described(found: RunFound) -> None:
        run = run_of(found.key)
        run.described = _joined(run.described, found)

    def note(found: Note) -> None:
        text = _short(found.text, str(source.path))
        if text not in read.notes:
            read.notes.append(text)

    handle |= {
        Values: values,
        RunFound: described,
        Note: note,
        Restart: lambda found: stage.restart(run_of(found.run).number, found),
        ScoreFound: read.scores.append,
        Problem: read.problems.append,
    }
    try:
        for found in source.format.read(source.path, source.sign.entries, **options):
            handle[type(found)](found)
    except InputDataError:
        stage.forget([run.number for run in read.runs.values()])
        raise
    if not read.runs and not read.scores and not read.notes and not read.problems:
        raise ReadError(str(source.path), f"no run and no score is in it, though {source.sign.why}")
    for run in [run for run in read.runs.values() if not run.metrics]:
        for found in _last_words(run):
            values(found)


def _last_words(run: RunRead) -> Iterator[Values]:
    """Of a run without any history: what its tracker keeps of it, as values without a step."""
    for name, value in run.described.summary.items():
        if name.startswith("_") or (known := number_in(value)) is None:
            continue
        yield Values(run.key, name, np.array([NO_STEP]), np.array([known]))


def _short(text: str, path: str) -> str:
    """A note without the path of its source, which stands above it."""
    if not text.startswith(path):
        return text
    rest = text.removeprefix(path).lstrip("/")
    return rest[2:3].upper() + rest[3:] if rest.startswith(": ") else rest


def finish(reads: list[SourceRead], stage: Stage, metrics: Metrics, wanted: str | None) -> dict[int, InputDataError]:
    """Settle what was staged, and find facts and losses.

    Parameters
    ----------
    reads : list of SourceRead
        All that is in the stage.
    stage : Stage
        Settled by this.
    metrics : Metrics
        Numbers of metrics.
    wanted : str, optional
        Metric to show as the loss.

    Returns
    -------
    dict of int to InputDataError
        Sources, by their place in the list, whose loss could not be chosen, and why.
    """
    counts = stage.settle()
    stage.name_metrics(metrics.names)
    by_number = {run.number: run for read in reads for run in read.runs.values()}
    growing: dict[int, dict[str, float]] = {number: {} for number in by_number}
    for number, metric, last, initial, grew in stage.last_values():
        by_number[number].logged[metrics.names[metric]] = last
        if grew and last > initial >= 0:
            growing[number][metrics.names[metric]] = last
    for number, run in by_number.items():
        run.counts = counts.get(number)
        _find_facts(run, growing[number])
    batch = {
        number: float(run.facts.facts["batch_tokens"].value)
        for number, run in by_number.items()
        if run.facts is not None and "batch_tokens" in run.facts.facts
    }
    counters = {n: metrics.number(run.counter) for n, run in by_number.items() if run.counter is not None}
    stage.count_tokens(batch, counters)
    digests = stage.digests()
    failed: dict[int, InputDataError] = {}
    for place, read in enumerate(reads):
        for run in read.runs.values():
            run.digest = _digest(run, digests.get(run.number, ""))
        _tell(read)
        try:
            _choose(read, wanted)
        except InputDataError as error:
            failed[place] = InputDataError(f"{read.source.path}: {error.message}", error.hint)
    return failed


def _joined(before: RunFound, after: RunFound) -> RunFound:
    """A later description adds to an earlier one."""
    return RunFound(
        after.key,
        after.name or before.name,
        after.state or before.state,
        {**before.config, **after.config},
        {**before.summary, **after.summary},
        {**before.about, **after.about},
    )


def _find_facts(run: RunRead, growing: Mapping[str, float]) -> None:
    """Facts by the rules; a counter of tokens is one that only grew."""
    described = run.described
    counters = _counters(run.logged)
    usable = {name: value for name, value in run.logged.items() if name not in counters or name in growing}
    last_step = run.counts.last_step if run.counts else None
    run.facts = derive(
        described.config, described.summary, described.about, usable,
        last_step=last_step, finished=described.state == "finished",
    )  # fmt: skip
    tokens = run.facts.facts.get("n_tokens")
    if tokens is not None and tokens.keys[0].startswith("logged "):
        run.counter = tokens.keys[0].removeprefix("logged ")


def _counters(logged: Mapping[str, float]) -> set[str]:
    settings = Settings({"logged": logged})
    return {entry.key.removeprefix("logged ") for name in TOKEN_COUNTERS for entry in settings.find(name)}


def _digest(run: RunRead, values: str) -> str:
    one = run.described
    said = [
        package_version(),
        one.name,
        one.state,
        dict(one.config),
        dict(one.summary),
        dict(one.about),
        values,
        sorted(run.metrics),
    ]
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode(errors="surrogateescape")).hexdigest()


def _tell(read: SourceRead) -> None:
    """Say what was logged twice or void, over all runs of the source."""
    counts = [run.counts for run in read.runs.values() if run.counts is not None]
    repeated = sum(one.n_repeated for one in counts)
    voided = sum(one.n_voided for one in counts)
    if repeated:
        runs = format_plural(sum(one.n_repeated > 0 for one in counts), "run")
        read.notes.append(
            f"{format_plural(repeated, 'value')} of {runs} stood at a step that was logged again; the last was kept."
        )
    if voided:
        runs = format_plural(sum(one.n_voided > 0 for one in counts), "run")
        first = min(one.first_voided for one in counts if one.n_voided and one.first_voided is not None)
        read.notes.append(
            f"{format_plural(voided, 'value')} of {runs} lay beyond a step from which the run was started again, the "
            f"first at step {first}; they are left out."
        )


def _choose(read: SourceRead, wanted: str | None) -> None:
    if not read.runs:
        return
    counts: Counter[str] = Counter(metric for run in read.runs.values() for metric in run.metrics)
    read.metric, why = choose_loss(counts, wanted)
    if read.metric is None:
        read.notes.append(f"Without a loss: {why}.")
        return
    others: Counter[str] = Counter()
    for run in read.runs.values():
        run.metric = read.metric
        if read.metric not in run.metrics and wanted is None and (own := _own_loss(run)):
            run.metric = own
            others[own] += 1
    lacking = len(read.runs) - counts[read.metric] - others.total()
    more = [f"{metric} of {format_plural(n, 'run')} without it" for metric, n in others.items()]
    more += [f"{format_plural(lacking, 'run')} without any"] if lacking else []
    read.notes.append(f"Shown as the loss: {', '.join([f'{read.metric} ({why})', *more])}.")


def _own_loss(run: RunRead) -> str | None:
    """The loss of a run that lacks that of the others; a fit takes runs of one metric only, or is told which."""
    try:
        return choose_loss(dict.fromkeys(run.metrics, 1), None)[0]
    except InputDataError:
        return None


def fact_lines(read: SourceRead, limit: int = 20) -> list[str]:
    """Say which key gave which fact by which rule, and what is missing, over the runs of a source."""
    told: dict[str, list[str]] = {}
    lacking: dict[str, list[str]] = {}
    for run in read.runs.values():
        assert run.facts is not None
        for fact in run.facts.facts.values():
            line = f"{fact.name} <- {', '.join(fact.keys)}: {fact.rule}"
            shown = fact.value if isinstance(fact.value, str) else format_number(fact.value)
            told.setdefault(_general(line), []).append(str(shown))
        for name, why in run.facts.missing.items():
            lacking.setdefault(f"{name} is missing: {why}", []).append(run.key)
    lines = []
    for line, values in list(told.items())[:limit]:
        several = len(set(values)) > 1
        lines.append(f"{line} ({format_plural(len(values), 'run')}, {'such as ' if several else ''}{values[0]})")
    lines += [f"{line} ({format_plural(len(keys), 'run')})" for line, keys in list(lacking.items())[:limit]]
    return lines


def _general(line: str) -> str:
    """A line without what differs from run to run."""
    words = line.split("last step ")
    return words[0] + "last step" + words[1].lstrip("0123456789") if len(words) == 2 else line
