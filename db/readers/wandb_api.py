"""Runs that lie with W&B, by its public API: ``wandb://ENTITY/PROJECT`` or ``wandb://ENTITY/PROJECT/RUN``.

The history is the whole one (`Run.scan_history`, without keys, since with keys it leaves out rows that lack one), and
never the sample of 500 rows that `Run.history` gives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from db.readers.collect import Collector
from db.readers.complaints import Complaints
from db.readers.format import Field, Level, Sign
from db.readers.found import STATES, Found, RunFound
from db.readers.probe import Probe
from db.readers.text import flatten
from db.readers.wandb_rows import KNOWN_AXES, OWN, STEP, Rows
from db.readers.wandb_runs import seconds_of
from scaling.errors import ReadError, ScalingError, UsageError

NAME = "wandb-api"
WHAT = "runs that lie with W&B, by its API"
READS = (
    "`wandb://ENTITY/PROJECT` or `wandb://ENTITY/PROJECT/RUN`: the whole history by `scan_history`, never a sample; "
    "settings, summary, state, tags. It needs `pip install 'scaling-suite[wandb]'` and `wandb login`."
)
LEAVES_OUT = "Media, files, system metrics, artifacts."
TRIED = "the interface of wandb 0.31.0, by a stand-in: its service was out of reach"
FIELDS: Sequence[Field] = (
    Field("name", "name"),
    Field("state", "state"),
    Field("started", "created_at"),
    Field("entity", "entity"),
    Field("project", "project"),
    Field("group", "group"),
    Field("job_type", "job_type"),
    Field("tags", "tags"),
    Field("notes", "notes"),
    Field("sweep", "sweep_name"),
)
UPSERTS = False

SCHEME = "wandb://"
_ADDRESS = re.compile(r"wandb:/{1,2}([^/]+)/([^/]+)(?:/(?:runs/)?([^/]+))?/?")
_PAGE = 10_000
_GIVEN_UP = "Check the address and the network; log in with `wandb login`."


def sniff(probe: Probe) -> Sign | None:
    """An address, and no path that there is."""
    live = _ADDRESS.fullmatch(str(probe.path)) is not None and not probe.path.exists()
    return Sign(Level.ADDRESS, "it is an address of W&B") if live else None


def read(path: Path | str, entries: Sequence[str] = (), *, api: Any = None, **options: Any) -> Iterator[Found]:
    """Read runs.

    Parameters
    ----------
    path : Path or str
        The address.
    entries : sequence of str
        Not used.
    api : wandb.Api, optional
        What answers; one of the installed `wandb` unless given.

    Yields
    ------
    Found

    Raises
    ------
    UsageError
        If it is no address of runs, or `wandb` is not installed.
    ReadError
        If W&B does not answer, or there is no such run.
    """
    del entries, options
    address = str(path)
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise UsageError(
            f"'{address}' is no address of W&B runs.", f"Write {SCHEME}ENTITY/PROJECT or {SCHEME}ENTITY/PROJECT/RUN."
        )
    entity, project, run = match.groups()
    where = f"{SCHEME}{entity}/{project}" + (f"/{run}" if run else "")
    if api is None:
        api = _api(where)
    with _answering(where, "the run" if run else "the project"):
        runs = iter([api.run(f"{entity}/{project}/{run}")] if run else api.runs(f"{entity}/{project}"))
    n_runs = 0
    while True:
        with _answering(where, "the list of its runs"):
            one = next(runs, None)
        if one is None:
            break
        n_runs += 1
        yield from _read_run(one, where)
    if not n_runs:
        raise ReadError(where, "there are no runs in it", "the list of its runs")


def _api(where: str) -> Any:
    try:
        wandb: Any = import_module("wandb")
    except ImportError as error:
        raise UsageError(
            f"{where} is read by the package wandb, which is not installed.", "pip install 'scaling-suite[wandb]'"
        ) from error
    with _answering(where, "the login"):
        return wandb.Api()


@contextmanager
def _answering(where: str, place: str) -> Iterator[None]:
    """What the package raises is of many kinds, and all of it means that there is no answer."""
    try:
        yield
    except ScalingError:
        raise
    except Exception as error:
        why = " ".join(str(error).split())[:300] or type(error).__name__
        raise ReadError(where, f"W&B does not answer: {why}", place, _GIVEN_UP) from error


def _read_run(run: Any, where: str) -> Iterator[Found]:
    with _answering(where, "a run"):
        key = str(run.id)
        found = _described(run, key)
    place = f"{where.removesuffix(f'/{key}')}/{key}"
    yield found
    collector, complaints = Collector(), Complaints(place)
    rows = Rows(collector, complaints)
    with _answering(place, "its history"):
        history = iter(run.scan_history(page_size=_PAGE))
    number = 0
    while True:
        with _answering(place, f"its history, after {number:,} rows"):
            row = next(history, None)
        if row is None:
            break
        number += 1
        for axis in KNOWN_AXES:
            if axis in row:
                rows.define("", axis, glob=True)
        rows.add(key, row.get(STEP), row.items(), number)
        if collector.full:
            yield from collector.flush()
        if complaints.waiting:
            yield from complaints.take()
    yield from collector.flush()
    yield from rows.notes(place)
    yield from complaints.rest()


def _described(run: Any, key: str) -> RunFound:
    about: dict[str, Any] = {"id": key}
    for field in FIELDS:
        value = getattr(run, field.path, None)
        if field.name not in ("name", "state") and value not in (None, "", []):
            about[field.name] = list(value) if isinstance(value, list | tuple) else str(value)
    if "started" in about:
        about["started"] = seconds_of(about["started"])
    state = str(run.state).lower()
    if state not in STATES:
        about["state"] = state
    return RunFound(
        key,
        name=str(run.name) if run.name else None,
        state=state if state in STATES else None,
        config=_flat(run.config),
        summary=_flat(run.summary_metrics),
        about=about,
    )


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in values.items() if name not in OWN}
    media = [name for name, value in kept.items() if isinstance(value, dict) and "_type" in value]
    return flatten({name: value for name, value in kept.items() if name not in media})
