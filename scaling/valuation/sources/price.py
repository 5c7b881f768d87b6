"""The price of the next token: by how much it lowers the loss, from each source, and for what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.bands import replicate_interval
from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.formatting import format_count, format_interval, format_number, format_percent
from scaling.inputs import check_level
from scaling.results import Fit
from scaling.valuation.equivalence.token_curve import SOURCES, TokenCurve, positive
from scaling.verdicts import EXTRAPOLATING, NOT_IDENTIFIED

Array = NDArray[np.float64]
_SAME = 1.05  # extrapolation factor from which a forecast says so


@dataclass(frozen=True)
class TokenPrice:
    """What the next token of each source buys.

    Parameters
    ----------
    names : tuple of str
        Of the k sources; ``tokens`` alone where none were named.
    n_params : float or None
        N.
    n_tokens : float
        D, in tokens of the law, at which the next one is asked about.
    price : ndarray (k,)
        ``-dL/dD``, loss a token.
    price_interval : tuple of ndarray (k,)
        Percentiles of the replicates.
    cost : ndarray (k,) or None
        Of a token.
    per_money : ndarray (k,) or None
        Loss taken away for one unit of money.
    per_money_interval : tuple of ndarray (k,) or None
        Percentiles of the replicates.
    best_share : ndarray (k,)
        Share of the replicates in which each source buys the most (for money, where costs are given): 0 or 1 without
        replicates and where the law moves all sources alike.
    currency : str
        Of the costs.
    level : float
        Nominal coverage.
    method, verdict, law : str
        How intervals are made; of the law there; its name.
    """

    names: tuple[str, ...]
    n_params: float | None
    n_tokens: float
    price: Array
    price_interval: tuple[Array, Array]
    cost: Array | None
    per_money: Array | None
    per_money_interval: tuple[Array, Array] | None
    best_share: Array
    currency: str
    level: float
    method: str
    verdict: str
    law: str

    @property
    def best(self) -> str:
        """The source whose next token buys the most, for money where costs are given."""
        return self.names[int(np.argmax(self.price if self.per_money is None else self.per_money))]

    def rows(self) -> list[dict[str, Any]]:
        """Return one dict a source."""
        out = []
        for i, name in enumerate(self.names):
            row: dict[str, Any] = {"source": name, "price": float(self.price[i])}
            row |= {"price_low": float(self.price_interval[0][i]), "price_high": float(self.price_interval[1][i])}
            if self.cost is not None and self.per_money is not None and self.per_money_interval is not None:
                low, high = self.per_money_interval
                row |= {"cost": float(self.cost[i]), "per_money": float(self.per_money[i])}
                row |= {"per_money_low": float(low[i]), "per_money_high": float(high[i])}
            out.append(row | {"best_share": float(self.best_share[i])})
        return out

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        from scaling.serial import plain

        names = ("n_params", "n_tokens", "currency", "level", "method", "verdict", "law", "best")
        out: dict[str, Any] = plain({name: getattr(self, name) for name in names} | {"sources": self.rows()})
        return out

    def __repr__(self) -> str:
        where = "" if self.n_params is None else f" and {format_count(self.n_params)} parameters"
        lines = [f"The next token at {format_count(self.n_tokens)} tokens{where} lowers the loss by"]
        for row in self.rows():
            ends = format_interval(1e9 * row["price_low"], 1e9 * row["price_high"])
            line = f"  {row['source']}: {format_number(1e9 * row['price'])} a billion ({ends})"
            if "per_money" in row:
                unit = self.currency or "unit of money"
                ends = format_interval(row["per_money_low"], row["per_money_high"])
                line += f"; {format_number(row['per_money'])} a {unit} ({ends})"
            lines.append(line)
        if len(self.names) > 1:
            share = self.best_share[self.names.index(self.best)]
            most = "the most for its cost" if self.cost is not None else "the most"
            lines.append(f"  {self.best} buys {most}, in {format_percent(float(share), 3)} of the replicates")
        return "\n".join([*lines, f"  law: {self.law}; verdict: {self.verdict}; intervals: {self.method}"])


def token_price(
    fit: Fit,
    n_tokens: float | Mapping[str, float],
    n_params: float | None = None,
    *,
    weights: Mapping[str, float] | None = None,
    epochs: Mapping[str, float] | None = None,
    decay: float | Mapping[str, float] | None = None,
    cost: float | Mapping[str, float] | None = None,
    currency: str = "",
    level: float = 0.95,
    at: Mapping[str, float] | None = None,
    input_name: str | None = None,
    force: bool = False,
) -> TokenPrice:
    """Say by how much the next token of each source lowers the loss, and for what money.

    Parameters
    ----------
    fit : Fit
        Of any law with tokens among its inputs, or of one of sources (`fit_source_weights`).
    n_tokens : float or mapping of str to float
        D so far, in tokens of the law; with a law of sources, the tokens of each.
    n_params : float, optional
        N, where the law has it.
    weights : mapping of str to float, optional
        Sources, and the tokens of the law that one of each is worth. Those of a law of sources where missing.
    epochs : mapping of str to float, optional
        Passes over a source that are over; a token of it is worth ``exp(-(epochs - 1)/decay)`` of a fresh one from the
        second pass on.
    decay : float or mapping of str to float, optional
        Repeats after which a token has lost 1 - 1/e of its worth; needed with more than one epoch.
    cost : float or mapping of str to float, optional
        Money a token.
    currency : str
        Of the costs, for the words.
    level : float, default 0.95
        Nominal coverage.
    at, input_name, force
        As of `source_values`.

    Returns
    -------
    TokenPrice

    Raises
    ------
    InputDataError
        For tokens, weights, epochs or costs that are none, or sources that are unknown.
    UsageError
        For a law without tokens, or a decay that is missing.
    VerdictError
        Where the law is not identified and `force` is not set.
    """
    check_level(level)
    curve = TokenCurve.of(fit, n_params, at=at, tokens=input_name, force=force)
    known = _weights(fit, weights)
    names = list(known)
    reached = _reached(n_tokens, known)
    with np.errstate(all="ignore"):
        fresh = -curve.slope(np.log(reached[:, None]))[:, 0] / reached
    worn = np.array([_worn(name, epochs, decay) for name in names])
    for what, given in (("epochs", epochs), ("costs", cost)):
        if isinstance(given, Mapping) and (unknown := [name for name in given if name not in names]):
            raise InputDataError(
                f"{what} are given for '{unknown[0]}', which is no source", did_you_mean(unknown[0], names)
            )
    prices = fresh[:, None] * np.stack([np.broadcast_to(known[name], fresh.shape) for name in names], axis=1) * worn
    costs = None if cost is None else np.array([_cost(name, cost) for name in names])
    bought = prices if costs is None else prices / costs
    at_level = fit.percentile_level(level)
    most = np.argmax(bought[1:] if curve.replicates else bought, axis=1)
    return TokenPrice(
        tuple(names), curve.held.get("N"), float(reached[0]), prices[0], replicate_interval(prices[1:], at_level),
        costs,
        None if costs is None else bought[0], None if costs is None else replicate_interval(bought[1:], at_level),
        np.bincount(most, minlength=len(names)) / len(most), currency, level,
        fit.interval_method if curve.replicates else "none: the fit has no bootstrap replicates",
        _verdict(curve, float(reached[0])), fit.law.name,
    )  # fmt: skip


def _weights(fit: Fit, given: Mapping[str, float] | None) -> dict[str, Any]:
    """Weight of each source: a number, or one a row (1 + B,) from a law of sources."""
    if given is not None:
        if not given:
            raise InputDataError("no source is named")
        return {str(k): positive(v, f"the weight of '{k}'", zero=True) for k, v in given.items()}
    if not (record := fit.settings.get(SOURCES)):
        return {"tokens": 1.0}
    theta = np.concatenate([fit.theta[None], fit.replicates])
    columns = {name: fit.law.parameter_names.index(w) for name, w in record["weights"].items()}
    return {name: theta[:, columns[name]] if name in columns else 1.0 for name in record["inputs"]}


def _reached(n_tokens: float | Mapping[str, float], weights: Mapping[str, Any]) -> Array:
    """Tokens of the law so far, (1 + B,) or (1,)."""
    if not isinstance(n_tokens, Mapping):
        return np.array([positive(n_tokens, "the number of tokens")])
    if unknown := [name for name in n_tokens if name not in weights]:
        raise InputDataError(
            f"tokens are given of '{unknown[0]}', which is no source", did_you_mean(unknown[0], weights)
        )
    parts = [weights[k] * positive(v, f"the tokens of '{k}'", zero=True) for k, v in n_tokens.items()]
    total = np.atleast_1d(np.asarray(sum(parts), float))
    if not np.all(total > 0):
        raise InputDataError("no source has tokens yet, and the first token has no price: the loss of none is infinite")
    return total


def _worn(name: str, epochs: Mapping[str, float] | None, decay: float | Mapping[str, float] | None) -> float:
    """Share of its first worth that the next token of a source has."""
    seen = positive((epochs or {}).get(name, 0.0), f"the epochs of '{name}'", zero=True)
    if seen <= 1:
        return 1.0
    slow = decay.get(name) if isinstance(decay, Mapping) else decay
    if slow is None:
        raise UsageError(f"'{name}' was seen {seen:g} times, and how fast its tokens wear out is not known (decay)")
    return float(np.exp(-(seen - 1) / positive(slow, f"the decay of '{name}'")))


def _cost(name: str, cost: float | Mapping[str, float]) -> float:
    if isinstance(cost, Mapping) and name not in cost:
        raise InputDataError(f"the source '{name}' has no cost", "Give one for every source, or for none.")
    return positive(cost[name] if isinstance(cost, Mapping) else cost, f"the cost of a token of '{name}'")


def _verdict(curve: TokenCurve, reached: float) -> str:
    from scaling.formatting import format_factor

    factor = float(curve.extrapolation_factor(curve.inputs(np.log([reached])))[0])
    if curve.fit.verdict == NOT_IDENTIFIED or factor < _SAME:
        return curve.fit.verdict
    return f"{EXTRAPOLATING} {format_factor(factor)}"
