"""Scores of several tasks as one table: a row a model, a column a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from db.problems import nearest
from db.score_rows import ScoreRows, match_rows
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from db.store import Store

#: Options that may differ by task.
BY_TASK = ("metric", "harness", "version")


@dataclass(frozen=True)
class JoinedScores:
    """Scores of several tasks, of the models that any of them has.

    Parameters
    ----------
    parts : dict of str to ScoreRows
        What was loaded of each task.
    model : tuple of str (n,)
        Names.
    scores : dict of str to ndarray (n,)
        By task; NaN where a model has none.
    log10_compute : ndarray (n,)
        Decades of FLOP; NaN where unknown.
    groups : tuple of str (n,)
        Group of each model; a model without one is a group of its own.
    date : ndarray of datetime64[D] (n,)
        NaT where unknown.
    disputed : int
        Models that two of the tasks give computes more than 0.1 decades apart; that of the task named first is taken.
    cells : dict of str to tuple of str (n,)
        By task: which score it is; empty where a model has none.
    """

    parts: dict[str, ScoreRows]
    model: tuple[str, ...]
    scores: dict[str, NDArray[np.float64]]
    log10_compute: NDArray[np.float64]
    groups: tuple[str, ...]
    date: NDArray[np.datetime64]
    disputed: int
    cells: dict[str, tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.model)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known of the table."""
        if not self.disputed:
            return ()
        models = format_plural(self.disputed, "model")
        return (f"{models} whose compute differs between tasks by more than 0.1 decades: that named first is taken.",)


def split_by_task(values: Sequence[str], tasks: Sequence[str], option: str) -> dict[str, str]:
    """Read an option that may differ by task: ``VALUE`` for all of them, or ``TASK=VALUE``.

    Parameters
    ----------
    values : sequence of str
        As typed.
    tasks : sequence of str
        The tasks.
    option : str
        For messages.

    Returns
    -------
    dict of str to str
        Value of each task that has one; what is said of a task itself goes before what is said of all.

    Raises
    ------
    UsageError
        Where one task is given two values.
    """
    own: dict[str, str] = {}
    shared: list[str] = []
    for value in values:
        task = next((t for t in sorted(tasks, key=len, reverse=True) if value.startswith(f"{t}=")), None)
        if task is None:
            shared.append(value)
        elif task in own:
            raise UsageError(f"{option} is given twice for the task '{task}'.")
        else:
            own[task] = value.removeprefix(f"{task}=")
    if len(shared) > 1:
        raise UsageError(
            f"{option} is given {len(shared)} times for all tasks: {', '.join(shared)}.",
            f"Say which task each is of: {option} '{tasks[0]}={shared[0]}'",
        )
    return {task: shared[0] for task in tasks if shared} | own


def need_one_each(repeats: str) -> None:
    """Refuse several scores of one entry, where scores are compared model by model."""
    if repeats == "all":
        raise UsageError("Scores are compared model by model, so each needs one.", "Take --repeats best, or latest.")


