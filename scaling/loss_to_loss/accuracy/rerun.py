"""A law of the error on a task again: fitted to the same or other runs as it was once, and back-tested as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.fitting.fit import fit as fit_law
from scaling.fitting.holdout import backtest_law
from scaling.loss_to_loss.accuracy.fit import ACCURACY_USUAL, question_weights, with_concern
from scaling.loss_to_loss.accuracy.laws import accuracy_at
from scaling.loss_to_loss.floors import Floor
from scaling.loss_to_loss.pairs import ordered_by, r_squared

if TYPE_CHECKING:
    from scaling.fitting.backtest import Backtest
    from scaling.results import Fit


def refit_accuracy(
    fit: Fit,
    x: ArrayLike,
    error: ArrayLike,
    budget: ArrayLike | None,
    settings: Mapping[str, Any],
    groups: ArrayLike | None = None,
) -> Fit:
    """Fit the form of a law of accuracy, with its floor and its weights as they were, to runs.

    Parameters
    ----------
    fit : Fit
        Of `scaling.loss_to_loss.fit_accuracy`.
    x, error : array_like (n,)
        Losses, and shares of wrong answers.
    budget : array_like (n,), optional
        FLOP; as of `fit_accuracy`.
    settings : mapping
        As of `scaling.fit`.
    groups : array_like (n,), optional
        Clusters.

    Returns
    -------
    Fit
        Without rivals or a back-test: the choice among forms is not made again.
    """
    about, loss, share = fit.settings["accuracy"], np.asarray(x, float), np.asarray(error, float)
    order = None if budget is None else np.asarray(budget, float)
    weights, questions = _weights(fit, loss)
    again = fit_law(fit.law, {"x": loss}, share, weights=weights, groups=groups, **dict(settings))
    again, concern = with_concern(again, loss, share, order, about["chance"], questions)
    record = dict(about) | {"n_runs": again.n_obs, "r2": r_squared(again, loss, share), "concern": concern}
    for end, value in (("largest_budget", np.max), ("smallest_budget", np.min)):
        record[end] = None if order is None else float(value(order))
    return replace(again, settings=again.settings | {"accuracy": record})


def backtest_accuracy(
    fit: Fit,
    x: ArrayLike,
    error: ArrayLike,
    budget: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    **settings: Any,
) -> Backtest:
    """Back-test a law of the error as it was when it was chosen: with its weights, the largest budgets held out.

    Parameters
    ----------
    fit, x, error, budget, groups
        As of `refit_accuracy`.
    **settings
        ``level bootstrap seed``, as of `scaling.backtest_law`.

    Returns
    -------
    Backtest
    """
    loss = np.asarray(x, float)
    order = None if budget is None else np.asarray(budget, float)
    usual = fit.backtest.usual if fit.backtest is not None else ACCURACY_USUAL
    weights, _ = _weights(fit, loss)
    about = fit.settings["accuracy"]
    kept = about["floor_x"]
    floor = Floor.from_dict(kept) if kept["kind"] != "none" else None
    moving = None
    if order is not None:
        moving = accuracy_at(about["form"], floor, about["chance"], bool(np.min(np.asarray(error, float)) == 0))
    found = backtest_law(
        fit, {"x": loss}, error, weights=weights, groups=groups, usual=usual, law_at=moving,
        **ordered_by(fit.law, loss, order), **settings,
    )  # fmt: skip
    return found if order is None else replace(found, axis="budget")


def _weights(fit: Fit, x: NDArray[np.float64]) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Weights of the questions and their numbers, as the fit was made with them; of other runs from its curve."""
    about = fit.settings["accuracy"]
    asked, kept = about["n_questions"], about["weights"]
    if asked is None:
        return None, None
    same = len(kept) == len(x)
    weights = np.asarray(kept, float) if same else question_weights(fit, x, asked)
    return weights, np.broadcast_to(np.asarray(asked, float), x.shape)
