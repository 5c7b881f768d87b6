"""The gradient noise scale: how many samples until their noise is as large as the gradient.

With G the gradient of the expected loss and Sigma the covariance of the gradient of one sample, the squared norm of
the gradient of a batch of B samples is ``|G|**2 + tr(Sigma)/B`` in expectation (McCandlish et al. 2018,
arXiv:1812.06162). Two batch sizes are two equations, so each logged row gives an unbiased estimate of both; the noise
scale is ``tr(Sigma)/|G|**2``. A row's own ratio is biased and may have either sign, so the ratio is taken of the means.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.batch_size.mean_ratio import MeanRatio, choose_block, ratio_of_means
from scaling.batch_size.noise_rows import FEWEST_ROWS, as_floats, noise_rows
from scaling.batch_size.units import check_unit
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_interval, format_number, format_percent, format_plural
from scaling.inputs import as_number, check_level
from scaling.serial import plain

Array = NDArray[np.float64]


@dataclass(frozen=True)
class NoiseScale:
    """A gradient noise scale with its interval.

    Parameters
    ----------
    estimate : float
        ``trace / gradient_sqnorm``, in samples of `unit`. Negative where sampling left one of the two negative.
    low, high : float
        Ends of the interval. `high` is inf where the squared gradient is not told apart from zero; `low` is then still
        a bound where the data give one, and 0 where they give none.
    level : float
        Nominal coverage of the interval.
    standard_error : float
        Of the estimate, to first order; only of use where the interval is bounded.
    method : str
        How the numbers were made, in words.
    n, n_left_out : int
        Rows used, and rows left out because a number was missing or not finite.
    n_negative : int
        Rows whose own estimate of the squared gradient is negative. They count like all others.
    block_length, n_blocks : int
        Rows averaged before their scatter was taken, and how many such blocks there were.
    gradient_sqnorm, trace : float
        Means of the estimates of ``|G|**2`` and of ``tr(Sigma)`` for one sample.
    q : float
        Squared ratio of the half-width of `gradient_sqnorm` to itself; the interval is bounded below 1.
    verdict : {'ok', 'unbounded', 'negative'}
        ``unbounded``: the upper end is infinite. ``negative``: the estimate is.
    reason : str
        The verdict as a sentence.
    unit : str
        Of the estimate: that of the batch sizes.
    """

    estimate: float
    low: float
    high: float
    level: float
    standard_error: float
    method: str
    n: int
    n_left_out: int
    n_negative: int
    block_length: int
    n_blocks: int
    gradient_sqnorm: float
    trace: float
    q: float
    verdict: str
    reason: str
    unit: str

    @property
    def unbounded(self) -> bool:
        """Whether the interval includes infinity."""
        return math.isinf(self.high)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, infinities as text.

        Returns
        -------
        dict of str to object
        """
        table: dict[str, Any] = plain(asdict(self) | {"unbounded": self.unbounded})
        return table

    def __repr__(self) -> str:
        """Write the estimate with its interval, or say what is known instead."""
        level = format_percent(self.level)
        if self.unbounded:
            least = f"at least {format_number(self.low)} {self.unit}" if self.low > 0 else "unbounded on both sides"
            known = f"{least} ({level}; the estimate is {format_number(self.estimate)})"
        else:
            ends = format_interval(self.low, self.high)
            known = f"{format_number(self.estimate)} {self.unit} ({level}: {ends})"
            if self.verdict == "negative":
                known += ", which is no noise scale"
        return f"NoiseScale: {known}, from {format_plural(self.n, 'row')}"


def noise_scale(
    sqnorm_small: ArrayLike,
    sqnorm_big: ArrayLike,
    batch_small: ArrayLike,
    batch_big: ArrayLike,
    level: float = 0.9,
    *,
    block_length: int | None = None,
    jackknife: bool = False,
    unit: str = "samples",
) -> NoiseScale:
    """Estimate the gradient noise scale from squared gradient norms at two batch sizes.

    Parameters
    ----------
    sqnorm_small, sqnorm_big : array_like (n,)
        Squared norm of the gradient of a small and of a big batch, in time order, one row a step. Where the big batch
        consists of small ones, `sqnorm_small` is the mean of their squared norms.
    batch_small, batch_big : int, or array_like (n,)
        Samples in each; one number, or one a row.
    level : float, default 0.9
        Nominal coverage.
    block_length : int, optional
        Rows to average before their scatter is taken, because neighbours are alike. Chosen from the autocorrelation of
        the data where missing; 1 takes all rows as independent.
    jackknife : bool, default False
        Subtract the bias of a ratio, of order 1/n, by leaving out each block once. The interval stays as it is.
    unit : str, default 'samples'
        What the batch sizes count: ``samples``, ``sequences`` or ``tokens``.

    Returns
    -------
    NoiseScale
        With the interval of Fieller (1954, J. R. Stat. Soc. B 16, 175), which knows when a ratio has no upper end.

    Raises
    ------
    InputDataError
        For lengths that differ, negative norms, a small batch that is not smaller, or fewer than two rows.
    UsageError
        For a level outside 0 to 1, or a block length that leaves fewer than two blocks.

    Examples
    --------
    >>> noise_scale([3.1, 2.9, 3.0, 3.2], [1.2, 1.4, 1.3, 1.1], 8, 64, block_length=1)
    NoiseScale: 16.58 samples (90 %: 12 to 24), from 4 rows
    """
    check_level(level)
    check_unit(unit)
    rows = noise_rows(sqnorm_small, sqnorm_big, batch_small, batch_big)
    small, big, b, B = rows.values()
    given = max(np.size(sqnorm_small), np.size(sqnorm_big))
    gradient = (B * big - b * small) / (B - b)
    trace = (small - big) / (1 / b - 1 / B)
    n = len(gradient)
    if block_length is None:
        block, chosen = choose_block(trace, gradient)
    else:
        block, chosen = _block(block_length, n), "as given"
    n_blocks = n // block
    means = ratio_of_means(trace, gradient, n_blocks)
    low, high, q = means.interval(level, n_blocks - 1)
    estimate = means.ratio
    blocks = f"{format_plural(n_blocks, 'block')} of {format_plural(block, 'row')}"
    how = f"ratio of means; Fieller interval with Student's t over {blocks} ({chosen})"
    if jackknife:
        estimate = means.ratio - _jackknife_bias(trace, gradient, n_blocks)
        how += "; bias of the ratio removed by the jackknife"
    verdict, reason = _judge(means, low, high, q, level)
    return NoiseScale(
        estimate=estimate,
        low=low,
        high=high,
        level=level,
        standard_error=means.standard_error,
        method=how,
        n=n,
        n_left_out=given - n,
        n_negative=int(np.sum(gradient < 0)),
        block_length=block,
        n_blocks=n_blocks,
        gradient_sqnorm=means.denominator,
        trace=means.numerator,
        q=q,
        verdict=verdict,
        reason=reason,
        unit=unit,
    )


