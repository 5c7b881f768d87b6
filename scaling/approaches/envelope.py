"""Approach 1: which size of model has the lowest loss at each compute, read off curves of loss against compute.

Each size has a curve: its runs of several lengths, or with less right the checkpoints of one run. At some 1500 computes
the lowest curve is found, and a power law is fitted to the sizes that win (Hoffmann et al. 2022, arXiv:2203.15556,
approach 1). The approach asks for runs whose learning rate had decayed at the point in question: a checkpoint from the
middle of a schedule has a higher loss than a run planned for that length, and long runs lose most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.approaches.budgets import Refusal
from scaling.approaches.valley import distinct_sizes
from scaling.errors import InputDataError, UsageError
from scaling.fitting.intervals import percentile_interval
from scaling.formatting import format_percent, format_plural
from scaling.inputs import check_level
from scaling.parameter_counts import FLOP_PER_PARAMETER_TOKEN
from scaling.verdicts import NOT_IDENTIFIED, OK, WEAK

Array = NDArray[np.float64]

POINTS = 1500  # computes at which the lowest curve is sought
BANDWIDTH = 0.1  # in ln(compute), of the smoothing
MIN_CURVES = 4
_SMOOTHED = 8  # points of a curve from which on it is smoothed
_LOST = 0.2  # share of the replicates without an envelope


@dataclass(frozen=True)
class Envelope:
    """The sizes that win, and the power laws through them.

    Parameters
    ----------
    exponent_n, exponent_d : float
        Of compute, in the optimal parameters and tokens; NaN where refused.
    log_n, log_d : float
        ln of the optimal parameters and tokens at the compute exp(`log_centre`).
    log_centre : float
        ln of the middle compute.
    compute_flop : tuple of float
        Smallest and largest compute at which a size wins that is neither the smallest nor the largest there.
    winners : ndarray (k,)
        The sizes that win somewhere, parameters.
    edge_share : float
        Share of the computes at which the smallest or the largest size wins, and which are left out.
    n_curves, n_rows : int
        Curves of two points or more, and their points.
    replicates : ndarray (B, 4)
        exponent_n, log_n, exponent_d, log_d of envelopes of curves drawn again.
    level : float
        Nominal coverage of the intervals.
    method : str
        How it was made.
    verdict : str
        ``ok``, ``weak`` or ``not identified``.
    reasons : tuple of str
        Why it is not ``ok``.
    refusal : Refusal or None
        ``too_few_curves``, ``no_inner_size`` or ``one_size``.
    """

    exponent_n: float
    exponent_d: float
    log_n: float
    log_d: float
    log_centre: float
    compute_flop: tuple[float, float]
    winners: Array
    edge_share: float
    n_curves: int
    n_rows: int
    replicates: Array
    level: float
    method: str
    verdict: str
    reasons: tuple[str, ...]
    refusal: Refusal | None

    def exponent_interval(self, quantity: str) -> tuple[float, float]:
        """Return the interval of the exponent of 'N' or 'D'; NaN where it is not known."""
        if not self._known:
            return float("nan"), float("nan")
        low, high = percentile_interval(self.replicates[:, 0 if quantity == "N" else 2], self.level)
        return float(low), float(high)

    def at(self, compute_flop: ArrayLike, quantity: str) -> tuple[Array, Array, Array]:
        """Return the optimal parameters ('N') or tokens ('D') at budgets, from the power law.

        Parameters
        ----------
        compute_flop : array_like (k,)
            Budgets, FLOP.
        quantity : {'N', 'D'}
            Which.

        Returns
        -------
        value, low, high : ndarray (k,)
            NaN where there is no envelope, or no interval of it.
        """
        distance = np.log(np.atleast_1d(np.asarray(compute_flop, float))) - self.log_centre
        slope, level = (self.exponent_n, self.log_n) if quantity == "N" else (self.exponent_d, self.log_d)
        value = np.exp(level + slope * distance)
        if not self._known:
            nothing = np.full(value.shape, np.nan)
            return value, nothing, nothing
        first = 0 if quantity == "N" else 2
        again = self.replicates[:, first + 1, None] + self.replicates[:, first, None] * distance
        low, high = percentile_interval(again, self.level)
        return value, np.exp(low), np.exp(high)

    @property
    def _known(self) -> bool:
        return len(self.winners) >= 3 and len(self.replicates) > 0


def fit_envelope(
    n_params: ArrayLike,
    n_tokens: ArrayLike,
    loss: ArrayLike,
    compute_flop: ArrayLike | None = None,
    *,
    curves: ArrayLike | None = None,
    bandwidth: float = BANDWIDTH,
    points: int = POINTS,
    bootstrap: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Envelope:
    """Find the size with the lowest loss at each compute, and fit power laws to it.

    Parameters
    ----------
    n_params, n_tokens, loss : array_like (n,)
        Points of the curves: ends of runs, or checkpoints.
    compute_flop : array_like (n,), optional
        Their compute; 6 N D by default.
    curves : array_like (n,), optional
        Which curve each point belongs to: the run, of checkpoints. By default points of one size (within 1 %) are a
        curve.
    bandwidth : float, default 0.1
        Width of the Gaussian in ln(compute) by which curves of eight points or more are smoothed, a straight line at a
        time; 0 to leave them.
    points : int, default 1500
        Computes, evenly spaced in the logarithm, at which the lowest curve is sought.
    bootstrap : int, default 1000
        Replicates, in which the curves are drawn again; 0 for none.
    seed : int, default 0
        Of the bootstrap.
    level : float, default 0.95
        Nominal coverage of the intervals.

    Returns
    -------
    Envelope
        With a refusal where the curves do not determine one.

    Raises
    ------
    InputDataError
        For values that are not positive, or lengths that differ.
    UsageError
        For a bandwidth, a number of points or a level that makes no sense.

    Notes
    -----
    Computes at which the smallest or the largest of the sizes present wins are left out: the optimum may lie beyond.
    Between its points a curve is a straight line in logarithms of both, and there is no extrapolation.
    """
    check_level(level)
    if not bandwidth >= 0 or points < 10:
        raise UsageError("an envelope needs a bandwidth from 0 on and ten points or more")
    n, d, y = (np.asarray(v, float) for v in (n_params, n_tokens, loss))
    c = n if compute_flop is None else np.asarray(compute_flop, float)
    if n.ndim != 1 or not n.size or any(v.shape != n.shape for v in (d, y, c)):
        raise InputDataError("N, D, C and the loss must have one value a row each")
    c = FLOP_PER_PARAMETER_TOKEN * n * d if compute_flop is None else c
    if not np.all([np.all(np.isfinite(v) & (v > 0)) for v in (n, d, y, c)]):
        raise InputDataError("N, D, C and the loss must be positive in every row", hint="Leave such rows out.")
    labels = distinct_sizes(np.log(n)) if curves is None else _codes(curves, len(n))
    found = _curves(np.log(n), np.log(d), np.log(y), np.log(c), labels, bandwidth)
    what = "sizes that were trained to several lengths" if curves is None else "runs with several checkpoints"
    used = sum(len(curve.log_c) for curve in found)
    drawn = (
        f"; percentiles of {bootstrap} bootstrap draws of the curves, seed {seed}" if bootstrap else "; no bootstrap"
    )
    method = f"lowest curve at {points} computes{drawn}"

    def refused(kind: str, reason: str, edge: float = float("nan")) -> Envelope:
        return Envelope(
            *(np.nan,) * 5, (np.nan, np.nan), np.empty(0), edge, len(found), used, np.empty((0, 4)), level, method,
            NOT_IDENTIFIED, (reason,), Refusal(kind, reason),
        )  # fmt: skip

    if len(found) < MIN_CURVES:
        reason = f"there are {len(found)} {what}, and an envelope needs {MIN_CURVES}"
        return refused("too_few_curves", reason)
    ends = min(x.log_c[0] for x in found), max(x.log_c[-1] for x in found)
    at = np.linspace(*ends, points)
    table = np.stack([np.interp(at, x.log_c, x.log_y, np.inf, np.inf) for x in found])
    tokens = np.stack([np.interp(at, x.log_c, x.log_d) for x in found])
    sizes = np.array([x.log_n for x in found])
    centre = float(at.mean())
    line, winner, inner = _winning(at - centre, table, sizes, tokens)
    edge_share = float(1 - inner.mean())
    if not inner.any():
        why = "wherever curves can be compared, the smallest or the largest size there has the lowest loss"
        return refused("no_inner_size", why, edge_share)
    winners = np.unique(sizes[winner[inner]])
    if len(winners) < 2:
        why = "one size has the lowest loss wherever a size between the smallest and the largest has it"
        return refused("one_size", why, edge_share)
    replicates = _resampled(at - centre, table, sizes, tokens, bootstrap, seed)
    reasons = []
    if len(winners) == 2:
        reasons.append("Two sizes alone win anywhere: the power law has no interval.")
    elif len(replicates) and (lost := float(np.mean(np.isnan(replicates[:, 0])))) > _LOST:
        reasons.append(
            f"{format_percent(lost)} of the draws of curves have no envelope; the intervals are of the others."
        )
    if edge_share > 0.5:
        reasons.append(
            f"At {format_percent(edge_share)} of the computes the smallest or the largest size wins, and these are "
            f"left out; {format_plural(len(winners), 'size')} stand behind the power law."
        )
    first, last = at[inner][0], at[inner][-1]
    return Envelope(
        line[0], line[2], line[1], line[3], centre, (float(np.exp(first)), float(np.exp(last))), np.exp(winners),
        edge_share, len(found), used, replicates, level, method, WEAK if reasons else OK, tuple(reasons), None,
    )  # fmt: skip


@dataclass(frozen=True)
class _Curve:
    """Loss of one size against compute, logarithms, compute ascending."""

    log_n: float
    log_c: Array
    log_d: Array
    log_y: Array


def _codes(labels: ArrayLike, n: int) -> NDArray[np.int64]:
    names = np.asarray(labels).astype(str)
    if names.shape != (n,):
        raise InputDataError(f"curves have shape {names.shape}, but there are {n} rows")
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def _curves(
    log_n: Array, log_d: Array, log_y: Array, log_c: Array, labels: NDArray[np.int64], bandwidth: float
) -> list[_Curve]:
    """Bring the points in order; several at one compute become their mean."""
    out = []
    for label in range(int(labels.max()) + 1):
        rows = np.flatnonzero(labels == label)
        x, where = np.unique(np.round(log_c[rows], 9), return_inverse=True)
        if len(x) < 2:
            continue
        count = np.bincount(where)
        d, y = np.bincount(where, log_d[rows]) / count, np.bincount(where, log_y[rows]) / count
        if bandwidth > 0 and len(x) >= _SMOOTHED:
            y = _smoothed(x, y, bandwidth)
        out.append(_Curve(float(log_n[rows].mean()), x, d, y))
    return out


def _smoothed(x: Array, y: Array, bandwidth: float) -> Array:
    """Local straight lines with Gaussian weights: unlike a moving mean they are not biased at the ends."""
    away = x - x[:, None]
    w = np.exp(-0.5 * (away / bandwidth) ** 2)
    total = w.sum(axis=1)
    mean_x, mean_y = (w * away).sum(axis=1) / total, w @ y / total
    spread = (w * (away - mean_x[:, None]) ** 2).sum(axis=1)
    cross = (w * (away - mean_x[:, None]) * (y - mean_y[:, None])).sum(axis=1)
    alone = spread <= 1e-12 * bandwidth**2
    slope = np.where(alone, 0.0, cross / np.where(alone, 1.0, spread))
    return np.asarray(mean_y - slope * mean_x)


def _winning(
    x: Array, table: Array, sizes: Array, tokens: Array
) -> tuple[tuple[float, float, float, float], NDArray[np.int64], NDArray[np.bool_]]:
    """Power laws of the winners, the winner at each compute, and where it is neither the smallest nor the largest."""
    there = np.isfinite(table)
    winner = np.argmin(table, axis=0)
    size = sizes[winner]
    smallest = np.where(there, sizes[:, None], np.inf).min(axis=0)
    largest = np.where(there, sizes[:, None], -np.inf).max(axis=0)
    inner = (size > smallest) & (size < largest)
    if len(np.unique(size[inner])) < 2:
        return (np.nan,) * 4, winner, inner
    of_n = np.polynomial.polynomial.polyfit(x[inner], size[inner], 1)
    of_d = np.polynomial.polynomial.polyfit(x[inner], tokens[winner, np.arange(len(x))][inner], 1)
    return (float(of_n[1]), float(of_n[0]), float(of_d[1]), float(of_d[0])), winner, inner


def _resampled(x: Array, table: Array, sizes: Array, tokens: Array, replicates: int, seed: int) -> Array:
    """Envelopes of curves drawn again; a curve that is drawn twice counts once, since only the lowest matters."""
    k = len(sizes)
    out = np.full((replicates, 4), np.nan)
    for i, child in enumerate(np.random.SeedSequence(seed).spawn(replicates)):
        some = np.unique(np.random.default_rng(child).integers(0, k, k))
        out[i] = _winning(x, table[some], sizes[some], tokens[some])[0]
    return out
