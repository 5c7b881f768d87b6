"""The store: run logs in, one DuckDB file, SQL out.

The parts, from the file up:

* :class:`db.store.Store` opens the file, waits for its lock, keeps its schema up to date and answers SQL.
* :mod:`db.mapping` says which column of a log is which quantity, and in which unit.
* :mod:`db.ingest` reads a table of runs through a mapping into a store, or shows what it would do.
* :mod:`db.score_ingest` reads a table of models and their scores, and :mod:`db.scores` gives those of one task.
* :mod:`db.removal` takes runs and sources out again.
* :mod:`db.query` answers ad-hoc SQL with the seat-belt on: read-only, no files, a time and a memory limit.

In a notebook::

    from db import Store

    with Store("runs.duckdb") as store:
        store.ingest("runs.csv")
        frame = store.df("SELECT * FROM runs_final")

Importing this package loads none of duckdb, numpy and pandas; the names below are looked up on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from db.ingest import IngestPlan, IngestReport, plan_ingest
    from db.mapping import Mapping
    from db.query import run_readonly
    from db.score_ingest import ingest_scores, plan_scores
    from db.score_rows import ScoreRows
    from db.scores import load_scores, tasks
    from db.store import Store

__all__ = [
    "IngestPlan",
    "IngestReport",
    "Mapping",
    "ScoreRows",
    "Store",
    "ingest_scores",
    "load_scores",
    "plan_ingest",
    "plan_scores",
    "run_readonly",
    "tasks",
]

_HOMES = {
    "IngestPlan": "db.ingest",
    "IngestReport": "db.ingest",
    "Mapping": "db.mapping",
    "ScoreRows": "db.score_rows",
    "Store": "db.store",
    "ingest_scores": "db.score_ingest",
    "load_scores": "db.scores",
    "plan_ingest": "db.ingest",
    "plan_scores": "db.score_ingest",
    "run_readonly": "db.query",
    "tasks": "db.scores",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'db' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
