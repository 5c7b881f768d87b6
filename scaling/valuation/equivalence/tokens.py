"""What a subset is worth: how many random tokens give the loss that it gave.

The performance-equivalent size of a subset with loss L is the D at which the law of random data has that loss, at the
same number of parameters: ``D_eq = (B/(L - E - A/N**alpha))**(1/beta)`` for Chinchilla, a root for any other law.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.bands import replicate_interval
from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.formatting import format_factor
from scaling.inputs import check_level
from scaling.valuation.equivalence.delta import (
    NEAR,
    band_interval,
    delta_interval,
    distance_from_asymptote,
    profile_interval,
)
from scaling.valuation.equivalence.token_curve import SOURCES, TokenCurve, positive
from scaling.valuation.equivalence.worth_result import Worth
from scaling.verdicts import EXTRAPOLATING, NOT_IDENTIFIED

if TYPE_CHECKING:
    from scaling.results import Fit

Array = NDArray[np.float64]
METHODS = ("bootstrap", "delta", "profile", "band")
_SAME = 1.05  # extrapolation factor from which a forecast says so


def worth(
    fit: Fit,
    loss: float,
    n_params: float | None = None,
    *,
    n_tokens: float | None = None,
    loss_se: float | None = None,
    level: float = 0.95,
    method: str | None = None,
    rows: tuple[Mapping[str, ArrayLike], ArrayLike] | None = None,
    at: Mapping[str, float] | None = None,
    tokens: str | None = None,
    seed: int = 0,
    force: bool = False,
) -> Worth:
    """Say how many random tokens a loss is worth.

    Parameters
    ----------
    fit : Fit
        Of a law of random data with tokens among its inputs; what it predicts is what `loss` is.
    loss : float
        That of a model trained on the subset, on the test set of the law.
    n_params : float, optional
        Its parameters; needed where the law has N.
    n_tokens : float, optional
        Tokens that it was trained on, for the ratio to them.
    loss_se : float, optional
        Standard error of the loss; 0 for a loss without noise, such as the law's own. The scatter of the runs around
        the law where missing: that of one more run.
    level : float, default 0.95
        Nominal coverage of the interval.
    method : {'bootstrap', 'delta', 'profile', 'band'}, optional
        ``bootstrap``: percentiles over the replicates. ``delta``: from the covariance, on the logarithm. ``profile``:
        profile likelihood, which needs `rows`. ``band``: all D whose forecast interval holds the loss, with the spread
        of rivals and the errors of a back-test. Where missing: the band where the fit has rivals or a back-test, the
        bootstrap where it has replicates, and otherwise the delta method; within three standard errors of the
        asymptote, where that fails, the profile, or without rows the band.
    rows : (mapping, array_like), optional
        Inputs and observations that were fitted, for the profile.
    at : mapping of str to float, optional
        Other inputs of the law.
    tokens : str, optional
        The input that holds tokens, where it is not ``D``.
    seed : int, default 0
        Of the noise of the loss over the replicates.
    force : bool, default False
        Answer even where the law is not identified.

    Returns
    -------
    Worth

    Raises
    ------
    UsageError
        For a law without tokens, a method that cannot be had, or an impossible level.
    InputDataError
        For a loss, a size or a number of tokens that is none.
    VerdictError
        Where the law is not identified and `force` is not set.
    """
    check_level(level)
    curve = TokenCurve.of(fit, n_params, at=at, tokens=tokens, force=force)
    loss = positive(loss, "the loss")
    if not bool(fit.objective.has(np.array([loss]))[0]):
        raise InputDataError(f"a loss of {loss:g} does not lie above the floor {fit.objective.floor:g} of the law")
    used = None if n_tokens is None else positive(n_tokens, "the number of tokens")
    error, error_from = loss_error(fit, loss, loss_se)
    log_d = equivalents(curve, loss, error, seed)
    chosen = _choose(curve, method, loss, error, rows)
    low, high = _interval(curve, chosen, log_d, (loss, error, loss_se), level, rows)
    d_eq, ends = float(np.exp(log_d[0])), (float(np.exp(low)), float(np.exp(high)))
    factor = np.inf if d_eq else 1.0
    if d_eq not in (0, np.inf):
        factor = float(curve.extrapolation_factor(curve.inputs(log_d[:1]))[0])
    return Worth(
        d_eq=d_eq,
        interval=ends,
        level=level,
        loss=loss,
        loss_se=error,
        loss_se_from=error_from,
        asymptote=float(curve.asymptote()[0]),
        n_params=curve.held.get("N"),
        n_tokens=used,
        ratio=np.nan if used is None else d_eq / used,
        ratio_interval=(np.nan, np.nan) if used is None else (ends[0] / used, ends[1] / used),
        endless_share=float(np.mean(np.isposinf(log_d[1:]))) if curve.replicates else np.nan,
        extrapolation_factor=factor,
        method=_words(curve, chosen),
        verdict=_verdict(fit, factor),
        law=fit.law.name,
        seed=seed,
        output="loss" if fit.law.output == "y" else fit.law.output,
        of=f"tokens of {fit.settings[SOURCES]['reference']}" if SOURCES in fit.settings else "random tokens",
    )


def loss_error(fit: Fit, loss: float, given: float | None) -> tuple[float, str]:
    """Return the standard error of a loss, and where it is from.

    Parameters
    ----------
    fit : Fit
        The law.
    loss : float
        What was measured.
    given : float or None
        What is known of its error; None for the scatter of one more run around the law.

    Returns
    -------
    float, str
    """
    from scaling.width import noise_from_repeats

    if given is not None:
        return positive(given, "the standard error of the loss", zero=True), "given"
    if fit.objective.lopsided:
        return 0.0, "counted as exact: the law is no mean of its runs"
    known = fit.diagnostics
    if noise_from_repeats(fit):
        spread, said = known.replicate_rms, "scatter of repeated runs"
    else:
        spread = float(np.sqrt(np.sum(fit.residuals**2) / max(fit.n_obs - fit.fitted_parameters, 1)))
        said = "scatter of the runs"
    per_loss = float(fit.objective.slopes_on_scale(np.ones((1, 1)), np.array([loss]))[0, 0])
    return spread / per_loss, said


def equivalents(curve: TokenCurve, loss: float, error: float, seed: int | np.random.SeedSequence) -> Array:
    """Return ln D_eq (1 + B,): of the loss by the estimates, and of the loss with noise by each replicate."""
    noise = np.random.default_rng(seed).standard_normal(curve.replicates)
    return curve.log_tokens(np.concatenate([[loss], loss + error * noise]))


def _choose(curve: TokenCurve, asked: str | None, loss: float, error: float, rows: object) -> str:
    """Settle how the interval is made."""
    fit = curve.fit
    if asked is not None and asked not in METHODS:
        raise UsageError(f"there is no method '{asked}' for the interval of a worth", did_you_mean(asked, METHODS))
    if asked == "bootstrap" and not curve.replicates:
        raise UsageError(
            "a bootstrap interval is made from replicates, but this fit has none",
            "Fit with some hundreds of replicates.",
        )
    if asked == "profile" and rows is None:
        raise UsageError("a profile likelihood needs the rows of the fit", "Give them: rows=(inputs, losses).")
    if rows is not None and (fit.settings.get("grouped") or fit.settings.get("weighted")):
        raise UsageError("a profile of a worth takes rows of one weight, without groups", "Take the bootstrap.")
    if asked is not None:
        return asked
    if fit.backtest is not None or fit.rivals:
        return "band"
    if curve.replicates:
        return "bootstrap"
    if distance_from_asymptote(curve, loss, error) > NEAR:
        return "delta"
    return "band" if rows is None else "profile"


def _interval(
    curve: TokenCurve, method: str, log_d: Array, losses: tuple[float, float, float | None], level: float, rows: Any
) -> tuple[float, float]:
    loss, error, given = losses
    if method == "bootstrap":
        low, high = replicate_interval(log_d[1:, None], curve.fit.percentile_level(level))
        return float(low[0]), float(high[0])
    if method == "band":
        return band_interval(curve, float(log_d[0]), loss, given, level)
    if method == "profile":
        return profile_interval(curve, rows, float(log_d[0]), loss, error, level)
    if not np.isfinite(log_d[0]):
        return np.nan, np.nan
    return delta_interval(curve, float(log_d[0]), error, level)


def _words(curve: TokenCurve, method: str) -> str:
    fit = curve.fit
    if method == "bootstrap":
        return fit.interval_method
    if method == "profile":
        return "profile likelihood, the loss as one more row"
    if method == "delta":
        return f"delta method on the logarithm, {fit.degrees:g} degrees of freedom"
    more = " with the form of the law and the errors of its back-test" if fit.backtest is not None or fit.rivals else ""
    return f"every number of tokens whose forecast{more} holds the loss; {fit.interval_method}"


def _verdict(fit: Fit, factor: float) -> str:
    if fit.verdict == NOT_IDENTIFIED or factor < _SAME:
        return fit.verdict
    return f"{EXTRAPOLATING} {format_factor(factor)}" if np.isfinite(factor) else f"{EXTRAPOLATING} without end"
