"""What a decision that rests on a loss(N, D) law returns, and what all of them have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.allocation.cost import CostModel
from scaling.bands import replicate_interval
from scaling.errors import UsageError
from scaling.formatting import format_factor
from scaling.results import Fit
from scaling.verdicts import EXTRAPOLATING, NOT_IDENTIFIED

Array = NDArray[np.float64]
ABOVE, BELOW, BESIDE, WITHIN = "above", "below", "beside", "within"
_INSIDE = 1.05  # a factor that nobody would call an extrapolation


@dataclass(frozen=True)
class Estimate:
    """A number for each question, with its interval.

    Parameters
    ----------
    point : ndarray (m,)
        At the estimates of the fit; infinite where the answer is "never".
    low, high : ndarray (m,)
        Percentiles over the replicates; NaN without any.
    """

    point: Array
    low: Array
    high: Array

    @classmethod
    def of(cls, values: Array, level: float) -> Estimate:
        """Make one of values at the estimates (first row) and at the replicates (the others)."""
        return cls(values[0], *replicate_interval(values[1:], level))


@dataclass(frozen=True)
class Decision:
    """Answers to one question, a row each.

    Parameters
    ----------
    question : str
        What was asked, in words.
    given : dict of str to ndarray (m,)
        What was known.
    found : dict of str to Estimate
        What follows.
    cost, counts : str
        The cost model, and which parameters its N counts.
    level : float
        Nominal coverage of the intervals.
    method : str
        How they were made.
    extrapolation_factor : ndarray (m,)
        How far beyond the data the answer lies; 1 is inside, NaN where there is no finite answer.
    beyond : tuple of str
        ``within`` the data, ``above`` or ``below`` them, or ``beside`` (an unusual pair of ordinary sizes).
    never_share : ndarray (m,)
        Share of the replicates that say "never"; NaN without replicates.
    verdict : str
        That of the fit, or ``extrapolating x37``.
    notes : tuple of str
        Sentences for the reader.
    """

    question: str
    given: dict[str, Array]
    found: dict[str, Estimate]
    cost: str
    counts: str
    level: float
    method: str
    extrapolation_factor: Array
    beyond: tuple[str, ...]
    never_share: Array
    verdict: str
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Estimate:
        return self.found[name]

    def rows(self) -> list[dict[str, Any]]:
        """Return one dict a question, with ``x``, ``x_low`` and ``x_high`` for everything found."""
        out = []
        for i in range(len(self.extrapolation_factor)):
            row: dict[str, Any] = {name: float(values[i]) for name, values in self.given.items()}
            for name, e in self.found.items():
                ends = ((name, e.point), (f"{name}_low", e.low), (f"{name}_high", e.high))
                row |= {key: float(values[i]) for key, values in ends}
            row["extrapolation_factor"] = float(self.extrapolation_factor[i])
            row["beyond"] = self.beyond[i]
            row["replicates_never"] = float(self.never_share[i])
            out.append(row)
        return out


def decide(
    question: str,
    fit: Fit,
    cost: CostModel,
    level: float,
    given: Mapping[str, Array],
    found: Mapping[str, Array],
    at: tuple[Array, Array],
    never: NDArray[np.bool_],
    notes: tuple[str, ...] = (),
) -> Decision:
    """Bring what was worked out at the estimates and the replicates into a `Decision`.

    Parameters
    ----------
    question : str
        What was asked.
    fit : Fit
        The law.
    cost : CostModel
        What was counted.
    level : float
        Nominal coverage.
    given : mapping of str to ndarray (m,)
        What was known.
    found : mapping of str to ndarray (1 + B, m)
        What follows, the estimates first.
    at : tuple of ndarray (m,)
        N and D of the answer, whose distance from the data counts.
    never : ndarray of bool (1 + B, m)
        Where there is no finite answer.
    notes : tuple of str
        Sentences for the reader.

    Returns
    -------
    Decision
    """
    factor, beyond, verdict = reach(fit, *at)
    return Decision(
        question=question,
        given=dict(given),
        found={name: Estimate.of(values, level) for name, values in found.items()},
        cost=cost.label,
        counts=cost.counts,
        level=level,
        method=interval_method(fit),
        extrapolation_factor=factor,
        beyond=beyond,
        never_share=np.mean(never[1:], axis=0) if len(fit.replicates) else np.full(len(factor), np.nan),
        verdict=verdict,
        notes=notes,
    )


def reach(fit: Fit, n_params: Array, n_tokens: Array) -> tuple[Array, tuple[str, ...], str]:
    """Tell how far models lie beyond the data, on which side, and the verdict that follows."""
    finite = np.isfinite(n_params) & np.isfinite(n_tokens)
    n, d = np.where(finite, n_params, 1.0), np.where(finite, n_tokens, 1.0)
    factor = np.where(finite, fit.extrapolation_factor({"N": n, "D": d}), np.nan)
    low, high = fit.support["6*N*D"]
    compute = 6 * n * d
    with np.errstate(invalid="ignore"):
        outside = np.where(compute > high, ABOVE, np.where(compute < low, BELOW, BESIDE))
        beyond = tuple(np.where(finite & ~(factor >= _INSIDE), WITHIN, np.where(finite, outside, ABOVE)).tolist())
        worst = float(np.nanmax(factor)) if np.any(finite) else float("nan")
    if fit.verdict == NOT_IDENTIFIED or not worst >= _INSIDE:
        return factor, beyond, fit.verdict
    downward = " downward" if beyond[int(np.nanargmax(factor))] == BELOW else ""
    return factor, beyond, f"{EXTRAPOLATING} {format_factor(worst)}{downward}"


def interval_method(fit: Fit) -> str:
    """Say how intervals of what follows from a fit are made."""
    return fit.interval_method if len(fit.replicates) else "none: the fit has no bootstrap replicates"


def positive(values: ArrayLike, what: str) -> Array:
    """Read numbers above 0, as an array of one dimension.

    Raises
    ------
    UsageError
        For anything else.
    """
    try:
        numbers = np.atleast_1d(np.asarray(values, float))
    except (TypeError, ValueError) as error:
        raise UsageError(f"{what} is not a number: {error}") from error
    if numbers.ndim != 1 or not numbers.size or not np.all(np.isfinite(numbers) & (numbers > 0)):
        raise UsageError(f"{what} must be a number above 0, or several")
    return numbers


def together(first: Array, second: Array, what: str) -> tuple[Array, Array]:
    """Bring two lists to one length; one of a single number goes with every one of the other.

    Raises
    ------
    UsageError
        Where that is not possible.
    """
    if len(first) != len(second) and 1 not in (len(first), len(second)):
        raise UsageError(f"there are {len(first)} and {len(second)} of {what}", hint="Give as many of both, or one.")
    first, second = np.broadcast_arrays(first, second)
    return np.array(first), np.array(second)
