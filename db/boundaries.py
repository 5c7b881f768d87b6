"""Boundaries of scores over compute, fitted to scores of the store and saved like any other fit."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from db.fits import check_fit_name, planned_names, save_fit
from db.score_rows import ScoreQuestion, ScoreRows
from db.select import Question, Selection
from scaling.errors import InputDataError, UsageError, VerdictError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from db.saved import SavedFit
    from db.store import Store
    from scaling.boundary.result import Boundary
    from scaling.results import Fit

KIND = "boundary"  # of such a fit, in the table of fits
LAW = "boundary"
TAU = 0.98
_FIELDS = {"task-version": "version", "date-column": "date"}  # of a question, where options are called otherwise
_FEWEST = 5  # scores: one more than a boundary has parameters


@dataclass(frozen=True)
class ScoreSelection(Selection):
    """The rows of a boundary: a selection whose rows are scores.

    Parameters
    ----------
    scores : ScoreRows
        The scores, with their dates, periods and models.
    """

    scores: ScoreRows = field(kw_only=True)


@dataclass(frozen=True)
class SavedBoundary:
    """A boundary of the store, with what it was fitted to.

    Parameters
    ----------
    saved : SavedFit
        As it stands in the store.
    rows : ScoreRows
        Its scores.
    boundary : Boundary
        The boundary.
    """

    saved: SavedFit
    rows: ScoreRows
    boundary: Boundary


def fit_boundaries(
    store: Store,
    asked: Mapping[str, Any],
    *,
    taus: Sequence[float] = (TAU,),
    preset: str | None = None,
    kappa: float | None = None,
    ridge: float | None = None,
    name: str | None = None,
    replace: bool = False,
    bootstrap: int = 1000,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[SavedBoundary]:
    """Fit a boundary to the scores of a task, one a quantile, and save each with its macro.

    Parameters
    ----------
    store : Store
        Open for writing.
    asked : mapping
        Which scores: arguments of `db.scores.load_scores`.
    taus : sequence of float
        Quantiles.
    preset, kappa, ridge, bootstrap, seed, progress
        As of `scaling.boundary.fit`.
    name : str, optional
        Of the fit and its macro, ``boundary_1`` and so on where missing. Several quantiles are told apart by what is
        added, such as ``_q98``.
    replace : bool, default False
        Whether saved fits of these names give way.

    Returns
    -------
    list of SavedBoundary
        By ascending quantile.

    Raises
    ------
    UsageError
        For a question, a setting or a name that makes no sense.
    InputDataError
        Where there are no scores, or they cannot be fitted.
    """
    import scaling
    from db.scores import load_scores

    if not taus:
        raise UsageError("There is no quantile to fit.", f"Name one, such as {TAU:g}.")
    wanted = sorted({float(tau) for tau in taus})
    check_fit_name(store, name, replace)
    names: list[str | None] = [name]
    if len(wanted) > 1:
        suffixes = [f"q{100 * tau:.10g}".replace(".", "_") for tau in wanted]
        names = [*planned_names(store, LAW, Question(), None, name, suffixes, replace)]
    rows = load_scores(store, **asked)
    if len(rows) < _FEWEST:
        raise InputDataError(
            f"{format_plural(len(rows), 'score')} of the task '{rows.question.task}' cannot determine a boundary; at "
            f"least {_FEWEST} can.",
            f"What was left out: {', '.join(f'{why} ({n})' for why, n in rows.reasons().items()) or 'nothing'}.",
        )
    made = [
        scaling.boundary.fit(
            rows.log10_compute,
            rows.score,
            tau=tau,
            preset=preset,
            kappa=kappa,
            ridge=ridge,
            groups=rows.groups,
            period=rows.period,
            bootstrap=bootstrap,
            seed=seed,
            progress=progress,
        )
        for tau in wanted
    ]
    settings = {"preset": preset, "kappa": kappa, "ridge": ridge}
    out = []
    for boundary, chosen in zip(made, names, strict=True):
        notes = {
            "scores": rows.question.to_dict(),
            "boundary": {"tau": boundary.tau} | settings,
            "notes": list(rows.notes),
        }
        question = Question(rows.question.task, rows.question.where, cluster=rows.question.group)
        saved = save_fit(
            store, LAW, question, selection_of(rows), boundary.fit, base=KIND, name=chosen, replace=replace, kind=KIND,
            notes=notes, bootstrap=bootstrap, seed=seed,
        )  # fmt: skip
        out.append(SavedBoundary(saved, rows, boundary))
    return out


def load_boundary(store: Store, name: str) -> SavedBoundary:
    """Load a saved boundary with its scores.

    Parameters
    ----------
    store : Store
        An open store.
    name : str
        As of `db.saved.load_fit`.

    Returns
    -------
    SavedBoundary

    Raises
    ------
    UsageError
        Where there is no such fit, it is none of scores, or one that a year moves.
    InputDataError
        Where its scores have changed since it was fitted, or have left the store.
    """
    from db.saved import load_fit, unchanged_rows

    saved = load_fit(store, name)
    if saved.scores is None:
        raise UsageError(
            f"The fit '{saved.name}' is of the law {saved.fit.law.name} and no boundary of scores.",
            "Fit one with: scaling boundary fit TASK. Fits of other laws forecast with: scaling forecast",
        )
    if saved.dated:
        from db.boundary_dated import refuse_dated

        raise refuse_dated(saved)
    rows = unchanged_rows(store, saved)
    assert isinstance(rows, ScoreSelection)
    return SavedBoundary(saved, rows.scores, boundary_of(saved, rows.scores))


def boundary_of(saved: SavedFit, rows: ScoreRows) -> Boundary:
    """Put a saved boundary and its scores together; nothing is fitted."""
    from scaling.boundary.data import read_scores
    from scaling.boundary.estimate import restore

    scores = read_scores(rows.log10_compute, rows.score, rows.groups, rows.period)
    return restore(saved.fit, scores)


def select_scores(store: Store, question: ScoreQuestion) -> ScoreSelection:
    """Select the scores of a saved boundary by asking its question anew; raises as `db.scores.load_scores`."""
    from db.scores import load_question

    return selection_of(load_question(store, question))


def select_scores_by_sql(store: Store, question: ScoreQuestion, sql: str) -> ScoreSelection:
    """Select the scores of a saved boundary by its SQL; raises as `db.scores.load_scores_by_sql`."""
    from db.scores import load_scores_by_sql

    return selection_of(load_scores_by_sql(store, sql, question))


def selection_of(rows: ScoreRows) -> ScoreSelection:
    """Make scores the rows of a fit."""
    plain = rows.selection()
    return ScoreSelection(**{name: getattr(plain, name) for name in Selection.__dataclass_fields__}, scores=rows)


def refit_again(saved: SavedFit, rows: Selection) -> Fit:
    """Fit a saved boundary to scores again, by the settings that were asked for."""
    import scaling

    if saved.dated:
        from db.boundary_dated import refit_dated

        return refit_dated(saved, rows)
    assert isinstance(rows, ScoreSelection)
    scores, asked, settings = rows.scores, dict(saved.config["boundary"]), dict(saved.config["settings"])
    made = scaling.boundary.fit(
        scores.log10_compute, scores.score, groups=scores.groups, period=scores.period, **asked, **settings
    )
    return made.fit


def boundary_command(config: Mapping[str, Any]) -> str:
    """Return the command that makes a saved boundary.

    Parameters
    ----------
    config : mapping
        Of the saved fit.

    Returns
    -------
    str
    """
    question, asked, settings = ScoreQuestion.from_dict(config["scores"]), config["boundary"], config["settings"]
    words = ["scaling", "boundary", "fit"]
    odd = question.task.startswith("-")  # read as an option, unless it comes last, after two hyphens
    words += [] if odd else [question.task]
    options = {"tau": asked["tau"], "preset": asked["preset"], "kappa": asked["kappa"], "ridge": asked["ridge"],
               "bootstrap": settings["bootstrap"], "seed": settings["seed"]}  # fmt: skip
    for option, value in options.items():
        if value is not None:
            words += [f"--{option}", str(value)]
    words += [*score_words(question), "--name", config["name"], *(["--", question.task] if odd else [])]
    return shlex.join(words)


def score_words(question: ScoreQuestion) -> list[str]:
    """Return the options of a command that choose these scores of a task."""
    usual = ScoreQuestion(question.task)
    period = question.period if isinstance(question.period, str | None) else ",".join(question.period)
    options = {
        "metric": question.metric,
        "harness": question.harness,
        "task-version": question.version,
        "where": question.where,
        "group": question.group or "none",
        "date-column": question.date,
        "period": period,
        "repeats": question.repeats,
        "per": question.per,
    }
    words: list[str] = []
    for option, value in options.items():
        if value is not None and value != getattr(usual, _FIELDS.get(option, option)):
            words += [f"--{option}={value}"] if value.startswith("-") else [f"--{option}", value]
    return words + [word for name in question.exclude for word in ("--exclude", name)]


def require_boundary(one: SavedBoundary, force: bool = False) -> None:
    """Refuse to answer by a boundary that its scores do not determine.

    Parameters
    ----------
    one : SavedBoundary
        The boundary.
    force : bool
        Answer all the same.

    Raises
    ------
    VerdictError
        With the reasons.
    """
    from scaling.verdicts import NOT_IDENTIFIED

    found = one.boundary
    if found.verdict == NOT_IDENTIFIED and not force:
        raise VerdictError(
            f"The boundary '{one.saved.name}' is not identified by its {found.n_obs} scores, so it says nothing. "
            + " ".join(found.reasons),
            "Take more models, a lower --tau or another --group; --force answers all the same.",
        )


def no_landing(saved: SavedFit) -> UsageError:
    """Say that a forecast of a boundary cannot be kept to be held against a run."""
    return UsageError(
        f"A forecast of the boundary '{saved.name}' cannot be kept: it is a quantile of many models, and no model by "
        "itself shows whether it was right.",
        f"Leave --save out. Forecasts of later periods are held against their models by: scaling boundary backtest "
        f"{saved.name}",
    )


def refuse_boundary(saved: SavedFit, what: str) -> None:
    """Refuse of a fit of scores what asks for a loss.

    Raises
    ------
    UsageError
        For a boundary, or a law of scores over those on benchmarks.
    """
    if saved.of_scores:
        kind = "law" if saved.observational else "boundary"
        raise UsageError(f"The fit '{saved.name}' is a {kind} of scores, and {what}.", "See: scaling boundary --help")


def without_periods(rows: ScoreRows) -> UsageError:
    """Say that a back-test in time needs periods."""
    return UsageError(
        f"The scores of the task '{rows.question.task}' were not put into periods.",
        "Name them: --period quarter, --period zhang2026, or first days such as --period 2024-07-01,2024-10-01.",
    )
