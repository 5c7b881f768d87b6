"""A map again: fitted to the same or other pairs as it was once, and back-tested as it was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from scaling.fitting.fit import fit as fit_law
from scaling.fitting.holdout import backtest_law
from scaling.loss_to_loss.floors import Floor
from scaling.loss_to_loss.maps import map_at
from scaling.loss_to_loss.pairs import USUAL_MAP, ordered_by, r_squared, with_concerns

if TYPE_CHECKING:
    from scaling.fitting.backtest import Backtest
    from scaling.results import Fit

#: Floors of a map as they stand in its settings, and the parameter that each is where the fit finds it.
FLOORS = {"floor_x": "E_x", "floor_y": "E_y"}


def refit_map(
    fit: Fit,
    x: ArrayLike,
    y: ArrayLike,
    budget: ArrayLike | None,
    settings: Mapping[str, Any],
    groups: ArrayLike | None = None,
) -> Fit:
    """Fit the form of a map, with its floors as they were, to pairs.

    Parameters
    ----------
    fit : Fit
        Of `scaling.loss_to_loss.fit_pairs`.
    x, y : array_like (n,)
        Pairs of losses.
    budget : array_like (n,), optional
        FLOP; as of `fit_pairs`.
    settings : mapping
        As of `scaling.fit`.
    groups : array_like (n,), optional
        Clusters.

    Returns
    -------
    Fit
        Without rivals or a back-test: the choice among forms is not made again.
    """
    one, other = np.asarray(x, float), np.asarray(y, float)
    order = None if budget is None else np.asarray(budget, float)
    again = with_concerns(
        fit_law(fit.law, {"x": one}, other, groups=groups, **dict(settings)), one, other, order,
        str(fit.settings["loss_to_loss"].get("untested", "")),
    )  # fmt: skip
    record = dict(fit.settings["loss_to_loss"]) | {"n_pairs": again.n_obs, "r2": r_squared(again, one, other)}
    for end, value in (("largest_budget", np.max), ("smallest_budget", np.min)):
        record[end] = None if order is None else float(value(order))
    for floor, parameter in FLOORS.items():
        if parameter in again.estimates:
            low, high = again.interval(parameter, 0.68)
            record[floor] = record[floor] | {"value": again.estimates[parameter], "low": low, "high": high}
    return replace(again, settings=again.settings | {"loss_to_loss": record})


def backtest_map(
    fit: Fit,
    x: ArrayLike,
    y: ArrayLike,
    budget: ArrayLike | None,
    groups: ArrayLike | None = None,
    **settings: Any,
) -> Backtest:
    """Back-test a map as it was when it was chosen: the largest budgets held out, or the lowest x where none is known.

    Parameters
    ----------
    fit, x, y, budget, groups
        As of `refit_map`.
    **settings
        ``level bootstrap seed``, as of `scaling.backtest_law`.

    Returns
    -------
    Backtest
    """
    one = np.asarray(x, float)
    order = None if budget is None else np.asarray(budget, float)
    usual = fit.backtest.usual if fit.backtest is not None else USUAL_MAP
    record = fit.settings["loss_to_loss"]
    floors = [
        Floor.from_dict(entry) if (entry := record[side])["kind"] in ("given", "unused") else None for side in FLOORS
    ]
    moving = None if order is None else map_at(str(record["form"]), *floors)
    found = backtest_law(
        fit, {"x": one}, y, groups=groups, usual=usual, law_at=moving, **ordered_by(fit.law, one, order), **settings
    )
    return found if order is None else replace(found, axis="budget")
