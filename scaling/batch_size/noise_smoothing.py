"""The noise scale as training goes on, by exponential averages."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.batch_size.mean_ratio import MeanRatio, choose_block
from scaling.batch_size.noise_rows import FEWEST_ROWS, as_floats, noise_rows
from scaling.errors import UsageError
from scaling.formatting import format_plural
from scaling.inputs import as_number, check_level

Array = NDArray[np.float64]

_COLUMNS = ("sqnorm_small", "sqnorm_big", "batch_small", "batch_big")


@dataclass(frozen=True, eq=False)
class SmoothedNoiseScale:
    """The noise scale by exponential averages, at every row.

    Parameters
    ----------
    time : ndarray (m,)
        Steps or tokens, at the end of each block of rows.
    estimate, low, high : ndarray (m,)
        Ratio of the two averages and its interval; `high` is inf where it has no upper end, and all of an interval is
        unknown (0 to inf) at the first block.
    level : float
        Nominal coverage, of each row by itself.
    decay : float
        Of one row.
    block_length : int
        Rows averaged before the exponential average, because neighbours are alike.
    n_effective : float
        How many independent rows, or blocks of them, would average as well once the average has run in.
    """

    time: Array
    estimate: Array
    low: Array
    high: Array
    level: float
    decay: float
    block_length: int
    n_effective: float


def smoothed_noise_scale(
    time: ArrayLike,
    sqnorm_small: ArrayLike,
    sqnorm_big: ArrayLike,
    batch_small: ArrayLike,
    batch_big: ArrayLike,
    *,
    decay: float,
    level: float = 0.9,
    block_length: int | None = None,
) -> SmoothedNoiseScale:
    """Follow the noise scale by two exponential averages, of the numerator and of the denominator.

    The averages start at zero and are divided by ``1 - decay**t``, which cancels in their ratio but not in their
    scatter. That comes from the same weights: an average of weights w_i has the variance of a row times the sum of
    their squares.

    Parameters
    ----------
    time : array_like (n,)
        Steps or tokens so far; rows may come in any order.
    sqnorm_small, sqnorm_big, batch_small, batch_big
        As in `noise_scale`.
    decay : float
        Share of the average that a row keeps, in (0, 1); about ``1 / (1 - decay)`` rows count.
    level : float, default 0.9
        Nominal coverage.
    block_length : int, optional
        As in `noise_scale`, chosen once for all rows where missing.

    Returns
    -------
    SmoothedNoiseScale

    Raises
    ------
    InputDataError
        As `noise_scale`.
    UsageError
        For a decay or level outside 0 to 1, or blocks that do not fit into the rows.
    """
    from scipy.signal import lfilter

    check_level(level)
    if not 0 < as_number(decay) < 1:
        raise UsageError(f"a decay lies between 0 and 1, not at {decay}", hint="About h rows count at 1 - 1/h.")
    columns = noise_rows(
        sqnorm_small, sqnorm_big, batch_small, batch_big, also={"time": as_floats(time, "time", dimensions=1)}
    )
    order = np.argsort(columns["time"], kind="stable")
    small, big, b, B, t = (columns[name][order] for name in (*_COLUMNS, "time"))
    rows = np.stack([(small - big) / (1 / b - 1 / B), (B * big - b * small) / (B - b)])
    length = choose_block(rows[0], rows[1])[0] if block_length is None else block_length
    if length < 1 or len(t) // length < FEWEST_ROWS:
        raise UsageError(f"blocks of {length} do not fit into {format_plural(len(t), 'row')} twice")
    count = len(t) // length
    # A remainder is left out at the start, where it matters least at the end.
    blocks = rows[:, len(t) - count * length :].reshape(2, count, length).mean(axis=2)
    kept = decay**length

    def averaged(values: Array) -> Array:
        summed = lfilter([1 - kept], [1, -kept], values, axis=-1)
        return np.asarray(summed / -np.expm1(np.arange(1, count + 1) * math.log(kept)))

    means = averaged(blocks)
    products = averaged(np.stack([blocks[0] ** 2, blocks[1] ** 2, blocks[0] * blocks[1]]))
    scatter = products - np.stack([means[0] ** 2, means[1] ** 2, means[0] * means[1]])
    powers = np.exp(np.arange(1, count + 1) * math.log(kept))
    squares = (1 - kept) / (1 + kept) * (1 + powers) / (1 - powers)  # of weights that sum to 1
    low, high = np.zeros(count), np.full(count, math.inf)
    for k in range(1, count):
        share = squares[k] / (1 - squares[k])
        ratio = MeanRatio(*(float(v) for v in (*means[:, k], *(share * scatter[:, k]))))
        low[k], high[k], _ = ratio.interval(level, max(round(1 / squares[k]) - 1, 1))
    with np.errstate(divide="ignore"):
        estimate = means[0] / means[1]
    ends = t[::-1][: count * length : length][::-1]
    return SmoothedNoiseScale(
        time=ends,
        estimate=estimate,
        low=low,
        high=high,
        level=level,
        decay=decay,
        block_length=length,
        n_effective=float((1 + kept) / (1 - kept)),
    )
