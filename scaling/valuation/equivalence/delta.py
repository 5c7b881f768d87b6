"""The error of an equivalent number of tokens without replicates: delta method, inverted band, profile likelihood."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.fitting.compile import compile_law
from scaling.fitting.intervals import t_quantile
from scaling.width import parts_of

if TYPE_CHECKING:
    from scaling.valuation.equivalence.token_curve import TokenCurve

Array = NDArray[np.float64]

NEAR = 3.0  # standard errors from the asymptote below which the delta method is not to be trusted
_FAR_TOKENS = 690.0  # ln D: as near to endless as the kernel's derivatives stand
_REACH = (np.log(1e9), np.log(1e15))  # how far below and above the data the ends of an interval are sought
_COARSE, _FINE = 241, 41
_PROFILE = 61
_EXACT = 1e8  # weight of a row that the law has to meet


def delta_error(curve: TokenCurve, log_d: float, loss_error: float) -> float:
    """Return the standard error of ln D_eq by the delta method.

    Parameters
    ----------
    curve : TokenCurve
        The law.
    log_d : float
        ln D_eq.
    loss_error : float
        Standard error of the loss.

    Returns
    -------
    float
        ``sqrt(g' Cov g + loss_error^2 / slope^2)``, where ``g = (dL/dtheta)/slope`` and ``slope = dL/dlnD``; NaN where
        a bound holds a parameter.
    """
    slope = float(curve.slope([log_d], slice(0, 1))[0, 0])
    gradient = _gradient(curve, log_d) / slope
    return float(np.sqrt(gradient @ curve.fit.covariance @ gradient + (loss_error / slope) ** 2))


def distance_from_asymptote(curve: TokenCurve, loss: float, loss_error: float) -> float:
    """Return how many standard errors a loss lies above the loss that no data take away."""
    gradient = _gradient(curve, _FAR_TOKENS)
    error = float(np.sqrt(gradient @ curve.fit.covariance @ gradient + loss_error**2))
    return (loss - float(curve.asymptote()[0])) / error if error > 0 else np.inf


def delta_interval(curve: TokenCurve, log_d: float, loss_error: float, level: float) -> tuple[float, float]:
    """Return the interval of ln D_eq by the delta method: symmetric on the logarithm, t quantiles."""
    half = t_quantile(level, curve.fit.degrees) * delta_error(curve, log_d, loss_error)
    return log_d - half, log_d + half


def band_interval(
    curve: TokenCurve, log_d: float, loss: float, loss_error: float | None, level: float
) -> tuple[float, float]:
    """Invert the interval of a forecast: all ln D at which the loss lies inside it.

    Parameters
    ----------
    curve : TokenCurve
        The law; its back-test and its rivals, where it has any, count as they do in any forecast.
    log_d : float
        ln D_eq; not finite where there is none.
    loss : float
        What was measured.
    loss_error : float or None
        Its standard error; None for the scatter of a new run.
    level : float
        Nominal coverage.

    Returns
    -------
    low, high : float
        Minus infinity and infinity where the band never leaves the loss on that side. Near the asymptote such an
        interval has no upper end, as Fieller's has none. Around a finite `log_d` it is in one piece.
    """
    goal = curve.fit.objective
    scaled = float(goal.to_scale(np.array([loss]))[0])
    noise = 0.0
    if loss_error is not None:
        noise = (
            t_quantile(level, np.inf)
            * loss_error
            * float(goal.slopes_on_scale(np.ones((1, 1)), np.array([loss]))[0, 0])
        )

    def margins(tried: Array) -> tuple[Array, Array]:
        inputs = curve.inputs(tried)
        parts = parts_of(curve.fit, inputs, level, "run" if loss_error is None else "curve")
        below, above = (np.sqrt(np.sum([side[i] ** 2 for side in parts.values()], axis=0) + noise**2) for i in (0, 1))
        centre = goal.to_scale(curve.fit.evaluate(inputs)[0])
        return scaled - (centre - below), (centre + above) - scaled  # both above 0 inside the band

    grid = _grid(curve, log_d, _COARSE)
    with np.errstate(all="ignore"):
        reached, left = margins(grid)
        if np.isfinite(log_d):
            # Errors of a back-test grow without end beyond the data, until a forecast holds any loss: what counts are
            # the numbers of tokens around the estimate, as far as every one of them holds it.
            up, down = grid >= log_d, grid <= log_d
            high = _first(lambda x: -margins(x)[1], grid[up], -left[up])
            low = -_first(lambda x: -margins(-x)[0], -grid[down][::-1], -reached[down][::-1])
            return (-np.inf if np.isnan(low) else low), (np.inf if np.isnan(high) else high)
        return (
            _first(lambda x: margins(x)[0], grid, reached),
            -_first(lambda x: margins(-x)[1], -grid[::-1], left[::-1]),
        )


def profile_interval(
    curve: TokenCurve,
    rows: tuple[Mapping[str, ArrayLike], ArrayLike],
    log_d: float,
    loss: float,
    loss_error: float,
    level: float,
) -> tuple[float, float]:
    """Return the profile-likelihood interval of ln D_eq: the loss is one more row, at each D in turn.

    Parameters
    ----------
    curve : TokenCurve
        The law.
    rows : (mapping, array_like)
        Inputs and what was observed, as they were fitted, without weights and groups.
    log_d : float
        ln D_eq; not finite where there is none.
    loss, loss_error : float
        What was measured, and its standard error; 0 for a loss that the law has to meet.
    level : float
        Nominal coverage.

    Returns
    -------
    low, high : float
        ``high`` is infinite where endless data fit as well as the level allows.

    Raises
    ------
    InputDataError
        Where these are not the rows of the fit, or leave nothing to judge noise by.
    """
    from scaling.fitting.walk import Setting

    setting = Setting.of(curve.fit, rows[0], rows[1], None, None)
    goal, fit = curve.fit.objective, curve.fit
    grid = _grid(curve, log_d, _PROFILE)
    rise = setting.rise([0], level)
    spread = float(np.sqrt(np.sum(fit.residuals**2) / max(fit.n_obs - fit.fitted_parameters, 1)))
    scaled = loss_error * float(goal.slopes_on_scale(np.ones((1, 1)), np.array([loss]))[0, 0])
    weight = min((spread / scaled) ** 2, _EXACT) if scaled > 0 else _EXACT
    columns = {k: np.asarray(v, float) for k, v in rows[0].items()}

    def excess(tried: Array) -> Array:
        more = curve.inputs(tried)
        inputs = {k: np.concatenate([np.broadcast_to(columns[k], (fit.n_obs,)), more[k]]) for k in fit.law.inputs}
        problem = replace(
            setting.problem,
            data=setting.problem.kernel.prepare(inputs),
            observed=np.concatenate([setting.problem.observed, np.full(len(tried), loss)]),
        )
        weights = np.concatenate(
            [np.broadcast_to(setting.weights, (len(tried), fit.n_obs)), weight * np.eye(len(tried))], axis=1
        )
        minima = problem.solve(np.tile(setting.theta, (len(tried), 1)), weights, far=False)
        return setting.value + rise - np.asarray(minima.objective)

    inside = excess(grid)
    return _first(excess, grid, inside), -_first(lambda x: excess(-x), -grid[::-1], inside[::-1])


def _grid(curve: TokenCurve, log_d: float, points: int) -> Array:
    """Where the ends of an interval are sought first; the estimate is among them, so that none is too narrow to see."""
    low, high = curve.support
    grid = np.linspace(np.log(low) - _REACH[0], np.log(high) + _REACH[1], points)
    return np.sort(np.append(grid, log_d)) if np.isfinite(log_d) else grid


def _first(function: Callable[[Array], Array], grid: Array, values: Array) -> float:
    """Return where a function first becomes positive along a rising grid; minus infinity where it begins so."""
    inside = values >= 0
    if not inside.any() or inside[0]:
        return -np.inf if inside.any() else np.nan
    j = int(np.argmax(inside))
    for _ in range(3):  # the bracket shrinks by 40 each time
        finer = np.linspace(grid[j - 1], grid[j], _FINE)
        values = function(finer)
        grid, j = finer, max(int(np.argmax(values >= 0)), 1)
    below, above = float(values[j - 1]), float(values[j])
    share = -below / (above - below) if np.isfinite(below) and above > below else 1.0
    return float(grid[j - 1] + share * (grid[j] - grid[j - 1]))


def _gradient(curve: TokenCurve, log_d: float) -> Array:
    """Gradient (p,) of the loss with respect to the internal parameters."""
    kernel = compile_law(curve.fit.law, curve.fit.log_scaled)
    data = kernel.prepare(curve.inputs(np.array([log_d])))
    return np.asarray(kernel.jacobian(kernel.to_internal(curve.fit.theta[None]), data)[0, 0])
