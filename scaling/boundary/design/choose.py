"""Choose which models to evaluate for a budget."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scaling.boundary.design import optimal, spread
from scaling.boundary.design.pool import Pool, read_pool
from scaling.boundary.design.result import Design, DesignBin
from scaling.boundary.design.strata import bin_of, equal_mass_edges
from scaling.errors import UsageError, did_you_mean
from scaling.fitting.checks import whole

DESIGNS = ("stratified", "random", "i_optimal", "d_optimal")
_TABLE = 10  # bins that a design is described in, whatever it was made with


def choose_models(
    log10_compute: ArrayLike,
    cost: ArrayLike | None = None,
    budget: float = 0.2,
    design: str = "stratified",
    known: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    seed: int = 0,
    *,
    unit: str = "share",
    n_bins: int | None = None,
    exponent: float = spread.EXPONENT,
    ends: bool = True,
    by_group: bool = False,
    fill: bool = True,
    balance: float = optimal.BALANCE,
    items: int | None = None,
) -> Design:
    """Choose which models to evaluate, so that the boundary of the whole pool is known for less.

    Parameters
    ----------
    log10_compute : array_like (n,)
        log10 of the training compute of each model of the pool, FLOP.
    cost : array_like (n,), optional
        Of evaluating each, above 0, in any unit. Parameters are a good measure: FLOP of an evaluation are twice the
        parameters times the tokens it reads and writes. All alike where missing.
    budget : float, default 0.2
        What may be spent on models that are not known.
    design : {'stratified', 'random', 'i_optimal', 'd_optimal'}
        How. ``stratified`` spreads the money over bins of compute; the optimal ones are those of arXiv:2602.15327.
    known : array_like, optional
        Models whose scores exist: positions, or a mask (n,). They cost nothing more and are not chosen again, and the
        design chooses what they leave open.
    groups : array_like (n,), optional
        Cluster of each model, such as its base model; counted, and used by `by_group`.
    seed : int, default 0
        Of random choices and ties; recorded.
    unit : {'share', 'cost'}
        Whether the budget is a share of what the whole pool costs, or in the unit of the cost.
    n_bins : int, optional
        Bins of the design: 40 of ``stratified``, 10 of the optimal ones.
    exponent : float, default 0.75
        Of ``stratified``: how much more a bin gets whose models cost more; see
        `scaling.boundary.design.spread.choose_stratified`.
    ends : bool, default True
        Of ``stratified``: begin with a model of the smallest and one of the largest compute.
    by_group : bool, default False
        Of ``stratified``: a model of each group before a second one of any.
    fill : bool, default True
        Of ``random``: pass over what is too dear, until nothing fits any more.
    balance : float, default 1e-3
        Of ``i_optimal``: weight of the bonus for bins that hold few models.
    items : int, optional
        Of the optimal designs: items of the benchmark, for binomial noise.

    Returns
    -------
    Design

    Raises
    ------
    InputDataError
        For columns that cannot be used, or where the budget pays for no model.
    UsageError
        For settings that make no sense.

    Examples
    --------
    >>> import numpy as np
    >>> z = np.linspace(21, 25, 200)
    >>> parameters = 10 ** ((z - 21) / 2 + 8)
    >>> design = choose_models(z, parameters, budget=0.1)
    >>> len(design.order), round(design.share, 3)
    (33, 0.1)
    >>> later = choose_models(z, parameters, budget=0.1, known=design.chosen)
    >>> set(later.order) & set(design.order)
    set()
    """
    pool = read_pool(log10_compute, cost, budget, unit, known, groups)
    seed = whole(seed, "the seed")
    _check(design, n_bins, exponent, balance, items)
    if by_group and groups is None:
        raise UsageError("by_group needs the groups of the models", hint="Give groups, such as their base models.")
    rng = np.random.default_rng(seed)
    settings: dict[str, Any]
    condition = trace = None
    if design == "random":
        settings = {"fill": bool(fill)}
        order = spread.choose_random(pool, rng, fill=fill)
    elif design == "stratified":
        settings = {
            "n_bins": n_bins or spread.BINS,
            "exponent": float(exponent),
            "ends": bool(ends),
            "by_group": bool(by_group),
        }
        order = spread.choose_stratified(pool, rng, **settings)
    else:
        settings = {"n_bins": n_bins or optimal.BINS, "balance": float(balance), "items": items}
        found = optimal.choose_optimal(pool, design[0].upper(), rng, **settings)
        order, condition, trace = found.order, found.condition, found.trace
    return Design(
        name=design,
        order=tuple(pool.kept[order].tolist()),
        budget=pool.budget,
        spent=float(pool.cost[order].sum()),
        pool_cost=pool.cost_total,
        models=len(pool.z),
        known=int(pool.known.sum()),
        bins=_bins(pool, order),
        settings=settings,
        seed=seed,
        groups=len(np.unique(pool.group[order])) if pool.grouped else None,
        condition=condition,
        trace=trace,
        notes=pool.notes,
    )


def _check(design: str, n_bins: int | None, exponent: float, balance: float, items: int | None) -> None:
    if design not in DESIGNS:
        raise UsageError(f"there is no design '{design}'", hint=did_you_mean(design, DESIGNS))
    for value, what in ((n_bins, "the number of bins"), (items, "the number of items")):
        if value is not None and whole(value, what) < 1:
            raise UsageError(f"{what} must be at least 1, not {value}")
    if not 0 <= exponent <= 2:
        raise UsageError(f"the exponent of a bin's cost lies between 0 and 2, not at {exponent}")
    if not (math.isfinite(balance) and balance >= 0):
        raise UsageError(f"the weight of the balance must be a number from 0 on, not {balance}")


def _bins(pool: Pool, order: list[int]) -> tuple[DesignBin, ...]:
    at = bin_of(pool.z, equal_mass_edges(pool.z, _TABLE))
    chosen = np.zeros(len(pool.z), bool)
    chosen[order] = True
    out = []
    for i in np.unique(at):
        here = at == i
        out.append(
            DesignBin(
                low=float(pool.z[here].min()),
                high=float(pool.z[here].max()),
                models=int(here.sum()),
                known=int(np.sum(here & pool.known)),
                chosen=int(np.sum(here & chosen)),
                groups=len(np.unique(pool.group[here & chosen])),
                cost=float(pool.cost[here].sum()),
                spent=float(pool.cost[here & chosen].sum()),
            )
        )
    return tuple(out)
