"""Observational links as saved fits: laws of the benchmark scores, their rows, and how they are made again."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from db.boundaries import score_words
from db.boundary_joined import JoinedScores, join
from db.fits import check_fit_name, save_fit
from db.score_rows import ScoreQuestion, ScoreRows
from db.select import Question, Selection
from scaling.errors import UsageError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from db.boundary_observational import ObservationalAnswer
    from db.saved import SavedFit
    from db.store import Store
    from scaling.boundary.observational import Analysis
    from scaling.fitting.backtest import Backtest
    from scaling.results import Fit

KIND = "observational"  # of such a fit, in the table of fits
_BY_TASK = ("metric", "harness", "version")
_OPTIONS = {"cutoff_flop": "cutoff", "n_components": "components"}  # where the command calls a setting otherwise


@dataclass(frozen=True)
class ObservationalSelection(Selection):
    """The rows of an observational link: the training models with a score on the task.

    Parameters
    ----------
    analysis : Analysis
        Of the models; without intervals.
    """

    analysis: Analysis = field(kw_only=True)


def save_observational(
    store: Store, answer: ObservationalAnswer, name: str, *, replace_fit: bool, asked: Mapping[str, Any]
) -> SavedFit:
    """Save the link of an analysis as a law of the benchmark scores, with its macro.

    Parameters
    ----------
    store : Store
        Open for writing.
    answer : ObservationalAnswer
        With an analysis.
    name : str
        Of the fit and its macro.
    replace_fit : bool
        Whether a saved fit of that name gives way.
    asked : mapping
        ``bootstrap level seed``, and what else was asked of `scaling.boundary.observational.analyse`.

    Returns
    -------
    SavedFit

    Raises
    ------
    UsageError
        For a name that is no name, or taken.
    InputDataError
        Where the link cannot be written as a law.
    """
    from scaling.boundary.observational import compose

    assert answer.analysis is not None
    assert answer.task is not None
    settings = {k: asked[k] for k in ("bootstrap", "seed")}
    fit = compose(answer.analysis, **settings)
    parts = {key: rows.question.to_dict() for key, rows in answer.joined.parts.items()}
    record = fit.settings["observational"]
    cells = record["imputed_cells"]
    notes = {
        "observational": {
            "task": answer.task,
            "benchmarks": list(answer.benchmarks),
            "inputs": record["inputs"],
            "scores": parts,
            "asked": {k: v for k, v in asked.items() if k not in settings},
        },
        "notes": [
            "Inputs are scores on benchmarks, shares: "
            + ", ".join(f"{key} is {label}" for key, label in record["inputs"].items())
            + ".",
            "Centre and loadings of the components are numbers of the law, so its intervals do not have their error; "
            "those of the command do.",
            *([f"{format_plural(cells, 'score')} among the rows {'was' if cells == 1 else 'were'} missing and filled "
               "in from the others."] if cells else []),
            *answer.notes,
        ],
    }  # fmt: skip
    rows = _selection(answer.joined, answer.kept, answer.analysis, _sql(answer.joined.parts), fit)
    question = Question(answer.task, answer.joined.parts[answer.task].question.where)
    return save_fit(
        store, fit.law.name, question, rows, fit, base=KIND, name=name, replace=replace_fit, kind=KIND, notes=notes,
        objective=fit.objective.text, residual=fit.objective.residual_text, **settings,
    )  # fmt: skip


def check_saving(store: Store, task: str | None, name: str | None, replace_fit: bool) -> None:
    """Refuse a name that cannot be given, before anything is worked out."""
    check_fit_name(store, name, replace_fit)
    if name is not None and task is None:
        raise UsageError("--name saves the link to a task, and there is none.", "Name the task, or leave --name out.")


def select_again(store: Store, saved: SavedFit) -> ObservationalSelection:
    """Select the rows of a saved link by asking its questions anew; raises as `db.scores.load_question`."""
    from db.scores import load_question

    parts = {task: load_question(store, question) for task, question in _questions(saved).items()}
    return _again(saved, parts, _sql(parts))


def select_again_by_sql(store: Store, saved: SavedFit) -> ObservationalSelection:
    """Select the rows of a saved link by its SQL; raises as `db.scores.load_scores_by_sql`."""
    from db.scores import load_several_by_sql

    questions = _questions(saved)
    found = load_several_by_sql(store, saved.sql, list(questions.values()))
    return _again(saved, dict(zip(questions, found, strict=True)), saved.sql)


def refit_again(saved: SavedFit, rows: Selection) -> Fit:
    """Fit components and link of a saved fit again, by the settings that were asked for."""
    from scaling.boundary.observational import compose

    assert isinstance(rows, ObservationalSelection)
    return compose(rows.analysis, **{k: saved.config["settings"][k] for k in ("bootstrap", "seed")})


def backtest_again(saved: SavedFit, rows: Selection, **settings: Any) -> Backtest:
    """Back-test a saved link: the largest models held out, everything learned again from the smaller ones."""
    from scaling.boundary.observational import backtest_link

    assert isinstance(rows, ObservationalSelection)
    settings.pop("trim", None)  # no rows are left out
    return backtest_link(rows.analysis, str(saved.fit.objective), saved.fit.law.name, **settings)


def observational_command(config: Mapping[str, Any]) -> str:
    """Return the command that makes a saved link."""
    kept, settings = config["observational"], config["settings"]
    questions = {task: ScoreQuestion.from_dict(table) for task, table in kept["scores"].items()}
    odd = kept["task"].startswith("-")  # read as an option, unless it comes last, after two hyphens
    words = ["scaling", "boundary", "observational", *([] if odd else [kept["task"]])]
    words += ["--benchmarks=" + ",".join(kept["benchmarks"])]
    for key, value in (kept["asked"] | {k: settings[k] for k in ("bootstrap", "seed")}).items():
        if value is not None:
            words += [f"--{_OPTIONS.get(key, key)}={value}"]
    for option in _BY_TASK:
        for task, question in questions.items():
            if (value := getattr(question, option)) is not None:
                words += [f"--{'task-version' if option == 'version' else option}={task}={value}"]
    shared = replace(questions[kept["task"]], metric=None, harness=None, version=None)
    words += score_words(shared)
    if shared.group == ScoreQuestion("").group:  # the default there, and another here
        words += ["--group", str(shared.group)]
    return shlex.join([*words, "--name", config["name"], *(["--", kept["task"]] if odd else [])])


def no_landing(saved: SavedFit) -> UsageError:
    """Say that a forecast of such a law cannot be kept to be held against a run."""
    return UsageError(
        f"A forecast of the fit '{saved.name}' cannot be kept: its inputs are scores, by which no run is told.",
        f"Leave --save out. Its macro forecasts every model of the store, and its back-test is: scaling backtest "
        f"{saved.name}",
    )


def _questions(saved: SavedFit) -> dict[str, ScoreQuestion]:
    return {k: ScoreQuestion.from_dict(v) for k, v in saved.config["observational"]["scores"].items()}


def _again(saved: SavedFit, parts: dict[str, ScoreRows], sql: str) -> ObservationalSelection:
    from scaling.boundary.observational import analyse, compose

    kept = saved.config["observational"]
    joined = join(parts)
    table = np.column_stack([joined.scores[name] for name in kept["benchmarks"]])
    rows = np.flatnonzero(np.isfinite(table).any(axis=1))
    analysis = analyse(
        table[rows], joined.scores[kept["task"]][rows], joined.log10_compute[rows],
        [joined.groups[i].removeprefix("alone: ") for i in rows], benchmarks=kept["benchmarks"],
        models=[joined.model[i] for i in rows], bootstrap=0, seed=saved.config["settings"]["seed"], **kept["asked"],
    )  # fmt: skip
    return _selection(joined, rows, analysis, sql, compose(analysis))


def _selection(
    joined: JoinedScores, kept: NDArray[np.intp], analysis: Analysis, sql: str, fit: Fit
) -> ObservationalSelection:
    """Make the training models with a score on the task the rows of a fit; missing benchmarks are filled in."""
    task = next(name for name in joined.parts if name not in analysis.table.benchmarks)
    known = np.isfinite(analysis.table.task[analysis.train])
    taught = kept[analysis.train]
    rows = taught[known]
    labels: dict[str, str] = fit.settings["observational"]["inputs"]
    filled = analysis.components.imputer.filled[known]
    place = {label: j for j, label in enumerate(analysis.table.benchmarks)}
    families = tuple(analysis.table.families[i] for i in np.flatnonzero(analysis.train)[known])
    members = [tuple(cells[i] for cells in joined.cells.values() if cells[i]) for i in rows]
    return ObservationalSelection(
        run_ids=tuple(joined.cells[task][i] for i in rows),
        inputs={key: filled[:, place[label]] for key, label in labels.items()},
        observed=analysis.table.task[analysis.train][known],
        sql=sql,
        sha256=_hash(joined, taught, analysis),
        excluded=tuple(one for part in joined.parts.values() for one in part.excluded),
        not_selected=sum(part.not_selected for part in joined.parts.values()),
        columns={key: f"score:{label}" for key, label in labels.items()},
        metric=task,
        clusters=families,
        order=10.0 ** joined.log10_compute[rows],
        members=tuple(members),
        analysis=analysis,
    )


def _hash(joined: JoinedScores, taught: NDArray[np.intp], analysis: Analysis) -> str:
    """Hash all that components and link were learned from: scores, compute and family of the training models."""
    families = [analysis.table.families[i] for i in np.flatnonzero(analysis.train)]
    lines = []
    for i, family in zip(taught, families, strict=True):
        cells = [f"{joined.cells[name][i]}={float(joined.scores[name][i]).hex()}" for name in joined.parts]
        lines.append("\t".join([joined.model[i], family, float(joined.log10_compute[i]).hex(), *cells]))
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _sql(parts: Mapping[str, ScoreRows]) -> str:
    """Write one SQL text that selects the scores of all tasks, numbered in their order."""
    each = [f"SELECT {i} AS part, * FROM (\n{rows.sql}\n)" for i, rows in enumerate(parts.values())]
    return "\nUNION ALL\n".join(each) + "\nORDER BY part, eval_id"
