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
from scaling.prediction import Prediction
from scaling.results import Fit
from scaling.verdicts import EXTRAPOLATING, NOT_IDENTIFIED, OK, WEAK
from scaling.width import axis_factor

Array = NDArray[np.float64]
Ends = tuple[Array, Array]
ABOVE, BELOW, BESIDE, WITHIN = "above", "below", "beside", "within"
_INSIDE = 1.05  # a factor that nobody would call an extrapolation
_NO_MODEL = "No back-test is possible: the answer is no model of finite size."
_BELOW = "No back-test is possible below the data: the largest runs are held out, and never the smallest."


@dataclass(frozen=True)
class Estimate:
    """A number for each question, with its interval.

    Parameters
    ----------
    point : ndarray (m,)
        At the estimates of the fit; infinite where the answer is "never".
    low, high : ndarray (m,)
        Percentiles over the replicates; NaN without any. Of a loss, as `Decision.loss_method` says.
    """

    point: Array
    low: Array
    high: Array

    @classmethod
    def of(cls, values: Array, level: float) -> Estimate:
        """Make one of values at the estimates (first row) and at the replicates (the others).

        `level` is that at which percentiles are taken: `scaling.Fit.percentile_level`.
        """
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
        How they were made, but for that of the loss, and what they leave out.
    extrapolation_factor : ndarray (m,)
        How far beyond the data the answer lies; 1 is inside, NaN where there is no finite answer.
    beyond : tuple of str
        ``within`` the data, ``above`` or ``below`` them, or ``beside`` (an unusual pair of ordinary sizes).
    never_share : ndarray (m,)
        Share of the replicates that say "never"; NaN without replicates.
    verdict : str
        That of the fit, at least ``weak`` where there are `reasons`; or ``extrapolating x37``.
    notes : tuple of str
        Sentences for the reader.
    loss_method : str
        How the interval of the loss was made; empty where no loss was asked for.
    backtest : tuple of str (m,)
        What the back-test says about forecasts as far out as each answer, or why it says nothing.
    reasons : tuple of str
        Why the answer is weak, whatever the fit is.
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
    loss_method: str = ""
    backtest: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

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
            row |= {"loss_method": self.loss_method} if self.loss_method else {}
            row |= {"backtest": self.backtest[i], "reasons": list(self.reasons)}
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
    *,
    losses: Mapping[str, tuple[Array, Array]] | None = None,
    reasons: tuple[str, ...] = (),
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
    losses : mapping of str to tuple of ndarray (m,), optional
        N and D of those found that are losses of models: their intervals are those of the forecast there.
    reasons : tuple of str
        Why the answer is weak.

    Returns
    -------
    Decision
    """
    factor, beyond, verdict = reach(fit, *at, reasons)
    at_level = fit.percentile_level(level)
    estimates = {name: Estimate.of(values, at_level) for name, values in found.items()}
    method, loss_method = interval_method(fit), interval_method(fit) if losses else ""
    if fit.backtest is not None or fit.rivals:
        method += "; without the errors of form and back-test"
        for name, model in (losses or {}).items():
            ends, loss_method = curve_interval(fit, *model, level)
            estimates[name] = Estimate(estimates[name].point, *ends)
    sizes = [
        np.where(np.isfinite(at[0] * at[1]), x, y) for x, y in zip(at, (losses or {}).get("loss", at), strict=True)
    ]
    return Decision(
        question=question,
        given=dict(given),
        found=estimates,
        cost=cost.label,
        counts=cost.counts,
        level=level,
        method=method,
        extrapolation_factor=factor,
        beyond=beyond,
        never_share=np.mean(never[1:], axis=0) if len(fit.replicates) else np.full(len(factor), np.nan),
        verdict=verdict,
        notes=notes,
        loss_method=loss_method,
        backtest=quoted_backtest(fit, *sizes),
        reasons=reasons,
    )


def curve_interval(fit: Fit, n_params: Array, n_tokens: Array, level: float) -> tuple[Ends, str]:
    """Return the interval of the law's curve at models (m,), as `Fit.predict` forecasts it, and how it was made."""
    forecast = fit.predict({"N": n_params, "D": n_tokens}, level=level, kind="curve", force=True)
    return (forecast.low, forecast.high), forecast.method


def quoted_backtest(fit: Fit, n_params: Array, n_tokens: Array) -> tuple[str, ...]:
    """Say of each model (m,) what the back-test says about forecasts as far out, or why it says nothing."""
    if fit.backtest is None:
        return (Prediction.backtest,) * len(n_params)
    finite = np.isfinite(n_params) & np.isfinite(n_tokens)
    n, d = np.where(finite, n_params, 1.0), np.where(finite, n_tokens, 1.0)
    factor = np.maximum(axis_factor(fit, fit.backtest, {"N": n, "D": d}), 1.0)
    below = 6 * n * d * _INSIDE < fit.support["6*N*D"][0]
    return tuple(
        _NO_MODEL if not there else _BELOW if small else fit.backtest.sentence(x)
        for there, small, x in zip(finite, below, factor.tolist(), strict=True)
    )


def reach(
    fit: Fit, n_params: Array, n_tokens: Array, reasons: tuple[str, ...] = ()
) -> tuple[Array, tuple[str, ...], str]:
    """Tell how far models lie beyond the data, on which side, and the verdict that follows; weak with `reasons`."""
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
        return factor, beyond, WEAK if reasons and fit.verdict == OK else fit.verdict
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
