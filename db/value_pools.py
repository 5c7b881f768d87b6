"""Pools of data under a saved law: the best use of a budget, and which filter is the best at which budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from db.saved import SavedFit, load_fit
from scaling.errors import InputDataError, UsageError

if TYPE_CHECKING:
    from db.store import Store
    from scaling.valuation.equivalence.pool_law import Pool
    from scaling.valuation.equivalence.pools import PoolAllocation
    from scaling.valuation.equivalence.thresholds import Thresholds

KEYS = ("unique", "quality", "decay", "cost")
_FEWEST, _MOST = 0.1, 100.0  # budgets that filters are compared at, in unique tokens of the smallest and of all pools


@dataclass(frozen=True)
class PoolsAnswer:
    """What to train on.

    Parameters
    ----------
    saved : SavedFit or None
        The law; None for published coefficients.
    pools : tuple of Pool
        What there is.
    cost : dict of str to float
        Of a unique token of each pool; empty where nobody said.
    plan : PoolAllocation
        The best split, beside one pool alone and as many epochs of each.
    filters : Thresholds or None
        Which pools to keep at which budget; None for a single pool.
    """

    saved: SavedFit | None
    pools: tuple[Pool, ...]
    cost: dict[str, float]
    plan: PoolAllocation
    filters: Thresholds | None

    def spend(self, tokens: Mapping[str, float]) -> float:
        """Return what the unique tokens of a split cost: a token that is repeated is bought once."""
        return sum(
            self.cost.get(pool.name, 0.0) * min(tokens[pool.name], pool.unique_tokens) for pool in self.pools
        )  # fmt: skip

    def split_of(self, strategy: str) -> dict[str, float]:
        """Return the tokens of each pool under a strategy of the plan."""
        names, total = self.plan.names, self.plan.n_tokens
        if strategy == "best":
            return dict(zip(names, self.plan.tokens.tolist(), strict=True))
        if strategy == "uniform":
            every = sum(pool.unique_tokens for pool in self.pools)
            return {pool.name: total * pool.unique_tokens / every for pool in self.pools}
        return {name: total if strategy == f"only {name}" else 0.0 for name in names}


def use_pools(
    store: Store | None,
    name: str | None,
    entries: dict[str, dict[str, float]],
    n_tokens: float,
    n_params: float | None,
    *,
    budgets: tuple[float, float] | None = None,
    kind: str = "nested",
    decay: float | None = None,
    level: float = 0.9,
    at: Mapping[str, float] | None = None,
    input_name: str | None = None,
    force: bool = False,
) -> PoolsAnswer:
    """Split a budget of tokens over pools.

    Parameters
    ----------
    store : Store or None
        An open store; None for published coefficients.
    name : str or None
        Of the fit; None for published coefficients of repeated data.
    entries : dict
        Pools with the keys of `KEYS`.
    n_tokens, n_params, level, at, force
        As of `scaling.valuation.allocate_pools`.
    budgets : (float, float), optional
        Between which filters are compared; from a tenth of the smallest pool to a hundred times all of them where
        missing.
    kind : {'nested', 'single'}
        As of `scaling.valuation.filtering_thresholds`.
    decay : float, optional
        Of the pools that have none of their own.
    input_name : str, optional
        Input of the law that holds tokens.

    Returns
    -------
    PoolsAnswer

    Raises
    ------
    UsageError, InputDataError, VerdictError
        As of `scaling.valuation.allocate_pools`.
    """
    from scaling.allocation.repetition import PUBLISHED
    from scaling.valuation.equivalence.pool_law import Pool
    from scaling.valuation.equivalence.pools import allocate_pools
    from scaling.valuation.equivalence.thresholds import filtering_thresholds

    pools = tuple(
        Pool(pool, one["unique"], one.get("quality"), one.get("decay", decay)) for pool, one in entries.items()
    )
    cost = {pool: one["cost"] for pool, one in entries.items() if "cost" in one}
    if bad := [pool for pool, price in cost.items() if price < 0]:
        raise InputDataError(f"A token of the pool '{bad[0]}' costs {cost[bad[0]]:g}; a number from 0 on is needed.")
    if cost and (free := [pool for pool in entries if pool not in cost]):
        raise UsageError(f"The pool '{free[0]}' has no cost.", "Give one for every pool, or for none.")
    saved = None
    if name is not None:
        assert store is not None
        saved = load_fit(store, name)
    source = PUBLISHED if saved is None else saved.fit
    same: dict[str, Any] = {"level": level, "at": at, "tokens": input_name, "force": force}
    plan = allocate_pools(source, pools, n_tokens, n_params, **same)
    filters = None
    if len(pools) > 1:
        sizes = [pool.unique_tokens for pool in pools]
        between = budgets or (_FEWEST * min(sizes), _MOST * max(sum(sizes), n_tokens))
        filters = filtering_thresholds(source, pools, between, n_params, kind=kind, **same)
    return PoolsAnswer(saved, pools, cost, plan, filters)
