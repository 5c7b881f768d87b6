"""What the map to a corpus that has no runs yet may look like: as those between other corpora, or as a stated prior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError
from scaling.formatting import format_plural
from scaling.loss_to_loss.ranking.maps import fit_linear

Array = NDArray[np.float64]

FORM = "log_quadratic"  # of the truths: a slope and a bend of logarithms
_LEAST = 8  # pairs that a truth needs
_NEAR = 1.6  # budgets within this factor scatter alike
#: Without other corpora: slope and bend of ln y over ln x, and the scatter of pairs. Centre and standard deviation, as
#: of the 30 maps between the corpora of arXiv:2411.12925.
PRIOR = {"slope": (1.0, 0.22), "bend": (0.0, 0.11), "scatter": (0.0035, 0.002)}


@dataclass(frozen=True)
class PairsOfCorpora:
    """Paired losses of two corpora.

    Parameters
    ----------
    x, y, budget : ndarray (n,)
        Losses on either side, above 0, and FLOP.
    name : str
        Such as ``web -> code``.
    """

    x: Array
    y: Array
    budget: Array
    name: str = ""


@dataclass(frozen=True)
class Truths:
    """Simulated outcomes on a corpus that does not exist yet.

    Parameters
    ----------
    cells : ndarray (s, n)
        ln y at each cell of the source.
    target : ndarray (s,)
        ln y of the run at the target.
    maps : int
        How many maps they were drawn from; 0 where they come from the prior.
    """

    cells: Array
    target: Array
    maps: int


def read_maps(maps: Sequence[PairsOfCorpora | tuple[ArrayLike, ArrayLike, ArrayLike]]) -> list[PairsOfCorpora]:
    """Check the pairs of other corpora; those with too few pairs are left out.

    Parameters
    ----------
    maps : sequence of PairsOfCorpora, or of (x, y, budget)
        One an ordered pair of corpora.

    Returns
    -------
    list of PairsOfCorpora

    Raises
    ------
    InputDataError
        For columns of different lengths or numbers that are not above 0.
    """
    out = []
    for entry in maps:
        name = entry.name if isinstance(entry, PairsOfCorpora) else ""
        given = (entry.x, entry.y, entry.budget) if isinstance(entry, PairsOfCorpora) else entry
        x, y, budget = (np.atleast_1d(np.asarray(v, float)) for v in given)
        if not len(x) == len(y) == len(budget):
            raise InputDataError(f"a map has {len(x)} x, {len(y)} y and {format_plural(len(budget), 'budget')}")
        if not all(np.all(np.isfinite(v) & (v > 0)) for v in (x, y, budget)):
            raise InputDataError("losses and budgets of a map must be numbers above 0")
        if len(x) >= _LEAST:
            out.append(PairsOfCorpora(x, y, budget, name))
    return out


def draw_truths(
    x: Array, budget: Array, target_x: float, maps: Sequence[PairsOfCorpora], count: int, random: np.random.Generator
) -> Truths:
    """Draw outcomes on the new corpus.

    Parameters
    ----------
    x, budget : ndarray (n,)
        The cells of the source: its loss, and FLOP.
    target_x : float
        Loss of the source at the target.
    maps : sequence of PairsOfCorpora
        Each is as likely as any other; without any, `PRIOR`.
    count : int
        How many outcomes.
    random : Generator
        Of random numbers.

    Returns
    -------
    Truths

    Notes
    -----
    An outcome is the parabola of logarithms of one map, from a bootstrap sample of its pairs, over the logarithm of x
    from the middle of its own range; with the residuals of pairs at similar budgets. So it has a slope, a bend and a
    scatter that were seen together, and its level, which no relative error depends on, is that of y = x.
    """
    u = np.log(x)
    middle = 0.5 * (u.min() + u.max())
    places = np.append(u, np.log(target_x)) - middle
    powers = places[:, None] ** np.array([1, 2])
    largest = float(budget.max())
    if not maps:
        slope, bend, scatter = (
            centre + spread * random.standard_normal(count) for centre, spread in PRIOR.values()
        )  # fmt: skip
        curve = middle + np.stack([slope, bend], axis=1) @ powers.T
        noise = np.abs(scatter)[:, None] * random.standard_normal(curve.shape)
        return Truths((curve + noise)[:, :-1], (curve + noise)[:, -1], 0)
    shares = np.bincount(random.integers(len(maps), size=count), minlength=len(maps))
    rows = []
    for entry, share in zip(maps, shares, strict=True):
        if not share:
            continue
        n = len(entry.x)
        weights = random.multinomial(n, np.full(n, 1 / n), size=share).astype(float)
        v = np.log(entry.x)
        own = 0.5 * (v.min() + v.max())
        every, _ = fit_linear(FORM, entry.x, entry.y)
        found, centre = fit_linear(FORM, entry.x, entry.y, weights)
        found = np.where(np.isfinite(found), found, every)
        slope = found[:, 1] + 2 * found[:, 2] * (own - centre)  # at the middle of its own range
        curve = middle + np.stack([slope, found[:, 2]], axis=1) @ powers.T
        fitted = every[0] @ (v - centre)[None] ** np.arange(3)[:, None]
        residual = (np.log(entry.y) - fitted) * np.sqrt(n / (n - 3))
        for i, c in enumerate(np.append(budget, largest)):
            near = np.abs(np.log(entry.budget / c)) <= np.log(_NEAR)
            pool = residual[near] if near.sum() >= 3 else residual
            curve[:, i] += pool[random.integers(len(pool), size=share)]
        rows.append(curve)
    out = np.concatenate(rows)
    return Truths(out[:, :-1], out[:, -1], len(maps))
