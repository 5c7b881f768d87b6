"""Forecast from a fit: the law at its estimates, an interval, and how far beyond the data that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.fitting.compile import compile_law
from scaling.fitting.intervals import percentile_interval, residual_interval, t_quantile
from scaling.formatting import format_factor
from scaling.inputs import check_inputs, check_level
from scaling.verdicts import NOT_IDENTIFIED

if TYPE_CHECKING:
    from scaling.results import Fit

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Prediction:
    """What a law says about inputs.

    Parameters
    ----------
    mean : float or ndarray
        The law at its estimates.
    low, high : float or ndarray
        The interval.
    level : float
        Its nominal coverage.
    kind : {'run', 'curve'}
        Whether it is for the outcome of a new run, or for the law's own curve.
    extrapolation_factor : float or ndarray
        How far beyond the data; 1 is inside.
    method : str
        How the interval was made.
    verdict : str
        That of the fit, or ``extrapolating x37``.
    """

    mean: Any
    low: Any
    high: Any
    level: float
    kind: str
    extrapolation_factor: Any
    method: str
    verdict: str


def predict(fit: Fit, inputs: Mapping[str, ArrayLike], level: float, kind: str, force: bool) -> Prediction:
    """Forecast; see `scaling.results.Fit.predict`, whose work this is."""
    check_level(level)
    if kind not in ("run", "curve"):
        raise UsageError(f"there is no kind of prediction '{kind}'", hint="There are: run, curve.")
    fit.require_identified(force)
    scalar = all(np.ndim(v) == 0 for v in inputs.values())
    log = fit.objective.residual == "log"
    values = check_inputs(fit.law, inputs)
    mean = fit.evaluate(values)[0]
    centre = _scale(fit, mean)
    if len(fit.replicates):
        spread = _scale(fit, fit.evaluate(values, fit.replicates))
        low, high = percentile_interval(spread, level)
        down, up = np.maximum(centre - low, 0), np.maximum(high - centre, 0)
    else:
        gradient = _gradient(fit, values)
        # A parameter that a bound holds has no error that is known, and so neither has a forecast that rests on it.
        variance = np.einsum("mj,jk,mk->m", gradient, fit.covariance, gradient)
        down = up = t_quantile(level, fit.degrees) * np.sqrt(variance)
    if kind == "run":
        below, above = residual_interval(fit.residuals, len(fit.theta), fit.objective, level)
        down, up = np.hypot(down, below), np.hypot(up, above)
    low, high = centre - down, centre + up
    if log:
        low, high = np.exp(low), np.exp(high)
    factor = extrapolation_factor(fit, values)
    what = "parameters and scatter of the runs" if kind == "run" else "parameters"
    largest = float(np.max(factor))
    extrapolates = not largest < 1.05 and fit.verdict != NOT_IDENTIFIED
    verdict = f"extrapolating {format_factor(largest)}" if extrapolates else fit.verdict
    arrays = (mean, low, high, factor)
    mean_, low_, high_, factor_ = (float(a[0]) for a in arrays) if scalar else arrays
    method = f"{what}; {fit.interval_method}"
    if fit.diagnostics.at_bound and not len(fit.replicates):
        held = ", ".join(fit.diagnostics.at_bound)
        method = f"unknown, because a bound holds {held}, whose error the covariance does not give; use the bootstrap"
    return Prediction(mean_, low_, high_, level, kind, factor_, method, verdict)


def extrapolation_factor(fit: Fit, inputs: Mapping[str, ArrayLike]) -> Array:
    """Tell how far inputs lie beyond the data; see `scaling.results.Fit.extrapolation_factor`."""
    if unknown := [name for name in inputs if name not in fit.law.inputs]:
        raise InputDataError(
            f"the law '{fit.law.name}' has no input '{unknown[0]}'", hint=did_you_mean(unknown[0], fit.law.inputs)
        )
    values = {k: np.atleast_1d(np.asarray(v, float)) for k, v in inputs.items()}
    if {"N", "D"} <= set(values):
        values["6*N*D"] = 6 * values["N"] * values["D"]
    factor = np.ones(np.broadcast_shapes(*(v.shape for v in values.values())))
    for name, x in values.items():
        first, last = fit.support[name]
        with np.errstate(all="ignore"):
            beyond = np.where(x > 0, np.maximum(x / last, first / x), np.inf) if first >= 0 else np.nan
        factor = np.maximum(factor, np.where((x >= first) & (x <= last), 1.0, beyond))
    return np.maximum(factor, 1.0)


def _scale(fit: Fit, values: Array) -> Array:
    """Go to the scale on which residuals are taken."""
    if fit.objective.residual == "linear":
        return values
    with np.errstate(all="ignore"):
        return np.asarray(np.log(values))


def _gradient(fit: Fit, inputs: Mapping[str, ArrayLike]) -> Array:
    """Gradient of the scaled prediction with respect to the internal parameters, shape (m, p)."""
    kernel = compile_law(fit.law, fit.log_scaled)
    data = kernel.prepare(check_inputs(fit.law, inputs))
    theta = kernel.to_internal(fit.theta[None])
    gradient = kernel.jacobian(theta, data)[0]
    if fit.objective.residual == "log":
        gradient = gradient / kernel.value(theta, data)[0][:, None]
    return np.asarray(gradient)
