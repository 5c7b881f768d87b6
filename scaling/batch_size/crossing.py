"""When a loss curve first reaches a target, read between the evaluations."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError
from scaling.fitting.checks import whole
from scaling.inputs import as_number

Array = NDArray[np.float64]

_DIVERGED = 0.5  # share above its own lowest loss; 2.6 nats become 3.9, where no run ends that still trains


@dataclass(frozen=True)
class Crossing:
    """The first time that a curve is at a target or below.

    Parameters
    ----------
    steps : float
        Interpolated; the last step with a loss where the target was not reached.
    low, high : float
        Evaluations on either side: the target was reached after `low` and by `high`. `high` is infinite where it was
        not reached, and `low` 0 where it was met at the first evaluation.
    reached : bool
        Whether it was; the steps are censored where not.
    at_first : bool
        Whether the first evaluation met it, so that all that is known is that it took no more than `steps`.
    lowest : float
        Lowest loss of the curve; NaN without any.
    lost : int
        Evaluations without a finite loss, which are passed over.
    diverged : bool
        Whether the last evaluation has no finite loss, or one more than half above the lowest: most logs record what
        diverged as a number.
    """

    steps: float
    low: float
    high: float
    reached: bool
    at_first: bool
    lowest: float
    lost: int
    diverged: bool


def check_curve(step: ArrayLike, loss: ArrayLike, what: str = "the curve") -> tuple[Array, Array]:
    """Check a loss curve and bring it in the order of its steps.

    Parameters
    ----------
    step, loss : array_like (m,)
        Evaluations.
    what : str
        Whose they are, for messages.

    Returns
    -------
    step, loss : ndarray (m',)
        Ascending; of evaluations logged twice at a step the later one, as a run that was resumed leaves them.

    Raises
    ------
    InputDataError
        For lengths that differ, no evaluations, and steps that are no finite numbers from 0 on.
    """
    try:
        steps, losses = (np.atleast_1d(np.asarray(v, float)) for v in (step, loss))
    except (TypeError, ValueError) as error:
        raise InputDataError(f"{what} holds something that is not a number: {error}") from error
    if steps.shape != losses.shape or steps.ndim != 1:
        raise InputDataError(
            f"{what} has {steps.shape} steps and {losses.shape} losses; one value an evaluation is due"
        )
    if not len(steps):
        raise InputDataError(f"{what} has no evaluations", hint="Leave such runs out.")
    if wrong := np.flatnonzero(~(np.isfinite(steps) & (steps >= 0))).tolist():
        raise InputDataError(
            f"{what} has the step {steps[wrong[0]]:g} in row {wrong[0]}", hint="Steps count from 0 on."
        )
    order = np.argsort(steps, kind="stable")
    steps, losses = steps[order], losses[order]
    last = np.append(steps[1:] != steps[:-1], True)
    return steps[last], losses[last]


def first_crossing(step: ArrayLike, loss: ArrayLike, target: float, smooth: int = 1) -> Crossing:
    """Find when a loss curve first reaches a target.

    Parameters
    ----------
    step : array_like (m,)
        Of the evaluations, in any order.
    loss : array_like (m,)
        NaN and infinite losses are passed over.
    target : float
        In the unit of the loss.
    smooth : int, default 1
        Evaluations that are averaged, an odd number: each with its neighbours, fewer at the ends. 1 for none. Noise
        makes a first crossing early, and averages make a steep curve late.

    Returns
    -------
    Crossing
        The first one, where noise makes a curve cross again and again. Interpolated in the logarithms of step and loss,
        and in themselves where they have none (step 0, a loss that is not positive).

    Raises
    ------
    InputDataError
        See `check_curve`.
    UsageError
        For a target that is no finite number, and for an even or impossible window.
    """
    if not math.isfinite(as_number(target)):
        raise UsageError(f"a target loss is a finite number, not {target}")
    if (window := whole(smooth, "the window of the average")) % 2 == 0:
        raise UsageError(f"an average over {window} evaluations has no middle", hint="Take an odd number, such as 5.")
    steps, losses = check_curve(step, loss)
    known = np.isfinite(losses)
    lost, ended = int(np.sum(~known)), bool(known[-1])
    steps, losses = steps[known], _smoothed(losses[known], window)
    if not len(steps):
        return Crossing(0.0, 0.0, math.inf, False, False, math.nan, lost, True)
    lowest = float(losses.min())
    diverged = not ended or bool(losses[-1] - lowest > _DIVERGED * abs(lowest))
    below = np.flatnonzero(losses <= target)
    if not below.size:
        last = float(steps[-1])
        return Crossing(last, last, math.inf, False, False, lowest, lost, diverged)
    k = int(below[0])
    if k == 0:
        return Crossing(float(steps[0]), 0.0, float(steps[0]), True, True, lowest, lost, diverged)
    at = between(steps[k - 1], steps[k], losses[k - 1], losses[k], target)
    return Crossing(at, float(steps[k - 1]), float(steps[k]), True, False, lowest, lost, diverged)


def between(step: float, next_step: float, loss: float, next_loss: float, target: float) -> float:
    """Interpolate the step at which a loss between two evaluations is met; see `first_crossing`."""
    positive = min(loss, next_loss, target) > 0
    above, below, at = (math.log(v) if positive else float(v) for v in (loss, next_loss, target))
    share = (above - at) / (above - below)
    if step > 0:
        return float(step * (next_step / step) ** share)
    return float(step + share * (next_step - step))


def loss_at(step: Array, loss: Array, at: float) -> float:
    """Interpolate the loss at a step, in logarithms where there are any.

    Parameters
    ----------
    step, loss : ndarray (m,)
        As of `check_curve`; losses that are not finite are passed over.
    at : float
        The step.

    Returns
    -------
    float
        NaN outside the evaluations.
    """
    known = np.isfinite(loss)
    steps, losses = step[known], loss[known]
    if not len(steps) or not steps[0] <= at <= steps[-1] * (1 + 1e-12):
        return math.nan
    with np.errstate(divide="ignore"):
        x, where = (np.log(steps), math.log(at)) if steps[0] > 0 else (steps, at)
        if np.all(losses > 0):
            return float(np.exp(np.interp(where, x, np.log(losses))))
    return float(np.interp(where, x, losses))


def _smoothed(loss: Array, window: int) -> Array:
    """Average each value with its neighbours, as many on either side as both sides have."""
    if window == 1 or len(loss) < 2:
        return loss
    total = np.concatenate([[0.0], np.cumsum(loss)])
    i = np.arange(len(loss))
    half = np.minimum(window // 2, np.minimum(i, len(loss) - 1 - i))
    return np.asarray((total[i + half + 1] - total[i - half]) / (2 * half + 1))
