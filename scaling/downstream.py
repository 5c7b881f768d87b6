"""From compute to task error by way of the loss: one law forecasts the loss, another the error at that loss.

The chain of Gadre et al. 2024, arXiv:2403.08540. Replicate i of the first fit goes with replicate i of the second, so
the interval holds the uncertainty of both; fits with the same groups, seed and rows move together, others
independently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import UsageError
from scaling.fitting.compile import Data, compile_law
from scaling.fitting.intervals import percentile_interval
from scaling.formatting import format_factor
from scaling.inputs import check_inputs, check_level
from scaling.results import Fit
from scaling.verdicts import NOT_IDENTIFIED, WEAK

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ChainedPrediction:
    """A forecast of the error on tasks, with the loss that it rests on.

    Parameters
    ----------
    mean, low, high : float or ndarray (m,)
        The error, in the unit of the second law, and its interval; NaN where one of the fits has no replicates.
    loss, loss_low, loss_high : float or ndarray (m,)
        The loss in between.
    level : float
        Nominal coverage.
    kind : {'run', 'curve'}
        Whether the interval is for a new run, or for the laws' own curves.
    extrapolation_factor : float or ndarray (m,)
        How far beyond its data the first law is used.
    loss_extrapolation_factor : float or ndarray (m,)
        How far the loss lies beyond those that the second law was fitted to; an error at a loss that no model of the
        data reached is the weakest link of the chain.
    method : str
        How the interval was made.
    verdict : str
        The worse one of the two fits, or ``extrapolating x37``.
    """

    mean: Any
    low: Any
    high: Any
    loss: Any
    loss_low: Any
    loss_high: Any
    level: float
    kind: str
    extrapolation_factor: Any
    loss_extrapolation_factor: Any
    method: str
    verdict: str


def chain(
    loss_fit: Fit,
    error_fit: Fit,
    target: Mapping[str, ArrayLike],
    level: float = 0.95,
    kind: str = "run",
    seed: int = 0,
    force: bool = False,
) -> ChainedPrediction:
    """Forecast the error on tasks.

    Parameters
    ----------
    loss_fit : Fit
        Of a law of the loss, such as ``gadre`` or ``chinchilla``.
    error_fit : Fit
        Of a law with the loss as its one input, such as ``downstream_error``, fitted to observed losses on the same
        text.
    target : mapping of str to float or array_like (m,)
        Inputs of the first law.
    level : float, default 0.95
        Nominal coverage.
    kind : {'run', 'curve'}, default 'run'
        ``curve``: the parameters of both laws. ``run``: also the scatter of single runs, in the loss and in the error
        at a loss: each replicate takes a residual of either fit at random, widened for the parameters that were fitted.
    seed : int, default 0
        Of that choice.
    force : bool, default False
        Answer even where a verdict is ``not identified``.

    Returns
    -------
    ChainedPrediction
        Floats where all inputs are scalars.

    Raises
    ------
    UsageError
        Where the second law has more than one input, or for an impossible level or kind.
    VerdictError
        Where a law is not identified and `force` is not set.
    InputDataError
        For bad inputs.

    References
    ----------
    Gadre et al. 2024, arXiv:2403.08540.
    """
    check_level(level)
    if kind not in ("run", "curve"):
        raise UsageError(f"there is no kind of prediction '{kind}'", hint="There are: run, curve.")
    if len(error_fit.law.inputs) != 1:
        raise UsageError(
            f"the law '{error_fit.law.name}' has the inputs {', '.join(error_fit.law.inputs)}, not the loss alone",
            hint="Fit a law of one loss, such as downstream_error.",
        )
    loss_fit.require_identified(force)
    error_fit.require_identified(force)
    values = check_inputs(loss_fit.law, target)
    loss = loss_fit.evaluate(values)[0]
    error = _error(error_fit, loss[None], error_fit.theta[None])[0]
    count = min(len(loss_fit.replicates), len(error_fit.replicates))
    if count:
        losses = loss_fit.evaluate(values, loss_fit.replicates[:count])
        generators = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2)]
        if kind == "run":
            losses = _scatter(loss_fit, losses, generators[0])
        errors = _error(error_fit, losses, error_fit.replicates[:count])
        if kind == "run":
            errors = _scatter(error_fit, errors, generators[1])
        (loss_low, loss_high), (low, high) = (percentile_interval(v, level) for v in (losses, errors))
        what = f"parameters and scatter of the runs, seed {seed}" if kind == "run" else "parameters"
        method = f"{what}; percentile of {count} pairs of replicates of both fits"
    else:
        low = high = loss_low = loss_high = np.full(len(loss), np.nan)
        method = "none: both fits need bootstrap replicates"
    factor = loss_fit.extrapolation_factor(values)
    loss_factor = error_fit.extrapolation_factor({next(iter(error_fit.law.inputs)): loss})
    scalar = all(np.ndim(v) == 0 for v in target.values())

    def shape(column: Array) -> Any:
        return float(column[0]) if scalar else column

    return ChainedPrediction(
        shape(error), shape(low), shape(high), shape(loss), shape(loss_low), shape(loss_high), level, kind,
        shape(factor), shape(loss_factor), method,
        _verdict(loss_fit, error_fit, max(float(factor.max()), float(loss_factor.max()))),
    )  # fmt: skip


def check_loss_input(fit: Fit, columns: Mapping[str, str] | None = None) -> None:
    """Refuse a law whose one input is not a loss.

    Parameters
    ----------
    fit : Fit
        The second law of a chain.
    columns : mapping of str to str, optional
        What each input was read from; a column of a loss makes an input of any name a loss.

    Raises
    ------
    UsageError
        Where the law has several inputs, or its input is neither in nats nor named or read as a loss.
    """
    names = list(fit.law.inputs)
    if len(names) == 1:
        [name] = names
        words = f"{fit.law.inputs[name]} {(columns or {}).get(name, '')}".lower()
        if name in ("L", "loss") or "nats" in words or "loss" in words:
            return
    raise UsageError(
        f"the law '{fit.law.name}' has the {'input' if len(names) == 1 else 'inputs'} {', '.join(names)}, "
        "not a loss alone",
        hint="Chain to a fit of a law of one loss, such as downstream_error.",
    )


def _error(fit: Fit, losses: Array, theta: Array) -> Array:
    """Work the second law out at losses (B, m) with parameters (B, p): row i with row i."""
    kernel = compile_law(fit.law, fit.log_scaled)
    with np.errstate(all="ignore"):
        column = np.log(losses) if all(kernel.log_inputs.values()) else losses
    return kernel.value(kernel.to_internal(theta), Data((column,), np.empty((0, 0))))


def _scatter(fit: Fit, values: Array, rng: np.random.Generator) -> Array:
    """Move each row of values by a residual drawn at random, as far as a new run lies from the curve."""
    n, p = len(fit.residuals), len(fit.theta)
    if n <= p:
        return np.full_like(values, np.nan)
    drawn = rng.choice(fit.residuals, size=(len(values), 1)) * np.sqrt(n / (n - p))
    return np.asarray(values * np.exp(drawn) if fit.objective.residual == "log" else values + drawn)


def _verdict(first: Fit, second: Fit, factor: float) -> str:
    verdicts = {first.verdict, second.verdict}
    if NOT_IDENTIFIED in verdicts:
        return NOT_IDENTIFIED
    if factor >= 1.05:
        return f"extrapolating {format_factor(factor)}"
    return WEAK if WEAK in verdicts else "ok"
