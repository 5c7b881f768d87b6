"""Is there anything to extrapolate? A task at chance has no slope, and one whose error rises has the wrong one."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from scaling.formatting import format_number, format_percent, format_plural
from scaling.loss_to_loss.monotone import ERROR_RATE, larger_half, rising_chance
from scaling.verdicts import NOT_IDENTIFIED, WEAK

Array = NDArray[np.float64]

AT_CHANCE, RISES, NOT_YET = "at chance", "rises", "not above chance yet"
_FEWEST = 6  # rows; the smallest chance that fewer can show is hardly below the error rate
_SLOPE = 2.326  # standard errors of a slope that noise alone reaches once in a hundred
_NEAR = 0.1  # within which errors that show no slope are called those of guessing
_SURE = 2.0  # standard errors below the error of guessing that a run must reach to have left it


def concern_of(
    x: Array, error: Array, order: Array, chance: float | None, n_questions: Array | None
) -> tuple[str, str, str] | None:
    """Find what speaks against extrapolating the error on a task.

    Parameters
    ----------
    x, error : ndarray (n,)
        Losses, and shares of wrong answers.
    order : ndarray (n,)
        Training compute, or anything that grows with it.
    chance : float, optional
        Accuracy of guessing.
    n_questions : ndarray (n,), optional
        How many questions each share is of.

    Returns
    -------
    tuple of (str, str, str) or None
        One of `AT_CHANCE`, `RISES` and `NOT_YET`; the verdict that it leads to; and a sentence. Tests have a rate of
        false alarms of `scaling.loss_to_loss.monotone.ERROR_RATE`.

    Notes
    -----
    *Rises*: over the larger half of the compute the error grows with compute more steadily than chance would have it
    (Kendall's rank test). *At chance*: over all runs it does not fall by that test, or, where the number of questions
    is known, its slope over the loss is less than what independent guesses at so many questions would show.
    """
    if len(error) < _FEWEST:
        return None
    some = larger_half(order)
    if some.sum() >= _FEWEST and len(np.unique(order[some])) > 1:
        rise = rising_chance(error[some], order[some])
        if rise <= ERROR_RATE:
            return RISES, NOT_IDENTIFIED, _rising(int(some.sum()), rise)
    fall = rising_chance(-error, order)
    noisy = n_questions is not None and _slope_in_noise(x, error, n_questions) < _SLOPE
    if fall > ERROR_RATE or noisy:
        return AT_CHANCE, NOT_IDENTIFIED, _flat(error, chance, noisy)
    return _not_yet(error, order, chance, n_questions)


def _slope_in_noise(x: Array, error: Array, n_questions: Array) -> float:
    """Slope of the error over the loss, in standard errors of independent answers to so many questions."""
    mean = float(np.average(error, weights=n_questions))
    weight = n_questions / max(mean * (1 - mean), 1e-12)
    away = x - np.average(x, weights=weight)
    spread = float(weight @ away**2)
    return float(weight @ (away * error)) / math.sqrt(spread) if spread > 0 else 0.0


def _rising(rows: int, rise: float) -> str:
    how = "less than 0.0001" if rise < 1e-4 else format_number(rise, 1)
    return (
        f"Not monotone: over the larger half of the compute ({format_plural(rows, 'run')}) the error rises as the loss "
        f"falls (chance of that without a trend: {how}), so a law of it says nothing beyond the data."
    )


def _flat(error: Array, chance: float | None, noisy: bool) -> str:
    mean = float(np.mean(error))
    beyond = "beyond the noise of so many questions" if noisy else "that noise would not show"
    what = "At chance" if chance is None or abs(mean - (1 - chance)) <= _NEAR else "Flat"
    guessing = "" if chance is None else f"; that of guessing is {format_number(1 - chance, 3)}"
    return f"{what}: nothing to extrapolate. The error has no slope {beyond} (mean {format_number(mean, 3)}{guessing})."


def _not_yet(
    error: Array, order: Array, chance: float | None, n_questions: Array | None
) -> tuple[str, str, str] | None:
    """A slope, but no run is better than guessing yet: the curve is seen where it has hardly begun."""
    if chance is None:
        return None
    largest = order >= np.max(order) / 1.05
    mean, guess = float(np.mean(error[largest])), 1 - chance
    if n_questions is not None:
        noise = math.sqrt(chance * guess / float(np.mean(n_questions[largest])))
    else:
        count = int(largest.sum())
        noise = float(np.std(error[largest], ddof=1)) / math.sqrt(count) if count > 1 else 0.0
    if mean < guess - _SURE * noise:
        return None
    said = (
        f"The largest runs are no better than guessing yet (error {format_percent(mean)}, guessing "
        f"{format_percent(guess)}), so where the error goes from here is a guess too."
    )
    return NOT_YET, WEAK, said
