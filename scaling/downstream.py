"""From compute to task error by way of the loss: one law forecasts the loss, another the error at that loss.

The chain of Gadre et al. 2024, arXiv:2403.08540. Replicate i of the first fit goes with replicate i of the second, so
the interval holds the uncertainty of both; fits with the same groups, seed and rows move together, others
independently. What rivals and a back-test add to the forecast of either law is drawn for each pair, and goes through
the second law with the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import UsageError
from scaling.fitting.compile import Data, compile_law
from scaling.fitting.intervals import percentile_interval, t_quantile
from scaling.formatting import format_factor
from scaling.inputs import check_inputs, check_level
from scaling.results import Fit
from scaling.verdicts import NOT_IDENTIFIED, WEAK
from scaling.width import Side, parts_of

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ChainedPrediction:
    """A forecast of the error on tasks, with the loss that it rests on.

    Parameters
    ----------
    mean, low, high : float or ndarray (m,)
        The error, in the unit of the second law, and its interval; NaN where one of the fits has no replicates.
    loss, loss_low, loss_high : float or ndarray (m,)
        The loss in between, with the interval of its own forecast (`scaling.Fit.predict`); NaN where that of the error
        is.
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
    backtest, then_backtest : str
        What the back-tests of the first and of the second fit say about forecasts as far out, or why they say nothing.
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
    backtest: str = ""
    then_backtest: str = ""


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
        ``curve``: the parameters of both laws, and where a fit carries rivals or a back-test the errors of form and
        back-test that its forecasts have. ``run``: also the scatter of single runs, in the loss and in the error at a
        loss: each replicate takes a residual of either fit at random, widened for the parameters that were fitted.
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
    at_loss = {next(iter(error_fit.law.inputs)): loss}
    first = loss_fit.predict(values, level=level, kind=kind, force=True)
    second = error_fit.predict(at_loss, level=level, kind=kind, force=True)
    count = min(len(loss_fit.replicates), len(error_fit.replicates))
    if count:
        losses = loss_fit.evaluate(values, loss_fit.replicates[:count])
        generators = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(4)]
        at = max(fit.percentile_level(level) for fit in (loss_fit, error_fit))
        if kind == "run":
            losses = _scatter(loss_fit, losses, generators[0])
        losses = _misled(loss_fit, losses, values, level, at, generators[2])
        errors = _error(error_fit, losses, error_fit.replicates[:count])
        if kind == "run":
            errors = _scatter(error_fit, errors, generators[1])
        errors = _misled(error_fit, errors, at_loss, level, at, generators[3])
        low, high = percentile_interval(errors, at)
        loss_low, loss_high = first.low, first.high
        method = _method(loss_fit, error_fit, kind, seed, count)
    else:
        low = high = loss_low = loss_high = np.full(len(loss), np.nan)
        method = "none: both fits need bootstrap replicates"
    factor = loss_fit.extrapolation_factor(values)
    loss_factor = error_fit.extrapolation_factor(at_loss)
    scalar = all(np.ndim(v) == 0 for v in target.values())

    def shape(column: Array) -> Any:
        return float(column[0]) if scalar else column

    return ChainedPrediction(
        shape(error), shape(low), shape(high), shape(loss), shape(loss_low), shape(loss_high), level, kind,
        shape(factor), shape(loss_factor), method,
        _verdict(loss_fit, error_fit, max(float(factor.max()), float(loss_factor.max()))),
        first.backtest, second.backtest,
    )  # fmt: skip


def check_loss_input(fit: Fit, columns: Mapping[str, str] | None = None, metric: str | None = None) -> None:
    """Refuse a law whose one input is not a loss, or not the one that the first law forecasts.

    Parameters
    ----------
    fit : Fit
        The second law of a chain.
    columns : mapping of str to str, optional
        What each input was read from; a column of a loss makes an input of any name a loss. One that is a metric,
        ``metric:NAME``, must be that of the first law.
    metric : str, optional
        The metric of the first law.

    Raises
    ------
    UsageError
        Where the law has several inputs, or its input is neither in nats nor named or read as a loss, or is another
        metric than that of the first law.
    """
    names = list(fit.law.inputs)
    if len(names) == 1:
        [name] = names
        column = (columns or {}).get(name, "")
        if metric is not None and column.startswith("metric:"):
            if column == f"metric:{metric}":
                return
            other = column.removeprefix("metric:")
            raise UsageError(
                f"the law '{fit.law.name}' was fitted over the metric {other}, and the first fit forecasts {metric}",
                hint=f"Fit it over that one (--input {name}=metric:{metric}), or forecast {other} first.",
            )
        words = f"{fit.law.inputs[name]} {column}".lower()
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
    n, p = len(fit.residuals), fit.fitted_parameters
    if n <= p:
        return np.full_like(values, np.nan)
    drawn = rng.choice(fit.residuals, size=(len(values), 1)) * np.sqrt(n / (n - p))
    return fit.objective.moved(values, drawn)


def _misled(
    fit: Fit, values: Array, inputs: Mapping[str, Array], level: float, at: float, rng: np.random.Generator
) -> Array:
    """Move rows of values (B, m) by what rivals and the back-test add to the forecast of a fit.

    `at` is the level at which percentiles will be taken. The draws are normal and evenly spread, so that few rows have
    the width of many; a row moves all targets the same way, as an error of form does.
    """
    from scipy.special import ndtri

    sides = [
        side for name, side in parts_of(fit, inputs, level, "curve").items() if name not in ("parameters", "noise")
    ]
    if not sides:
        return values
    below, above = (_root_sum(sides, which) / t_quantile(at, np.inf) for which in (0, 1))
    drawn = ndtri((rng.permutation(len(values)) + 0.5) / len(values))[:, None]
    away = drawn * np.where(drawn < 0, below, above)
    return fit.objective.moved(values, away)


def _root_sum(sides: Sequence[Side], which: int) -> Array:
    return np.asarray(np.sqrt(np.sum([side[which] ** 2 for side in sides], axis=0)))


def _method(first: Fit, second: Fit, kind: str, seed: int, count: int) -> str:
    """Say what the interval is made of; the form of a fit with neither rivals nor a back-test is taken as true."""
    parts = ["parameters", *(["scatter of the runs"] if kind == "run" else [])]
    carried = [name for name, fit in (("loss", first), ("error", second)) if fit.rivals or fit.backtest is not None]
    if carried:
        parts.append(f"errors of form and back-test of the {' and of the '.join(carried)}")
    what = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    drawn = f", seed {seed}" if len(parts) > 1 else ""
    text = f"{what}{drawn}; percentile of {count} pairs of replicates of both fits"
    plain = [name for name in ("loss", "error") if name not in carried]
    return text + (
        f"; the form of the law of the {' and of that of the '.join(plain)} is taken as true" if plain else ""
    )


def _verdict(first: Fit, second: Fit, factor: float) -> str:
    verdicts = {first.verdict, second.verdict}
    if NOT_IDENTIFIED in verdicts:
        return NOT_IDENTIFIED
    if factor >= 1.05:
        return f"extrapolating {format_factor(factor)}"
    return WEAK if WEAK in verdicts else "ok"
