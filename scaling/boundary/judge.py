"""What is to be said of a boundary before anybody relies on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scaling.boundary.data import Scores
from scaling.boundary.settings import Settings
from scaling.formatting import format_number, format_plural
from scaling.verdicts import NOT_IDENTIFIED, WEAK

Array = NDArray[np.float64]

_FEW_ABOVE = 5.0  # scores expected above the boundary; fewer say little of where it lies
_FLAT = 1e-3  # of the score, over all compute seen
_MOST_BIAS = 5e-3


def concerns_of(scores: Scores, settings: Settings, fitted: Array) -> tuple[tuple[str, str], ...]:
    """Say what speaks against a boundary.

    Parameters
    ----------
    scores : Scores
        What was fitted.
    settings : Settings
        By what.
    fitted : ndarray (n,)
        The boundary at the compute of each model.

    Returns
    -------
    tuple of (str, str)
        The verdict that each leads to, and a sentence.
    """
    n, found = len(scores.score), []
    beyond = n * min(1 - settings.tau, settings.tau)
    side = "above" if settings.tau >= 0.5 else "below"
    expected = f"of {format_plural(n, 'model')} {format_number(beyond, 2)} should lie {side} it"
    if beyond < 1:
        found.append(
            (NOT_IDENTIFIED, f"There is no {settings.tau:g} quantile to speak of: {expected}, so it is the largest "
             "score and what smoothing adds.")
        )  # fmt: skip
    elif beyond < _FEW_ABOVE:
        found.append((WEAK, f"The {settings.tau:g} quantile rests on single models: {expected}."))
    if np.ptp(scores.score) == 0:
        found.append((NOT_IDENTIFIED, f"All {n} models score the same, {format_number(scores.score[0])}."))
    elif np.ptp(fitted) < _FLAT:
        found.append((WEAK, "The boundary does not rise over the compute seen: more compute buys nothing here."))
    bias = abs(np.log(settings.tau / (1 - settings.tau))) / settings.kappa
    if bias > _MOST_BIAS:
        found.append(
            (WEAK, f"The rounded corner of the loss (kappa {settings.kappa:g}) lifts the curve by up to "
             f"{format_number(bias, 2)} where scores do not scatter: {_coverage(scores, fitted)}.")
        )  # fmt: skip
    if scores.groups is not None and len(set(map(str, scores.groups))) == 1:
        found.append(
            (NOT_IDENTIFIED, f"All models share one group, {scores.groups[0]}: how far another one would lie from "
             "this boundary cannot be seen.")
        )  # fmt: skip
    return tuple(found)


def _coverage(scores: Scores, fitted: Array) -> str:
    below = int(np.sum(scores.score <= fitted))
    return f"{below} of {len(fitted)} models lie below it"
