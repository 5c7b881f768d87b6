"""Forecast from a fit: the law at its estimates, an interval and what it is made of, and how far beyond the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.formatting import format_factor
from scaling.inputs import check_inputs, check_level
from scaling.verdicts import NOT_IDENTIFIED
from scaling.width import Side, parts_of

if TYPE_CHECKING:
    from scaling.results import Fit

Array = NDArray[np.float64]

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
        That of the fit, or ``extrapolating x37``.
    parts : dict of str to (float or ndarray)
        Share that each source of error has in the squared half width: ``parameters``, ``noise``, ``form`` (the spread
        of the rival laws) and ``back-test`` (what the errors of the back-test add to that). They add up to 1; NaN where
        the width is not known.
    backtest : str
        What the back-test says about forecasts as far out as this one, the farthest one of several; or why it says
        nothing.
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
        centre = np.log(mean) if fit.objective.residual == "log" else mean
        low, high = centre - down, centre + up
        if fit.objective.residual == "log":
            low, high = np.exp(low), np.exp(high)
        whole = np.maximum(down**2 + up**2, 0)
        shares = {
            name: np.where(whole > 0, (below**2 + above**2) / whole, np.nan) for name, (below, above) in sides.items()
        }
    factor = extrapolation_factor(fit, values)
    largest = float(np.max(factor))
    extrapolates = not largest < 1.05 and fit.verdict != NOT_IDENTIFIED
    verdict = f"extrapolating {format_factor(largest)}" if extrapolates else fit.verdict

    def shape(values: Array) -> Any:
        return float(values[0]) if scalar else values

    return Prediction(
        shape(mean),
        shape(low),
        shape(high),
        level,
        kind,
        shape(factor),
        _method(fit, sides),
        verdict,
        {name: shape(share) for name, share in shares.items()},
        _NO_BACKTEST if fit.backtest is None else fit.backtest.sentence(_backtest_factor(fit, values)),
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
    """How far the farthest target lies beyond the data on the back-test's own axis."""
    from scaling.width import axis_factor

    assert fit.backtest is not None
    return float(np.max(np.maximum(axis_factor(fit, fit.backtest, values), 1.0)))


def _method(fit: Fit, sides: Mapping[str, Side]) -> str:
    """Say in words what an interval is made of."""
    if fit.diagnostics.at_bound and not len(fit.replicates):
        held = ", ".join(fit.diagnostics.at_bound)
        return f"unknown, because a bound holds {held}, whose error the covariance does not give; use the bootstrap"
    words = {"noise": "scatter of the runs", "form": "form of the law", "back-test": "errors of the back-test"}
    named = ["parameters", *(word for name, word in words.items() if name in sides)]
    what = named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
    return f"{what}; {fit.interval_method}"
