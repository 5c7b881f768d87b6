"""The error on a task over a loss, fitted to runs of the store and saved like any other fit."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace as replace_fields
from typing import TYPE_CHECKING, Any

from db.fits import check_fit_name, save_fit
from db.floors import floors_of
from db.pairs import PairQuestion, check_pairs, select_pairs
from db.select import Question
from scaling.errors import VerdictError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from db.saved import SavedFit
    from db.select import Selection
    from db.store import Store
    from scaling.fitting.backtest import Backtest
    from scaling.loss_to_loss.floors import Floor
    from scaling.results import Fit

KIND = "accuracy"  # of such a fit, in the table of fits
#: What is asked for as a floor of the loss where there shall be none.
NO_FLOOR = "free"


def accuracy_question(
    corpus: str, loss: str, metric: str, *, column: str = "corpus", where: str | None = None
) -> PairQuestion:
    """Ask for the runs that have both a loss and an accuracy: 1 - accuracy is predicted.

    Parameters
    ----------
    corpus : str
        Value of the column.
    loss, metric : str
        Metrics: the loss, and the accuracy.
    column, where
        As of `db.pairs.PairQuestion`.

    Returns
    -------
    PairQuestion
    """
    return PairQuestion(corpus, corpus, loss, metric, column=column, where=where, by="run", complement=True)


def fit_accuracy_runs(
    store: Store,
    question: PairQuestion,
    *,
    chance: float | None = None,
    n_questions: int | None = None,
    floor: str | float | None = None,
    floor_law: str = "chinchilla",
    form: str = "auto",
    name: str | None = None,
    replace: bool = False,
    bootstrap: int = 1000,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> SavedFit:
    """Fit the error on a task over a loss, and save it with its macro, its back-test and its rivals.

    Parameters
    ----------
    store : Store
        Open for writing.
    question : PairQuestion
        Which runs, as of `accuracy_question`.
    chance, n_questions, form, bootstrap, seed, progress
        As of `scaling.loss_to_loss.fit_accuracy`.
    floor : str or float, optional
        What the loss cannot go below: a number, the name of a saved fit whose E it is, or ``free`` for none. Where
        missing it is that of `floor_law`, fitted to the runs; where that law is not identified there is none.
    floor_law : str
        Law of N and D.
    name : str, optional
        Name of the fit and its macro; ``accuracy_1`` and so on where missing.
    replace : bool, default False
        Whether a saved fit of that name gives way.

    Returns
    -------
    SavedFit
        Of the accuracy's metric; what is to be known of the runs stands in ``config["notes"]``.

    Raises
    ------
    UsageError
        For a question, a floor, a form or a name that makes no sense.
    InputDataError
        Where there are no runs, or they cannot be fitted.
    VerdictError
        Where the saved fit that would give the floor is not identified.
    """
    from scaling.loss_to_loss.accuracy.data import read_chance
    from scaling.loss_to_loss.accuracy.fit import fit_accuracy
    from scaling.loss_to_loss.accuracy.laws import find_accuracy_form

    check_fit_name(store, name, replace)
    read_chance(chance)
    if form != "auto":
        find_accuracy_form(form, chance)
    question = check_pairs(store, question)
    rows = select_pairs(store, question)
    floor_x, said = _floor(store, question, floor, floor_law, seed)
    fit = fit_accuracy(
        rows.inputs["x"], rows.observed, floor_x=floor_x, chance=chance, form=form, budget=rows.order,
        n_questions=n_questions, bootstrap=bootstrap, seed=seed, progress=progress,
    )  # fmt: skip
    fit = replace_fields(fit, law=replace_fields(fit.law, inputs={"x": rows.units["x"]}))
    asked: dict[str, Any] = {"chance": chance, "questions": n_questions, "floor": floor, "floor_law": floor_law}
    # Of the notes the first is about pairs, which these are not; and that the error rises stands in the verdict.
    notes = [f"{format_plural(len(rows), 'run')} with both metrics."]
    notes += [note for note in rows.notes[1:] if not note.startswith("The target is not monotone")] + said
    config: dict[str, Any] = {"pairs": question.to_dict(), "accuracy": asked, "notes": notes}
    settings: dict[str, Any] = {"objective": fit.objective.text, "residual": fit.objective.residual_text}
    settings |= {"bootstrap": bootstrap, "seed": seed}
    return save_fit(
        store, form, Question(question.metric_target, question.where), rows, fit, base=KIND, name=name, replace=replace,
        kind=KIND, notes=config, **settings,
    )  # fmt: skip


def accuracy_command(config: Mapping[str, Any], question: PairQuestion) -> str:
    """Return the command that makes such a fit.

    Parameters
    ----------
    config : mapping
        Of the saved fit.
    question : PairQuestion
        Which runs.

    Returns
    -------
    str
    """
    asked, settings = config["accuracy"], config["settings"]
    options = {
        "corpus": question.source, "loss": question.metric_source, "metric": question.metric_target,
        "where": question.where, "by-column": None if question.column == "corpus" else question.column,
        "chance": asked["chance"], "questions": asked["questions"], "floor": asked["floor"],
        "floor-law": asked["floor_law"], "form": config["law"], "bootstrap": settings["bootstrap"],
        "seed": settings["seed"],
    }  # fmt: skip
    words = ["scaling", "transfer", "accuracy"]
    for option, value in options.items():
        if value is not None:
            text = str(value)
            words += [f"--{option}={text}"] if text.startswith("-") else [f"--{option}", text]
    return shlex.join([*words, "--name", config["name"]])


def refit_again(saved: SavedFit, rows: Selection) -> Fit:
    """Fit the form of a saved law of accuracy to rows again, with its floor and its weights as they were."""
    from scaling.loss_to_loss.accuracy.rerun import refit_accuracy

    settings = dict(saved.config["settings"])
    return refit_accuracy(saved.fit, rows.inputs["x"], rows.observed, rows.order, settings, rows.clusters)


def backtest_again(saved: SavedFit, rows: Selection, **settings: Any) -> Backtest:
    """Back-test a saved law of accuracy on rows as it was when it was chosen."""
    from scaling.loss_to_loss.accuracy.rerun import backtest_accuracy

    return backtest_accuracy(saved.fit, rows.inputs["x"], rows.observed, rows.order, rows.clusters, **settings)


def _floor(
    store: Store, question: PairQuestion, floor: str | float | None, law: str, seed: int
) -> tuple[Floor | None, list[str]]:
    """Find the floor of the loss, and what to say of one that was looked for and not found."""
    if floor == NO_FLOOR:
        return None, []
    mode = "source" if floor is None else "free"
    try:
        found, _ = floors_of(store, question, mode, floor, None, law, seed=seed)
    except VerdictError as refused:
        if floor is not None:
            raise
        return None, [f"The loss is given no floor: {refused.message}"]
    return found, []
