"""Whether what a subset is worth depends on the size of the model: whether it shrinks, vanishes or reverses.

The ratio rho = D_eq/D of a subset is measured at several sizes. A line of ln rho over ln N is fitted under every
bootstrap replicate of the law, with noise on each loss, so its slope knows that all ratios rest on one law.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.bands import replicate_interval
from scaling.errors import InputDataError
from scaling.formatting import format_count, format_interval, format_number
from scaling.inputs import check_level
from scaling.results import Fit
from scaling.valuation.equivalence.token_curve import TokenCurve, positive, require_replicates
from scaling.valuation.equivalence.tokens import equivalents, loss_error

Array = NDArray[np.float64]

TRENDS = {
    "no trend found": "No change of the worth with the size of the model was found.",
    "shrinks": "What the subset gains or loses against random data shrinks as models grow.",
    "grows": "What the subset gains or loses against random data grows with the model.",
    "vanishes": "The smallest models tell the subset from random data; for the largest no difference was found.",
    "reverses": "The subset changes sides: what it is worth to the smallest models and to the largest differ in sign.",
}
_ONE_SIGMA = (0.158655, 0.841345)
_MOST_LOST = 0.1  # share of replicates without a line above which nothing is said


@dataclass(frozen=True)
class SizeTrend:
    """The worth of one subset over model sizes.

    Parameters
    ----------
    n_params, losses, n_tokens : ndarray (m,)
        What was measured, in the order of size.
    ratio : ndarray (m,)
        D_eq over tokens used; infinite where a loss lies at or below the asymptote.
    ratio_interval : tuple of ndarray (m,)
        Percentiles of the replicates.
    slope : float
        d ln(rho)/d ln(N); NaN where a ratio is infinite.
    slope_interval : (float, float)
        Percentiles of the replicates.
    p_value : float
        Of a slope of 0, two-sided, from the replicates: no smaller than 2/(B + 1).
    bend_p_value : float
        The same of a parabola in ln N that is straight; NaN for fewer than four sizes.
    crossing : float
        N at which the line says rho = 1; NaN where it never does.
    trend : str
        One of `TRENDS`.
    level : float
        Nominal coverage.
    lost_share : float
        Share of the replicates in which a loss has no finite worth, so no line.
    method, verdict, law : str
        How intervals were made; of the fit; the law.
    seed : int
        Of the noise of the losses.
    """

    n_params: Array
    losses: Array
    n_tokens: Array
    ratio: Array
    ratio_interval: tuple[Array, Array]
    slope: float
    slope_interval: tuple[float, float]
    p_value: float
    bend_p_value: float
    crossing: float
    trend: str
    level: float
    lost_share: float
    method: str
    verdict: str
    law: str
    seed: int

    @property
    def words(self) -> str:
        """The answer in a few sentences."""
        if np.isnan(self.slope):
            return "At some size the loss lies at or below what any amount of random data reaches: there is no line."
        ends = format_interval(*self.slope_interval)
        slope = f"ln(rho) changes by {format_number(self.slope, 3)} ({ends}) with each unit of ln(N)"
        inside = self.n_params[0] < self.crossing < self.n_params[-1]
        where = f" The line crosses rho = 1 at {format_count(self.crossing)} parameters." if inside else ""
        bent = " The ratios bend, so the line only sums them up." if self.bend_p_value < 1 - self.level else ""
        return f"{TRENDS[self.trend]} {slope}, p = {format_number(self.p_value, 2)}.{where}{bent}"

    def rows(self) -> list[dict[str, Any]]:
        """Return one dict a size."""
        return [
            {
                "n_params": float(self.n_params[i]),
                "loss": float(self.losses[i]),
                "n_tokens": float(self.n_tokens[i]),
                "d_eq": float(self.ratio[i] * self.n_tokens[i]),
                "ratio": float(self.ratio[i]),
                "ratio_low": float(self.ratio_interval[0][i]),
                "ratio_high": float(self.ratio_interval[1][i]),
            }
            for i in range(len(self.n_params))
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        from scaling.serial import plain

        names = (
            "slope",
            "p_value",
            "bend_p_value",
            "crossing",
            "trend",
            "level",
            "lost_share",
            "method",
            "verdict",
            "law",
            "seed",
        )
        out: dict[str, Any] = plain(
            {name: getattr(self, name) for name in names}
            | {"slope_low": self.slope_interval[0], "slope_high": self.slope_interval[1]}
            | {"sizes": self.rows(), "words": self.words}
        )
        return out

    def __repr__(self) -> str:
        lines = [self.words]
        for row in self.rows():
            ends = format_interval(row["ratio_low"], row["ratio_high"])
            lines.append(
                f"  {format_count(row['n_params'])} parameters: rho = {format_number(row['ratio'], 3)} ({ends})"
            )
        return "\n".join([*lines, f"  law: {self.law}; verdict: {self.verdict}; intervals: {self.method}"])


def worth_across_sizes(
    fit: Fit,
    losses: ArrayLike,
    n_params: ArrayLike,
    n_tokens: ArrayLike,
    *,
    loss_se: float | None = None,
    level: float = 0.95,
    at: Mapping[str, float] | None = None,
    tokens: str | None = None,
    seed: int = 0,
    force: bool = False,
) -> SizeTrend:
    """Test whether the worth of a subset depends on the size of the model.

    Parameters
    ----------
    fit : Fit
        Of a law of random data with N and tokens among its inputs, with bootstrap replicates.
    losses, n_params : array_like (m,)
        Of models of at least two sizes, trained on the subset.
    n_tokens : float or array_like (m,)
        Tokens that each was trained on.
    loss_se : float, optional
        Standard error of every loss; the scatter of the runs around the law where missing.
    level : float, default 0.95
        Nominal coverage; a trend is one where the interval of the slope leaves 0 out.
    at, tokens, seed, force
        As of `scaling.valuation.worth`.

    Returns
    -------
    SizeTrend

    Raises
    ------
    InputDataError
        For lengths that differ, fewer than two sizes, or numbers that are none.
    UsageError
        For a fit without replicates or a law without N or tokens.
    VerdictError
        Where the law is not identified and `force` is not set.
    """
    check_level(level)
    require_replicates(fit, "a trend of worth across sizes")
    y, n, d = _columns(losses, n_params, n_tokens)
    children = np.random.SeedSequence(seed).spawn(len(y))
    log_ratio = np.empty((1 + len(fit.replicates), len(y)))
    for i, child in enumerate(children):
        curve = TokenCurve.of(fit, n[i], at=at, tokens=tokens, force=force)
        error, _ = loss_error(fit, y[i], loss_se)
        log_ratio[:, i] = equivalents(curve, float(y[i]), error, child) - np.log(d[i])
    at_level = fit.percentile_level(level)
    low, high = replicate_interval(log_ratio[1:], at_level)
    weights = _weights(log_ratio[1:])
    ends = np.log(n[[0, -1]])
    slopes, lines = _lines(log_ratio, np.log(n), weights, ends)
    lost = float(np.mean(~np.isfinite(slopes[1:])))
    slope_low, slope_high = (float(v[0]) for v in replicate_interval(slopes[1:, None], at_level))
    if lost > _MOST_LOST:
        slope_low, slope_high = np.nan, np.nan
    sides = np.stack(replicate_interval(lines[1:], at_level))
    # A line may leave out what was measured at its ends: a side is told from 1 only where both say so.
    own = np.stack([low, high])[:, [0, -1]]
    away = ((sides[0] > 0) & (own[0] > 0)) | ((sides[1] < 0) & (own[1] < 0))
    with np.errstate(all="ignore"):
        crossing = float(np.exp(ends[0] - lines[0, 0] / slopes[0]))
        return SizeTrend(
            n, y, d, np.exp(log_ratio[0]), (np.exp(low), np.exp(high)), float(slopes[0]), (slope_low, slope_high),
            _p_value(slopes[1:]), _p_value(_bends(log_ratio, np.log(n), weights)[1:]), crossing,
            _trend(lines[0], away, slope_low, slope_high), level, lost, fit.interval_method, fit.verdict,
            fit.law.name, seed,
        )  # fmt: skip


def _p_value(replicates: Array) -> float:
    """Two-sided p value of 0, from the signs of replicates; NaN without any."""
    known = replicates[np.isfinite(replicates)]
    if not len(known):
        return float("nan")
    return min(1.0, 2 * (min(int(np.sum(known <= 0)), int(np.sum(known >= 0))) + 1) / (len(known) + 1))


def _bends(log_ratio: Array, log_n: Array, weights: Array) -> Array:
    """Quadratic coefficient (R,) of a parabola in ln N; NaN for fewer than four sizes."""
    if len(np.unique(log_n)) < 4:
        return np.full(len(log_ratio), np.nan)
    root = np.sqrt(weights)
    design = np.stack([np.ones_like(log_n), log_n - log_n.mean(), (log_n - log_n.mean()) ** 2], axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray((log_ratio * root) @ np.linalg.pinv(design * root[:, None])[2])


def _trend(line: Array, away: NDArray[np.bool_], low: float, high: float) -> str:
    """Name the trend: `line` is ln rho at the smallest and the largest size, `away` whether each is told from 0."""
    if not (low > 0 or high < 0):
        return "no trend found"
    if away.all() and line[0] * line[1] < 0:
        return "reverses"
    if away[0] and not away[1]:
        return "vanishes"
    return "shrinks" if abs(line[1]) < abs(line[0]) else "grows"


def _weights(log_ratio: Array) -> Array:
    """Weights (m,) of the sizes in a line: one over the squared spread of each, from the central 68 %."""
    finite = np.where(np.isfinite(log_ratio), log_ratio, np.nan)
    if np.isnan(finite).all(axis=0).any():
        return np.ones(log_ratio.shape[1])
    low, high = np.nanquantile(finite, _ONE_SIGMA, axis=0)
    spread = (high - low) / 2
    return np.asarray(1 / np.maximum(spread, 1e-6 + 1e-3 * spread.max()) ** 2)


def _lines(log_ratio: Array, log_n: Array, weights: Array, ends: Array) -> tuple[Array, Array]:
    """Fit a line to each row: slopes (R,), and values (R, 2) at the ends; NaN where a ratio is not finite."""
    share = weights / weights.sum()
    centre = float(share @ log_n)
    with np.errstate(invalid="ignore"):
        slope = (log_ratio * share) @ (log_n - centre) / float(share @ (log_n - centre) ** 2)
        middle = log_ratio @ share
        slope = np.where(np.isfinite(middle), slope, np.nan)
        return slope, middle[:, None] + slope[:, None] * (ends - centre)


def _columns(losses: ArrayLike, n_params: ArrayLike, n_tokens: ArrayLike) -> tuple[Array, Array, Array]:
    """Check the measurements; in the order of size."""
    y, n = (np.atleast_1d(np.asarray(v, float)) for v in (losses, n_params))
    d = np.atleast_1d(np.asarray(n_tokens, float))
    if y.ndim != 1 or y.shape != n.shape or d.shape not in ((1,), y.shape):
        raise InputDataError(
            f"losses have shape {y.shape}, sizes {n.shape} and tokens {d.shape}; one a model is expected"
        )
    d = np.broadcast_to(d, y.shape)
    for values, what in ((y, "a loss"), (n, "the number of parameters"), (d, "the number of tokens")):
        for value in values:
            positive(value, what)
    if len(np.unique(n)) < 2:
        raise InputDataError("a trend needs losses at two sizes or more", "Train the subset at another size.")
    order = np.argsort(n, kind="stable")
    return y[order], n[order], np.array(d[order])
