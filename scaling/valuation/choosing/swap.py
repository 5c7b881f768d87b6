"""A last pass over a finished set: one member for one that was left out, as long as that gains."""

from __future__ import annotations

import numpy as np

from scaling.valuation.choosing.constraints import Constraint
from scaling.valuation.objective import Indices, Objective

_ROUNDING = 1e-9  # of the value: less is no gain


def swap(empty: Objective, members: Indices, constraint: Constraint, limit: int) -> tuple[Indices, int, int]:
    """Swap members for better ones, one at a time.

    Parameters
    ----------
    empty : Objective
        With the empty set.
    members : ndarray of int
        The set; those chosen last are offered first, as they gained least.
    constraint : Constraint
        What the set has to keep to.
    limit : int
        Most swaps.

    Returns
    -------
    members : ndarray of int
        In the order in which they were, a new member in the place of the old one.
    swaps : int
        How many were made.
    evaluations : int
        Gains that were evaluated.

    Notes
    -----
    An objective cannot take a member out, so each offer adds all others again: k additions and the gains of all
    candidates. That is for sets of hundreds, not of thousands.
    """
    current = [int(index) for index in members]
    value = empty.evaluate(current)
    made = evaluations = unchanged = 0
    position = len(current) - 1
    while made < limit and unchanged < len(current):
        others = current[:position] + current[position + 1 :]
        state = empty.fresh()
        state.extend(others)
        room = constraint.room(others)
        room.open[current[position]] = False
        candidates = np.flatnonzero(room.open)
        unchanged += 1
        if candidates.size:
            gains = state.gains() if candidates.size > empty.n // 2 else state.gains(candidates)
            evaluations += len(gains)
            gains = gains[candidates] if len(gains) != len(candidates) else gains
            margin = _ROUNDING * abs(value)
            best = int(candidates[gains >= gains.max() - margin].min())
            state.add(best)
            if state.value > value + margin + 2 * len(current) * empty.error:
                current[position], value = best, state.value
                made, unchanged = made + 1, 0
        position = (position - 1) % len(current)
    return np.array(current, dtype=np.intp), made, evaluations
