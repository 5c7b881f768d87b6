"""Back-tests of boundaries: of tasks of the store, and of saved boundaries; nothing is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from db.boundaries import KIND, load_boundary, without_periods
from db.score_periods import Period
from scaling.errors import InputDataError, ScalingError, UsageError, did_you_mean

if TYPE_CHECKING:
    from db.score_rows import ScoreRows
    from db.score_tasks import TaskCount
    from db.store import Store
    from scaling.boundary.drift import InTimeBacktest
    from scaling.boundary.evaluation.result import BoundaryBacktest

Progress = Callable[[int, int], None] | None


def backtest_tasks(
    store: Store,
    tasks: Sequence[str],
    asked: Mapping[str, Any],
    progress: Progress = None,
    lenient: bool = False,
    **settings: Any,
) -> tuple[dict[str, BoundaryBacktest], dict[str, ScalingError]]:
    """Back-test boundaries of tasks in time.

    Parameters
    ----------
    store : Store
        An open store.
    tasks : sequence of str
        The tasks.
    asked : mapping
        Which of their scores: arguments of `db.scores.load_scores`, without the task.
    progress : callable, optional
        Told how many tasks are done, and of how many.
    lenient : bool, default False
        Whether tasks that nobody named may be passed over where they have scores of several metrics or harnesses.
    **settings
        ``tau preset kappa ridge mode seed``, as of `scaling.boundary.backtest`.

    Returns
    -------
    found : dict of str to BoundaryBacktest
        By task.
    failures : dict of str to ScalingError
        Tasks that could not be back-tested, and why.

    Raises
    ------
    UsageError, InputDataError
        For a question that makes no sense, or where no task can be back-tested.
    """
    from db.scores import load_scores

    rows: dict[str, ScoreRows] = {}
    found: dict[str, BoundaryBacktest] = {}
    failures: dict[str, ScalingError] = {}
    for task in tasks:  # all of them first: a wrong word is told before anything is fitted
        try:
            rows[task] = load_scores(store, task, **asked)
        except (InputDataError, UsageError) as error:
            if len(tasks) == 1 or (isinstance(error, UsageError) and not lenient):
                raise
            failures[task] = error
    wrong = [error for error in failures.values() if isinstance(error, UsageError)]
    if wrong and not rows:
        raise wrong[0]
    for i, (task, scores) in enumerate(rows.items(), start=1):
        try:
            found[task] = backtest_scores(scores, **settings)
        except InputDataError as error:
            if len(tasks) == 1:
                raise
            failures[task] = error
        if progress:
            progress(i, len(rows))
    if not found:
        task, first = next(iter(failures.items()))
        raise InputDataError(
            f"None of the {len(failures)} tasks can be back-tested; {task}: {first.message}", first.hint
        )
    return found, failures


def backtest_scores(rows: ScoreRows, **settings: Any) -> BoundaryBacktest:
    """Back-test a boundary of scores in time; they need periods."""
    import scaling

    if rows.period is None:
        raise without_periods(rows)
    return scaling.boundary.backtest(rows.log10_compute, rows.score, rows.period, groups=rows.groups, **settings)


def backtest_saved(
    store: Store, name: str, period: Period = None, mode: str = "single", seed: int | None = None
) -> tuple[str, BoundaryBacktest | InTimeBacktest]:
    """Back-test a saved boundary by its own scores and settings: in time, or by compute where it has no periods.

    Parameters
    ----------
    store : Store
        An open store.
    name : str
        Of the saved boundary.
    period : str or sequence of str, optional
        Periods, in place of those that it was fitted with.
    mode : {'single', 'cumulative'}
        As of `scaling.boundary.backtest`; a dated boundary always is fitted to all models until then.
    seed : int, optional
        Of the folds; that of the fit where missing.

    Returns
    -------
    task : str
    found : BoundaryBacktest or InTimeBacktest
        Of mode ``largest`` where there are no periods; the latter of a dated boundary.

    Raises
    ------
    UsageError
        Where there is no such boundary.
    InputDataError
        Where its scores have changed, or cannot be held out.
    """
    from db.saved import load_fit
    from db.scores import load_question
    from scaling.boundary.evaluation.largest import backtest_largest

    saved = load_fit(store, name)
    if saved.dated:
        from db.boundary_dated import backtest_dated

        return saved.config["scores"]["task"], backtest_dated(store, saved, period, seed)
    one = load_boundary(store, name)
    rows = one.rows
    if period is not None:
        rows = load_question(store, replace(rows.question, period=period))
    settings = dict(one.saved.config["boundary"]) | {"seed": one.saved.fit.seed if seed is None else seed}
    if rows.period is not None:
        return rows.question.task, backtest_scores(rows, mode=mode, **settings)
    found = backtest_largest(rows.log10_compute, rows.score, groups=rows.groups, **settings)
    return rows.question.task, found


def find_tasks(
    store: Store, name: str | None, tasks: Sequence[str], everything: bool, asked: Mapping[str, Any] | None = None
) -> tuple[list[str], str | None]:
    """Tell tasks from the name of a saved boundary.

    Parameters
    ----------
    store : Store
        An open store.
    name : str, optional
        A task or a saved boundary; a task comes first.
    tasks : sequence of str
        More tasks.
    everything : bool
        Whether all tasks of the store are meant.
    asked : mapping, optional
        Of all tasks only those that have scores of this ``metric``, ``harness`` and ``version``, where they are given.

    Returns
    -------
    tasks : list of str
        Each once.
    saved : str or None
        The saved boundary, where it is one.

    Raises
    ------
    UsageError
        For nothing, too much, or a name that is neither.
    """
    from db.scores import tasks as all_of

    counts = all_of(store)
    known = list(dict.fromkeys(row.task for row in counts if not row.superseded))
    if everything:
        if name is not None or tasks:
            raise UsageError("All tasks are asked for, and single ones too.", "Leave --all-tasks out, or the others.")
        if not known:
            raise InputDataError("The store has no scores.", "Read some: scaling ingest FILE --scores")
        return _that_have(counts, asked or {}), None
    if name is None and not tasks:
        raise UsageError(
            "Nothing to back-test.",
            "Name a task or a saved boundary, or ask for --all-tasks. See: scaling boundary tasks",
        )
    named = [*([name] if name is not None else []), *tasks]
    if name is not None and not tasks and name not in known:
        _, rows = store.query("SELECT name, fit_id FROM fits WHERE kind = ?", [KIND])
        names = {str(part).lower() for row in rows for part in row}
        if name.lower() in names or (name == "latest" and rows):
            return [], name
        raise UsageError(
            f"The store has neither a task nor a boundary '{name}'.",
            did_you_mean(name, [*known, *(str(row[0]) for row in rows)]),
        )
    return list(dict.fromkeys(named)), None


def _that_have(counts: Sequence[TaskCount], asked: Mapping[str, Any]) -> list[str]:
    """Name the tasks that have scores of the metric, harness and version that are asked for."""
    wanted = {part: asked[part] for part in ("metric", "harness", "version") if asked.get(part) is not None}
    rows = [row for row in counts if "version" in wanted or not row.superseded]
    found = list(dict.fromkeys(row.task for row in rows if all(getattr(row, k) == v for k, v in wanted.items())))
    if not found:
        named = " and ".join(f"the {part} '{value}'" for part, value in wanted.items())
        raise UsageError(f"No score of any task has {named}.", "See what there is with: scaling boundary tasks")
    return found
