"""Whether probabilities mean what they say: reliability, calibration error, and proper scores taken apart."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.data import Labels
from scaling.boundary.evaluation.metrics import clustered_error
from scaling.boundary.evaluation.proper import Decomposition, decompose
from scaling.boundary.shift.proportions import proportion_interval
from scaling.errors import InputDataError
from scaling.fitting.checks import whole
from scaling.formatting import format_interval, format_number, format_percent, format_plural
from scaling.inputs import check_level
from scaling.serial import plain

Array = NDArray[np.float64]

BINS = 10
_BLOCK = 64  # replicates at a time: one is a number a cluster


@dataclass(frozen=True)
class ReliabilityBin:
    """A bar of a reliability diagram.

    Parameters
    ----------
    n : int
        Forecasts.
    forecast : float
        Their mean probability.
    frequency : float
        How often it came true.
    low, high : float
        Wilson interval of that, with as many independent forecasts as the clusters leave.
    """

    n: int
    forecast: float
    frequency: float
    low: float
    high: float


@dataclass(frozen=True, repr=False)
class Reliability:
    """How far probabilities can be believed; see `measure_reliability`.

    Parameters
    ----------
    n, clusters : int
        Forecasts, and groups of them that are independent.
    bins : tuple of ReliabilityBin
        By probability, about as many forecasts in each.
    calibration_error : float
        Mean absolute difference of forecast and frequency, bins weighted by their forecasts.
    low, high : float
        Basic bootstrap interval of it, by clusters, from 0 where right probabilities could show as much; NaN without
        replicates.
    expected : float
        What it would be on average were the probabilities right: noise alone makes it larger than 0.
    p_value : float
        How often right probabilities would show as much.
    brier, log : Decomposition
        Mean squared error, and mean -ln of the probability of what came.
    level : float
        Of the intervals.
    seed : int
        Of the bootstrap.
    """

    n: int
    clusters: int
    bins: tuple[ReliabilityBin, ...]
    calibration_error: float
    low: float
    high: float
    expected: float
    p_value: float
    brier: Decomposition
    log: Decomposition
    level: float
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        table: dict[str, Any] = plain(asdict(self))
        return table

    def summary(self) -> str:
        """Return scores and bins as plain text."""
        lines = [
            f"{format_plural(self.n, 'forecast')} in {format_plural(self.clusters, 'cluster')}",
            *(
                f"{name} score {format_number(d.score, 3)} = {format_number(d.miscalibration, 3)} miscalibration - "
                f"{format_number(d.discrimination, 3)} discrimination + {format_number(d.uncertainty, 3)} uncertainty"
                for name, d in (("Brier", self.brier), ("log", self.log))
            ),
            f"calibration error {format_number(self.calibration_error, 3)} ({format_percent(self.level)} interval "
            f"{format_interval(self.low, self.high)}; right probabilities would show "
            f"{format_number(self.expected, 2)}, and as much with probability {format_number(self.p_value, 2)})",
            f"{'forecast':>8}  {'came true':>9}  {'interval':<16}  forecasts",
            *(
                f"{format_percent(b.forecast):>8}  {format_percent(b.frequency):>9}  "
                f"{format_interval(b.low, b.high):<16}  {b.n}"
                for b in self.bins
            ),
        ]
        return "\n".join(lines)

    __repr__ = summary


def measure_reliability(
    probability: ArrayLike,
    outcome: ArrayLike,
    groups: ArrayLike | None = None,
    bins: int = BINS,
    bootstrap: int = 1000,
    level: float = 0.9,
    seed: int = 0,
) -> Reliability:
    """Hold probabilities against what came.

    Parameters
    ----------
    probability : array_like (n,)
        0 to 1.
    outcome : array_like (n,)
        Whether it came: 0 or 1.
    groups : array_like (n,), optional
        Clusters, such as base models: forecasts of one are not independent.
    bins : int, default 10
        At most; the same probability is never parted.
    bootstrap : int, default 1000
        Replicates, by clusters; of the same number of turned signs comes what right probabilities would show.
    level : float, default 0.9
        Nominal coverage of intervals.
    seed : int, default 0
        Of the bootstrap.

    Returns
    -------
    Reliability

    Raises
    ------
    InputDataError
        For probabilities outside 0 to 1, outcomes that are not 0 or 1, and columns that differ in length.
    """
    p, y, labels = read_forecasts(probability, outcome, groups)
    check_level(level)
    count, seed = whole(bootstrap, "the number of bootstrap replicates"), whole(seed, "the seed")
    at = _bins(p, whole(bins, "the number of bins"))
    code = np.arange(len(p)) if labels is None else np.unique(labels.astype(str), return_inverse=True)[1]
    error = float(np.abs(np.bincount(at, weights=p - y)).sum() / len(p))
    low = high = expected = p_value = float("nan")
    if count:
        found, right = _noise(p, y, at, code, count, seed)
        # An absolute difference is larger in every sample than in truth: what samples add to it is taken off again.
        ends = 2 * error - np.quantile(found, [(1 + level) / 2, (1 - level) / 2])
        low, high = (float(max(end, 0)) for end in ends)
        expected = float(right.mean())
        p_value = float((1 + np.sum(right >= error)) / (1 + count))
        if p_value > (1 - level) / 2:  # no error at all is among what could be
            low = 0.0
    return Reliability(
        n=len(p),
        clusters=int(code.max()) + 1,
        bins=_bars(p, y, at, labels, level),
        calibration_error=error,
        low=low,
        high=high,
        expected=expected,
        p_value=p_value,
        brier=decompose(p, y, "brier"),
        log=decompose(p, y, "log"),
        level=level,
        seed=seed,
    )


def read_forecasts(
    probability: ArrayLike, outcome: ArrayLike, groups: ArrayLike | None
) -> tuple[Array, Array, Labels | None]:
    """Check probabilities, outcomes and clusters; see `measure_reliability`."""
    p, y = np.atleast_1d(np.asarray(probability, float)), np.atleast_1d(np.asarray(outcome, float))
    labels = None if groups is None else np.atleast_1d(np.asarray(groups)).astype(object)
    if p.ndim != 1 or p.shape != y.shape or not p.size or (labels is not None and labels.shape != p.shape):
        shapes = [p.shape, y.shape, *([] if labels is None else [labels.shape])]
        raise InputDataError(
            f"probabilities, outcomes and groups must be columns of one length, but have shapes {shapes}"
        )
    if not np.all((p >= 0) & (p <= 1)):
        raise InputDataError(
            f"{format_plural(int(np.sum(~((p >= 0) & (p <= 1)))), 'probability value')} of {len(p)} lie outside 0 to 1"
        )
    if not np.all((y == 0) | (y == 1)):
        raise InputDataError("an outcome is 0 or 1: whether it came", hint="Such as score >= threshold.")
    return p, y, labels


def _bins(p: Array, bins: int) -> NDArray[np.int64]:
    """Bin of each forecast, about as many in each; the same probability in one."""
    _, code, count = np.unique(p, return_inverse=True, return_counts=True)
    middle = (np.cumsum(count) - count / 2) / count.sum()
    of_value = np.minimum((middle * max(bins, 1)).astype(np.int64), max(bins, 1) - 1)
    return np.asarray(np.unique(of_value[code], return_inverse=True)[1], np.int64)


def _noise(p: Array, y: Array, at: NDArray[np.int64], code: NDArray[Any], count: int, seed: int) -> tuple[Array, Array]:
    """Calibration errors of samples of clusters, and those were the probabilities right: (count,) each.

    The latter turn the signs of what all forecasts of a cluster are off by, at random (a wild bootstrap).
    """
    clusters, bins = int(code.max()) + 1, int(at.max()) + 1
    off = np.bincount(code * bins + at, weights=p - y, minlength=clusters * bins).reshape(clusters, bins)
    size = np.bincount(code, minlength=clusters)
    sampled, right = [], []
    draw, turn = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(2))
    for start in range(0, count, _BLOCK):
        rows = min(_BLOCK, count - start)
        times = draw.multinomial(clusters, np.full(clusters, 1 / clusters), rows).astype(float)
        sampled.append(np.abs(times @ off).sum(axis=1) / (times @ size))
        signs = np.where(turn.random((rows, clusters)) < 0.5, -1.0, 1.0)
        right.append(np.abs(signs @ off).sum(axis=1) / len(p))
    return np.concatenate(sampled), np.concatenate(right)


def _bars(p: Array, y: Array, at: NDArray[np.int64], labels: Labels | None, level: float) -> tuple[ReliabilityBin, ...]:
    overall, bars = _crowding(y, labels), []
    for k in range(int(at.max()) + 1):
        here = at == k
        frequency, n = float(y[here].mean()), int(here.sum())
        # Where all or none came true, their spread says nothing of how they crowd.
        own = overall if frequency in (0, 1) else _crowding(y[here], None if labels is None else labels[here])
        alone = max(n / own, 1.0)
        low, high = (float(end) for end in proportion_interval(frequency * alone, alone, level))
        bars.append(ReliabilityBin(n, float(p[here].mean()), frequency, low, high))
    return tuple(bars)


def _crowding(y: Array, labels: Labels | None) -> float:
    """How many forecasts of a cluster are worth one that stands alone (the design effect), from 1 on."""
    spread = float(y.mean() * (1 - y.mean()))
    if labels is None or spread == 0:
        return 1.0
    error = clustered_error(y, labels)
    return float(len(y)) if np.isnan(error) else max(1.0, error**2 * len(y) / spread)
