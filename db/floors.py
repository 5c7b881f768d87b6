"""Where the floors of a map come from: a number, the parameter E of a saved fit, or a law fitted on the spot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from db.views import quote_name, quote_text
from scaling.errors import InputDataError, ScalingError, UsageError, VerdictError, did_you_mean
from scaling.formatting import format_number, format_plural
from scaling.verdicts import NOT_IDENTIFIED

if TYPE_CHECKING:
    from db.pairs import PairQuestion
    from db.select import Selection
    from db.store import Store
    from scaling.loss_to_loss.floors import Floor
    from scaling.results import Fit

#: Which floors a map is given, where none is named: of both losses, of the source alone, or none.
MODES = ("both", "source", "free")
#: The parameter that is a floor, in the laws of the book that have one.
PARAMETER = "E"
_LEVEL = 0.68  # one standard error either way
_REPLICATES = 200
_LEVELS = 12  # budgets at which a floor is found again
_SAME_BUDGET = 1e-3  # relative difference within which budgets are one level


def floors_of(
    store: Store,
    question: PairQuestion,
    mode: str = "free",
    floor_source: str | float | None = None,
    floor_target: str | float | None = None,
    law: str = "chinchilla",
    *,
    seed: int = 0,
) -> tuple[Floor | None, Floor | None]:
    """Find the floors of a map.

    Parameters
    ----------
    store : Store
        An open store.
    question : PairQuestion
        Which pairs.
    mode : {'both', 'source', 'free'}, default 'free'
        Which floors are looked for where none is named: that of each side, of the source alone, or none.
    floor_source, floor_target : str or float, optional
        A number, in the unit that the map is fitted in, or the name of a saved fit, whose parameter E is the floor. One
        that is named is taken whatever the mode.
    law : str, default 'chinchilla'
        Law of N and D that is fitted where a floor is looked for and none is named: to all runs of that side which meet
        the question's condition, whether or not they are in a pair.
    seed : int, default 0
        Of the replicates behind the error of such a floor.

    Returns
    -------
    source, target : Floor or None
        None leaves the floor to the fit of the map.

    Raises
    ------
    UsageError
        For another mode, a fit that is not there, has no such parameter, or is of another metric or other runs.
    VerdictError
        Where the law that would give a floor is not identified.
    InputDataError
        Where it cannot be fitted.
    """
    from db.pair_units import sides_of

    if mode not in MODES:
        raise UsageError(f"There are no floors '{mode}'.", did_you_mean(mode, MODES))
    wanted = {"source": mode in ("both", "source"), "target": mode == "both"}
    named = {"source": floor_source, "target": floor_target}
    if question.complement and wanted["target"] and floor_target is None:
        raise UsageError(
            f"The floor of 1 - {question.metric_target} is not looked for: no law of N and D gives it.",
            "Give a number (--floor-to 0.05), or the floor of the source alone (--floors source).",
        )
    found: list[Floor | None] = []
    for side, about in sides_of(store, question).items():
        text = named[side]
        if text is None:
            found.append(_fitted(store, question, side, law, about.factor, seed) if wanted[side] else None)
        elif (value := _number(text)) is not None:
            found.append(_given(value))
        elif question.complement and side == "target":
            raise UsageError(f"The floor of 1 - {question.metric_target} is a number, not '{text}'.", "Such as 0.05.")
        else:
            found.append(_saved(store, question, side, str(text), about.factor))
    return found[0], found[1]


def _number(text: str | float) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _given(value: float) -> Floor:
    from scaling.loss_to_loss.floors import Floor

    return Floor(value)


def _course(fit: Fit, rows: Selection) -> list[tuple[float, float]]:
    """The parameter E as the same law finds it from the runs up to each budget, where it is determined there.

    A back-test of the map takes the floor that was known at its cut-off. Of many budgets a dozen are tried, evenly
    spread over the runs.
    """
    import numpy as np

    import scaling

    compute = 6 * rows.inputs["N"] * rows.inputs["D"]
    levels = np.unique(compute)
    levels = levels[np.concatenate([[True], np.diff(np.log(levels)) > _SAME_BUDGET])]
    if len(levels) > _LEVELS:
        levels = np.quantile(compute, np.linspace(0, 1, _LEVELS + 1)[1:], method="higher")
    found = []
    for edge in levels:
        left = compute <= edge * (1 + _SAME_BUDGET)
        try:
            then = scaling.fit(
                fit.law, {k: v[left] for k, v in rows.inputs.items()}, rows.observed[left], objective=fit.objective,
                bootstrap=0,
            )  # fmt: skip
        except ScalingError:  # too few runs up to there
            continue
        if then.verdict != NOT_IDENTIFIED:
            found.append((float(compute[left].max()), then.estimates[PARAMETER]))
    return found


def _floor(fit: Fit, factor: float, source: str, course: Sequence[tuple[float, float]] = ()) -> Floor:
    """The parameter E of a fit as a floor, in the unit of the map."""
    from scaling.loss_to_loss.floors import Floor

    value = fit.estimates[PARAMETER]
    low, high = fit.interval(PARAMETER, _LEVEL)
    if math.isfinite(low) and math.isfinite(high):  # percentiles of replicates need not hold the estimate itself
        low, high = max(min(low, value), 0.0), max(high, value)
    else:
        low = high = math.nan
    return Floor(
        value * factor, source, low * factor, high * factor, tuple((edge, then * factor) for edge, then in course)
    )


def _check_identified(fit: Fit, what: str, option: str) -> None:
    """Refuse a fit whose floor the data do not determine."""
    if fit.verdict == NOT_IDENTIFIED:
        raise VerdictError(
            f"{what} is not identified, so its {PARAMETER} = {format_number(fit.estimates[PARAMETER])} is no floor. "
            + " ".join(fit.diagnostics.reasons),
            f"Leave the floors to the map (--floors free), or give a number: {option} 1.7",
        )


def _fitted(store: Store, question: PairQuestion, side: str, law: str, factor: float, seed: int) -> Floor:
    """Fit a law to all runs of a side."""
    import scaling
    from db.select import Question, select
    from scaling.laws.book import find_law

    corpus, metric = getattr(question, side), getattr(question, f"metric_{side}")
    option = _option(side)
    found = find_law(law)
    if PARAMETER not in found.parameter_names or set(found.inputs) != {"N", "D"}:
        raise UsageError(
            f"The law '{found.name}' gives no floor: it needs the inputs N and D and the parameter {PARAMETER}.",
            "Such as: --floor-law kaplan",
        )
    asked = f"CAST({quote_name(question.column)} AS VARCHAR) = {quote_text(corpus)}"
    where = f"({question.where}\n) AND {asked}" if question.where else asked
    try:
        rows = select(store, found, Question(metric=metric, where=where), positive=True)
        fit = scaling.fit(found, rows.inputs, rows.observed, bootstrap=_REPLICATES, seed=seed)
    except ScalingError as error:
        refused = InputDataError if isinstance(error, InputDataError) else UsageError
        raise refused(
            f"The floor of the {side} cannot be found by the law {found.name}: {error.message}",
            f"Leave the floors to the map (--floors free), or give a number: {option} 1.7",
        ) from error
    what = f"the law {found.name}, fitted to {format_plural(len(rows), 'run')} of {corpus} ({metric})"
    _check_identified(fit, f"{what[0].upper()}{what[1:]},", option)
    return _floor(fit, factor, f"{PARAMETER} of {what}", _course(fit, rows))


def _saved(store: Store, question: PairQuestion, side: str, name: str, factor: float) -> Floor:
    """Take the floor of a saved fit, if it is of this side."""
    from db.saved import load_fit, unchanged_rows

    saved = load_fit(store, name)
    corpus, metric = getattr(question, side), getattr(question, f"metric_{side}")
    if PARAMETER not in saved.fit.law.parameter_names:
        raise UsageError(
            f"The fit {saved.name} has no parameter {PARAMETER}, so it gives no floor.",
            f"Such a law is chinchilla or kaplan. Or give a number: {_option(side)} 1.7",
        )
    if saved.metric != metric:
        raise UsageError(
            f"The fit {saved.name} is of the metric {saved.metric}, and the {side} is of {metric}.",
            "A floor belongs to one loss. Name a fit of that metric.",
        )
    _, rows = store.query(
        f"SELECT DISTINCT CAST(r.{quote_name(question.column)} AS VARCHAR) FROM fit_rows AS f "
        "LEFT JOIN runs_final AS r USING (run_id) WHERE f.fit_id = ?",
        [saved.fit_id],
    )
    values = [value for (value,) in rows]
    if values != [corpus]:
        shown = ", ".join(sorted(str(value) for value in values if value is not None))
        said = f"is of runs of {shown}" if shown else "is of runs that are no longer in the store"
        raise UsageError(
            f"The fit {saved.name} {said}, and the {side} is {corpus}.", "Name a fit of the runs of that side alone."
        )
    _check_identified(saved.fit, f"The fit {saved.name}", _option(side))
    course: list[tuple[float, float]] = []
    if set(saved.fit.law.inputs) == {"N", "D"}:
        course = _course(saved.fit, unchanged_rows(store, saved))
    return _floor(saved.fit, factor, f"{PARAMETER} of the fit {saved.name}", course)


def _option(side: str) -> str:
    return "--floor-from" if side == "source" else "--floor-to"
