"""Directories `mlruns` of MLflow's file store."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from db.readers.collect import Collector, whole_step
from db.readers.complaints import Complaints
from db.readers.format import Field, Level, Sign
from db.readers.found import Found, Note, RunFound
from db.readers.mlflow_names import STATES, about_tags, seconds
from db.readers.plain_yaml import plain_yaml
from db.readers.probe import Probe
from db.readers.text import guarded, lines_of
from scaling.errors import ReadError

NAME = "mlruns"
WHAT = "a directory of MLflow's file store"
READS = (
    "The metrics of all runs that are not deleted; of several values of a step the last by time where they follow each "
    "other, and otherwise the last in the file. Parameters, which are texts; tags, experiments, parents and states of "
    "runs. Of the whole store, of one experiment or of one run."
)
LEAVES_OUT = "Runs and experiments that are deleted; artifacts, data sets and models; a last line without its end."
TRIED = "mlflow-skinny 3.17.2"
FIELDS = (
    Field("name", "meta.yaml run_name"),
    Field("state", "meta.yaml status"),
    Field("started", "meta.yaml start_time", "milliseconds", factor=1e-3),
    Field("ended", "meta.yaml end_time", "milliseconds", factor=1e-3),
    Field("deleted", "meta.yaml lifecycle_stage"),
    Field("time", "metrics/<key> 1", "milliseconds"),
    Field("value", "metrics/<key> 2", required=True),
    Field("step", "metrics/<key> 3", "steps"),
)
UPSERTS = True

_META = "meta.yaml"
_RUN = re.compile(r"[0-9a-f]{32}\Z")
_EXPERIMENT = re.compile(r"\d{1,20}\Z")
_SHORTEST = 2  # parts of a line without a step; behind the step there may be a data set
_DIGITS = 19  # of a step
_LONGEST = 65_536  # bytes of a parameter or tag that are read


def sniff(probe: Probe) -> Sign | None:
    """A store has experiments, an experiment has runs, a run has a directory of metrics; each with its meta.yaml."""
    names = probe.names
    if _META in names:
        if "metrics" in names and ("params" in names or "tags" in names):
            return Sign(Level.DIRECTORY, "it holds meta.yaml, metrics and params of a run")
        if any(_RUN.match(name) for name in names):
            return Sign(Level.DIRECTORY, "it holds meta.yaml and runs of an experiment")
        return None
    experiments = tuple(name for name in names if _EXPERIMENT.match(name) and (probe.path / name / _META).is_file())
    return Sign(Level.DIRECTORY, "it holds experiments with their meta.yaml", experiments) if experiments else None


def read(path: Path, entries: Sequence[str], **options: Any) -> Iterator[Found]:  # noqa: ARG001
    """Read a store, an experiment or a run."""
    counts: Counter[str] = Counter()
    probe = Probe(path)
    with guarded(path):
        sign = sniff(probe) if probe.is_dir else None
    if sign is None:
        raise ReadError(str(path), "it is no directory of MLflow's file store")
    if "metrics" in probe.names:
        yield from _Run(path, _meta(path.parent).get("name"), counts).all()
    else:
        experiments = [path / entry for entry in entries or sign.entries] or [path]
        for experiment in experiments:
            yield from _experiment(experiment, counts)
    for what, count in sorted(counts.items()):
        yield Note(f"{path}: {what} ({count:,}).")


def _experiment(path: Path, counts: Counter[str]) -> Iterator[Found]:
    meta = _meta(path)
    try:
        runs = sorted(name for name in os.listdir(path) if _RUN.match(name))
    except OSError as error:
        raise ReadError(str(path), f"it cannot be read: {(error.strerror or str(error)).lower()}") from error
    if meta.get("lifecycle_stage") == "deleted":
        counts["runs that are deleted were left out"] += len(runs)
        return
    for name in runs:
        yield from _Run(path / name, meta.get("name"), counts).all()


def _meta(path: Path) -> dict[str, Any]:
    """What a meta.yaml says; nothing where there is none."""
    try:
        return plain_yaml(path / _META)
    except ReadError:
        return {}


class _Run:
    """A run's directory."""

    def __init__(self, path: Path, project: Any, counts: Counter[str]) -> None:
        self.path, self.project, self.counts = path, project, counts
        self.key = path.name

    def all(self) -> Iterator[Found]:
        meta = _meta(self.path)
        if meta.get("lifecycle_stage") == "deleted":
            self.counts["runs that are deleted were left out"] += 1
            return
        if not meta:
            yield Note(
                f"{self.path}: there is no {_META}, or nothing in it, so name and state of the run are not known."
            )
        about, name = about_tags(dict(self._texts("tags")))
        known = {
            "project": None if self.project is None else str(self.project),
            "started": seconds(meta.get("start_time")),
            "ended": seconds(meta.get("end_time")),
        }
        about |= {at: value for at, value in known.items() if value is not None}
        named = name or meta.get("run_name")
        yield RunFound(
            self.key, None if named is None else str(named), STATES.get(str(meta.get("status"))),
            config=dict(self._texts("params")), about=about,
        )  # fmt: skip
        collector = Collector()
        for file, metric in _files(self.path / "metrics"):
            yield from _Metric(self.key, metric, file, collector, self.counts).all()
        yield from collector.flush()

    def _texts(self, kind: str) -> Iterator[tuple[str, str]]:
        """Parameters or tags, each in a file of its own."""
        for file, key in _files(self.path / kind):
            try:
                with guarded(file), file.open("rb") as stream:
                    yield key, stream.read(_LONGEST).decode("utf-8", errors="replace")
            except ReadError:
                self.counts[f"{kind} that cannot be read were left out"] += 1


