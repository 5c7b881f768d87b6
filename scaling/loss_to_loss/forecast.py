"""Forecast a loss from another one that was measured, and say where a map has no value and which map has one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_factor, format_number
from scaling.prediction import Prediction
from scaling.verdicts import NOT_IDENTIFIED

if TYPE_CHECKING:
    from scaling.results import Fit

_INSIDE = 1.05  # factors below it are no extrapolation
#: Which question is answered: the other loss of the large run is known, or is itself a forecast.
MEASURED, PREDICTED = "x measured", "x predicted"


@dataclass(frozen=True)
class MapForecast:
    """What a map says at a loss that was measured.

    Parameters
    ----------
    x : float
        The loss that is known.
    compute_flop : float
        Training compute of the run that it is of, FLOP; NaN where nobody said.
    prediction : Prediction
        The other loss; NaN where the map has no value. Its extrapolation factor is in budgets where `compute_flop` is
        known, else in losses.
    undefined : str
        Why the map has no value; empty where it has one.
    instead_form : str
        The map of most weight that has a value there; empty where none has, or none is needed.
    instead : float
        What it says; NaN without one.
    question : str
        ``x measured``: the error of x is none, because it was seen.
    """

    x: float
    compute_flop: float
    prediction: Prediction
    undefined: str = ""
    instead_form: str = ""
    instead: float = math.nan
    question: str = MEASURED

    @property
    def verdict(self) -> str:
        """Of the forecast; ``not identified`` where there is none."""
        return NOT_IDENTIFIED if self.undefined else self.prediction.verdict

    @property
    def sentence(self) -> str:
        """Why there is no forecast, and what another map says; empty where there is one."""
        if not self.undefined:
            return ""
        other = "no other map of this fit has a value there"
        if self.instead_form:
            other = f"the map {self.instead_form} is defined there and says {format_number(self.instead)}"
        return f"Undefined: {self.undefined}; {other}."

    def row(self) -> dict[str, Any]:
        """Return plain data."""
        p = self.prediction

        def known(value: float) -> float | None:
            return float(value) if math.isfinite(value) else None

        return {
            "x": self.x,
            "compute_flop": None if math.isnan(self.compute_flop) else self.compute_flop,
            "y": known(p.mean),
            "low": known(p.low),
            "high": known(p.high),
            "level": p.level,
            "extrapolation_factor": p.extrapolation_factor,
            "verdict": self.verdict,
            "question": self.question,
            "undefined": self.undefined or None,
            "instead_form": self.instead_form or None,
            "instead": None if math.isnan(self.instead) else self.instead,
            "method": p.method,
            "backtest": p.backtest,
            "parts": {name: known(share) for name, share in p.parts.items()},
        }


def forecast_map(
    fit: Fit,
    x: float,
    level: float = 0.9,
    kind: str = "run",
    compute_flop: float | None = None,
    force: bool = False,
) -> MapForecast:
    """Forecast one loss from another that was measured.

    Parameters
    ----------
    fit : Fit
        From `scaling.loss_to_loss.fit_pairs`.
    x : float
        The loss of the large run that exists.
    level : float, default 0.9
        Nominal coverage of the interval.
    kind : {'run', 'curve'}, default 'run'
        As of `scaling.Fit.predict`.
    compute_flop : float, optional
        Training compute of that run, FLOP, from which follows how far it lies beyond the pairs.
    force : bool, default False
        Answer even where the map is not identified.

    Returns
    -------
    MapForecast

    Raises
    ------
    UsageError
        For a fit that is no map of losses.
    VerdictError
        Where the map is not identified, or its target rises with compute, and `force` is not set.
    InputDataError
        For a loss or a compute that is no number above 0.
    """
    about = fit.settings.get("loss_to_loss")
    if about is None or list(fit.law.inputs) != ["x"]:
        raise UsageError(
            f"the fit of '{fit.law.name}' is no map of one loss to another",
            hint="Fit one: scaling.loss_to_loss.fit_pairs.",
        )
    for value, what in ((x, "loss"), (1.0 if compute_flop is None else compute_flop, "compute")):
        if not (np.ndim(value) == 0 and math.isfinite(value) and value > 0):
            raise InputDataError(f"a {what} is a number above 0, not {value}")
    said = fit.predict({"x": float(x)}, level=level, kind=kind, force=force)
    if compute_flop is not None and about["largest_budget"] is not None:
        said = _in_budgets(fit, said, float(compute_flop), about)
    compute = math.nan if compute_flop is None else float(compute_flop)
    if math.isfinite(said.mean):
        return MapForecast(float(x), compute, said)
    form, value = _instead(fit, float(x))
    return MapForecast(float(x), compute, said, _why_undefined(fit, float(x), about), form, value)


def _in_budgets(fit: Fit, said: Prediction, compute: float, about: dict[str, Any]) -> Prediction:
    """Say how far a run lies beyond the pairs by its compute: losses differ by little where budgets do by decades."""
    up, down = compute / about["largest_budget"], about["smallest_budget"] / compute
    factor = max(up, down, said.extrapolation_factor)  # a loss far off its usual one for the budget is far out too
    verdict = fit.verdict
    if factor >= _INSIDE and fit.verdict != NOT_IDENTIFIED:
        verdict = f"extrapolating {format_factor(factor)}"
    told = said.backtest if fit.backtest is None else fit.backtest.sentence(max(up, 1.0))
    if down >= _INSIDE:
        told = f"No back-test is possible at {format_factor(down)} below the pairs: no smaller runs were held out."
    return replace(said, extrapolation_factor=factor, verdict=verdict, backtest=told)


def _why_undefined(fit: Fit, x: float, about: dict[str, Any]) -> str:
    floor = about["floor_x"]
    if floor["value"] is not None and floor["kind"] in ("given", "free") and x <= floor["value"]:
        return (
            f"x = {format_number(x)} lies at or below the floor of x, {format_number(floor['value'])} "
            f"({floor['source']}), where a shifted power law has no value"
        )
    return f"the map {fit.law.name} has no value at x = {format_number(x)}"


def _instead(fit: Fit, x: float) -> tuple[str, float]:
    """Find the rival of most weight that has a value at a loss."""
    for rival in sorted((r for r in fit.rivals if r.role == "form"), key=lambda r: -r.weight):
        value = float(rival.evaluate({"x": [x]})[0])
        if math.isfinite(value) and value > 0:
            return rival.law.name, value
    return "", math.nan
