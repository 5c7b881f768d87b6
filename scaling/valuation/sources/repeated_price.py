"""The price of the next token under a law of repeated data, where what it buys depends on whether it is a new one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scaling.bands import replicate_interval
from scaling.formatting import format_factor
from scaling.valuation.equivalence.token_curve import extrapolated
from scaling.valuation.sources.law_utility import LawUtility
from scaling.valuation.sources.price import TokenPrice
from scaling.verdicts import EXTRAPOLATING, NOT_IDENTIFIED

Array = NDArray[np.float64]
_SAME = 1.05  # extrapolation factor from which a forecast says so


def repeated_price(
    game: LawUtility, fresh: NDArray[np.bool_], *, cost: Array | None = None, currency: str = "", level: float = 0.95
) -> TokenPrice:
    """Say what the next token of each source buys where all sources are, under a law of tokens and unique tokens.

    Parameters
    ----------
    game : LawUtility
        Of k sources, under a law that is not additive.
    fresh : ndarray of bool (k,)
        Whether the next token of each source was not seen before; one that was counts as a token and no unique one.
    cost : ndarray (k,), optional
        Of a token.
    currency : str
        Of the costs, for the words.
    level : float, default 0.95
        Nominal coverage.

    Returns
    -------
    TokenPrice
        Derivatives of the law by central differences, extrapolated to no step.
    """
    total = game.totals(np.ones((1, game.k)))[0, 0]
    n_tokens, unique = float(total[0]), float(total[1])

    def along(direction: Array, room: float) -> Array:
        def fall(h: float) -> Array:
            ends = total + np.array([[-h], [h]]) * room * direction
            losses = game.loss_of(ends[None])
            return (losses[:, 0] - losses[:, 1]) / (2 * h * room)

        return extrapolated(fall)

    new = along(np.array([1.0, 1.0]), unique)
    seen = along(np.array([1.0, 0.0]), min(unique, n_tokens - unique)) if not fresh.all() else new
    prices = np.where(fresh, new[:, None], seen[:, None])
    bought = prices if cost is None else prices / cost
    fit = game.curve.fit
    at_level = fit.percentile_level(level)
    most = np.argmax(bought[1:] if game.curve.replicates else bought, axis=1)
    inputs = game.curve.inputs(np.log([n_tokens])) | dict.fromkeys(game.curve.follows, np.array([unique]))
    factor = float(fit.extrapolation_factor(inputs)[0])
    beyond = factor >= _SAME and fit.verdict != NOT_IDENTIFIED
    return TokenPrice(
        game.names, game.curve.held.get("N"), n_tokens, prices[0], replicate_interval(prices[1:], at_level), cost,
        None if cost is None else bought[0], None if cost is None else replicate_interval(bought[1:], at_level),
        np.bincount(most, minlength=game.k) / len(most), currency, level,
        fit.interval_method if game.curve.replicates else "none: the fit has no bootstrap replicates",
        f"{EXTRAPOLATING} {format_factor(factor)}" if beyond else fit.verdict, fit.law.name,
    )  # fmt: skip
