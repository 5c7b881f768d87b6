"""Scores for a boundary: choose those of one task, and say which were left out and why.

One call gives arrays for `scaling.boundary`: log10 of compute, scores, groups, dates and periods. What was asked is
kept as SQL with the hash of the rows that came, so a saved fit can load its rows again and tell whether they changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from db.columns import check_expression
from db.problems import nearest
from db.score_checks import COMPUTE_TOLERANCE, CONCERNS
from db.score_periods import Period, period_labels
from db.score_rows import ScoreQuestion, ScoreRows, hash_scores
from db.score_tasks import TaskCount, tasks
from db.select import Excluded
from db.views import quote_name, quote_text
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from db.store import Store

__all__ = ["EXCLUDABLE", "ScoreQuestion", "ScoreRows", "TaskCount", "load_scores", "load_scores_by_sql", "tasks"]

#: What `exclude` takes: what the source says of a model, any finding of the checks, or one of them.
EXCLUDABLE = ("flagged", "merged", "moe", "disputed", "concerns", *CONCERNS)
_DATES = ("date", "released", "evaluated_on")
_REPEATS = ("best", "latest", "all")
_PARTS = ("eval_id", "model_id", "model", "score", "score_unit", "compute_flop", "n_items", "n_params")
_NAMED = 5
_OPTIONS = {"version": "task-version"}  # of the command line, where they are not called like the argument
_REMEDIES = {
    "no compute": "A table with computes can be joined when the scores are read in: "
    "scaling ingest FILE --scores --models TABLE",
    "no date": "Leave the periods out, or name a column of dates that is filled: date, released or evaluated_on.",
}


def load_scores(
    store: Store,
    task: str,
    *,
    where: str | None = None,
    metric: str | None = None,
    harness: str | None = None,
    version: str | None = None,
    group: str | None = "base_model",
    date: str = "date",
    period: Period = None,
    exclude: Sequence[str] = (),
    repeats: str = "best",
    per: str = "model_id",
    with_compute: bool = True,
) -> ScoreRows:
    """Load the scores of a task with the compute of their models.

    Parameters
    ----------
    store : Store
        An open store.
    task : str
        The task; `tasks` lists them.
    where : str, optional
        SQL condition on the columns of the view ``scores``.
    metric, harness : str, optional
        Needed where the task has scores of several: they are not interchangeable.
    version : str, optional
        Version of the task or its grader. By default all together, but for gradings that a later one of the same
        answers replaces (``superseded`` in ``scores``).
    group : str or None, default "base_model"
        Column of ``scores`` whose values are one group (``organisation``, ``model``, ...). A model without a value is a
        group of its own.
    date : str, default "date"
        ``date`` (publication, else evaluation, else last change of the files), ``released`` or ``evaluated_on``.
    period : str or sequence of str, optional
        ``year``, ``quarter``, ``month``; the first days of periods, such as ``("2024-07-01", "2024-10-01")``; or
        ``zhang2026``, the four periods of arXiv:2602.15327 and what came after. Scores without a date are then left
        out.
    exclude : sequence of str, default ()
        ``flagged``, ``merged``, ``moe`` (what the source says), ``disputed`` (a name that sources or entries give
        computes more than 0.1 decades apart), ``concerns`` (any finding of `db.score_checks`), or the name of one
        check. What the source does not say excludes nothing.
    repeats : str, default "best"
        Of several scores of one entry: the ``best``, the ``latest`` or ``all``.
    per : str, default "model_id"
        What an entry is: ``model_id``, which tells precisions and revisions apart where the source does, or ``model``.
    with_compute : bool, default True
        Leave out models without compute. Where scores are compared with scores, compute is not needed.

    Returns
    -------
    ScoreRows
        In the order of the identifiers of the scores.

    Raises
    ------
    UsageError
        If there is no such task, metric, harness, version, column or period; or the task has several metrics or
        harnesses and none was chosen; or the condition is no SQL.
    InputDataError
        If no score is left.
    """
    exclude = (exclude,) if isinstance(exclude, str) else tuple(exclude)
    period = tuple(period) if isinstance(period, list | tuple) else period
    asked = ScoreQuestion(
        task, where, metric, harness, version, group, date, period, exclude, repeats, per, with_compute
    )
    _check_question(store, asked)
    return load_question(store, _settle(store, asked))


def load_question(store: Store, question: ScoreQuestion) -> ScoreRows:
    """Load the scores of a question whose metric and harness were found before: that of a saved fit.

    Parameters
    ----------
    store : Store
        An open store.
    question : ScoreQuestion
        As of `ScoreRows.question`.

    Returns
    -------
    ScoreRows

    Raises
    ------
    UsageError
        If a column is not there any more.
    InputDataError
        If no score is left.
    """
    _check_question(store, question)
    source = _source(question)
    condition = f" AND ({question.where}\n)" if question.where else ""
    sql = f"SELECT {_columns(question)}\nFROM scores\nWHERE {source}{condition}\nORDER BY eval_id"
    _, rows = store.query(sql)
    _, [(total,)] = store.query(f"SELECT count(*) FROM scores WHERE {source}")
    return _clean(rows, question, sql, total - len(rows))


def load_scores_by_sql(store: Store, sql: str, question: ScoreQuestion) -> ScoreRows:
    """Load scores by an SQL text that `load_scores` wrote once: those of a saved fit.

    Parameters
    ----------
    store : Store
        An open store.
    sql : str
        The text: `ScoreRows.sql`. It is run so that it can write nothing (`db.query.run_select`).
    question : ScoreQuestion
        What it was written for: `ScoreRows.question`.

    Returns
    -------
    ScoreRows

    Raises
    ------
    UsageError
        Where the text is no SELECT, fails, or gives other columns.
    InputDataError
        If no score is left.
    """
    from db.query import run_select

    named, rows = run_select(store, sql)
    _check_columns(named, _selected(question))
    return _clean(rows, question, sql, _not_selected(store, question, len(rows)))


def load_several_by_sql(store: Store, sql: str, questions: Sequence[ScoreQuestion]) -> list[ScoreRows]:
    """Load scores of several tasks by one SQL text, whose first column says which question a row belongs to.

    Parameters
    ----------
    store : Store
        An open store.
    sql : str
        The text. It is run so that it can write nothing (`db.query.run_select`).
    questions : sequence of ScoreQuestion
        What it was written for; all exclude the same.

    Returns
    -------
    list of ScoreRows
        One a question.

    Raises
    ------
    UsageError
        Where the text is no SELECT, fails, or gives other columns.
    InputDataError
        If a question has no score left.
    """
    from db.query import run_select

    named, rows = run_select(store, sql)
    _check_columns(named, ["part", *_selected(questions[0])])
    out = []
    for i, question in enumerate(questions):
        mine = [row[1:] for row in rows if row[0] == i]
        out.append(_clean(mine, question, sql, _not_selected(store, question, len(mine))))
    return out


def _selected(question: ScoreQuestion) -> list[str]:
    return [*_PARTS, "day", "grouped", *(f"excluded_{i}" for i in range(len(question.exclude)))]


def _check_columns(named: Sequence[str], wanted: Sequence[str]) -> None:
    if list(named) != list(wanted):
        raise UsageError(f"It gives the columns {', '.join(named)}, and not {', '.join(wanted)}.")


def _not_selected(store: Store, question: ScoreQuestion, selected: int) -> int:
    _, [(total,)] = store.query(f"SELECT count(*) FROM scores WHERE {_source(question)}")
    return max(int(total) - selected, 0)


def _check_question(store: Store, question: ScoreQuestion) -> None:
    known, _ = store.query("SELECT * FROM scores LIMIT 0")
    if question.group is not None and question.group not in known:
        raise UsageError(f"There is no column '{question.group}' to group by.", nearest(question.group, known))
    for value, choices, what in (
        (question.date, _DATES, "date"),
        (question.repeats, _REPEATS, "rule for repeats"),
        (question.per, ("model_id", "model"), "kind of entry"),
        *((name, EXCLUDABLE, "property to exclude by") for name in question.exclude),
    ):
        if value not in choices:
            raise UsageError(f"There is no {what} '{value}'.", nearest(str(value), choices))
    period_labels([], question.period)
    if question.where is not None:
        check_expression(question.where, "--where", "base_model <> 'phi-1' AND n_params > 1e9")


def _settle(store: Store, question: ScoreQuestion) -> ScoreQuestion:
    """Find the metric and the harness, and refuse to mix several."""
    found = [row for row in tasks(store) if row.task == question.task]
    if not found:
        names = sorted({row.task for row in tasks(store)})
        if not names:
            raise InputDataError("The store has no scores.", "Read some: scaling ingest FILE --scores")
        raise UsageError(f"The store has no scores of the task '{question.task}'.", nearest(question.task, names))
    # What is named comes first: of the harness that is meant there may be one metric only.
    chosen: dict[str, str] = {}
    for name in sorted(("metric", "harness", "version"), key=lambda part: getattr(question, part) is None):
        wanted = getattr(question, name)
        options = {getattr(row, name) for row in found if not row.superseded or question.version is not None}
        if wanted is None and name == "version":
            continue
        if wanted is None and len(options) > 1:
            count = {o: sum(row.n_scores for row in found if getattr(row, name) == o) for o in options}
            order = sorted(options, key=lambda o: (-count[o], str(o)))
            listed = ", ".join(f"{o or 'unknown'} ({count[o]})" for o in order)
            raise UsageError(
                f"The task '{question.task}' has scores of several kinds of {name}: {listed}.",
                f"They are not interchangeable: choose one with --{_OPTIONS.get(name, name)}.",
            )
        if wanted is not None and wanted not in options:
            also = "".join(f" and the {part} '{value}'" for part, value in chosen.items())
            raise UsageError(
                f"No score of the task '{question.task}' has the {name} '{wanted}'{also}.",
                nearest(wanted, [str(option) for option in options if option is not None]),
            )
        found = [row for row in found if wanted is None or getattr(row, name) == wanted]
        if wanted is not None:
            chosen[name] = wanted
        else:
            question = replace(question, **{name: next(iter(options))})
    return question


def _source(question: ScoreQuestion) -> str:
    """The condition that takes one task, metric and harness, and no grading that a later one replaces."""
    parts = [f"task = {quote_text(question.task)}", f"metric = {quote_text(question.metric or '')}"]
    parts.append(f"harness = {quote_text(question.harness)}" if question.harness else "harness IS NULL")
    parts.append(f"task_version = {quote_text(question.version)}" if question.version else "NOT superseded")
    return " AND ".join(parts)


def _columns(question: ScoreQuestion) -> str:
    parts = [*_PARTS, f"CAST({quote_name(question.date)} AS DATE) AS day"]
    group = "NULL" if question.group is None else quote_name(question.group)
    parts.append(f"CAST({group} AS VARCHAR) AS grouped")
    parts += [f"{exclusion_test(name)} AS excluded_{i}" for i, name in enumerate(question.exclude)]
    return ", ".join(parts)


def exclusion_test(name: str) -> str:
    """Write the SQL condition that one of `EXCLUDABLE` stands for, on the columns of a model."""
    if name in ("flagged", "merged", "moe"):
        return f"coalesce({name}, false)"
    if name == "disputed":
        return f"coalesce(compute_gap > {COMPUTE_TOLERANCE}, false)"
    if name == "concerns":
        return "concerns IS NOT NULL"
    return f"list_contains(string_split(coalesce(concerns, ''), ','), {quote_text(name)})"


def _clean(rows: Sequence[Sequence[Any]], question: ScoreQuestion, sql: str, not_selected: int) -> ScoreRows:
    named = [
        dict(zip((*_PARTS, "day", "grouped"), row, strict=False)) | {"flags": row[len(_PARTS) + 2 :]} for row in rows
    ]
    for row in named:
        row["reason"] = _reason(row, question)
    _drop_repeats(named, question)
    kept = [row for row in named if row["reason"] is None]
    excluded = tuple(Excluded(row["eval_id"], row["reason"], row["grouped"]) for row in named if row["reason"])
    if not kept:
        _raise_empty(named, question)
    alone = [row for row in kept if row["grouped"] is None]
    z = np.log10(_floats(kept, "compute_flop"))
    y = np.array([row["score"] for row in kept], dtype=float)
    days = np.array([row["day"] or "NaT" for row in kept], dtype="datetime64[D]")
    ids = tuple(str(row["eval_id"]) for row in kept)
    groups = None
    if question.group is not None:
        groups = tuple(str(row["grouped"]) if row["grouped"] is not None else f"alone: {row['model']}" for row in kept)
    return ScoreRows(
        question=question,
        eval_id=ids,
        model_id=tuple(str(row["model_id"]) for row in kept),
        model=tuple(str(row["model"]) for row in kept),
        log10_compute=z,
        score=y,
        groups=groups,
        date=days,
        period=None if question.period is None else tuple(period_labels([r["day"] for r in kept], question.period)),
        n_items=_floats(kept, "n_items"),
        n_params=_floats(kept, "n_params"),
        unit="share",
        excluded=excluded,
        not_selected=not_selected,
        notes=_notes(kept, alone, z, days, question),
        sql=sql,
        sha256=hash_scores(ids, z, y, days),
    )


def _reason(row: dict[str, Any], question: ScoreQuestion) -> str | None:
    """Why no boundary can use a score; None where one can."""
    hit = next((name for name, flag in zip(question.exclude, row["flags"], strict=True) if flag), None)
    if row["score_unit"] != "share":
        return f"the score is in {row['score_unit']}, not a share"
    if not 0 <= row["score"] <= 1:
        return "the score is outside 0 to 1"
    if row["compute_flop"] is None and question.with_compute:
        return "no compute"
    if hit is not None:
        return f"excluded: {hit}"
    if question.period is not None and row["day"] is None:
        return "no date"
    return None


def _drop_repeats(rows: list[dict[str, Any]], question: ScoreQuestion) -> None:
    """Of several scores of one entry keep the best or the latest; of equals, the first by identifier."""
    if question.repeats == "all":
        return
    chosen: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["reason"] is not None:
            continue
        other = chosen.setdefault(row[question.per], row)
        if other is row:
            continue
        key = "score" if question.repeats == "best" else "day"
        better = row[key] is not None and (other[key] is None or row[key] > other[key])
        worse = other if better else row
        worse["reason"] = f"another score of the same {'entry' if question.per == 'model_id' else 'model'} is kept"
        if better:
            chosen[row[question.per]] = row


def _notes(
    kept: list[dict[str, Any]], alone: list[Any], z: NDArray[np.float64], days: Any, question: ScoreQuestion
) -> tuple[str, ...]:
    notes = []
    known = z[np.isfinite(z)]
    n_distinct = len(np.unique(known))
    if n_distinct < len(known):
        notes.append(f"{len(known)} scores share {format_plural(n_distinct, 'value')} of compute.")
    if question.group is not None and alone:
        notes.append(f"{format_plural(len(alone), 'score')} without {question.group}: each a group of its own.")
    undated = int(np.isnat(days).sum())
    if undated:
        notes.append(f"{format_plural(undated, 'score')} without a date.")
    names: dict[str, int] = {}
    for row in kept:
        names[row["model"]] = names.get(row["model"], 0) + 1
    several = [name for name, count in names.items() if count > 1]
    if several:
        listed = ", ".join(several[:_NAMED]) + (f" and {len(several) - _NAMED} more" if len(several) > _NAMED else "")
        notes.append(f"{format_plural(len(several), 'model')} of several entries each: {listed}.")
    return tuple(notes)


def _raise_empty(rows: Sequence[dict[str, Any]], question: ScoreQuestion) -> None:
    if not rows:
        meets = f" meets the condition {question.where}" if question.where else " is in the store"
        raise InputDataError(
            f"No score of the task '{question.task}'{meets}.", "See what there is with: scaling ls --what tasks"
        )
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["reason"]] = counts.get(row["reason"], 0) + 1
    by_count = sorted(counts.items(), key=lambda item: -item[1])
    listed = ", ".join(f"{reason} ({count})" for reason, count in by_count)
    raise InputDataError(
        f"None of the {format_plural(len(rows), 'score')} of the task '{question.task}' can be used: {listed}.",
        _REMEDIES.get(by_count[0][0], "See what there is with: scaling sql 'SELECT * FROM scores'"),
    )


def _floats(rows: Sequence[dict[str, Any]], name: str) -> NDArray[np.float64]:
    return np.array([np.nan if row[name] is None else row[name] for row in rows], dtype=float)
