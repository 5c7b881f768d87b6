"""Choose a law for the runs of a store by holding the largest out, and save what was chosen as a fit like any other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from db.backtests import keep_backtest
from db.columns import column_of
from db.fits import find_law_of, fit_runs
from db.saved import SavedFit
from db.select import Question, Selection, select
from scaling.errors import InputDataError, UsageError, did_you_mean

if TYPE_CHECKING:
    from db.store import Store
    from scaling.laws.law import Law
    from scaling.results import Fit
    from scaling.selection.selected import Selection as Choice


def choose_runs(
    store: Store,
    family: str,
    question: Question | None = None,
    *,
    name: str | None = None,
    replace_fit: bool = False,
    seed: int = 0,
    bootstrap: int = 1000,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[SavedFit, Choice]:
    """Choose a law on runs of the store, and save the chosen fit with its back-test and its rivals.

    A trimming becomes a condition of the saved fit, so that the fit can be made again from the store by itself.

    Parameters
    ----------
    store : Store
        Open for writing.
    family : str
        A family of the book, or laws separated by commas.
    question : Question, optional
        Which rows; all of them where missing.
    name : str, optional
        Name of the fit; made from the chosen law where missing.
    replace_fit : bool, default False
        Whether a saved fit of that name gives way.
    seed, bootstrap, progress
        As of `scaling.select`.

    Returns
    -------
    SavedFit, scaling.selection.selected.Selection

    Raises
    ------
    UsageError
        For groups, unknown laws, and what `scaling.select` refuses.
    InputDataError
        Where the rows cannot be fitted.
    """
    import scaling
    from scaling.laws.book import family_names, find_family, law_names
    from scaling.selection.select import check_comparable

    question = question or Question()
    if question.by:
        raise UsageError("One law is chosen for all the rows, not one a group.", "Choose a group with --where.")
    texts = [law.name for law in find_family(family)] if family in family_names() else _split(family)
    if family.isidentifier() and family not in (*family_names(), *law_names()):
        known = [name for name in family_names() if len(find_family(name)) > 1]
        raise UsageError(
            f"There is no family and no law '{family}' to choose from.",
            f"{did_you_mean(family, known)} Or name laws, split by commas.",
        )
    laws = {text: find_law_of(store, text, question, None) for text in texts}
    check_comparable(list(laws.values()))
    rows = select(store, next(iter(laws.values())), question, positive=True)
    made = scaling.select(
        list(laws.values()), rows.inputs, rows.observed, groups=rows.clusters, seed=seed, bootstrap=bootstrap,
        progress=progress,
    )  # fmt: skip
    chosen = made.candidates[0]
    text = next(text for text, law in laws.items() if law.formula == chosen.law.formula)
    notes: dict[str, Any] = {
        "family": family, "chosen_from": texts, "trim": chosen.trim, "untrimmed": question.where,
        "untrimmed_sha256": rows.sha256,
    }  # fmt: skip
    keep, condition = np.ones(len(rows), bool), "true"
    if chosen.trim != "none":
        keep, condition = _condition(chosen.trim, made.axis, rows)
        question = replace(question, where=f"({question.where}) AND {condition}" if question.where else condition)

    def make(law: Law, part: Selection) -> Fit:
        if not _are(part, rows, keep):
            raise InputDataError(
                f"The trimming '{chosen.trim}' cannot be written as a condition on these runs: {condition}.",
                f"Fit the law itself: scaling fit {text}",
            )
        settings = {k: v for k, v in made.best.settings.items() if k != "trim"}  # a condition of the rows from here on
        return replace(made.best, law=law, settings=settings)

    saved, _ = fit_runs(
        store, text, question, name=name, replace=replace_fit, make=make, notes=notes,
        objective=chosen.objective.text, residual=chosen.objective.residual_text, bootstrap=bootstrap, seed=seed,
    )  # fmt: skip
    if chosen.trim != "none":
        with store.transaction():
            keep_backtest(store, saved[0], rows)
    return saved[0], made


def _split(text: str) -> list[str]:
    found = [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise UsageError("No law or family is named to choose from.", "Such as: --family compute_optimal")
    return found


def _are(part: Selection, rows: Selection, keep: NDArray[np.bool_]) -> bool:
    """Whether a selection is what a trimming keeps of another."""
    kept = [run for run, kept in zip(rows.run_ids, keep, strict=True) if kept]
    return list(part.run_ids) == kept and np.array_equal(part.observed, rows.observed[keep])


def _condition(trim: str, axis: str, rows: Selection) -> tuple[NDArray[np.bool_], str]:
    """Tell what a trimming keeps, and write it as SQL; doubles are written so that they read back exactly."""
    from scaling.fitting.rollout import trimmed

    expressions = {name: _expression(column) for name, column in rows.columns.items()}
    if axis == "6*N*D":
        values, sql = 6 * rows.inputs["N"] * rows.inputs["D"], f"6.0::DOUBLE * {expressions['N']} * {expressions['D']}"
    else:
        name = axis.removeprefix("1/")
        values, sql = rows.inputs[name], expressions[name]
        if name != axis:
            values, sql = 1 / values, f"1.0::DOUBLE / {sql}"
    keep = trimmed(trim, values, rows.observed)
    if trim.startswith("smallest"):
        return keep, f"{sql} >= {float(np.min(values[keep]))!r}::DOUBLE"
    return keep, f"loss <= {float(np.max(rows.observed[keep]))!r}::DOUBLE"


def _expression(column: str) -> str:
    return f"CAST({column_of(column).sql} AS DOUBLE)"
