"""The numbers of the page of a boundary, worked out once: attainable scores, and the compute that scores need."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reports.boundary_inputs import BoundaryPage

if TYPE_CHECKING:
    from scaling.boundary.grid import QuantileGrid
    from scaling.boundary.inverse import Inverse

Array = NDArray[np.float64]

LINES = (0.5, 0.9)  # quantiles that are drawn beside the boundary, where they lie below it
_MOST = 8  # rows of a table that the page chooses
_CROSSED = 5e-3  # of the score, by which crossing quantiles move the boundary
_BEYOND = 1.0  # decades outside the compute seen that the page goes by itself


@dataclass(frozen=True)
class BoundaryAnswers:
    """The numbers of the page.

    Parameters
    ----------
    page : BoundaryPage
        What it is about.
    z : ndarray (m,)
        log10 compute of the table of attainable scores.
    asked : int
        Which of them is the answer.
    mean, low, high : ndarray (m,)
        The boundary and its band; NaN without bootstrap replicates.
    coming : ndarray (m,)
        The boundary and the margin: for models to come.
    factor : ndarray (m,)
        How far each compute lies outside that seen.
    grid : QuantileGrid
        Other quantiles of the same models, without replicates.
    lines : tuple of float
        Quantiles that are drawn beside the boundary.
    inverses : tuple of Inverse
        Of each score the compute at which the boundary reaches it.
    others : dict of float to tuple of Inverse
        The same for each of `lines`.
    compute_choice, score_choice : str
        How the page chose what nobody asked for; else empty.
    """

    page: BoundaryPage
    z: Array
    asked: int
    mean: Array
    low: Array
    high: Array
    coming: Array
    factor: Array
    grid: QuantileGrid
    lines: tuple[float, ...]
    inverses: tuple[Inverse, ...]
    others: dict[float, tuple[Inverse, ...]]
    compute_choice: str
    score_choice: str

    @property
    def banded(self) -> bool:
        """Whether there are bands."""
        return bool(self.page.boundary.bootstrap)

    def line(self, tau: float, z: Array) -> Array:
        """Work out one of `lines` at log10 compute (m,); NaN where it is not told apart from the boundary."""
        row = int(np.argmin(np.abs(self.grid.taus - tau)))
        return np.where(self.crossing(z), np.nan, self.grid.predict(z)[row])

    def crossing(self, z: Array) -> NDArray[np.bool_]:
        """Tell where quantiles cross the boundary, so that the grid contradicts it, at log10 compute (m,)."""
        b = self.page.boundary
        row = int(np.argmin(np.abs(self.grid.taus - b.tau)))
        return np.asarray(np.abs(self.grid.predict(z)[row] - b.predict(z)) > _CROSSED)


def answer_boundary(page: BoundaryPage) -> BoundaryAnswers:
    """Work out what the page says.

    Parameters
    ----------
    page : BoundaryPage
        What it is about.

    Returns
    -------
    BoundaryAnswers
    """
    from scaling.boundary.grid import TAUS

    b = page.boundary
    z, asked, compute_choice = _computes(page)
    if b.bootstrap:
        band = b.predict(z, level=page.level)
        mean, low, high = (np.asarray(end, float) for end in (band.mean, band.low, band.high))
    else:
        mean, low, high = b.predict(z), np.full(len(z), np.nan), np.full(len(z), np.nan)
    lines = tuple(tau for tau in LINES if tau < b.tau - 1e-9)
    # Replicates of every other quantile would take as long again each, and no table shows their intervals.
    grid = replace(b, bootstrap=0).grid(sorted({*TAUS, *lines}))
    scores, score_choice = _scores(page)
    return BoundaryAnswers(
        page=page,
        z=z,
        asked=asked,
        mean=mean,
        low=low,
        high=high,
        coming=b.predict(z, out_of_period=True),
        factor=b.extrapolation_factor(z),
        grid=grid,
        lines=lines,
        inverses=tuple(b.invert(x, level=page.level) for x in scores),
        others={tau: tuple(grid.invert(x, round(1 - tau, 12), page.level) for x in scores) for tau in lines},
        compute_choice=compute_choice,
        score_choice=score_choice,
    )


def _computes(page: BoundaryPage) -> tuple[Array, int, str]:
    """Choose the compute of the table, log10 FLOP, and which of them is the answer."""
    if page.computes:
        return np.log10(np.array(page.computes, float)), 0, ""
    low, high = page.boundary.support
    whole = np.arange(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1, dtype=float)
    if not len(whole):
        z = np.array([low, high, high + _BEYOND])
        return z, 1, "No compute was asked for; the answer is for the largest seen."
    z = np.append(whole, whole[-1] + _BEYOND)[-_MOST:]
    return z, len(z) - 2, "No compute was asked for; the answer is for the largest power of ten that was seen."


def _scores(page: BoundaryPage) -> tuple[tuple[float, ...], str]:
    """Choose the scores of the inverse table."""
    if page.scores:
        return page.scores, ""
    b = page.boundary
    low, high = b.support
    first, last = (float(v) for v in b.predict(np.array([low, high + _BEYOND])))
    step = next((s for s in (0.02, 0.05, 0.1, 0.2) if (last - first) / s <= _MOST - 3), 0.2)
    start = max(1, math.floor(first / step) + 1)
    found = np.round(np.arange(start, round(1 / step) + 1) * step, 10)
    found = found[: max(2, int(np.sum(found <= last)) + 1)]
    return tuple(float(x) for x in found) or (
        1.0,
    ), "No score was asked for; these are round numbers along the boundary."
