"""Rehearse a collection on groups whose curves are known: what once, in rounds and a uniform split miss the best by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.errors import UsageError
from scaling.fitting.checks import whole
from scaling.formatting import format_estimate, format_plural
from scaling.serial import plain
from scaling.valuation.collection.allocation import allocate_collection, to_whole
from scaling.valuation.collection.curves import learning_curves
from scaling.valuation.collection.filling import Curves
from scaling.valuation.collection.market import PerGroup, read_market
from scaling.valuation.collection.sequential import collect_in_rounds

Array = NDArray[np.float64]

WAYS = ("rounds", "once", "uniform")


@dataclass(frozen=True)
class Rehearsal:
    """What ways to spend a budget missed the best purchase by.

    Parameters
    ----------
    regret : dict of str to ndarray (R,)
        By way: goal after the purchase, by the true curves, less that after the best one.
    best : float
        Goal after the best purchase.
    now : float
        Goal before any.
    seed : int
        Of the draws.
    """

    regret: dict[str, Array]
    best: float
    now: float
    seed: int

    def mean(self, way: str) -> float:
        """Mean regret of a way."""
        return float(self.regret[way].mean())

    def error(self, way: str) -> float:
        """Return the standard error of that mean."""
        return float(self.regret[way].std(ddof=1) / np.sqrt(len(self.regret[way])))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        ways = {way: {"regret": self.mean(way), "error": self.error(way)} for way in self.regret}
        return {
            "ways": plain(ways),
            "best": self.best,
            "now": self.now,
            "draws": len(self.regret["once"]),
            "seed": self.seed,
        }

    def __repr__(self) -> str:
        said = ", ".join(f"{way} {format_estimate(self.mean(way), self.error(way))}" for way in self.regret)
        return f"mean regret over {format_plural(len(self.regret['once']), 'draw')}: {said}"


def rehearse_collection(
    truth: Mapping[str, tuple[float, float, float]],
    sizes: Sequence[float],
    budget: float,
    *,
    noise: float = 0.02,
    rounds: int = 3,
    cost: PerGroup = 1.0,
    goal: str = "sum",
    weights: PerGroup | None = None,
    law: str = "power_floor",
    pool: bool = False,
    draws: int = 20,
    seed: int = 0,
) -> Rehearsal:
    """Simulate pilots of known curves, spend the budget in each way, and look what came of it.

    Parameters
    ----------
    truth : mapping of str to (float, float, float)
        E, A and alpha of each group.
    sizes : sequence of float
        Examples that the pilot of each group was measured with.
    budget : float
        Money.
    noise : float, default 0.02
        Standard deviation of the logarithm of what is measured.
    rounds, cost, goal, weights, law, pool
        As of `collect_in_rounds`.
    draws : int, default 20
        Simulated pilots.
    seed : int, default 0
        Of the noise.

    Returns
    -------
    Rehearsal
        Ways are ``rounds``, ``once`` and ``uniform`` (as many examples of each group).

    Raises
    ------
    UsageError
        For fewer than two draws, or groups or prices that make no sense.
    """
    if whole(draws, "the number of draws") < 2:
        raise UsageError("a mean with its error takes two draws at least")
    groups = tuple(sorted(truth))
    table = np.array([truth[g] for g in groups], float)
    x = np.tile(np.asarray(sizes, float), len(groups))
    labels = [g for g in groups for _ in sizes]
    kept: dict[str, list[float]] = {way: [] for way in WAYS}
    best = now = np.nan
    for child in np.random.SeedSequence(seed).spawn(draws):
        rng = np.random.default_rng(child)

        def seen(group: str, n: float, rng: np.random.Generator = rng) -> float:
            floor, size, alpha = truth[group]
            return float((floor + size / n**alpha) * np.exp(noise * rng.standard_normal()))

        y = np.array([seen(g, n) for g, n in zip(labels, x, strict=True)])
        curves = learning_curves(x, y, labels, law=law, pool=pool, bootstrap=0, seed=seed)
        if curves.refused:
            continue  # a pilot that says a curve rises would be measured again
        market = read_market(curves, budget, cost, goal, weights, None, None, True)
        true = Curves(table[None, :, 0], table[None, :, 1], table[None, :, 2], market.weight)
        best = float(market.outcome(true, to_whole(market, true, market.fill(true)[0]))[0])
        now = float(market.outcome(true, np.zeros(len(groups)))[0])
        once = allocate_collection(curves, budget, cost=cost, goal=goal, weights=weights, force=True)
        many = collect_in_rounds(
            x, y, labels, budget, seen, rounds=rounds, cost=cost, goal=goal, weights=weights, law=law, pool=pool,
            bootstrap=0, seed=seed, force=True,
        )  # fmt: skip
        bought = {
            "once": once.buy,
            "uniform": next(s.buy for s in once.splits if s.name == "uniform"),
            "rounds": np.array([many.have[g] for g in groups]) - market.have,
        }
        for way, buy in bought.items():
            kept[way].append(float(market.outcome(true, buy)[0]) - best)
    if len(kept["once"]) < 2:
        raise UsageError(
            f"of {draws} simulated pilots, in {draws - len(kept['once'])} a curve rises: the noise is too large"
        )
    return Rehearsal({way: np.array(kept[way]) for way in WAYS}, best, now, seed)
