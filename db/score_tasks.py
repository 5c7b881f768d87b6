"""Which tasks a store has scores of, and how many."""

from __future__ import annotations

import datetime
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from db.store import Store

TASKS_SQL = (
    "SELECT task, metric, harness, task_version, superseded, count(*) AS n_scores, "
    "count(DISTINCT model_id) AS n_models, count(compute_flop) AS n_with_compute, "
    "count(DISTINCT base_model) FILTER (compute_flop IS NOT NULL) AS n_base_models, "
    "count(DISTINCT compute_flop) AS n_compute, min(date) AS first_date, max(date) AS last_date "
    "FROM scores GROUP BY ALL ORDER BY superseded, n_with_compute DESC, task, harness, metric, task_version"
)


@dataclass(frozen=True)
class TaskCount:
    """What the store has of a task.

    Parameters
    ----------
    task, metric : str
        The task, and what was measured.
    harness, version : str or None
        Who ran it; version of the task or its grader.
    superseded : bool
        Whether a later grading replaces it.
    n_scores, n_models, n_with_compute, n_base_models, n_compute : int
        Scores; entries; scores with compute; base models and distinct values of compute among them.
    first_date, last_date : datetime.date or None
        Of the column ``date``.
    """

    task: str
    metric: str
    harness: str | None
    version: str | None
    superseded: bool
    n_scores: int
    n_models: int
    n_with_compute: int
    n_base_models: int
    n_compute: int
    first_date: datetime.date | None
    last_date: datetime.date | None

    def to_dict(self) -> dict[str, Any]:
        """The counts as plain data."""
        return asdict(self)


def tasks(store: Store) -> list[TaskCount]:
    """List the tasks of a store with their counts, those with most scores that have compute first.

    Parameters
    ----------
    store : Store
        An open store.

    Returns
    -------
    list of TaskCount
        One a task, metric, harness and version.
    """
    _, rows = store.query(TASKS_SQL)
    return [TaskCount(*row) for row in rows]