class _Metric:
    """The file of one metric."""

    def __init__(self, run: str, metric: str, file: Path, collector: Collector, counts: Counter[str]) -> None:
        self.run, self.metric, self.file = run, metric, file
        self.collector, self.counts = collector, counts
        self.complaints = Complaints(str(file))
        self.last: tuple[int | None, float, float] | None = None  # step, time and value of the line before

    def all(self) -> Iterator[Found]:
        held: tuple[int, str] | None = None
        try:
            for line in (lines := lines_of(self.file)):
                if held is not None:
                    self._line(*held)
                held = line
                if self.complaints.waiting:
                    yield from self.complaints.take()
                if self.collector.full:
                    yield from self.collector.flush()
            if held is not None and lines.ended:
                self._line(*held)
            elif held is not None:
                yield Note(
                    f"{self.file}: the last line has no end, as that of a run that goes on may; it was left out."
                )
        except ReadError as error:
            self.complaints.add(1, self.metric, None, f"the rest of the file was left out: {error.reason}", "row")
        self._give()
        yield from self.complaints.rest()

    def _line(self, number: int, line: str) -> None:
        parts = line.split()
        if not parts:
            return
        try:
            time, value = (float(part) for part in parts[:2])
        except ValueError:
            self.complaints.add(number, self.metric, line, "a line is no time, value and step", "row")
            return
        step = None
        if len(parts) > _SHORTEST:
            word = parts[2]
            step = whole_step(int(word)) if word.isascii() and word.isdigit() and len(word) <= _DIGITS else None
            if step is None:
                self.complaints.add(number, self.metric, word, "the step is no whole number from 0 on")
                return
        if self.last is not None and step is not None and self.last[0] == step:
            self.counts["values that a later one of the same step replaces"] += 1
            if time < self.last[1]:
                return
        else:
            self._give()
        self.last = (step, time, value)

    def _give(self) -> None:
        """Give on the value of the line before."""
        if self.last is not None:
            self.collector.add(self.run, self.metric, self.last[0], self.last[2])
        self.last = None


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    """The files below a folder by their names, and their paths, which are the keys; links are not walked."""
    for at, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            file = Path(at) / name
            if file.is_file():
                yield file, file.relative_to(folder).as_posix()
