"""Forecast from a fit: the law at its estimates, an interval and what it is made of, and how far beyond the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.formatting import format_factor, format_number, format_percent
from scaling.inputs import check_inputs, check_level
from scaling.verdicts import NOT_IDENTIFIED
from scaling.width import Side, lost_share, parts_of

if TYPE_CHECKING:
    from scaling.results import Fit

Array = NDArray[np.float64]

_LOST = 0.02  # share of replicates without a forecast above which the interval says so

_NO_BACKTEST = "No back-test came with this fit, so its interval takes the form of the law as true."


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
        Of the forecast: that of the fit, or ``extrapolating x37``, whatever the fit is; see `fit_verdict`.
    parts : dict of str to (float or ndarray)
        Share that each source of error has in the squared half width: ``parameters``, ``noise``, ``form`` (the spread
        of the rival laws) and ``back-test`` (what the errors of the back-test add to that), or in its place ``usual
        error`` (what laws of other sweeps missed by), where a back-test was tried and no run could be forecast. They
        add up to 1; NaN where the width is not known or has no end.
    backtest : str
        What the back-test says about forecasts as far out as this one, the farthest one of several; or why it says
        nothing.
    lost_share : float or ndarray
        Share of the bootstrap replicates for which the law has no value there. The interval is of the others; above 2 %
        `method` says so. Values of 0 or less (or at or below the floor of the logarithms) have no logarithm but are not
        lost: they take the low end to 0 (or to that floor).
    fit_verdict : str
        ``ok``, ``weak`` or ``not identified``, of the fit behind the forecast; empty where it is not known.
    """

    mean: Any
    low: Any
    high: Any
    level: float
    kind: str
    extrapolation_factor: Any
    method: str
    verdict: str
    parts: dict[str, Any] = field(default_factory=dict, hash=False)
    backtest: str = _NO_BACKTEST
    lost_share: Any = 0.0
    fit_verdict: str = ""


def predict(fit: Fit, inputs: Mapping[str, ArrayLike], level: float, kind: str, force: bool) -> Prediction:
    """Forecast; see `scaling.results.Fit.predict`, whose work this is."""
    check_level(level)
    if kind not in ("run", "curve"):
        raise UsageError(f"there is no kind of prediction '{kind}'", hint="There are: run, curve.")
    fit.require_identified(force)
    scalar = all(np.ndim(v) == 0 for v in inputs.values())
    values = check_inputs(fit.law, inputs)
    mean = fit.evaluate(values)[0]
    sides = parts_of(fit, values, level, kind)
    down, up = _total(sides, 0), _total(sides, 1)
    with np.errstate(all="ignore"):
        centre = fit.objective.to_scale(mean)
        low, high = fit.objective.from_scale(centre - down), fit.objective.from_scale(centre + up)
        whole = np.maximum(down**2 + up**2, 0)
        shares = {
            name: np.where((whole > 0) & (whole < np.inf), (below**2 + above**2) / whole, np.nan)
            for name, (below, above) in sides.items()
        }
    factor = extrapolation_factor(fit, values)
    largest = float(np.max(factor))
    extrapolates = not largest < 1.05 and fit.verdict != NOT_IDENTIFIED
    verdict = f"extrapolating {format_factor(largest)}" if extrapolates else fit.verdict
    lost = lost_share(fit, values)

    def shape(values: Array) -> Any:
        return float(values[0]) if scalar else values

    return Prediction(
        shape(mean),
        shape(low),
        shape(high),
        level,
        kind,
        shape(factor),
        _method(fit, sides, mean, float(np.max(lost))),
        verdict,
        {name: shape(share) for name, share in shares.items()},
        _NO_BACKTEST if fit.backtest is None else fit.backtest.sentence(_backtest_factor(fit, values)),
        shape(lost),
        fit.verdict,
    )


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


def _total(sides: Mapping[str, Side], which: int) -> Array:
    """Add the half widths of one side in quadrature."""
    return np.asarray(np.sqrt(np.sum([side[which] ** 2 for side in sides.values()], axis=0)))


def _backtest_factor(fit: Fit, values: Mapping[str, Array]) -> float:
    """How far the farthest target lies beyond the data on the back-test's own axis; NaN where no input tells."""
    from scaling.width import axis_factor

    assert fit.backtest is not None
    if not fit.backtest.powers:
        return float("nan")
    return float(np.max(np.maximum(axis_factor(fit, fit.backtest, values), 1.0)))


def _method(fit: Fit, sides: Mapping[str, Side], mean: Array, lost: float) -> str:
    """Say in words what an interval is made of, and why there is none or what it leaves out."""
    if fit.diagnostics.at_bound and not len(fit.replicates):
        held = ", ".join(fit.diagnostics.at_bound)
        return f"unknown, because a bound holds {held}, whose error the covariance does not give; use the bootstrap"
    unknown = ~fit.objective.has(mean)
    where = "" if len(mean) == 1 else f" at {unknown.sum()} of the {len(mean)} targets"
    if unknown.all():
        return f"unknown, because {_no_value(fit, mean)}"
    words = {
        "noise": "scatter of the runs",
        "form": "form of the law",
        "floors": "error of the given floors",
        "back-test": "errors of the back-test",
        "usual error": "usual error of other sweeps (no run could be forecast here)",
    }
    named = ["parameters", *(word for name, word in words.items() if name in sides)]
    what = named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
    said = f"{what}; {fit.interval_method}"
    if lost > _LOST:
        most = "" if len(mean) == 1 else "up to "
        said += f", without {most}{format_percent(lost)} of them, for which the law has no value there"
    return f"{said}; unknown{where}, because {_no_value(fit, mean[unknown])}" if unknown.any() else said


def _no_value(fit: Fit, mean: Array) -> str:
    """Why a law says nothing where it has these values."""
    if fit.objective.residual == "linear" or np.isnan(mean).all():
        return "the law has no value there"
    above = f"above {format_number(fit.objective.floor)}" if fit.objective.floor else "above 0"
    return f"the law is not {above} there, and its residuals are those of logarithms"
