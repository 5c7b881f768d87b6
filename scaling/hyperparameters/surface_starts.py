"""Where the fit of a whole loss surface starts: from the best loss of each cell, and from the bowl around it.

Seventeen parameters are too many for a screen to find in any but a long search. They fall into three groups that are
nearly apart, and each group is close after a small fit of its own: the losses at the optima, where these lie, and how
steep the loss rises around them.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputDataError
from scaling.fitting.fit import fit
from scaling.formatting import format_plural
from scaling.hyperparameters.bowl import Bowl, fit_bowls
from scaling.hyperparameters.cells import Cells

Array = NDArray[np.float64]

CUTOFFS = (0.02, 0.05, 0.2)  # shares above the best loss within which bowls are sought, the first that serves
LEAST_CELLS = 7  # one more than the law of the loss at the optima has parameters
_LEAST_BOWLS = 4  # one more than the law of the best learning rate has parameters
# Flatness over tokens where the bowls do not tell, and how much steeper a side may be: a few of each, all polished.
_FLATTER = 0.15
_STEEPER = ((0.2, 0.0), (0.3, -0.1), (0.0, 0.0))


def surface_starts(cells: Cells) -> list[dict[str, float]]:
    """Propose starting values of `tuned_loss`.

    Parameters
    ----------
    cells : Cells
        The runs.

    Returns
    -------
    list of dict of str to float
        A handful, natural units.

    Raises
    ------
    InputDataError
        For fewer than seven cells, and where fewer than four of them have an optimum inside their grid.
    """
    if len(cells) < LEAST_CELLS:
        raise InputDataError(
            f"{format_plural(len(cells), 'cell')} of one size and one number of tokens cannot hold a law of the loss "
            f"over both: it takes {LEAST_CELLS}",
            hint="Run sweeps over learning rate and batch at more sizes and numbers of tokens.",
        )
    bowls = usable_bowls(cells, 2)
    if len(bowls) < _LEAST_BOWLS:
        raise InputDataError(
            f"{format_plural(len(bowls), 'cell')} of {len(cells)} have an optimum inside their grid of learning rates "
            f"and batches, and the laws of the optimum take {_LEAST_BOWLS}",
            hint="Widen the grids. " + " ".join(cells.warnings),
        )
    size = {"N": np.array([c.n_params for c in cells]), "D": np.array([c.n_tokens for c in cells])}
    best = np.array([c.loss[c.best] for c in cells])
    middle = fit("skaling", size, best, bootstrap=0).estimates
    places = _places(bowls)
    flatter = float(np.clip(_flatness(bowls), -0.3, 0.8))
    return [
        {**middle, **places, **_bends(bowls, h), "s": s, "r": r} for h, (s, r) in product((flatter, _FLATTER), _STEEPER)
    ]


def usable_bowls(cells: Cells, order: int) -> list[Bowl]:
    """Return the bowls with an optimum, by the narrowest cut-off at which most cells have one.

    Parameters
    ----------
    cells : Cells
        The runs.
    order : {2, 3}
        As of `fit_bowl`.

    Returns
    -------
    list of Bowl
        Those of the cut-off with the most of them, where no cut-off serves most cells.
    """
    best: list[Bowl] = []
    for cutoff in CUTOFFS:
        found = [bowl for bowl in fit_bowls(cells, cutoff, order) if bowl.ok]
        if len(found) > len(best):
            best = found
        if 2 * len(best) > len(cells) and len(best) >= _LEAST_BOWLS:
            break
    return best


def _logs(bowls: list[Bowl]) -> tuple[Array, Array]:
    """Logarithms (k,) of parameters and of tokens."""
    sizes = np.log([[b.cell.n_params, b.cell.n_tokens] for b in bowls])
    return sizes[:, 0], sizes[:, 1]


def _places(bowls: list[Bowl]) -> dict[str, float]:
    """Laws of the optima, by least squares of logarithms."""
    n, d = _logs(bowls)
    ones, vertex = np.ones_like(n), np.array([b.vertex for b in bowls])
    lr = np.linalg.lstsq(np.stack([ones, n, d], axis=1), vertex[:, 0], rcond=None)[0]
    batch = np.linalg.lstsq(np.stack([ones, d], axis=1), vertex[:, 1], rcond=None)[0]
    return dict(zip(("p_0", "p_N", "p_D", "q_0", "q_D"), (*lr.tolist(), *batch.tolist()), strict=True))


def _curvatures(bowls: list[Bowl]) -> Array:
    """Coefficients (k, 3) of the squares of ln lr and of ln B and of their product, in nats."""
    return np.array([b.loss * np.array([b.hessian[0, 0] / 2, b.hessian[1, 1] / 2, b.hessian[0, 1]]) for b in bowls])


def _flatness(bowls: list[Bowl]) -> float:
    """Exponent by which the bowls flatten with tokens; the usual one where all have the same tokens."""
    d = _logs(bowls)[1]
    if not np.ptp(d) > 0:
        return _FLATTER
    return float(-np.polyfit(d, np.log(_curvatures(bowls)[:, :2]).mean(axis=1), 1)[0])


def _bends(bowls: list[Bowl], h: float) -> dict[str, float]:
    """How steep the bowls are at one token, where they flatten by a given exponent."""
    d, curvatures = _logs(bowls)[1], _curvatures(bowls)
    u, v = np.exp(np.mean(np.log(curvatures[:, :2]) + h * d[:, None], axis=0))
    return {"h": h, "h_u": float(u), "h_v": float(v), "h_uv": float(np.mean(curvatures[:, 2] * np.exp(h * d)))}
