"""Fit the error on a task, 1 - accuracy, over a loss; the form is chosen by holding out the largest budgets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError
from scaling.fitting.backtest import Usual
from scaling.fitting.fit import fit as fit_law
from scaling.fitting.holdout import backtest_law
from scaling.formatting import format_number
from scaling.laws.law import Law
from scaling.loss_to_loss.accuracy.data import (
    check_floor,
    check_wrong_answers,
    read_budgets,
    read_chance,
    read_losses,
    read_questions,
    read_shares,
)
from scaling.loss_to_loss.accuracy.flags import concern_of
from scaling.loss_to_loss.accuracy.laws import (
    GOAL,
    HAVE_FLOOR,
    accuracy_at,
    accuracy_law,
    candidate_forms,
    find_accuracy_form,
)
from scaling.loss_to_loss.floors import Floor, as_floor
from scaling.loss_to_loss.pairs import candidate_row, ordered_by, r_squared
from scaling.rivals import Rival
from scaling.selection.select import select

if TYPE_CHECKING:
    from scaling.results import Fit

Array = NDArray[np.float64]
Report = Callable[[int, int], None]

#: What forecasts of the error on a task usually miss by: what the public sweep of six corpora and twelve tasks missed
#: when its own largest budgets were held out (docs/loss_to_loss.md).
ACCURACY_USUAL = Usual(0.35, 3.0, heavy=True)
_ROUNDS, _SETTLED = 50, 1e-10  # of weights that follow the curve that they give
_COUNTS = 0.01  # weight from which on a rival is refitted with weights, and kept


def fit_accuracy(
    x: ArrayLike,
    error: ArrayLike,
    *,
    floor_x: Floor | float | None = None,
    chance: float | None = None,
    form: str = "auto",
    budget: ArrayLike | None = None,
    n_questions: ArrayLike | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    groups: ArrayLike | None = None,
    progress: Report | None = None,
) -> Fit:
    """Fit the error on a task as a function of a loss.

    Parameters
    ----------
    x : array_like (n,)
        Loss of each run, nats/token or any unit of a loss; above 0.
    error : array_like (n,)
        Share of wrong answers of the same runs, 1 - accuracy; from 0 to 1.
    floor_x : Floor or float, optional
        What the loss cannot go below, such as the E of its law; held in the forms that are powers of the loss. Where
        missing it is 0 there. One with an error of its own adds that to every forecast.
    chance : float, optional
        Accuracy of guessing, such as 0.25 for four choices. With it come the forms that fall from 1 - chance.
    form : str, default 'auto'
        One of `scaling.loss_to_loss.accuracy.laws.ACCURACY_FORMS`, or ``auto`` for the one that forecasts the largest
        budgets best from the smaller ones.
    budget : array_like (n,), optional
        Training compute of each run, FLOP: what runs are held out by. Without it, those of the lowest x are held out.
    n_questions : array_like (n,) or int, optional
        How many questions the shares are of. Runs are then weighted by 1/variance of independent answers,
        n/(e*(1 - e)), with e from the curve itself, because the observed e would give lucky runs more weight.
    bootstrap : int, default 1000
        Replicates behind the intervals; 0 for those of the covariance.
    seed : int, default 0
        Of the bootstrap; recorded.
    groups : array_like (n,), optional
        Clusters of runs that are resampled and held out whole.
    progress : callable, optional
        Told from time to time how many forms are done, and of how many.

    Returns
    -------
    Fit
        Of a law of ``x`` with the output ``error``, its back-test, and the other forms as rivals. What was given and
        chosen stands in ``settings["accuracy"]``. A task at chance, and one whose error rises as the loss falls, have
        the verdict ``not identified`` with a reason that says so: there is nothing to extrapolate.

    Raises
    ------
    InputDataError
        For losses or shares that cannot be used, runs without any wrong answer, or a floor above the data.
    UsageError
        For an unknown form, one that needs `chance`, or settings that make no sense.

    Notes
    -----
    All forms are fitted by least squares of plain differences, and chosen by plain differences too. Of shares between
    0.1 and 0.8 logarithms choose the same forms (for 66 of 66 tasks and corpora of the sweep of arXiv:2411.12925), but
    near 0 they count the luck of one question as much as a fall by half, and a share of 0 has none.

    The same questions are put to all runs, so the scatter of runs around a curve is less than that of independent
    answers: the weights settle only how much runs count beside each other, and the intervals take the scatter that is
    there. The choice among forms is made without weights.

    References
    ----------
    Brandfonbrener et al. 2024, arXiv:2411.12925; Gadre et al. 2024, arXiv:2403.08540; Bhagia et al. 2024,
    arXiv:2412.04403.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.geomspace(2.2, 4.0, 24)
    >>> found = fit_accuracy(x, 0.4 * (x - 1.7) ** 0.6 + 0.1, floor_x=1.7, form="power_error", bootstrap=0)
    >>> round(found.estimates["kappa"], 6), round(found.estimates["K"], 6)
    (0.6, 0.4)
    """
    loss, share = read_losses(x), read_shares(error)
    if loss.shape != share.shape:
        raise InputDataError(f"there are {len(loss)} losses and {len(share)} errors, which make no runs")
    check_wrong_answers(share)
    order = None if budget is None else read_budgets(budget, len(loss))
    questions = None if n_questions is None else read_questions(n_questions, len(loss))
    floor, chance = as_floor(floor_x), read_chance(chance)
    check_floor(floor, loss)
    asked = None if form == "auto" else find_accuracy_form(form, chance)
    forms = candidate_forms(chance, asked)
    laws = {name: accuracy_law(name, floor, chance, bool(share.min() == 0)) for name in forms}
    settings: dict[str, Any] = {"bootstrap": bootstrap, "seed": seed, "groups": groups}
    ordered: dict[str, Any] = {"usual": ACCURACY_USUAL} | ordered_by(next(iter(laws.values())), loss, order)
    zeros = bool(share.min() == 0)
    known = {name: accuracy_at(name, floor, chance, zeros) for name in laws}
    moving = {name: at for name, at in known.items() if at is not None and order is not None}
    tested, why = True, ""
    try:
        made = select(
            list(laws.values()), {"x": loss}, share, objectives=GOAL, trims="none", chosen=asked, scores="linear",
            progress=progress, laws_at=moving, **ordered, **settings,
        )  # fmt: skip
    except InputDataError as refused:
        tested, why = False, refused.message
    if tested:
        best, table = made.best, [candidate_row(c, asked is not None) for c in made.candidates]
    else:
        best, table = _untested(laws, asked, loss, share, ordered, settings, why)
    weights = None
    if questions is not None:
        at = {"law_at": moving.get(best.law.name)}
        best, weights = _weighted(best, loss, share, questions, ordered | at, settings)
    best = _with_floor(best, floor, loss, share)
    best, concern = with_concern(best, loss, share, order, chance, questions)
    record = {
        "form": best.law.name,
        "floor_x": _floor_row(best, floor),
        "chance": chance,
        "n_questions": _summary(questions),
        "weights": None if weights is None else weights.tolist(),
        "ordered_by": "x" if order is None else "budget",
        "largest_budget": None if order is None else float(order.max()),
        "smallest_budget": None if order is None else float(order.min()),
        "chosen": "asked for" if asked else "by its back-test" if tested else "for want of a back-test",
        "candidates": table,
        "concern": concern,
        "n_runs": best.n_obs,
        "r2": r_squared(best, loss, share),
    }
    return _named(replace(best, settings=best.settings | {"accuracy": record}), order)


def question_weights(fit: Fit, x: ArrayLike, n_questions: ArrayLike) -> Array:
    """Weigh runs by how many questions their shares are of.

    Parameters
    ----------
    fit : Fit
        Of the error over the loss.
    x : array_like (n,)
        Losses.
    n_questions : array_like (n,) or int
        Questions.

    Returns
    -------
    ndarray (n,)
        n/(e*(1 - e)), divided by its mean; e is what the fit says, at least one answer in n + 2 from 0 and 1.
    """
    loss = np.asarray(x, float)
    n = read_questions(n_questions, len(loss))
    edge = 1 / (n + 2)
    share = np.clip(np.nan_to_num(fit.evaluate({"x": loss})[0], nan=0.5), edge, 1 - edge)
    weights = n / (share * (1 - share))
    return np.asarray(weights / weights.mean())


def _untested(
    laws: Mapping[str, Law], asked: str | None, x: Array, error: Array, ordered: dict[str, Any],
    settings: dict[str, Any], why: str,
) -> tuple[Fit, list[dict[str, Any]]]:  # fmt: skip
    """Fit where nothing can be held out: the form asked for, else the power law, which needs no more than a loss."""
    name = asked or "power_error"
    best = fit_law(laws[name], {"x": x}, error, objective=GOAL, **settings)
    found = backtest_law(best, {"x": x}, error, groups=settings["groups"], seed=settings["seed"], **ordered)
    table = [{"form": name, "verdict": "asked for" if asked else "chosen", "score": None, "weight": 1.0, "reason": why}]
    return replace(best, backtest=found), table


def _weighted(
    best: Fit, x: Array, error: Array, n_questions: Array, ordered: dict[str, Any], settings: dict[str, Any]
) -> tuple[Fit, Array]:
    """Fit the chosen form, its back-test and its rivals of some weight again with weights, and return these too."""
    weights, fit = question_weights(best, x, n_questions), best
    for _ in range(_ROUNDS):  # until the weights are those of the curve that they give
        fit = fit_law(
            best.law, {"x": x}, error, objective=GOAL, weights=weights, start=fit.estimates, groups=settings["groups"],
            bootstrap=0,
        )  # fmt: skip
        before, weights = weights, question_weights(fit, x, n_questions)
        if np.max(np.abs(weights - before)) < _SETTLED:
            break
    again = fit_law(best.law, {"x": x}, error, objective=GOAL, weights=weights, **settings)
    found = backtest_law(
        again, {"x": x}, error, weights=weights, groups=settings["groups"], seed=settings["seed"], **ordered
    )
    rivals = []
    for rival in best.rivals:
        known = rival.estimates
        if rival.weight >= _COUNTS:
            known = fit_law(rival.law, {"x": x}, error, objective=GOAL, weights=weights, bootstrap=0).estimates
        rivals.append(replace(rival, estimates=known))
    return replace(again, backtest=found, rivals=tuple(rivals)), weights


def _with_floor(fit: Fit, floor: Floor | None, x: Array, error: Array) -> Fit:
    """Add the same form at the ends of a floor with an error, from which a forecast takes what that error does."""
    if floor is None or not floor.has_error or fit.law.name not in HAVE_FLOOR:
        return fit
    ends = []
    for value in (floor.low, floor.high):
        moved = max(value, 0.0)
        # At or above a loss that was seen there is no such law; the forecast is the wider for the other end alone.
        if moved < float(x.min()) and f"(x - {floor.value!r})" in fit.law.formula:
            base = "x" if moved == 0 else f"(x - {moved!r})"
            law = replace(
                fit.law,
                name=f"{fit.law.name} (E_x = {format_number(moved)})",
                formula=fit.law.formula.replace(f"(x - {floor.value!r})", base),
            )
            near = fit_law(law, {"x": x}, error, objective=GOAL, bootstrap=0)
            ends.append(Rival(law, near.estimates, 0.0, math.nan, str(GOAL), role="floor_x"))
    return replace(fit, rivals=(*fit.rivals, *ends))


def with_concern(
    fit: Fit, x: Array, error: Array, order: Array | None, chance: float | None, n_questions: Array | None
) -> tuple[Fit, str | None]:
    """Add what speaks against extrapolating, if anything does, to the diagnostics; and say which kind it is."""
    found = concern_of(x, error, 1 / x if order is None else order, chance, n_questions)
    if found is None:
        return fit, None
    kind, verdict, sentence = found
    return replace(fit, diagnostics=replace(fit.diagnostics, concerns=((verdict, sentence),))), kind


def _named(fit: Fit, order: Array | None) -> Fit:
    """Call the axis of the back-test what it is."""
    if order is None or fit.backtest is None:
        return fit
    return replace(fit, backtest=replace(fit.backtest, axis="budget"))


def _floor_row(fit: Fit, floor: Floor | None) -> dict[str, Any]:
    if floor is None:
        return {"kind": "none", "value": None, "source": "none was given", "low": None, "high": None}
    return {"kind": "given" if fit.law.name in HAVE_FLOOR else "unused"} | floor.to_dict()


def _summary(n_questions: Array | None) -> float | list[float] | None:
    if n_questions is None:
        return None
    return float(n_questions[0]) if np.ptp(n_questions) == 0 else n_questions.tolist()
