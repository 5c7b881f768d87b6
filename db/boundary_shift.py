"""Shifts between scores of the store: saturation, contamination, harnesses, regrades and jumps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from db.boundary_joined import asked_of, companions, load_joined
from db.boundary_sides import (
    groups_of,
    items_of,
    need_dates,
    no_dates,
    settle_two,
    settle_versions,
    shared_rows,
    task_counts,
)
from db.score_rows import ScoreRows
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from db.store import Store


@dataclass(frozen=True)
class ShiftAnswer:
    """What a test found, and which scores it saw.

    Parameters
    ----------
    kind : str
        ``saturation``, ``contamination``, ``harness``, ``regrade`` or ``jump``.
    rows : tuple of ScoreRows
        What was loaded, one a task or a side.
    result : object
        Of `scaling.boundary.shift`.
    extra : dict
        Further results, by name.
    notes : tuple of str
        What is to be known of the scores.
    """

    kind: str
    rows: tuple[ScoreRows, ...]
    result: Any
    extra: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def saturation_of(store: Store, task: str, asked: Mapping[str, Any], **settings: Any) -> ShiftAnswer:
    """Hold small models against large ones over time.

    Parameters
    ----------
    store : Store
        An open store.
    task : str
        The task.
    asked : mapping
        As of `db.scores.load_scores`.
    **settings
        As of `scaling.boundary.shift.measure_saturation`.

    Returns
    -------
    ShiftAnswer

    Raises
    ------
    UsageError, InputDataError
        As of `db.scores.load_scores` and `scaling.boundary.shift.measure_saturation`, and where no model has a size or
        no score has a date.
    """
    from db.scores import load_scores
    from scaling.boundary.shift import measure_saturation

    rows = load_scores(store, task, **asked, with_compute=False)
    if not np.isfinite(rows.n_params).any():
        raise InputDataError(
            f"None of the {format_plural(len(rows), 'score')} of the task '{task}' is of a model whose size is known.",
            "Name the column of parameters (N) in the mapping, or join a table of models: "
            "scaling ingest FILE --scores --models TABLE",
        )
    need_dates(rows)
    found = measure_saturation(rows.score, rows.n_params, rows.date, groups=groups_of(rows), **settings)
    return ShiftAnswer("saturation", (rows,), found)


def contamination_of(
    store: Store, task_a: str, task_b: str, asked: Mapping[str, Any], *, items_a: float | None = None,
    items_b: float | None = None, **settings: Any,
) -> ShiftAnswer:  # fmt: skip
    """Test whether task B moved against task A.

    Parameters
    ----------
    store : Store
        An open store.
    task_a, task_b : str
        The task that predicts, and the one in question.
    asked : mapping
        As of `db.boundary_joined.asked_of`.
    items_a, items_b : float, optional
        Items of each, in place of what the store knows.
    **settings
        As of `scaling.boundary.shift.contamination_shift`.

    Returns
    -------
    ShiftAnswer
        Rows of A and of B.

    Raises
    ------
    UsageError, InputDataError
        As of `db.scores.load_scores` and `scaling.boundary.shift.contamination_shift`, and where no score has a date.
    """
    from db.scores import load_scores
    from scaling.boundary.shift import contamination_shift

    if task_a == task_b:
        raise UsageError(
            f"'{task_a}' cannot be held against itself.",
            "Two gradings: scaling boundary shift regrade. Two harnesses: scaling boundary shift harness",
        )
    pair = (task_a, task_b)
    a, b = (load_scores(store, task, **asked_of(task, pair, asked), with_compute=False) for task in pair)
    rows_a, rows_b = shared_rows(a, b)
    dated = a.take(rows_a)
    need_dates(dated)
    notes: list[str] = []
    items = [
        items_of(rows.take(at), given, notes)
        for rows, at, given in ((a, rows_a, items_a), (b, rows_b, items_b))
    ]  # fmt: skip
    found = contamination_shift(
        a.score[rows_a], b.score[rows_b], dated.date, n_items_a=items[0], n_items_b=items[1],
        groups=groups_of(dated), **settings,
    )  # fmt: skip
    return ShiftAnswer("contamination", (a, b), found, {"n_shared": len(rows_a)}, tuple(notes))


def harness_of(
    store: Store, task: str, asked: Mapping[str, Any], *, against: str | None = None, metric_against: str | None = None,
    **settings: Any,
) -> ShiftAnswer:  # fmt: skip
    """Measure how far a second harness scores the same models from the first.

    Parameters
    ----------
    store : Store
        An open store.
    task : str
        The task.
    asked : mapping
        As of `db.scores.load_scores`, of the first harness.
    against : str, optional
        The second; where missing, the only other one.
    metric_against : str, optional
        Its metric, where it is called otherwise.
    **settings
        As of `scaling.boundary.shift.harness_offset`.

    Returns
    -------
    ShiftAnswer
        Rows by each harness; ``compute`` among the extras says where they disagree on the compute of a model.

    Raises
    ------
    UsageError, InputDataError
        As of `db.scores.load_scores` and `scaling.boundary.shift.harness_offset`, and for fewer than two harnesses.
    """
    from db.scores import load_scores
    from scaling.boundary.shift import compute_disagreement, harness_offset

    counts = task_counts(store, task)
    known = list(dict.fromkeys(row.harness for row in counts if not row.superseded and row.harness))
    first, second = settle_two(task, "harness", known, asked["harness"], against, "--harness A --against B")
    settled: dict[str, str | None] = {}
    for name, metric in ((first, asked["metric"]), (second, metric_against or asked["metric"])):
        own = {row.metric for row in counts if row.harness == name and not row.superseded}
        settled[name] = next(iter(own)) if metric is None and len(own) == 1 else metric
    if asked["metric"] is None and metric_against is None:  # of several metrics, one that both have goes with itself
        shared = [settled[name] for name in (first, second) if settled[name] is not None]
        settled = {name: settled[name] or (shared[0] if shared else None) for name in (first, second)}
    a, b = (
        load_scores(store, task, **{**asked, "harness": name, "metric": settled[name]}, with_compute=False)
        for name in (first, second)
    )
    rows_a, rows_b = shared_rows(a, b)
    found = harness_offset(a.score[rows_a], b.score[rows_b], groups=groups_of(a.take(rows_a)), **settings)
    extra: dict[str, Any] = {"n_shared": len(rows_a), "compute": None}
    z = [rows.log10_compute[at] for rows, at in ((a, rows_a), (b, rows_b))]
    if np.any(np.isfinite(z[0]) & np.isfinite(z[1])):
        extra["compute"] = compute_disagreement(10 ** z[0], 10 ** z[1], [a.model[i] for i in rows_a])
    return ShiftAnswer("harness", (a, b), found, extra)


def regrade_of(
    store: Store, task: str, asked: Mapping[str, Any], *, against: str | None = None, **settings: Any
) -> ShiftAnswer:
    """Compare two versions of the scores of a task.

    Parameters
    ----------
    store : Store
        An open store.
    task : str
        The task.
    asked : mapping
        As of `db.scores.load_scores`; its version is the earlier one, and where missing the only one that was replaced.
    against : str, optional
        The later version; where missing, that in force.
    **settings
        As of `scaling.boundary.shift.detect_regrade`.

    Returns
    -------
    ShiftAnswer
        Rows by each version.

    Raises
    ------
    UsageError, InputDataError
        As of `db.scores.load_scores` and `scaling.boundary.shift.detect_regrade`, and where there is one version only.
    """
    from db.scores import load_scores
    from scaling.boundary.shift import detect_regrade

    version, own = settle_versions(task, task_counts(store, task, asked["metric"], asked["harness"]), asked["version"])
    if version == against:
        raise UsageError(f"'{version}' cannot be held against itself.", "Name another version with --against.")
    asked = {**asked, **own}
    before, after = (
        load_scores(store, task, **{**asked, "version": one}, with_compute=False) for one in (version, against)
    )
    if before.eval_id == after.eval_id:
        raise UsageError(
            f"The version '{version}' is the one in force, so there is nothing to hold it against.",
            "Name another version with --against.",
        )
    rows_a, rows_b = shared_rows(before, after)
    found = detect_regrade(
        before.score[rows_a], after.score[rows_b], groups=groups_of(before.take(rows_a)), **settings
    )  # fmt: skip
    return ShiftAnswer("regrade", (before, after), found, {"n_shared": len(rows_a)})


def jump_of(store: Store, tasks: Sequence[str], asked: Mapping[str, Any], **settings: Any) -> ShiftAnswer:
    """Look for dates at which one task jumps and the others do not.

    Parameters
    ----------
    store : Store
        An open store.
    tasks : sequence of str
        The tasks; a single one is held against all others that its harness ran.
    asked : mapping
        As of `db.boundary_joined.asked_of`.
    **settings
        As of `scaling.boundary.shift.detect_jump`.

    Returns
    -------
    ShiftAnswer
        Rows of each task.

    Raises
    ------
    UsageError, InputDataError
        As of `db.boundary_joined.load_joined` and `scaling.boundary.shift.detect_jump`.
    """
    from scaling.boundary.shift import detect_jump

    notes: list[str] = []
    named, own = list(tasks), dict(asked)
    if len(named) == 1:
        others = companions(store, named[0], asked_of(named[0], named, asked)["harness"])
        if not others:
            raise InputDataError(
                f"Nobody ran another task beside '{named[0]}', and a jump is one that other tasks do not show.",
                "See what there is: scaling boundary tasks",
            )
        own["metric"] = [*(own.get("metric") or ()), *(f"{task}={metric}" for task, metric in others.items())]
        named += list(others)
        notes.append(f"Held against the others of its harness: {', '.join(others)}.")
    joined = load_joined(store, named, own, with_compute=True)
    if np.isnat(joined.date).all():
        raise no_dates(named[0], len(joined), own["date"])
    groups = None if own["group"] is None else joined.groups
    found = detect_jump(joined.scores, joined.date, joined.log10_compute, groups=groups, **settings)
    return ShiftAnswer("jump", tuple(joined.parts.values()), found, notes=(*notes, *joined.notes))
