"""What the width of a forecast is made of: parameters, noise, the form of the law, and what the back-test missed by.

Half widths are on the scale on which residuals are taken (logarithms or not), and are added in quadrature.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.bands import bounded, endless, replicate_interval
from scaling.fitting.compile import compile_law
from scaling.fitting.intervals import bca_interval, residual_interval, t_quantile
from scaling.fitting.rollout import change_beyond
from scaling.inputs import check_inputs

if TYPE_CHECKING:
    from scaling.fitting.backtest import Backtest
    from scaling.results import Fit

Array = NDArray[np.float64]
Side = tuple[Array, Array]  # below and above the forecast

_FEW_DEGREES = 5  # of pure error; fewer say less about the noise than the residuals do


def parts_of(fit: Fit, inputs: Mapping[str, Array], level: float, kind: str) -> dict[str, Side]:
    """Work out the half widths.

    Parameters
    ----------
    fit : Fit
        The law, with or without a back-test and rivals.
    inputs : mapping of str to ndarray (m,)
        The targets.
    level : float
        Nominal coverage.
    kind : {'run', 'curve'}
        A curve has no noise.

    Returns
    -------
    dict of str to (ndarray (m,), ndarray (m,))
        ``parameters``, and where there are any ``noise``, ``form`` (the spread of the rivals), ``floors`` (the errors
        of floors that were given) and ``back-test`` (what its errors add to the spread of the rivals): below and above
        the forecast. Of a back-test without a forecast the last is called ``usual error``, because it is that of other
        sweeps. A side is infinite where the percentile of the replicates is a forecast of 0 or less (or of no more than
        their floor) on the scale of logarithms.
    """
    centre = _scaled(fit, fit.evaluate(inputs)[0])
    parts = {"parameters": _parameters(fit, inputs, centre, level)}
    m = len(centre)
    if kind == "run":
        noise = _noise(fit, level)
        parts["noise"] = (np.full(m, noise[0]), np.full(m, noise[1]))
    form = (np.zeros(m), np.zeros(m))
    if any(rival.role == "form" for rival in fit.rivals):
        form = parts["form"] = _form(fit, inputs, centre, level)
    if any(rival.role != "form" for rival in fit.rivals):
        parts["floors"] = _floors(fit, inputs, centre, level)
    if fit.backtest is not None:
        far = t_quantile(level, fit.backtest.share_degrees)
        missed = far * fit.backtest.missed_share() * _change(fit, fit.backtest, inputs, centre)
        for step in fit.backtest.steps:
            edge = _scaled(fit, np.clip(fit.evaluate(inputs)[0], step.low, step.high))
            missed = np.hypot(missed, t_quantile(level, step.degrees) * step.share * np.abs(centre - edge))
        # What the back-test missed by is the form of the law too, seen from another side: of the two the larger counts.
        below, above = (np.asarray(np.sqrt(np.maximum(missed**2 - side**2, 0))) for side in form)
        parts["back-test" if fit.backtest.says_something else "usual error"] = (below, above)
    return parts


def lost_share(fit: Fit, inputs: Mapping[str, Array]) -> Array:
    """Share of the replicates that the law has no value for at targets (m,): left out of intervals; shape (m,)."""
    if not len(fit.replicates):
        return np.zeros(len(next(iter(inputs.values()))))
    return np.asarray(np.mean(np.isnan(fit.evaluate(inputs, fit.replicates)), axis=0))


def noise_from_repeats(fit: Fit) -> bool:
    """Whether the noise of a new run is that of repeated runs: enough were, and the law meets their means.

    Never around a quantile, or for another lopsided objective: the scatter of runs around their mean says nothing of
    how far they lie from such a curve on either side.
    """
    known = fit.diagnostics
    if fit.objective.lopsided:
        return False
    return known.replicate_degrees >= _FEW_DEGREES and (fit.backtest is not None or not known.lack_of_fit_p < 0.05)


def axis_factor(fit: Fit, backtest: Backtest, inputs: Mapping[str, Array]) -> Array:
    """How far targets lie beyond the data on the axis that the back-test held runs out by, shape (m,).

    Where the axis is no input of the law, the largest factor of any input.
    """
    if not backtest.powers:
        return fit.extrapolation_factor(inputs)
    if set(backtest.powers) == {"N", "D"}:
        return np.asarray(6 * inputs["N"] * inputs["D"] / backtest.edge)
    [(name, power)] = backtest.powers.items()
    with np.errstate(all="ignore"):
        return np.asarray(np.abs(inputs[name]) ** power / backtest.edge)


def _parameters(fit: Fit, inputs: Mapping[str, Array], centre: Array, level: float) -> Side:
    if not len(fit.replicates):
        gradient = _gradient(fit, inputs)
        # A parameter that a bound holds has no error that is known, and so neither has a forecast that rests on it.
        variance = np.einsum("mj,jk,mk->m", gradient, fit.covariance, gradient)
        half = t_quantile(level, fit.degrees) * np.sqrt(np.maximum(variance, 0.0))  # rounding may take it below
        return half, half
    spread = _scaled(fit, fit.evaluate(inputs, fit.replicates), wall=True)
    at = fit.percentile_level(level)
    if fit.interval_kind == "bca":
        jackknife = _scaled(fit, fit.evaluate(inputs, fit.jackknife))
        low, high = map(endless, bca_interval(bounded(spread), jackknife, centre, at))
    else:
        low, high = replicate_interval(spread, at)
    return np.maximum(centre - low, 0), np.maximum(high - centre, 0)


def _noise(fit: Fit, level: float) -> tuple[float, float]:
    """Scatter of a new run: of runs that were repeated, where enough were and the law meets their means."""
    known = fit.diagnostics
    if noise_from_repeats(fit):
        half = t_quantile(level, known.replicate_degrees) * known.replicate_rms
        return half, half
    return residual_interval(fit.residuals, fit.fitted_parameters, fit.objective, level)


def _form(fit: Fit, inputs: Mapping[str, Array], centre: Array, level: float) -> Side:
    """Spread of the rivals around the law; a rival that is not defined somewhere has no say there.

    From absolute distances, because squares would let a rival of next to no weight that runs away rule the width. On
    its own side a rival of weight 1 - level or more is reached in any case: otherwise half of its weight or more, which
    is all that may be left out on one side, would lie beyond the end of the interval.
    """
    distance, below, above = np.zeros_like(centre), np.zeros_like(centre), np.zeros_like(centre)
    for rival in fit.rivals:
        if rival.role != "form":
            continue
        away = np.nan_to_num(_scaled(fit, rival.evaluate(inputs)) - centre, posinf=0.0, neginf=0.0)
        distance += rival.weight * np.abs(away)
        if rival.counts_at(level):
            below, above = np.maximum(below, -away), np.maximum(above, away)
    spread = t_quantile(level, np.inf) * np.sqrt(np.pi / 2) * distance
    return np.maximum(spread, below), np.maximum(spread, above)


def _floors(fit: Fit, inputs: Mapping[str, Array], centre: Array, level: float) -> Side:
    """Error of floors that were given: the law between their ends, one standard error away; each floor by itself.

    Not part of the larger-of-two rule for form and back-test: both saw the floors held where they are.
    """
    below, above = np.zeros_like(centre), np.zeros_like(centre)
    for side in sorted({rival.role for rival in fit.rivals} - {"form"}):
        ends = [_scaled(fit, rival.evaluate(inputs)) - centre for rival in fit.rivals if rival.role == side]
        away = np.nan_to_num(np.array(ends), posinf=0.0, neginf=0.0)
        below += np.maximum(-away.min(axis=0), 0) ** 2
        above += np.maximum(away.max(axis=0), 0) ** 2
    normal = t_quantile(level, np.inf)
    return normal * np.sqrt(below), normal * np.sqrt(above)


def _change(fit: Fit, backtest: Backtest, inputs: Mapping[str, Array], centre: Array) -> Array:
    """Change of the law between the data and the targets, on the scale of the residuals."""
    factor, goal = axis_factor(fit, backtest, inputs), fit.objective
    log, floor = goal.residual == "log", goal.floor
    change = change_beyond(fit.law, fit.theta, inputs, factor, backtest.powers, fit.support, log, floor)
    return np.where(np.isfinite(centre), change, np.nan)


def _scaled(fit: Fit, values: Array, wall: bool = False) -> Array:
    """Go to the scale on which residuals are taken; `wall` says that values below 0 are as low as 0, and not unknown.

    A replicate that falls through 0 (or the floor of the logarithms) says how low the forecast may be. Left out, it
    would make the interval too short.
    """
    goal = fit.objective
    return goal.to_scale(np.maximum(values, goal.floor) if wall and goal.residual == "log" else values)


def _gradient(fit: Fit, inputs: Mapping[str, ArrayLike]) -> Array:
    """Gradient of the scaled prediction with respect to the internal parameters, shape (m, p)."""
    kernel = compile_law(fit.law, fit.log_scaled)
    data = kernel.prepare(check_inputs(fit.law, inputs))
    theta = kernel.to_internal(fit.theta[None])
    return fit.objective.slopes_on_scale(kernel.jacobian(theta, data)[0], kernel.value(theta, data)[0])
