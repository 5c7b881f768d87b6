"""Check the losses, shares, budgets and numbers of questions that a law of accuracy is fitted to."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_number, format_plural
from scaling.loss_to_loss.floors import Floor

Array = NDArray[np.float64]


def _numbers(values: ArrayLike, what: str) -> Array:
    try:
        numbers = np.atleast_1d(np.asarray(values, float))
    except (TypeError, ValueError) as refused:
        raise InputDataError(f"{what} is not a number: {refused}") from refused
    if numbers.ndim != 1:
        raise InputDataError(f"{what} must be a list of numbers, and has the shape {numbers.shape}")
    return numbers


def read_losses(values: ArrayLike) -> Array:
    """Read losses (n,): finite numbers above 0."""
    losses = _numbers(values, "a loss")
    if bad := np.flatnonzero(~(np.isfinite(losses) & (losses > 0))).tolist():
        what = f"the loss is {losses[bad[0]]} in run {bad[0]}"
        raise InputDataError(f"{what}, and a loss is a number above 0", hint="Leave diverged runs out.")
    return losses


def read_shares(values: ArrayLike) -> Array:
    """Read shares (n,) of wrong answers: from 0 to 1."""
    shares = _numbers(values, "an error")
    if bad := np.flatnonzero(~((shares >= 0) & (shares <= 1))).tolist():
        raise InputDataError(
            f"the error is {shares[bad[0]]} in run {bad[0]}, and a share of wrong answers lies between 0 and 1",
            hint="Divide percentages by 100; leave runs without an accuracy out.",
        )
    return shares


def check_wrong_answers(shares: Array) -> None:
    """Refuse shares that are 0 in every run: a task without a wrong answer has no error to fall."""
    if len(shares) and not np.any(shares > 0):
        raise InputDataError(
            f"none of the {format_plural(len(shares), 'run')} has a wrong answer, so there is no error that could fall "
            "with the loss",
            hint="Take runs or a task with wrong answers; where the metric is an error already, give it as 1 - error.",
        )


def read_budgets(values: ArrayLike, n: int) -> Array:
    """Read budgets: `n` finite numbers above 0."""
    order = _numbers(values, "a budget")
    if order.shape != (n,) or not np.all(np.isfinite(order)) or not np.all(order > 0):
        raise InputDataError(f"budgets must be {n} finite numbers above 0, one a run")
    return order


def read_questions(values: ArrayLike, n: int) -> Array:
    """Read numbers of questions, one for all of `n` runs or one each: 1 or more."""
    try:
        counts = np.broadcast_to(np.asarray(values, float), (n,))
    except (TypeError, ValueError) as refused:
        raise InputDataError(f"numbers of questions must be one, or {n}: {refused}") from refused
    if not np.all(np.isfinite(counts)) or not np.all(counts >= 1):
        raise InputDataError("a number of questions is 1 or more", hint="Leave it out where it is not known.")
    return counts


def read_chance(value: float | None) -> float | None:
    """Read the accuracy of guessing: from 0 to below 1, or None."""
    if value is None:
        return None
    if not (np.ndim(value) == 0 and 0 <= float(value) < 1):
        raise UsageError(
            f"the accuracy of guessing is a share from 0 to below 1, not {value}", hint="0.25 for four choices."
        )
    return float(value)


def check_floor(floor: Floor | None, x: Array) -> None:
    """Refuse a floor that some of the losses do not lie above, and say which."""
    if floor is None or not (below := np.flatnonzero(x <= floor.value)).size:
        return
    raise InputDataError(
        f"the floor of the loss, {format_number(floor.value)} ({floor.source}), does not lie below the data: "
        f"{format_plural(len(below), 'run')} of {len(x)} {'is' if len(below) == 1 else 'are'} at or under it "
        f"(run {below[0]} has {format_number(float(x[below[0]]))})",
        hint="Leave the floor out, or take that of another law.",
    )
