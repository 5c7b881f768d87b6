"""The procedure of arXiv:2503.04715: all runs within 0.25 % of the best of their cell, and least squares of logarithms.

Its points of one cell share the noise of that cell, so intervals from resampling points are too narrow; here cells are
resampled whole.
"""

from __future__ import annotations

from scaling.hyperparameters.cells import Cells
from scaling.hyperparameters.laws import TunedLaws, fit_laws
from scaling.hyperparameters.optima import THRESHOLD, Method


def fit_threshold(cells: Cells, threshold: float = THRESHOLD, *, bootstrap: int = 1000, seed: int = 0) -> TunedLaws:
    """Fit the laws as they were published.

    Parameters
    ----------
    cells : Cells
        The runs.
    threshold : float, default 0.0025
        Share above the best loss of a cell within which a run counts as an optimum.
    bootstrap : int, default 1000
        Draws of whole cells.
    seed : int, default 0
        Of the draws.

    Returns
    -------
    TunedLaws
    """
    return fit_laws(cells, Method("threshold", threshold), bootstrap=bootstrap, seed=seed)
