"""The published test of a shift: least squares of clipped logits at one cutoff, the cutoff's side permuted.

As arXiv:2602.15327 does it: ``logit(B) = a + b logit(A) + gamma [date >= cutoff]``, on models whose A lies where both
sides of the cutoff have some, with the sides permuted among models of similar A.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputDataError

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

EPSILON = 1e-6
BINS = 10


@dataclass(frozen=True)
class LogitShift:
    """A line through logits, with a step.

    Parameters
    ----------
    n_before, n_after : int
        Models on each side.
    intercept, slope, gamma : float
        a, b and the step, in logits.
    gamma_error : float
        Standard error of the step, as if models were independent.
    r2 : float
        Share of the variance of logit(B).
    p, null_mean, null_sd : float
        Of the step under permutation; the mean is not 0 where models after the cutoff have a larger A even within bins
        of A. NaN where nothing was permuted.
    """

    n_before: int
    n_after: int
    intercept: float
    slope: float
    gamma: float
    gamma_error: float
    r2: float
    p: float = math.nan
    null_mean: float = math.nan
    null_sd: float = math.nan


def logit(share: Array, epsilon: float) -> Array:
    """Return log-odds of shares clipped to ``[epsilon, 1 - epsilon]``."""
    clipped = np.clip(share, epsilon, 1 - epsilon)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


def support(x: Array, after: Mask) -> Mask:
    """Say which rows lie in the range that x has on both sides.

    Parameters
    ----------
    x : ndarray (n,)
        What is compared at equal values.
    after : ndarray of bool (n,)
        The side.

    Returns
    -------
    ndarray of bool (n,)
    """
    if after.all() or not after.any():
        return np.zeros(len(x), bool)
    low = max(x[after].min(), x[~after].min())
    high = min(x[after].max(), x[~after].max())
    return np.asarray((x >= low) & (x <= high))


def quantile_bins(x: Array, bins: int = BINS) -> NDArray[np.int64]:
    """Number the bins of equal count that values fall into; equal values share a bin."""
    edges = np.unique(np.quantile(x, np.linspace(0, 1, bins + 1)))
    return np.clip(np.searchsorted(edges, x, side="right") - 1, 0, max(len(edges) - 2, 0)).astype(np.int64)


def shuffles_within(bins: NDArray[np.int64], permutations: int, seed: int) -> NDArray[np.int64]:
    """Orders (permutations, n) that move rows within their bin only."""
    generator = np.random.default_rng(np.random.SeedSequence(seed))
    sorted_rows = np.argsort(bins, kind="stable")
    out = np.empty((permutations, len(bins)), np.int64)
    out[:, sorted_rows] = np.argsort(generator.random((permutations, len(bins))) + bins, axis=1)
    return out


def logit_shift(
    share_a: Array,
    share_b: Array,
    after: Mask,
    *,
    epsilon: float = EPSILON,
    permutations: int = 0,
    seed: int = 0,
    common_support: bool = True,
) -> LogitShift:
    """Fit a step between clipped logits of two benchmarks.

    Parameters
    ----------
    share_a, share_b : ndarray (n,)
        Scores on the benchmark that predicts, and on the one predicted.
    after : ndarray of bool (n,)
        Whether a model came at the cutoff or later.
    epsilon : float, default 1e-6
        Distance from 0 and 1 that scores are clipped to.
    permutations : int, default 0
        Of the side within 10 bins of A; none gives no p-value.
    seed : int, default 0
        Of them.
    common_support : bool, default True
        Whether to keep only models whose A lies where both sides have some.

    Returns
    -------
    LogitShift
        p is one-sided, for a step upwards.

    Raises
    ------
    InputDataError
        Where fewer than four models are left, or one side, or one value of A.
    """
    x, y = logit(share_a, epsilon), logit(share_b, epsilon)
    rows = support(x, after) if common_support else np.ones(len(x), bool)
    x, y, side = x[rows], y[rows], after[rows].astype(float)
    if len(x) < 4 or side.min() == side.max() or np.ptp(x) == 0:
        raise InputDataError(
            f"of {len(after)} models {len(x)} lie where both sides of the cutoff have some, {int(side.sum())} of them "
            "after it, too few for a step",
            hint="Choose another cutoff.",
        )
    base = np.column_stack([np.ones(len(x)), x])
    design = np.column_stack([base, side])
    coefficients, *_ = np.linalg.lstsq(design, y, rcond=None)
    residual = y - design @ coefficients
    variance = float(residual @ residual) / (len(x) - 3) * np.linalg.pinv(design.T @ design)
    total = float(np.sum((y - y.mean()) ** 2))
    out = LogitShift(
        n_before=int(len(side) - side.sum()),
        n_after=int(side.sum()),
        intercept=float(coefficients[0]),
        slope=float(coefficients[1]),
        gamma=float(coefficients[2]),
        gamma_error=math.sqrt(max(variance[2, 2], 0.0)),
        r2=1 - float(residual @ residual) / total if total > 0 else math.nan,
    )
    if not permutations:
        return out
    shuffled = side[shuffles_within(quantile_bins(x), permutations, seed)].T
    hat, *_ = np.linalg.lstsq(base, np.column_stack([shuffled, y]), rcond=None)
    left, target = shuffled - base @ hat[:, :-1], y - base @ hat[:, -1]
    length = np.sum(left**2, axis=0)
    steps = np.where(length > 1e-12, target @ left / np.maximum(length, 1e-300), 0.0)  # the step by Frisch and Waugh
    p = (1 + int(np.sum(steps >= out.gamma - 1e-12))) / (permutations + 1)
    null = {"p": p, "null_mean": float(steps.mean()), "null_sd": float(steps.std(ddof=1))}
    return LogitShift(**(out.__dict__ | null))
