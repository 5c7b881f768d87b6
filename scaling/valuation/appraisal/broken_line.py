"""A line that bends once, y = a + b s + c max(0, s - s0): every place of the bend scanned, for many replicates at once.

The place of the bend does not enter linearly, and there is none under the null hypothesis of a straight line, so F of
the best place does not follow an F distribution: its p-value is that of residuals put in another order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from scaling.results import Fit

Array = NDArray[np.float64]

FEWEST = 12  # rows for four parameters
_INSIDE = (0.1, 0.9)  # quantiles of the score between which the bend is sought
_MOST_PLACES = 128
_STARTS = 6  # places that the engine begins at
_BLOCK = 10_000_000


@dataclass(frozen=True)
class Scan:
    """The best bend, and what chance would do.

    Parameters
    ----------
    a, b, c, s0 : float
        Of the line with the least squares.
    sup_f : float
        Largest F of a bend against a straight line.
    p_value : float
        Share of permutations of the residuals of the straight line that reach it.
    places : ndarray (J,)
        Where a bend was tried.
    squares : ndarray (J,)
        Sum of squared residuals there.
    replicates : ndarray (B, 4)
        a, b, c, s0 of bootstrap replicates of the rows, each with its own place; NaN where one cannot be fitted.
    """

    a: float
    b: float
    c: float
    s0: float
    sup_f: float
    p_value: float
    places: Array
    squares: Array
    replicates: Array


def scan_bends(
    score: ArrayLike, performance: ArrayLike, *, permutations: int = 999, bootstrap: int = 1000, seed: int = 0
) -> Scan:
    """Find where a line bends.

    Parameters
    ----------
    score, performance : array_like (n,)
        Points.
    permutations : int, default 999
        Of residuals, for the p-value.
    bootstrap : int, default 1000
        Replicates of the rows.
    seed : int, default 0
        Of both.

    Returns
    -------
    Scan

    Raises
    ------
    InputDataError
        For fewer than 12 rows, or scores that hardly differ.
    """
    s, y = np.asarray(score, float), np.asarray(performance, float)
    if s.shape != y.shape or s.ndim != 1 or not np.all(np.isfinite(s)) or not np.all(np.isfinite(y)):
        raise InputDataError(f"Scores {s.shape} and performance {y.shape}: finite pairs are expected.")
    if len(s) < FEWEST or len(np.unique(s)) < FEWEST:
        raise InputDataError(
            f"{format_plural(len(s), 'subset')} with {format_plural(len(np.unique(s)), 'distinct score')}; a line that "
            f"bends needs {FEWEST} of both."
        )
    shift, scale = float(s.mean()), float(s.std())
    u = (s - shift) / scale
    tried = _places(u)
    hinges = np.maximum(0, u[:, None] - tried)
    shuffle, draw = np.random.SeedSequence(seed).spawn(2)
    gain, straight, sup_f = _best_gain(u, hinges, y)
    p_value = _by_permutation(u, hinges, y, sup_f, permutations, shuffle)
    weights = np.vstack([np.ones(len(s)), _drawn(len(s), bootstrap, draw)])
    found = _weighted(u, hinges, tried, y, weights)
    found[0] = _refined(u, y, found[0])
    lines = np.column_stack(
        [
            found[:, 0] - found[:, 1] * shift / scale,
            found[:, 1] / scale,
            found[:, 2] / scale,
            shift + scale * found[:, 3],
        ]
    )
    a, b, c, s0 = (float(v) for v in lines[0])
    return Scan(a, b, c, s0, sup_f, p_value, shift + scale * tried, straight - gain, lines[1:])


def fit_broken_line(
    score: ArrayLike, performance: ArrayLike, *, bootstrap: int = 1000, seed: int = 0, scan: Scan | None = None
) -> Fit:
    """Fit the law `broken_line` of the book, from the best places of a scan.

    Parameters
    ----------
    score, performance : array_like (n,)
        Points; the performance as it was measured, higher or lower being better.
    bootstrap : int, default 1000
        Replicates.
    seed : int, default 0
        Recorded.
    scan : Scan, optional
        Of the same points, where one was made.

    Returns
    -------
    Fit
        By least squares; of inputs named ``s``.

    Raises
    ------
    InputDataError
        As `scan_bends`.
    """
    from scaling.fitting.fit import fit

    s, y = np.asarray(score, float), np.asarray(performance, float)
    made = scan or scan_bends(s, y, permutations=0, bootstrap=0, seed=seed)
    starts = []
    for place in made.places[np.argsort(made.squares, kind="stable")[:_STARTS]]:
        design = np.column_stack([np.ones(len(s)), s, np.maximum(0, s - place)])
        a, b, c = np.linalg.lstsq(design, y, rcond=None)[0]
        starts.append({"a": float(a), "b": float(b), "c": float(c), "s0": float(place)})
    return fit(
        "broken_line", {"s": s}, y, objective="squared", residual="linear", start=starts, bootstrap=bootstrap, seed=seed
    )


def _places(u: Array) -> Array:
    """Return where a bend is tried: at the scores between two quantiles and halfway between them, thinned."""
    low, high = np.quantile(u, _INSIDE)
    inside = np.unique(u[(u >= low) & (u <= high)])
    tried = np.sort(np.concatenate([inside, (inside[1:] + inside[:-1]) / 2]))
    if len(tried) > _MOST_PLACES:
        tried = tried[np.linspace(0, len(tried) - 1, _MOST_PLACES).round().astype(int)]
    # a bend needs points with slopes of their own on both sides
    return tried[[(np.sum(u < t) >= 2) and (np.sum(u > t) >= 2) for t in tried]]


def _residuals(u: Array, y: Array) -> Array:
    """Take a straight line in u from columns of y."""
    basis, _ = np.linalg.qr(np.column_stack([np.ones(len(u)), u]))
    return np.asarray(y - basis @ (basis.T @ y))


def _best_gain(u: Array, hinges: Array, y: Array) -> tuple[Array, float, float]:
    """Return what each bend takes off the sum of squares of the straight line, that sum, and the largest F."""
    bends = _residuals(u, hinges)
    bends = bends / np.linalg.norm(bends, axis=0)
    left = _residuals(u, y)
    gain, straight = (bends.T @ left) ** 2, float(left @ left)
    return gain, straight, _f_of(float(gain.max()), straight, len(u))


def _f_of(gain: float, straight: float, n: int) -> float:
    return gain / max((straight - gain) / (n - 3), 1e-300)


def _by_permutation(
    u: Array, hinges: Array, y: Array, found: float, permutations: int, seed: np.random.SeedSequence
) -> float:
    """Return the share of permuted residuals whose best bend is as good; the data count as one of them."""
    if permutations == 0:
        return float("nan")
    bends = _residuals(u, hinges)
    bends = bends / np.linalg.norm(bends, axis=0)
    left = _residuals(u, y)
    mixed = np.random.default_rng(seed).permuted(np.tile(left, (permutations, 1)), axis=1)
    rest = _residuals(u, mixed.T)
    gain = np.max((bends.T @ rest) ** 2, axis=0)
    straight = np.einsum("nb,nb->b", rest, rest)
    reached = gain / np.maximum((straight - gain) / (len(u) - 3), 1e-300) >= found * (1 - 1e-12)
    return (1 + int(reached.sum())) / (permutations + 1)


def _refined(u: Array, y: Array, line: Array) -> Array:
    """Move the bend within the gaps between scores on both sides of it, where two lines of their own meet there."""
    best, least = line, _squares(u, y, line[3])[1]
    at = np.unique(u)
    for i in {int(np.searchsorted(at, line[3], side)) for side in ("left", "right")}:
        if not 1 < i < len(at) - 1:
            continue
        (b_0, a_0), (b_1, a_1) = np.polyfit(u[u < at[i]], y[u < at[i]], 1), np.polyfit(u[u >= at[i]], y[u >= at[i]], 1)
        place = (a_0 - a_1) / (b_1 - b_0) if b_1 != b_0 else np.nan
        if at[i - 1] <= place <= at[i] and (tried := _squares(u, y, place))[1] < least:
            best, least = np.append(tried[0], place), tried[1]
    return best


def _squares(u: Array, y: Array, place: float) -> tuple[Array, float]:
    """Return a, b, c of the bent line at a place, and its sum of squares."""
    design = np.column_stack([np.ones(len(u)), u, np.maximum(0, u - place)])
    line = np.linalg.lstsq(design, y, rcond=None)[0]
    return line, float(np.sum((y - design @ line) ** 2))


def _drawn(n: int, count: int, seed: np.random.SeedSequence) -> Array:
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=count).astype(float)


def _weighted(u: Array, hinges: Array, tried: Array, y: Array, weights: Array) -> Array:
    """Fit the best bent line under each row of weights (B, n); returns a, b, c, s0, shape (B, 4)."""
    step = max(1, _BLOCK // max(hinges.size, 1))
    return np.concatenate(
        [_weighted_block(u, hinges, tried, y, weights[i : i + step]) for i in range(0, len(weights), step)]
    )


def _weighted_block(u: Array, hinges: Array, tried: Array, y: Array, w: Array) -> Array:
    total = w.sum(1)
    mean_u, mean_y = (w @ u) / total, (w @ y) / total
    uu = w @ u**2 - total * mean_u**2
    uy = w @ (u * y) - total * mean_u * mean_y
    yy = w @ y**2 - total * mean_y**2
    mean_h = (w @ hinges) / total[:, None]
    hh = w @ hinges**2 - total[:, None] * mean_h**2
    hu = w @ (hinges * u[:, None]) - (total * mean_u)[:, None] * mean_h
    hy = w @ (hinges * y[:, None]) - (total * mean_y)[:, None] * mean_h
    with np.errstate(invalid="ignore", divide="ignore"):
        own = hh - hu**2 / uu[:, None]  # of the bend, after the straight line
        bent = (hy - hu * (uy / uu)[:, None]) / own
        gain = np.where(own > 1e-9 * hh, bent**2 * own, -np.inf)
        best = np.argmax(gain, axis=1)
        row = np.arange(len(w))
        c = bent[row, best]
        b = (uy - c * hu[row, best]) / uu
        a = mean_y - b * mean_u - c * mean_h[row, best]
    out = np.column_stack([a, b, c, tried[best]])
    out[~np.isfinite(gain[row, best]) | ~(yy > 0)] = np.nan
    return out