def asked_of(task: str, tasks: Sequence[str], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Choose what is asked of one task: `BY_TASK` options as lists, everything else as of `db.scores.load_scores`."""
    own = dict(asked)
    need_one_each(own["repeats"])
    for name in BY_TASK:
        option = "--task-version" if name == "version" else f"--{name}"
        own[name] = split_by_task(own.get(name) or (), tasks, option).get(task)
    return own


def load_joined(
    store: Store, tasks: Sequence[str], asked: Mapping[str, Any], *, with_compute: bool = False
) -> JoinedScores:
    """Load several tasks and put their scores side by side.

    Parameters
    ----------
    store : Store
        An open store.
    tasks : sequence of str
        The tasks; each once.
    asked : mapping
        As of `asked_of`.
    with_compute : bool
        As of `db.scores.load_scores`.

    Returns
    -------
    JoinedScores
        Models in the order of the tasks. A model is one entry of a source; of another source, the one of its name.

    Raises
    ------
    UsageError
        For a question that makes no sense, or a task named twice.
    InputDataError
        Where a task has no usable score, or no model of a task is among those of the others.
    """
    from db.scores import load_scores

    if twice := [task for task in tasks if list(tasks).count(task) > 1]:
        raise UsageError(f"The task '{twice[0]}' is named twice.")
    return join({t: load_scores(store, t, **asked_of(t, tasks, asked), with_compute=with_compute) for t in tasks})


def join(parts: dict[str, ScoreRows]) -> JoinedScores:
    """Put scores of several tasks side by side.

    Parameters
    ----------
    parts : dict of str to ScoreRows
        By task.

    Returns
    -------
    JoinedScores
        As of `load_joined`.

    Raises
    ------
    InputDataError
        Where no model of a task is among those of the others.
    """
    model: list[str] = []
    entry: list[str] = []
    z: list[float] = []
    group: list[str] = []
    date: list[Any] = []
    columns: dict[str, dict[int, float]] = {}
    named: dict[str, dict[int, str]] = {}
    disputed: set[int] = set()
    for task, rows in parts.items():
        known: Any = SimpleNamespace(model_id=tuple(entry), model=tuple(model))
        mine, theirs = match_rows(rows, known)
        place = dict(zip(mine.tolist(), theirs.tolist(), strict=True))
        if model and not place:
            raise InputDataError(
                f"No model with a score on '{task}' has one on {', '.join(repr(t) for t in columns)}.",
                "Scores of another source are joined by the names of the models. See: scaling ls --what models",
            )
        column = columns.setdefault(task, {})
        for i in range(len(rows)):
            at = place.get(i, len(model))
            if at == len(model):
                model.append(rows.model[i])
                entry.append(rows.model_id[i])
                z.append(np.nan)
                group.append("")
                date.append(np.datetime64("NaT", "D"))
            if not np.isfinite(z[at]):
                z[at] = float(rows.log10_compute[i])
            elif abs(rows.log10_compute[i] - z[at]) > 0.1:
                disputed.add(at)
            own = "" if rows.groups is None else rows.groups[i]
            group[at] = group[at] if group[at] and not group[at].startswith("alone: ") else own or group[at]
            date[at] = rows.date[i] if np.isnat(date[at]) else date[at]
            column[at] = float(rows.score[i])
            named.setdefault(task, {})[at] = rows.eval_id[i]
    n = len(model)
    scores = {task: np.array([column.get(i, np.nan) for i in range(n)]) for task, column in columns.items()}
    cells = {task: tuple(found.get(i, "") for i in range(n)) for task, found in named.items()}
    return JoinedScores(
        parts, tuple(model), scores, np.array(z), tuple(group), np.array(date, "datetime64[D]"), len(disputed), cells
    )


def companions(store: Store, task: str, harness: str | None) -> dict[str, str]:
    """Find the other tasks that a harness ran.

    Parameters
    ----------
    store : Store
        An open store.
    task : str
        The task.
    harness : str, optional
        Needed where several ran it.

    Returns
    -------
    dict of str to str
        Tasks of which some model has a compute, each with the metric that most of its models have a score by.

    Raises
    ------
    UsageError
        Where the task is not there, or which harness is not clear.
    """
    from db.scores import tasks as all_of

    known = [row for row in all_of(store) if not row.superseded]
    mine = [row for row in known if row.task == task]
    if not mine:
        raise UsageError(
            f"The store has no scores of the task '{task}'.", nearest(task, sorted({row.task for row in known}))
        )
    if harness is not None and harness not in {row.harness for row in mine}:
        raise UsageError(
            f"No score of the task '{task}' has the harness '{harness}'.",
            nearest(harness, sorted({row.harness for row in mine if row.harness is not None})),
        )
    by = {row.harness for row in mine if harness in (None, row.harness)}
    if len(by) != 1:
        listed = ", ".join(sorted(str(row.harness or "unknown") for row in mine))
        raise UsageError(
            f"Whose '{task}' is meant is not clear: there are scores by {listed}.", "Choose one with --harness."
        )
    out: dict[str, str] = {}
    for row in known:
        if row.harness in by and row.task != task and row.n_with_compute:
            out.setdefault(row.task, row.metric)
    return out