def noise_scale_of_microbatches(
    sqnorms: ArrayLike,
    mean_sqnorm: ArrayLike,
    batch: ArrayLike,
    level: float = 0.9,
    *,
    block_length: int | None = None,
    jackknife: bool = False,
    unit: str = "samples",
) -> NoiseScale:
    """Estimate the gradient noise scale from the norms of micro-batches and of their mean.

    With k micro-batches of b samples, ``|G|**2`` is estimated by ``(k**2 |mean|**2 - sum |g_i|**2) / (k (k - 1))``: the
    mean product of two different micro-batches. It is what two batch sizes b and k b give, so the rest is as in
    `noise_scale`.

    Parameters
    ----------
    sqnorms : array_like (n, k)
        Squared norm of each micro-batch's gradient, one row a step.
    mean_sqnorm : array_like (n,)
        Squared norm of the mean of their gradients.
    batch : int, or array_like (n,)
        Samples in one micro-batch.
    level, block_length, jackknife, unit
        As in `noise_scale`.

    Returns
    -------
    NoiseScale

    Raises
    ------
    InputDataError
        For norms of one micro-batch alone, or as `noise_scale`.
    """
    each = as_floats(sqnorms, "sqnorms", dimensions=2)
    k = each.shape[1]
    if k < 2:
        raise InputDataError(
            "one micro-batch a step has no scatter; the noise scale needs two or more",
            hint="Log the norm of every device or accumulation step apart.",
        )
    size = as_floats(batch, "batch", dimensions=1)
    return noise_scale(
        each.mean(axis=1), mean_sqnorm, size, k * size, level, block_length=block_length, jackknife=jackknife, unit=unit
    )


def _block(length: int, n: int) -> int:
    """Check a block length that was asked for."""
    number = as_number(length)
    if not 1 <= number < math.inf or number != int(number) or n // int(number) < FEWEST_ROWS:
        raise UsageError(
            f"blocks of {length} among {format_plural(n, 'row')} leave no scatter to measure",
            hint=f"Take a whole number from 1 to {n // FEWEST_ROWS}.",
        )
    return int(number)


def _jackknife_bias(trace: Array, gradient: Array, n_blocks: int) -> float:
    """Bias of the ratio of means, from leaving out each block once."""
    n = len(trace)
    edges = np.linspace(0, n, n_blocks + 1).astype(int)[:-1]
    left = [(column.sum() - np.add.reduceat(column, edges)) for column in (trace, gradient)]
    ratio = float(trace.sum() / gradient.sum())
    return float((n_blocks - 1) * (np.mean(left[0] / left[1]) - ratio))


def _judge(means: MeanRatio, low: float, high: float, q: float, level: float) -> tuple[str, str]:
    """Verdict on a noise scale, and the sentence that says why."""
    sure = format_percent(level)
    floor = f"it is at least {format_number(low)} at {sure}" if low > 0 else "the data bound it on neither side"
    if means.denominator <= 0 and q < 1:
        reason = (
            f"the squared gradient is negative beyond what sampling explains at {sure}: are the batch sizes swapped, "
            "the norms not squared, or the gradients summed and not averaged?"
        )
        return "negative", reason
    if means.denominator <= 0:
        return (
            "negative",
            f"the squared gradient came out negative by sampling, so the estimate is no noise scale; {floor}",
        )
    if means.numerator < 0:
        if high < 0:
            reason = (
                f"the big batches have the larger gradients, beyond what sampling explains at {sure}: are the columns "
                "swapped, or the gradients summed and not averaged?"
            )
        else:
            most = floor if math.isinf(high) else f"it is at most {format_number(high)} at {sure}"
            reason = f"the noise came out negative by sampling, so the estimate is no noise scale; {most}"
        return "negative", reason
    if math.isinf(high):
        reason = (
            f"the squared gradient is not told apart from zero at {sure}, so the noise scale has no upper end; {floor}"
        )
        return "unbounded", reason
    return "ok", f"the squared gradient is told apart from zero at {sure}, so the noise scale is bounded"
