"""How alternatives compare with the fit of the report: on the same rows, by a measure that all of them share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.alternatives import Alternative
from scaling.errors import ScalingError
from scaling.fitting.diagnostics import Diagnostics
from scaling.prediction import Prediction
from scaling.results import Fit

Array = NDArray[np.float64]
AS_WELL = 1.25  # a typical residual up to this many times that of the report counts as fitting as well


@dataclass(frozen=True)
class AlternativeAnswer:
    """What an alternative says about the first target.

    Parameters
    ----------
    alternative : Alternative
        Which one.
    forecast : Prediction or None
        Of a new run.
    refusal : str
        Why there is none.
    typical_residual : float
        Median size of its residuals, relative where all values are positive; NaN without a fit.
    fits_as_well : bool
        Whether that is at most `AS_WELL` times the one of the report.
    """

    alternative: Alternative
    forecast: Prediction | None
    refusal: str
    typical_residual: float
    fits_as_well: bool


def relative_residuals(fit: Fit, observed: Array) -> Array | None:
    """Return observed / predicted - 1; None where a value is not positive, so that shares mean nothing."""
    if fit.objective.residual == "log" and not fit.objective.floor:
        return np.asarray(np.expm1(fit.residuals))
    predicted = fit.objective.moved(observed, -fit.residuals)
    if fit.objective.floor:  # of the whole value, as those of other objectives are, and not of what is above the floor
        return np.asarray(observed / predicted - 1)
    return np.asarray(fit.residuals / predicted) if predicted.min() > 0 and observed.min() > 0 else None


def typical_residual(fit: Fit, observed: Array) -> float:
    """Return the median size of the residuals, which objectives share and bad runs do not move."""
    relative = relative_residuals(fit, observed)
    return float(np.median(np.abs(fit.residuals if relative is None else relative)))


def ask(
    alternative: Alternative, inputs: dict[str, float] | None, level: float, observed: Array, typical: float
) -> AlternativeAnswer:
    """Ask an alternative for the forecast of a target.

    Parameters
    ----------
    alternative : Alternative
        Which one.
    inputs : dict of str to float, optional
        The target; None where there is none to ask about.
    level : float
        Nominal coverage.
    observed : ndarray (n,)
        The rows.
    typical : float
        Typical residual of the report.

    Returns
    -------
    AlternativeAnswer
    """
    fit = alternative.fit
    if fit is None:
        return AlternativeAnswer(alternative, None, alternative.refusal, float("nan"), False)
    own = typical_residual(fit, observed) if len(fit.residuals) == len(observed) else float("nan")
    well = bool(own <= AS_WELL * typical)
    if inputs is None:
        return AlternativeAnswer(alternative, None, "", own, well)
    try:
        forecast = fit.predict({k: v for k, v in inputs.items() if k in fit.law.inputs}, level)
    except ScalingError:
        return AlternativeAnswer(alternative, None, "It forecasts nothing.", own, well)
    if not np.isfinite(forecast.mean):
        return AlternativeAnswer(alternative, None, "The target lies outside the domain of this law.", own, well)
    return AlternativeAnswer(alternative, forecast, "", own, well)


def shortcomings(said: Diagnostics) -> str:
    """Name the checks that a fit fails, in a few words; empty where it fails none."""
    words = [
        (not (said.enough_rows and said.enough_points), "too few rows"),
        (bool(said.constant_inputs), f"constant {', '.join(said.constant_inputs)}"),
        (not said.well_conditioned, "a direction is not determined"),
        (not said.converged, "not converged"),
        (bool(said.at_bound), f"{', '.join(said.at_bound)} at a bound"),
        (bool(said.wide), f"{', '.join(said.wide)} hardly determined"),
        (bool(said.profile_open), f"profile of {', '.join(said.profile_open)} open"),
        (said.inputs_in_a_line or said.one_budget, "N and D in a line"),
        (not said.amplitudes_separable, f"{' and '.join(said.amplitude_pair)} not told apart"),
        (not said.fits_replicates, "misses the means of repeated runs"),
        (not said.optimum_is_repeatable, "optimum not repeated"),
        (not said.residuals_unstructured, "trend in the residuals"),
        (not said.bootstrap_sound, "bootstrap not sound"),
        (not said.enough_groups, "too few clusters"),
    ]
    return "; ".join(word for failed, word in words if failed)
