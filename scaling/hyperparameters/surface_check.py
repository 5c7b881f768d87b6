"""Whether the optima of single cells lie where the law of the whole surface says, or drift away from it.

The law is fitted to all runs, those far from the optimum above all, because there are more of them and the loss moves
more there. Where the wings of the bowl do not have quite the shape of the law, its optimum is off, and by more in some
cells than in others: an exponent is then wrong by more than its interval says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import stdtr

from scaling.formatting import format_number
from scaling.hyperparameters.bowl import Bowl

CHANCE = 1e-3  # below which a drift of the optima is not taken for chance
# A polynomial has not the shape of the law either: where the law was true, its vertices drifted by up to 0.03.
MATERIAL = 0.05


def drifts(estimates: Mapping[str, float], bowls: Sequence[Bowl]) -> tuple[str, ...]:
    """Hold the optima of the law against those of the cells' own bowls.

    Parameters
    ----------
    estimates : mapping of str to float
        Of `tuned_loss`.
    bowls : sequence of Bowl
        Of the cells; those without an optimum are left aside.

    Returns
    -------
    tuple of str
        One sentence for each exponent that the cells have otherwise: by more than 0.05, and beyond chance.
    """
    known = [bowl for bowl in bowls if bowl.ok]
    if not known:
        return ()
    n = np.log([b.cell.n_params for b in known])
    d = np.log([b.cell.n_tokens for b in known])
    columns = [np.ones_like(n)] + [x - x.mean() for x in (n, d) if np.ptp(x) > 0]
    names = [name for name, x in (("N", n), ("D", d)) if np.ptp(x) > 0]
    spare = len(known) - len(columns)
    if spare < 1 or np.linalg.matrix_rank(np.stack(columns, axis=1)) < len(columns):
        return ()
    e = estimates
    said = (e["p_0"] + e["p_N"] * n + e["p_D"] * d, e["q_0"] + e["q_D"] * d)
    design, vertex = np.stack(columns, axis=1), np.array([b.vertex for b in known])
    inverse = np.linalg.inv(design.T @ design)
    found = []
    for what, law, seen in zip(("learning rate", "batch"), said, vertex.T, strict=True):
        off = seen - law
        slopes = inverse @ design.T @ off
        scatter = np.sum((off - design @ slopes) ** 2) / spare
        errors = np.sqrt(scatter * np.diag(inverse))
        for name, slope, error in zip(names, slopes[1:], errors[1:], strict=True):
            if abs(slope) > MATERIAL and error > 0 and 2 * stdtr(spare, -abs(slope) / error) < CHANCE:
                found.append(
                    f"The optima of single cells have another exponent of {name} in the best {what}: "
                    f"{format_number(float(slope))} away from this law's, with a standard error of "
                    f"{format_number(float(error), 2)}."
                )
    return tuple(found)
