"""Pools of data under a law of tokens: what a split is worth, and which split is the best.

A token of pool i is worth ``w_i`` fresh tokens of the reference the first time, ``w_i*exp(-R/R_i)`` after R repeats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.allocation.repetition import DECAY, FULL, RepetitionLaw, effective_count
from scaling.bands import replicate_interval
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_factor
from scaling.laws.book import find_law
from scaling.results import Fit
from scaling.roots import find_lowest
from scaling.valuation.equivalence.repetition import effective_tokens
from scaling.valuation.equivalence.token_curve import SOURCES, TokenCurve, positive
from scaling.valuation.equivalence.water import water_fill
from scaling.verdicts import EXTRAPOLATING, NOT_IDENTIFIED

Array = NDArray[np.float64]
_SAME = 1.05  # extrapolation factor from which a forecast says so
_MOST_BONUS = 1 - 1e-6  # of b/(1 + b), where b is what fresh tokens count more
_COARSE = 33


@dataclass(frozen=True)
class Pool:
    """A pool of data.

    Parameters
    ----------
    name : str
        Of it.
    unique_tokens : float
        U.
    weight : float, optional
        Tokens of the reference that a fresh token of it is worth. Where missing, the weight that the law has for a
        source of this name; 1 where it has none.
    decay : float, optional
        R*, repeats after which a token has lost 1 - 1/e of its worth; that of the law where missing.
    """

    name: str
    unique_tokens: float
    weight: float | None = None
    decay: float | None = None


@dataclass(frozen=True)
class PoolLaw:
    """A law over effective tokens, with the weights and decays of pools, at the estimates and all replicates.

    Parameters
    ----------
    pools : tuple of Pool
        The k pools.
    unique : ndarray (k,)
        Unique tokens.
    weights, decays : ndarray (1 + B, k)
        Of each pool, the estimates first.
    law : RepetitionLaw or TokenCurve
        What effective tokens do to the loss.
    n_params : float or None
        N.
    """

    pools: tuple[Pool, ...]
    unique: Array
    weights: Array
    decays: Array
    law: RepetitionLaw | TokenCurve
    n_params: float | None

    @classmethod
    def of(
        cls,
        source: Fit | str,
        pools: Sequence[Pool],
        n_params: float | None,
        *,
        at: Mapping[str, float] | None = None,
        tokens: str | None = None,
        force: bool = False,
    ) -> PoolLaw:
        """Check pools and bring them together with a law; see `allocate_pools`."""
        names = [pool.name for pool in pools]
        if not pools or len(set(names)) < len(names):
            raise InputDataError("there are no pools" if not pools else f"a pool is named twice: {', '.join(names)}")
        law: RepetitionLaw | TokenCurve
        if isinstance(source, str) or source.law.formula in [find_law(name).formula for name in (FULL, DECAY)]:
            if n_params is None:
                raise UsageError("a law of repeated data needs the number of parameters to say what tokens do")
            law = RepetitionLaw.of(source, force)
            size: float | None = positive(n_params, "the number of parameters")
            rows, own = 1 + law.replicates, law.R_D
        else:
            law = TokenCurve.of(source, n_params, at=at, tokens=tokens, force=force)
            size, rows, own = law.held.get("N"), len(law.theta), None
        weights, decays = np.empty((rows, len(pools))), np.empty((rows, len(pools)))
        for i, pool in enumerate(pools):
            weights[:, i] = _weight(pool, None if isinstance(source, str) else source)
            if pool.decay is not None:
                decays[:, i] = positive(pool.decay, f"the decay of '{pool.name}'")
            elif own is not None:
                decays[:, i] = own[:, 0]
            else:
                raise UsageError(
                    f"the pool '{pool.name}' has no decay, and the law knows none",
                    hint=f"Say after how many repeats its tokens wear out, or fit {FULL}.",
                )
        if not np.all(weights.max(axis=1) > 0):
            raise InputDataError("no pool has a weight above 0, so no token is worth anything")
        unique = np.array([positive(pool.unique_tokens, f"the unique tokens of '{pool.name}'") for pool in pools])
        return cls(tuple(pools), unique, weights, decays, law, size)

    @property
    def names(self) -> list[str]:
        """Of the pools."""
        return [pool.name for pool in self.pools]

    def effective(self, tokens: Array) -> Array:
        """Return effective tokens (1 + B,) of tokens of each pool, (k,) or (1 + B, k)."""
        return np.asarray(effective_tokens(tokens, self.unique, self.decays, self.weights).sum(axis=1))

    def loss(self, tokens: Array) -> Array:
        """Return the loss (1 + B,) after training on tokens of each pool, (k,) or (1 + B, k)."""
        reached = self.effective(tokens)[:, None]
        if isinstance(self.law, TokenCurve):
            with np.errstate(divide="ignore"):
                return self.law.loss(np.log(reached))[:, 0]
        law, n = self.law, np.array([[self.n_params]], float)
        unique = np.sum(self.weights * np.minimum(tokens, self.unique), axis=1, keepdims=True)
        enough = (unique**law.beta * law.alpha * law.A / (law.beta * law.B)) ** (1 / law.alpha)
        params = effective_count(n, np.minimum(n, enough), law.R_N)
        return np.asarray((law.E + law.A / params**law.alpha + law.B / reached**law.beta)[:, 0])

    def best_split(self, n_tokens: float) -> Array:
        """Return the split (1 + B, k) of the lowest loss.

        Where the loss depends on effective tokens alone that is water-filling. A law of repeated data counts unique
        tokens by themselves too, because they say how many parameters are of use: among the splits that give up
        nothing in either, which are those of all bonuses for fresh tokens, the best is sought.
        """
        split, _ = water_fill(self.unique, self.weights, self.decays, n_tokens)
        if isinstance(self.law, TokenCurve):
            return split

        def loss(share: Array) -> Array:
            bonus = share / (1 - share)
            return self.loss(water_fill(self.unique, self.weights, self.decays, n_tokens, bonus)[0])

        steps = np.linspace(0, _MOST_BONUS, _COARSE)
        values = np.stack([loss(np.full(len(split), step)) for step in steps])
        near = np.clip(np.argmin(values, axis=0), 1, _COARSE - 2)
        share = find_lowest(loss, steps[near - 1], steps[near + 1])
        other = water_fill(self.unique, self.weights, self.decays, n_tokens, share / (1 - share))[0]
        return np.where((self.loss(other) < self.loss(split))[:, None], other, split)

    def next_worth(self, split: Array) -> Array:
        """Return what one more token is worth at the most (1 + B,), in fresh tokens of the reference."""
        repeats = np.maximum(split / self.unique - 1, 0.0)
        return np.asarray(np.max(self.weights * np.exp(-repeats / self.decays), axis=1))

    @property
    def fit(self) -> Fit | None:
        """Where the law is from; None for published coefficients."""
        return self.law.fit

    def interval(self, values: Array, level: float) -> tuple[Any, Any]:
        """Percentiles over the replicates of values (1 + B,) or (1 + B, m); NaN where there are none."""
        return replicate_interval(values[1:], level if self.fit is None else self.fit.percentile_level(level))

    @property
    def method(self) -> str:
        """How intervals are made."""
        if self.fit is None:
            return "none: published coefficients come without replicates"
        return self.fit.interval_method if len(self.fit.replicates) else "none: the fit has no bootstrap replicates"

    def verdict(self, tokens: Array) -> str:
        """Verdict of the law where effective tokens at the estimates are."""
        if self.fit is None:
            return "published"
        reached = float(self.effective(tokens)[0])
        if isinstance(self.law, TokenCurve):
            factor = float(self.law.extrapolation_factor(self.law.inputs(np.log([reached])))[0])
        else:
            total = np.broadcast_to(tokens, self.weights.shape)[0]
            unique = float(np.minimum(total, self.unique).sum())
            inputs = {"N": np.array([self.n_params], float), "D": np.array([total.sum()]), "U": np.array([unique])}
            factor = float(self.fit.extrapolation_factor(inputs)[0])
        if self.fit.verdict == NOT_IDENTIFIED or factor < _SAME:
            return self.fit.verdict
        return f"{EXTRAPOLATING} {format_factor(factor)}"


def _weight(pool: Pool, fit: Fit | None) -> Any:
    """Weight of a pool (R,): its own, that of the law with its replicates, or 1."""
    if pool.weight is not None:
        return positive(pool.weight, f"the weight of '{pool.name}'", zero=True)
    record = {} if fit is None else fit.settings.get(SOURCES, {})
    if fit is None or pool.name == record.get("reference") or not record:
        return 1.0
    if pool.name not in record["weights"]:
        raise InputDataError(
            f"the law knows no source '{pool.name}', and the pool has no weight",
            hint=f"Its sources are {', '.join(record['inputs'])}.",
        )
    column = fit.law.parameter_names.index(record["weights"][pool.name])
    return np.concatenate([fit.theta[[column]], fit.replicates[:, column]])
