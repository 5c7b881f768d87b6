"""Whether scores rise with compute, where many models share the same compute.

The share of neighbours that fall when models are sorted by compute says little here: with ties sorted by score it
cannot exceed (distinct values of compute - 1)/(models - 1), and shuffled scores come close to that bound as well. So
models of equal compute are summed up first, and what is said of them is held against shuffled scores.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.shift.checks import check_settings, numbers, shares, usable
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_interval, format_number, format_plural
from scaling.serial import plain

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

ERROR_RATE = 0.05
_SAME_COMPUTE = 1e-6  # orders of magnitude
_FEWEST = 4  # distinct values of compute


@dataclass(frozen=True)
class Monotonicity:
    """How far scores rise with compute.

    Parameters
    ----------
    n, n_compute : int
        Models, and distinct values of compute.
    statistic : str
        What stands for the models of one compute.
    tau, tau_shuffled, tau_low, tau_high, tau_p : float
        Kendall's tau-b of compute and that statistic; mean and interval of it for shuffled scores; chance that shuffled
        scores reach it.
    isotonic_r2, isotonic_shuffled, isotonic_low, isotonic_high, isotonic_p : float
        Share of the variance between values of compute that a rising step function explains (weighted by models), and
        the same for shuffled scores, which is above 0 because such a function bends to chance.
    isotonic_adjusted : float
        The share beyond what shuffled scores give, of what there was to gain: 0 for shuffled scores on average, 1 for
        scores that only rise.
    level, permutations, seed
        Settings.
    left_out : dict of str to int
        Rows that could not be used, by reason.
    notes : tuple of str
        What was done to the numbers.
    """

    n: int
    n_compute: int
    statistic: str
    tau: float
    tau_shuffled: float
    tau_low: float
    tau_high: float
    tau_p: float
    isotonic_r2: float
    isotonic_shuffled: float
    isotonic_low: float
    isotonic_high: float
    isotonic_p: float
    isotonic_adjusted: float
    level: float
    permutations: int
    seed: int
    left_out: dict[str, int]
    notes: tuple[str, ...]

    @property
    def rises(self) -> bool:
        """Whether a rise with compute can be told."""
        return self.tau_p <= ERROR_RATE

    @property
    def verdict(self) -> str:
        """What was found, in a sentence."""
        told = (
            f"tau-b {format_number(self.tau, 3)} over {format_plural(self.n_compute, 'value')} of compute "
            f"(shuffled {format_interval(self.tau_low, self.tau_high)}, p = {format_number(self.tau_p, 2)}), isotonic "
            f"R2 {format_number(self.isotonic_adjusted, 3)} beyond chance"
        )
        return f"Scores rise with compute: {told}." if self.rises else f"No rise with compute can be told: {told}."

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        out: dict[str, Any] = plain(asdict(self) | {"verdict": self.verdict, "rises": self.rises})
        return out

    def __repr__(self) -> str:
        return self.summary()

    def summary(self) -> str:
        """Return the measurement as a report in plain text."""
        lines = [
            self.verdict,
            f"{format_plural(self.n, 'model')}, the {self.statistic} of those of equal compute; isotonic R2 "
            f"{format_number(self.isotonic_r2, 3)}, shuffled {format_number(self.isotonic_shuffled, 3)} "
            f"({format_interval(self.isotonic_low, self.isotonic_high)}), p = {format_number(self.isotonic_p, 2)}",
            f"{format_plural(self.permutations, 'shuffle')} of the scores, seed {self.seed}",
        ]
        lines += [f"left out: {count} ({reason})" for reason, count in self.left_out.items()]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def measure_monotonicity(
    log10_compute: ArrayLike,
    score: ArrayLike,
    *,
    statistic: str | float = "mean",
    level: float = 0.95,
    permutations: int = 1000,
    seed: int = 0,
) -> Monotonicity:
    """Measure how far scores rise with compute, models of equal compute summed up.

    Parameters
    ----------
    log10_compute : array_like (n,)
        Of FLOP.
    score : array_like (n,)
        Shares, or per cent.
    statistic : {'mean', 'median', 'max'} or float
        What stands for the models of one compute; a number between 0 and 1 is a quantile. The largest of many is larger
        than the largest of few whatever the compute, which the shuffled scores show.
    level : float, default 0.95
        Of the interval of shuffled scores.
    permutations : int, default 1000
        Shuffles of the scores over all models.
    seed : int, default 0
        Of them.

    Returns
    -------
    Monotonicity

    Raises
    ------
    InputDataError
        For columns that cannot be used, fewer than four values of compute, or scores that are all equal.
    UsageError
        For settings that mean nothing.
    """
    from scipy.stats import kendalltau

    check_settings(level, permutations, seed)
    quantile, name = _quantile(statistic)
    values, note = shares(score, "score")
    cleaned = usable({"log10_compute": numbers(log10_compute, "log10_compute"), "score": values}, (note,))
    rounded = np.round(cleaned.columns["log10_compute"] / _SAME_COMPUTE)
    levels, code = np.unique(rounded, return_inverse=True)
    y = cleaned.columns["score"]
    if len(levels) < _FEWEST or np.ptp(y) == 0:
        raise InputDataError(
            f"{format_plural(len(levels), 'value')} of compute and scores from {y.min():g} to {y.max():g} say nothing "
            "of a rise",
            hint=f"There should be {_FEWEST} values of compute, and scores that differ.",
        )
    generator = np.random.default_rng(np.random.SeedSequence(seed))
    order = np.argsort(generator.random((permutations, len(y))), axis=1)
    scores = np.vstack([y, y[order]])
    weight = np.bincount(code).astype(float)
    grouped = _by_level(scores, code.astype(np.int64), weight, quantile)
    # a statistic of groups that does not vary is no rise: 0 rather than not a number
    tau = np.array([kendalltau(levels, row).statistic if np.ptp(row) > 0 else 0.0 for row in grouped])
    r2 = np.array([_isotonic(row, weight) for row in grouped])
    tau_low, tau_high = np.quantile(tau[1:], [(1 - level) / 2, (1 + level) / 2])
    low, high = np.quantile(r2[1:], [(1 - level) / 2, (1 + level) / 2])
    usual = float(r2[1:].mean())
    return Monotonicity(
        n=len(y),
        n_compute=len(levels),
        statistic=name,
        tau=float(tau[0]),
        tau_shuffled=float(tau[1:].mean()),
        tau_low=float(tau_low),
        tau_high=float(tau_high),
        tau_p=float((1 + np.sum(tau[1:] >= tau[0] - 1e-12)) / (permutations + 1)),
        isotonic_r2=float(r2[0]),
        isotonic_shuffled=usual,
        isotonic_low=float(low),
        isotonic_high=float(high),
        isotonic_p=float((1 + np.sum(r2[1:] >= r2[0] - 1e-12)) / (permutations + 1)),
        isotonic_adjusted=(float(r2[0]) - usual) / (1 - usual) if usual < 1 else math.nan,
        level=level,
        permutations=permutations,
        seed=seed,
        left_out=cleaned.left_out,
        notes=cleaned.notes,
    )


def _quantile(statistic: str | float) -> tuple[float | None, str]:
    """Quantile that a statistic is (None for the mean), and its name."""
    names = {"mean": None, "median": 0.5, "max": 1.0}
    if isinstance(statistic, str) and statistic in names:
        return names[statistic], statistic
    if isinstance(statistic, float | int) and 0 < statistic <= 1:
        return float(statistic), f"{statistic:g} quantile"
    raise UsageError(f"'{statistic}' does not sum up models", hint="Use mean, median, max or a number between 0 and 1.")


def _by_level(scores: Array, code: Codes, weight: Array, quantile: float | None) -> Array:
    """Sum up rows of scores (k, n) by compute, shape (k, levels)."""
    order = np.argsort(code, kind="stable")
    starts = np.concatenate([[0], np.cumsum(weight)[:-1]]).astype(int)
    table = scores[:, order]
    if quantile is None:
        return np.asarray(np.add.reduceat(table, starts, axis=1) / weight)
    parts = np.split(table, starts[1:], axis=1)
    return np.column_stack([np.quantile(part, quantile, axis=1) for part in parts])


def _isotonic(values: Array, weight: Array) -> float:
    """Share of the variance of values that the best rising step function explains, weights and all."""
    from scipy.optimize import isotonic_regression

    mean = float(np.average(values, weights=weight))
    total = float(weight @ (values - mean) ** 2)
    if total <= 0:
        return 0.0
    fitted = isotonic_regression(values, weights=weight).x
    return 1 - float(weight @ (values - fitted) ** 2) / total
