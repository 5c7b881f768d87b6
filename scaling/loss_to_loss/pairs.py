"""Fit a map from one loss to another to pairs of losses; the form is chosen by holding out the largest budgets."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError
from scaling.fitting.backtest import Usual
from scaling.fitting.fit import fit as fit_law
from scaling.fitting.holdout import backtest_law
from scaling.fitting.rollout import find_axis
from scaling.formatting import format_number, format_plural
from scaling.laws.law import Law
from scaling.loss_to_loss.floors import Floor, as_floor
from scaling.loss_to_loss.maps import candidate_laws, find_form, map_at, map_law, map_objective
from scaling.loss_to_loss.monotone import monotone_note
from scaling.rivals import Rival
from scaling.selection.select import select
from scaling.verdicts import NOT_IDENTIFIED, WEAK

if TYPE_CHECKING:
    from scaling.results import Fit
    from scaling.selection.selected import Candidate

Array = NDArray[np.float64]
Report = Callable[[int, int], None]

#: What maps of losses usually miss by: half as large a share as laws of size and data do (docs/loss_to_loss.md).
USUAL_MAP = Usual(0.06, 1.0, heavy=True)
NO_HOLD_OUT = "No pairs could be held out, so how this form does beyond them is not known"
_NAMED = 5  # pairs in a message, one by one
_FEW = 6  # pairs up to which a straight line forecasts better than anything bent (docs/loss_to_loss.md)
_RANKS = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)  # without budgets: shares of the pairs that are left, by their x


def fit_pairs(
    x: ArrayLike,
    y: ArrayLike,
    floor_x: Floor | float | None = None,
    floor_y: Floor | float | None = None,
    form: str = "auto",
    budget: ArrayLike | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    *,
    groups: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    progress: Report | None = None,
) -> Fit:
    """Fit a map from a loss x to a loss y.

    Parameters
    ----------
    x, y : array_like (n,)
        The two losses of each pair, nats/token or any unit of a loss; above 0.
    floor_x, floor_y : Floor or float, optional
        What x and y cannot go below. A floor that is given is held; None leaves it to the fit, in the forms that have
        one. One with an error of its own (`Floor`) adds that to every forecast.
    form : str, default 'auto'
        One of `scaling.loss_to_loss.FORMS`, or ``auto`` for the one that forecasts the largest budgets best from the
        smaller ones.
    budget : array_like (n,), optional
        Training compute of each pair, FLOP: what pairs are held out by. Without it, the lowest x are held out.
    bootstrap : int, default 1000
        Replicates behind the intervals; 0 for those of the covariance.
    seed : int, default 0
        Of the bootstrap; recorded.
    groups : array_like (n,), optional
        Clusters of pairs that are resampled and held out whole.
    names : sequence of str (n,), optional
        What to call each pair in a message; ``pair 0`` and so on where missing.
    progress : callable, optional
        Told from time to time how many forms are done, and of how many.

    Returns
    -------
    Fit
        Of a law of ``x`` with the output ``y``. It carries its back-test, and the other forms as rivals, so its
        forecasts hold the spread over forms, the error of floors and what the back-test missed by. What was given, free
        and chosen stands in ``settings["loss_to_loss"]``.

    Raises
    ------
    InputDataError
        For losses that cannot be used, fewer than two pairs, or a floor above the data.
    UsageError
        For an unknown form, a floor that is no number, or a loss mapped to itself.

    Notes
    -----
    Between two floors that are given, a shifted power law is the straight line of ln(y - E_y) on ln(x - E_x), by least
    squares; with a floor free it is fitted to plain differences. Where no pairs can be held out, ``auto`` takes a
    straight line for up to six pairs and the straight line of logarithms beyond, and the two are each other's rivals.

    A floor with a course (`Floor.course`) is at every cut-off of the back-test what it was known to be there. A bare
    number is held, and flatters the back-test, and with it the form, where it was found from the runs held out.

    References
    ----------
    Brandfonbrener et al. 2024, arXiv:2411.12925.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.geomspace(2.2, 4.0, 24)
    >>> found = fit_pairs(x, 0.9 * (x - 1.7) ** 1.1 + 1.3, 1.7, 1.3, form="shifted_power", bootstrap=0)
    >>> round(found.estimates["kappa"], 6), round(found.estimates["K"], 6)
    (1.1, 0.9)
    """
    one, other, order = _check(x, y, budget)
    e_x, e_y = as_floor(floor_x), as_floor(floor_y)
    called = [f"pair {i}" for i in range(len(one))] if names is None else list(names)
    if len(called) != len(one):
        raise InputDataError(f"there are {len(called)} names for {len(one)} pairs", hint="Give one a pair, or none.")
    _check_floor(e_x, one, "x", called)
    _check_floor(e_y, other, "y", called)
    laws = {law.name: law for law in candidate_laws(e_x, e_y)}
    if form != "auto":
        laws[find_form(form)] = map_law(form, e_x, e_y)
    goals = {name: map_objective(name, e_x, e_y) for name in laws}
    asked = None if form == "auto" else form
    settings: dict[str, Any] = {"bootstrap": bootstrap, "seed": seed, "groups": groups}
    ordered: dict[str, Any] = {"usual": USUAL_MAP} | ordered_by(laws["affine"], one, order)
    floored = [name for name, law in laws.items() if law.formula != map_law(name).formula and order is not None]
    moving = {name: at for name in floored if (at := map_at(name, e_x, e_y)) is not None}
    tested, why = True, ""
    try:
        chosen = select(
            list(laws.values()), {"x": one}, other, objectives=goals, trims="none", chosen=asked, progress=progress,
            laws_at=moving, **ordered, **settings,
        )  # fmt: skip
    except InputDataError as error:
        tested, why = False, error.message
    if tested:
        best, table = chosen.best, [candidate_row(c, asked is not None) for c in chosen.candidates]
    else:
        best, table = _untested(laws, goals, asked, one, other, ordered, settings, why)
    best = _with_floors(best, e_x, e_y, one, other)
    best = with_concerns(best, one, other, order, "" if tested else why)
    found = best.backtest
    if found is not None and order is not None:
        best = replace(best, backtest=replace(found, axis="budget"))
    record = {
        "form": best.law.name,
        "floor_x": _floor_row(best, "E_x", e_x),
        "floor_y": _floor_row(best, "E_y", e_y),
        "ordered_by": "x" if order is None else "budget",
        "largest_budget": None if order is None else float(order.max()),
        "smallest_budget": None if order is None else float(order.min()),
        "chosen": "asked for" if asked else "by its back-test" if tested else "for want of a back-test",
        "untested": "" if tested else why,
        "floors_moved": bool(moving),
        "candidates": table,
        "n_pairs": best.n_obs,
        "r2": r_squared(best, one, other),
    }
    return replace(best, settings=best.settings | {"loss_to_loss": record})


def r_squared(fit: Fit, x: ArrayLike, y: ArrayLike) -> float:
    """Return the share of the variance of y (losses as they are, without logarithms) that a map explains.

    Parameters
    ----------
    fit : Fit
        The map.
    x, y : array_like (n,)
        Pairs of losses.

    Returns
    -------
    float
        NaN where the map is not defined at one of them.
    """
    observed = np.asarray(y, float)
    left = observed - fit.evaluate({"x": np.asarray(x, float)})[0]
    total = float(np.sum((observed - observed.mean()) ** 2))
    return 1 - float(np.sum(left**2)) / total if total > 0 else math.nan


def _check(x: ArrayLike, y: ArrayLike, budget: ArrayLike | None) -> tuple[Array, Array, Array | None]:
    one, other = _losses(x, "x"), _losses(y, "y")
    if one.shape != other.shape:
        raise InputDataError(f"there are {len(one)} losses x and {len(other)} losses y, which make no pairs")
    if len(one) < 2:
        raise InputDataError(
            f"{format_plural(len(one), 'pair')} cannot determine a map of losses, which has two parameters at least",
            hint="Run more of the same sizes and lengths on both sides.",
        )
    if np.array_equal(one, other):
        raise UsageError("x and y are the same losses, so they would be mapped to themselves")
    if budget is None:
        return one, other, None
    try:
        order = np.atleast_1d(np.asarray(budget, float))
    except (TypeError, ValueError) as error:
        raise InputDataError(f"a budget is not a number: {error}") from error
    if order.shape != one.shape or not np.all(np.isfinite(order)) or not np.all(order > 0):
        raise InputDataError(f"budgets must be {len(one)} finite numbers above 0, one a pair")
    return one, other, order


def _losses(values: ArrayLike, name: str) -> Array:
    try:
        losses = np.atleast_1d(np.asarray(values, float))
    except (TypeError, ValueError) as error:
        raise InputDataError(f"a loss {name} is not a number: {error}") from error
    if losses.ndim != 1:
        raise InputDataError(f"the losses {name} must be a list of numbers, and have the shape {losses.shape}")
    if bad := np.flatnonzero(~(np.isfinite(losses) & (losses > 0))).tolist():
        what = f"{name} is {losses[bad[0]]} in pair {bad[0]}"
        raise InputDataError(f"{what}, and a loss is a number above 0", hint="Leave diverged runs out.")
    return losses


def _check_floor(floor: Floor | None, losses: Array, name: str, called: Sequence[str]) -> None:
    """Refuse a floor that some of the losses do not lie above, and say which."""
    if floor is None or not (below := np.flatnonzero(losses <= floor.value)).size:
        return
    first = [f"{called[i]} ({name} = {format_number(float(losses[i]))})" for i in below[:_NAMED]]
    lowest = ", ".join(first) + (" and others" if len(below) > _NAMED else "")
    raise InputDataError(
        f"the floor of {name}, {format_number(floor.value)} ({floor.source}), does not lie below the data: "
        f"{format_plural(len(below), 'pair')} of {len(losses)} {'is' if len(below) == 1 else 'are'} at or under it, "
        f"where a shifted power law has no value: {lowest}",
        hint="Leave the floor free, take that of another law, or a form without a floor, such as log_log.",
    )


def ordered_by(law: Law, x: Array, budget: Array | None) -> dict[str, Any]:
    """Say to `scaling.backtest_law` what pairs are held out by, and where they are cut.

    Parameters
    ----------
    law : Law
        Any map.
    x : ndarray (n,)
        Losses.
    budget : ndarray (n,), optional
        FLOP; the lowest x are held out without it.

    Returns
    -------
    dict
        ``by``, and ``steps`` where pairs are ordered by x.
    """
    return {"by": budget} if budget is not None else {"by": None, "steps": _steps(law, x)}


def with_concerns(fit: Fit, x: Array, y: Array, budget: Array | None, untested: str) -> Fit:
    """Add to the diagnostics of a map what the engine cannot see.

    Parameters
    ----------
    fit : Fit
        The map.
    x, y, budget : ndarray (n,)
        Its pairs.
    untested : str
        Why no pairs could be held out; empty where some were.

    Returns
    -------
    Fit
        With a finding for a target that does not fall with compute, and one for a form that nothing was held against.
    """
    found: list[tuple[str, str]] = []
    if budget is not None and (note := monotone_note(x, y, budget)):
        found.append((NOT_IDENTIFIED, note))
    if untested:
        found.append((WEAK, f"{NO_HOLD_OUT}: {untested}"))
    return replace(fit, diagnostics=replace(fit.diagnostics, concerns=tuple(found)))


def _steps(law: Law, x: Array) -> Sequence[float]:
    """Where to cut pairs that are ordered by their x alone: after fixed shares of them."""
    values = np.sort(find_axis(law, {"x": x}).values)
    edges = values[[max(int(share * len(values)) - 1, 0) for share in _RANKS]]
    steps = [float(values[-1] / edge) for edge in edges if values[-1] > edge]
    return steps or (2.0,)


def _untested(
    laws: dict[str, Law], goals: dict[str, Any], asked: str | None, x: Array, y: Array, ordered: dict[str, Any],
    settings: dict[str, Any], why: str,
) -> tuple[Fit, list[dict[str, Any]]]:  # fmt: skip
    """Fit where nothing can be held out: the form asked for, else the straight line that so few pairs allow."""
    name = asked or ("affine" if len(x) <= _FEW else "log_log")
    # A draw of few pairs with replacement may hold one pair only; weights never do.
    drawn: dict[str, Any] = {"resample": "dirichlet"} if len(x) < 2 * _FEW and settings["groups"] is None else {}
    best = fit_law(laws[name], {"x": x}, y, objective=goals[name], **drawn, **settings)
    rivals = []
    for other in ("affine", "log_log"):
        if other != name and other in laws:
            near = fit_law(laws[other], {"x": x}, y, objective=goals[other], bootstrap=0)
            rivals.append(Rival(near.law, near.estimates, 0.0, math.nan, str(near.objective)))
    rivals = [replace(rival, weight=1 / (len(rivals) + 1)) for rival in rivals]
    found = backtest_law(best, {"x": x}, y, groups=settings["groups"], seed=settings["seed"], **ordered)
    table = [
        {
            "form": name,
            "verdict": "asked for" if asked else "chosen",
            "score": None,
            "weight": 1 / (len(rivals) + 1),
            "reason": why,
        }
    ]
    table += [{"form": r.law.name, "verdict": "rival", "score": None, "weight": r.weight, "reason": ""} for r in rivals]
    return replace(best, backtest=found, rivals=tuple(rivals)), table


def candidate_row(c: Candidate, asked: bool) -> dict[str, Any]:
    """Say what became of a form that was tried.

    Parameters
    ----------
    c : Candidate
        The form.
    asked : bool
        Whether a form was asked for; others may then do better.

    Returns
    -------
    dict
        ``form verdict score weight reason``.
    """
    verdict = c.verdict
    if asked and verdict != "refused":
        verdict = "asked for" if verdict == "chosen" else "better" if c.ratio < 0 and verdict == "worse" else verdict
    return {
        "form": c.law.name,
        "verdict": verdict,
        "score": c.errors.rms if c.errors else None,
        "weight": c.weight,
        "reason": c.reason,
    }


def _with_floors(fit: Fit, floor_x: Floor | None, floor_y: Floor | None, x: Array, y: Array) -> Fit:
    """Add the same map between the ends of floors with an error, from which a forecast takes what that error does."""
    if fit.law.name != "shifted_power":
        return fit
    ends = []
    for side, floor in (("x", floor_x), ("y", floor_y)):
        for value in (floor.low, floor.high) if floor is not None and floor.has_error else ():
            moved = Floor(max(value, 0.0))
            first, second = (moved, floor_y) if side == "x" else (floor_x, moved)
            # At or above a loss that was seen there is no such map; the forecast is the wider for the other end alone.
            if moved.value < float((x if side == "x" else y).min()):
                law, goal = map_law("shifted_power", first, second), map_objective("shifted_power", first, second)
                law = replace(law, name=f"shifted_power (E_{side} = {format_number(moved.value)})")
                near = fit_law(law, {"x": x}, y, objective=goal, bootstrap=0)
                ends.append(Rival(law, near.estimates, 0.0, math.nan, str(goal), role=f"floor_{side}"))
    return replace(fit, rivals=(*fit.rivals, *ends))


def _floor_row(fit: Fit, parameter: str, given: Floor | None) -> dict[str, Any]:
    """Say what became of a floor: given and held, found by the fit, or of no use to the form that was chosen."""
    if parameter in fit.estimates:
        low, high = fit.interval(parameter, 0.68)
        return {"kind": "free", "value": fit.estimates[parameter], "source": "this fit", "low": low, "high": high}
    used = ("shifted_power",) if parameter == "E_x" else ("shifted_power", "offset_power")
    if given is not None and fit.law.name in used:
        return {"kind": "given"} | given.to_dict()
    if given is not None:
        return {"kind": "unused"} | given.to_dict()
    return {"kind": "none", "value": None, "source": f"{fit.law.name} has no such floor", "low": None, "high": None}
