"""Repositories of Aim, by Aim's own library: their files have no format that others could rely on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from db.readers.collect import Collector, number, whole_step
from db.readers.complaints import Complaints
from db.readers.format import Field, Level, Sign
from db.readers.found import Found, RunFound
from db.readers.probe import Probe
from db.readers.text import flatten
from scaling.errors import ReadError

NAME = "aim"
WHAT = "a repository of Aim"
READS = (
    "`.aim`: metrics by step, a context as part of the name, parameters, name, experiment, tags and times of a run, "
    "also of runs that go on and of runs that no server of Aim has indexed; nothing in it is changed."
)
LEAVES_OUT = "Images, texts, distributions, figures and logs. It needs the extra `aim`."
TRIED = "aim 3.29.1"
FIELDS: Sequence[Field] = (
    Field("run", "run.hash", required=True),
    Field("name", "run.name"),
    Field("group", "run.experiment"),
    Field("started", "run.creation_time", unit="seconds since 1970"),
    Field("metric", "metric.name, metric.context", required=True),
    Field("step", "metric.data.items_list()[0]", unit="steps"),
    Field("value", "metric.data.items_list()[1][0]", required=True),
)
UPSERTS = True

_DIRECTORY = ".aim"
#: What Aim puts among the parameters by itself: the machine, the packages, the variables of the environment.
_ITS_OWN = ("__system_params", "__ui")


def sniff(probe: Probe) -> Sign | None:
    """Known by its name and what is in it."""
    if probe.is_dir and probe.name == _DIRECTORY and {"meta", "seqs"} & set(probe.names):
        return Sign(Level.DIRECTORY, "it is a directory .aim with meta and seqs in it")
    return None


def read(path: Path, entries: Sequence[str], **options: Any) -> Iterator[Found]:  # noqa: ARG001
    """Read the runs of a repository; see `db.readers.format`."""
    try:
        aim: Any = import_module("aim")
    except ImportError as error:
        raise ReadError(
            str(path),
            f"a repository of Aim is read with Aim's own library, and that cannot be loaded: {error}",
            hint="Install it: pip install 'scaling-suite[aim]'",
        ) from error
    try:
        repo = aim.Repo.from_path(str(path.parent))
        of_repo = repo.request_tree
        for key in sorted(repo.list_all_runs()):
            repo.request_tree = partial(_own_part, of_repo, key)
            yield from _of_run(path, aim.Run(key, repo=repo, read_only=True))
    except ReadError:
        raise
    except Exception as error:  # whatever a library of others raises on a damaged repository
        raise ReadError(
            str(path),
            f"Aim cannot read it: {type(error).__name__}: {error}",
            hint="Try: aim storage upgrade, or aim runs ls.",
        ) from error


def _own_part(of_repo: Any, key: str, name: str, sub: str | None = None, **_: Any) -> Any:
    """The part of a repository that a run asks for, from the run's own files.

    Aim looks a run up in its index, which only its server fills, and brings the files of what it opens into another
    form first. Neither is for a reader: runs on a cluster have no server, and their files are not ours to write.
    """
    return of_repo(name, sub or key, read_only=True, skip_read_optimization=True)


def _of_run(path: Path, run: Any) -> Iterator[Found]:
    key = str(run.hash)
    parameters = run.get(..., {}, resolve_objects=True)
    config = flatten({str(k): v for k, v in dict(parameters or {}).items() if k not in _ITS_OWN})
    about = {"started": run.creation_time, "group": run.experiment, "tags": list(run.tags or ()) or None}
    yield RunFound(
        key=key,
        name=str(run.name) if run.name else None,
        state="finished" if run.end_time else None,
        config={name: value for name, value in config.items() if _plain(value)},
        about={name: value for name, value in about.items() if value is not None},
    )
    held, complaints = Collector(), Complaints(str(path))
    for metric in run.metrics():
        name = _named(str(metric.name), metric.context)
        steps, (values, *_) = metric.data.items_list()
        for row, (step, value) in enumerate(zip(steps, values, strict=False), start=1):
            at, logged = whole_step(step), number(value)
            if at is None:
                complaints.add(row, name, step, "the step is no whole number from 0 on")
            elif logged is None and value is not None and not _is_nan(value):
                complaints.add(row, name, value, "the value is not a number")
            else:
                held.add(key, name, at, logged)
            if held.full:
                yield from held.flush()
        yield from complaints.take()
    yield from held.flush()
    yield from complaints.rest()


def _named(name: str, context: Any) -> str:
    """A metric by its name and what it was tracked with: ``loss{subset=val}``."""
    told = context.to_dict() if hasattr(context, "to_dict") else dict(context or {})
    parts = ",".join(f"{key}={value}" for key, value in sorted(flatten(told).items()))
    return f"{name}{{{parts}}}" if parts else name


def _is_nan(value: Any) -> bool:
    try:
        return math.isnan(value)
    except TypeError:
        return False


def _plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_plain(one) for one in value)
    return value is None or isinstance(value, str | int | float | bool)
