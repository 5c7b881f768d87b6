"""Spend a collection budget on groups by their learning curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaling.errors import VerdictError
from scaling.inputs import check_level
from scaling.valuation.collection.filling import Curves, fill_in_proportion
from scaling.valuation.collection.market import FILL, Market, PerGroup, notes_of, read_market, stack
from scaling.valuation.collection.plan import CollectionPlan, Split
from scaling.verdicts import NOT_IDENTIFIED

if TYPE_CHECKING:
    from scaling.valuation.collection.curves import LearningCurves

Array = NDArray[np.float64]

_ROOM = 1e-9  # of rounding, relative


def allocate_collection(
    curves: LearningCurves,
    budget: float,
    *,
    cost: PerGroup = 1.0,
    goal: str = "sum",
    weights: PerGroup | None = None,
    have: PerGroup | None = None,
    available: PerGroup | None = None,
    whole: bool = True,
    level: float = 0.9,
    force: bool = False,
) -> CollectionPlan:
    """Say how many examples of each group to buy.

    Parameters
    ----------
    curves : LearningCurves
        Of the groups.
    budget : float
        Money.
    cost : float or mapping of str to float, default 1.0
        Price of an example, of all groups or of each.
    goal : {'sum', 'worst'}, default 'sum'
        Minimise the weighted sum of the losses, or the worst weighted loss.
    weights : float or mapping of str to float, optional
        How much the loss of a group counts; 1 where missing.
    have : float or mapping of str to float, optional
        Examples at hand; of a group that is not named, the most that its curve was measured with.
    available : float or mapping of str to float, optional
        Examples to be had; without a bound where missing.
    whole : bool, default True
        Whether examples are bought whole.
    level : float, default 0.9
        Nominal coverage of the intervals.
    force : bool, default False
        Go on from curves that are not identified.

    Returns
    -------
    CollectionPlan
        Exact for the curves: of the last example bought anywhere, none would have saved more elsewhere for its price.

    Raises
    ------
    UsageError
        For a budget, price or goal that makes no sense.
    InputDataError
        For a group without a price.
    VerdictError
        For a curve that is not identified.

    Examples
    --------
    >>> import numpy as np
    >>> from scaling.valuation.collection.curves import learning_curves
    >>> n = np.tile(np.geomspace(100, 12800, 8), 2)
    >>> group = np.repeat(["easy", "hard"], 8)
    >>> loss = np.where(group == "easy", 1, 3) / n**0.5
    >>> found = learning_curves(n, loss, group, law="power", bootstrap=0)
    >>> plan = allocate_collection(found, 20000)
    >>> plan.buy.tolist()
    [2005.0, 17995.0]
    """
    check_level(level)
    market = read_market(curves, budget, cost, goal, weights, have, available, whole)
    unsure = [g for g in market.groups if curves[g].fit.verdict == NOT_IDENTIFIED]
    if unsure and not force:
        raise VerdictError(
            f"the learning curve of {unsure[0]} is not identified, so no money is spent on it. "
            + " ".join(curves[unsure[0]].fit.diagnostics.reasons),
            hint="Measure more sizes, let the groups share their exponents (--pool, pool=True), or force an answer "
            "(--force, force=True).",
        )
    best = stack([curves[g].parameters[None] for g in market.groups], market.weight)
    drawn = draws_of(curves, market)
    return plan_of(market, best, drawn, curves, whole, level)


def plan_of(
    market: Market, best: Curves, drawn: Curves | None, curves: LearningCurves, whole: bool, level: float
) -> CollectionPlan:
    """Spend the money by the best curves, and say how sure that is by others."""
    buy = to_whole(market, best, market.fill(best)[0]) if whole else market.fill(best)[0]
    nothing = np.zeros(len(buy))
    now, after = float(market.outcome(best, nothing)[0]), float(market.outcome(best, buy)[0])
    after_drawn = None if drawn is None else market.outcome(drawn, buy)
    gains = None if drawn is None or after_drawn is None else market.outcome(drawn, nothing) - after_drawn
    each = None if drawn is None else drawn.loss(market.have + buy)
    buys = None if drawn is None else market.fill(drawn)
    losses = best.loss(market.have + buy)[0]
    price = best.slope(market.have + buy)[0] / market.cost
    if market.goal == "worst":
        worst = market.weight * losses
        price = np.where(worst >= worst.max() * (1 - 1e-6), price, 0.0)
    largest = np.array([curves[g].have for g in market.groups])
    made = {name: _split(market, share, whole) for name, share in _shares(market).items()}
    splits = []
    for name, other in made.items():
        outcome = float(market.outcome(best, other)[0])
        apart = None if drawn is None or after_drawn is None else market.outcome(drawn, other) - after_drawn
        low, high = ends(apart, level)
        splits.append(Split(name, other, outcome, outcome - after, float(low), float(high)))
    buy_low, buy_high = _each(ends(buys if buys is None or not whole else np.floor(buys), level), len(buy))
    loss_low, loss_high = _each(ends(each, level), len(buy))
    outcome_low, outcome_high = ends(after_drawn, level)
    gain_low, gain_high = ends(gains, level)
    factor = np.maximum((market.have + buy) / largest, 1.0)
    return CollectionPlan(
        groups=market.groups, goal=market.goal, budget=market.budget, spent=float(market.cost @ buy), cost=market.cost,
        weight=market.weight, have=market.have, available=market.available, buy=buy, buy_low=buy_low, buy_high=buy_high,
        loss_now=best.loss(market.have)[0], loss_after=losses, loss_low=loss_low, loss_high=loss_high, outcome_now=now,
        outcome=after, outcome_low=float(outcome_low), outcome_high=float(outcome_high), gain_low=float(gain_low),
        gain_high=float(gain_high), price=price, floor=best.floor[0], factor=factor, splits=tuple(splits), level=level,
        draws=0 if drawn is None else len(drawn.floor), verdict=curves.verdict,
        notes=notes_of(market, best, buy, losses, factor),
    )  # fmt: skip


def to_whole(market: Market, best: Curves, buy: Array) -> Array:
    """Round a purchase (G,) down, and spend what is left one example at a time where it saves most for its price."""
    room = 1 + _ROOM
    bought = np.minimum(np.floor(buy * room), market.available)
    while market.cost @ bought > market.budget * room:  # the rounding of a large number may reach the next one
        bought[np.argmax(bought * market.cost)] -= 1
    while True:
        left = float(market.budget * room - market.cost @ bought)
        can = (market.cost <= left) & (market.available - bought >= 1)
        if not can.any():
            return bought
        at = market.have + bought
        more = np.zeros(len(bought))
        if left > 10 * market.cost[can].sum():
            rest = np.where(can, market.available - bought, 0.0)
            if float(market.cost[can] @ np.where(np.isfinite(rest), rest, np.inf)[can]) > left:
                more = np.floor(FILL[market.goal](best, left, market.cost, at, rest)[0])
            else:
                more = rest
        if not more.any():
            loss = best.weight * best.loss(at)[0]
            saved = loss - best.weight * best.loss(at + 1)[0]
            worth = saved / market.cost if market.goal == "sum" else loss
            more[int(np.argmax(np.where(can, worth, -np.inf)))] = 1
        bought = bought + more


def draws_of(curves: LearningCurves, market: Market) -> Curves | None:
    """Put the replicates of all curves side by side, as many as every curve has; None without any."""
    parts = [curves[g].draws for g in market.groups]
    parts = [p[np.all(np.isfinite(p), axis=1)] for p in parts]
    count = min(len(p) for p in parts)
    return stack([p[:count] for p in parts], market.weight) if count > 1 else None


def ends(values: Array | None, level: float) -> Any:
    """Return the ends of the central part of draws along the first axis; NaN without any."""
    if values is None:
        return np.nan, np.nan
    return np.quantile(values, [(1 - level) / 2, (1 + level) / 2], axis=0)


def _each(pair: Any, count: int) -> tuple[Array, Array]:
    low, high = pair
    return np.broadcast_to(low, count).astype(float), np.broadcast_to(high, count).astype(float)


def _shares(market: Market) -> dict[str, Array]:
    return {"uniform": np.ones(len(market.groups)), "proportional": market.have}


def _split(market: Market, share: Array, whole: bool) -> Array:
    share = np.where(market.available > 0, share, 0.0)
    bought = fill_in_proportion(share, market.budget, market.cost, market.available)[0]
    return np.asarray(np.floor(bought * (1 + _ROOM)) if whole else bought)
