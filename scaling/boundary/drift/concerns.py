"""What is to be said of a rate a year before anybody relies on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scaling.formatting import format_number, format_plural
from scaling.verdicts import NOT_IDENTIFIED, WEAK

Array = NDArray[np.float64]

_FEW_DATES = 4
_SHORT = 0.5  # years
_NEARLY_ONE, _MUCH = 0.95, 0.8  # correlation of log compute and date
_NO_RISE = 1e-3  # in score, over all compute seen
_OPEN = 0.05  # of replicates that end with c at a bound


def concerns_in_time(
    z: Array, t: Array, fitted: Array, c: float, box: tuple[float, float], replicates: Array
) -> tuple[tuple[str, str], ...]:
    """Say what speaks against a rate.

    Parameters
    ----------
    z, t : ndarray (n,)
        log10 compute, and years.
    fitted : ndarray (n,)
        The boundary at each.
    c : float
        Orders of magnitude a year.
    box : (float, float)
        Its bounds.
    replicates : ndarray (B,)
        c of bootstrap replicates.

    Returns
    -------
    tuple of (str, str)
        The verdict that each leads to, and a sentence.
    """
    dates, span = len(np.unique(t)), float(np.ptp(t))
    found = []
    if dates == 1:
        return ((NOT_IDENTIFIED, "All models have one date (or count as of one), so no change in time can be seen."),)
    if dates < _FEW_DATES:
        found.append((WEAK, f"There are only {dates} different dates: what else differs between them counts as time."))
    if span < _SHORT:
        found.append((WEAK, f"The dates span {format_number(12 * span, 2)} months: a rate a year is extrapolated."))
    together = float(np.corrcoef(z, t)[0, 1])
    if abs(together) > _MUCH:
        word = NOT_IDENTIFIED if abs(together) > _NEARLY_ONE else WEAK
        found.append(
            (word, f"Later models have {'more' if together > 0 else 'less'} compute (correlation "
             f"{format_number(together, 2)}), so what time does and what compute does are hardly told apart.")
        )  # fmt: skip
    if np.ptp(fitted) < _NO_RISE:
        found.append((NOT_IDENTIFIED, "The boundary does not rise with compute, so no time is worth any compute."))
    if c <= box[0] or c >= box[1]:
        found.append((WEAK, f"The rate ended at its bound, {format_number(c)} orders of magnitude a year."))
    known = replicates[np.isfinite(replicates)]
    ended = int(np.sum((known <= box[0]) | (known >= box[1])))
    if ended > _OPEN * max(len(known), 1):
        found.append(
            (WEAK, f"In {ended} of {format_plural(len(known), 'replicate')} the rate ended at a bound "
             f"({format_number(box[0])} or {format_number(box[1])}): its interval is cut there.")
        )  # fmt: skip
    return tuple(found)
