"""Maps from one loss to another, fitted to pairs of runs of the store and saved like any other fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace as replace_fields
from typing import TYPE_CHECKING, Any

from db.fits import check_fit_name, save_fit
from db.floors import floors_of
from db.pair_units import refuse_accuracy
from db.pairs import PairQuestion, PairSelection, check_pairs, select_pairs
from db.select import Question

if TYPE_CHECKING:
    from db.saved import SavedFit
    from db.store import Store
    from scaling.loss_to_loss.floors import Floor
    from scaling.results import Fit

KIND = "transfer"  # of such a fit, in the table of fits
_RISES = "The target is not monotone"


def fit_transfer(
    store: Store,
    question: PairQuestion,
    *,
    floors: str = "free",
    floor_source: str | float | None = None,
    floor_target: str | float | None = None,
    floor_law: str = "chinchilla",
    form: str = "auto",
    name: str | None = None,
    replace: bool = False,
    bootstrap: int = 1000,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> SavedFit:
    """Fit a map from one loss to another, and save it with its macro, its back-test and its rivals.

    Parameters
    ----------
    store : Store
        Open for writing.
    question : PairQuestion
        Which pairs.
    floors, floor_source, floor_target, floor_law
        As of `db.floors.floors_of`.
    form : str, default 'auto'
        As of `scaling.loss_to_loss.fit_pairs`.
    name : str, optional
        Name of the fit and its macro; ``transfer_1`` and so on where missing.
    replace : bool, default False
        Whether a saved fit of that name gives way.
    bootstrap, seed, progress
        As of `scaling.loss_to_loss.fit_pairs`.

    Returns
    -------
    SavedFit
        Of the target metric; what is to be known of the pairs stands in ``config["notes"]``.

    Raises
    ------
    UsageError
        For a question, a floor, a form or a name that makes no sense.
    InputDataError
        Where there are no pairs, or they cannot be fitted.
    VerdictError
        Where the law that would give a floor is not identified.
    """
    from scaling.loss_to_loss.pairs import fit_pairs

    check_fit_name(store, name, replace)
    question = check_pairs(store, question)
    refuse_accuracy(store, question)
    rows = select_pairs(store, question)
    floor_x, floor_y = floors_of(store, question, floors, floor_source, floor_target, floor_law, seed=seed)
    fit = fit_pairs(
        rows.inputs["x"], rows.observed, floor_x, floor_y, form=form, budget=rows.order, bootstrap=bootstrap, seed=seed,
        names=rows.run_ids, progress=progress,
    )  # fmt: skip
    fit = replace_fields(
        fit, law=replace_fields(fit.law, inputs={"x": rows.units["x"]}, unit=rows.target_unit)
    )  # fmt: skip
    fit = with_remedy(fit, rows)
    asked: dict[str, Any] = {"floors": floors, "floor_from": floor_source, "floor_to": floor_target}
    asked |= {"floor_law": floor_law, "tolerance": rows.pairs.tolerance}
    held = [held_note(floor, side) for floor, side in ((floor_x, "source"), (floor_y, "target"))]
    said = [*rows.notes, *filter(None, held)]
    notes: dict[str, Any] = {"pairs": question.to_dict(), "transfer": asked, "notes": said}
    settings: dict[str, Any] = {"objective": fit.objective.text, "residual": fit.objective.residual_text}
    settings |= {"bootstrap": bootstrap, "seed": seed}
    if (resample := fit.settings.get("resample")) is not None:
        settings["resample"] = resample
    return save_fit(
        store, form, Question(question.metric_target, question.where), rows, fit, base=KIND, name=name, replace=replace,
        kind=KIND, notes=notes, **settings,
    )  # fmt: skip


def held_note(floor: Floor | None, side: str) -> str:
    """Say of a floor that the back-test cannot find again that it is held there; nothing of any other."""
    if floor is None or floor.course:
        return ""
    return (
        f"The floor of the {side} ({floor.source}) is held at every cut-off of the back-test, which it flatters where "
        "it was found from the runs that are held out."
    )


def with_remedy(fit: Fit, rows: PairSelection) -> Fit:
    """Let the reason of a target that rises say what to do, as the note on the pairs does, which knows its kind.

    Parameters
    ----------
    fit : Fit
        A map.
    rows : PairSelection
        Its pairs.

    Returns
    -------
    Fit
    """
    said = [note for note in rows.notes if note.startswith(_RISES)]
    concerns = tuple(
        (word, said[0] if said and text.startswith(_RISES) else text) for word, text in fit.diagnostics.concerns
    )
    return replace_fields(fit, diagnostics=replace_fields(fit.diagnostics, concerns=concerns))
